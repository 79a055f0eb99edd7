"""What SQLite says, in our words and by whose fault it is."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from aslp2p.errors import AslError, Damaged, DiskFault, InvariantBroken, UserError

FSCK = "run `asl fsck`"

_FULL = {sqlite3.SQLITE_FULL}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_REFUSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_FORMAT}


def damaged(message: str, *ids: bytes) -> Damaged:
    """A `Damaged` whose remedy is `asl fsck`."""
    error = Damaged(message, ids)
    error.remedy = FSCK
    return error


def fault_of(error: sqlite3.Error | OSError, path: Path) -> AslError:
    """The error of ours that stands for `error`, met at the store `path`."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFault(f"the disk that holds {path} is full", remedy="free some space")
        return DiskFault(
            f"the disk failed at {path} ({error.strerror})", remedy="check the disk, and who owns its files"
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return DiskFault(f"the disk that holds {path} is full", remedy="free some space")
    if code in _FAILED:
        return DiskFault(f"the disk failed at {path} ({error})", remedy="check the disk and its cable")
    if code in _REFUSED:
        return DiskFault(
            f"{path} cannot be opened or written ({error})", remedy="check its owner and permissions"
        )
    if code in _DAMAGED:
        return damaged(f"{path} is damaged ({error})")
    if code in _IN_USE:
        return UserError(f"{path} is in use by another process", remedy="stop it, or ask the running daemon")
    return InvariantBroken(f"SQLite refused what it should do at {path}: {error}")
