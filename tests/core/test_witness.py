"""The witness numbers, lists and answers (section 5, G6), and waits where it must (S10, G4, P4)."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, Verified, decode_as, sign_statement
from aslp2p.artifacts.types import Beacon, Cosignature, Proposal, Put, Rejection, Remove, Snapshot
from aslp2p.core.inputs import AddContent, Propose
from aslp2p.gossip.messages import GetRange, OpenIds, Push, Want
from aslp2p.ledger.history import read_snapshot
from aslp2p.limits import BATCH_SPACING_MS, RETURN_WAIT_MS, SNAPSHOT_PROPOSALS_MAX
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, World, bad_signature, policy

DATA = b"a letter"
MINE = Put("mine", content_id(DATA), len(DATA), "", False, 0, None)


def listening(world: World, own: Key = ANN, other: Key = BEN) -> tuple[Stage, Neighbour]:
    """A witness that has heard another authority, so that it may emit (S10)."""
    stage = Stage(world, own)
    neighbour = stage.link(other)
    neighbour.heads(world.root)
    return stage, neighbour


def letter(world: World, path: str, author: Key = DAN, data: bytes = DATA) -> Verified[Proposal]:
    return world.put(path, author, content=content_id(data), size=len(data))


def emitted(stage: Stage) -> Signed[Snapshot]:
    """The head of the node's store, as it signed it."""
    row = stage.store.snapshot(stage.head)
    assert row is not None
    assert stage.store.journal_holds("emit", row.id), "a promise, on disk before it is sent"
    return read_snapshot(row)


def answers(neighbour: Neighbour) -> list[Signed[Rejection]]:
    """The rejections that the node gave out."""
    raws = [raw for push in neighbour.heard(Push) for raw in push.artifacts]
    return [decode_as(Rejection, raw) for raw in raws if b"asl.common.rejection/1" in raw[:32]]


def test_what_is_pending_is_listed_in_the_order_in_which_it_came() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    first, second = letter(world, "b"), letter(world, "a", CLEO)
    ben.pushes(first, second)
    assert said(stage.wait(SECOND_MS), "* head") == ["* head @1"]
    assert emitted(stage).statement.proposals == (first.id, second.id)
    assert any("snapshot @1" in line for line in said(stage.log, "ben < push"))


def test_a_put_is_listed_when_its_content_is_here_and_checked() -> None:
    """G6; and nothing that waits keeps what is behind it waiting."""
    world = World()
    stage, ben = listening(world)
    early, late = letter(world, "early"), world.propose(Remove("nothing", None), DAN)
    empty = world.put("empty", DAN, content=content_id(b""), size=0)
    stage.happen(AddContent(((content_id(b""), b""),)))
    ben.pushes(early, empty, late)
    stage.wait(SECOND_MS)
    assert emitted(stage).statement.proposals == (empty.id,)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.wait(SECOND_MS)
    assert stage.height == 2 and emitted(stage).statement.proposals == (early.id,)


def test_a_put_that_lies_about_its_content_is_rejected() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    liar = world.put("lie", DAN, content=content_id(DATA), size=len(DATA) + 1)
    ben.pushes(liar)
    stage.wait(SECOND_MS)
    (rejection,) = answers(ben)
    assert (rejection.statement.proposal, rejection.statement.code) == (liar.id, "content-mismatch")
    assert stage.height == 0


def test_what_does_not_apply_is_answered_with_a_signed_rejection() -> None:
    """And is pending no more; the answer is kept for whoever asks later."""
    world = World()
    stage, ben = listening(world)
    gone = world.propose(Remove("nothing-there", None), DAN)
    ben.pushes(gone)
    stage.wait(SECOND_MS)
    (rejection,) = answers(ben)
    assert rejection.key == ANN.key
    assert (rejection.statement.proposal, rejection.statement.code) == (gone.id, "nothing-there")
    assert stage.height == 0 and stage.core.live()["pending"] == 0
    ben.pushes(gone)
    stage.wait(SECOND_MS)
    assert stage.core.live()["pending"] == 0 and len(answers(ben)) == 1


def test_a_witness_that_has_come_back_listens_before_it_signs() -> None:
    """S10: it may have been replaced. Once another authority has told its head, it goes on at once."""
    world = World()
    stage = Stage(world, ANN)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(RETURN_WAIT_MS - SECOND_MS)
    assert stage.height == 0 and stage.core.withholds
    stage.link(DAN).heads(world.root)
    stage.wait(1)
    assert stage.height == 0, "a member who is no authority cannot know"
    stage.link(BEN).heads(world.root)
    stage.wait(1)
    assert stage.height == 1


