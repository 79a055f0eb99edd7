"""G4: what a catch-up showed early is audited, and what nobody can prove leaves nothing behind."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import VERIFIER, Signed, decode_artifact
from aslp2p.artifacts.types import Proposal
from aslp2p.core.inputs import Lost
from aslp2p.gossip.messages import GetRange, Push, Range, Want
from aslp2p.limits import DEFER_RUN_MIN, REPAIR_MS
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, bad_signature

LONG = DEFER_RUN_MIN + 6


class Fork:
    """Two histories of one base, each long enough to be deferred: `aside` lists `proposal`, `ahead` wins by
    its epoch. Whoever serves either spoils the first snapshot, so that both are rolled back in the end."""

    def __init__(self, forged: bool = False) -> None:
        self.world = world = World(members=(ANN, BEN, CLEO, DAN, EVE))
        self.base = world.chain(world.root, 2, "base")
        self.forged = forged
        good = world.put("victim-file", ANN)
        self.proposal: Signed[Proposal] = bad_signature(good) if forged else good
        self.aside = world.chain(world.after(self.base, self.proposal), LONG, "aside")
        self.ahead = world.chain(world.recover(self.base, BEN), LONG, "ahead")

    def played_by_liars(self, own: Key) -> Stage:
        """A fresh node with the key `own` that two liars have brought both, and that rolled both back."""
        stage = Stage(self.world, own)
        spoiled = {self.base.line()[0].id} | (set() if self.forged else {self.proposal.id})
        ahead = stage.link(DAN if own is CLEO else CLEO).holds(self.ahead, spoiled=spoiled)
        aside = stage.link(ANN).holds(self.aside, spoiled=spoiled)
        aside.heads(self.aside)
        assert stage.head == self.aside.id, "shown early"
        ahead.heads(self.ahead)
        assert stage.head == self.ahead.id
        assert said(stage.wait(SECOND_MS), "ann < closed, blamed: a signature in @1 does not verify")
        stage.link(EVE if own is DAN else DAN)
        ahead.leaves()
        assert said(stage.wait(2 * REPAIR_MS), "* notice rolled-back")
        assert stage.height == 0
        return stage


def served(stage: Stage, tip: Node) -> Range:
    """What the node answers who asks for the whole line of `tip`."""
    guest = stage.link(ANN)
    guest.says(GetRange(1, tip.id, (), 1, 64))
    (answer,) = guest.heard(Range)
    assert isinstance(answer, Range)
    return answer


def assert_sound(answer: Range) -> None:
    raws = [raw for item in answer.items for raw in (item.snapshot, *item.proposals)]
    assert raws and not VERIFIER.failing(map(decode_artifact, raws))


def test_what_is_rolled_back_leaves_nothing_unproven_on_any_branch() -> None:
    fork = Fork()
    stage = fork.played_by_liars(DAN)
    assert stage.store.artifact(fork.proposal.id) is None
    assert not any(row.audited for row in stage.store.artifact_rows([fork.proposal.id]).values())

    honest = fork.world.after(fork.ahead, fork.proposal)
    stage.wait(60 * SECOND_MS)
    ben = stage.link(BEN).holds(honest)
    ben.heads(honest)
    stage.wait(2 * SECOND_MS)
    assert stage.head == honest.id
    assert_sound(served(stage, honest))
    assert not said(stage.log, "ben < closed")


def test_a_proposal_that_its_author_never_signed_is_not_taken_from_what_was_left_behind() -> None:
    """A5: neither accepted, nor put in the tree, nor cosigned."""
    fork = Fork(forged=True)
    stage = fork.played_by_liars(CLEO)
    stage.wait(60 * SECOND_MS)
    ben = stage.link(BEN).holds(fork.ahead)
    ben.heads(fork.ahead)
    stage.wait(5 * SECOND_MS)
    assert stage.head == fork.ahead.id
    assert stage.promised("cosign") == [fork.ahead.id]

    forged = fork.world.after(fork.ahead, fork.proposal)
    ben.holds(forged).pushes(forged.snapshot)
    stage.wait(5 * SECOND_MS)
    assert stage.head == fork.ahead.id
    assert stage.promised("cosign") == [fork.ahead.id]
    assert said(stage.log, "ben < closed, blamed: A5")


def rival_with_bad_copy(own: Key) -> tuple[Stage, World, Node, Signed[Proposal]]:
    """A node whose followed line is short and sound, and which holds a deferred rival of it, never audited,
    with a bad copy of a proposal; the proposal as its author signed it."""
    world = World()
    base = world.chain(world.root, 2, "base")
    proposal = world.put("letter", DAN)
    aside = world.chain(world.after(base, proposal), LONG, "aside")
    ahead = world.recover(base, BEN)
    stage = Stage(world, own)
    ben = stage.link(BEN).holds(ahead)
    ben.heads(ahead)
    liar = stage.link(ANN).holds(aside, spoiled={proposal.id})
    liar.heads(aside)
    stage.wait(5 * SECOND_MS)
    assert stage.head == ahead.id
    (row,) = stage.store.artifact_rows([proposal.id]).values()
    assert not row.audited and VERIFIER.failing([decode_artifact(row.raw)])
    return stage, world, ahead, proposal


def test_a_verified_copy_takes_the_place_of_unaudited_bytes() -> None:
    """What the node then serves is what the author signed."""
    stage, world, ahead, proposal = rival_with_bad_copy(DAN)
    listed = world.after(ahead, proposal)
    ben = stage.link(BEN).holds(listed)
    ben.heads(listed)
    assert stage.head == listed.id
    (row,) = stage.store.artifact_rows([proposal.id]).values()
    assert row.audited and row.raw == proposal.raw
    assert_sound(served(stage, listed))


def test_a_bad_copy_keeps_no_good_one_from_becoming_pending() -> None:
    """Else whoever brings a bad copy first would silence its author here."""
    stage, _, _, proposal = rival_with_bad_copy(CLEO)
    pending = stage.core.live()["pending"]
    stage.link(DAN).pushes(proposal)
    assert stage.core.live()["pending"] == pending + 1
    stage.restart()
    assert stage.core.live()["pending"] == pending + 1
    (row,) = stage.store.artifact_rows([proposal.id]).values()
    assert row.audited and row.raw == proposal.raw


def test_a_bad_copy_is_given_to_nobody() -> None:
    stage, _, _, proposal = rival_with_bad_copy(DAN)
    cleo = stage.link(CLEO)
    cleo.says(Want((proposal.id,)))
    assert not cleo.heard(Push)


def test_nobody_is_blamed_for_the_copy_that_another_brought() -> None:
    """Two bring deferred lines that list one proposal; the audit of the honest one's line finds its copy."""
    world = World()
    base = world.chain(world.root, 2, "base")
    proposal = world.put("letter", DAN)
    aside = world.chain(world.after(base, proposal), LONG, "aside")
    ahead = world.chain(world.after(world.recover(base, BEN), proposal), LONG, "ahead")
    stage = Stage(world, DAN)
    liar = stage.link(ANN).holds(aside, spoiled={proposal.id})
    liar.heads(aside)
    honest = stage.link(BEN).holds(ahead)
    honest.heads(ahead)
    stage.wait(2 * REPAIR_MS)
    assert stage.head == ahead.id and stage.ledger().audited_height() == ahead.height
    assert not said(stage.log, "ben < closed")


