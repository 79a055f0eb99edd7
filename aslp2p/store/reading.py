"""The reads of a home's store (`sqlite`), each a bounded number of seeks.

Every row is read with its checksum (`rows`) and content with its hash; what does not hold raises `Damaged`,
with ids where there are any. A node asks for the same few snapshots and for its last promises in every step:
those are remembered, until they may have changed.
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package and question marks

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from aslp2p.errors import Damaged, JournalDamaged
from aslp2p.ledger.reader import ArtifactRow, BranchRow, JournalRow, SnapshotRow
from aslp2p.limits import KIB
from aslp2p.store.check import JOURNAL_COLUMNS, SNAPSHOT_COLUMNS
from aslp2p.store.contents import ContentFiles
from aslp2p.store.faults import damaged, fault_of
from aslp2p.store.lineage import HEIGHT_MAX, Lineage, end_of_prefix, newest_live
from aslp2p.store.rows import (
    artifact_sum,
    content_file_sum,
    fact_sum,
    intact,
    journal_sum,
    meta_sum,
    snapshot_sum,
    wanted_sum,
)

IDS_PER_QUERY = 512
RECENT_SNAPSHOTS = 32
RECENT_BYTES_MAX = 16 * KIB
"""How many are remembered, and up to which size each."""

_FACT = (
    "SELECT height, value, crc FROM fact WHERE branch = ? AND key = ? AND height <= ?"
    " ORDER BY height DESC LIMIT ?"
)
_ARTIFACT = "SELECT id, type, raw, open, audited, crc FROM artifact WHERE"
_SNAPSHOT = f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot WHERE"
_JOURNAL = f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE kind = ?"


def _scan_sql(bounded: bool) -> str:
    """Keys in order, each with its newest change: a seek for the key and one for the change, however often it
    changed."""
    below = " AND key < :end" if bounded else ""
    return (
        "WITH RECURSIVE step (key) AS ("
        f"SELECT (SELECT key FROM fact WHERE branch = :branch AND key >= :first{below} ORDER BY key LIMIT 1)"
        " UNION ALL SELECT ("
        f"SELECT key FROM fact WHERE branch = :branch AND key > step.key{below} ORDER BY key LIMIT 1)"
        " FROM step WHERE step.key IS NOT NULL)"
        " SELECT fact.key, fact.height, fact.value, fact.crc FROM step CROSS JOIN fact"
        " ON fact.branch = :branch AND fact.key = step.key AND fact.height ="
        " (SELECT max(height) FROM fact WHERE branch = :branch AND key = step.key AND height <= :height)"
        " WHERE step.key IS NOT NULL"
    )


_SCAN = _scan_sql(bounded=False)
_SCAN_BELOW = _scan_sql(bounded=True)


def _named(*ids: object) -> tuple[bytes, ...]:
    """Those of `ids` that are ids: a flipped bit may have made a column anything."""
    return tuple(dict.fromkeys(id_ for id_ in ids if isinstance(id_, bytes)))


class SqliteReader:
    """The `Reader` half of `SqliteStore`: needs `db`, `path` and `files`."""

    db: sqlite3.Connection
    path: Path
    files: ContentFiles
    lineage: Lineage
    journal_fault: JournalDamaged | None
    recent: dict[bytes, SnapshotRow]
    last_promises: dict[str, JournalRow]

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            return self.db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error

    def _row(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        try:
            return self.db.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error

    # --- meta, branches, facts ----------------------------------------------------------------------

    def meta(self, key: str) -> bytes | None:
        row = self._row("SELECT key, value, crc FROM meta WHERE key = ?", (key,))
        if row is None:
            return None
        if not intact(meta_sum, row):
            raise damaged(f"the setting {key} is damaged")
        return row[1]  # type: ignore[no-any-return]

    def branches(self) -> list[BranchRow]:
        return [row for _, row in sorted(self.lineage.rows.items())]

    def fact(self, branch: int, key: bytes, height: int) -> bytes | None:
        for line, _, top in self.lineage.stretches(branch, height):
            row = self._row(_FACT, (line, key, top, 1))
            if row is not None:
                return self._value(line, key, row)
        return None

    def _value(self, branch: int, key: bytes, row: Sequence[Any]) -> bytes | None:
        height, value, crc = row
        if not intact(fact_sum, (branch, key, height, value, crc)):
            raise damaged(f"the fact {key!r} of branch {branch} at height {height} is damaged")
        return value  # type: ignore[no-any-return]

    def facts(
        self, branch: int, prefix: bytes, height: int, *, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes, int]]:
        first, end = max(prefix, after + b"\x00"), end_of_prefix(prefix)
        scans = (
            self._scan(nearness, line, top, first, end)
            for nearness, (line, _, top) in enumerate(self.lineage.stretches(branch, height))
        )
        return list(islice(newest_live(heapq.merge(*scans)), limit))

    def _scan(
        self, nearness: int, branch: int, height: int, first: bytes, end: bytes | None
    ) -> Iterator[tuple[bytes, int, int, bytes | None]]:
        try:
            place = {"branch": branch, "height": height, "first": first, "end": end}
            cursor = self.db.execute(_SCAN if end is None else _SCAN_BELOW, place)
            for key, *row in cursor:
                yield key, nearness, row[0], self._value(branch, key, row)
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error

    def fact_changes(
        self, branch: int, key: bytes, height: int, *, limit: int = 1000
    ) -> list[tuple[int, bytes | None]]:
        changes: list[tuple[int, bytes | None]] = []
        for line, _, top in self.lineage.stretches(branch, height):
            rows = self._rows(_FACT, (line, key, top, limit - len(changes)))
            changes += [(row[0], self._value(line, key, row)) for row in rows]
        return changes

    # --- snapshots --------------------------------------------------------------------------------

    def snapshot(self, id_: bytes) -> SnapshotRow | None:
        row = self.recent.get(id_)
        if row is None:
            row = self._snapshot(self._row(f"{_SNAPSHOT} id = ?", (id_,)), id_)
            if row is not None:
                self.remember(row)
        return row

    def remember(self, row: SnapshotRow) -> None:
        """`row` is what the store holds under its id."""
        if len(row.raw) > RECENT_BYTES_MAX:
            return
        if len(self.recent) >= RECENT_SNAPSHOTS:
            del self.recent[next(iter(self.recent))]
        self.recent[row.id] = row

    def snapshot_at(self, branch: int, height: int) -> SnapshotRow | None:
        for line, _, top in self.lineage.stretches(branch, height)[:1]:
            return self._snapshot(self._row(f"{_SNAPSHOT} branch = ? AND height = ?", (line, top)))
        return None

    def snapshots(self, branch: int, first: int, count: int) -> list[SnapshotRow]:
        found: list[SnapshotRow] = []
        for line, above, top in reversed(self.lineage.stretches(branch, first + count - 1)):
            bottom = max(first, above + 1)
            sql = f"{_SNAPSHOT} branch = ? AND height BETWEEN ? AND ? ORDER BY height"
            for row in self._rows(sql, (line, bottom, top)) if bottom <= top else ():
                if row[2] != first + len(found):
                    return found
                found.append(self.snapshot_of(row))
        return found

    def snapshot_holding(self, branch: int, log_index: int) -> SnapshotRow | None:
        for line, _, top in reversed(self.lineage.stretches(branch, HEIGHT_MAX)):
            # The first on the whole branch: further ones are higher still, so if it is above `top` all are.
            sql = f"{_SNAPSHOT} branch = ? AND log_size > ? ORDER BY log_size, height LIMIT 1"
            row = self._row(sql, (line, log_index))
            if row is not None and row[2] <= top:
                return self._snapshot(row)
        return None

    def _snapshot(self, row: Sequence[Any] | None, *asked: bytes) -> SnapshotRow | None:
        return None if row is None else self.snapshot_of(row, *asked)

    def snapshot_of(self, row: Sequence[Any], *asked: bytes) -> SnapshotRow:
        """The row; raises `Damaged` naming the id asked for, the one that is stored and the one that its
        child names."""
        if intact(snapshot_sum, row):
            return SnapshotRow(*row[:-1])
        sql = f"{_SNAPSHOT} branch = ? AND height = ?"
        child = self._row(sql, (row[1], row[2] + 1)) if isinstance(row[2], int) else None
        parents = (child[3],) if child is not None and intact(snapshot_sum, child) else ()
        raise damaged(f"snapshot {row[2]} of branch {row[1]} is damaged", *_named(*asked, *parents, row[0]))

    # --- artifacts and content ----------------------------------------------------------------------

    def artifact(self, id_: bytes) -> bytes | None:
        return self.artifacts((id_,)).get(id_)

    def artifacts(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        return {row[0]: row[2] for row in self._artifacts(ids)}

    def artifact_rows(self, ids: Sequence[bytes]) -> dict[bytes, ArtifactRow]:
        return {row[0]: ArtifactRow(row[2], bool(row[4])) for row in self._artifacts(ids)}

    def open_artifacts(self) -> list[tuple[bytes, bytes]]:
        rows = self._rows(f"{_ARTIFACT} open = 1 ORDER BY number")
        return [(row[0], row[2]) for row in _undamaged(rows)]

    def _artifacts(self, ids: Sequence[bytes]) -> Iterator[Any]:
        for some in _batches(ids):
            yield from _undamaged(self._rows(f"{_ARTIFACT} id IN ({_marks(some)})", some))

    def content(self, id_: bytes) -> bytes | None:
        row = self._row("SELECT data FROM content WHERE id = ?", (id_,))
        if row is None:
            if self._file_size(id_) is None:
                return None
            try:
                data = self.files.read(id_)
            except OSError as error:
                raise fault_of(error, self.files.place(id_)) from error
        else:
            data = row[0]
        if not isinstance(data, bytes) or sha256(data).digest() != id_:
            raise damaged(f"content {id_.hex()[:12]} is damaged", id_)
        return data

    def content_size(self, id_: bytes) -> int | None:
        row = self._row("SELECT length(data) FROM content WHERE id = ?", (id_,))
        return self._file_size(id_) if row is None else int(row[0])

    def _file_size(self, id_: bytes) -> int | None:
        """How long the content is whose bytes are in a file; None where none of that id is."""
        row = self._row("SELECT id, size, crc FROM content_file WHERE id = ?", (id_,))
        if row is None:
            return None
        if not intact(content_file_sum, row):
            raise damaged(f"the row of content {id_.hex()[:12]} is damaged", id_)
        return int(row[1])

    def lacking_content(self, ids: Iterable[bytes]) -> list[bytes]:
        ids = list(ids)
        here: set[bytes] = set()
        for some in _batches(ids):
            for table in ("content", "content_file"):
                sql = f"SELECT id FROM {table} WHERE id IN ({_marks(some)})"
                here.update(row[0] for row in self._rows(sql, some))
        return [id_ for id_ in ids if id_ not in here]

    def wanted(self, limit: int, skip: int = 0) -> list[tuple[bytes, bool]]:
        sql = "SELECT id, manifest, crc FROM wanted ORDER BY number LIMIT ? OFFSET ?"
        rows = self._rows(sql, (limit, skip))
        for row in rows:
            if not intact(wanted_sum, row):
                raise damaged("the list of wanted content is damaged", *_named(row[0]))
        return [(row[0], bool(row[1])) for row in rows]

    def is_wanted(self, id_: bytes) -> bool:
        return self._row("SELECT 1 FROM wanted WHERE id = ?", (id_,)) is not None

    # --- the signing journal ------------------------------------------------------------------------

    def journal(self, kind: str, *, last: int = 1, skip: int = 0) -> list[JournalRow]:
        if (last, skip) == (1, 0) and self.journal_fault is None:
            if kind not in self.last_promises:
                for row in self._promises(f"{_JOURNAL} ORDER BY number DESC LIMIT 1", (kind,)):
                    self.last_promises[kind] = row
            return [self.last_promises[kind]] if kind in self.last_promises else []
        return self._promises(f"{_JOURNAL} ORDER BY number DESC LIMIT ? OFFSET ?", (kind, last, skip))

    def journal_holds(self, kind: str, subject: bytes) -> bool:
        return bool(self._promises(f"{_JOURNAL} AND subject = ? LIMIT 1", (kind, subject)))

    def journal_at(self, kind: str, epoch: int, height: int) -> JournalRow | None:
        sql = f"{_JOURNAL} AND epoch = ? AND height = ? ORDER BY number DESC LIMIT 1"
        return next(iter(self._promises(sql, (kind, epoch, height))), None)

    def _promises(self, sql: str, parameters: Sequence[Any]) -> list[JournalRow]:
        if self.journal_fault is not None:
            raise self.journal_fault
        try:
            rows = self._rows(sql, parameters)
        except Damaged as error:
            self.journal_fault = JournalDamaged(f"the signing journal is damaged: {error.message}")
            raise self.journal_fault from error
        for row in rows:
            if not intact(journal_sum, row):
                self.journal_fault = JournalDamaged(
                    "the signing journal is damaged: a promise is not what was written"
                )
                raise self.journal_fault
        return [JournalRow(row[0].decode(), *row[1:5]) for row in rows]


def _undamaged(rows: list[Any]) -> list[Any]:
    """`rows` of artifacts; raises `Damaged` naming those that are not what was written."""
    bad = [row[0] for row in rows if not intact(artifact_sum, row)]
    if bad:
        raise damaged(f"{len(bad)} stored artifacts are damaged", *_named(*bad))
    return rows


def _batches(ids: Sequence[bytes]) -> Iterator[list[bytes]]:
    """`ids` in queries' worth, each filled up (with its last) to a power of two, so that few statements are
    prepared."""
    for start in range(0, len(ids), IDS_PER_QUERY):
        some = list(ids[start : start + IDS_PER_QUERY])
        yield some + some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))


def _marks(ids: Sequence[bytes]) -> str:
    return ",".join("?" * len(ids))
