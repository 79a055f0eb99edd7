"""A link that works, and what it never does: answer strangers, deliver early, grow on request (G2, G5)."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.errors import InvariantBroken, LinkError
from aslp2p.limits import LINK_NETWORKS_MAX, MESSAGE_BYTES_MAX
from aslp2p.link.session import Established, MessageReceived, Network, Session
from tests.link.links import ALICE, HOME, JAMES, TEAM, Puppet, exchange, initiator, linked, responder, secret


def test_both_sides_learn_who_the_other_is() -> None:
    one, other = initiator(token=b"invite", name="Ali\u0107e"), responder(name="james")
    assert exchange(one, other) == (
        [Established(HOME, JAMES.key, b"", "james")],
        [Established(HOME, ALICE.key, b"invite", "Ali\u0107e")],
    )
    one.send(b"there")
    one.send(b"and there")
    other.send(b"back")
    assert exchange(one, other) == (
        [MessageReceived(b"back")],
        [MessageReceived(b"there"), MessageReceived(b"and there")],
    )


def test_the_layout_of_the_handshake() -> None:
    """Sizes as docs/link.md gives them; the responder's key leaves after the initiator's has verified."""
    one, other = initiator(), responder()
    first = one.take_output()
    assert (len(first), first[:2]) == (50, b"\x00\x30")
    assert other.receive(first) == []
    second = other.take_output()
    assert (len(second), second[:2]) == (98, b"\x00\x60")
    assert one.receive(second) == []
    third = one.take_output()
    assert third[:2] == b"\x00\x40"
    assert other.receive(third[:66]) == []
    assert other.take_output() == b""
    assert other.receive(third[66:]) == [Established(HOME, ALICE.key, b"", "")]
    assert one.receive(other.take_output()) == [Established(HOME, JAMES.key, b"", "")]


@pytest.mark.parametrize("wanted", [HOME, TEAM])
def test_the_responder_finds_the_network_by_its_secret(wanted: Network) -> None:
    many = [Network(secret(f"id {n}"), secret(f"psk {n}")) for n in range(LINK_NETWORKS_MAX - 2)]
    one, other = initiator(network=wanted), responder(JAMES, HOME, *many, TEAM)
    exchange(one, other)
    one.send(b"hello")
    assert exchange(one, other)[1] == [MessageReceived(b"hello")]
    again = exchange(initiator(network=wanted), responder(JAMES, HOME, *many, TEAM))
    assert [event.network for side in again for event in side if isinstance(event, Established)] == [
        wanted
    ] * 2


def test_two_networks_with_one_secret_are_still_two() -> None:
    """Or a malicious invite that copies a secret would cut its target off."""
    copied = Network(secret("another id"), HOME.psk)
    seen = exchange(initiator(), responder(JAMES, copied, HOME))
    assert seen[1] == [Established(HOME, ALICE.key, b"", "")]
    other = responder(JAMES, copied)
    with pytest.raises(LinkError, match="no secret of ours"):
        other.receive(initiator().take_output())


def test_without_the_secret_there_is_no_answer() -> None:
    """G2: not a byte, whether the stranger speaks Noise or not."""
    for first in [
        initiator(network=TEAM).take_output(),
        initiator(network=Network(HOME.id, TEAM.psk)).take_output(),
        b"\x00\x30" + bytes(48),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x30" + secret("x") + bytes(15) + b"x",
    ]:
        other = responder()
        with pytest.raises(LinkError):
            other.receive(first)
        assert other.take_output() == b""
        with pytest.raises(LinkError, match="failed before"):
            other.receive(initiator().take_output())
        assert other.take_output() == b""


def test_a_replayed_first_message_gets_nowhere() -> None:
    """The answers differ throughout, and nothing recorded finishes the second handshake."""
    one, other = initiator(), responder()
    first = one.take_output()
    other.receive(first)
    answer = other.take_output()
    one.receive(answer)
    rest = one.take_output()
    later = responder(attempt=" later")
    later.receive(first)
    assert sum(a == b for a, b in zip(answer[2:], later.take_output()[2:], strict=True)) < 10
    with pytest.raises(LinkError):
        later.receive(rest)
    assert later.take_output() == b""


def conversation(stage: int) -> tuple[Session, bytes]:
    """A receiver at this stage, and the honest bytes for it."""
    one, other = initiator(token=b"token", name="alice"), responder()
    sides, at = (one, other), 0
    for _ in range(stage):
        sides[1 - at % 2].receive(sides[at % 2].take_output())
        at += 1
    if stage >= 4:
        sides[at % 2].send(b"a message")
    return sides[1 - at % 2], sides[at % 2].take_output()


@pytest.mark.parametrize("stage", range(6))
def test_any_changed_byte_kills_the_session_and_delivers_nothing(stage: int) -> None:
    """Stages: message 1, 2, 3 with the proof, the proof back, a message each way."""
    _, honest = conversation(stage)
    assert len(honest) > 25
    for at in range(len(honest)):
        for bit in (0x01, 0x80):
            receiver, _ = conversation(stage)
            changed = honest[:at] + bytes([honest[at] ^ bit]) + honest[at + 1 :]
            receiver.take_output()
            for piece in (changed[:at], changed[at:]):
                with suppress(LinkError):
                    assert receiver.receive(piece) == []
            with pytest.raises(LinkError):  # a longer length only waited for more: let it have it
                receiver.receive(bytes(65_600))
            assert receiver.take_output() == b""
            with pytest.raises(LinkError, match="failed before"):
                receiver.send(b"x")


@settings(max_examples=40, deadline=None)
@given(
    messages=st.lists(st.binary(min_size=1, max_size=500), max_size=6),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8),
)
def test_any_split_of_a_whole_link_gives_the_same_events(messages: list[bytes], sizes: list[int]) -> None:
    one, other = initiator(), responder()
    seen: list[list[object]] = [[], []]
    turn = cycle(sizes)
    sent = False
    while True:
        moved = False
        for sender, receiver, events in ((one, other, seen[1]), (other, one, seen[0])):
            stream = sender.take_output()
            at = 0
            while at < len(stream):
                size = next(turn)
                events += receiver.receive(stream[at : at + size])
                at += size
                moved = True
        if not moved and sent:
            break
        if not moved:
            sent = True
            for message in messages:
                one.send(message)
                other.send(message[::-1])
    assert seen[0] == [Established(HOME, JAMES.key, b"", ""), *(MessageReceived(m[::-1]) for m in messages)]
    assert seen[1] == [Established(HOME, ALICE.key, b"", ""), *(MessageReceived(m) for m in messages)]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400), stage=st.integers(0, 4), sizes=st.lists(st.integers(1, 99), min_size=1))
def test_garbage_is_a_link_error_or_nothing(data: bytes, stage: int, sizes: list[int]) -> None:
    """Also with the length that the next frame should have, so that what is inside gets looked at."""
    frame_sizes = [48, 96, 64, 120, 30]
    for garbage in (data, frame_sizes[stage].to_bytes(2, "big") + data):
        receiver, _ = conversation(stage)
        receiver.take_output()
        try:
            assert receiver.receive(garbage) == []
        except LinkError:
            assert receiver.take_output() == b""


def test_what_was_to_be_sent_dies_with_the_session() -> None:
    one, other = initiator(), responder()
    with pytest.raises(LinkError):
        other.receive(one.take_output() + bytes(66))
    assert other.take_output() == b""
    untaken = initiator()
    with pytest.raises(LinkError):
        untaken.receive(b"no answer")
    assert untaken.take_output() == b""
    one, other = linked()
    one.send(b"too late")
    with pytest.raises(LinkError):
        one.receive(bytes(100))
    assert one.take_output() == b""


def test_a_session_before_its_link_sends_nothing() -> None:
    one, other = initiator(), responder()
    for session in (one, other):
        with pytest.raises(InvariantBroken, match="not established"):
            session.send(b"early")
    other.receive(one.take_output())
    one.receive(other.take_output())
    with pytest.raises(InvariantBroken, match="not established"):
        one.send(b"early")


def test_an_initiator_may_hear_messages_right_behind_the_proof() -> None:
    """The responder is established first; all of it may come in one read."""
    one, other = initiator(), responder()
    other.receive(one.take_output())
    one.receive(other.take_output())
    other.receive(one.take_output())
    other.send(b"z" * 300_000)
    assert one.receive(other.take_output()) == [
        Established(HOME, JAMES.key, b"", ""),
        MessageReceived(b"z" * 300_000),
    ]


@pytest.mark.parametrize("size", [0, MESSAGE_BYTES_MAX + 1])
def test_a_message_out_of_bounds_is_ours_to_refuse(size: int) -> None:
    one, other = linked()
    with pytest.raises(InvariantBroken):
        one.send(bytes(size))
    one.send(b"still alive")
    assert exchange(one, other)[1] == [MessageReceived(b"still alive")]


def test_the_largest_message_passes() -> None:
    one, other = linked()
    message = bytes(range(256)) * (MESSAGE_BYTES_MAX // 256)
    one.send(message)
    assert exchange(one, other)[1] == [MessageReceived(message)]


@pytest.mark.parametrize("header", [b"\0\0\0\0", (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"), b"\xff" * 4])
def test_a_message_out_of_bounds_ends_the_link_at_its_header(header: bytes) -> None:
    session = responder()
    puppet = Puppet(session, initiator=True)
    session.receive(puppet.say(puppet.prove()))
    with pytest.raises(LinkError, match="a message of"):
        session.receive(puppet.say(header))


def test_an_empty_frame_is_refused() -> None:
    session = responder()
    puppet = Puppet(session, initiator=True)
    session.receive(puppet.say(puppet.prove()))
    with pytest.raises(LinkError, match="a frame of 16 bytes"):
        session.receive(puppet.say(b""))


@pytest.mark.parametrize(("stage", "size"), [(0, 47), (0, 49), (1, 95), (2, 65), (3, 16), (3, 700), (4, 16)])
def test_a_frame_out_of_its_phase_is_refused_at_its_length(stage: int, size: int) -> None:
    """A4: two bytes are enough to know."""
    receiver, _ = conversation(stage)
    with pytest.raises(LinkError, match=f"a frame of {size} bytes"):
        receiver.receive(size.to_bytes(2, "big"))


def test_a_stranger_makes_us_keep_less_than_4_kib() -> None:
    """What half-open handshakes cost, beyond the session object itself: no more than what came (G5)."""
    sessions = [responder(attempt=str(number)) for number in range(50)]
    first = initiator().take_output()
    tracemalloc.start()
    try:
        for session in sessions:
            session.receive(first[:49])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 50 * 4_096


def arguments(**changed: object) -> dict[str, object]:
    return {
        "initiator": True,
        "networks": [HOME],
        "identity": ALICE,
        "static_private": secret("s"),
        "ephemeral_private": secret("e"),
        **changed,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"networks": []},
        {"networks": [HOME, TEAM]},
        {"initiator": False, "networks": []},
        {"initiator": False, "networks": [HOME] * (LINK_NETWORKS_MAX + 1)},
        {"networks": [Network(HOME.id, b"short")]},
        {"networks": [Network(b"short", HOME.psk)]},
        {"static_private": bytes(31)},
        {"ephemeral_private": bytes(33)},
        {"networks": [replace(HOME, token=bytes(513))]},
        {"networks": [replace(HOME, name="\u00e9" * 33)]},
        {"initiator": False, "networks": [HOME, replace(TEAM, token=bytes(513))]},
    ],
)
def test_arguments_out_of_bounds_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(InvariantBroken):
        Session(**arguments(**changed))  # type: ignore[arg-type]


def test_whoever_is_dialled_may_show_an_invite_too() -> None:
    one, other = initiator(), responder(JAMES, TEAM, HOME, token=b"invite", name="james")
    assert exchange(one, other)[0] == [Established(HOME, JAMES.key, b"invite", "james")]


def test_the_longest_token_and_name_pass() -> None:
    one = initiator(token=bytes(512), name="\u00e9" * 32)
    assert exchange(one, responder())[1] == [Established(HOME, ALICE.key, bytes(512), "\u00e9" * 32)]
