"""The store of a home: one SQLite file, one connection, one transaction between two commits.

How it works. `apply` turns writes into statements (`writes`), groups them by table, and runs them in bulk
inside a transaction that `commit` makes durable (WAL, synchronous=FULL). Whatever fails, in either, rolls
back everything since the last commit before it is raised: the file, the branches kept in memory and the end
of the signing journal are then what they were. Reads are in `reading`. Large contents are files (`contents`),
in their places before the transaction that names them commits.

What is damaged is replaced, not mended: `DropArtifacts` and `DropContent` make room for a fresh copy, and a
`PutSnapshot` takes a damaged snapshot's place. A damaged signing journal raises `JournalDamaged` from then on
and takes no more promises: a node that cannot know what it promised must not promise (S11).
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package and question marks

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aslp2p.errors import AslError, Damaged, DiskFault, InvariantBroken, JournalDamaged
from aslp2p.ledger.reader import (
    BranchRow,
    DropBranchAbove,
    DropContent,
    DropStaged,
    EraseContents,
    PutBranch,
    PutContent,
    PutJournal,
    PutSnapshot,
    PutStaged,
    Write,
)
from aslp2p.store import check
from aslp2p.store.check import BRANCH_ALL, RECENT, SNAPSHOT_COLUMNS, Finding
from aslp2p.store.contents import SMALL_BYTES_MAX, ContentFiles, folder_of
from aslp2p.store.faults import damaged, fault_of
from aslp2p.store.lineage import Lineage
from aslp2p.store.moving import move_contents
from aslp2p.store.opening import CHECKPOINT_PAGES, open_database
from aslp2p.store.reading import SqliteReader
from aslp2p.store.rows import branch_sum, intact, journal_sum, snapshot_sum
from aslp2p.store.writes import STATEMENTS_OF, Statement, put_content_file

logger = logging.getLogger(__name__)

_JOURNAL_PUT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_JOURNAL_HEAD = "UPDATE journal_head SET number = ?, crc = ?"


class SqliteStore(SqliteReader):
    """A `Store` in the file `path`.

    `opened_with` lists the damage to the journal and to recent snapshots that opening found (`check`).
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        salvage: bool = False,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        small_bytes_max: int = SMALL_BYTES_MAX,
    ) -> None:
        """Open, creating it if need be and bringing it up to date.

        Raises `UserError` (none to read, not ours, from a newer version, in use), `DiskFault`, and `Damaged`
        if a row that everything stands on is; with `salvage`, which is for `fsck` alone, such rows are left
        out instead.
        """
        self.path = path
        self.lineage = Lineage()
        self.journal_fault = None
        self.recent = {}
        self.last_promises = {}
        self._small_bytes_max = small_bytes_max
        self._undo: tuple[Lineage, int, int] | None = None
        self._erasing = False
        """Something was erased that the write-ahead log may still hold."""
        try:
            self.db = open_database(path, read_only=read_only, checkpoint_pages=checkpoint_pages)
        except sqlite3.Error as error:
            raise fault_of(error, path) from error
        except OSError as error:
            raise DiskFault(
                f"{path} cannot be opened ({error.strerror})", remedy="check the disk and its folder"
            ) from error
        try:
            self.files = ContentFiles(folder_of(path), read_only=read_only)
            self.opened_with = self._look(salvage)
            self._load(salvage)
            if not read_only and not salvage:
                self.files.remove(self.lacking_content(self.files.dropped()))
                self.files.forget_dropped()
                move_contents(self.db, self.files, small_bytes_max)
                self._derive_state()
                with suppress(sqlite3.Error):  # a full disk puts it off
                    self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (sqlite3.Error, OSError) as error:
            self.db.close()
            raise fault_of(error, path) from error
        except BaseException:
            self.db.close()
            raise

    def _derive_state(self) -> None:
        """Make the facts anew, where an older version made them (migration 3); what stands in the way is for
        `asl fsck`, and is tried again with the next start."""
        if self.db.execute("SELECT 1 FROM state_again").fetchone() is None:
            return
        from aslp2p.store.derive import derive_again  # rarely needed, and all that judges comes with it

        logger.info("deriving the state from the history again; this is done once")
        if (hindrance := derive_again(self, lambda _: None)) is not None:
            logger.warning("%s: %s", self.path, hindrance.what)
            return
        self.db.execute("DELETE FROM state_again")

    def _look(self, salvage: bool) -> tuple[Finding, ...]:
        try:
            if not salvage:
                for finding in (*check.check_meta(self.db), *check.check_branches(self.db)):
                    raise damaged(f"{self.path}: {finding.what}")
            broken = tuple(check.check_journal(self.db, last=RECENT))
            for finding in broken:
                self.journal_fault = JournalDamaged(finding.what, remedy=finding.remedy)
            return broken + tuple(check.check_recent_snapshots(self.db))
        except sqlite3.Error as error:
            fault = fault_of(error, self.path)
            if salvage and isinstance(fault, Damaged):
                return (Finding("file", fault.message),)
            raise fault from error

    def _load(self, salvage: bool) -> None:
        for row in self._rows(BRANCH_ALL):
            if not salvage or intact(branch_sum, row):
                self.lineage.put(BranchRow(*row[:-1]))
        head: tuple[int, int] | None = self._row("SELECT number, crc FROM journal_head")
        self._promises_made, self._last_crc = head or (0, 0)

    # --- writing ------------------------------------------------------------------------------------

    def apply(self, writes: Iterable[Write]) -> None:
        """Apply in order inside the open transaction (opening one if needed); visible to reads at once.

        Raises `DiskFault`, `JournalDamaged`, `InvariantBroken` (two snapshots in one place); then all that
        was applied since the last commit is forgotten.
        """
        try:
            self._begin()
            waiting: dict[str, tuple[str, list[tuple[Any, ...]]]] = {}
            for write in writes:
                for table, sql, rows in self._statements(write):
                    queued = waiting.get(table)
                    if queued is not None and queued[0] is sql:
                        queued[1].extend(rows)
                        continue
                    if queued is not None:
                        self._run(*queued)
                    waiting[table] = (sql, list(rows))
            for queued in waiting.values():
                self._run(*queued)
        except (sqlite3.Error, OSError) as error:
            self._forget(error)
            raise fault_of(error, self.path) from error
        except BaseException as error:
            self._forget(error)
            raise

    def _begin(self) -> None:
        if self._undo is None:
            self.db.execute("BEGIN IMMEDIATE")
            self._undo = (self.lineage.copy(), self._promises_made, self._last_crc)

    def _statements(self, write: Write) -> tuple[Statement, ...]:
        if type(write) is PutJournal:
            return self._promise(write)
        if type(write) is PutBranch:
            self.lineage.put(write.row)
        elif type(write) is PutSnapshot:
            self.recent.pop(write.row.id, None)
            self.remember(write.row)
        elif type(write) is DropBranchAbove:
            self.recent.clear()
        elif type(write) is PutContent and len(write.data) > self._small_bytes_max:
            self.files.put(write.id, write.data)
            return put_content_file(write.id, len(write.data))
        elif type(write) is PutStaged:
            if write.staged.fault is not None:
                raise write.staged.fault
            self.files.adopt(write.staged.id, write.staged.place)
            return put_content_file(write.staged.id, write.staged.size)
        elif type(write) is DropStaged:
            with suppress(FileNotFoundError):
                os.unlink(write.staged.place)
            return ()
        elif type(write) is DropContent:
            self.files.drop(write.id)
        elif type(write) is EraseContents:
            self.files.erase(write.ids)
            self._erasing = True
        return STATEMENTS_OF[type(write)](write)

    def _promise(self, write: PutJournal) -> tuple[Statement, ...]:
        if self.journal_fault is not None:
            raise self.journal_fault
        row = write.row
        self.last_promises[row.kind] = row
        self._promises_made += 1
        values = (row.kind, row.epoch, row.height, row.subject, row.raw, self._last_crc)
        self._last_crc = journal_sum(row.kind.encode(), *values[1:])
        return (
            ("journal", _JOURNAL_PUT, ((self._promises_made, *values, self._last_crc),)),
            ("journal_head", _JOURNAL_HEAD, ((self._promises_made, self._last_crc),)),
        )

    def _run(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        try:
            self.db.executemany(sql, rows)
        except sqlite3.IntegrityError:
            for row in rows:
                self._make_room(row)
                self.db.execute(sql, row)

    def _make_room(self, row: tuple[Any, ...]) -> None:
        """Forget a damaged snapshot under another id where snapshot `row` belongs (a place takes one; nothing
        else has two columns that are unique)."""
        self.recent.clear()
        sql = f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot WHERE branch = ? AND height = ? AND id != ?"
        for other in self.db.execute(sql, (row[1], row[2], row[0])).fetchall():
            if intact(snapshot_sum, other):
                raise InvariantBroken(f"two snapshots at height {row[2]} of branch {row[1]}")
            self.db.execute(
                "DELETE FROM snapshot WHERE branch = ? AND height = ? AND id != ?", (row[1], row[2], row[0])
            )

    def commit(self) -> None:
        """Make all that was applied durable, synced to disk. Raises `errors.DiskFault`; then nothing was
        written."""
        if self._undo is None:
            return
        try:
            self.files.settle()
            self.db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._forget(error)
            raise fault_of(error, self.path) from error
        self._undo = None
        self.files.committed()
        if self._erasing:
            self._empty_log()

    def _empty_log(self) -> None:
        """What was erased is in no page of the file (`secure_delete`); nor in the write-ahead log then."""
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error
        self._erasing = False

    def rollback(self) -> None:
        """Forget what was applied since the last commit."""
        if self._undo is None:
            return
        self.lineage, self._promises_made, self._last_crc = self._undo
        self._undo = None
        self.recent.clear()
        self.last_promises.clear()
        settled = self.files.forget()
        try:
            if self.db.in_transaction:  # a failed write may have ended it already
                self.db.execute("ROLLBACK")
            self.files.remove(self.lacking_content(settled))
        except (sqlite3.Error, OSError) as error:
            raise fault_of(error, self.path) from error

    def _forget(self, error: BaseException) -> None:
        """Roll back because of `error`, which is the one to raise whatever comes of this."""
        try:
            self.rollback()
        except AslError as second:
            error.add_note(f"rolling back failed too: {second}")

    def copy_to(self, path: Path) -> None:
        """Write all that is stored, what waits for a commit too, to the new file `path` and beside it.

        Raises `DiskFault`; the file may be there in part then.
        """
        self.commit()
        try:
            target = sqlite3.connect(path, isolation_level=None)
            try:
                self.db.backup(target)
            finally:
                target.close()
            self.files.copy_to(folder_of(path))
        except (sqlite3.Error, OSError) as error:
            raise DiskFault(f"cannot copy {self.path} to {path}: {error}", remedy="make room") from None

    def close(self) -> None:
        """Forget what is not committed, move the WAL into the file, and let go of it."""
        try:
            self.rollback()
        finally:
            self.db.close()
