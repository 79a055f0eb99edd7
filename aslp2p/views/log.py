"""The history as people read it: snapshots newest first, one snapshot, one proposal, ids by their first
digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aslp2p.artifacts.envelope import Signed, decode_artifact, decode_as
from aslp2p.artifacts.keys import parse_id_prefix
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Genesis,
    Proposal,
    Put,
    Remove,
    Snapshot,
)
from aslp2p.errors import InvariantBroken, UsageError, UserError
from aslp2p.ledger.facts import held_at, listed_with, path_changes, snapshot_listing
from aslp2p.ledger.finality import cosigners
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.views.actions import Uint, action_json, action_kind, policy_json
from aslp2p.views.view import View
from aslp2p.views.words import describe_action, transition_words

LOG_PAGE = 64
"""Snapshots in one answer of `log`."""
ACTIONS_SHOWN = 5
"""Of each of them."""
_SCANNED_MAX = 2000
"""Snapshots that one answer looks through for a folder's."""
_RECENT = 1000
"""Snapshots that are looked through for an id's first digits."""


def log(view: View, before: int | None = None, path: str = "", limit: int = LOG_PAGE) -> dict[str, Any]:
    """Snapshots below `@before` (None: from the head), newest first, at most `limit` and `LOG_PAGE`.

    With `path`, those that changed it, or anything below it. `next` is the `before` of the next page, or
    null.
    """
    start = view.height if before is None else min(before - 1, view.height)
    wanted = max(1, min(limit, LOG_PAGE))
    found: list[dict[str, Any]] = []
    looked = start + 1
    for row, proposals in _backwards(view, start, path.rstrip("/")):
        if row is None:  # looked through as many as one answer does
            return {"snapshots": found, "next": looked}
        if len(found) == wanted:
            return {"snapshots": found, "next": looked}
        looked = row.height
        if proposals is not None:
            about = proposals if not path else [one for one in proposals if _touches([one], path.rstrip("/"))]
            found.append(_line(view, row, proposals, about))
    return {"snapshots": found, "next": None}


def show(view: View, at: int | None = None, after: Uint = 0) -> dict[str, Any]:
    """The snapshot `@at` in full; of its proposals `VIEW_PAGE_MAX` from number `after`, `next` saying where
    to go on.
    """
    row = view.row(at)
    if row.height == 0:
        return _genesis(view, row)
    signed = decode_as(Snapshot, row.raw)
    statement = signed.statement
    ids = statement.proposals[after : after + VIEW_PAGE_MAX]
    return {
        "kind": "snapshot",
        "height": row.height,
        "id": row.id.hex(),
        "previous": row.previous.hex(),
        "epoch": row.epoch,
        "witness": view.party(row.signer),
        "created_ms": statement.created_ms,
        "log_size": row.log_size,
        "log_root": statement.log_root.hex(),
        "certificate": _certificate(view, statement),
        "settlement": [view.party(one.key) for one in _embedded(statement.settlement)],
        "cosigned_by": _cosigners(view, row.height),
        "final": row.height <= view.final_height(),
        "count": len(statement.proposals),
        "proposals": [_proposal_line(view, one) for one in listed(view, ids)],
        "next": after + len(ids) if after + len(ids) < len(statement.proposals) else None,
    }


def find(view: View, id: str) -> dict[str, Any]:
    """The snapshot or proposal whose id begins with the digits `id`.

    All 64 digits find anything that is here; fewer find what is listed on this branch, what is open, and the
    newest snapshots. Raises `UserError` when nothing or several things begin so.
    """
    first, last = parse_id_prefix(id)
    candidates = {first} if first == last else _with_prefix(view, id, first, last)
    rows = [row for one in sorted(candidates) if (row := view.reader.snapshot(one)) is not None]
    raws = view.reader.artifacts(sorted(candidates))
    proposals = [one for raw in raws.values() if (one := _as_proposal(raw)) is not None]
    if not rows and not proposals:
        raise UserError(
            f"nothing here has an id that begins with {id}", remedy="see `asl log` and `asl proposals`"
        )
    if len(rows) + len(proposals) > 1:
        raise UsageError(f"{len(rows) + len(proposals)} ids begin with {id}", remedy="write more digits")
    if rows:
        on_branch = view.reader.snapshot_at(view.branch, rows[0].height)
        if on_branch is not None and on_branch.id == rows[0].id and rows[0].height <= view.height:
            return show(view, rows[0].height)
        return {**row_json(view, rows[0]), "kind": "superseded"}
    return proposal_json(view, proposals[0])


def proposal_json(view: View, proposal: Signed[Proposal]) -> dict[str, Any]:
    """One proposal in full, with the snapshot that lists it, if one does."""
    statement = proposal.statement
    row = snapshot_listing(view.reader, view.branch, view.height, proposal.id)
    return {
        **_proposal_line(view, proposal),
        "kind": "proposal",
        "action": action_json(statement.action),
        "height": None if row is None else row.height,
    }


def listed(view: View, ids: Sequence[bytes]) -> list[Signed[Proposal]]:
    """The proposals `ids`, in their order."""
    raws = view.reader.artifacts(ids)
    if len(raws) < len(set(ids)):
        raise InvariantBroken("an accepted snapshot lists a proposal that is not here")
    return [decode_as(Proposal, raws[id_]) for id_ in ids]


