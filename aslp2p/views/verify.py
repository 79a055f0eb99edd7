"""Judging the stored history again, from genesis, as if it had just come from a stranger (V1 to V9).

Each snapshot goes through the gate with every signature, on the state that is stored at its parent, and what
the gate says that it changes must be what is stored. So by induction from genesis the state at the last
height is right. It is done in slices, since a daemon has other things to do in between.
"""

from __future__ import annotations

from typing import Any

from aslp2p.errors import ArtifactError, Incomplete, Rejected
from aslp2p.ledger.facts import standing_changes
from aslp2p.ledger.history import load_tip
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.ledger.rejudge import Changes, judge_stored
from aslp2p.ledger.standing import Standing
from aslp2p.views.actions import Uint
from aslp2p.views.view import View

SLICE = 200
"""Snapshots judged by one question."""


def verify(view: View, first: Uint = 0, at: int | None = None) -> dict[str, Any]:
    """Judge the snapshots from `first` to `@at` again, at most `SLICE` of them.

    `next` is where to go on, null at the end. `failure` is null, or names the first rule that fails, the
    height, what was judged and against what. At the end, or at a failure, `trace` tells how the authority
    came from genesis to the last snapshot judged.
    """
    last = view.at(at)
    first = min(first, last + 1)
    rows = view.reader.snapshots(view.branch, first, min(SLICE, max(0, last - first + 1)))
    common_id = view.row(0).id
    parent = load_tip(view.reader, view.branch, first - 1) if first else None
    for row in rows:
        try:
            parent, changes = judge_stored(view.reader, row, parent, common_id)
            _require_stored(view, row, changes)
        except (Rejected, ArtifactError, Incomplete) as error:
            failure = _failure(row, error)
            return {
                "checked": row.height,
                "of": last,
                "next": None,
                "failure": failure,
                **_trace(view, row.height - 1),
            }
    checked = rows[-1].height if rows else last
    if checked < last:
        return {"checked": checked, "of": last, "next": checked + 1, "failure": None}
    return {"checked": checked, "of": last, "next": None, "failure": None, **_trace(view, last)}


def _require_stored(view: View, row: SnapshotRow, changes: Changes) -> None:
    for key, value in changes.items():
        if view.reader.fact(row.branch, key, row.height) != value:
            raise Rejected("V7", "the state that is stored is not what it makes", subject=row.id)


def _failure(row: SnapshotRow, error: Rejected | ArtifactError | Incomplete) -> dict[str, Any]:
    against = getattr(error, "against", None) or row.previous
    return {
        "height": row.height,
        "rule": getattr(error, "rule", "V9"),
        "reason": getattr(error, "reason", error.message),
        "subject": (getattr(error, "subject", None) or row.id).hex(),
        "snapshot": row.id.hex(),
        "against": against.hex(),
    }


def _trace(view: View, height: int) -> dict[str, Any]:
    """How the authority to write came from genesis to `height`: each change of witness or policy, oldest
    first.
    """
    steps: list[dict[str, Any]] = []
    before: Standing | None = None
    for at, standing in reversed(list(standing_changes(view.reader, view.branch, -1, height))):
        appointed = before is None or standing.next_witness != before.next_witness
        if appointed:
            steps.append(
                {"height": at, "by": standing.changed_by, "witness": view.party(standing.next_witness)}
            )
        elif before is not None and standing.installed != before.installed:
            settled = len(standing.installed) < len(before.installed)
            steps.append(
                {"height": at, "by": "policy-settled" if settled else "policy-change", "witness": None}
            )
        before = standing
    return {"trace": steps}