def test_what_our_own_disk_lost_is_asked_for_and_nobody_is_blamed() -> None:
    """And until it is here again nothing above it counts as audited (G4)."""
    world = World()
    line = world.chain(world.root, LONG, "line")
    lost = line.line()[3].proposals[0]
    stage = Stage(world, CLEO)
    ben = stage.link(BEN).holds(line)
    ben.heads(line)
    ben.holds(line.line()[1])
    stage.happen(Lost((lost.id,)))
    stage.wait(5 * SECOND_MS)
    assert stage.ledger().audited_height() == 3
    assert stage.promised("cosign") == []
    stage.link(ANN).holds(line, spoiled={lost.id})
    assert said(stage.wait(15 * SECOND_MS), "ann < closed, blamed: A5"), "who gives a bad copy of it"
    stage.link(DAN).holds(line)
    stage.wait(15 * SECOND_MS)
    assert not said(stage.log, "ben < closed") and not said(stage.log, "dan < closed")
    assert stage.ledger().audited_height() == line.height
    assert stage.promised("cosign") == [line.id]


@pytest.mark.parametrize("what", ["snapshot", "proposal"])
def test_a_signature_that_fails_is_blamed_on_its_relay_and_asked_of_others(what: str) -> None:
    world = World()
    line = world.chain(world.root, LONG, "line")
    node = line.line()[5]
    bad = node.id if what == "snapshot" else node.proposals[0].id
    stage = Stage(world, CLEO)
    honest: Neighbour = stage.link(BEN).holds(line)
    liar = stage.link(ANN).holds(line, spoiled={bad})
    liar.heads(line)
    log = stage.wait(5 * SECOND_MS)
    assert said(log, "ann < closed") == ["ann < closed, blamed: a signature in @6 does not verify"]
    assert said(log, "ben < want") and not said(log, "ben < closed")
    stage.wait(5 * SECOND_MS)
    assert stage.ledger().audited_height() == line.height
    assert stage.promised("cosign") == [line.id]
    assert honest.heard(Push), "the cosignature"
