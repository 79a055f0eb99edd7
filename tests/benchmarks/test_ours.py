"""What the benchmarks build of ours is real: a history written in a moment is one that the ledger audits."""

from contextlib import closing
from pathlib import Path

import pytest

from aslp2p.artifacts.envelope import VERIFIER, decode_as
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.ledger.history import Ledger
from aslp2p.store.sqlite import SqliteStore
from benchmarks.cluster import BenchmarkError, key_of, value_of
from benchmarks.ours.history import extend
from benchmarks.ours.homes import found


def test_a_written_history_is_whole_and_every_signature_in_it_holds(tmp_path: Path) -> None:
    household = found(tmp_path, 3)
    paths = [household.store_path(node) for node in range(3)]
    extend(paths, household.keys[0], household.keys[1], 1, 30)
    extend(paths, household.keys[0], household.keys[1], 31, 10)
    heads = set()
    for node, path in enumerate(paths):
        with closing(SqliteStore(path)) as store:
            ledger = Ledger(store)
            assert (ledger.head.height, ledger.audited_height()) == (40, 40)
            heads.add(ledger.head.id)
            snapshots = [decode_as(Snapshot, row.raw) for row in store.snapshots(0, 1, 100)]
            ids = [id_ for snapshot in snapshots for id_ in snapshot.statement.proposals]
            proposals = [decode_as(Proposal, raw) for raw in store.artifacts(ids).values()]
            assert (len(snapshots), len(proposals)) == (40, 40)
            assert VERIFIER.failing([*snapshots, *proposals]) == []
            entry = ledger.draft().entry(key_of(40))
            assert entry is not None
            assert store.content(entry.content) == value_of(40).encode()
            assert store.wanted(1) == []
            assert len(store.journal("emit", last=100)) == (40 if node == 0 else 0), "S1: the witness's alone"
    assert len(heads) == 1


def test_stores_at_different_heads_are_not_extended(tmp_path: Path) -> None:
    household = found(tmp_path, 2)
    paths = [household.store_path(node) for node in range(2)]
    extend(paths[:1], household.keys[0], household.keys[1], 1, 1)
    with pytest.raises(BenchmarkError, match="one head"):
        extend(paths, household.keys[0], household.keys[1], 2, 1)
