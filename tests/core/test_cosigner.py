"""How an authority's node cosigns heads (section 7, S4, S5, G4)."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.types import Cosignature
from aslp2p.core.inputs import Endorse
from aslp2p.gossip.messages import Push
from aslp2p.limits import COSIGN_SPACING_MS
from tests.core.scripted import SECOND_MS, Neighbour, Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Key, Node, World


def linked(world: World, own: Key = CLEO) -> tuple[Stage, Neighbour]:
    stage = Stage(world, own)
    return stage, stage.link(ANN)


def follow(neighbour: Neighbour, tip: Node) -> None:
    neighbour.holds(tip).heads(tip)
    assert neighbour.stage.head == tip.id


def cosigned(neighbour: Neighbour) -> list[bytes]:
    """The snapshots that the node has cosigned, as it told this neighbour; each is in its journal."""
    artifacts = [decode_artifact(raw) for push in neighbour.heard(Push) for raw in push.artifacts]
    found = [one.statement.snapshot for one in artifacts if isinstance(one.statement, Cosignature)]
    assert set(found) <= set(neighbour.stage.promised("cosign"))
    return found


def test_an_authority_cosigns_the_head_that_it_sees() -> None:
    world = World()
    stage, ann = linked(world)
    tip = world.chain(world.root, 3)
    follow(ann, tip)
    stage.wait(SECOND_MS)
    assert cosigned(ann) == [tip.id]
    stage.wait(60 * SECOND_MS)
    assert cosigned(ann) == [tip.id], "once"
    stage.restart()
    again = stage.link(ANN)
    stage.wait(60 * SECOND_MS)
    assert stage.promised("cosign") == [tip.id] and len(cosigned(again)) <= 1


@pytest.mark.parametrize("who", [DAN], ids=repr)
def test_nobody_else_cosigns(who: Key) -> None:
    world = World()
    stage, ann = linked(world, who)
    follow(ann, world.chain(world.root, 1))
    stage.wait(60 * SECOND_MS)
    assert stage.promised("cosign") == []


def test_a_busy_common_is_cosigned_at_most_so_often() -> None:
    """One cosignature makes all below it final."""
    world = World()
    stage, ann = linked(world)
    tip = world.root
    for number in range(4):
        tip = world.puts(tip, f"busy/{number}")
        ann.pushes(*tip.proposals, tip.snapshot)
        stage.wait(COSIGN_SPACING_MS // 8)
    assert len(cosigned(ann)) == 1
    stage.wait(COSIGN_SPACING_MS)
    assert cosigned(ann)[1:] == [tip.id]


def test_having_endorsed_a_succession_it_cosigns_nothing_below_its_epoch() -> None:
    """S4: what it endorsed may leave that out."""
    world = World()
    stage, ann = linked(world)
    base = world.chain(world.root, 1)
    follow(ann, base)
    stage.wait(SECOND_MS)
    proposal = world.recovery(base, BEN)
    ann.pushes(proposal)
    stage.happen(Endorse(proposal.id))
    follow(ann, world.puts(base, "later"))
    stage.wait(60 * SECOND_MS)
    assert cosigned(ann) == [base.id]
    taken = world.recover(base, BEN)
    stage.link(BEN).pushes(*taken.proposals, taken.snapshot)
    assert stage.head == taken.id
    stage.wait(60 * SECOND_MS)
    assert cosigned(ann) == [base.id, taken.id], "in that epoch it goes on"


def test_what_it_cosigned_is_in_all_that_it_cosigns_after() -> None:
    """S5: it goes along with a witness that signs two histories in neither."""
    world = World()
    stage, ann = linked(world)
    one, other = world.puts(world.root, "one"), world.chain(world.root, 2, "other")
    ann.pushes(*one.proposals, one.snapshot)
    stage.wait(SECOND_MS)
    stage.link(BEN).holds(other).heads(other)
    stage.wait(60 * SECOND_MS)
    assert stage.promised("cosign") == [one.id]
