"""The floor as people see it: the policy change that every line has to contain (F5), and who signed beside
it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.keys import parse_id_prefix
from aslp2p.artifacts.types import Endorsement, Genesis, Snapshot
from aslp2p.errors import UserError
from aslp2p.ledger.facts import cosignatures_on, standing_at, standing_changes
from aslp2p.ledger.floor import Floor, read_floor, read_floor_moves, read_given_floor, stands_on
from aslp2p.ledger.policy_text import policy_words
from aslp2p.ledger.reader import BranchRow, Reader, SnapshotRow
from aslp2p.views.view import View

CHANGES_SHOWN = 64
RETIRED_SHOWN = 16
_CHANGES_MAX = 1000


def floor(view: View) -> dict[str, Any]:
    """The floor, what it waits for, how people moved it, every policy change on any line that it could be
    moved to, and the lines that retired keys signed."""
    here = _floor_of(view)
    return {
        "name": view.genesis().name,
        "floor": change_json(view, here),
        "waits_for": waits_for(view),
        "moves": moves(view),
        "changes": [change_json(view, one) for one in _changes(view)][:CHANGES_SHOWN],
        "retired": retired(view),
    }


def _floor_of(view: View) -> Floor:
    found = read_floor(view.reader)
    return found or Floor(0, view.row(0).id)


def floor_summary(view: View) -> dict[str, Any]:
    """What `asl status` says of it."""
    return {
        "height": _floor_of(view).height,
        "waits_for": waits_for(view),
        "moves": moves(view),
        "retired": retired(view),
    }


def waits_for(view: View) -> dict[str, Any] | None:
    """The floor that this machine was given and whose snapshot is not here yet: until it is, nothing is
    adopted (section 11)."""
    for one in (read_floor(view.reader), read_given_floor(view.reader)):
        if one is not None and one.height and view.reader.snapshot(one.id) is None:
            return {"height": one.height, "id": one.id.hex()}
    return None


def moves(view: View) -> list[dict[str, Any]]:
    """How people here moved the floor, oldest first."""
    return [
        {
            "at_ms": one.at_ms,
            "from": {"height": one.old.height, "id": one.old.id.hex()},
            "to": {"height": one.new.height, "id": one.new.id.hex()},
        }
        for one in read_floor_moves(view.reader)
    ]


def change_json(view: View, change: Floor) -> dict[str, Any]:
    """A policy change, or the genesis: what it put in force, when by its witness's clock, who signed it."""
    row = view.reader.snapshot(change.id)
    found: dict[str, Any] = {"height": change.height, "id": change.id.hex(), "here": row is not None}
    if row is None:
        return found
    standing = standing_at(view.reader, row.branch, row.height)
    return {
        **found,
        "policy": policy_words(standing.policies[-1], view.who),
        "created_ms": _created_ms(row),
        "signed_by": view.party(row.signer),
        "endorsed_by": [view.party(key) for key in _endorsers(row)],
        "followed": stands_on(view.reader, view.branch, view.height, change),
        "is_floor": change == _floor_of(view),
    }


def _created_ms(row: SnapshotRow) -> int:
    if row.height == 0:
        return decode_as(Genesis, row.raw).statement.created_ms
    return decode_as(Snapshot, row.raw).statement.created_ms


def _endorsers(row: SnapshotRow) -> list[bytes]:
    if row.height == 0:
        return []
    certificate = decode_as(Snapshot, row.raw).statement.certificate or ()
    return [decode_as(Endorsement, raw).key for raw in certificate]


def _changes(view: View) -> list[Floor]:
    """Genesis and every snapshot on any line that carries a policy change, the highest first."""
    found = {Floor(0, view.row(0).id)}
    for branch in view.reader.branches():
        changes = standing_changes(view.reader, branch.branch, -1, branch.tip_height)
        for height, standing in islice(changes, _CHANGES_MAX):
            row = view.reader.snapshot_at(branch.branch, height)
            if row is not None and standing.change_height == height > 0:
                found.add(Floor(height, row.id))
    return sorted(found, key=lambda one: (-one.height, one.id))


def change_named(view: View, text: str) -> Floor:
    """The policy change, or genesis, whose id begins with the digits `text`. Raises `UserError`."""
    first, last = parse_id_prefix(text)
    found = [one for one in _changes(view) if first <= one.id <= last]
    if len(found) != 1:
        raise UserError(
            f"{len(found) or 'no'} policy changes here begin with {text}", remedy="see them with: asl floor"
        )
    return found[0]


def moving(view: View, id: str) -> dict[str, Any]:
    """What it would mean to move the floor to the policy change that the digits `id` begin: both of them, and
    whether the head is left behind. Raises `UserError`."""
    to = change_named(view, id)
    return {
        "name": view.genesis().name,
        "height": view.height,
        "from": change_json(view, _floor_of(view)),
        "to": change_json(view, to),
        "leaves_head": not stands_on(view.reader, view.branch, view.height, to),
    }


# --- what retired keys signed -----------------------------------------------------------------------


def retired_lines(reader: Reader, head: SnapshotRow) -> Iterator[tuple[BranchRow, SnapshotRow]]:
    """Lines that leave the floor out and that would win without it, each with the first snapshot of its own.

    What an ordinary succession left behind is none: there the line to `head` had the higher epoch.
    """
    floor = read_floor(reader)
    if floor is None or not floor.height:
        return
    for branch in reader.branches():
        if branch.tip_height <= branch.fork_height or branch.fork_height >= floor.height:
            continue
        if stands_on(reader, branch.branch, branch.tip_height, floor):
            continue
        first = reader.snapshot_at(branch.branch, branch.fork_height + 1)
        beside = reader.snapshot_at(head.branch, branch.fork_height + 1)
        if first is not None and beside is not None and first.id != beside.id and first.epoch >= beside.epoch:
            yield branch, first


def retired(view: View) -> list[dict[str, Any]]:
    """What retired keys signed beside the followed line: where it parts, up to where it goes, who signed its
    snapshots, endorsed and cosigned; at most `RETIRED_SHOWN` lines."""
    found = []
    for branch, first in retired_lines(view.reader, view.head):
        tip = view.reader.snapshot(branch.tip_id)
        cosigned = {
            key
            for key, (height, _) in cosignatures_on(view.reader, branch.branch, branch.tip_height).items()
            if height > branch.fork_height
        }
        signers = {first.signer} | ({tip.signer} if tip is not None else set())
        keys = sorted(signers | set(_endorsers(first)) | cosigned)
        found.append(
            {
                "height": first.height,
                "id": first.id.hex(),
                "tip_height": branch.tip_height,
                "tip": branch.tip_id.hex(),
                "created_ms": _created_ms(first),
                "signed_by": [view.party(key) for key in keys],
            }
        )
    return sorted(found, key=lambda one: (one["height"], one["id"]))[:RETIRED_SHOWN]