def test_a_witness_that_nobody_answers_signs_after_a_while() -> None:
    world = World()
    stage = Stage(world, ANN)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(RETURN_WAIT_MS)
    assert stage.height == 1


def test_nothing_is_emitted_on_what_is_not_audited() -> None:
    """G4: a witness that was restored from an old copy catches up before it signs."""
    world = World(witness=ANN)
    line = world.chain(world.root, 30, "line")
    bad = line.line()[9].proposals[0]
    stage = Stage(world, BEN)
    handed = world.rotate(line, BEN)
    ann = stage.link(ANN).holds(handed, spoiled={bad.id})
    stage.link(CLEO)
    ann.heads(handed)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(10 * SECOND_MS)
    assert stage.head == handed.id, "it is shown, and appoints this machine"
    assert not stage.promised("emit")
    stage.link(DAN).holds(handed)
    stage.wait(10 * SECOND_MS)
    assert stage.height == handed.height + 1 and len(stage.promised("emit")) == 1


def test_a_busy_witness_lists_many_at_once() -> None:
    """At once after a quiet time, then with what came meanwhile."""
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    ben.pushes(letter(world, "first"))
    stage.wait(0)
    assert stage.height == 1
    others = [letter(world, f"more/{number}") for number in range(3)]
    for one in others:
        ben.pushes(one)
        stage.wait(0)
    assert stage.height == 1, "not one each"
    stage.wait(BATCH_SPACING_MS)
    assert stage.height == 2
    assert emitted(stage).statement.proposals == tuple(one.id for one in others)


def test_a_snapshot_lists_so_many_and_the_next_one_the_rest() -> None:
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    many = [letter(world, f"many/{number}") for number in range(SNAPSHOT_PROPOSALS_MAX + 1)]
    for first in range(0, len(many), 200):
        ben.pushes(*many[first : first + 200])
    stage.wait(SECOND_MS)
    assert stage.height == 2
    assert emitted(stage).statement.proposals == (many[-1].id,)


def test_what_a_former_witness_rejected_is_answered_again_to_whoever_was_away() -> None:
    """Its rejection was no longer open when they came back: they would have waited for ever."""
    world = World()
    stage, ann = listening(world, BEN, ANN)
    gone = world.propose(Remove("nothing-there", None), DAN)
    ann.pushes(gone)
    no = Rejection(world.id, gone.id, "nothing-there", "", 7_000)
    ann.pushes(sign_statement(no, ANN))
    assert stage.core.live()["pending"] == 0
    dan = stage.link(DAN)
    dan.says(OpenIds(tuple(range(16)), (gone.id,)))
    assert not dan.heard(Want), "while the witness that rejected it reigns, its word is there for everybody"
    handed = world.rotate(world.root, BEN)
    ann.holds(handed).heads(handed)
    stage.wait(SECOND_MS)
    assert stage.head == handed.id
    dan.says(OpenIds(tuple(range(16)), (gone.id,)))
    assert [one.ids for one in dan.heard(Want)] == [(gone.id,)]
    dan.pushes(gone)
    stage.wait(SECOND_MS)
    assert [one.statement.proposal for one in answers(dan) if one.key == BEN.key] == [gone.id]
    assert stage.core.live()["pending"] == 0
    told = len(answers(dan))
    dan.pushes(gone)
    dan.says(OpenIds(tuple(range(16)), (gone.id,)))
    stage.wait(SECOND_MS)
    assert len(answers(dan)) == told and len(dan.heard(Want)) == 1, "once is enough"


