"""What files of this machine hold, as `asl put` last read them: an unchanged file need not be read again.

An entry is found by the file's device and inode, and holds while size and both times are what they were. It
is kept only if the file had been left alone for `CLOCK_NS` when it was read: a file system's clock may not
tell two writes apart. It is a help and no more: lost, damaged or read-only it costs a reading, and it is in
no backup.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

CLOCK_NS = 2 * 10**9
ENTRIES_MAX = 500_000
"""About 100 bytes each; the oldest go first."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY, device INTEGER NOT NULL,"
    " inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,"
    " content BLOB NOT NULL, UNIQUE (device, inode))"
)


class Stamp(NamedTuple):
    """By what a file is known again."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self, now_ns: int) -> bool:
        """Whether the file has been left alone for a while."""
        return max(self.mtime_ns, self.ctime_ns) + CLOCK_NS < now_ns


class Seen:
    """The entries in the file `path`; of any thread. Nothing here raises but for a bug."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def find(self, stamp: Stamp) -> bytes | None:
        """The id of what the file held, if it is still the same."""
        with self._lock:
            try:
                row = (
                    self._opened()
                    .execute(
                        "SELECT size, mtime_ns, ctime_ns, content FROM seen WHERE device = ? AND inode = ?",
                        (_signed(stamp.device), _signed(stamp.inode)),
                    )
                    .fetchone()
                )
            except (sqlite3.Error, OSError):
                self._start_again()
                return None
        return row[3] if row is not None and row[:3] == tuple(stamp[2:]) else None

    def note(self, stamp: Stamp, content: bytes) -> None:
        """A file that is settled holds `content`."""
        with self._lock:
            try:
                db = self._opened()
                with db:
                    number = db.execute(
                        "INSERT OR REPLACE INTO seen VALUES"
                        " ((SELECT ifnull(max(number), 0) + 1 FROM seen), ?, ?, ?, ?, ?, ?)",
                        (_signed(stamp.device), _signed(stamp.inode), *stamp[2:], content),
                    ).lastrowid
                    db.execute("DELETE FROM seen WHERE number <= ?", ((number or 0) - ENTRIES_MAX,))
            except (sqlite3.Error, OSError):
                self._start_again()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(self._path, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_TABLE)
        return self._db

    def _start_again(self) -> None:
        """Damaged, of somebody else's making, or on a full disk: without it, and anew the next time."""
        if self._db is not None:
            self._db.close()
            self._db = None
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _signed(number: int) -> int:
    """As SQLite holds an integer of 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number
