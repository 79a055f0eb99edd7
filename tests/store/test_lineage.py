"""State at (branch, height), against the definition in `ledger.reader` read word by word, without any
index."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aslp2p.ledger.reader import BranchRow, PutBranch, PutFacts, PutSnapshot, SnapshotRow
from aslp2p.store.lineage import end_of_prefix
from aslp2p.store.memory import MemoryStore
from tests.store.workload import digest

FORKS = {0: (-1, -1), 1: (0, 3), 2: (1, 5), 3: (0, 6), 4: (1, 2), 5: (2, 4)}
TIP = 8
KEYS = [b"a", b"a/b", b"a/\xff", b"b", b"\xff\xff"]

changes = st.dictionaries(
    st.tuples(st.sampled_from(sorted(FORKS)), st.sampled_from(KEYS), st.integers(0, TIP)),
    st.none() | st.binary(max_size=2),
    max_size=40,
).map(lambda found: {place: value for place, value in found.items() if place[2] > FORKS[place[0]][1]})


def defined(
    written: dict[tuple[int, bytes, int], bytes | None], branch: int, key: bytes, height: int
) -> object:
    """The newest change at or below `height` on the branch, else at or below its fork on its parent, as
    (height, value)."""
    while branch >= 0:
        own = [at for owner, name, at in written if (owner, name) == (branch, key) and at <= height]
        if own:
            return max(own), written[branch, key, max(own)]
        branch, fork = FORKS[branch]
        height = min(height, fork)
    return None


@given(changes)
def test_a_fact_is_the_newest_change_on_the_line_to_it(
    written: dict[tuple[int, bytes, int], bytes | None],
) -> None:
    store = MemoryStore()
    store.apply(PutBranch(BranchRow(number, *fork, TIP, b"", 0)) for number, fork in FORKS.items())
    store.apply(PutFacts(branch, height, {key: value}) for (branch, key, height), value in written.items())
    for branch in FORKS:
        for height in range(-1, TIP + 1):
            found = {key: defined(written, branch, key, height) for key in KEYS}
            for key, change in found.items():
                newest = store.fact_changes(branch, key, height, limit=1)
                assert newest == ([change] if change else [])
                assert store.fact(branch, key, height) == (change[1] if isinstance(change, tuple) else None)
            for prefix in (b"", b"a", b"a/", b"\xff"):
                live = [
                    (key, change[1], change[0])
                    for key, change in sorted(found.items())
                    if key.startswith(prefix) and isinstance(change, tuple) and change[1] is not None
                ]
                assert store.facts(branch, prefix, height) == live
                for key, _, _ in live:
                    assert store.facts(branch, prefix, height, after=key) == [
                        one for one in live if one[0] > key
                    ]


def test_a_branch_holds_its_ancestors_up_to_its_fork() -> None:
    store = MemoryStore()
    owners = {branch: [branch] * (TIP + 1) for branch in FORKS}
    for branch, (parent, fork) in FORKS.items():
        if parent >= 0:
            owners[branch][: fork + 1] = owners[parent][: fork + 1]
        store.apply([PutBranch(BranchRow(branch, parent, fork, TIP, b"", 0))])
        for height in range(fork + 1, TIP + 1):
            row = SnapshotRow(digest(branch, height), branch, height, b"", 0, b"", 2 * height, b"")
            store.apply([PutSnapshot(row)])
    for branch, owned in owners.items():
        ids = [digest(owner, height) for height, owner in enumerate(owned)]
        assert [row.id for row in store.snapshots(branch, 0, 100)] == ids
        assert [row.id for row in store.snapshots(branch, 2, 3)] == ids[2:5]
        at = [store.snapshot_at(branch, height) for height in range(TIP + 1)]
        assert [row and row.id for row in at] == ids
        assert store.snapshot_at(branch, -1) is None
        assert store.snapshot_at(branch, TIP + 1) is None
        holding = [store.snapshot_holding(branch, leaf) for leaf in range(2 * TIP)]
        assert [row and row.id for row in holding] == [ids[leaf // 2 + 1] for leaf in range(2 * TIP)]
        assert store.snapshot_holding(branch, 2 * TIP) is None
    assert store.snapshots(9, 0, 10) == []
    assert store.snapshot_at(9, 0) is None


@given(st.binary(max_size=4), st.binary(max_size=5))
def test_the_end_of_a_prefix_is_above_all_that_start_with_it(prefix: bytes, key: bytes) -> None:
    end = end_of_prefix(prefix)
    assert (prefix <= key and (end is None or key < end)) == key.startswith(prefix)
