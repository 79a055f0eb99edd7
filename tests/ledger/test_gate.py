"""The gate, rule by rule: what passes, and the first rule that fails with nothing changed (P, S9, V)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.artifacts.types import Expel
from aslp2p.errors import ArtifactError, Incomplete, Rejected
from aslp2p.ledger.facts import Member
from aslp2p.ledger.finality import cosigners
from aslp2p.ledger.gate import Ancestry, judge
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.limits import EPOCH_MAX
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    EVE,
    FAY,
    Node,
    World,
    bad_signature,
    feed,
    policy,
    unchecked,
)
from tests.ledger.cases import ACCEPTED, GENESES, REFUSALS, Case


def refused(ledger: Ledger, node: Node) -> Any:
    """The refusal of `node`, which must leave nothing behind (V9)."""
    before = (ledger.head, ledger.branches(), list(ledger.evidence))
    with pytest.raises((Rejected, ArtifactError)) as caught:
        ledger.accept(unchecked(node.snapshot), [unchecked(one) for one in node.proposals])
    assert (ledger.head, ledger.branches(), list(ledger.evidence)) == before
    assert ledger._store.snapshot(node.id) is None
    return caught.value


def world_at(height: int) -> tuple[World, Ledger, Node]:
    """A world, a ledger that follows it, and its tip."""
    world = World()
    ledger = world.ledger()
    tip = world.chain(world.root, height)
    feed(ledger, tip)
    return world, ledger, tip


# --- genesis ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENESES)
def test_a_genesis_that_may_not_stand(name: str) -> None:
    rule, build = GENESES[name]
    store = MemoryStore()
    with pytest.raises(Rejected) as caught:
        found_common(store, build().genesis)
    assert caught.value.rule == rule
    assert store.branches() == [] and store.meta("genesis") is None


# --- every refusal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_a_snapshot_is_refused(case: Case) -> None:
    world, base, node = case.build()
    ledger = world.ledger()
    feed(ledger, base)
    error = refused(ledger, node)
    assert error.rule == case.rule, error


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_a_snapshot_is_accepted(case: Case) -> None:
    world, base, node = case.build()
    ledger = world.ledger()
    feed(ledger, base, node)
    assert ledger.head.id == node.id
    assert (ledger.head.standing.next_epoch, ledger.head.standing.next_witness) == (
        node.next_epoch,
        node.next_signer.key,
    )


# --- ordinary snapshots -------------------------------------------------------------------------------


def test_a_missing_parent_or_proposal_is_incomplete_not_invalid() -> None:
    world, ledger, tip = world_at(1)
    lost = world.puts(tip, "b")
    orphan = world.puts(lost, "c")
    with pytest.raises(Incomplete) as caught:
        ledger.accept(orphan.snapshot, orphan.proposals)
    assert caught.value.missing == (lost.id,)
    two = world.puts(tip, "b", "c")
    with pytest.raises(Incomplete) as caught:
        ledger.accept(two.snapshot, two.proposals[:1])
    assert caught.value.missing == (two.proposals[1].id,)
    assert ledger.head.id == tip.id


def test_accepting_again_changes_nothing() -> None:
    _, ledger, tip = world_at(2)
    assert ledger.accept(tip.snapshot, tip.proposals) is None
    assert (
        ledger.accept(bad_signature(tip.snapshot), []) is None
    )  # the same statement: the same artifact (A2)


def test_an_invented_snapshot_of_another_common_is_foreign() -> None:
    _, ledger, tip = world_at(1)
    stranger = World(name="invented")
    far = stranger.after(
        tip, signer=EVE, height=999, previous=bytes([9]) * 32, common_id=stranger.id, epoch=7
    )
    with pytest.raises(Incomplete):
        ledger.accept(far.snapshot, ())
    near = stranger.after(tip, signer=EVE, common_id=stranger.id)
    assert refused(ledger, near).rule == "V1"


# --- rotations ----------------------------------------------------------------------------------------


def test_a_rotation_hands_the_office_over() -> None:
    world, ledger, tip = world_at(2)
    transition = world.rotate(tip, DAN)
    feed(ledger, transition)
    assert (ledger.head.standing.epoch, ledger.head.standing.witness) == (0, ANN.key)
    assert (ledger.head.standing.next_epoch, ledger.head.standing.next_witness) == (1, DAN.key)
    assert (ledger.head.standing.changed_height, ledger.head.standing.changed_by) == (3, "witness-rotation")
    assert refused(ledger, world.puts(transition, "x", signer=ANN, epoch=0)).rule == "V3"
    feed(ledger, world.puts(transition, "x"))
    assert (ledger.head.standing.epoch, ledger.head.standing.witness) == (1, DAN.key)
    assert ledger.head.standing.reign_height == 4


def test_a_rotation_may_stand_on_any_snapshot_of_its_reign_but_on_none_before() -> None:
    world, ledger, tip = world_at(2)
    again = world.chain(world.rotate(tip, ANN), 3, "d")  # ann goes on in epoch 1, from height 4
    feed(ledger, again)
    line = again.line()
    for base in (line[3], line[4], line[5]):
        branch = world.ledger()
        feed(branch, world.rotate(again, BEN, epoch=2, base=base))
        assert branch.head.standing.next_witness == BEN.key
    for base in (line[2], line[0], world.root):
        assert refused(ledger, world.rotate(again, BEN, epoch=2, base=base)).rule == "V4"


def test_a_new_policy_ends_the_reign_too() -> None:
    """A reign has the same policies in force throughout, so a rotation cannot reach below a change (V4)."""
    world, ledger, tip = world_at(1)
    joint = world.puts(world.install(tip, policy((ANN, BEN), 2)), "x")
    feed(ledger, joint)
    assert refused(ledger, world.rotate(joint, BEN, base=tip)).rule == "V4"
    feed(ledger, world.rotate(joint, BEN, base=joint.line()[1]))


def test_after_a_rotation_the_base_must_be_the_parent() -> None:
    """The parent carries a rotation: it does not belong to the reign of whom it appoints (V4)."""
    world, ledger, tip = world_at(2)
    transition = world.rotate(tip, BEN)
    feed(ledger, transition)
    assert refused(ledger, world.rotate(transition, CLEO, BEN, CLEO, base=tip)).rule == "V4"
    feed(ledger, world.rotate(transition, CLEO, BEN, CLEO))
    assert ledger.head.standing.next_witness == CLEO.key


def test_where_rotation_is_not_allowed_the_witness_may_still_renew_itself() -> None:
    """S12 must work under every policy: a rotation to oneself changes no witness (V4)."""
    world = World(policy((ANN, BEN, CLEO), 2, rotation_allowed=False))
    ledger = world.ledger()
    assert refused(ledger, world.rotate(world.root, BEN)).rule == "V4"
    renewed = world.rotate(world.root, ANN)
    feed(ledger, world.puts(renewed, "x"))
    assert (ledger.head.standing.epoch, ledger.head.standing.witness) == (1, ANN.key)
    assert ledger.head.standing.changed_by == "genesis"


def test_a_quorum_of_one() -> None:
    world = World(policy((ANN,), 1), members=(ANN, DAN))
    ledger = world.ledger()
    feed(ledger, world.puts(world.rotate(world.root, DAN, ANN), "x"))
    assert ledger.head.standing.witness == DAN.key


# --- takeovers ----------------------------------------------------------------------------------------


def test_nothing_below_its_own_reign_can_be_abandoned_either() -> None:
    """However far down an ancestor is, what stands on it cannot give it up (S9)."""
    world, ledger, tip = world_at(2)
    second = world.chain(world.rotate(tip, BEN), 2, "d")
    feed(ledger, second)
    assert second.line()[0].epoch != second.epoch
    node = world.recover(second, CLEO, epoch=2, abandons=(second.line()[0].id,))
    assert refused(ledger, node).rule == "S9"


def test_a_takeover() -> None:
    world, ledger, tip = world_at(2)
    taken = world.recover(tip, CLEO, epoch=EPOCH_MAX)
    feed(ledger, taken)
    assert (ledger.head.standing.epoch, ledger.head.standing.witness) == (EPOCH_MAX, CLEO.key)
    assert (ledger.head.standing.changed_height, ledger.head.standing.changed_by) == (3, "witness-recovery")
    assert ledger.head.standing.reign_height == 3
    feed(ledger, world.puts(taken, "x"))


def test_from_a_revocation_on_the_key_is_dead() -> None:
    """V8: it signs, proposes and endorses nothing any more, and is never admitted again."""
    world = World(policy((ANN, BEN, CLEO, FAY), 3), members=(ANN, BEN, CLEO, DAN, FAY))
    ledger = world.ledger()
    tip = world.chain(world.root, 1)
    revoked = world.revoke(tip, CLEO, ANN, BEN, CLEO, FAY)
    feed(ledger, revoked)
    assert ledger.head.members[ANN.key].status == "revoked"
    assert ledger.head.standing.changed_by == "witness-revocation"
    for node, rule in [
        (world.after(revoked, world.put("x", ANN)), "V7"),
        (world.after(revoked, world.admit(ANN, BEN)), "V8"),
        (world.recover(revoked, FAY, BEN, FAY, CLEO, author=ANN), "V7"),
        (world.recover(revoked, FAY, ANN, BEN, FAY), "V6"),
        (world.recover(revoked, ANN, BEN, FAY, CLEO), "V7"),
        (world.revoke(revoked, FAY, ANN, BEN, CLEO, FAY), "V8"),
        (world.revoke(revoked, FAY, BEN, CLEO, FAY, author=CLEO), "V8"),  # 2 of 4 would be left, 3 are needed
        (world.install(revoked, policy((ANN, BEN, CLEO), 2), BEN, CLEO, FAY, author=BEN), "P3"),
    ]:
        assert refused(ledger, node).rule == rule, node
    feed(ledger, world.recover(revoked, FAY, BEN, CLEO, FAY))


def test_a_member_that_is_no_authority_can_be_revoked() -> None:
    world, ledger, tip = world_at(1)
    feed(ledger, world.revoke(tip, CLEO, DAN))
    assert ledger.head.members[DAN.key].status == "revoked"


def test_a_signer_that_is_no_member_is_refused_whatever_appointed_it() -> None:
    """V8, on a parent that no history leads to: the gate does not rest on how its parent came to be."""
    world, ledger, tip = world_at(1)
    head, empty = ledger.head, world.after(tip)
    members = {**head.members, ANN.key: Member("ann", "revoked", bytes(32), True)}
    with pytest.raises(Rejected) as caught:
        judge(
            empty.snapshot,
            [],
            replace(head, members=members),
            world.id,
            ledger.draft(),
            Ancestry(lambda _: None, lambda _: -1, lambda _: False),
            VERIFIER,
        )
    assert (caught.value.rule, caught.value.subject) == ("V8", empty.id)


# --- policy changes -----------------------------------------------------------------------------------


def test_a_certificate_lets_an_expelled_key_in_again_that_it_makes_an_authority() -> None:
    """A quorum outranks the one authority that expelled it; its old name is its own while it is free."""
    world, ledger, tip = world_at(1)
    out = world.after(tip, world.propose(Expel(DAN.key), BEN))
    feed(ledger, out, world.install(out, policy((ANN, BEN, DAN), 2)))
    member = ledger.head.members[DAN.key]
    assert (member.name, member.status, member.kept) == ("dan", "admitted", True)


def test_a_certificate_lets_an_expelled_key_in_again_that_it_appoints() -> None:
    world, ledger, tip = world_at(1)
    taken = world.after(tip, world.propose(Expel(DAN.key), BEN), world.admit(EVE, CLEO, "dan"))
    feed(ledger, taken, handed := world.rotate(taken, DAN), world.puts(handed, "x"))
    assert ledger.head.members[DAN.key].name == f"dan-{DAN.key.hex()[:16]}"
    assert ledger.head.members[EVE.key].name == "dan"


def test_a_policy_change_admits_its_new_authorities_under_their_labels() -> None:
    world, ledger, tip = world_at(1)
    feed(ledger, world.install(tip, policy((ANN, BEN, EVE), 2)))
    assert ledger.head.members[EVE.key].name == "eve"
    assert ledger.head.standing.joint
    assert ledger.head.standing.change_height == 2


def test_while_a_change_is_joint_everything_needs_both_quorums() -> None:
    """P4, and no second change meanwhile (P3)."""
    world, ledger, tip = world_at(1)
    new = policy((CLEO, DAN, EVE), 2)
    joint = world.install(tip, new, ANN, BEN, DAN, EVE)
    feed(ledger, joint)
    assert refused(ledger, world.recover(joint, CLEO, BEN, CLEO)).rule == "V6"
    assert refused(ledger, world.recover(joint, CLEO, DAN, EVE, author=DAN)).rule == "V6"
    again = world.install(joint, policy((ANN, BEN), 2), ANN, BEN, DAN, EVE, replaces=joint.proposals[0].id)
    assert refused(ledger, again).rule == "P3"
    feed(ledger, world.recover(joint, EVE, BEN, CLEO, DAN, author=DAN))
    assert ledger.head.standing.witness == EVE.key
    assert ledger.head.standing.joint


def test_a_settlement_makes_the_new_policy_stand_alone() -> None:
    """Cosignatures of different snapshots make the lowest of them final together (P4)."""
    world, ledger, tip = world_at(1)
    joint = world.install(tip, policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN)
    more = world.puts(joint, "x")
    paper = [
        world.cosignature(joint, CLEO),
        world.cosignature(more, DAN),
        world.cosignature(more, ANN),
    ]
    settled = world.after(more, settlement=tuple(one.raw for one in sorted(paper, key=lambda one: one.key)))
    feed(ledger, settled)
    standing = ledger.head.standing
    assert not standing.joint
    assert standing.installed[0].id == joint.proposals[0].id
    assert standing.change_height == 0
    assert standing.reign_height == settled.height
    assert ledger.final_height() == joint.height  # the settlement's cosignatures are kept and count
    feed(ledger, world.recover(settled, DAN, DAN, EVE, author=DAN))  # the new quorum alone is enough
    again = world.after(settled, settlement=world.settlement(settled, DAN, EVE))
    assert refused(ledger, again).rule == "P4"


def test_a_revoked_key_settles_nothing_and_makes_nothing_final() -> None:
    """Its cosignature may be embedded, and counts neither in the settlement nor afterwards (V8)."""
    world = World(policy((ANN, BEN, CLEO), 2), members=(ANN, BEN, CLEO, DAN))
    ledger = world.ledger()
    joint = world.install(world.root, policy((ANN, BEN, CLEO, DAN), 3), ANN, BEN, CLEO)
    gone = world.revoke(joint, CLEO, ANN, BEN, CLEO, DAN)
    feed(ledger, gone)
    assert refused(ledger, world.after(gone, settlement=world.settlement(gone, ANN, BEN, CLEO))).rule == "P4"
    four = world.settlement(gone, ANN, BEN, CLEO, DAN)
    feed(ledger, world.after(gone, settlement=four))
    kept = cosigners(ledger._store, ledger.head.branch, gone.height, ledger.head.height)
    assert kept.keys() == {BEN.key, CLEO.key, DAN.key}
    assert ledger.final_height() == gone.height
