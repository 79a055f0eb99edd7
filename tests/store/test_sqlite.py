"""The file of a home: made, opened, refused, and what a failed write leaves."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aslp2p.errors import DiskFault, InvariantBroken, UserError
from aslp2p.ledger.reader import (
    ArtifactRow,
    BranchRow,
    CloseArtifacts,
    DropBranchAbove,
    JournalRow,
    PutArtifacts,
    PutBranch,
    PutFacts,
    PutJournal,
    PutMeta,
    PutSnapshot,
    PutUnaudited,
    SnapshotRow,
    Store,
)
from aslp2p.store.memory import MemoryStore
from aslp2p.store.opening import migrations
from aslp2p.store.reading import IDS_PER_QUERY
from aslp2p.store.sqlite import SqliteStore
from tests.store.workload import commits, digest, everything, fill, kept, line, snapshot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(path)


def test_what_is_committed_is_there_after_opening_again(path: Path) -> None:
    store = SqliteStore(path)
    fill(store)
    store.apply([PutMeta("common", b"not committed")])
    store.close()
    again, memory = SqliteStore(path), MemoryStore()
    fill(memory)
    assert everything(again) == everything(memory)
    assert again.opened_with == ()


def test_nobody_else_may_read_the_file(path: Path) -> None:
    os.umask(before := os.umask(0))
    os.umask(0)
    try:
        store = SqliteStore(path)
        fill(store)
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600}
    store.close()


def test_commits_are_synced(path: Path) -> None:
    store = SqliteStore(path)
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.db.execute("PRAGMA journal_mode").fetchone() == (b"wal",)


def test_a_store_from_a_newer_version_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
    db.close()
    with pytest.raises(UserError, match=r"was written by a newer aslp2p; upgrade"):
        SqliteStore(path)


def test_another_program_s_database_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="is not a store of aslp2p"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_second_owner_is_refused_by_name(path: Path) -> None:
    store = SqliteStore(path)
    script = (
        "import sys; from pathlib import Path; from aslp2p.errors import UserError\n"
        "from aslp2p.store.sqlite import SqliteStore\n"
        "try: SqliteStore(Path(sys.argv[1]))\n"
        "except UserError as error: print(error)"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert "is in use by another process" in second.stdout
    store.close()


def test_reading_a_stopped_home_writes_nothing(path: Path) -> None:
    with pytest.raises(UserError, match="there is no store"):
        SqliteStore(path, read_only=True)
    assert not path.exists()
    store, memory = SqliteStore(path), MemoryStore()
    fill(store)
    fill(memory)
    store.close()
    before = path.read_bytes()
    reader = SqliteStore(path, read_only=True)
    assert everything(reader) == everything(memory)
    with pytest.raises(DiskFault):
        reader.apply([PutMeta("common", b"")])
    reader.close()
    assert path.read_bytes() == before


def test_reading_a_killed_home_sees_what_was_committed(path: Path) -> None:
    """Its last commits are in the WAL alone."""
    pid = os.fork()
    if pid == 0:
        store = SqliteStore(path)
        fill(store)
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.with_name("store.db-wal").stat().st_size > 0
    memory = MemoryStore()
    fill(memory)
    for read_only in (True, False):
        store = SqliteStore(path, read_only=read_only)
        assert everything(store) == everything(memory)
        store.close()


def test_two_snapshots_never_share_a_place(store: Store) -> None:
    fill(store)
    before = everything(store)
    other = SnapshotRow(digest("other"), 0, 3, b"", 0, b"", 0, b"")
    store.apply([PutMeta("common", b"lost with the rest"), PutJournal(JournalRow("emit", 9, 9, b"", b""))])
    with pytest.raises(InvariantBroken, match="two snapshots at height 3"):
        store.apply([PutBranch(line(0, 2)), PutFacts(0, 9, {b"tip": b"x"}), PutSnapshot(other)])
    assert everything(store) == before
    store.commit()
    assert everything(store) == before


def test_a_branch_is_younger_than_its_parent(store: Store) -> None:
    with pytest.raises(InvariantBroken, match="cannot have branch 3 as its parent"):
        store.apply([PutBranch(BranchRow(2, 3, 1, 1, b"", 0))])
    assert store.branches() == []


def test_a_failed_write_of_the_caller_forgets_what_came_before_it(store: Store) -> None:
    def writes() -> object:
        yield PutMeta("a", b"1")
        raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError):
        store.apply(writes())  # type: ignore[arg-type]
    store.commit()
    assert store.meta("a") is None


def test_the_journal_goes_on_after_a_rollback(path: Path) -> None:
    store = SqliteStore(path)
    promises = [JournalRow("emit", 0, height, digest(height), b"") for height in range(4)]
    for saved, lost in zip(promises[:2], promises[2:], strict=True):
        store.apply([PutJournal(saved)])
        store.commit()
        store.apply([PutJournal(lost)])
        store.rollback()
    store.close()
    again = SqliteStore(path)
    assert again.opened_with == ()
    assert again.journal("emit", last=9) == promises[1::-1]


def test_a_verified_copy_takes_the_place_of_unaudited_bytes_and_nothing_else_does(store: Store) -> None:
    """G4: whether an artifact was audited stands beside its bytes, and its checksum covers both."""
    one, other = digest(1), digest(2)
    store.apply([PutUnaudited([kept(one, b"first")]), PutArtifacts([kept(other, b"sound")], open=True)])
    store.apply([PutUnaudited([kept(one, b"second"), kept(other, b"unsound")])])
    assert store.artifact_rows([one, other]) == {
        one: ArtifactRow(b"first", False),
        other: ArtifactRow(b"sound", True),
    }
    assert store.open_artifacts() == [(other, b"sound")]
    store.apply([CloseArtifacts([one, other])])
    assert store.artifact_rows([one])[one].audited is False
    store.apply([PutArtifacts([kept(one, b"sound too"), kept(other, b"again")], open=True)])
    assert store.artifact_rows([one, other]) == {
        one: ArtifactRow(b"sound too", True),
        other: ArtifactRow(b"sound", True),
    }
    assert store.open_artifacts() == [(one, b"sound too"), (other, b"sound")]
    store.rollback()
    assert store.artifact_rows([one, other]) == {}


def test_more_ids_than_one_query_takes(store: Store) -> None:
    many = [digest(number) for number in range(2 * IDS_PER_QUERY + 3)]
    store.apply([PutArtifacts([kept(id_, id_) for id_ in many[::2]])])
    assert store.artifacts(many) == {id_: id_ for id_ in many[::2]}
    assert store.lacking_content(many) == many
    assert store.artifacts([]) == {}


def test_a_fact_that_changes_often_is_listed_as_fast_as_one_that_does_not(path: Path) -> None:
    """Listing seeks from key to key: the steps of SQLite's machine do not grow with how often a key
    changed."""

    def steps(changes: int) -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        store = SqliteStore(path.with_name(f"{changes}.db"))
        store.apply([PutBranch(BranchRow(0, -1, -1, 0, b"", 0))])
        store.apply(PutFacts(0, height, {b"a": b"%d" % height}) for height in range(changes))
        store.apply([PutFacts(0, 0, {b"b": b""})])
        store.db.set_progress_handler(step, 1)
        assert store.facts(0, b"", changes) == [(b"a", b"%d" % (changes - 1), changes - 1), (b"b", b"", 0)]
        store.close()
        return count

    assert steps(5000) <= steps(50) + 5


def test_rolling_back_a_branch_leaves_its_parent_and_its_children(store: Store) -> None:
    fill(store, commits()[:10])
    below = store.snapshots(1, 0, 6)
    store.apply([DropBranchAbove(1, 5)])
    assert store.snapshots(1, 0, 100) == below
    assert store.snapshot(snapshot(1, 6).id) is None
    assert store.fact(1, b"tip", 9) == snapshot(0, 5).id
