"""Judging what is stored again, as if it had just come from a stranger, on the state stored at its parent.

Where the facts that the gate then gives are those that are stored, genesis first, the state at every height
is right: by induction, and without a copy of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from aslp2p.artifacts.envelope import VERIFIER, Signed, decode_as
from aslp2p.artifacts.types import Genesis, Proposal, Snapshot
from aslp2p.errors import Rejected
from aslp2p.ledger.gate import Ancestry, Tip, judge, judge_genesis
from aslp2p.ledger.reader import Reader, SnapshotRow
from aslp2p.ledger.state import Draft

Changes = Mapping[bytes, bytes | None]


def judge_stored(
    reader: Reader, row: SnapshotRow, parent: Tip | None, common_id: bytes
) -> tuple[Tip, Changes]:
    """What is known at the stored snapshot `row` (None as its parent: genesis), and the facts that it makes.

    Every signature is verified. Raises `Rejected`, `ArtifactError` or `Incomplete`, and what `reader` raises.
    """
    if parent is None:
        genesis = VERIFIER.verify(decode_as(Genesis, row.raw))
        draft = Draft(reader, row.branch, -1)
        tip = judge_genesis(genesis, draft)
        _require_same(genesis.id, row.id)
        return tip, draft.seal()
    snapshot = decode_as(Snapshot, row.raw)
    _require_same(snapshot.id, row.id)
    raws = reader.artifacts(snapshot.statement.proposals)
    proposals: list[Signed[Proposal]] = [decode_as(Proposal, raw) for raw in raws.values()]
    judged = judge(
        snapshot,
        proposals,
        parent,
        common_id,
        Draft(reader, parent.branch, parent.height),
        _ancestry(reader, parent),
        VERIFIER,
    )
    # The next one stands on the branch where this one is stored.
    return replace(judged.tip, branch=row.branch), judged.changes


def _ancestry(reader: Reader, parent: Tip) -> Ancestry:
    def at(height: int) -> SnapshotRow | None:
        return reader.snapshot_at(parent.branch, height) if 0 <= height <= parent.height else None

    def id_at(height: int) -> bytes | None:
        row = at(height)
        return None if row is None else row.id

    def epoch_at(height: int) -> int:
        row = at(height)
        return -1 if row is None else row.epoch

    def holds(id_: bytes) -> bool:
        row = reader.snapshot(id_)
        return row is not None and id_at(row.height) == id_

    return Ancestry(id_at, epoch_at, holds)


def _require_same(found: bytes, stored_as: bytes) -> None:
    if found != stored_as:
        raise Rejected("A2", "it is stored under another id than its own", subject=found, against=stored_as)
