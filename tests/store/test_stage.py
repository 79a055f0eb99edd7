"""Contents taken in beside the store: whole once its transaction has them, and gone if it has not."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from aslp2p.errors import DiskFault
from aslp2p.ledger.reader import DropStaged, EraseContents, PutStaged, Staged, WantContents
from aslp2p.store import stage as staging
from aslp2p.store.contents import SMALL_BYTES_MAX
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.stage import Stage

DATA = b"a film " * SMALL_BYTES_MAX
ID = sha256(DATA).digest()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "store.contents").rglob("*") if path.is_file())


def taken_in(stage: Stage, data: bytes = DATA) -> Staged:
    (one,) = stage.sync([stage.write(sha256(data).digest(), data)])
    assert one.fault is None
    return one


def test_what_is_taken_in_is_stored_with_the_transaction_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        one = taken_in(stage)
        assert store.content(ID) is None and stage.read(ID, len(DATA)) is None
        store.apply([WantContents([(ID, False)]), PutStaged(one)])
        assert store.content(ID) == DATA, "whoever asks within the transaction finds it"
        store.commit()
        assert not store.is_wanted(ID) and bytes(stage.read(ID, len(DATA), b"head") or b"") == b"head" + DATA
    with closing(SqliteStore(path)) as store:
        assert store.content(ID) == DATA and store.content_size(ID) == len(DATA)


def test_a_crash_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    stage = Stage(path)
    taken_in(stage, b"never handed over")
    store.apply([PutStaged(taken_in(stage))])
    store.db.close()  # and nothing else
    with closing(SqliteStore(path)) as store:
        assert store.content(ID) is None
    assert files(tmp_path) == []


def test_a_transaction_that_is_rolled_back_takes_it_along(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        store.apply([PutStaged(taken_in(Stage(path)))])
        store.rollback()
        assert store.content(ID) is None and files(tmp_path) == []


def test_what_nobody_wants_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        store.apply([DropStaged(taken_in(stage))])
        one = taken_in(stage)
        stage.discard([one, one])
        store.commit()
        assert files(tmp_path) == []


def test_the_same_taken_in_twice_is_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        store.apply([PutStaged(taken_in(stage)), PutStaged(taken_in(stage))])
        store.commit()
        store.apply([PutStaged(taken_in(stage))])
        store.commit()
        assert len(files(tmp_path)) == 1 and store.content(ID) == DATA


def test_what_was_erased_meanwhile_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        store.apply([PutStaged(taken_in(stage))])
        store.commit()
        store.apply([EraseContents([ID])])
        store.commit()
        assert stage.read(ID, len(DATA)) is None


@pytest.mark.parametrize("harm", ["cut", "longer", "other"])
def test_what_is_not_what_its_id_says_is_not_read(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        store.apply([PutStaged(taken_in(stage))])
        store.commit()
        (file,) = files(tmp_path)
        file.write_bytes({"cut": DATA[:-1], "longer": DATA + b"x", "other": b"X" + DATA[1:]}[harm])
        assert stage.read(ID, len(DATA)) is None


def test_what_cannot_be_synced_is_refused_by_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second sync of the same file may say that all is well: the first one's word counts."""
    path = tmp_path / "store.db"

    def failing(descriptors: list[int]) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with closing(SqliteStore(path)) as store:
        stage = Stage(path)
        with monkeypatch.context() as patch:
            patch.setattr(staging, "sync_all", failing)
            (one,) = stage.sync([stage.write(ID, DATA)])
        with pytest.raises(DiskFault):
            store.apply([PutStaged(one)])
        store.commit()
        assert store.content(ID) is None


def test_a_full_disk_leaves_nothing_of_what_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stage = Stage(tmp_path / "store.db")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        stage.write(ID, DATA)
    assert files(tmp_path) == []
