"""Looking through a whole stored home: the file, every checksum, hash, link and signature.

It reads each table once, front to back, in memory that does not grow with the history. With `repair`, indexes
are built again from their tables, and what is damaged and stands in other nodes' homes too is dropped:
damaged content is marked as wanted, so that it is fetched again. A damaged snapshot stays where it is, named
by whoever reads it, until a fresh copy takes its place. Branches follow from their snapshots, and the state
from the history, which is judged again (`derive`); of the settings, those that do.
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, TypeAlias

from aslp2p.artifacts.envelope import decode_artifact, verify_signature
from aslp2p.artifacts.types import Proposal, Put, Snapshot, Statement
from aslp2p.errors import ArtifactError, Damaged
from aslp2p.ledger.facts import COSIGNATURE
from aslp2p.ledger.reader import BranchRow, DropContent, PutBranch, PutMeta, UnwantContents, WantContents
from aslp2p.limits import CHUNK_BYTES
from aslp2p.store.check import META_ALL, SNAPSHOT_COLUMNS, Finding, check_branches, check_journal
from aslp2p.store.derive import DERIVED_AGAIN, derive_again, differing
from aslp2p.store.faults import fault_of
from aslp2p.store.lost import keep_lost
from aslp2p.store.rows import artifact_sum, content_file_sum, fact_sum, intact, meta_sum, wanted_sum
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.writes import CONTENT_FILE_PUT

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the table, how many of its rows have been looked at, and how many there are."""

PROGRESS_ROWS = 1000
INTEGRITY_LINES_MAX = 100
FETCHED_AGAIN = "fetched again from a peer by asl up"
_SETTING_LOST = "restore the home from a backup, or forget this Common and join it again"
FINDINGS_MAX = 100
FLIPPED_BITS_MAX = 16
"""Content whose hash is this close to its id has a damaged id; two hashes differ in about 128 bits."""


def fsck(store: SqliteStore, *, repair: bool = False, progress: Progress | None = None) -> Iterator[Finding]:
    """Everything wrong with `store`, nothing uncommitted in it, which is best opened with `salvage`.

    With `repair` what can be mended is, and is durable when its finding comes out. Raises `DiskFault` if that
    fails.
    """
    yield from _Search(store, repair, progress or (lambda table, done, total: None)).everything()


