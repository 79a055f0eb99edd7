"""What a node takes in from a link, and from whom (V1, V7, A5, P6, G5)."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Verified, decode_artifact, sign_statement
from aslp2p.artifacts.types import Expel, Proposal, Rejection
from aslp2p.core.inputs import Import
from aslp2p.errors import UserError
from aslp2p.gossip.messages import Push
from aslp2p.limits import INLINE_CONTENT_BYTES_MAX, PENDING_PER_AUTHOR_MAX, USELESS_TOKENS_MAX
from tests.core.scripted import Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, World, bad_signature


def linked(world: World, own: Key = CLEO) -> tuple[Stage, Neighbour]:
    stage = Stage(world, own)
    return stage, stage.link(BEN)


def pending(stage: Stage) -> int:
    return int(stage.core.live()["pending"])


def rejection(world: World, proposal: Verified[Proposal], by: Key) -> Verified[Rejection]:
    return sign_statement(Rejection(world.id, proposal.id, "path-conflict", "in the way", 7_000), by)


def test_a_member_s_proposal_is_kept_and_passed_on() -> None:
    world = World()
    stage, ben = linked(world)
    dan = stage.link(DAN)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    assert pending(stage) == 1
    assert [decode_artifact(raw).id for push in dan.heard(Push) for raw in push.artifacts] == [proposal.id]
    assert not ben.heard(Push), "not to whom it came from"
    stage.restart()
    assert pending(stage) == 1


def test_what_is_here_already_is_passed_on_to_nobody() -> None:
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    dan = stage.link(DAN)
    before = len(stage.log)
    ben.pushes(proposal)
    assert pending(stage) == 1
    assert not [line for line in stage.log[before:] if line.startswith("dan < push")]
    assert not dan.heard(Push)


def test_nobody_else_s_proposal_is_kept() -> None:
    """Its author is no member: perhaps not yet, so nobody is blamed."""
    world = World()
    stage, ben = linked(world)
    ben.pushes(world.put("a", EVE))
    assert pending(stage) == 0
    assert not said(stage.log, "ben < closed")


@pytest.mark.parametrize("what", ["nothing", "unsigned", "another Common's", "no artifact"])
def test_what_no_honest_peer_sends_costs_the_link(what: str) -> None:
    world = World()
    stage, ben = linked(world)
    push = {
        "nothing": Push((), ()),
        "unsigned": Push((bad_signature(world.put("a", DAN)).raw,), ()),
        "another Common's": Push((World(salt=bytes([1]) * 32).put("a", DAN).raw,), ()),
        "no artifact": Push((b"\xc0",), ()),
    }[what]
    assert len(said(ben.says(push), "ben < closed, blamed")) == 1
    assert pending(stage) == 0


def test_the_witness_s_rejection_closes_a_proposal_for_good() -> None:
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    ben.pushes(rejection(world, proposal, ANN))
    assert pending(stage) == 0
    ben.pushes(proposal)
    assert pending(stage) == 0, "it is answered"


@pytest.mark.parametrize("by", [BEN, CLEO, DAN, EVE], ids=repr)
def test_nobody_else_can_reject_what_a_member_asks_for(by: Key) -> None:
    """Else any member could silence any other: it would be open nowhere, and so never listed."""
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    ben.pushes(rejection(world, proposal, by))
    assert pending(stage) == 1
    assert not said(stage.log, "ben < closed"), "it may have been the witness when that was signed"
    early = world.put("b", DAN)
    ben.pushes(rejection(world, early, by))
    ben.pushes(early)
    assert pending(stage) == 2, "nor before it is here"


def test_a_rejection_that_the_witness_did_not_sign_is_blamed() -> None:
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    assert said(ben.pushes(bad_signature(rejection(world, proposal, ANN))), "ben < closed, blamed")
    assert pending(stage) == 1


def test_a_rejection_of_one_s_own_proposal_is_told_to_its_author() -> None:
    world = World()
    _, ben = linked(world)
    mine = world.put("a", CLEO)
    ben.pushes(mine)
    assert said(ben.pushes(rejection(world, mine, ANN)), "* proposal") == ["* proposal rejected"]


def test_a_rejection_that_overtakes_its_proposal_holds_all_the_same() -> None:
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(rejection(world, proposal, ANN))
    ben.pushes(proposal)
    assert pending(stage) == 0


def test_one_author_takes_so_much_room_and_no_more() -> None:
    world = World()
    stage, ben = linked(world)
    many = [world.put(f"many/{number}", DAN) for number in range(PENDING_PER_AUTHOR_MAX + 3)]
    for first in range(0, len(many), 256):
        ben.pushes(*many[first : first + 256])
    assert pending(stage) == PENDING_PER_AUTHOR_MAX
    ben.pushes(world.put("other", BEN))
    assert pending(stage) == PENDING_PER_AUTHOR_MAX + 1
    assert not said(stage.log, "ben < closed"), "our bounds are nobody's fault"


def test_small_content_comes_along_and_only_what_a_put_names_is_kept() -> None:
    world = World()
    stage, ben = linked(world)
    data, stray = b"a letter", b"a stray"
    proposal = world.put("a", DAN, content=content_id(data), size=len(data))
    ben.says(Push((proposal.raw,), (data, stray)))
    assert stage.store.content(content_id(data)) == data
    assert stage.store.content(content_id(stray)) is None
    big = bytes(INLINE_CONTENT_BYTES_MAX + 1)
    other = world.put("b", DAN, content=content_id(big), size=len(big))
    ben.says(Push((other.raw,), (big,)))
    assert stage.store.content(content_id(big)) is None, "the large are asked for"


def test_a_flood_of_what_nobody_needs_costs_the_link() -> None:
    """G5: some is forgiven, since messages cross; more than that is not."""
    world = World()
    stage, ben = linked(world)
    proposal = world.put("a", DAN)
    ben.pushes(proposal)
    flood = (proposal,) * 1000
    for _ in range(USELESS_TOKENS_MAX // len(flood)):
        ben.pushes(*flood)
    assert not said(stage.log, "ben < closed")
    ben.pushes(*flood)
    ben.pushes(*flood)
    assert said(stage.log, "ben < closed") == ["ben < closed, blamed: a flood of what nobody needs"]


def test_whoever_is_a_member_no_more_is_heard_no_more() -> None:
    world = World(members=(ANN, BEN, CLEO, DAN, EVE))
    stage, ben = linked(world)
    eve = stage.link(EVE)
    node = world.after(world.root, world.propose(Expel(EVE.key), BEN))
    log = ben.pushes(*node.proposals, node.snapshot)
    assert said(log, "eve < closed") == ["eve < closed: this key is no member any more"]
    eve.pushes(world.put("a", EVE))
    ben.pushes(world.put("b", EVE))
    assert pending(stage) == 0


# --- from a person --------------------------------------------------------------------------------


def test_a_bundle_moves_no_trust_that_a_link_would_not() -> None:
    """Section 10: each artifact is judged by itself, and the person is told what was refused and why."""
    world = World()
    stage = Stage(world, CLEO)
    good, bad = world.put("good", DAN), bad_signature(world.put("bad", DAN))
    foreign = rejection(world, good, BEN)
    node = world.puts(world.root, "listed")
    later = world.puts(world.puts(node, "missing"), "later")
    raws = (good.raw, bad.raw, foreign.raw, node.snapshot.raw, node.proposals[0].raw, later.snapshot.raw)
    report = stage.does(Import(raws))
    assert stage.head == node.id and pending(stage) == 1
    assert (report.height_before, report.height_after) == (0, 1)
    assert [(one.id, one.rule) for one in report.refused] == [(bad.id, "A5")]
    assert set(report.waiting) == {later.id, foreign.id}
    assert report.new == 3 and report.useless == 0
    again = stage.does(Import(raws))
    assert again.new == 0 and again.known == 3


def test_a_bundle_with_what_is_no_artifact_changes_nothing() -> None:
    world = World()
    stage = Stage(world, CLEO)
    with pytest.raises(UserError, match="the bundle is damaged"):
        stage.does(Import((world.put("a", DAN).raw, b"\xc0")))
    assert pending(stage) == 0
