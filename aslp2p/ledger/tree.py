"""The Merkle log of a branch, read back from what is stored: frontiers and inclusion proofs."""

from __future__ import annotations

from collections.abc import Sequence

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.merkle import Frontier, TiledNodes, inclusion_proof
from aslp2p.artifacts.types import Snapshot
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.facts import tile_key
from aslp2p.ledger.reader import Reader, SnapshotRow


def leaf_ids(reader: Reader, branch: int, start: int, stop: int) -> Sequence[bytes]:
    """The proposal ids at log indexes start to stop - 1 of `branch`."""
    found: list[bytes] = []
    at = reader.snapshot_holding(branch, start) if start < stop else None
    while at is not None and start + len(found) < stop:
        for row in reader.snapshots(branch, at.height, 64):
            ids = decode_as(Snapshot, row.raw).statement.proposals
            first = row.log_size - len(ids)
            found += ids[max(0, start - first) : max(0, stop - first)]
            if row.log_size >= stop:
                return found
            at = row
        at = reader.snapshot_at(branch, at.height + 1)
    if start + len(found) < stop:
        raise InvariantBroken(f"the log of branch {branch} ends before {stop}")
    return found


def nodes_of(reader: Reader, branch: int, height: int) -> TiledNodes:
    """Complete nodes of the log at (branch, height): stored tile roots above, leaves below."""
    return TiledNodes(
        lambda start, stop: leaf_ids(reader, branch, start, stop),
        lambda level, number: reader.fact(branch, tile_key(level, number), height),
    )


def load_frontier(reader: Reader, branch: int, row: SnapshotRow) -> Frontier:
    """The frontier of the log at a stored snapshot."""
    node = nodes_of(reader, branch, row.height)
    peaks, start = [], 0
    for level in reversed(range(row.log_size.bit_length())):
        if row.log_size >> level & 1:
            peaks.append(node(level, start >> level))
            start += 1 << level
    return Frontier(row.log_size, tuple(peaks))


def prove_inclusion(reader: Reader, branch: int, row: SnapshotRow, index: int) -> tuple[bytes, ...]:
    """The RFC 9162 path of log index `index` to the root that the snapshot in `row` signs."""
    return inclusion_proof(index, row.log_size, nodes_of(reader, branch, row.height))
