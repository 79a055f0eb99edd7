"""What is never put, by whatever way: files that hold the secret of a machine or of its network.

They are known by what is in them, not by where they lie: a copy, another name and a hard link are all the
same to whoever reads them afterwards. What is packed or sealed by another program is not looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from aslp2p.errors import UserError
from aslp2p.home.marks import HOME_FILE_MAGIC, KEY_MARK
from aslp2p.store.mark import APPLICATION_ID

HeadOf = Callable[[str], bytes]
"""The first `HEAD_BYTES` of a file of the folder; empty where it cannot be read."""
HEAD_BYTES = 128
KEY_NAME = "key"
WAL_SUFFIX = "-wal"
A_KEY = "holds a domain key: whoever has it can be that machine for ever"
A_HOME = "is a home of aslp2p, or a copy of one, with a machine's secret"
_A_HOME_FILE = "is a backup or a moved home of aslp2p, with a machine's key"
A_STORE = "is a store of aslp2p, with the secret of its network"
_SQLITE = b"SQLite format 3\x00"
_SQLITE_APPLICATION = slice(68, 72)
_WAL_MAGICS = (0x377F0682.to_bytes(4, "big"), 0x377F0683.to_bytes(4, "big"))


def why_never(head: bytes) -> str | None:
    """Why a file that begins with `head` is never put; None where nothing is against it.

    `head` is its first chunk: a store's write-ahead log shows only in its pages that it is one of ours.
    """
    if head.startswith(KEY_MARK):
        return A_KEY
    if head.startswith(HOME_FILE_MAGIC[:-1]):
        return _A_HOME_FILE
    if head.startswith(_WAL_MAGICS):
        return A_STORE if any(map(_is_store, _first_pages(head))) else None
    return A_STORE if _is_store(head) else None


def require_puttable(head: bytes) -> None:
    """Raises `UserError` for what is never put; `head` is its first chunk."""
    if (why := why_never(head)) is not None:
        raise UserError(f"this {why}, and is never put", remedy="keep it out of what you put")


def is_home(files: Collection[str], head_of: HeadOf) -> bool:
    """Whether a folder with these files, by name, is a home: the key of one is there."""
    return KEY_NAME in files and head_of(KEY_NAME).startswith(KEY_MARK)


def logs_of_stores(files: Collection[str], head_of: HeadOf) -> set[str]:
    """Those of a folder's files that are the write-ahead log of a store beside it: by itself, a log need not
    show whose it is."""
    logs = {name for name in files if name.endswith(WAL_SUFFIX)}
    return {
        name
        for name in logs
        if (store := name.removesuffix(WAL_SUFFIX)) in files and _is_store(head_of(store))
    }


def _is_store(head: bytes) -> bool:
    return head.startswith(_SQLITE) and head[_SQLITE_APPLICATION] == APPLICATION_ID.to_bytes(4, "big")


def _first_pages(log: bytes) -> list[bytes]:
    """What a write-ahead log holds of a database's first page, as often as it was written."""
    pages = []
    at = log.find(_SQLITE)
    while at >= 0:
        pages.append(log[at : at + _SQLITE_APPLICATION.stop])
        at = log.find(_SQLITE, at + 1)
    return pages