def _backwards(
    view: View, start: int, path: str
) -> Iterator[tuple[SnapshotRow | None, list[Signed[Proposal]] | None]]:
    """Snapshots from `start` down with their proposals; those are None where `path` is not touched.

    A None row says that a page's share has been looked through.
    """
    if start < 0:
        return
    if path and (heights := _changes_of(view, path, start)):
        for height in heights:
            row = view.row(height)
            yield row, _proposals_of(view, row)
        return
    scanned = 0
    high = start
    while high >= 0:
        low = max(0, high - LOG_PAGE + 1)
        for row in reversed(view.reader.snapshots(view.branch, low, high - low + 1)):
            if scanned == _SCANNED_MAX:
                yield None, None
                return
            scanned += bool(path)
            proposals = _proposals_of(view, row)
            yield row, proposals if not path or _touches(proposals, path) else None
        high = low - 1


def _changes_of(view: View, path: str, height: int) -> list[int]:
    """The heights up to `height` that changed exactly `path`, newest first."""
    return [at for at, _ in path_changes(view.reader, view.branch, height, path, LOG_PAGE + 1)]


def _touches(proposals: list[Signed[Proposal]], folder: str) -> bool:
    return any(
        isinstance(action := one.statement.action, Put | Remove)
        and f"{action.path}/".startswith(f"{folder}/")
        for one in proposals
    )


def _proposals_of(view: View, row: SnapshotRow) -> list[Signed[Proposal]]:
    return [] if row.height == 0 else listed(view, decode_as(Snapshot, row.raw).statement.proposals)


def _line(
    view: View, row: SnapshotRow, proposals: list[Signed[Proposal]], about: list[Signed[Proposal]]
) -> dict[str, Any]:
    """One snapshot; of its proposals those that are asked `about`."""
    return {
        **row_json(view, row),
        "transition": _transition(row, proposals),
        "count": len(about),
        "actions": [
            {**_proposal_line(view, one), "revives": _revives(view, row.height, one)}
            for one in about[:ACTIONS_SHOWN]
        ],
    }


def _transition(row: SnapshotRow, proposals: list[Signed[Proposal]]) -> str | None:
    """What a certificate or a settlement in `row` does, in words; None for an ordinary snapshot."""
    if row.height == 0:
        return None
    statement = decode_as(Snapshot, row.raw).statement
    if statement.certificate is not None:
        return transition_words(action_kind(proposals[0].statement.action))
    return "the policy change is settled" if statement.settlement is not None else None


def row_json(view: View, row: SnapshotRow) -> dict[str, Any]:
    """What is said of a snapshot wherever it is named."""
    return {
        "height": row.height,
        "id": row.id.hex(),
        "epoch": row.epoch,
        "witness": view.party(row.signer),
        "created_ms": created_ms(row),
    }


def created_ms(row: SnapshotRow) -> int:
    """When the witness says that it emitted `row`, or founded the Common."""
    if row.height == 0:
        return decode_as(Genesis, row.raw).statement.created_ms
    return decode_as(Snapshot, row.raw).statement.created_ms


def _revives(view: View, height: int, proposal: Signed[Proposal]) -> bool:
    """Whether it puts again, at `height`, a content that was erased before."""
    action = proposal.statement.action
    if not isinstance(action, Put) or height == 0:
        return False
    held = held_at(view.reader, view.branch, height - 1, action.content)
    return held is not None and bool(held.erased)


def _proposal_line(view: View, proposal: Signed[Proposal]) -> dict[str, Any]:
    action = proposal.statement.action
    return {
        "id": proposal.id.hex(),
        "does": action_kind(action),
        "author": view.party(proposal.key),
        "created_ms": proposal.statement.created_ms,
        "words": describe_action(action, view.who, proposal.key),
    }


def _genesis(view: View, row: SnapshotRow) -> dict[str, Any]:
    genesis = decode_as(Genesis, row.raw).statement
    return {
        "kind": "genesis",
        "height": 0,
        "id": row.id.hex(),
        "name": genesis.name,
        "witness": view.party(row.signer),
        "created_ms": genesis.created_ms,
        "policy": policy_json(genesis.policy),
        "anchors": [view.party(one.key) for one in genesis.anchors],
        "predecessor": genesis.predecessor and genesis.predecessor.hex(),
        "cosigned_by": [],
        "final": True,
        "count": 0,
        "proposals": [],
        "next": None,
    }


def _cosigners(view: View, height: int) -> list[dict[str, Any]]:
    """Who cosigned the snapshot at `height`, or one that contains it."""
    return [view.party(key) for key in sorted(cosigners(view.reader, view.branch, height, view.height))]


def _certificate(view: View, statement: Snapshot) -> dict[str, Any] | None:
    if statement.certificate is None:
        return None
    proposal = listed(view, statement.proposals[:1])[0]
    return {
        **_proposal_line(view, proposal),
        "endorsed_by": [view.party(one.key) for one in _embedded(statement.certificate)],
    }


def _embedded(raws: Sequence[bytes] | None) -> list[Signed[Any]]:
    return [
        one
        for one in (decode_artifact(raw) for raw in raws or ())
        if isinstance(one.statement, Endorsement | Cosignature)
    ]


def _as_proposal(raw: bytes) -> Signed[Proposal] | None:
    signed = decode_artifact(raw)
    return decode_as(Proposal, raw) if isinstance(signed.statement, Proposal) else None


def _with_prefix(view: View, digits: str, first: bytes, last: bytes) -> set[bytes]:
    whole = bytes.fromhex(digits[: len(digits) // 2 * 2])
    ids = listed_with(view.reader, view.branch, view.height, whole, 100)
    ids.update(id_ for id_, _ in view.reader.open_artifacts())
    low = max(0, view.height - _RECENT + 1)
    ids.update(row.id for row in view.reader.snapshots(view.branch, low, _RECENT))
    return {id_ for id_ in ids if first <= id_ <= last}
