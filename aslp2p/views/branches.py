"""What the history left behind: superseded snapshots (F4), evidence (F3), what was given up (S9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.keys import parse_id_prefix, short
from aslp2p.artifacts.types import Snapshot
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.facts import cosignatures_on, snapshot_listing
from aslp2p.ledger.finality import cosigners
from aslp2p.ledger.history import Evidence, read_abandoned, read_evidence
from aslp2p.ledger.reader import BranchRow, SnapshotRow
from aslp2p.ledger.stances import passes
from aslp2p.ledger.state import REVOKED
from aslp2p.limits import ABANDONS_MAX, VIEW_PAGE_MAX
from aslp2p.views.floor import retired, retired_lines
from aslp2p.views.log import listed, row_json
from aslp2p.views.view import View
from aslp2p.views.words import describe_action

SUPERSEDED_PAGE = 64
PROPOSALS_SHOWN = 5
_RECENT = 1000
"""Snapshots of each branch that are looked through for an id's first digits."""


def superseded_rows(view: View, limit: int = SUPERSEDED_PAGE) -> Iterator[tuple[BranchRow, SnapshotRow]]:
    """Snapshots that are on no line of the head's, the newest of each branch first, `limit` of a branch."""
    for branch in view.reader.branches():
        first = max(branch.fork_height, branch.tip_height - limit) + 1
        count = branch.tip_height - first + 1
        rows = view.reader.snapshots(branch.branch, first, count) if count > 0 else []
        for row in reversed(rows):
            if not _is_followed(view, row):
                yield branch, row


def _is_followed(view: View, row: SnapshotRow) -> bool:
    """Whether it is on the head's line, or stands on the head: on a tip that is cut off for its evidence
    (F3), or is being adopted."""
    if row.height > view.height:
        there = view.reader.snapshot_at(row.branch, view.height)
        return there is not None and there.id == view.head.id
    there = view.reader.snapshot_at(view.branch, row.height)
    return there is not None and there.id == row.id


def superseded(view: View) -> dict[str, Any]:
    """Snapshots that the history left behind (F4), the highest first, at most `SUPERSEDED_PAGE` of a branch
    and `VIEW_PAGE_MAX`; of each what it listed, and whether that is in the history after all, and whether
    keys signed it that have `retired` (F5).
    """
    given_up = frozenset(read_abandoned(view.reader))
    beside = {branch.branch for branch, _ in retired_lines(view.reader, view.head)}
    found = [(branch, row) for branch, row in superseded_rows(view) if row.height]
    found.sort(key=lambda one: (-one[1].height, one[1].id))
    return {
        "superseded": [
            {
                **snapshot_json(view, branch, row),
                "given_up": row.id in given_up,
                "retired": branch.branch in beside,
                "proposals": [_fate(view, id_) for id_ in _proposals(row)[:PROPOSALS_SHOWN]],
                "count": len(_proposals(row)),
            }
            for branch, row in found[:VIEW_PAGE_MAX]
        ],
        "count": len(found),
    }


def snapshot_json(view: View, branch: BranchRow, row: SnapshotRow) -> dict[str, Any]:
    """A snapshot wherever it stands, with who cosigned it there."""
    signers = cosigners(view.reader, branch.branch, row.height, branch.tip_height)
    return {**row_json(view, row), "cosigned_by": [view.party(key) for key in sorted(signers)]}


def _proposals(row: SnapshotRow) -> tuple[bytes, ...]:
    return decode_as(Snapshot, row.raw).statement.proposals


def _fate(view: View, id_: bytes) -> dict[str, Any]:
    proposal = listed(view, [id_])[0]
    row = snapshot_listing(view.reader, view.branch, view.height, id_)
    return {
        "id": id_.hex(),
        "author": view.party(proposal.key),
        "words": describe_action(proposal.statement.action, view.who, proposal.key),
        "height": None if row is None else row.height,
    }


# --- evidence -------------------------------------------------------------------------------------


def evidence(view: View) -> dict[str, Any]:
    """Every pair of snapshots that one witness signed for one epoch and height (F3), and what came of it;
    and the histories that retired keys signed (F5)."""
    return {
        "evidence": [_evidence_json(view, one) for one in read_evidence(view.reader)],
        "retired": retired(view),
        "name": view.genesis().name,
    }


def _evidence_json(view: View, one: Evidence) -> dict[str, Any]:
    member = view.member(one.witness)
    ids = sorted((one.one, one.other))
    beside = cosigned_beside(view, one.witness)
    words = ["asl", "revoke", f"'{view.label(one.witness)}'", "--because", ids[0].hex()[:8]]
    for id_ in beside:
        words += ["--abandon", id_.hex()[:8]]
    return {
        "id": ids[0].hex(),
        "witness": view.party(one.witness),
        "epoch": one.epoch,
        "height": one.height,
        "snapshots": [id_.hex() for id_ in ids],
        "followed": [id_.hex() for id_ in ids if _row_is_followed(view, id_)],
        "cosigned_beside": [
            {"id": id_.hex(), "by": [view.party(key) for key in sorted(keys)]} for id_, keys in beside.items()
        ],
        "revoked": member is not None and member.status == REVOKED,
        "command": " ".join(words),
    }


