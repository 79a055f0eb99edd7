"""The store in memory and the one on disk answer alike, whatever is written, committed or rolled back."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aslp2p.ledger.reader import (
    BranchRow,
    CloseArtifacts,
    DropArtifacts,
    DropBranchAbove,
    DropContent,
    EraseContents,
    JournalRow,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutJournal,
    PutMeta,
    PutSnapshot,
    PutUnaudited,
    Reader,
    SnapshotRow,
    Store,
    UnwantContents,
    WantContents,
)
from aslp2p.store.memory import MemoryStore
from aslp2p.store.sqlite import SqliteStore
from tests.store.workload import commits, digest, everything, fill, kept

KEYS = [b"\x00", b"a", b"a\x00", b"a/b", b"a/\xff", b"a/\xff\xff", b"a/\xff\xffx", b"b", b"\xff", b"\xff\xff"]
IDS = [digest(number) for number in range(6)]
CONTENTS = {sha256(data).digest(): data for data in (b"", b"one", b"two" * 3000)}
SMALL_BYTES_MAX = 2
"""So that some of them are files."""
BRANCHES = {0: (-1, -1), 1: (0, 3), 2: (1, 5), 3: (0, 6), 4: (1, 2)}
"""Branch: (parent, fork height). Branch 4 leaves 1 below where 1 leaves 0."""

branches = st.sampled_from(sorted(BRANCHES))
heights = st.integers(0, 9)
ids = st.sampled_from(IDS)
contents = st.sampled_from(sorted(CONTENTS))
small = st.binary(max_size=5)


def place(branch: int, height: int) -> tuple[int, int]:
    """The nearest place that (branch, height) can be: what lies below a fork is its parent's."""
    return branch, max(height, BRANCHES[branch][1] + 1)


@st.composite
def snapshots(draw: st.DrawFn) -> PutSnapshot:
    """Log sizes grow with the height; most ids belong to one place, as real ones do."""
    branch, height = place(draw(branches), draw(heights))
    return PutSnapshot(
        SnapshotRow(
            digest(branch, height),
            branch,
            height,
            draw(small),
            draw(heights),
            draw(ids),
            height * 2,
            draw(small),
        )
    )


@st.composite
def facts(draw: st.DrawFn) -> PutFacts:
    branch, height = place(draw(branches), draw(heights))
    return PutFacts(
        branch, height, draw(st.dictionaries(st.sampled_from(KEYS), st.none() | small, max_size=4))
    )


def branch_row(branch: int) -> st.SearchStrategy[PutBranch]:
    parent, fork = BRANCHES[branch]
    return st.builds(
        lambda tip, id_, audited: PutBranch(BranchRow(branch, parent, fork, tip, id_, audited)),
        heights,
        ids,
        heights,
    )


wanted = st.lists(st.tuples(st.sampled_from([*IDS, *CONTENTS]), st.booleans()), max_size=3)
artifacts = st.lists(st.builds(kept, ids, small), max_size=3)
writes = st.one_of(
    st.builds(PutMeta, st.sampled_from("xyz"), st.none() | small),
    branches.flatmap(branch_row),
    snapshots(),
    facts(),
    facts(),
    st.builds(DropBranchAbove, branches, heights),
    st.builds(PutArtifacts, artifacts, st.booleans()),
    st.builds(PutUnaudited, artifacts),
    st.builds(CloseArtifacts, st.lists(ids, max_size=3)),
    st.builds(DropArtifacts, st.lists(ids, max_size=2)),
    contents.map(lambda id_: PutContent(id_, CONTENTS[id_])),
    st.builds(DropContent, contents),
    st.builds(EraseContents, st.lists(contents, max_size=2)),
    st.builds(WantContents, wanted),
    st.builds(UnwantContents, st.lists(st.sampled_from([*IDS, *CONTENTS]), max_size=3)),
    st.builds(
        PutJournal,
        st.builds(JournalRow, st.sampled_from(["endorse", "cosign", "emit"]), heights, heights, ids, small),
    ),
)
steps = st.one_of(
    st.lists(writes, max_size=8),
    st.lists(writes, max_size=8),
    st.sampled_from(["commit", "rollback", "reopen"]),
)


