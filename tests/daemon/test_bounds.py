"""What keeps one peer from being all peers' problem (G5): half-open connections, room, blame, log lines."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.daemon.blame import FORGIVEN_AFTER, KEPT_MAX, PAUSE_S, PAUSE_S_MAX, Blame
from aslp2p.daemon.halfopen import HALF_OPEN_MAX, PER_ADDRESS_MAX, HalfOpen, HalfOpens, source_of
from aslp2p.daemon.log_limiter import ABOUT_MAX, LINES_PER_ONE, LINES_PER_WINDOW, WINDOW_S, LogLimiter
from aslp2p.daemon.room import Room


class Crowd:
    """Half-open connections by number, and who was evicted."""

    def __init__(self) -> None:
        self.table = HalfOpens()
        self.evicted: list[int] = []
        self.count = 0

    def come(self, address: str) -> HalfOpen:
        number = self.count
        self.count += 1
        one = HalfOpen(address, lambda: self.evicted.append(number))
        self.table.add(one)
        return one


def test_half_open_connections_are_bounded_and_the_oldest_goes() -> None:
    crowd = Crowd()
    for number in range(10_000):
        crowd.come(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
        assert len(crowd.table) <= HALF_OPEN_MAX
    assert crowd.evicted == list(range(10_000 - HALF_OPEN_MAX))


def test_one_address_pushes_out_its_own_first() -> None:
    crowd = Crowd()
    crowd.come("10.0.0.1")
    for _ in range(1000):
        crowd.come("10.0.0.2")
    assert 0 not in crowd.evicted
    assert len(crowd.table) == PER_ADDRESS_MAX + 1


def test_who_knows_a_secret_is_not_pushed_out_by_who_does_not() -> None:
    crowd = Crowd()
    honest = crowd.come("10.0.0.1")
    honest.knows = True
    for number in range(1000):
        crowd.come(f"10.1.{number // 250}.{number % 250}")
    for _ in range(1000):
        crowd.come("10.0.0.1")
    assert 0 not in crowd.evicted


def test_if_all_know_a_secret_the_oldest_goes() -> None:
    crowd = Crowd()
    for number in range(HALF_OPEN_MAX + 1):
        crowd.come(f"10.0.0.{number}").knows = True
    assert crowd.evicted == [0]


def test_one_machine_with_many_ipv6_addresses_is_one_source() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1")
    assert source_of("2001:db8::1") != source_of("2001:db8:0:1::1")
    assert source_of("fe80::1%3") == source_of("fe80::2%4")
    assert source_of("::ffff:10.0.0.1") == source_of("10.0.0.1")


# --- room -------------------------------------------------------------------------------------------


async def test_room_is_given_in_the_order_of_asking() -> None:
    room = Room(10, 1000)
    await room.take(10, 10)
    order: list[int] = []

    async def wait(number: int, items: int) -> None:
        await room.take(items, 1)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number, items in enumerate((8, 3, 1)):
            nursery.start_soon(wait, number, items)
            await trio.testing.wait_all_tasks_blocked()
        room.give(5, 5)
        await trio.testing.wait_all_tasks_blocked()
        assert order == [], "the small ones do not overtake the large one"
        room.give(5, 5)
        await trio.testing.wait_all_tasks_blocked()
        assert order == [0], "nor the last the second, which there is no room for"
        room.give(8, 1)
    assert sorted(order) == [0, 1, 2]


async def test_what_is_larger_than_the_room_is_let_in_alone() -> None:
    room = Room(10, 1000)
    with trio.fail_after(5):
        await room.take(1, 10_000)
    with trio.move_on_after(0) as waiting:
        await room.take(1, 1)
    assert waiting.cancelled_caught
    room.give(1, 10_000)
    assert (room.items, room.bytes) == (0, 0)


async def test_who_gives_up_waiting_leaves_no_hole() -> None:
    room = Room(1, 1)
    await room.take(1, 1)
    with trio.move_on_after(0):
        await room.take(1, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.take, 1, 1)
        await trio.testing.wait_all_tasks_blocked()
        room.give(1, 1)
    room.give(1, 1)
    assert (room.items, room.bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 100)), max_size=30))
def test_room_never_holds_more_than_it_has(takes: list[tuple[int, int]]) -> None:
    async def main() -> None:
        room = Room(10, 100)
        async with trio.open_nursery() as nursery:

            async def use(items: int, size: int) -> None:
                await room.take(items, size)
                assert room.items <= 10 and room.bytes <= 100
                await trio.lowlevel.checkpoint()
                room.give(items, size)

            for items, size in takes:
                nursery.start_soon(use, items, size)
        assert (room.items, room.bytes) == (0, 0)

    trio.run(main)


# --- blame ------------------------------------------------------------------------------------------


def test_blame_lasts_longer_each_time_and_is_forgiven_in_the_end() -> None:
    blame = Blame()
    assert blame.until("peer") == 0.0
    now, pauses = 0.0, []
    for _ in range(8):
        until = blame.put("peer", now)
        pauses.append(until - now)
        assert blame.until("peer") == until
        now = until + 1
    assert pauses == [min(PAUSE_S_MAX, PAUSE_S * 2**n) for n in range(8)]
    now += FORGIVEN_AFTER * PAUSE_S_MAX
    assert blame.put("peer", now) == now + PAUSE_S


def test_blame_is_kept_of_so_many_and_no_more() -> None:
    blame = Blame()
    for number in range(2 * KEPT_MAX):
        blame.put(number, 0.0)
    assert blame.until(0) == 0.0
    assert blame.until(2 * KEPT_MAX - 1) == PAUSE_S
    assert sum(blame.until(number) > 0 for number in range(2 * KEPT_MAX)) == KEPT_MAX


# --- log lines --------------------------------------------------------------------------------------


def test_strangers_cause_so_many_lines_a_minute_and_then_a_count(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    quiet = LogLimiter(logging.getLogger("test.quiet"), lambda: now)
    with caplog.at_level(logging.INFO, "test.quiet"):
        for number in range(5000):
            quiet.info("no link from %d", number)
        assert len(caplog.messages) == LINES_PER_WINDOW
        now = WINDOW_S
        quiet.info("no link from %d", 5000)
    assert caplog.messages[LINES_PER_WINDOW:] == [
        f"{5000 - LINES_PER_WINDOW} more lines like these were left out",
        "no link from 5000",
    ]


def test_whoever_causes_most_lines_leaves_room_for_the_others_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    quiet = LogLimiter(logging.getLogger("test.quiet"), lambda: now)
    with caplog.at_level(logging.INFO):
        for number in range(7000):
            quiet.info("linked with %d", number, about="10.0.0.4")
            quiet.info("no longer linked with %d", number, about="10.0.0.4")
        quiet.info("linked with anna", about="10.0.0.5")
        assert len(caplog.messages) == LINES_PER_ONE + 1
        assert caplog.messages[-1] == "linked with anna"
        for number in range(ABOUT_MAX * 3):
            quiet.info("linked with %d", number, about=f"10.1.{number}")
        assert len(caplog.messages) == LINES_PER_WINDOW
        now = WINDOW_S
        quiet.info("linked with ben", about="10.0.0.6")
    left_out = 14_000 - LINES_PER_ONE + ABOUT_MAX * 3 - (LINES_PER_WINDOW - LINES_PER_ONE - 1)
    assert caplog.messages[LINES_PER_WINDOW].startswith(
        f"{left_out} more lines like these were left out (13996 about 10.0.0.4, "
    )
    assert caplog.messages[LINES_PER_WINDOW + 1 :] == ["linked with ben"]
