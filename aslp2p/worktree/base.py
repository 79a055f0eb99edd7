"""What a folder and a history last agreed on: a small database in the folder itself, `.asl-checkout`.

It is in the folder so that the two are never about different things: a folder that is renamed, copied or
restored from a backup brings its own, and an unmounted, emptied or exchanged one has none (then nothing is
taken for removed). It is this user's own file, and no path in it leads out of the folder.

Rows are written in the transaction that `commit` ends. A crash before that loses what the next plan finds
again: a file that is alike on both sides is simply noted. Only `offered` has to be on disk before a proposal
is out, and `forget` before a file is set aside.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from aslp2p.artifacts.text import path_problem
from aslp2p.errors import DiskFault, UserError
from aslp2p.worktree.disk import Status
from aslp2p.worktree.names import RECORD
from aslp2p.worktree.system import set_mode
from aslp2p.worktree.trees import Identity, Like

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE agreed (path TEXT PRIMARY KEY, content TEXT NOT NULL, executable INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE offered (path TEXT PRIMARY KEY, content TEXT, executable INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (path TEXT PRIMARY KEY, inode INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, read_at INTEGER NOT NULL, content TEXT NOT NULL
) WITHOUT ROWID;
"""
_SCHEMA_VERSION = 1
_UNSIGNED = 2**64


class Seen(NamedTuple):
    """What a file held when it was read, and when that was, by the file system's own clock."""

    identity: Identity
    ctime_ns: int
    read_at_ns: int
    content: str


class Base:
    """The database of one folder, open; see `opened_base`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        if self._one("PRAGMA user_version") == 0:
            db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={_SCHEMA_VERSION};COMMIT;")
            self._db.execute("INSERT INTO about VALUES ('id', ?)", (token_hex(16),))
            self.commit()
        elif self._one("PRAGMA user_version") != _SCHEMA_VERSION:
            raise sqlite3.DatabaseError("written by another version of aslp2p")

    def check(self) -> None:
        """Raises `sqlite3.DatabaseError` unless every path stays in the folder."""
        for table in ("agreed", "offered", "seen"):
            for (path,) in self._db.execute(f"SELECT path FROM {table}"):  # noqa: S608 - from the line above
                if not isinstance(path, str) or path_problem(path) is not None:
                    raise sqlite3.DatabaseError("it holds what no path can be")

    @property
    def id(self) -> str:
        """What tells this folder from any other."""
        return self.about("id") or ""

    def about(self, name: str) -> str | None:
        """What was noted under `name` about the whole folder: the Common, the path in it, the height."""
        found = self._one("SELECT value FROM about WHERE name = ?", name)
        return None if found is None else str(found)

    def note(self, name: str, value: str) -> None:
        """Note `value` under `name`."""
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def agreed(self) -> dict[str, Like]:
        """The base tree."""
        rows = self._db.execute("SELECT path, content, executable FROM agreed")
        return {path: Like(content, bool(executable)) for path, content, executable in rows}

    def agree(self, path: str, like: Like) -> None:
        """Folder and history agree about `path`."""
        self._db.execute(
            "INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)", (path, like.content, like.executable)
        )
        self._db.execute("DELETE FROM offered WHERE path = ?", (path,))

    def forget(self, path: str) -> None:
        """Nothing is agreed about `path` any more."""
        self._db.execute("DELETE FROM agreed WHERE path = ?", (path,))
        self._db.execute("DELETE FROM offered WHERE path = ?", (path,))

    def offered(self) -> dict[str, Like | None]:
        """What this folder proposed last, by path; None: a removal."""
        rows = self._db.execute("SELECT path, content, executable FROM offered")
        return {path: None if content is None else Like(content, bool(x)) for path, content, x in rows}

    def offer(self, path: str, like: Like | None) -> None:
        """What is about to be proposed; to be committed before it is."""
        content, executable = (None, False) if like is None else like
        self._db.execute("INSERT OR REPLACE INTO offered VALUES (?, ?, ?)", (path, content, executable))

    def settled(self, path: str) -> None:
        """Nothing that was proposed about `path` is under way any more."""
        self._db.execute("DELETE FROM offered WHERE path = ?", (path,))

    def seen(self) -> dict[str, Seen]:
        """What has been read of the folder."""
        rows = self._db.execute("SELECT path, inode, size, mtime, ctime, read_at, content FROM seen")
        return {
            path: Seen(Identity(inode % _UNSIGNED, size, mtime), ctime, read_at, content)
            for path, inode, size, mtime, ctime, read_at, content in rows
        }

    def saw(self, path: str, status: Status, read_at_ns: int, content: str) -> None:
        """`path` was read, whole and unchanged meanwhile."""
        inode, size, mtime = status.identity
        inode -= _UNSIGNED if inode >= _UNSIGNED // 2 else 0
        row = (path, inode, size, mtime, status.ctime_ns, read_at_ns, content)
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def unsee(self, path: str) -> None:
        """`path` is no file any more."""
        self._db.execute("DELETE FROM seen WHERE path = ?", (path,))

    def commit(self) -> None:
        """On disk when this returns. Raises `DiskFault`, and nothing of it is."""
        try:
            self._db.commit()
        except sqlite3.OperationalError as error:
            self._db.rollback()
            raise DiskFault(
                f"cannot write what this folder agreed on ({error})", remedy="make room"
            ) from None

    def _one(self, sql: str, *values: str) -> object:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]


@contextmanager
def opened_base(folder: str, *, make: bool = True) -> Iterator[Base]:
    """The base in `folder`; if there is none, it is made if `make` is true.

    Raises `UserError` when it is not there, no file, another user's, damaged, or in use by another process.
    """
    path = os.path.join(folder, RECORD)
    has_base(folder)
    db = None
    try:
        address = f"{Path(path).absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
        db = sqlite3.connect(address, timeout=2.0, isolation_level="IMMEDIATE", uri=True)
        set_mode(path, 0o600)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA synchronous=FULL")
        base = Base(db)
        base.check()
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise _unusable(path, error) from None
    try:
        yield base
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    finally:
        db.close()


def has_base(folder: str) -> bool:
    """Whether there is a base in `folder`. Raises `UserError` unless it is a file of this user: it says what
    may be replaced and removed here.
    """
    path = os.path.join(folder, RECORD)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})", remedy="see who owns it") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(
            f"{path} is no file; aslp2p keeps there what this folder was written from",
            remedy="see who put it there, and remove it",
        )
    if status.st_uid != os.geteuid():
        raise UserError(
            f"{path} belongs to another user (uid {status.st_uid})",
            remedy="do this as them, or in another folder",
        )
    return True


def _unusable(path: str, error: sqlite3.Error) -> UserError:
    if "locked" in str(error):
        return UserError(
            f"another aslp2p is at work in {os.path.dirname(path)}", remedy="wait until it is done"
        )
    if isinstance(error, sqlite3.OperationalError):
        return UserError(f"cannot write into {os.path.dirname(path)} ({error})", remedy="name another folder")
    return UserError(
        f"{path} cannot be used ({error})",
        remedy=f"nothing is lost without it, what is alike is found again; type: rm {path}",
    )
