"""Contents as files: whole or not there, whatever happens in between; an older home's are moved into them."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from aslp2p.errors import Damaged, DiskFault
from aslp2p.ledger.reader import DropContent, EraseContents, PutContent, PutMeta, WantContents, Write
from aslp2p.limits import KIB, MIB
from aslp2p.store import moving
from aslp2p.store.contents import SMALL_BYTES_MAX
from aslp2p.store.fsck import fsck
from aslp2p.store.mark import APPLICATION_ID
from aslp2p.store.opening import migrations
from aslp2p.store.sqlite import SqliteStore

SMALL = b"small" * 100
LARGE = [bytes([number]) * (SMALL_BYTES_MAX + 1 + number) for number in range(5)]


def id_of(data: bytes) -> bytes:
    return sha256(data).digest()


def put(data: bytes) -> PutContent:
    return PutContent(id_of(data), data)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "store.contents").rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "store.db")


def write(store: SqliteStore, *writes: Write) -> None:
    store.apply(writes)
    store.commit()


def test_a_large_content_is_a_file_of_its_owner_and_a_small_one_is_not(
    store: SqliteStore, tmp_path: Path
) -> None:
    write(store, put(LARGE[0]), put(SMALL), put(bytes(SMALL_BYTES_MAX)))
    (file,) = files(tmp_path)
    assert f"{file.parent.name}{file.name}" == id_of(LARGE[0]).hex() and file.read_bytes() == LARGE[0]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert store.content(id_of(LARGE[0])) == LARGE[0] and store.content(id_of(SMALL)) == SMALL
    assert store.content_size(id_of(LARGE[0])) == len(LARGE[0])


def test_what_is_dropped_goes_once_that_is_committed(store: SqliteStore, tmp_path: Path) -> None:
    write(store, put(LARGE[0]))
    store.apply([DropContent(id_of(LARGE[0]))])
    assert store.content(id_of(LARGE[0])) is None and len(files(tmp_path)) == 1
    store.rollback()
    assert store.content(id_of(LARGE[0])) == LARGE[0]
    store.apply([DropContent(id_of(LARGE[0])), put(LARGE[0])])
    store.commit()
    assert store.content(id_of(LARGE[0])) == LARGE[0]
    write(store, DropContent(id_of(LARGE[0])))
    assert store.content(id_of(LARGE[0])) is None and not files(tmp_path)


def test_what_is_rolled_back_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    store.apply([put(data) for data in LARGE])
    assert store.content(id_of(LARGE[4])) == LARGE[4]
    store.rollback()
    assert store.lacking_content(map(id_of, LARGE)) == list(map(id_of, LARGE)) and not files(tmp_path)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_leaves_all_as_it_was(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    write(store, put(LARGE[0]))
    real: Callable[..., Any] = getattr(os, call)

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DiskFault, match="is full" if number == errno.ENOSPC else "the disk failed"):
        write(store, PutMeta("counter", b"1"), *map(put, LARGE[1:]))
    monkeypatch.setattr(os, call, real)
    assert store.meta("counter") is None and store.content(id_of(LARGE[0])) == LARGE[0]
    assert store.lacking_content(map(id_of, LARGE[1:])) == list(map(id_of, LARGE[1:]))
    assert len(files(tmp_path)) == 1
    write(store, *map(put, LARGE[1:]))
    assert [store.content(id_of(data)) for data in LARGE] == LARGE


def test_a_commit_that_fails_after_the_files_are_there_takes_them_back(
    store: SqliteStore, tmp_path: Path
) -> None:
    write(store, put(LARGE[0]))
    store.apply([put(LARGE[0]), put(LARGE[1])])
    store.files.settle()
    assert len(files(tmp_path)) == 2
    store.rollback()
    assert [path.read_bytes() for path in files(tmp_path)] == [LARGE[0]]


def test_what_a_crash_left_half_written_goes_with_the_next_opening(
    store: SqliteStore, tmp_path: Path
) -> None:
    store.apply([put(LARGE[0])])
    assert len(files(tmp_path)) == 1
    store.db.close()  # as when the process ends: nobody tidies up
    SqliteStore(tmp_path / "store.db").close()
    assert not files(tmp_path)


# --- damage ---


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_a_damaged_file_is_told_found_and_wanted_again(
    store: SqliteStore, tmp_path: Path, damage: str
) -> None:
    write(store, put(LARGE[0]), put(LARGE[1]))
    file = store.files.place(id_of(LARGE[0]))
    match damage:
        case "gone":
            file.unlink()
        case "cut":
            os.truncate(file, 10)
        case "flipped":
            file.write_bytes(b"\xff" + LARGE[0][1:])
    with pytest.raises(Damaged) as raised:
        store.content(id_of(LARGE[0]))
    assert raised.value.ids == (id_of(LARGE[0]),)
    (finding,) = fsck(store)
    assert (finding.ids, finding.repaired) == ((id_of(LARGE[0]),), False)
    (finding,) = fsck(store, repair=True)
    assert finding.repaired and store.wanted(10) == [(id_of(LARGE[0]), False)]
    assert store.content(id_of(LARGE[0])) is None and not list(fsck(store))
    write(store, put(LARGE[0]))
    assert store.content(id_of(LARGE[0])) == LARGE[0] and not store.wanted(10)


@pytest.mark.parametrize("column", ["id", "size", "crc"])
def test_a_damaged_row_is_mended_from_its_file(store: SqliteStore, column: str) -> None:
    write(store, put(LARGE[0]), put(LARGE[1]))
    flipped = bytes([id_of(LARGE[0])[0] ^ 4]) + id_of(LARGE[0])[1:] if column == "id" else 7
    store.db.execute(f"UPDATE content_file SET {column} = ? WHERE id = ?", (flipped, id_of(LARGE[0])))
    (finding,) = fsck(store)
    assert finding.ids == (id_of(LARGE[0]),) and not finding.repaired
    (finding,) = fsck(store, repair=True)
    assert finding.repaired and not list(fsck(store))
    assert [store.content(id_of(data)) for data in LARGE[:2]] == LARGE[:2]


def test_a_row_that_no_file_tells_is_wanted_again(store: SqliteStore) -> None:
    write(store, put(LARGE[0]))
    store.db.execute("UPDATE content_file SET size = 7")
    store.files.place(id_of(LARGE[0])).unlink()
    with pytest.raises(Damaged):
        store.content_size(id_of(LARGE[0]))
    assert [finding.repaired for finding in fsck(store, repair=True)] == [True]
    assert store.wanted(10) == [(id_of(LARGE[0]), False)]


def test_files_that_no_row_names_are_no_damage_and_go_with_a_repair(
    store: SqliteStore, tmp_path: Path
) -> None:
    write(store, put(LARGE[0]), put(LARGE[1]))
    store.db.execute("DELETE FROM content_file WHERE id = ?", (id_of(LARGE[1]),))
    assert store.content(id_of(LARGE[1])) is None
    assert not list(fsck(store)) and len(files(tmp_path)) == 2
    assert not list(fsck(store, repair=True)) and [path.read_bytes() for path in files(tmp_path)] == [
        LARGE[0]
    ]


def test_what_is_here_as_a_file_is_not_wanted(store: SqliteStore) -> None:
    write(store, WantContents([(id_of(LARGE[0]), False)]))
    assert store.is_wanted(id_of(LARGE[0]))
    write(store, put(LARGE[0]), WantContents([(id_of(LARGE[0]), False)]))
    assert not store.is_wanted(id_of(LARGE[0]))


# --- an older home ---


def older(path: Path, contents: list[bytes]) -> None:
    """A store as version 1 left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"BEGIN;{migrations()[0]}\nPRAGMA user_version=1;COMMIT;")
        db.executemany(
            "INSERT INTO content (id, data) VALUES (?, ?)", [(id_of(data), data) for data in contents]
        )