class _Search:
    def __init__(self, store: SqliteStore, repair: bool, progress: Progress) -> None:
        self.store, self.db, self.repair, self.progress = store, store.db, repair, progress
        self.lost_content: dict[bytes, bool] = {}
        """Damaged content, and whether it is a manifest."""
        self.lost_snapshots: list[bytes] = []
        self.bad_facts = 0
        self.fact_findings: list[Finding] = []

    def everything(self) -> Iterator[Finding]:
        looks = (
            self.file,
            self.branches,
            self.meta,
            lambda: check_journal(self.db),
            self.snapshots,
            self.tips,
            self.facts,
            self.content,
            self.content_files,
            self.artifacts,
            self.state,
            self.lost,
            self.fetch_content,
            self.wanted,
        )
        for look in looks:
            try:
                yield from look()
            except (sqlite3.Error, OSError) as error:
                fault = fault_of(error, self.store.path)
                if not isinstance(fault, Damaged):
                    raise fault from error
                yield Finding("file", fault.message, remedy="restore the home, or join again with a new key")

    def rows(self, table: str, columns: str, order: str) -> Iterator[Any]:
        total: int = self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        done = 0
        for row in self.db.execute(f"SELECT {columns} FROM {table} ORDER BY {order}"):
            yield row
            done += 1
            if done % PROGRESS_ROWS == 0:
                self.progress(table, done, total)
        self.progress(table, done, total)

    # --- the file and what is derived --------------------------------------------------------------

    def file(self) -> Iterator[Finding]:
        lines = [
            bytes(row[0]).decode(errors="replace")
            for row in self.db.execute(f"PRAGMA integrity_check({INTEGRITY_LINES_MAX})")
        ]
        if lines == ["ok"]:
            return
        if self.repair:
            self.db.execute("REINDEX")
        for line in lines:
            yield Finding(
                "file", line, remedy="indexes are built again from their tables", repaired=self.repair
            )

    def tips(self) -> Iterator[Finding]:
        for row in self.store.branches():
            sql = "SELECT id FROM snapshot WHERE branch = ? AND height = ?"
            tip = self.db.execute(sql, (row.branch, row.tip_height)).fetchone()
            if row.tip_height > row.fork_height and (tip is None or tip[0] != row.tip_id):
                what = f"the tip of branch {row.branch}, snapshot {row.tip_height}, is not stored"
                yield Finding("branch", what, (row.tip_id,), FETCHED_AGAIN)

    def meta(self) -> Iterator[Finding]:
        rows = self.db.execute(META_ALL).fetchall()
        for key in [row[0] for row in rows if not intact(meta_sum, row)]:
            value = self.derived_setting(key)
            if value is not None and self.repair:
                self.store.apply([PutMeta(key.decode(), value)])
                self.store.commit()
            remedy = _SETTING_LOST if value is None else DERIVED_AGAIN
            mended = value is not None and self.repair
            yield Finding("meta", f"the setting {key!r} is damaged", (), remedy, mended)

    def derived_setting(self, key: bytes) -> bytes | None:
        """What the setting `key` must be, if the history tells."""
        root = self.db.execute("SELECT id, raw FROM snapshot WHERE branch = 0 AND height = 0").fetchone()
        if root is None or isinstance(_problem(*root), str):
            return None
        if key == b"head":
            # F2. What finality says against it (F1), the node sees at the next snapshot.
            sql = "SELECT id FROM snapshot ORDER BY epoch DESC, height DESC, id LIMIT 1"
            return bytes(self.db.execute(sql).fetchone()[0])
        derived: dict[bytes, bytes] = {b"common-id": root[0], b"genesis": root[1]}
        return derived.get(key)

    def branches(self) -> Iterator[Finding]:
        found = list(check_branches(self.db))
        mended = bool(found) and self.repair and self.make_branches()
        for one in found:
            yield Finding(one.table, one.what, one.ids, one.remedy, mended)

    def make_branches(self) -> bool:
        """Rows for the branches that have none intact, from their snapshots."""
        made = []
        ends = "SELECT height, id, previous FROM snapshot WHERE branch = ? ORDER BY height"
        for (branch,) in self.db.execute("SELECT DISTINCT branch FROM snapshot").fetchall():
            if branch in self.store.lineage.rows:
                continue
            low, _, previous = self.db.execute(f"{ends} LIMIT 1", (branch,)).fetchone()
            high, tip, _ = self.db.execute(f"{ends} DESC LIMIT 1", (branch,)).fetchone()
            below = self.db.execute("SELECT branch FROM snapshot WHERE id = ?", (previous,)).fetchone()
            if low > 0 and below is None:
                return False
            # Every signature on it is looked at again (G4).
            made.append(BranchRow(branch, below[0] if low else -1, low - 1, high, tip, max(low - 1, 0)))
        self.store.apply([])
        sound = ", ".join(map(str, self.store.lineage.rows))
        self.db.execute(f"DELETE FROM branch WHERE branch NOT IN ({sound})")
        self.store.apply(map(PutBranch, made))
        self.store.commit()
        return True

    def facts(self) -> Iterator[Finding]:
        lost: list[tuple[Any, ...]] = []
        for row in self.rows("fact", "branch, key, height, value, crc", "branch, key, height"):
            if intact(fact_sum, row):
                continue
            what = f"the fact {row[1]!r} of branch {row[0]} at height {row[2]} is damaged"
            if not row[1].startswith(COSIGNATURE):
                self.bad_facts += 1
                if self.bad_facts <= FINDINGS_MAX:
                    self.fact_findings.append(Finding("fact", what, (), DERIVED_AGAIN))
                continue
            lost.append((row[0], row[1], row[2]))
            yield Finding("fact", what, (), "its authority, or a peer, has the cosignature", self.repair)
        if lost and self.repair:
            with self.db:
                self.db.execute("BEGIN IMMEDIATE")
                self.db.executemany("DELETE FROM fact WHERE branch = ? AND key = ? AND height = ?", lost)

    def state(self) -> Iterator[Finding]:
        """The state against the history, and with `repair` made anew from it if any of it is wrong."""
        total: int = self.db.execute("SELECT count(*) FROM snapshot").fetchone()[0]
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            self.progress("state", done, total)

        found = self.fact_findings
        founded = self.db.execute("SELECT 1 FROM meta WHERE key = 'genesis'").fetchone() is not None
        if founded and not self.bad_facts:
            found += differing(self.store, step)
        if not found:
            return
        hindrance = None
        if self.repair and founded:
            done = 0
            hindrance = derive_again(self.store, step)
        mended = self.repair and founded and hindrance is None
        yield from (Finding(one.table, one.what, one.ids, one.remedy, mended) for one in found)
        if self.bad_facts > len(found):
            more = self.bad_facts - len(found)
            yield Finding("fact", f"{more} more facts are damaged", (), DERIVED_AGAIN, mended)
        if hindrance is not None and hindrance.what not in {one.what for one in found}:
            yield hindrance

    def wanted(self) -> Iterator[Finding]:
        bad = [
            row[0]
            for row in self.rows("wanted", "id, manifest, crc", "number")
            if not intact(wanted_sum, row)
        ]
        if bad and self.repair:
            # Whether it is a manifest may be what flipped; who asks for a chunk as a manifest is told so.
            self.store.apply(
                [
                    UnwantContents(bad),
                    WantContents([(id_, False) for id_ in bad if len(id_) == sha256().digest_size]),
                ]
            )
            self.store.commit()
        for id_ in bad:
            yield Finding(
                "wanted", "an entry of the list of wanted content is damaged", (id_,), "", self.repair
            )

    # --- history -------------------------------------------------------------------------------------

    def snapshots(self) -> Iterator[Finding]:
        before: Any = None
        for row in self.rows("snapshot", SNAPSHOT_COLUMNS, "branch, height"):
            id_, branch, height, previous = row[:4]
            try:
                self.store.snapshot_of(row)
            except Damaged as damaged:
                self.lost_snapshots += damaged.ids
                yield Finding("snapshot", damaged.message, damaged.ids, FETCHED_AGAIN)
                before = (branch, height, None)
                continue
            problem: str | None = None
            if before is None or before[:2] != (branch, height - 1):
                problem = self.fork_problem(branch, height, previous)
            elif before[2] not in (None, previous):
                problem = f"does not follow the stored snapshot {height - 1}"
            if problem := problem or _snapshot_problem(row):
                self.lost_snapshots.append(id_)
                what = f"snapshot {height} of branch {branch} {problem}"
                yield Finding("snapshot", what, (id_,), FETCHED_AGAIN)
            before = (branch, height, id_)

    def fork_problem(self, branch: int, height: int, previous: bytes) -> str | None:
        """Of the first snapshot after a gap: only a fork, and genesis, may begin a row."""
        line = self.store.lineage.rows.get(branch)
        if line is None:
            return "is of no known branch"
        if line.parent < 0:
            return None if height == 0 else f"has no stored snapshot {height - 1} below it"
        parent = self.store.lineage.stretches(line.parent, line.fork_height)[:1]
        sql = "SELECT id FROM snapshot WHERE branch = ? AND height = ?"
        below = self.db.execute(sql, (parent[0][0], parent[0][2])).fetchone() if parent else None
        if height != line.fork_height + 1 or below is None:
            return f"has no stored snapshot {height - 1} below it"
        return None if below[0] == previous else f"does not follow the stored snapshot {height - 1}"

    def artifacts(self) -> Iterator[Finding]:
        bad: list[tuple[int, bytes, str]] = []
        for number, *row in self.rows("artifact", "number, id, type, raw, open, audited, crc", "number"):
            if not intact(artifact_sum, row):
                bad.append((number, row[0], "is damaged"))
                continue
            problem = _problem(row[0], row[2])
            if isinstance(problem, str):
                bad.append((number, row[0], problem))
            elif self.lost_content and isinstance(problem, Proposal) and isinstance(problem.action, Put):
                self.note_manifest(problem.action)
        if bad and self.repair:
            with self.db:
                self.db.execute("BEGIN IMMEDIATE")
                self.db.executemany(
                    "DELETE FROM artifact WHERE number = ?", ((number,) for number, _, _ in bad)
                )
        for _, id_, what in bad:
            yield Finding("artifact", f"artifact {_short(id_)} {what}", (id_,), FETCHED_AGAIN, self.repair)

    def lost(self) -> Iterator[Finding]:
        if self.repair:
            keep_lost(self.store, self.lost_snapshots)
        yield from ()

    # --- content -------------------------------------------------------------------------------------

    def content(self) -> Iterator[Finding]:
        renamed: list[tuple[bytes, int]] = []
        for number, id_, data in self.rows("content", "number, id, data", "number"):
            digest = sha256(data).digest() if isinstance(data, bytes) else b""
            if digest == id_:
                continue
            if _bits_apart(digest, id_) <= FLIPPED_BITS_MAX:
                renamed.append((digest, number))
            else:
                self.lost_content[id_] = False
        if renamed and self.repair:
            with self.db:
                self.db.execute("BEGIN IMMEDIATE")
                self.db.executemany("UPDATE content SET id = ? WHERE number = ?", renamed)
        for digest, _ in renamed:
            what = f"the stored id of content {_short(digest)} is damaged"
            yield Finding("content", what, (digest,), "its hash tells it", self.repair)

    def content_files(self) -> Iterator[Finding]:
        """Rows whose file is not there, or another; files that no row names, left by a crash, go unsaid."""
        files = self.store.files
        orphans = set(files.ids())
        damaged: list[Any] = []
        for id_, size, crc in self.rows("content_file", "id, size, crc", "id"):
            orphans.discard(id_)
            if not intact(content_file_sum, (id_, size, crc)):
                damaged.append(id_)
            elif (data := self.file_of(id_)) is None or len(data) != size:
                self.lost_content[id_] = False
        mended: list[tuple[Any, bytes, int]] = []
        for id_ in damaged:
            for candidate in (id_, *sorted(orphans)):
                if (
                    _bits_apart(candidate, id_) <= FLIPPED_BITS_MAX
                    and (data := self.file_of(candidate)) is not None
                ):
                    mended.append((id_, candidate, len(data)))
                    orphans.discard(candidate)
                    break
            else:
                self.lost_content[id_] = False
        if self.repair:
            self.mend_rows(mended)
            files.remove(orphans)
        for _, id_, _ in mended:
            what = f"the row of content {_short(id_)} is damaged"
            yield Finding("content", what, (id_,), "its file tells it", self.repair)

    def file_of(self, id_: Any) -> bytes | None:
        """The bytes in the file of a content; None if they are not what its id says."""
        data = self.store.files.read(id_) if isinstance(id_, bytes) else None
        return data if data is not None and sha256(data).digest() == id_ else None

    def mend_rows(self, mended: list[tuple[Any, bytes, int]]) -> None:
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            for row, id_, size in mended:
                self.db.execute("DELETE FROM content_file WHERE id = ?", (row,))
                self.db.execute(CONTENT_FILE_PUT, (id_, size, content_file_sum(id_, size)))

    def note_manifest(self, action: Put) -> None:
        if action.content in self.lost_content and action.size > CHUNK_BYTES:
            self.lost_content[action.content] = True

    def fetch_content(self) -> Iterator[Finding]:
        """What `content` found, now that `artifacts` has seen what is a manifest."""
        if self.lost_content and self.repair:
            self.store.apply(
                [*map(DropContent, self.lost_content), WantContents(list(self.lost_content.items()))]
            )
            self.store.commit()
        for id_ in self.lost_content:
            yield Finding("content", f"content {_short(id_)} is damaged", (id_,), FETCHED_AGAIN, self.repair)


def _short(id_: Any) -> str:
    return id_.hex()[:12] if isinstance(id_, bytes) else repr(id_)


def _bits_apart(one: bytes, other: Any) -> int:
    if not isinstance(other, bytes) or len(one) != len(other):
        return 8 * max(len(one), 32)
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def _problem(id_: bytes, raw: bytes) -> str | Statement:
    """What is wrong with the artifact `raw` stored as `id_`, or its statement."""
    try:
        signed = verify_signature(decode_artifact(raw))
    except ArtifactError as error:
        return f"is no artifact ({error})"
    return signed.statement if signed.id == id_ else "is stored under an id that is not its own"


def _snapshot_problem(row: Any) -> str | None:
    id_, _, height, previous, epoch, signer, log_size, raw = row[:-1]
    problem = _problem(id_, raw)
    if isinstance(problem, str):
        return problem
    if isinstance(problem, Snapshot) and (
        problem.height,
        problem.previous,
        problem.epoch,
        problem.log_size,
    ) != (
        height,
        previous,
        epoch,
        log_size,
    ):
        return "is stored in a place that is not its own"
    return None if decode_artifact(raw).key == signer else "is stored as somebody else's"
