"""Whose messages are taken next: whoever floods gets what the others leave (G5)."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aslp2p.core.jobs import Spent
from aslp2p.daemon.fair import ACCOUNTS_MAX, AHEAD_S, FIRST_GUESS_S, SHARE, SHARE_AHEAD_S, Fair, Load, by_kind
from aslp2p.gossip.messages import GetContent, GetRange, Have, NoContent, encode_message
from aslp2p.limits import COMPANY_MS

GET_RANGE = 6


def load(account: bytes, *, kind: int = 3, office: bool = False, items: int = 1) -> Load:
    return Load(account, office, kind, items, 100)


class Bench:
    """Takes turns in tasks; the thread is played by `work_off`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.fair = Fair()
        self.entered: list[tuple[Load, float]] = []
        self.order: list[bytes] = []
        self._nursery = nursery

    async def put(self, *loads: Load) -> None:
        for one in loads:
            self._nursery.start_soon(self._take, one)
            await wait_all_tasks_blocked()

    async def _take(self, one: Load) -> None:
        guess = await self.fair.take(one)
        self.entered.append((one, guess))
        self.order.append(one.account)

    async def work_off(self, seconds: float) -> None:
        one, guess = self.entered.pop(0)
        self.fair.give(one, guess, Spent(seconds))
        await wait_all_tasks_blocked()


async def test_no_more_is_queued_than_is_worked_off_in_a_moment() -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        await bench.put(*[load(b"flood", kind=GET_RANGE) for _ in range(50)])
        assert len(bench.entered) == int(AHEAD_S / FIRST_GUESS_S[GET_RANGE])
        nursery.cancel_scope.cancel()


async def test_who_sends_little_goes_before_who_sends_without_end() -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        await bench.put(*[load(b"flood", kind=GET_RANGE) for _ in range(20)])
        await bench.work_off(0.05)
        await bench.put(load(b"honest"))
        await bench.work_off(0.05)
        assert bench.order == [b"flood", b"flood", b"honest"], "right after what was under way"
        nursery.cancel_scope.cancel()


async def test_many_links_on_one_account_have_one_turn() -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for _ in range(20):
            await bench.put(load(b"flood", kind=GET_RANGE), load(b"honest", kind=GET_RANGE))
        for _ in range(20):
            await bench.work_off(0.05)
        assert abs(bench.order.count(b"flood") - bench.order.count(b"honest")) <= 1
        nursery.cancel_scope.cancel()


async def test_the_witness_and_authorities_have_four_turns_for_one() -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for _ in range(40):
            await bench.put(load(b"a", kind=GET_RANGE), load(b"w", kind=GET_RANGE, office=True))
        for _ in range(30):
            await bench.work_off(0.05)
        assert bench.order.count(b"w") >= 3 * bench.order.count(b"a") > 0
        nursery.cancel_scope.cancel()


async def test_nobody_saves_up() -> None:
    """Whoever was quiet for long does not keep out the others for as long when it begins to flood."""
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        await bench.put(*[load(b"old", kind=GET_RANGE) for _ in range(60)])
        for _ in range(40):
            await bench.work_off(0.05)
        await bench.put(*[load(b"new", kind=GET_RANGE) for _ in range(30)])
        bench.order.clear()
        for _ in range(20):
            await bench.work_off(0.05)
        assert 8 <= bench.order.count(b"old") <= 12
        nursery.cancel_scope.cancel()


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        await bench.put(*[load(b"flood", kind=GET_RANGE) for _ in range(5)])
        with trio.move_on_after(0):
            await bench.fair.take(load(b"gone"))
        for _ in range(5):
            await bench.work_off(0.01)
        assert (bench.fair.items, bench.fair.bytes, bench.fair._lines) == (0, 0, {})


def test_what_asks_for_much_stands_alone() -> None:
    have, none = encode_message(Have((bytes(32),))), encode_message(NoContent((bytes(32),)))
    ask, content = (
        encode_message(GetRange(1, bytes(32), (), 1, 256)),
        encode_message(GetContent((bytes(32),))),
    )
    runs = by_kind([have, have, ask, ask, content, none, have])
    assert runs == [
        (3, [have, have]),
        (6, [ask]),
        (6, [ask]),
        (8, [content]),
        (10, [none]),
        (3, [have]),
    ]
    assert by_kind([b"", b"\x91"]) == [(0, [b"", b"\x91"])]


async def test_a_slowed_account_waits_on_all_its_links_and_nobody_else_does(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        began = trio.current_time()
        bench.fair.slow(b"flood", 2.0)
        bench.fair.slow(b"flood", 1.0)
        await bench.put(load(b"flood"), load(b"flood"), load(b"honest"))
        assert bench.order == [b"honest"]
        await trio.sleep_until(began + 2.9)
        assert bench.order == [b"honest"]
        await trio.sleep_until(began + 3.1)
        assert bench.order == [b"honest", b"flood", b"flood"], "what it paid was added up"


async def test_while_somebody_else_is_at_work_an_account_has_its_share_of_the_time(
    autojump_clock: MockClock,
) -> None:
    """A flood is always under way: going first is not enough for what comes now and then."""
    fair = Fair()
    fair.at_work(b"honest")
    began = trio.current_time()
    for _ in range(100):
        fair.give(
            load(b"flood", kind=GET_RANGE), await fair.take(load(b"flood", kind=GET_RANGE)), Spent(0.01)
        )
        await trio.sleep(0.01)
        fair.at_work(b"honest")
    assert trio.current_time() - began >= (1.0 - SHARE_AHEAD_S) / SHARE - 0.1, "a second of work in four"
    began = trio.current_time()
    for _ in range(100):
        fair.give(
            load(b"w", kind=GET_RANGE, office=True),
            await fair.take(load(b"w", kind=GET_RANGE, office=True)),
            Spent(0.01),
        )
    assert trio.current_time() == began, "nor are those in office held up"


async def test_alone_an_account_has_all_the_time(autojump_clock: MockClock) -> None:
    fair = Fair()
    fair.at_work(b"flood")
    began = trio.current_time()
    for _ in range(100):
        fair.give(
            load(b"flood", kind=GET_RANGE), await fair.take(load(b"flood", kind=GET_RANGE)), Spent(0.01)
        )
    assert trio.current_time() == began
    fair.at_work(b"honest")
    await trio.sleep(COMPANY_MS / 1000 + 0.1)
    began = trio.current_time()
    for _ in range(100):
        fair.give(
            load(b"flood", kind=GET_RANGE), await fair.take(load(b"flood", kind=GET_RANGE)), Spent(0.01)
        )
    assert trio.current_time() == began, "and soon after"


async def test_of_slowed_accounts_a_bounded_number_is_remembered() -> None:
    fair = Fair()
    for number in range(2 * ACCOUNTS_MAX):
        fair.slow(number.to_bytes(4, "big"), 1.0)
    assert len(fair._slowed) == ACCOUNTS_MAX