@pytest.fixture
def contents() -> list[bytes]:
    return [part for number in range(5) for part in (bytes([number]) * MIB, bytes([number]) * KIB)]


def test_an_older_home_is_moved_into_files_and_gives_the_space_back(
    tmp_path: Path, contents: list[bytes]
) -> None:
    path = tmp_path / "store.db"
    older(path, contents)
    with closing(SqliteStore(path)) as store:
        assert [store.content(id_of(data)) for data in contents] == contents
        assert not list(fsck(store))
    assert len(files(tmp_path)) == 5 and path.stat().st_size < MIB
    with closing(SqliteStore(path)) as store:
        assert [store.content(id_of(data)) for data in contents] == contents


def test_a_move_that_is_stopped_anywhere_goes_on(
    tmp_path: Path, contents: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the nth change to a file, for every n, and asked for everything in between."""
    monkeypatch.setattr(moving, "STEP_ROWS", 2)
    path = tmp_path / "store.db"
    older(path, contents)
    stops = 0
    real = {call: getattr(os, call) for call in ("open", "write", "fsync", "rename", "mkdir")}
    while True:
        left = stops + 1

        def dying(call: str) -> Callable[..., Any]:
            def made(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if not left:
                    raise KeyboardInterrupt
                return real[call](*arguments, **more)

            return made

        for call in real:
            monkeypatch.setattr(os, call, dying(call))
        try:
            SqliteStore(path).close()
            break
        except KeyboardInterrupt:
            stops += 1
        finally:
            for call, function in real.items():
                monkeypatch.setattr(os, call, function)
        if _is_new(path):  # and not only begun to be made new
            with closing(SqliteStore(path, read_only=True)) as store:
                assert [store.content(id_of(data)) for data in contents] == contents
    assert stops > 3
    with closing(SqliteStore(path)) as store:
        assert [store.content(id_of(data)) for data in contents] == contents and not list(fsck(store))
    assert len(files(tmp_path)) == 5


def _is_new(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("PRAGMA user_version").fetchone()[0] == len(migrations()))


def test_what_is_damaged_stays_where_it_is(tmp_path: Path, contents: list[bytes]) -> None:
    path = tmp_path / "store.db"
    older(path, contents)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE content SET data = zeroblob(1048576) WHERE id = ?", (id_of(contents[2]),))
    with closing(SqliteStore(path)) as store:
        assert len(files(tmp_path)) == 4
        assert [finding.ids for finding in fsck(store)] == [(id_of(contents[2]),)]


def test_nothing_is_moved_onto_a_disk_that_is_nearly_full(
    tmp_path: Path, contents: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    older(path, contents)
    with monkeypatch.context() as full:
        full.setattr(moving, "FREE_BYTES_MIN", 2**62)
        with closing(SqliteStore(path)) as store:
            assert [store.content(id_of(data)) for data in contents] == contents and not files(tmp_path)
    SqliteStore(path).close()
    assert len(files(tmp_path)) == 5


# --- erasing ---


@pytest.mark.parametrize("killed", [False, True])
def test_what_is_erased_is_in_no_file_of_the_store(
    tmp_path: Path, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in free pages nor in the write-ahead log, even when the process ends before that is emptied."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    secrets = [os.urandom(size) for size in (100, 5000, SMALL_BYTES_MAX, SMALL_BYTES_MAX + 1)]
    write(store, *map(put, secrets), *map(put, LARGE))
    if killed:
        monkeypatch.setattr(store, "_empty_log", lambda: None)
    write(store, EraseContents(list(map(id_of, secrets))))
    assert store.lacking_content(map(id_of, secrets)) == list(map(id_of, secrets))
    if killed:
        copied = tmp_path / "copied"  # as it is on disk at that moment: closing would tidy up
        shutil.copytree(tmp_path, copied, ignore=shutil.ignore_patterns("copied"))
        tmp_path, path = copied, copied / "store.db"
        store.close()
        store = SqliteStore(path)
    for file in tmp_path.rglob("*"):
        held = file.read_bytes() if file.is_file() else b""
        for secret in secrets:
            assert not any(secret[at : at + 50] in held for at in range(0, len(secret) - 50, 997)), file
    assert [store.content(id_of(data)) for data in LARGE] == LARGE
    store.close()


def test_an_erasure_that_is_rolled_back_is_done_again(store: SqliteStore) -> None:
    """The file goes at once; whoever erases keeps at it until the row is gone as well."""
    write(store, put(LARGE[0]))
    store.apply([EraseContents([id_of(LARGE[0])])])
    store.rollback()
    with pytest.raises(Damaged):
        store.content(id_of(LARGE[0]))
    write(store, EraseContents([id_of(LARGE[0])]))
    assert store.content(id_of(LARGE[0])) is None and not list(fsck(store))


class Killed(BaseException):
    """The process is gone."""


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> Callable[[], bool]:
    """The process ends before the `call`-th call to the system from now on; whether it has come to that."""
    made = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made >= call:
                raise Killed
            return function(*arguments, **named)

        return run

    for name in ("open", "write", "fsync", "unlink", "rename"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return lambda: made >= call


@pytest.mark.parametrize("large", [True, False])
def test_what_is_dropped_is_there_or_gone_wherever_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """All of it, rows and files, and never one of them alone."""
    contents = [*LARGE, SMALL] if large else [SMALL, SMALL + b"2"]
    kept = LARGE[0] + b"kept"
    ended, call = True, 0
    outcomes = set()
    while ended:
        call += 1
        folder = tmp_path / str(call)
        folder.mkdir()
        store = SqliteStore(folder / "store.db")
        write(store, put(kept), *map(put, contents))
        with monkeypatch.context() as patched:
            reached = kill_at(patched, call)
            with suppress(Killed):
                write(store, *(DropContent(id_of(data)) for data in contents))
        ended = reached()
        store.db.close()
        with closing(SqliteStore(folder / "store.db")) as again:
            here = [again.content(id_of(data)) == data for data in contents]
            assert len(set(here)) == 1 and again.content(id_of(kept)) == kept
            assert again.lacking_content(map(id_of, contents)) == (
                [] if here[0] else list(map(id_of, contents))
            )
            assert len(files(folder)) == 1 + (len(LARGE) if large and here[0] else 0)
            assert not list(fsck(again))
        outcomes.add(here[0])
    assert outcomes == ({True, False} if large else {False})