def ask(store: Reader) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "meta": [store.meta(key) for key in "xyz"],
        "branches": store.branches(),
        "artifacts": store.artifacts(IDS),
        "rows": store.artifact_rows(IDS),
        "artifact": [store.artifact(id_) for id_ in IDS],
        "open": store.open_artifacts(),
        "content": [store.content(id_) for id_ in CONTENTS],
        "lacking": store.lacking_content([*CONTENTS, *IDS, *CONTENTS]),
        "wanted": [store.wanted(limit, skip) for limit in (0, 2, 100) for skip in (0, 1, 100)],
        "journal": [
            store.journal(kind, last=last, skip=skip)
            for kind in ("endorse", "cosign", "emit")
            for last in (1, 100)
            for skip in (0, 1, 7)
        ],
        "at": [store.journal_at("emit", epoch, height) for epoch in range(10) for height in range(10)],
        "holds": [store.journal_holds("cosign", id_) for id_ in IDS],
    }
    for branch in (*BRANCHES, 5):
        answers[f"at {branch}"] = [store.snapshot_at(branch, height) for height in range(-1, 11)]
        answers[f"range {branch}"] = [store.snapshots(branch, first, 4) for first in range(10)]
        answers[f"holding {branch}"] = [store.snapshot_holding(branch, index) for index in range(20)]
        answers[f"id {branch}"] = [store.snapshot(digest(branch, height)) for height in range(10)]
        for key in KEYS:
            answers[f"fact {branch} {key!r}"] = [store.fact(branch, key, height) for height in range(10)]
            answers[f"changes {branch} {key!r}"] = [
                store.fact_changes(branch, key, height, limit=limit)
                for height in (4, 9)
                for limit in (2, 100)
            ]
        answers[f"facts {branch}"] = [
            store.facts(branch, prefix, height, after=after, limit=limit)
            for prefix in (b"", b"a", b"a/", b"a/\xff", b"\xff")
            for height in (2, 4, 9)
            for after in (b"", b"a/b", b"a/\xff\xff")
            for limit in (1, 100)
        ]
    return answers


@given(st.lists(steps, max_size=12))
def test_any_writes_commits_and_rollbacks_give_equal_answers(script: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        disk, memory = SqliteStore(path, small_bytes_max=SMALL_BYTES_MAX), MemoryStore()
        for store in (disk, memory):
            fill(
                store, [[PutBranch(BranchRow(number, *fork, 9, b"", 0)) for number, fork in BRANCHES.items()]]
            )
        for step in script:
            match step:
                case "commit":
                    disk.commit()
                    memory.commit()
                case "rollback":
                    disk.rollback()
                    memory.rollback()
                case "reopen":
                    disk.close()
                    disk = SqliteStore(path, small_bytes_max=SMALL_BYTES_MAX)
                    memory.crash()
                case _:
                    disk.apply(step)
                    memory.apply(step)
            assert ask(disk) == ask(memory)
        disk.close()


def test_both_are_stores_and_hold_the_workload(tmp_path: Path) -> None:
    stores: list[Store] = [SqliteStore(tmp_path / "store.db"), MemoryStore()]
    for store in stores:
        fill(store)
    assert everything(stores[0]) == everything(stores[1])
    assert len(commits()) > 10
    for store in stores:
        store.close()


def test_each_commit_of_the_workload_can_be_rolled_back(tmp_path: Path) -> None:
    stores: list[Store] = [SqliteStore(tmp_path / "store.db"), MemoryStore()]
    for store in stores:
        for writes in commits():
            before = everything(store)
            store.apply(writes)
            after = everything(store)
            store.rollback()
            assert everything(store) == before
            store.apply(writes)
            store.commit()
            assert everything(store) == after != before
        store.close()


def test_a_clone_goes_its_own_way() -> None:
    one = MemoryStore()
    fill(one)
    before = everything(one)
    other = one.clone()
    other.apply([DropBranchAbove(1, 5), PutFacts(0, 1, {b"tip": b"new"}), PutMeta("common", None)])
    other.commit()
    assert everything(one) == before
    assert everything(other) != before
    one.apply([PutMeta("common", b"!")])
    assert other.meta("common") is None
