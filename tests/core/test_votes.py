"""Endorsements and cosignatures that are heard: which count, which wait, and whose sender is at fault."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import Verified, decode_artifact
from aslp2p.artifacts.types import Cosignature, Proposal
from aslp2p.gossip.messages import Push, Want
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, bad_signature

MEMBERS = (ANN, BEN, CLEO, DAN, EVE)


def linked(world: World, own: Key = DAN) -> tuple[Stage, Neighbour]:
    """A node that cosigns nothing itself, unless said otherwise."""
    stage = Stage(world, own)
    return stage, stage.link(ANN)


def grown(world: World, stage: Stage, ann: Neighbour, count: int = 1) -> Node:
    tip = world.chain(world.root, count)
    ann.holds(tip).heads(tip)
    assert stage.head == tip.id
    return tip


def final(stage: Stage) -> int:
    return int(stage.core.live()["final_height"])


def passed_on(neighbour: Neighbour) -> set[bytes]:
    return {decode_artifact(raw).id for push in neighbour.heard(Push) for raw in push.artifacts}


def test_a_quorum_of_cosignatures_makes_final_and_is_passed_on() -> None:
    world = World()
    stage, ann = linked(world)
    tip = grown(world, stage, ann)
    ben = stage.link(BEN)
    one, two = world.cosignature(tip, ANN), world.cosignature(tip, BEN)
    assert not said(ann.pushes(one), "* final") and final(stage) == 0
    assert said(ann.pushes(two), "* final") == ["* final @1"]
    assert {one.id, two.id} <= passed_on(ben)
    assert not said(ann.pushes(two), "* final"), "once"
    stage.restart()
    assert final(stage) == 1


@pytest.mark.parametrize("what", ["a member's", "a wrong height", "a wrong epoch", "another Common's"])
def test_what_does_not_count_makes_nothing_final(what: str) -> None:
    """P2: a cosignature is of one snapshot, at its height, in its epoch, by an authority there."""
    world = World()
    stage, ann = linked(world)
    tip = grown(world, stage, ann)
    ann.pushes(world.cosignature(tip, ANN))
    bad: Verified[Cosignature] = {
        "a member's": world.cosignature(tip, DAN),
        "a wrong height": world.cosignature(tip, BEN, height=2),
        "a wrong epoch": world.cosignature(tip, BEN, epoch=1),
        "another Common's": world.cosignature(tip, BEN, common_id=bytes(32)),
    }[what]
    ann.pushes(bad)
    assert final(stage) == 0
    good = world.cosignature(tip, BEN)
    stage.link(BEN).pushes(good)
    assert final(stage) == 1, "and it is in nobody's way"


def test_a_cosignature_that_nobody_signed_costs_its_sender_the_link() -> None:
    world = World()
    stage, ann = linked(world)
    tip = grown(world, stage, ann)
    assert said(ann.pushes(bad_signature(world.cosignature(tip, BEN))), "ann < closed, blamed")
    assert final(stage) == 0


def test_a_cosignature_waits_for_its_snapshot() -> None:
    """They travel apart. What is forged does not wait: later nobody could be blamed for it."""
    world = World()
    stage, ann = linked(world)
    tip = world.chain(world.root, 1)
    ann.pushes(world.cosignature(tip, BEN), world.cosignature(tip, CLEO))
    assert final(stage) == 0
    ann.pushes(*tip.proposals, tip.snapshot)
    stage.wait(0)
    assert stage.head == tip.id and final(stage) == 1
    forged = bad_signature(world.cosignature(world.puts(tip, "later"), BEN))
    assert said(ann.pushes(forged), "ann < closed, blamed")


def asked(world: World, base: Node, author: Key = BEN) -> Verified[Proposal]:
    return world.recovery(base, BEN, 1, author)


def test_an_endorsement_waits_for_its_proposal_which_is_asked_for() -> None:
    world = World()
    stage, ann = linked(world)
    proposal = asked(world, world.root)
    endorsement = world.endorsement(proposal, CLEO)
    ann.pushes(endorsement)
    assert [one.ids for one in ann.heard(Want)] == [(proposal.id,)]
    ben = stage.link(BEN)
    ann.pushes(proposal)
    assert {proposal.id, endorsement.id} <= passed_on(ben)


@pytest.mark.parametrize("what", ["no authority's", "another epoch's", "a forged"])
def test_an_endorsement_that_counts_for_nothing_costs_its_sender_the_link(what: str) -> None:
    """V6: whoever passes it on has judged it."""
    world = World()
    _, ann = linked(world)
    proposal = asked(world, world.root)
    ann.pushes(proposal)
    bad = {
        "no authority's": world.endorsement(proposal, DAN),
        "another epoch's": world.endorsement(proposal, CLEO, epoch=2),
        "a forged": bad_signature(world.endorsement(proposal, CLEO)),
    }[what]
    assert len(said(ann.pushes(bad), "ann < closed, blamed")) == 1


def test_a_takeover_on_what_is_not_here_waits_and_is_nobody_s_fault() -> None:
    world = World()
    stage, ann = linked(world)
    base = world.chain(world.root, 2)
    proposal = asked(world, base)
    ann.pushes(proposal, world.endorsement(proposal, CLEO))
    assert not said(stage.log, "ann < closed")


def test_whoever_hears_a_cosignature_of_its_own_that_it_never_made_signs_no_more() -> None:
    """S11: the journal is old, or the key is on two machines."""
    world = World()
    stage, ann = linked(world, CLEO)
    tip = grown(world, stage, ann)
    ann.pushes(world.cosignature(tip, CLEO))
    assert stage.core.live()["stale_reason"] is not None
    stage.wait(60 * SECOND_MS)
    assert stage.promised("cosign") == []