def test_whoever_has_little_waiting_is_in_the_next_snapshot_whatever_others_flood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G5: of refused proposals and of good ones, and what is left waits for nothing but its turn."""
    monkeypatch.setattr("aslp2p.core.turns.FEW", 4)
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    bad = [world.propose(Remove(f"no/{number}", None), DAN) for number in range(5)]
    good = [letter(world, f"flood/{number}") for number in range(5)]
    honest = letter(world, "mine", CLEO)
    ben.pushes(*bad, *good, honest)
    stage.wait(1)
    assert emitted(stage).statement.proposals == (honest.id,)
    assert {one.statement.proposal for one in answers(ben)} == {one.id for one in bad[:4]}
    stage.wait(SECOND_MS)
    rows = stage.store.snapshots(0, 2, stage.height)
    assert [id_ for row in rows for id_ in read_snapshot(row).statement.proposals] == [one.id for one in good]
    assert {one.statement.proposal for one in answers(ben)} == {one.id for one in bad}


def test_a_settlement_does_not_count_revoked_keys() -> None:
    """P4, V8: everybody would refuse such a snapshot, its own witness among them, and the Common would stand
    still. So it waits for another."""
    world = World(members=(ANN, BEN, CLEO, DAN, EVE))
    change = world.install(world.root, policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN, BEN)
    revoked = world.revoke(change, DAN, BEN, ANN, CLEO, DAN, author=ANN)
    handed = world.rotate(revoked, CLEO, ANN, CLEO, DAN)
    stage, ann = listening(world, CLEO, ANN)
    for by in (BEN, DAN, EVE):
        ann.holds(change)
        ann.heads(change)
        ann.pushes(world.cosignature(change, by))
    stage.wait(0)
    ann.holds(handed)
    ann.heads(handed)
    assert stage.head == handed.id
    stage.wait(30 * SECOND_MS)
    assert stage.head == handed.id, "of the old policy only cleo counts"
    ann.pushes(world.cosignature(change, ANN))
    stage.wait(SECOND_MS)
    settlement = emitted(stage).statement.settlement
    assert settlement is not None and stage.core.head is not None
    assert not stage.core.head.standing.joint
    keys = {decode_as(Cosignature, raw).key for raw in settlement}
    assert {ANN.key, DAN.key} <= keys and BEN.key not in keys


@pytest.mark.parametrize("who", [BEN, DAN])
def test_whoever_is_not_appointed_emits_nothing(who: Key) -> None:
    world = World()
    stage, _ = listening(world, who, ANN)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(60 * SECOND_MS)
    assert stage.height == 0 and not stage.promised("emit")
    assert not [one for one in stage.log if "rejection" in one]


def test_a_witness_that_hears_its_own_key_elsewhere_stops() -> None:
    """S11: two machines with one key; the other may have signed what this one does not know."""
    world = World()
    stage, ben = listening(world)
    other = world.puts(world.root, "from the other machine")
    ben.pushes(other.snapshot, *other.proposals)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(60 * SECOND_MS)
    assert not stage.promised("emit") and stage.core.live()["stale_reason"]


def test_a_witness_that_finds_its_own_snapshots_in_a_range_stops() -> None:
    """S11: they come by every way, and a journal that lacks them is old."""
    world = World()
    stage, ben = listening(world)
    line = world.chain(world.root, 3, "from the other machine")
    ben.holds(line).heads(line)
    assert stage.head == line.id
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    stage.happen(Propose(MINE))
    stage.wait(60 * SECOND_MS)
    assert stage.head == line.id and not stage.promised("emit")
    assert stage.core.live()["stale_reason"]


def test_a_witness_that_hears_a_beacon_of_its_own_key_stops() -> None:
    """S11: this machine keeps a count of its own; one that it never reached is another machine's."""
    world = World()
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    ben.pushes(sign_statement(Beacon(world.id, 0, 0, world.id, 10**6), ANN))
    assert stage.core.live()["stale_reason"] == "the same key was heard on another machine"
    stage.happen(Propose(MINE))
    stage.wait(60 * SECOND_MS)
    assert stage.height == 0 and not stage.promised("emit")


def test_it_waits_for_a_catch_up_that_leads_somewhere() -> None:
    """What a peer has told may appoint somebody else; a bad answer ends the waiting."""
    world = World()
    ahead = world.recover(world.root, BEN)
    stage, ben = listening(world)
    stage.happen(AddContent(((content_id(DATA), DATA),)))
    cleo = stage.link(CLEO)
    cleo.heads(ahead)
    assert cleo.heard(GetRange)
    ben.pushes(letter(world, "a"))
    stage.wait(SECOND_MS)
    assert stage.height == 0
    spoiled = bad_signature(ahead.snapshot)
    cleo.pushes(spoiled, *ahead.proposals)
    assert said(stage.log, "cleo < closed, blamed")
    stage.wait(SECOND_MS)
    assert stage.height == 1
