"""Signs of life of the witness (section 8): sent while it could emit as well, counted once, never history."""

from __future__ import annotations

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.types import Beacon
from aslp2p.gossip.messages import Push, Want
from aslp2p.limits import RETURN_WAIT_MS
from aslp2p.recovery import beacon_interval_ms
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.core.test_silence_monitor import GRACE_MS, beacon, household
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Key, World, bad_signature

INTERVAL_MS = beacon_interval_ms(GRACE_MS)


def heard(neighbour: Neighbour) -> list[Beacon]:
    statements = [decode_artifact(raw).statement for push in neighbour.heard(Push) for raw in push.artifacts]
    return [one for one in statements if isinstance(one, Beacon)]


def linked(world: World, own: Key) -> tuple[Stage, Neighbour]:
    stage = Stage(world, own)
    ben = stage.link(BEN)
    ben.heads(world.root)
    return stage, ben


def test_a_witness_says_now_and_then_that_it_is_there() -> None:
    world = household()
    stage, ben = linked(world, ANN)
    stage.wait(10 * INTERVAL_MS)
    found = heard(ben)
    assert 9 <= len(found) <= 12
    assert [one.counter for one in found] == sorted({one.counter for one in found})
    assert {(one.epoch, one.height, one.head) for one in found} == {(0, 0, world.id)}


def test_its_counter_never_goes_back_whatever_happens() -> None:
    """A counter that was heard before ends no silence; so it is reserved on disk before it is used."""
    world = household()
    stage, ben = linked(world, ANN)
    stage.wait(3 * INTERVAL_MS)
    last = heard(ben)[-1].counter
    stage.restart()
    again = stage.link(BEN)
    again.heads(world.root)
    stage.wait(2 * INTERVAL_MS)
    assert heard(again)[0].counter > last


def test_nobody_else_says_so() -> None:
    world = household()
    stage, ben = linked(world, CLEO)
    stage.wait(10 * INTERVAL_MS)
    assert heard(ben) == []


def test_a_witness_that_may_not_emit_gives_no_sign_of_life() -> None:
    """S11: others would wait for it for ever."""
    world = household()
    stage, ben = linked(world, ANN)
    ben.pushes(world.puts(world.root, "from another machine").snapshot)
    assert stage.core.live()["stale_reason"] is not None
    stage.wait(10 * INTERVAL_MS)
    assert heard(ben) == []


def test_a_witness_that_listens_gives_no_sign_of_life_before_it_may_emit() -> None:
    """S10: it may have been replaced, and others would wait for it."""
    world = household()
    stage = Stage(world, ANN)
    dan = stage.link(DAN)
    dan.heads(world.root)
    stage.wait(min(RETURN_WAIT_MS, GRACE_MS // 4) - 1)
    assert heard(dan) == []
    stage.link(BEN).heads(world.root)
    stage.wait(INTERVAL_MS)
    assert heard(dan)


def test_a_new_one_is_passed_on_once_and_kept_for_who_asks() -> None:
    world = household()
    stage, ben = linked(world, CLEO)
    ann = stage.link(ANN)
    sign = beacon(world, 5)
    ben.pushes(sign)
    ben.pushes(sign)
    assert [one.counter for one in heard(ann)] == [5]
    ben.pushes(beacon(world, 4))
    assert [one.counter for one in heard(ann)] == [5], "an older one says nothing"
    asks = stage.link(BEN)
    asks.says(Want((sign.id,)))
    assert [one.counter for one in heard(asks)] == [5]


def test_a_forged_one_costs_its_sender_the_link() -> None:
    world = household()
    stage, ben = linked(world, CLEO)
    assert said(ben.pushes(bad_signature(beacon(world, 5))), "ben < closed, blamed")
    stage.wait(SECOND_MS)
    assert stage.core.live()["silent_ms"] == 0, "and nobody is left to count with"
