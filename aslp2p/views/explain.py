"""The trace of authority: how the right to write came from genesis to a version, with everybody who signed.

Each step is a snapshot that carries a certificate or a settlement, and genesis: what it did, the proposal,
the endorsements or cosignatures that it embeds, and who was the witness from there on. Whether all of it
holds is `verify`'s to say; both together are `asl explain`.
"""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Erase,
    PolicyChange,
    Proposal,
    Recovery,
    Revocation,
    Rotation,
    Snapshot,
    Succession,
)
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.facts import standing_changes
from aslp2p.ledger.finality import cosigners, final_height
from aslp2p.ledger.policy_text import policy_words
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.views.floor import retired
from aslp2p.views.view import View
from aslp2p.views.words import describe_action

STEPS_PAGE = 50


def explain(view: View, at: int | None = None, after: int = -1) -> dict[str, Any]:
    """The steps above height `after` up to `@at`, oldest first, at most `STEPS_PAGE`; `next` is the `after`
    of the next page, or null. The last page says who signed `@at` (`signer`, `epoch`), the highest `final`
    height and who cosigned it (`cosigned_by`), and what keys signed beside it that have `retired` (F5).
    """
    top = view.at(at)
    steps: list[dict[str, Any]] = []
    for height in _changes(view, top):
        if height <= after:
            continue
        if len(steps) == STEPS_PAGE:
            return {**_of(view, top), "steps": steps, "next": steps[-1]["height"]}
        step = _step(view, view.row(height))
        if step is not None:
            steps.append(step)
    return {**_of(view, top), **_end(view, top), "steps": steps, "next": None}


def _of(view: View, top: int) -> dict[str, Any]:
    return {
        "common": view.row(0).id.hex(),
        "name": view.genesis().name,
        "height": top,
        "id": view.row(top).id.hex(),
    }


def _end(view: View, top: int) -> dict[str, Any]:
    final = final_height(view.reader, view.branch, view.height)
    row = view.row(top)
    counted = cosigners(view.reader, view.branch, final, view.height) if final else {}
    return {
        "signer": view.party(row.signer),
        "epoch": row.epoch,
        "final": final,
        "retired": retired(view),
        "cosigned_by": [view.party(key) for key in sorted(counted)],
    }


def _changes(view: View, top: int) -> list[int]:
    """The heights up to `top` at which anything changed about who may do what, lowest first."""
    return [height for height, _ in standing_changes(view.reader, view.branch, -1, top)][::-1]


def _step(view: View, row: SnapshotRow) -> dict[str, Any] | None:
    standing = view.standing(row.height)
    common = {
        "height": row.height,
        "id": row.id.hex(),
        "signer": view.party(row.signer),
        "epoch": row.epoch,
        "witness": view.party(standing.next_witness),
        "policies": [policy_words(policy, view.who) for policy in standing.policies],
    }
    nothing: dict[str, Any] = {"certificate": None, "settlement": []}
    if row.height == 0:
        genesis = view.genesis()
        predecessor = None if genesis.predecessor is None else genesis.predecessor.hex()
        founded = {"kind": "genesis", "created_ms": genesis.created_ms, "predecessor": predecessor}
        return {**common, **nothing, **founded}
    statement = decode_as(Snapshot, row.raw).statement
    common["created_ms"] = statement.created_ms
    settlement = [
        {"by": view.party(one.key), "id": one.id.hex(), "height": one.statement.height}
        for one in (decode_as(Cosignature, raw) for raw in statement.settlement or ())
    ]
    certificate = _certificate(view, statement) if statement.certificate is not None else None
    if certificate is not None:
        return {**common, "kind": certificate["does"], "certificate": certificate, "settlement": settlement}
    if settlement:
        return {**common, **nothing, "kind": "policy-settled", "settlement": settlement}
    return None


def _certificate(view: View, statement: Snapshot) -> dict[str, Any] | None:
    """What moved authority; None for a content that was erased."""
    raw = view.reader.artifact(statement.proposals[0])
    if raw is None:
        raise InvariantBroken("an accepted certificate whose proposal is not here")
    proposal = decode_as(Proposal, raw)
    action = proposal.statement.action
    if isinstance(action, Erase):
        return None
    if not isinstance(action, Succession | PolicyChange):
        raise InvariantBroken("an accepted certificate for what needs none")
    endorsements = [decode_as(Endorsement, raw) for raw in statement.certificate or ()]
    succession = None if isinstance(action, PolicyChange) else action
    return {
        "does": _KINDS[type(action)],
        "proposal": proposal.id.hex(),
        "author": view.party(proposal.key),
        "words": describe_action(action, view.who, proposal.key),
        "epoch": succession.epoch if succession else 0,
        "base_height": succession.base_height if succession else None,
        "base": succession.base_id.hex() if succession else None,
        "abandons": [id_.hex() for id_ in getattr(action, "abandons", ())],
        "accepted_by": view.party(action.new_witness) if isinstance(action, Rotation) else None,
        "endorsed_by": [
            {"by": view.party(one.key), "id": one.id.hex(), "created_ms": one.statement.created_ms}
            for one in endorsements
        ],
    }


_KINDS = {
    Rotation: "witness-rotation",
    Recovery: "witness-recovery",
    Revocation: "witness-revocation",
    PolicyChange: "policy-change",
}
