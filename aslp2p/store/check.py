"""What is looked at whenever a store is opened: little enough that it does not grow with the history.

All of `meta` and `branch`, the last promises of the signing journal with their chain, and the last snapshots
with theirs. `fsck` looks at everything else.
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package and question marks

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from aslp2p.store.rows import branch_sum, intact, journal_sum, meta_sum, snapshot_sum

RECENT = 64
"""Snapshots, and promises, that opening looks at."""

META_ALL = "SELECT key, value, crc FROM meta ORDER BY key"
BRANCH_ALL = (
    "SELECT branch, parent, fork_height, tip_height, tip_id, audited_height, crc FROM branch ORDER BY branch"
)
SNAPSHOT_COLUMNS = "id, branch, height, previous, epoch, signer, log_size, raw, crc"
JOURNAL_COLUMNS = "kind, epoch, height, subject, raw, before, crc"


class Finding(Struct, frozen=True):
    """Something stored that is not what was written. `ids` name it, for whoever has to fetch it again."""

    table: str
    what: str
    ids: tuple[bytes, ...] = ()
    remedy: str = ""
    repaired: bool = False


def check_meta(db: sqlite3.Connection) -> Iterator[Finding]:
    for row in db.execute(META_ALL):
        if not intact(meta_sum, row):
            yield Finding(
                "meta", f"the setting {row[0]!r} is damaged", remedy="restore the home from a backup"
            )


def check_branches(db: sqlite3.Connection) -> Iterator[Finding]:
    for row in db.execute(BRANCH_ALL):
        if not intact(branch_sum, row):
            yield Finding(
                "branch", f"the row of branch {row[0]!r} is damaged", remedy="made again from its snapshots"
            )


def check_journal(db: sqlite3.Connection, *, last: int | None = None) -> Iterator[Finding]:
    """The chain of promises, the `last` ones or all, and that it ends where it should."""
    number, crc = db.execute("SELECT number, crc FROM journal_head").fetchone() or (None, None)
    ends = db.execute("SELECT max(number) FROM journal").fetchone()[0] or 0
    if number != ends:
        yield _broken(f"it ends at promise {ends} and should end at {number}")
        return
    # Forward over the last ones, so that a whole journal need not be in memory.
    first = 1 if last is None else max(1, ends - last + 1)
    expected, before = first, 0 if first == 1 else None
    for position, *row in db.execute(
        f"SELECT number, {JOURNAL_COLUMNS} FROM journal WHERE number >= ? ORDER BY number", (first,)
    ):
        if position != expected:
            yield _broken(f"promise {expected} is missing")
            return
        if not intact(journal_sum, row) or (before is not None and row[-2] != before):
            yield _broken(f"promise {position} is not what was written")
            return
        expected, before = position + 1, row[-1]
    if (before or 0) != crc:
        yield _broken("its last promise is not the last that was made")


def _broken(what: str) -> Finding:
    return Finding(
        "journal", f"the signing journal is damaged: {what}", remedy="never sign with this key again (S11)"
    )


def check_recent_snapshots(db: sqlite3.Connection) -> Iterator[Finding]:
    """The snapshots stored last: their checksums, and that each names the one before it."""
    above: dict[int, tuple[int, bytes]] = {}
    for row in db.execute(f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot ORDER BY rowid DESC LIMIT ?", (RECENT,)):
        id_, branch, height, previous = row[:4]
        following, named = above.get(branch, (None, b""))
        linked = following == height + 1 if isinstance(height, int) else False
        if not intact(snapshot_sum, row) or (linked and named != id_):
            ids = (named,) if linked else (id_,) if isinstance(id_, bytes) else ()
            yield Finding("snapshot", f"snapshot {height} is damaged", ids, "fetch it again from a peer")
        else:
            above[branch] = (height, previous)
