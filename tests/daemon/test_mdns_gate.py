"""What the gate before zeroconf lets in: bounded by size, by sender and in all."""

from __future__ import annotations

from aslp2p.daemon.mdns_gate import (
    OTHERS_BURST,
    OURS_BURST,
    OURS_PER_S,
    PACKET_BYTES_MAX,
    SENDER_BURST,
    SENDER_PER_S,
    SENDERS_MAX,
    Gate,
)

OURS = b"....\x07_aslp2p\x04_tcp\x05local"


def passed(gate: Gate, data: bytes, senders: int, count: int, now: float) -> int:
    return sum(gate.admits(data, f"10.0.0.{one % senders}", now) for one in range(count))


def test_what_is_longer_than_any_of_ours_does_not_pass() -> None:
    gate = Gate(0.0)
    assert gate.admits(OURS.ljust(PACKET_BYTES_MAX, b"\0"), "10.0.0.1", 0.0)
    assert not gate.admits(OURS.ljust(PACKET_BYTES_MAX + 1, b"\0"), "10.0.0.1", 0.0)
    assert (gate.passed, gate.refused) == (1, 1)


def test_one_sender_uses_up_its_own_and_nobody_else_s() -> None:
    gate = Gate(0.0)
    assert passed(gate, OURS, 1, 10_000, 0.0) == SENDER_BURST
    assert passed(gate, OURS, 1, 10_000, 1.0) == SENDER_PER_S
    assert gate.admits(OURS, "10.9.9.9", 1.0)


def test_many_senders_together_are_bounded() -> None:
    gate = Gate(0.0)
    assert passed(gate, OURS, 200, 100_000, 0.0) == OURS_BURST
    assert passed(gate, OURS, 200, 100_000, 1.0) == OURS_PER_S


def test_what_is_not_about_us_costs_us_nothing() -> None:
    gate = Gate(0.0)
    assert passed(gate, b"_printer", 200, 100_000, 0.0) == OTHERS_BURST
    assert passed(gate, OURS, 200, 100_000, 0.0) == OURS_BURST


def test_a_house_of_64_that_starts_at_once_is_heard() -> None:
    gate = Gate(0.0)
    assert passed(gate, OURS, 64, 640, 0.0) == 640


def test_senders_that_never_come_again_are_forgotten() -> None:
    gate = Gate(0.0)
    for one in range(10 * SENDERS_MAX):
        gate.admits(OURS, f"10.1.{one // 256}.{one % 256}", 0.0)
    assert len(gate._senders) == SENDERS_MAX
