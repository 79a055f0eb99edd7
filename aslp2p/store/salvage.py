"""What is sound of a damaged store, read row by row past whatever cannot be read.

The first page of the file, with its schema, is the same in every store but for two numbers: one that is
damaged is taken from an empty store.
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from aslp2p.errors import Damaged
from aslp2p.ledger.joining import META_LINKED
from aslp2p.store.check import JOURNAL_COLUMNS, META_ALL, SNAPSHOT_COLUMNS, check_journal
from aslp2p.store.rows import artifact_sum, content_file_sum, intact, meta_sum, snapshot_sum
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.writes import CONTENT_FILE_PUT

MAY_GO = (
    b"lost",
    b"daemon-probe",
    b"head",
    b"genesis",
    b"common-id",
    b"invite-token",
    b"hints",
    b"dismissed",
    b"silence",
    b"evidence",
    b"pin",
    META_LINKED.encode(),
)
"""Settings that the history tells again, or that a member does without."""
PAGE_BYTES = 4096
PAGES_AT = 28
"""Where the first page says how many there are; then, in eight bytes, which are free: none, for reading."""
SCHEMA = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY name"
LEAP_MAX = 2**24
"""Rows that are passed over at once, at most, where a page cannot be read."""
JOURNAL = f"SELECT number, {JOURNAL_COLUMNS} FROM journal ORDER BY number"
_ARTIFACT = "id, type, raw, open, audited, crc"


class NobodyHas(Damaged):
    """What is damaged is on no other machine: only a backup can give it back."""

    def __init__(self, what: Damaged) -> None:
        alone = "it was never linked with another machine, so nobody else has it"
        super().__init__(f"{what.message}, and {alone}")


class Salvaged(Struct):
    """What could be read and is what was written."""

    source: Path
    """Where the contents can be read."""
    meta: dict[bytes, bytes] = field(default_factory=dict)
    artifacts: list[bytes] = field(default_factory=list)
    genesis: bytes = b""
    journal: list[tuple[Any, ...]] = field(default_factory=list)
    journal_head: tuple[int, int] | None = None
    """None where promises are missing."""
    linked: bool = True
    """Whether it was ever linked with another machine, which then has what is damaged here."""


def remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    db.text_factory = bytes
    return db


def _empty_store(place: Path) -> tuple[list[tuple[Any, ...]], bytearray]:
    """The schema and the first page of an empty store, which is made at `place` and removed."""
    remove(place)
    with closing(SqliteStore(place)) as store:
        schema = store.db.execute(SCHEMA).fetchall()
    page = bytearray(place.read_bytes()[:PAGE_BYTES])
    remove(place)
    return schema, page


def _has_schema(path: Path, sound: list[tuple[Any, ...]]) -> bool:
    with closing(_connect(path)) as db:
        try:
            return bool(db.execute(SCHEMA).fetchall() == sound)
        except (sqlite3.Error, UnicodeDecodeError):
            return False


def _give_first_page(path: Path, copy: Path, page: bytearray) -> None:
    """Make `copy` one of `path` with the first page of an empty store."""
    page[PAGES_AT : PAGES_AT + 4] = (path.stat().st_size // PAGE_BYTES).to_bytes(4, "big")
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.write(page)


def read_sound(path: Path, copy: Path) -> Salvaged:
    """What is sound in `path`, but for contents. `copy` is made, and left where that alone can be read.

    Raises `Damaged`.
    """
    schema, first_page = _empty_store(copy)
    if not _has_schema(path, schema):
        _give_first_page(path, copy, first_page)
        path = copy
    found = Salvaged(path)
    with closing(_connect(path)) as db:
        try:
            found.linked = any(row[0] == META_LINKED.encode() for row in db.execute(META_ALL))
            found.meta = _read_meta(db)
            found.genesis = _read_history(db, found)
        except sqlite3.Error as error:
            raise Damaged(f"{path} cannot be read: {error}") from error
        except Damaged as error:
            raise error if found.linked else NobodyHas(error) from error
        with suppress(sqlite3.Error):
            if not list(check_journal(db)):
                found.journal = db.execute(JOURNAL).fetchall()
                found.journal_head = db.execute("SELECT number, crc FROM journal_head").fetchone()
    return found


def _read_meta(db: sqlite3.Connection) -> dict[bytes, bytes]:
    """Raises `Damaged` where one is not what was written that nobody else can give back."""
    found: dict[bytes, bytes] = {}
    for row in db.execute(META_ALL):
        if intact(meta_sum, row):
            found[row[0]] = row[1]
        elif row[0] not in MAY_GO:
            raise Damaged(f"the setting {row[0]!r} is damaged")
    for needed in (b"network-secret", b"floor"):
        if needed not in found:
            raise Damaged(f"the setting {needed!r} is not there")
    return found


def _read_history(db: sqlite3.Connection, found: Salvaged) -> bytes:
    """Collect the artifacts; returns the genesis. Raises `Damaged` when it is not among them."""
    genesis = found.meta.get(b"genesis", b"")
    for row in _rows(db, "snapshot", SNAPSHOT_COLUMNS):
        if not intact(snapshot_sum, row):
            continue
        if row[2] == 0:
            genesis = genesis or row[7]
        else:
            found.artifacts.append(row[7])
    found.artifacts += [row[2] for row in _rows(db, "artifact", _ARTIFACT) if intact(artifact_sum, row)]
    if not genesis:
        raise Damaged("its genesis is damaged")
    return genesis


def _rows(db: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """All rows of `table` that can be read, whatever of its pages cannot."""
    sql = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
    last, leap = -(2**62), 1
    while leap <= LEAP_MAX:
        try:
            for row in db.execute(sql, (last,)):
                last, leap = row[0], 1
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            last, leap = max(last, 0) + leap, leap * 2


def sound_contents(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """The contents in `source` that hold what their ids say, one after the other; with their ids."""
    with closing(_connect(source)) as db:
        for id_, data in _rows(db, "content", "id, data"):
            if isinstance(data, bytes) and sha256(data).digest() == id_:
                yield id_, data


def adopt_files(store: SqliteStore) -> None:
    """Make the contents that are files beside `store`, and hold what their ids say, part of it, durably."""
    for id_ in list(store.files.ids()):
        data = store.files.read(id_)
        if data is not None and sha256(data).digest() == id_:
            store.apply([])  # opens the transaction
            store.db.execute(CONTENT_FILE_PUT, (id_, len(data), content_file_sum(id_, len(data))))
            store.commit()


def put_journal(store: SqliteStore, salvaged: Salvaged) -> None:
    """Put the promises into a new store; it holds none yet."""
    marks = ", ".join("?" * (1 + len(JOURNAL_COLUMNS.split(","))))
    columns = f"number, {JOURNAL_COLUMNS}"
    rows = [(row[0], row[1].decode(), *row[2:]) for row in salvaged.journal]
    with store.db:
        store.db.execute("BEGIN IMMEDIATE")
        store.db.executemany(f"INSERT INTO journal ({columns}) VALUES ({marks})", rows)
        store.db.execute("UPDATE journal_head SET number = ?, crc = ?", salvaged.journal_head or (0, 0))
