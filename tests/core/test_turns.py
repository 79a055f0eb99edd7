"""What a witness looks at first when somebody proposes without end, and what a refusal costs (G5)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Proposal, Remove
from aslp2p.core.accounts import AT_WORK_MAX, FEW, TURN_MS
from aslp2p.core.effects import AtWork, Slow
from aslp2p.core.inputs import AddContent, Now, Propose, Received
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.history import read_snapshot
from aslp2p.limits import COMPANY_MS, TOLL_PER_SECOND, TOLL_REJECTION, TOLL_TOKENS_MAX
from tests.core.scripted import SECOND_MS, Stage
from tests.core.test_witness import DATA, MINE, answers, letter, listening
from tests.ledger.builder import BEN, CLEO, DAN, Key, World


def many(world: World, count: int, author: Key = DAN) -> list[Verified[Proposal]]:
    return [letter(world, f"{author.name}/{number}", author) for number in range(count)]


def listed(stage: Stage) -> list[list[bytes]]:
    """What each snapshot lists."""
    rows = stage.store.snapshots(0, 1, stage.height)
    return [list(read_snapshot(row).statement.proposals) for row in rows]


def in_turn(world: World) -> tuple[Stage, list[Verified[Proposal]]]:
    """A witness that has listed something of cleo's, and what dan sends then."""
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    ben.pushes(letter(world, "first", CLEO))
    stage.wait(SECOND_MS)
    flood = many(world, 4 * FEW)
    ben.pushes(*flood)
    return stage, flood


