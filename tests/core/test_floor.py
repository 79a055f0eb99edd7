"""A quorum that has retired has no power over a node (F5): no move, no halt, a notice; and the floor is on
disk before anything that was done about it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Admit
from aslp2p.core.inputs import Endorse, Import, Now, Propose, Received, Recover
from aslp2p.errors import UserError
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.floor import Floor, give_floor, read_floor
from aslp2p.ledger.history import found_common
from aslp2p.ledger.journal import COSIGN, ENDORSE
from aslp2p.store.memory import MemoryStore
from tests.core.scripted import SECOND_MS, WALL_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, policy
from tests.ledger.grown import Grown

OWNERS = (ANN, BEN, CLEO, DAN, EVE)


def settled(own: Key) -> tuple[Stage, Grown, Neighbour]:
    """Who has the tip and knows that it is final, and a link to ann, who has retired."""
    grown = Grown()
    stage = Stage(grown.world, own)
    ann = stage.link(ANN if own is not ANN else EVE).holds(grown.tip)
    ann.heads(grown.tip)
    ann.pushes(*(grown.world.cosignature(grown.tip, key) for key in (BEN, CLEO, DAN) if key is not own))
    stage.wait(5 * SECOND_MS)
    assert stage.head == grown.tip.id
    assert said(stage.log, "* notice floor-") == [
        f"* notice floor-raised: the policy of @{grown.change.height} is final: what leaves it out counts for"
        " nothing here"
    ]
    return stage, grown, ann


def unmoved(stage: Stage, grown: Grown) -> None:
    live = stage.core.live()
    assert (stage.head, live["conflict"], live["final_height"]) == (grown.tip.id, None, grown.tip.height)
    assert stage.ledger().floor == Floor(grown.change.height, grown.change.id)


@pytest.mark.parametrize("own", OWNERS, ids=str)
@pytest.mark.parametrize("abandons", [False, True], ids=["cosigned", "abandons"])
def test_what_retired_keys_sign_moves_nobody_and_is_told(own: Key, abandons: bool) -> None:
    """F1, F5, S9: pushed, caught up with, cosigned, and after a crash between."""
    stage, grown, ann = settled(own)
    rival = grown.rival(epoch=9, abandons=(grown.change.id,) if abandons else ())
    taken = rival.line()[1]
    ann.pushes(*taken.proposals, taken.snapshot)
    ann.holds(rival).heads(rival)
    ann.pushes(grown.world.cosignature(rival, ANN))
    stage.wait(60 * SECOND_MS)
    notice = f"retired keys signed another history: @{taken.height} by ann; it moves nobody"
    assert said(stage.log, "* notice retired-keys") == [f"* notice retired-keys: {notice}"], "once a line"
    assert not said(stage.log, "* notice superseded")
    unmoved(stage, grown)
    stage.restart()
    stage.wait(60 * SECOND_MS)
    unmoved(stage, grown)


def test_a_bundle_of_theirs_does_no_more() -> None:
    """S10: whoever has no link hears them by a stick."""
    stage, grown, ann = settled(CLEO)
    ann.leaves()
    rival = grown.rival(epoch=9, abandons=(grown.change.id, grown.tip.id))
    raws = [raw for node in rival.line() for raw in (*(one.raw for one in node.proposals), node.snapshot.raw)]
    stage.happen(Import((*raws, grown.world.cosignature(rival, ANN).raw)))
    unmoved(stage, grown)


def test_the_floor_is_on_disk_before_anything_leaves() -> None:
    """F5: the step that learns that the change is final is durable, although it moves no head."""
    grown = Grown()
    world = grown.world
    stage = Stage(world, EVE)
    ann = stage.link(ANN).holds(grown.change)
    ann.heads(grown.change)
    ann.pushes(world.cosignature(grown.change, ANN), world.cosignature(grown.change, BEN))
    assert read_floor(stage.store) == Floor(0, world.id)
    last = Received(1, encode_message(Push((world.cosignature(grown.change, CLEO).raw,), ())))
    step = stage.core.step(last, Now(60_000, WALL_MS))
    assert step.durable
    assert read_floor(stage.store) == Floor(grown.change.height, grown.change.id)
    stage.store.rollback()
    assert read_floor(stage.store) == Floor(0, world.id), "what was not committed never was"


def joiner(grown: Grown, floor: Floor | None) -> Stage:
    store = MemoryStore()
    found_common(store, grown.world.genesis)
    store.apply([give_floor(floor)] if floor else [])
    store.commit()
    return Stage(grown.world, EVE, store=store)


@pytest.mark.parametrize("first", [ANN, BEN], ids=str)
@pytest.mark.parametrize("abandons", [False, True], ids=["cosigned", "abandons"])
def test_a_joiner_with_a_given_floor_is_moved_by_nobody(first: Key, abandons: bool) -> None:
    """Section 11: whoever it hears first, it adopts nothing until it knows that change."""
    grown = Grown()
    world = grown.world
    stage = joiner(grown, Floor(grown.change.height, grown.change.id))
    rival = grown.rival(epoch=9, abandons=(grown.change.id,) if abandons else ())

    def liar() -> None:
        ann = stage.link(ANN).holds(rival)
        ann.heads(rival)
        ann.pushes(world.cosignature(rival, ANN))
        stage.wait(30 * SECOND_MS)

    def honest() -> None:
        ben = stage.link(BEN).holds(grown.tip)
        ben.heads(grown.tip)
        ben.pushes(*(world.cosignature(grown.tip, key) for key in (BEN, DAN)))
        stage.wait(30 * SECOND_MS)

    if first is ANN:
        liar()
        assert stage.height == 0 and stage.core.live()["final_height"] == 0
        assert stage.promised(COSIGN) == []
        stage.restart()
        liar()
        honest()
    else:
        honest()
        liar()
    unmoved(stage, grown)


def test_a_given_floor_that_came_while_the_node_was_off_moves_it_at_its_next_step() -> None:
    """Its owner heard from people that it follows retired keys, and got a new invite."""
    grown = Grown()
    world = grown.world
    stage = joiner(grown, None)
    rival = grown.rival(epoch=9)
    ann = stage.link(ANN).holds(rival)
    ann.heads(rival)
    ann.pushes(world.cosignature(rival, ANN))
    ben = stage.link(BEN).holds(grown.tip)
    ben.heads(grown.tip)
    stage.wait(5 * SECOND_MS)
    assert stage.head == rival.id
    stage.store.apply([give_floor(Floor(grown.change.height, grown.change.id))])
    stage.store.commit()
    stage.restart()
    stage.wait(SECOND_MS)
    assert stage.head == grown.tip.id


# --- what else F5 is asked before ---------------------------------------------------------------------


def test_paper_of_retired_keys_stops_no_witness_and_raises_no_epoch() -> None:
    """S10, S12: dan is the witness, and goes on in his epoch."""
    stage, grown, ann = settled(DAN)
    world = grown.world
    recovery = stage.core._pending.special[stage.does(Recover("ben is gone"))]
    ann.pushes(world.endorsement(recovery, CLEO))
    stage.wait(5 * SECOND_MS)
    assert stage.core.live()["is_witness"]
    proposal = world.recovery(grown.low, ANN, epoch=500, author=ANN)
    ann.pushes(proposal, world.endorsement(proposal, ANN))
    certificates = stage.core._certificates
    assert certificates.open() == [], "it is not even kept"
    assert certificates.endorsed_epochs() == certificates.reached_epochs() == {}
    before = stage.height
    stage.does(Propose(Admit(bytes([9]) * 32, "guest", None)))
    stage.wait(60 * SECOND_MS)
    assert stage.core.live()["not_emitting_because"] is None
    assert stage.height == before + 1, "and no renewal"
    stage.does(Recover("a new epoch"))
    assert stage.core.live()["endorsed_epoch"] == 3


def test_nobody_endorses_on_a_base_below_the_floor() -> None:
    stage, grown, ann = settled(CLEO)
    world = grown.world
    proposal = world.recovery(grown.low, ANN, epoch=500, author=ANN)
    ann.pushes(proposal, world.endorsement(proposal, ANN))
    with pytest.raises(UserError):
        stage.happen(Endorse(proposal.id))
    assert stage.promised(ENDORSE) == []


def test_what_was_promised_below_the_floor_binds_no_more() -> None:
    """F5b: eve endorsed a takeover of a high epoch on ann's base before she knew the change; she is an
    authority of the new policy, and cosigns and endorses on it as if she had not."""
    grown = Grown()
    world = grown.world
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(grown.low)
    ann.heads(grown.low)
    ann.holds(grown.tip).heads(grown.tip)
    stage.wait(60 * SECOND_MS)
    assert stage.promised(COSIGN) == [grown.tip.id]
    stage.does(Recover("gone"))
    assert stage.core.live()["endorsed_epoch"] == 2


# --- leaving the joint phase (P4) ---------------------------------------------------------------------


def joint_and_final(own: Key, *, auto: bool = False) -> tuple[Stage, Grown, Node, Neighbour]:
    """The change is final under both and nobody has settled it: ann, who is its witness, is gone."""
    grown = Grown()
    stage = Stage(grown.world, own, auto=auto)
    dan = stage.link(DAN if own is not DAN else CLEO).holds(grown.change)
    dan.heads(grown.change)
    dan.pushes(*(grown.world.cosignature(grown.change, key) for key in (ANN, BEN, CLEO) if key is not own))
    stage.wait(SECOND_MS)
    assert stage.core.head is not None and stage.core.head.standing.joint
    return stage, grown, grown.change, dan


def test_the_new_quorum_alone_recovers_from_a_joint_phase_whose_change_is_final() -> None:
    """P4: the takeover carries the settlement; the key of the witness that is gone is changed afterwards."""
    stage, grown, change, dan = joint_and_final(BEN)
    world = grown.world
    id_ = stage.does(Recover("ann is gone"))
    proposal = next(one for one in stage.core._pending.special.values() if one.id == id_)
    dan.pushes(world.endorsement(proposal, DAN))
    stage.wait(5 * SECOND_MS)
    assert stage.core.head is not None
    standing = stage.core.head.standing
    assert (standing.witness, standing.joint) == (BEN.key, False)
    row = stage.store.snapshot_at(stage.core.head.branch, change.height + 1)
    assert row is not None and row.signer == BEN.key
    assert stage.core.live()["conflict"] is None


def test_without_the_proof_that_the_change_is_final_both_quorums_decide() -> None:
    grown = Grown()
    world = grown.world
    stage = Stage(world, BEN)
    dan = stage.link(DAN).holds(grown.change)
    dan.heads(grown.change)
    stage.wait(SECOND_MS)
    id_ = stage.does(Recover("ann is gone"))
    proposal = stage.core._pending.special[id_]
    dan.pushes(world.endorsement(proposal, DAN))
    stage.wait(5 * SECOND_MS)
    assert stage.height == grown.change.height
    dan.pushes(world.endorsement(proposal, ANN))
    stage.wait(5 * SECOND_MS)
    assert stage.core.head is not None
    assert (stage.height, stage.core.head.standing.joint) == (grown.change.height + 1, True)


@pytest.mark.parametrize("first", ["recovery", "key"])
@pytest.mark.parametrize("joint", [True, False])
def test_a_lost_witness_is_replaced_by_recovery_and_its_key_by_a_policy(first: str, joint: bool) -> None:
    """A policy change needs a witness that carries it, so the recovery comes first: a change that was
    endorsed before waits for it; in a joint phase it has to be asked for again (P3)."""
    grown = Grown()
    world = grown.world
    base = grown.change if joint else grown.settled
    stage = Stage(world, BEN)
    dan = stage.link(DAN).holds(base)
    dan.heads(base)
    dan.pushes(*(world.cosignature(grown.change, key) for key in (ANN, CLEO)))
    stage.wait(SECOND_MS)
    change = world.change(policy((BEN, DAN, EVE), 2), grown.change.proposals[0].id, DAN)
    paper: list[Signed[Any]] = [change, *(world.endorsement(change, key) for key in (DAN, EVE))]
    if first == "key":
        dan.pushes(*paper)
        if not joint:
            stage.does(Endorse(change.id))
        stage.wait(SECOND_MS)
        assert stage.head == base.id
    recovery = stage.core._pending.special[stage.does(Recover("ann is gone"))]
    dan.pushes(world.endorsement(recovery, DAN))
    stage.wait(5 * SECOND_MS)
    assert stage.core.head is not None
    assert stage.core.head.standing.witness == BEN.key
    if first == "recovery" or joint:
        dan.pushes(*paper)
        stage.does(Endorse(change.id))
    stage.wait(5 * SECOND_MS)
    assert stage.core.head.standing.installed[-1].id == change.id


def test_a_witness_that_settles_twice_wedges_nobody() -> None:
    """F3, P4: both settlements stand on the change; the new quorum takes over from either."""
    grown = Grown()
    world = grown.world
    other = world.after(
        world.puts(grown.change, "twin"), settlement=world.settlement(grown.change, ANN, BEN, CLEO)
    )
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(grown.settled)
    ann.heads(grown.settled)
    ann.holds(other).heads(other)
    stage.wait(5 * SECOND_MS)
    assert len(stage.ledger().evidence) == 1
    recovery = stage.core._pending.special[stage.does(Recover("ann signs twice"))]
    ann.pushes(world.endorsement(recovery, DAN))
    stage.wait(5 * SECOND_MS)
    assert stage.core.head is not None
    assert stage.core.head.standing.witness == CLEO.key
