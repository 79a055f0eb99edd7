"""Certificates and settlements: the paper that changes authority (V4 to V6, V8, P3, P4).

Both are tuples of whole signed artifacts inside a snapshot, strictly sorted by signer (so each key once, P5).
Everything here judges against what is in force at the parent; nothing reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

from msgspec import Struct

from aslp2p.artifacts.envelope import Signed, Verified, Verifier, decode_as
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Erase,
    Policy,
    PolicyChange,
    Proposal,
    Revocation,
    Rotation,
    Snapshot,
    Statement,
    Succession,
    Takeover,
)
from aslp2p.errors import ArtifactError, NewerProtocol, Rejected
from aslp2p.ledger.erasure import HeldAt, require_erasable
from aslp2p.ledger.facts import Members
from aslp2p.ledger.members import require_room
from aslp2p.ledger.policy import authority_keys, require_policy, satisfies_all
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import REVOKED, is_admitted, revoked_keys
from aslp2p.limits import EPOCH_MAX

Certified = Succession | PolicyChange | Erase
"""What a certificate can be for."""
S = TypeVar("S", bound=Statement)


class Parent(Struct, frozen=True):
    """What a certificate is judged against: the accepted parent H, and its branch by height."""

    id: bytes
    height: int
    standing: Standing
    members: Members
    id_at: Callable[[int], bytes | None]
    """The id of the ancestor (or H itself) at a height; None outside 0..H."""
    holds: Callable[[bytes], bool]
    """Whether a snapshot is H or one of its ancestors."""
    held: HeldAt
    """What H says of a content."""


def _embedded(
    record: type[S], raws: Sequence[bytes], common_id: bytes, verifier: Verifier, rule: str
) -> list[Verified[S]]:
    signed = [decode_as(record, raw) for raw in raws]
    keys = [one.key for one in signed]
    if any(left >= right for left, right in pairwise(keys)):
        raise Rejected(rule, "its signatures are not sorted by key with each key once")
    for one in signed:
        if getattr(one.statement, "common_id", None) != common_id:
            raise Rejected(rule, "it embeds a signature about another Common")
    return verifier.verify_all(signed)


def require_applicable(action: Certified, parent: Parent, *, subject: bytes) -> None:
    """Whether what a certificate is for fits what is in force at `parent`, signatures apart.

    Raises `Rejected` (P1, P3, V6, V7, V8, A4) citing the first rule that fails.
    """
    standing, members = parent.standing, parent.members
    if isinstance(action, Erase):
        require_erasable(parent.held(action.content), action.content)
        return
    if isinstance(action, PolicyChange):
        if standing.joint:
            raise Rejected("P3", "another policy change is not settled yet", subject=subject)
        if action.replaces != standing.installed[-1].id:
            raise Rejected("P3", "it replaces a policy that is not the one in force", subject=subject)
        require_policy(action.policy)
        for witness in action.policy.witnesses:
            if witness.key in members and members[witness.key].status == REVOKED:
                raise Rejected(
                    "P3", f"{witness.name} was revoked and cannot be an authority", subject=subject
                )
        if problem := require_room(members, len(authority_keys(action.policy) - members.keys())):
            raise Rejected("A4", problem, subject=subject)
        return
    if not standing.next_epoch < action.epoch <= EPOCH_MAX:
        raise Rejected(
            "V6",
            f"epoch {action.epoch} is not above {standing.next_epoch}, or above {EPOCH_MAX}",
            subject=subject,
            against=parent.id,
        )
    appointed = members.get(action.new_witness)
    if appointed is None or appointed.status == REVOKED:
        raise Rejected("V7", "the new witness is no member", subject=subject)
    if isinstance(action, Rotation):
        kept = action.new_witness == standing.next_witness
        if not kept and not all(policy.rotation_allowed for policy in standing.policies):
            raise Rejected("V4", "the policy does not allow rotation", subject=subject)
        return
    for given_up in action.abandons:
        if parent.holds(given_up):
            raise Rejected(
                "S9", "it abandons a snapshot that it stands on", subject=subject, against=given_up
            )
    if isinstance(action, Revocation):
        _require_survivors(action, standing, members, subject)


def _require_survivors(action: Revocation, standing: Standing, members: Members, subject: bytes) -> None:
    if action.revoked == action.new_witness:
        raise Rejected("V8", "the revoked key cannot be the new witness", subject=subject)
    revoked_member = members.get(action.revoked)
    if revoked_member is None:
        raise Rejected("V8", "the revoked key is not known here", subject=subject)
    if revoked_member.status == REVOKED:
        raise Rejected("V8", "that key is revoked already", subject=subject)
    gone = revoked_keys(members) | {action.revoked}
    for policy in standing.policies:
        if len(authority_keys(policy) - gone) < policy.threshold:
            raise Rejected(
                "V8",
                "it would leave fewer usable authorities than the threshold; change the policy first",
                subject=subject,
            )


def _counting(
    endorsements: Sequence[Verified[Endorsement]],
    proposal: Signed[Proposal],
    epoch: int,
    allowed: frozenset[bytes],
    subject: bytes,
    rule: str,
) -> frozenset[bytes]:
    for one in endorsements:
        if one.statement.proposal != proposal.id:
            raise Rejected(rule, "an endorsement is for another proposal", subject=subject, against=one.id)
        if one.statement.epoch != epoch:
            raise Rejected(rule, "an endorsement is for another epoch", subject=subject, against=one.id)
        if one.key not in allowed:
            raise Rejected(
                rule, "an endorsement is by a key that is no authority", subject=subject, against=one.id
            )
    return frozenset(one.key for one in endorsements)


def require_fitting(
    proposal: Signed[Proposal], parent: Parent, *, signer: bytes, epoch: int, subject: bytes
) -> Certified:
    """Whether a snapshot on `parent` by `signer` in `epoch` may carry `proposal`, endorsements apart; the
    action that it proposes.

    `subject` is what an error names: the snapshot. Raises `Rejected` (V4 to V8, P1, P3, S9, A4).
    """
    action = proposal.statement.action
    if not isinstance(action, Certified):
        raise Rejected("V6", "its first proposal needs no certificate", subject=subject)
    if not is_admitted(parent.members, proposal.key):
        raise Rejected("V7", "the author of its proposal is not an admitted member", subject=proposal.id)
    require_applicable(action, parent, subject=proposal.id)
    if isinstance(action, Rotation):
        _require_transition(proposal, action, parent, signer, subject)
    elif isinstance(action, Takeover):
        _require_takeover(proposal, action, parent, signer, epoch, subject)
    return action


def require_certificate(
    snapshot: Signed[Snapshot], proposal: Signed[Proposal], parent: Parent, verifier: Verifier
) -> frozenset[bytes]:
    """Judge the certificate that `snapshot` carries for `proposal`; returns the keys that endorsed.

    Raises `Rejected` (V4, V5, V6, V8, P1, P3) or `ArtifactError`; nothing has changed then.
    """
    statement = snapshot.statement
    standing = parent.standing
    try:
        action = require_fitting(
            proposal, parent, signer=snapshot.key, epoch=statement.epoch, subject=snapshot.id
        )
    except NewerProtocol as newer:
        decided = _is_decided(snapshot, proposal, parent, verifier)
        raise NewerProtocol(newer.protocol, decided=decided, subject=proposal.id) from None
    endorsements = _embedded(Endorsement, statement.certificate or (), statement.common_id, verifier, "V6")
    if isinstance(action, PolicyChange):
        return _require_change(snapshot, proposal, action, endorsements, parent)
    gone = revoked_keys(parent.members)
    if isinstance(action, Erase):
        keys = _counting(endorsements, proposal, 0, standing.authorities(), snapshot.id, "V6")
        _require_quorum(standing.policies, keys - gone, snapshot.id, "V6")
        return keys
    incoming = frozenset({action.new_witness}) if isinstance(action, Rotation) else frozenset[bytes]()
    keys = _counting(
        endorsements, proposal, action.epoch, standing.authorities() | incoming, snapshot.id, "V6"
    )
    if not incoming <= keys:
        raise Rejected("V4", "the incoming witness has not endorsed it", subject=snapshot.id)
    if isinstance(action, Revocation):
        gone |= {action.revoked}
    _require_quorum(standing.policies, keys - gone, snapshot.id, "V6")
    return keys


def _require_change(
    snapshot: Signed[Snapshot],
    proposal: Signed[Proposal],
    action: PolicyChange,
    endorsements: Sequence[Verified[Endorsement]],
    parent: Parent,
) -> frozenset[bytes]:
    """The keys that endorsed a policy change, a quorum of every policy. Raises `Rejected` (P3)."""
    standing = parent.standing
    allowed = standing.authorities() | authority_keys(action.policy)
    keys = _counting(endorsements, proposal, 0, allowed, snapshot.id, "P3")
    counted = keys - revoked_keys(parent.members)
    _require_quorum((*standing.policies, action.policy), counted, snapshot.id, "P3")
    return keys


def _is_decided(
    snapshot: Signed[Snapshot], proposal: Signed[Proposal], parent: Parent, verifier: Verifier
) -> bool:
    """Whether quorums have put a policy in force whose protocol is unknown here: others go on with it."""
    action = cast("PolicyChange", proposal.statement.action)
    raws, common_id = snapshot.statement.certificate or (), snapshot.statement.common_id
    try:
        endorsements = _embedded(Endorsement, raws, common_id, verifier, "V6")
        _require_change(snapshot, proposal, action, endorsements, parent)
    except (Rejected, ArtifactError):
        return False
    return True


def _require_quorum(policies: Sequence[Policy], keys: frozenset[bytes], subject: bytes, rule: str) -> None:
    if not satisfies_all(policies, keys):
        needs = " and ".join(
            f"{len(authority_keys(policy) & keys)} of the {policy.threshold} needed" for policy in policies
        )
        raise Rejected(rule, f"its endorsements are no quorum ({needs})", subject=subject)


def _require_transition(
    proposal: Signed[Proposal], action: Rotation, parent: Parent, signer: bytes, subject: bytes
) -> None:
    if proposal.key != signer:
        raise Rejected(
            "V4", "a rotation is proposed by the witness itself", subject=subject, against=proposal.id
        )
    standing = parent.standing
    appointed_here = (standing.epoch, standing.witness) == (standing.next_epoch, standing.next_witness)
    first = standing.reign_height if appointed_here else parent.height
    if not first <= action.base_height <= parent.height or parent.id_at(action.base_height) != action.base_id:
        raise Rejected(
            "V4",
            "its base is neither the parent nor in the parent's reign",
            subject=subject,
            against=action.base_id,
        )


def _require_takeover(
    proposal: Signed[Proposal],
    action: Takeover,
    parent: Parent,
    signer: bytes,
    epoch: int,
    subject: bytes,
) -> None:
    if proposal.key not in parent.standing.authorities():
        raise Rejected("V5", "it is not proposed by an authority", subject=subject, against=proposal.id)
    if isinstance(action, Revocation) and proposal.key == action.revoked:
        raise Rejected(
            "V8", "the revoked key proposes nothing any more", subject=subject, against=proposal.id
        )
    if (action.base_height, action.base_id) != (parent.height, parent.id):
        raise Rejected("V5", "its base is not its parent", subject=subject, against=action.base_id)
    if signer != action.new_witness:
        raise Rejected("V5", "it is not signed by the new witness", subject=subject)
    if epoch != action.epoch:
        raise Rejected("V5", "it is not in the certificate's epoch", subject=subject)


def require_settlement(
    snapshot: Signed[Snapshot],
    parent: Parent,
    epoch_at: Callable[[int], int],
    revoked: frozenset[bytes],
    verifier: Verifier,
) -> list[Verified[Cosignature]]:
    """Judge the settlement of a joint policy (P4); returns its cosignatures.

    Each cosigns an ancestor at or above the change; cosigning a snapshot cosigns what it contains, so
    together they make the lowest of them final under both policies. Keys in `revoked` do not count (V8).
    Raises `Rejected` (P4).
    """
    standing = parent.standing
    if not standing.joint:
        raise Rejected("P4", "there is no unsettled policy change", subject=snapshot.id, against=parent.id)
    cosignatures = _embedded(
        Cosignature, snapshot.statement.settlement or (), snapshot.statement.common_id, verifier, "P4"
    )
    for one in cosignatures:
        at = one.statement
        if one.key not in standing.authorities():
            raise Rejected(
                "P4", "a cosignature is by a key that is no authority", subject=snapshot.id, against=one.id
            )
        if not standing.change_height <= at.height <= parent.height or parent.id_at(at.height) != at.snapshot:
            raise Rejected(
                "P4",
                "a cosignature is not of an ancestor above the change",
                subject=snapshot.id,
                against=one.id,
            )
        if epoch_at(at.height) != at.epoch:
            raise Rejected("P4", "a cosignature names the wrong epoch", subject=snapshot.id, against=one.id)
    _require_quorum(
        standing.policies, frozenset(one.key for one in cosignatures) - revoked, snapshot.id, "P4"
    )
    return cosignatures
