"""S2: silence is counted while this authority is linked to another one and caught up with it, and by no
other way. What a node does of it is that it proposes another witness: each test looks for that alone."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Beacon
from aslp2p.core.catchup import DOUBT_MS_MAX
from aslp2p.recovery import proposes_after_ms, round_ms
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, policy

GRACE_MS = 60 * SECOND_MS
TURN_MS = proposes_after_ms(GRACE_MS, 2, 1.0)
"""The silence after which the last of three authorities has proposed itself, whatever it drew."""


def household(grace_ms: int = GRACE_MS) -> World:
    """Ann is the witness; ben and cleo are authorities with her, dan and eve are members."""
    return World(policy((ANN, BEN, CLEO), 2, grace_period_ms=grace_ms), members=(ANN, BEN, CLEO, DAN, EVE))


def beacon(world: World, counter: int, at: Node | None = None, by: Key = ANN) -> Verified[Beacon]:
    head = at or world.root
    return sign_statement(Beacon(world.id, head.next_epoch, head.height, head.id, counter), by)


def proposed(stage: Stage) -> bool:
    """Whether the node has asked for another witness because of silence."""
    return bool(said(stage.log, "* notice recovery-proposed"))


def with_ben(world: World, own: Key = CLEO) -> tuple[Stage, Neighbour]:
    """A node that is linked to another authority and caught up with it."""
    stage = Stage(world, own)
    ben = stage.link(BEN)
    ben.heads(world.root)
    return stage, ben


def test_a_witness_that_is_silent_for_a_grace_period_is_to_be_replaced() -> None:
    stage, _ = with_ben(household())
    stage.wait(GRACE_MS - SECOND_MS)
    assert not proposed(stage)
    stage.wait(TURN_MS - GRACE_MS + SECOND_MS)
    assert proposed(stage)
    assert any("witness-recovery" in line for line in said(stage.log, "ben < push"))


@pytest.mark.parametrize("linked", [(), (ANN,), (DAN,), (ANN, DAN)], ids=repr)
def test_nobody_counts_who_is_linked_to_no_other_authority(linked: tuple[Key, ...]) -> None:
    """With the witness only, the fault may be our own link to the others; alone, it is."""
    world = household()
    stage = Stage(world, CLEO)
    for key in linked:
        stage.link(key).heads(world.root)
    stage.wait(10 * TURN_MS)
    assert not proposed(stage)
    assert stage.core.live()["silent_ms"] == 0


def test_nobody_counts_who_has_not_caught_up_with_the_other_authority() -> None:
    """It may be ahead, under another witness; until it has told its head nothing is known."""
    world = household()
    stage = Stage(world, CLEO)
    ben = stage.link(BEN)
    stage.wait(2 * TURN_MS)
    assert not proposed(stage), "it has told nothing"
    ahead = world.puts(world.root, "ahead")
    ben.heads(ahead)
    stage.wait(2 * TURN_MS)
    assert not proposed(stage), "what it has told is not here"
    ben.holds(ahead).heads(ahead)
    stage.wait(DOUBT_MS_MAX)
    assert stage.head == ahead.id
    stage.wait(TURN_MS)
    assert proposed(stage)


@pytest.mark.parametrize("who", [ANN, DAN], ids=["the witness", "a member"])
def test_whoever_is_no_other_authority_counts_nothing(who: Key) -> None:
    stage, _ = with_ben(household(), who)
    stage.wait(2 * TURN_MS)
    assert not proposed(stage) and stage.core.live()["silent_ms"] == 0


def test_each_new_sign_of_life_ends_the_silence() -> None:
    """A beacon of the witness in its epoch, with a counter that was not heard before."""
    world = household()
    stage, ben = with_ben(world)
    for counter in range(1, 5):
        stage.wait(GRACE_MS - SECOND_MS)
        ben.pushes(beacon(world, counter))
    assert not proposed(stage)


@pytest.mark.parametrize("what", ["counter", "epoch", "author"])
def test_an_old_or_foreign_sign_of_life_ends_nothing(what: str) -> None:
    world = household()
    stage, ben = with_ben(world)
    ben.pushes(beacon(world, 7))
    stage.wait(GRACE_MS - SECOND_MS)
    assert not proposed(stage)
    old = {
        "counter": beacon(world, 7),
        "epoch": sign_statement(Beacon(world.id, 1, 0, world.id, 8), ANN),
        "author": beacon(world, 8, by=BEN),
    }[what]
    ben.pushes(old)
    stage.wait(TURN_MS - GRACE_MS + 2 * SECOND_MS)
    assert proposed(stage)


def test_a_new_head_is_a_sign_of_life() -> None:
    world = household()
    stage, ben = with_ben(world)
    stage.wait(GRACE_MS - SECOND_MS)
    node = world.puts(world.root, "alive")
    ben.holds(node).heads(node)
    stage.wait(GRACE_MS - SECOND_MS)
    assert not proposed(stage)
    stage.wait(TURN_MS - GRACE_MS + SECOND_MS)
    assert proposed(stage)


def test_time_alone_is_a_gap_and_counts_for_a_tenth_of_a_grace_period_at_most() -> None:
    world = household()
    stage, ben = with_ben(world)
    stage.wait(SECOND_MS)
    ben.leaves()
    stage.wait(20 * GRACE_MS)
    stage.link(BEN).heads(world.root)
    stage.wait(SECOND_MS)
    assert stage.core.live()["silent_ms"] <= GRACE_MS // 10 + 3 * SECOND_MS
    stage.wait(GRACE_MS - GRACE_MS // 10 - 5 * SECOND_MS)
    assert not proposed(stage)


def test_a_silence_survives_a_restart() -> None:
    """Who is on for an hour a day would else never replace a witness."""
    world = household()
    stage, _ = with_ben(world)
    stage.wait(GRACE_MS // 2)
    stage.restart()
    stage.link(BEN).heads(world.root)
    stage.wait(TURN_MS - GRACE_MS // 2 + round_ms(GRACE_MS))
    assert proposed(stage)