def test_while_somebody_is_at_work_whoever_has_many_waits_for_turns() -> None:
    stage, flood = in_turn(World())
    stage.wait(TURN_MS // 2)
    assert sum(map(len, listed(stage))) == 1 + FEW
    stage.wait(TURN_MS)
    assert sum(map(len, listed(stage))) == 1 + 2 * FEW
    stage.wait(TURN_MS)
    assert [id_ for ids in listed(stage)[1:] for id_ in ids] == [one.id for one in flood], "all, and in order"


def test_what_comes_between_two_turns_is_not_held_up_by_them() -> None:
    world = World()
    stage, _ = in_turn(world)
    stage.wait(TURN_MS // 2)
    mine = letter(world, "second", CLEO)
    stage.link(CLEO).pushes(mine)
    stage.wait(TURN_MS // 4)
    assert listed(stage)[-1] == [mine.id]


def test_alone_whoever_has_many_has_all_the_time() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    ben.pushes(letter(world, "first", CLEO))
    stage.wait(COMPANY_MS + SECOND_MS)
    ben.pushes(*many(world, 3 * FEW))
    stage.wait(TURN_MS // 4)
    assert sum(map(len, listed(stage))) == 1 + 3 * FEW


def test_two_that_have_many_do_not_wait_for_each_other() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    ben.pushes(*many(world, 2 * FEW), *many(world, 2 * FEW, CLEO))
    stage.wait(TURN_MS // 4)
    assert sum(map(len, listed(stage))) == 4 * FEW


def test_refusals_are_on_the_account_of_whoever_proposed_and_come_no_faster_than_its_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens, burst = 20 * TOLL_REJECTION, 10
    monkeypatch.setattr("aslp2p.core.tolls.TOLL_TOKENS_MAX", tokens)
    monkeypatch.setattr("aslp2p.core.turns.TURN_MS", 10)
    world = World()
    stage, ben = listening(world)
    bad = [world.propose(Remove(f"no/{number}", None), DAN) for number in range(200)]
    ben.pushes(*bad)
    stage.wait(10)
    assert 0 < len(answers(ben)) <= burst + 1, "half of the tokens are for what it asks"
    stage.wait(2 * SECOND_MS)
    each_s = TOLL_PER_SECOND / TOLL_REJECTION
    assert abs(len(answers(ben)) - burst - 2 * each_s) <= 2
    other = world.propose(Remove("no/other", None), CLEO)
    ben.pushes(other)
    stage.wait(10)
    assert other.id in {one.statement.proposal for one in answers(ben)}, "nobody else pays for it"
    for _ in range(10):
        stage.wait(2 * SECOND_MS)
    assert {one.statement.proposal for one in answers(ben)} == {one.id for one in [*bad, other]}, "in the end"


def test_a_witness_that_waits_for_a_turn_sleeps_until_then() -> None:
    stage, _ = in_turn(World())
    stage.wait(TURN_MS // 2)
    due = stage.core.wake_at_ms
    assert due is not None and due > stage._now


def test_the_driver_is_told_of_whoever_is_at_work_and_not_of_whoever_has_many_waiting() -> None:
    world = World()
    stage, _ = listening(world)
    core, now = stage.core, Now(stage._now, stage._now)
    pieces = ((content_id(DATA), DATA),)
    puts = [replace(MINE, path=f"mine/{number}") for number in range(FEW + 3)]
    told = [
        [one.account for one in core.step(Propose(put, pieces), now).effects if isinstance(one, AtWork)]
        for put in puts[1:]
    ]
    assert told == [[stage.own.key], *[[]] * (FEW + 1)], "now and then, not each time"
    later = Now(now.mono + COMPANY_MS, now.wall)
    assert not any(isinstance(one, AtWork) for one in core.step(Propose(puts[0], pieces), later).effects)
    assert len(core._accounts._at_work) <= AT_WORK_MAX


def test_half_of_the_tokens_are_never_taken_for_refusals() -> None:
    world = World()
    stage, _ = listening(world)
    tolls, now = stage.core._tolls, stage._now
    for _ in range(TOLL_TOKENS_MAX // TOLL_REJECTION):
        if tolls.spares(DAN.key, TOLL_REJECTION, now):
            tolls.charge(DAN.key, None, TOLL_REJECTION, now)
    assert tolls._accounts[DAN.key].left(now) >= TOLL_TOKENS_MAX / 2


def test_all_keys_of_one_member_have_as_many_proposals_waiting_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty-four keys that one member let in would fill three of four places, and slow every snapshot."""
    monkeypatch.setattr("aslp2p.core.accounts.PENDING_PER_AUTHOR_MAX", 6)
    world = World()
    stage, ben = listening(world)
    monkeypatch.setattr(stage.core._accounts, "of", lambda key: DAN.key if key == CLEO.key else key)
    first, second = ([lost(world, f"{key.name}/{n}", key) for n in range(4)] for key in (DAN, CLEO))
    ben.pushes(*first)
    ben.pushes(*second)
    assert stage.core.live()["pending"] == 6
    ben.pushes(*[lost(world, f"own/{n}", BEN) for n in range(4)])
    assert stage.core.live()["pending"] == 10, "others have their own"


def lost(world: World, path: str, author: Key) -> Verified[Proposal]:
    """A put of what nobody has."""
    return letter(world, path, author, path.encode())


def test_whoever_proposes_more_than_it_has_turns_for_is_read_no_faster() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    dan = stage.link(DAN)
    flood, more = many(world, 2 * FEW), [lost(world, f"more/{n}", DAN) for n in range(2 * FEW)]

    def slowed(link: int, push: Push) -> list[Slow]:
        now = Now(stage._now, stage._now)
        step = stage.core.step(Received(link, encode_message(push)), now)
        return [one for one in step.effects if isinstance(one, Slow)]

    assert slowed(dan.link, Push(tuple(one.raw for one in flood), ())) == [], "alone it is read at once"
    ben.pushes(letter(world, "mine", CLEO))
    assert slowed(ben.link, Push(tuple(one.raw for one in more[:FEW]), ())) == [], "it is not ben's"
    (slow,) = slowed(dan.link, Push(tuple(one.raw for one in more[FEW:]), ()))
    assert (slow.account, slow.pause_ms) == (DAN.key, TURN_MS)
