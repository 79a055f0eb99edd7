"""Opening the file: created 0600, configured, brought up to date, held by this process alone.

One connection, in WAL with exclusive locking: there is no shared memory file, and a second process is refused
at once (SQLite before 3.51.3 can lose a WAL that several connections write). `synchronous=FULL`: a commit is
on disk when it returns. A checkpoint comes every `CHECKPOINT_PAGES` pages of WAL: 8 MiB, or eight pieces of
content.
"""

from __future__ import annotations

import os
import sqlite3
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.errors import ArtifactError, UserError
from aslp2p.ledger.facts import Member, unpack
from aslp2p.store.contents import sync_folder
from aslp2p.store.faults import damaged
from aslp2p.store.mark import APPLICATION_ID

CACHE_KIB = 8192
CHECKPOINT_PAGES = 2048
JOURNAL_BYTES_KEPT = 16 * 1024 * 1024
BUSY_TIMEOUT_S = 2.0
STATEMENTS_CACHED = 256


@cache
def migrations() -> tuple[str, ...]:
    """The SQL of each migration, the one that makes version 1 first."""
    folder = files("aslp2p.store").joinpath("migrations")
    scripts = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name
    )
    return tuple(entry.read_text(encoding="utf-8") for entry in scripts)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _schema(db: sqlite3.Connection) -> list[tuple[bytes, ...]]:
    return db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()


def _migrate(db: sqlite3.Connection, first: int) -> None:
    for version, script in enumerate(migrations()[first:], first + 1):
        db.executescript(f"BEGIN IMMEDIATE;{script}\nPRAGMA user_version={version};COMMIT;")


@cache
def _expected_schema() -> list[tuple[bytes, ...]]:
    """What the schema reads after all migrations."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.text_factory = bytes
    _migrate(db, 0)
    schema = _schema(db)
    db.close()
    return schema


def _create(path: Path) -> None:
    """The empty file, readable by its owner alone, and its name, on disk."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_folder(path.parent)


def _require_readable(db: sqlite3.Connection, path: Path) -> None:
    """Raises `UserError` for a store from before the bytes of a history were what they are: what is signed in
    it cannot be read any more, by nobody, and no release ever wrote one."""
    columns = {row[1] for row in db.execute("PRAGMA table_info(artifact)")}
    readable = b"audited" in columns
    for (raw,) in db.execute("SELECT raw FROM artifact ORDER BY number LIMIT 64") if readable else ():
        try:
            decode_artifact(raw)
        except ArtifactError:
            readable = False
    for (value,) in db.execute("SELECT value FROM fact WHERE substr(key, 1, 1) = x'6d' LIMIT 64"):
        try:
            readable = readable and bool(unpack(Member, value))
        except msgspec.ValidationError:
            readable = False
    if not readable:
        raise UserError(
            f"{path} was written before the first release, in a form that is read no more",
            remedy="get its files out with the version that wrote it, and put them into a new Common",
        )


def open_database(path: Path, *, read_only: bool, checkpoint_pages: int) -> sqlite3.Connection:
    """The connection to `path`, created unless `read_only`.

    Raises `UserError` (no such store, not a store of ours, from a newer version, in use), `Damaged` (its
    schema), `OSError` and `sqlite3.Error`.
    """
    if not path.exists():
        if read_only:
            raise UserError(f"there is no store at {path}", remedy="type `asl init` or `asl join`")
        _create(path)
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    try:
        db.text_factory = bytes  # text with a flipped bit may not be UTF-8 any more; rows.intact finds it
        _configure(db, path, read_only=read_only, checkpoint_pages=checkpoint_pages)
    except (
        UnicodeDecodeError
    ) as error:  # raised instead of SQLite's error, whose text quotes the damaged schema
        db.close()
        raise damaged(f"the schema of {path} is not what was written") from error
    except BaseException:
        db.close()
        raise
    return db


def _configure(db: sqlite3.Connection, path: Path, *, read_only: bool, checkpoint_pages: int) -> None:
    if not read_only:  # a reader must not lock out whoever comes to write
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
    for pragma in (
        f"cache_size=-{CACHE_KIB}",
        "temp_store=MEMORY",
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "secure_delete=ON",
        "synchronous=FULL",
        "fullfsync=ON",
        "checkpoint_fullfsync=ON",
        f"wal_autocheckpoint={checkpoint_pages}",
        f"journal_size_limit={JOURNAL_BYTES_KEPT}",
    ):
        db.execute(f"PRAGMA {pragma}")
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    version = _version(db)
    if application != APPLICATION_ID and (application or version or _schema(db)):
        raise UserError(f"{path} is not a store of aslp2p", remedy="check --home")
    if version > len(migrations()):
        raise UserError(f"{path} was written by a newer aslp2p", remedy="upgrade aslp2p on this machine")
    if version < len(migrations()):
        if read_only:
            raise UserError(f"{path} was written by an older aslp2p", remedy="start it once with `asl up`")
        if version == 1:
            _require_readable(db, path)
        # The id first, into the file itself: a copy is known for a store before any checkpoint.
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA journal_mode=WAL")
        _migrate(db, version)
    elif not read_only:
        db.execute("PRAGMA journal_mode=WAL")
    if _schema(db) != _expected_schema():
        raise damaged(f"the schema of {path} is not what was written")
