"""What an older version kept in the database is moved into files, a step at a time, when a store is opened.

Each step writes a few contents to files, and forgets their rows in the transaction that names the files. So
a kill, or a full disk, between any two steps leaves every content in one place or the other, and the next
opening goes on. What is damaged stays where it is, for `asl fsck`. At the end the database is packed: only
that gives its space back.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from hashlib import sha256

from aslp2p.limits import MIB
from aslp2p.store.contents import ContentFiles
from aslp2p.store.rows import content_file_sum
from aslp2p.store.writes import CONTENT_FILE_PUT

STEP_ROWS = 32
FREE_BYTES_MIN = 256 * MIB
"""What a step leaves free: until the database is packed, each content takes its space twice."""

logger = logging.getLogger(__name__)


def move_contents(db: sqlite3.Connection, files: ContentFiles, small_bytes_max: int) -> None:
    """Do, or go on with, what is left of it. Raises `sqlite3.Error` and `OSError`."""
    if (row := db.execute("SELECT after FROM content_move").fetchone()) is None:
        return
    after = int(row[0])
    moved = 0
    while rows := db.execute(
        "SELECT number, id, data FROM content WHERE number > ? AND length(data) > ? ORDER BY number LIMIT ?",
        (after, small_bytes_max, STEP_ROWS),
    ).fetchall():
        if not moved:
            logger.info("moving large contents out of the database into files; this is done once")
        if _free_bytes(files) < FREE_BYTES_MIN:
            logger.warning("contents stay in the database for now: there is little space on the disk")
            return
        after = rows[-1][0]
        _step(db, files, rows, after)
        moved += sum(len(data) for _, _, data in rows)
        logger.info("%d MiB of contents are in files", moved // MIB)
    db.execute("DELETE FROM content_move")
    if moved:
        db.execute("VACUUM")


def _step(
    db: sqlite3.Connection, files: ContentFiles, rows: list[tuple[int, bytes, bytes]], after: int
) -> None:
    sound = [(number, id_, data) for number, id_, data in rows if sha256(data).digest() == id_]
    try:
        for _, id_, data in sound:
            files.put(id_, data)
        files.settle()
        db.execute("BEGIN IMMEDIATE")
        db.executemany(
            CONTENT_FILE_PUT, [(id_, len(data), content_file_sum(id_, len(data))) for _, id_, data in sound]
        )
        db.executemany("DELETE FROM content WHERE number = ?", [(number,) for number, _, _ in sound])
        db.execute("UPDATE content_move SET after = ?", (after,))
        db.execute("COMMIT")
    except BaseException:
        files.forget()
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    files.committed()


def _free_bytes(files: ContentFiles) -> int:
    status = os.statvfs(files.folder.parent)
    return status.f_bavail * status.f_frsize
