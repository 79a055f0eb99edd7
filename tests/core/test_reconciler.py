"""Where a node says that it stands, and how what is open is found on both sides (G3)."""

from __future__ import annotations

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.core.inputs import Received
from aslp2p.gossip.messages import Have, Heads, OpenIds, Push, Want, encode_message
from aslp2p.limits import (
    HEADS_AGREED_MS,
    HEADS_INTERVAL_MS,
    OPEN_DIGEST_BYTES,
    PROTOCOL_VERSION,
    RECONCILE_SPACING_MS,
)
from tests.core.scripted import SECOND_MS, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, World


def test_a_new_link_is_told_at_once_and_each_change_soon() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ben = stage.link(BEN)
    assert [one.height for one in ben.heard(Heads)] == [0]
    node = world.puts(world.root, "a")
    stage.link(ANN).pushes(*node.proposals, node.snapshot)
    stage.wait(SECOND_MS)
    assert (ben.heard(Heads)[-1].head, ben.heard(Heads)[-1].height) == (node.id, 1)


def test_what_is_not_audited_is_not_told() -> None:
    """G4: who believed it would ask for what this node will not give."""
    world = World()
    line = world.chain(world.root, 40, "line")
    bad = line.line()[19].proposals[0]
    stage = Stage(world, DAN)
    ben = stage.link(BEN)
    stage.link(ANN).holds(line, spoiled={bad.id}).heads(line)
    stage.wait(5 * SECOND_MS)
    assert stage.head == line.id
    assert max(one.height for one in ben.heard(Heads)) == 19
    assert ben.heard(Heads)[-1].head == line.line()[18].id


def test_a_quiet_link_is_told_now_and_then_and_more_rarely_while_both_agree() -> None:
    world = World()
    stage = Stage(world, DAN)
    ben, ann = stage.link(BEN), stage.link(ANN)
    same = ben.heard(Heads)[-1]
    stage.wait(5 * SECOND_MS)
    before = [len(one.heard(Heads)) for one in (ben, ann)]
    for _ in range(HEADS_AGREED_MS // HEADS_INTERVAL_MS):
        ben.says(same)
        stage.wait(HEADS_INTERVAL_MS)
    agreed, other = (len(one.heard(Heads)) - n for one, n in zip((ben, ann), before, strict=True))
    assert agreed <= 3 and other >= 8


def test_what_only_the_other_has_open_is_asked_for_and_what_only_we_have_is_given() -> None:
    world = World()
    stage = Stage(world, CLEO)
    stage.link(ANN).pushes(ours := world.put("ours", DAN), both := world.put("both", DAN))
    ben = stage.link(BEN)
    theirs = world.put("theirs", DAN)
    ben.says(Heads(PROTOCOL_VERSION, world.id, 0, 0, 0, bytes(OPEN_DIGEST_BYTES)))
    (question,) = ben.heard(OpenIds)
    assert set(question.ids) == {ours.id, both.id}
    ben.says(OpenIds(tuple(range(16)), (theirs.id, both.id)))
    assert [one.ids for one in ben.heard(Want)] == [(theirs.id,)]
    given = [decode_artifact(raw).id for push in ben.heard(Push) for raw in push.artifacts]
    assert given == [ours.id]


def test_a_peer_that_asks_without_end_is_answered_now_and_then() -> None:
    world = World()
    stage = Stage(world, CLEO)
    stage.link(ANN).pushes(*(world.put(f"a/{number}", DAN) for number in range(5)))
    ben = stage.link(BEN)
    stage.wait(RECONCILE_SPACING_MS)
    questions = [OpenIds(tuple(range(16)), (bytes([number]) * 32,)) for number in range(50)]
    log = stage.happen(*(Received(ben.link, encode_message(one)) for one in questions))
    assert len(said(log, "ben < push")) == len(said(log, "ben < want")) == 1


def test_what_is_listed_and_proven_is_not_asked_for_again() -> None:
    world = World()
    stage = Stage(world, CLEO)
    node = world.puts(world.root, "a")
    stage.link(ANN).pushes(*node.proposals, node.snapshot)
    ben = stage.link(BEN)
    ben.says(Have((node.id, node.proposals[0].id, world.put("new").id)))
    assert [len(one.ids) for one in ben.heard(Want)] == [1]


def test_another_protocol_ends_the_link() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ben = stage.link(BEN)
    log = ben.says(Heads(PROTOCOL_VERSION + 1, world.id, 0, 0, 0, bytes(OPEN_DIGEST_BYTES)))
    assert len(said(log, "ben < closed")) == 1
