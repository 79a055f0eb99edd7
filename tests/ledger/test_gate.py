"""The gate, rule by rule: what passes, and the first rule that fails with nothing changed (P, S9, V)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.artifacts.types import Expel, Named, Rotation
from aslp2p.errors import ArtifactError, Incomplete, Rejected
from aslp2p.ledger.finality import cosigners
from aslp2p.ledger.gate import Ancestry, judge
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.state import Member
from aslp2p.limits import EPOCH_STEP_MAX
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
    named,
    policy,
    swap,
    unchecked,
)


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


@pytest.mark.parametrize(
    ("rule", "build"),
    [
        ("P1", lambda: World(policy((), 1))),
        ("P1", lambda: World(policy((ANN, BEN), 1))),
        ("P1", lambda: World(policy((ANN, BEN, CLEO), 0))),
        ("P1", lambda: World(policy((ANN, BEN, CLEO), 4))),
        ("P1", lambda: World(policy((ANN, ANN, BEN), 2))),
        ("P1", lambda: World(policy((), 2, witnesses=(Named("x", ANN.key), Named("x", BEN.key))))),
        ("A4", lambda: World(policy((ANN,), 1, protocol=2))),
        ("P6", lambda: World(anchors=(*named((ANN, BEN, CLEO)), Named("other", ANN.key)))),
        ("P6", lambda: World(anchors=(*named((ANN, BEN, CLEO)), Named("ann", DAN.key)))),
        ("P6", lambda: World(witness=EVE)),
        ("P6", lambda: World(members=(ANN, BEN))),
    ],
)
def test_a_genesis_that_may_not_stand(rule: str, build: Callable[[], World]) -> None:
    store = MemoryStore()
    with pytest.raises(Rejected) as caught:
        found_common(store, build().genesis)
    assert caught.value.rule == rule
    assert store.branches() == [] and store.meta("genesis") is None


# --- ordinary snapshots -------------------------------------------------------------------------------

Build = Callable[[World, Node], Node]
REFUSED: dict[str, tuple[str, Build]] = {
    "another Common's": ("V1", lambda w, n: w.puts(n, "b", common_id=bytes(32))),
    "height": ("V2", lambda w, n: w.puts(n, "b", height=n.height + 2)),
    "signer": ("V3", lambda w, n: w.puts(n, "b", signer=BEN)),
    "epoch above": ("V3", lambda w, n: w.puts(n, "b", epoch=1)),
    "signature": ("A5", lambda w, n: swap(x := w.puts(n, "b"), signed=bad_signature(x.snapshot))),
    "a proposal's signature": (
        "A5",
        lambda w, n: swap(x := w.puts(n, "b"), proposals=(bad_signature(x.proposals[0]),)),
    ),
    "a proposal twice": ("V7", lambda w, n: w.after(n, p := w.put("b"), p)),
    "a proposal twice, beside one more": (
        "V7",
        lambda w, n: swap(w.after(n, p := w.put("b"), p), proposals=(p, w.put("c"))),
    ),
    "a proposal of before": ("V7", lambda w, n: w.after(n, n.proposals[0])),
    "a stranger's proposal": ("V7", lambda w, n: w.after(n, w.put("b", EVE))),
    "another Common's proposal": ("V7", lambda w, n: w.after(n, World(name="else").put("b"))),
    "what does not apply": ("V7", lambda w, n: w.after(n, w.put("b"), w.put("b", expects=b""))),
    "log size": ("V7", lambda w, n: w.puts(n, "b", log_size=n.frontier.size)),
    "log root": ("V7", lambda w, n: w.puts(n, "b", log_root=bytes(32))),
    "paper without a certificate": ("V7", lambda w, n: w.after(n, w.rotation(n, BEN))),
    "paper that is not first": (
        "V7",
        lambda w, n: w.after(n, w.rotation(n, BEN), w.change(policy((ANN,), 1)), certificate=()),
    ),
    "a certificate for nothing": ("V6", lambda w, n: w.after(n, certificate=())),
    "a certificate for a put": ("V6", lambda w, n: w.after(n, w.put("b"), certificate=())),
    "a settlement of nothing": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN))),
    "an expelled authority": ("P6", lambda w, n: w.after(n, w.propose(Expel(BEN.key), CLEO))),
    "an expelled witness": ("P6", lambda w, n: w.after(n, w.propose(Expel(ANN.key), CLEO))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_ordinary_snapshot_is_refused(name: str) -> None:
    world, ledger, tip = world_at(2)
    rule, build = REFUSED[name]
    node = build(world, tip)
    error = refused(ledger, node)
    assert error.rule == rule, error


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


def rotated(world: World, node: Node, *by: object, **proposal: Any) -> Node:
    """A transition to ben with everything as told."""
    fields: dict[str, Any] = {
        "epoch": 1,
        "base_height": node.height,
        "base_id": node.id,
        "new_witness": BEN.key,
        "reason": "",
    }
    author = proposal.pop("author", ANN)
    one = world.propose(Rotation(**(fields | proposal)), author)
    return world.after(node, one, certificate=world.certificate(one, *(by or (ANN, BEN))))  # type: ignore[arg-type]


ROTATIONS: dict[str, tuple[str, Build]] = {
    "by another than the witness": ("V4", lambda w, n: rotated(w, n, author=BEN)),
    "a base that is not here": ("V4", lambda w, n: rotated(w, n, base_id=bytes(32))),
    "a base above": ("V4", lambda w, n: rotated(w, n, base_height=n.height + 1)),
    "without the incoming witness": ("V4", lambda w, n: rotated(w, n, ANN, CLEO)),
    "without a quorum": ("V6", lambda w, n: rotated(w, n, BEN)),
    "by somebody who is no authority": ("V6", lambda w, n: rotated(w, n, ANN, BEN, DAN)),
    "to a stranger": ("V7", lambda w, n: rotated(w, n, ANN, BEN, EVE, new_witness=EVE.key)),
    "into the epoch that is": ("V6", lambda w, n: rotated(w, n, epoch=n.next_epoch)),
    "too far": ("V6", lambda w, n: rotated(w, n, epoch=n.next_epoch + EPOCH_STEP_MAX + 1)),
    "endorsed for another epoch": (
        "V6",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN, epoch=2)),
    ),
    "endorsed for another proposal": (
        "V6",
        lambda w, n: w.after(n, w.rotation(n, BEN), certificate=w.certificate(w.rotation(n, BEN), ANN, BEN)),
    ),
    "endorsed for another Common": (
        "V6",
        lambda w, n: w.after(
            n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN, common_id=bytes(32))
        ),
    ),
    "out of order": (
        "V6",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN)[::-1]),
    ),
    "one signer twice": (
        "V6",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=(w.endorsement(p, BEN).raw, w.endorsement(p, BEN, created_ms=1).raw),
        ),
    ),
    "an endorsement that is none": (
        "A3",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=(p.raw,)),
    ),
    "one bad signature among good ones": (
        "A5",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=tuple(
                one.raw
                for one in sorted(
                    (w.endorsement(p, ANN), w.endorsement(p, CLEO), bad_signature(w.endorsement(p, BEN))),
                    key=lambda one: one.key,
                )
            ),
        ),
    ),
    "signed by the incoming witness": (
        "V3",
        lambda w, n: w.after(
            n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN), signer=BEN, epoch=1
        ),
    ),
    "listed twice": (
        "V7",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), p, certificate=w.certificate(p, ANN, BEN)),
    ),
    "with the incoming witness expelled beside it": (
        "P6",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, DAN),
            w.propose(Expel(DAN.key), BEN),
            certificate=w.certificate(p, ANN, BEN, DAN),
        ),
    ),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_a_rotation_is_refused(name: str) -> None:
    world, ledger, tip = world_at(2)
    if name == "into the epoch that is":
        tip = world.rotate(tip, ANN)
        feed(ledger, tip)
    rule, build = ROTATIONS[name]
    error = refused(ledger, build(world, tip))
    assert error.rule == rule, error


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

TAKEOVERS: dict[str, tuple[str, Build]] = {
    "proposed by no authority": ("V5", lambda w, n: w.recover(n, CLEO, author=DAN)),
    "proposed by a stranger": ("V7", lambda w, n: w.recover(n, CLEO, author=EVE)),
    "on another base": (
        "V5",
        lambda w, n: w.after(
            n,
            p := w.recovery(n.line()[0], CLEO),
            signer=CLEO,
            epoch=1,
            certificate=w.certificate(p, BEN, CLEO),
        ),
    ),
    "signed by another": (
        "V5",
        lambda w, n: w.after(
            n, p := w.recovery(n, CLEO), signer=BEN, epoch=1, certificate=w.certificate(p, BEN, CLEO)
        ),
    ),
    "in another epoch": (
        "V5",
        lambda w, n: w.after(
            n, p := w.recovery(n, CLEO), signer=CLEO, epoch=2, certificate=w.certificate(p, BEN, CLEO)
        ),
    ),
    "without a quorum": ("V6", lambda w, n: w.recover(n, CLEO, BEN)),
    "with a quorum of non-authorities": ("V6", lambda w, n: w.recover(n, CLEO, BEN, DAN)),
    "by a stranger": ("V7", lambda w, n: w.recover(n, EVE)),
    "too far": ("V6", lambda w, n: w.recover(n, CLEO, epoch=EPOCH_STEP_MAX + 1)),
    "abandoning its parent": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(n.id,))),
    "abandoning an ancestor": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(bytes(32), n.line()[0].id))),
    "abandoning genesis": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(w.id,))),
    "revoking the new witness": ("V8", lambda w, n: w.revoke(n, CLEO, CLEO)),
    "revoking an unknown key": ("V8", lambda w, n: w.revoke(n, CLEO, EVE)),
    "revoked proposes its own": ("V8", lambda w, n: w.revoke(n, CLEO, BEN, ANN, CLEO)),
    "revoked one counts not": ("V6", lambda w, n: w.revoke(n, CLEO, ANN, ANN, CLEO, author=CLEO)),
    "expelling whom it appoints": (
        "P6",
        lambda w, n: w.recover(n, DAN, also=(w.propose(Expel(DAN.key), BEN),)),
    ),
}


@pytest.mark.parametrize("name", TAKEOVERS)
def test_a_takeover_is_refused(name: str) -> None:
    world, ledger, tip = world_at(2)
    rule, build = TAKEOVERS[name]
    error = refused(ledger, build(world, tip))
    assert error.rule == rule, error


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
    taken = world.recover(tip, CLEO, epoch=EPOCH_STEP_MAX)
    feed(ledger, taken)
    assert (ledger.head.standing.epoch, ledger.head.standing.witness) == (EPOCH_STEP_MAX, CLEO.key)
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
    members = {**head.members, ANN.key: Member("ann", "revoked", bytes(32))}
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

CHANGES: dict[str, tuple[str, Build]] = {
    "no quorum of the old": ("P3", lambda w, n: w.install(n, policy((ANN, DAN), 2), ANN, DAN)),
    "no quorum of the new": ("P3", lambda w, n: w.install(n, policy((DAN, EVE), 2), ANN, BEN, DAN)),
    "endorsed for an epoch": (
        "P3",
        lambda w, n: w.after(
            n, p := w.change(policy((ANN, BEN), 2)), certificate=w.certificate(p, ANN, BEN, epoch=1)
        ),
    ),
    "endorsed by somebody of neither": (
        "P3",
        lambda w, n: w.install(n, policy((ANN, BEN), 2), ANN, BEN, DAN),
    ),
    "of a policy that is not in force": (
        "P3",
        lambda w, n: w.install(n, policy((ANN, BEN), 2), replaces=bytes(32)),
    ),
    "to one that P1 refuses": ("P1", lambda w, n: w.install(n, policy((ANN, BEN), 1))),
    "to a later protocol": ("A4", lambda w, n: w.install(n, policy((ANN, BEN), 2, protocol=2))),
    "a new authority with a name that is taken": (
        "V7",
        lambda w, n: w.install(
            n, policy((), 2, witnesses=(*named((ANN, BEN)), Named("dan", EVE.key))), ANN, BEN
        ),
    ),
    "a new authority expelled beside it": (
        "P6",
        lambda w, n: w.after(
            n,
            p := w.change(policy((ANN, BEN, DAN), 2)),
            w.propose(Expel(DAN.key), BEN),
            certificate=w.certificate(p, ANN, BEN),
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_policy_change_is_refused(name: str) -> None:
    world, ledger, tip = world_at(2)
    rule, build = CHANGES[name]
    error = refused(ledger, build(world, tip))
    assert error.rule == rule, error


def test_an_expelled_key_becomes_no_authority() -> None:
    world, ledger, tip = world_at(1)
    out = world.after(tip, world.propose(Expel(DAN.key), BEN))
    feed(ledger, out)
    assert refused(ledger, world.install(out, policy((ANN, BEN, DAN), 2))).rule == "P3"


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


SETTLEMENTS: dict[str, Build] = {
    "a quorum of the new policy only": lambda w, n: w.after(n, settlement=w.settlement(n, DAN, EVE)),
    "a quorum of the old policy only": lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN)),
    "nobody": lambda w, n: w.after(n, settlement=()),
    "a stranger's too": lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, FAY)),
    "another epoch": lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, epoch=1)),
    "another Common": lambda w, n: w.after(
        n, settlement=w.settlement(n, CLEO, DAN, ANN, common_id=bytes(32))
    ),
    "below the change": lambda w, n: w.after(n, settlement=w.settlement(n.line()[0], CLEO, DAN, ANN)),
    "above the parent": lambda w, n: w.after(
        n, settlement=w.settlement(n, CLEO, DAN, ANN, height=n.height + 1)
    ),
    "another branch": lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, snapshot=bytes(32))),
    "out of order": lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN)[::-1]),
}


@pytest.mark.parametrize("name", SETTLEMENTS)
def test_a_settlement_is_refused(name: str) -> None:
    world, ledger, tip = world_at(1)
    joint = world.install(tip, policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN)
    feed(ledger, joint)
    assert refused(ledger, SETTLEMENTS[name](world, joint)).rule == "P4"


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
