"""F5: only a person moves the floor sideways, and the head goes with it."""

from __future__ import annotations

import pytest

from aslp2p.core.inputs import MoveFloor
from aslp2p.errors import UserError
from aslp2p.ledger.floor import read_floor, read_floor_moves
from tests.core.scripted import Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Node, policy
from tests.ledger.grown import Grown


def two_histories() -> tuple[Stage, Grown, Node, Node]:
    """`dan` has both policy changes, and follows the one whose final it knows."""
    grown = Grown()
    world = grown.world
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    tip = world.after(theirs, settlement=world.settlement(theirs, ANN, EVE))
    stage = Stage(world, DAN)
    ben = stage.link(BEN).holds(grown.tip)
    ben.heads(grown.tip)
    ben.pushes(*(world.cosignature(grown.tip, key) for key in (BEN, CLEO)))
    ben.holds(tip).heads(tip)
    stage.wait(5_000)
    assert (stage.head, stage.ledger().floor.id) == (grown.tip.id, grown.change.id)
    return stage, grown, theirs, tip


def test_the_head_follows_the_floor_and_both_outlive_a_crash() -> None:
    stage, grown, theirs, tip = two_histories()
    said = stage.happen(MoveFloor(theirs.id))
    assert stage.head == tip.id
    assert f"* notice floor-moved: the floor was moved by hand to @{theirs.height}" in said
    stage.restart()
    assert stage.head == tip.id
    (move,) = read_floor_moves(stage.store)
    assert (move.old.id, move.new.id) == (grown.change.id, theirs.id)


def test_what_is_no_policy_change_moves_nothing() -> None:
    stage, grown, _, _ = two_histories()
    for wrong in (bytes(32), grown.tip.id):
        with pytest.raises(UserError) as caught:
            stage.happen(MoveFloor(wrong))
        assert caught.value.remedy == "see which there are: asl floor"
    floor = read_floor(stage.store)
    assert (stage.head, floor and floor.id) == (grown.tip.id, grown.change.id)
    assert read_floor_moves(stage.store) == []
