"""The one gate: a snapshot that passes `judge` is accepted, whatever brought it here (section 4, V1 to V9).

`judge` takes the accepted parent with all that is known at it, and the snapshot with its listed proposals; it
reads no clock and asks nobody. It either gives the next `Tip` and the facts that the snapshot changes, or
raises citing the first rule that fails, and then nothing has changed.

What passes comes back as `Judged`, with the snapshot and its proposals as `Verified`: whoever stores what
counts, or passes it on, takes them from there.

*Deferred* judging (G4) leaves out the signatures of ordinary snapshots and of their ordinary proposals: the
caller vouches for them with a later signature of the same witness in the same epoch, which the hash chain
binds to all before it. Everything else, and every signature in a certificate or settlement, is judged at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from msgspec import Struct
from msgspec.structs import astuple, replace

from aslp2p.artifacts.envelope import Signed, Verified, Verifier
from aslp2p.artifacts.merkle import Frontier
from aslp2p.artifacts.types import (
    Cosignature,
    Erase,
    Genesis,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Remove,
    Revocation,
    RevokeInvite,
    Rotation,
    Snapshot,
    Succession,
    Takeover,
)
from aslp2p.errors import Incomplete, Rejected
from aslp2p.ledger import erasure, facts
from aslp2p.ledger.actions import apply_action
from aslp2p.ledger.certificate import Parent, require_certificate, require_settlement
from aslp2p.ledger.facts import Member, Members
from aslp2p.ledger.members import admit, keep, name_fits, set_member
from aslp2p.ledger.policy import authority_keys, require_policy
from aslp2p.ledger.standing import Installed, Standing, settled
from aslp2p.ledger.state import ADMITTED, REVOKED, Draft, is_admitted, revoked_keys

AUTHORITY_ACTIONS = (PolicyChange, Rotation, Recovery, Revocation)


class Tip(Struct, frozen=True):
    """An accepted snapshot (or genesis) and everything that judges its child. `members` is never written
    to."""

    id: bytes
    branch: int
    height: int
    standing: Standing
    members: Members
    frontier: Frontier


class Outcome(Struct, frozen=True):
    """The place of a snapshot that passed (on its parent's branch; the caller may move it) and what it
    changes."""

    tip: Tip
    changes: Mapping[bytes, bytes | None]
    settled_by: tuple[Verified[Cosignature], ...]
    endorsers: frozenset[bytes]
    """Whose endorsements count for its certificate (V6, V8)."""


class Judged(Outcome, frozen=True, kw_only=True):
    """What passed with every signature verified; `proposals` are the listed ones in order."""

    snapshot: Verified[Snapshot]
    proposals: tuple[Verified[Proposal], ...]


class Deferred(Outcome, frozen=True, kw_only=True):
    """What passed but for its signatures: the caller vouches for them with a later one (G4)."""

    snapshot: Signed[Snapshot]
    proposals: tuple[Signed[Proposal], ...]


class Ancestry(Struct, frozen=True):
    """How the gate looks back along the parent's branch."""

    id_at: Callable[[int], bytes | None]
    epoch_at: Callable[[int], int]
    holds: Callable[[bytes], bool]
    """Whether a snapshot is the parent or one of its ancestors."""


def judge_genesis(genesis: Verified[Genesis], draft: Draft) -> Tip:
    """The tip at height 0; `draft` receives its facts. Raises `Rejected` (P1, P6, A4)."""
    statement = genesis.statement
    require_policy(statement.policy)
    anchors = {anchor.key: anchor.name for anchor in statement.anchors}
    if len(anchors) != len(statement.anchors) or len(set(anchors.values())) != len(anchors):
        raise Rejected("P6", "two trust anchors have the same key or the same name", subject=genesis.id)
    if genesis.key not in anchors:
        raise Rejected("P6", "its first witness is not among the trust anchors", subject=genesis.id)
    if any(witness.key not in anchors for witness in statement.policy.witnesses):
        raise Rejected("P6", "an authority is not among the trust anchors", subject=genesis.id)
    if not all(name_fits(anchor.name, anchor.key) for anchor in statement.anchors):
        raise Rejected("P6", "a trust anchor has a name that is made for another key", subject=genesis.id)
    members: dict[bytes, Member] = {}
    kept = authority_keys(statement.policy) | {genesis.key}
    for anchor in statement.anchors:
        member = Member(anchor.name, ADMITTED, genesis.id, anchor.key in kept)
        set_member(draft, members, anchor.key, member)
    standing = Standing(
        epoch=0,
        witness=genesis.key,
        next_epoch=0,
        next_witness=genesis.key,
        installed=(Installed(genesis.id, statement.policy),),
        change_height=0,
        reign_height=0,
        changed_height=0,
        changed_by="genesis",
    )
    draft.set(facts.STANDING, standing.encode())
    return Tip(genesis.id, 0, 0, standing, members, Frontier())


def judge(
    snapshot: Signed[Snapshot],
    proposals: Sequence[Signed[Proposal]],
    parent: Tip,
    common_id: bytes,
    draft: Draft,
    ancestry: Ancestry,
    verifier: Verifier,
) -> Judged:
    """Accept `snapshot` on `parent` or say why not.

    `proposals` are the listed ones that are here, in order; `draft` stands at the parent and takes the
    changes only if this returns (a draft that saw a failure is to be thrown away). Raises `Rejected` (V1 to
    V8, P1 to P6, A4), `ArtifactError`, or `Incomplete` naming the proposals that are missing.
    """
    listed = _require_place(snapshot, proposals, parent, common_id)
    proven = verifier.verify(snapshot)
    proven_listed = tuple(verifier.verify_all(listed))
    outcome = _outcome(proven, proven_listed, parent, draft, ancestry, verifier)
    return Judged(*astuple(outcome), snapshot=proven, proposals=proven_listed)


def judge_deferred(
    snapshot: Signed[Snapshot],
    proposals: Sequence[Signed[Proposal]],
    parent: Tip,
    common_id: bytes,
    draft: Draft,
    ancestry: Ancestry,
    verifier: Verifier,
) -> Judged | Deferred:
    """As `judge`, but the signatures of an ordinary snapshot and its proposals are verified later (G4)."""
    statement = snapshot.statement
    if statement.certificate is not None or statement.settlement is not None:
        return judge(snapshot, proposals, parent, common_id, draft, ancestry, verifier)
    listed = tuple(_require_place(snapshot, proposals, parent, common_id))
    outcome = _outcome(snapshot, listed, parent, draft, ancestry, verifier)
    return Deferred(*astuple(outcome), snapshot=snapshot, proposals=listed)


def _require_place(
    snapshot: Signed[Snapshot], proposals: Sequence[Signed[Proposal]], parent: Tip, common_id: bytes
) -> list[Signed[Proposal]]:
    """What is judged before any signature (V1, V2, V9, V3); the listed proposals in order."""
    statement = snapshot.statement
    if statement.common_id != common_id:
        raise Rejected("V1", "it belongs to another Common", subject=snapshot.id, against=common_id)
    if statement.previous != parent.id or statement.height != parent.height + 1:
        raise Rejected("V2", "it does not follow its parent", subject=snapshot.id, against=parent.id)
    listed = _listed(snapshot, proposals)
    action = listed[0].statement.action if statement.certificate is not None else None
    require_appointed(snapshot, action, parent.standing, parent.id)
    return listed


def _outcome(
    snapshot: Signed[Snapshot],
    listed: Sequence[Signed[Proposal]],
    parent: Tip,
    draft: Draft,
    ancestry: Ancestry,
    verifier: Verifier,
) -> Outcome:
    """What is judged after the signatures (V4 to V8, P1 to P6, A4), and what the snapshot changes."""
    statement = snapshot.statement
    standing = parent.standing
    common_id = statement.common_id
    special = listed[0] if statement.certificate is not None else None
    action = special.statement.action if special is not None else None
    view = Parent(
        parent.id,
        parent.height,
        standing,
        parent.members,
        ancestry.id_at,
        ancestry.holds,
        lambda content: facts.read_held(draft.get(facts.held_key(content))),
    )
    # Puts of who has put before never write to `members`, so only a snapshot that does more pays for a copy.
    touches = _touches_members(listed, parent.members)
    members = dict(parent.members) if touches else cast("dict[bytes, Member]", parent.members)
    backing = Backing()
    if special is not None:
        backing = certify(snapshot, special, view, ancestry.epoch_at, verifier)
        apply_certified(special, draft, members)
    frontier, completed = parent.frontier.extend(statement.proposals)
    for position, proposal in enumerate(listed, parent.frontier.size):
        if proposal.statement.common_id != common_id:
            raise Rejected(
                "V7", "it lists a proposal of another Common", subject=snapshot.id, against=proposal.id
            )
        if proposal is not special:
            apply_action(draft, members, standing, proposal, _appointed(action))
        keep(draft, members, proposal.key)
        draft.set(facts.proposal_key(proposal.id), facts.packed_index(position))
    if statement.log_size != frontier.size or statement.log_root != frontier.root():
        raise Rejected(
            "V7", "its log size or root is not that of the proposals since genesis", subject=snapshot.id
        )
    settled_by = backing.settled_by
    if statement.settlement is not None and not settles_first(snapshot, action):
        settled_by = require_settlement(snapshot, view, ancestry.epoch_at, revoked_keys(members), verifier)
    if not is_admitted(members, snapshot.key):
        raise Rejected("V8", "its signer is no admitted member", subject=snapshot.id)
    after = next_standing(snapshot, special, standing)
    if after != standing:
        draft.set(facts.STANDING, after.encode())
    for node in completed:
        draft.set(facts.tile_key(node.level, node.number), node.hash)
    tip = Tip(snapshot.id, parent.branch, statement.height, after, members, frontier)
    endorsers = backing.endorsers - revoked_keys(members) if special is not None else frozenset[bytes]()
    return Outcome(tip, draft.seal(), tuple(settled_by), endorsers)


class Backing(Struct, frozen=True):
    """What a certificate that passed rests on."""

    endorsers: frozenset[bytes] = frozenset()
    settled_by: Sequence[Verified[Cosignature]] = ()
    """The settlement of a takeover that carries one."""


def settles_first(snapshot: Signed[Snapshot], action: object) -> bool:
    """P4: whether the settlement of `snapshot` comes before its certificate, so that the new policy alone
    judges that."""
    return snapshot.statement.settlement is not None and isinstance(action, Takeover)


def certify(
    snapshot: Signed[Snapshot],
    special: Signed[Proposal],
    parent: Parent,
    epoch_at: Callable[[int], int],
    verifier: Verifier,
) -> Backing:
    """Judge the certificate for `special`, after the settlement of a takeover that carries one.

    Raises `Rejected` (V4 to V8, P1, P3, P4, S9, A4) or `ArtifactError`.
    """
    action = special.statement.action
    settled_by: Sequence[Verified[Cosignature]] = ()
    if settles_first(snapshot, action):
        gone = revoked_keys(parent.members)
        if isinstance(action, Revocation):
            gone |= {action.revoked}
        settled_by = require_settlement(snapshot, parent, epoch_at, gone, verifier)
        parent = replace(parent, standing=settled(parent.standing))
    endorsers = require_certificate(snapshot, special, parent, verifier)
    return Backing(endorsers, settled_by)


def require_appointed(
    snapshot: Signed[Snapshot], action: object, standing: Standing, parent_id: bytes
) -> None:
    """Raises `Rejected` (V3) for a snapshot without a takeover that is not by the signer, in the epoch, that
    its parent appoints."""
    appointed = (standing.next_epoch, standing.next_witness)
    if not isinstance(action, Takeover) and (snapshot.statement.epoch, snapshot.key) != appointed:
        raise Rejected(
            "V3",
            "its signer and epoch are not what its parent appoints",
            subject=snapshot.id,
            against=parent_id,
        )


def _listed(snapshot: Signed[Snapshot], proposals: Sequence[Signed[Proposal]]) -> list[Signed[Proposal]]:
    """The listed proposals in order. Raises `Incomplete`, or `Rejected` for paper that is not where it
    belongs."""
    here = {proposal.id: proposal for proposal in proposals}
    ids = snapshot.statement.proposals
    if len(here) < len(ids) or any(id_ not in here for id_ in ids):
        missing = tuple(id_ for id_ in ids if id_ not in here)
        if missing:
            raise Incomplete(f"{len(missing)} of its proposals are not here", missing)
        raise Rejected("V7", "it lists a proposal twice", subject=snapshot.id)
    listed = [here[id_] for id_ in ids]
    certified = snapshot.statement.certificate is not None
    if certified and not listed:
        raise Rejected("V6", "it has a certificate and lists no proposal", subject=snapshot.id)
    for proposal in listed[1:] if certified else listed:
        if isinstance(proposal.statement.action, AUTHORITY_ACTIONS):
            raise Rejected(
                "V7",
                "a succession or policy change is listed first, with its certificate",
                subject=proposal.id,
            )
    return listed


def _touches_members(listed: Sequence[Signed[Proposal]], members: Members) -> bool:
    return any(
        not isinstance(proposal.statement.action, Put | Remove | Erase | RevokeInvite)
        or proposal.key not in members
        or not members[proposal.key].kept
        for proposal in listed
    )


def apply_certified(special: Signed[Proposal], draft: Draft, members: dict[bytes, Member]) -> None:
    """What a certified action does: a new authority is admitted under its label, who was expelled is a member
    again where it is appointed, a revoked key ends, a content is erased."""
    # What moves authority cannot be listed already: its epoch would not be above (V6), or it would replace
    # itself (P3). An erasure could: its content may have been put again since.
    action = special.statement.action
    if isinstance(action, PolicyChange):
        for witness in action.policy.witnesses:
            admit(draft, members, witness.key, witness.name, special.id)
    elif isinstance(action, Succession):
        admit(draft, members, action.new_witness, "", special.id)
    else:
        assert isinstance(action, Erase)  # noqa: S101 - nothing else is certified
        if draft.get(facts.proposal_key(special.id)) is not None:
            raise Rejected("V7", "it is listed already on this branch", subject=special.id)
        erasure.apply_certified(draft, action, special.id)
    if isinstance(action, Revocation):
        gone = members[action.revoked]
        set_member(draft, members, action.revoked, Member(gone.name, REVOKED, special.id, gone.kept))
    for given_up in abandoned_by(action):
        draft.set(facts.abandoned_key(given_up), special.id)


def abandoned_by(action: object) -> tuple[bytes, ...]:
    """What an action gives up (S9)."""
    return action.abandons if isinstance(action, Takeover) else ()


def _appointed(action: object) -> frozenset[bytes]:
    """The keys that a certified action makes witness or authority."""
    if isinstance(action, PolicyChange):
        return authority_keys(action.policy)
    return frozenset({action.new_witness}) if isinstance(action, Succession) else frozenset()


def next_standing(
    snapshot: Signed[Snapshot], special: Signed[Proposal] | None, standing: Standing
) -> Standing:
    """The standing after `snapshot`, whose certificate is for `special` if it has one, from its parent's."""
    statement = snapshot.statement
    action = special.statement.action if special is not None else None
    appoints = (statement.epoch, snapshot.key)
    if isinstance(action, Rotation):
        appoints = (action.epoch, action.new_witness)
    installed, change_height = standing.installed, standing.change_height
    if special is not None and isinstance(action, PolicyChange):
        installed, change_height = (*installed, Installed(special.id, action.policy)), statement.height
    elif statement.settlement is not None:
        installed, change_height = installed[-1:], 0
    same_reign = (statement.epoch, snapshot.key, installed) == (
        standing.epoch,
        standing.witness,
        standing.installed,
    )
    changed = appoints[1] != standing.next_witness
    return Standing(
        epoch=statement.epoch,
        witness=snapshot.key,
        next_epoch=appoints[0],
        next_witness=appoints[1],
        installed=installed,
        change_height=change_height,
        reign_height=standing.reign_height if same_reign else statement.height,
        changed_height=statement.height if changed else standing.changed_height,
        changed_by=str(special.statement.action.__struct_config__.tag)
        if changed and special
        else standing.changed_by,
    )