def cosigned_beside(view: View, witness: bytes) -> dict[bytes, set[bytes]]:
    """By id what `witness` signed beside the line that is followed here and others cosigned last: until it is
    given up (S9) they can endorse nothing on this line (S3). At most `ABANDONS_MAX`, the highest first."""
    found: dict[tuple[int, bytes], set[bytes]] = {}
    for branch in view.reader.branches():
        for key, (height, _) in cosignatures_on(view.reader, branch.branch, branch.tip_height).items():
            row = view.reader.snapshot_at(branch.branch, height)
            if row is None or key == witness or row.signer != witness or _is_followed(view, row):
                continue
            if not passes(view.reader, row, view.head):
                found.setdefault((-height, row.id), set()).add(key)
    return {id_: found[place, id_] for place, id_ in sorted(found)[:ABANDONS_MAX]}


def _row_is_followed(view: View, id_: bytes) -> bool:
    row = view.reader.snapshot(id_)
    return row is not None and _is_followed(view, row)


def evidence_ids(view: View, prefixes: list[str]) -> tuple[bytes, ...]:
    """The snapshots of the evidence that each of `prefixes` begins. Raises `UserError`."""
    ids: list[bytes] = []
    for text in prefixes:
        first, last = parse_id_prefix(text)
        found = [
            one
            for one in read_evidence(view.reader)
            if first <= one.one <= last or first <= one.other <= last
        ]
        if not found:
            raise UserError(f"no evidence here begins with {text}", remedy="see: asl evidence")
        ids += [id_ for id_ in sorted((found[0].one, found[0].other)) if id_ not in ids]
    return tuple(ids)


# --- giving up ------------------------------------------------------------------------------------


def giving_up(view: View, ids: list[str]) -> dict[str, Any]:
    """What a succession would give up that abandons the snapshots `ids` (first digits): each of them and what
    stands on it, the lowest first.
    """
    lost: dict[bytes, dict[str, Any]] = {}
    chosen = abandoned_ids(view, ids)
    for branch in view.reader.branches():
        for id_ in chosen:
            row = view.reader.snapshot(id_)
            there = None if row is None else view.reader.snapshot_at(branch.branch, row.height)
            if row is None or there is None or there.id != id_ or row.height > branch.tip_height:
                continue
            count = min(VIEW_PAGE_MAX, branch.tip_height - row.height + 1)
            for above in view.reader.snapshots(branch.branch, row.height, count):
                lost[above.id] = snapshot_json(view, branch, above)
    rows = sorted(lost.values(), key=lambda one: (one["height"], one["id"]))
    return {"abandons": [id_.hex() for id_ in chosen], "gives_up": rows[:VIEW_PAGE_MAX], "count": len(rows)}


def abandoned_ids(view: View, prefixes: list[str]) -> tuple[bytes, ...]:
    """The snapshots, on any branch, that `prefixes` begin. Raises `UserError` when one is none or several."""
    if len(prefixes) > ABANDONS_MAX:
        raise UsageError(f"more than {ABANDONS_MAX} snapshots to give up")
    return tuple(dict.fromkeys(_snapshot_named(view, text) for text in prefixes))


def _snapshot_named(view: View, text: str) -> bytes:
    first, last = parse_id_prefix(text)
    if first == last and view.reader.snapshot(first) is not None:
        return first
    found = set()
    for branch in view.reader.branches():
        low = max(1, branch.tip_height - _RECENT + 1)
        rows = view.reader.snapshots(branch.branch, low, _RECENT)
        found |= {row.id for row in rows if first <= row.id <= last}
    if len(found) != 1:
        raise UserError(
            f"{len(found) or 'no'} snapshots here begin with {text}",
            remedy="write more digits; see `asl evidence` and `asl log --superseded`",
        )
    return found.pop()


# --- stepping down --------------------------------------------------------------------------------


def stepped_down(view: View) -> dict[str, Any] | None:
    """The asker's key was the witness before the present one: since when it is not, and how many of its
    snapshots are superseded. None if it was not.
    """
    now = view.standing(view.height)
    if now.next_witness == view.own_key or not now.changed_height:
        return None
    if view.standing(now.changed_height - 1).next_witness != view.own_key:
        return None
    mine = [row for _, row in superseded_rows(view) if row.signer == view.own_key]
    return {
        "height": now.changed_height,
        "witness": view.party(now.next_witness),
        "superseded": len(mine),
        "lost": [short(row.id) for row in mine[:PROPOSALS_SHOWN]],
    }
