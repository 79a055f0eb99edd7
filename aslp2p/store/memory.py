"""A store in memory, for simulations and tests: lean, since a sweep holds thousands.

How it works. Dicts, each change to which leaves its reverse in an undo log until the next commit; `rollback`
plays the log backwards, and so does `crash`, which is what a crash is to a node: what was not synced is gone.
Facts are a sorted list of (height, value) for each key of a branch, and a sorted list of the keys, sorted
again only when it is read after new keys came. Values are shared between clones and with whoever wrote them:
they are immutable.

It answers as `sqlite.SqliteStore` does (a test holds it to that), but keeps no checksums: nothing here flips.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from aslp2p.errors import InvariantBroken
from aslp2p.ledger.reader import (
    ArtifactRow,
    BranchRow,
    CloseArtifacts,
    DropArtifacts,
    DropBranchAbove,
    DropContent,
    DropStaged,
    EraseContents,
    JournalRow,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutJournal,
    PutMeta,
    PutSnapshot,
    PutStaged,
    PutUnaudited,
    SnapshotRow,
    UnwantContents,
    WantContents,
    Write,
)
from aslp2p.store.lineage import HEIGHT_MAX, Lineage, end_of_prefix, newest_live

_GONE: Any = object()


class _Facts:
    """The changes on one branch: for each key the heights and, beside them, the values."""

    __slots__ = ("_keys", "_sorted", "changes")

    def __init__(self) -> None:
        self.changes: dict[bytes, tuple[list[int], list[bytes | None]]] = {}
        self._keys: list[bytes] = []
        self._sorted = True

    def put(self, key: bytes, height: int, value: bytes | None) -> Any:
        """What was there before, for `restore`: a value, None or `_GONE`."""
        change = self.changes.get(key)
        if change is None:
            self.changes[key] = ([height], [value])
            self._keys.append(key)
            self._sorted = False
            return _GONE
        heights, values = change
        place = bisect_left(heights, height)
        if place < len(heights) and heights[place] == height:
            before = values[place]
            values[place] = value
            return before
        heights.insert(place, height)
        values.insert(place, value)
        return _GONE

    def restore(self, key: bytes, height: int, before: Any) -> None:
        if before is not _GONE:
            self.put(key, height, before)
            return
        heights, values = self.changes[key]
        place = bisect_left(heights, height)
        del heights[place], values[place]
        if not heights:
            del self.changes[key]
            self._keys = list(self.changes)
            self._sorted = False

    def newest(self, key: bytes, height: int) -> tuple[int, bytes | None] | None:
        change = self.changes.get(key)
        if change is None or not (place := bisect_right(change[0], height)):
            return None
        return change[0][place - 1], change[1][place - 1]

    def scan(
        self, nearness: int, height: int, first: bytes, end: bytes | None
    ) -> Iterator[tuple[bytes, int, int, bytes | None]]:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True
        keys = self._keys
        last = len(keys) if end is None else bisect_left(keys, end)
        for place in range(bisect_left(keys, first), last):
            newest = self.newest(keys[place], height)
            if newest is not None:
                yield keys[place], nearness, *newest

    def copy(self) -> _Facts:
        new = _Facts()
        new.changes = {
            key: (heights.copy(), values.copy()) for key, (heights, values) in self.changes.items()
        }
        new._keys = list(new.changes)
        new._sorted = not new._keys
        return new


class MemoryStore:
    """A `Store` that forgets everything with its process; see `Reader` and `Store` for what each method
    answers."""

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._numbers = 0
        self._meta: dict[str, bytes] = {}
        self._lineage = Lineage()
        self._facts: dict[int, _Facts] = {}
        self._snapshots: dict[bytes, SnapshotRow] = {}
        self._places: dict[tuple[int, int], bytes] = {}
        self._heights: dict[int, list[int]] = {}
        self._artifacts: dict[bytes, tuple[int, ArtifactRow]] = {}
        self._open: dict[bytes, None] = {}
        self._content: dict[bytes, bytes] = {}
        self._wanted: dict[bytes, tuple[int, bool]] = {}
        self._journal: dict[str, list[JournalRow]] = {}
        self._promised_at: dict[tuple[str, int, int], JournalRow] = {}
        self._promised: dict[tuple[str, bytes], JournalRow] = {}

    # --- reading ------------------------------------------------------------------------------------

    def meta(self, key: str) -> bytes | None:
        return self._meta.get(key)

    def branches(self) -> list[BranchRow]:
        return [row for _, row in sorted(self._lineage.rows.items())]

    def fact(self, branch: int, key: bytes, height: int) -> bytes | None:
        for line, _, top in self._lineage.stretches(branch, height):
            if (facts := self._facts.get(line)) is not None and (
                newest := facts.newest(key, top)
            ) is not None:
                return newest[1]
        return None

    def facts(
        self, branch: int, prefix: bytes, height: int, *, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes, int]]:
        first, end = max(prefix, after + b"\x00"), end_of_prefix(prefix)
        scans = (
            self._facts[line].scan(nearness, top, first, end)
            for nearness, (line, _, top) in enumerate(self._lineage.stretches(branch, height))
            if line in self._facts
        )
        return list(islice(newest_live(heapq.merge(*scans)), limit))

    def fact_changes(
        self, branch: int, key: bytes, height: int, *, limit: int = 1000
    ) -> list[tuple[int, bytes | None]]:
        found: list[tuple[int, bytes | None]] = []
        for line, _, top in self._lineage.stretches(branch, height):
            facts = self._facts.get(line)
            if facts is not None and (change := facts.changes.get(key)) is not None:
                end = bisect_right(change[0], top)
                start = max(0, end - (limit - len(found)))
                found += zip(reversed(change[0][start:end]), reversed(change[1][start:end]), strict=True)
        return found

    def snapshot(self, id_: bytes) -> SnapshotRow | None:
        return self._snapshots.get(id_)

    def snapshot_at(self, branch: int, height: int) -> SnapshotRow | None:
        for line, _, top in self._lineage.stretches(branch, height)[:1]:
            return self._at(line, top)
        return None

    def _at(self, branch: int, height: int) -> SnapshotRow | None:
        id_ = self._places.get((branch, height))
        return None if id_ is None else self._snapshots[id_]

    def snapshots(self, branch: int, first: int, count: int) -> list[SnapshotRow]:
        found: list[SnapshotRow] = []
        for line, above, top in reversed(self._lineage.stretches(branch, first + count - 1)):
            for height in range(max(first, above + 1), top + 1):
                row = self._at(line, height)
                if row is None or height != first + len(found):
                    return found
                found.append(row)
        return found

    def snapshot_holding(self, branch: int, log_index: int) -> SnapshotRow | None:
        for line, _, top in reversed(self._lineage.stretches(branch, HEIGHT_MAX)):
            heights = self._heights.get(line, [])

            def log_size(height: int, line: int = line) -> int:
                return self._snapshots[self._places[line, height]].log_size

            place = bisect_right(heights, log_index, key=log_size)
            if place < len(heights) and heights[place] <= top:
                return self._at(line, heights[place])
        return None

    def artifact(self, id_: bytes) -> bytes | None:
        stored = self._artifacts.get(id_)
        return None if stored is None else stored[1].raw

    def artifacts(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        stored = self._artifacts
        return {id_: stored[id_][1].raw for id_ in ids if id_ in stored}

    def artifact_rows(self, ids: Sequence[bytes]) -> dict[bytes, ArtifactRow]:
        stored = self._artifacts
        return {id_: stored[id_][1] for id_ in ids if id_ in stored}

    def open_artifacts(self) -> list[tuple[bytes, bytes]]:
        stored = self._artifacts
        return [(id_, stored[id_][1].raw) for id_ in sorted(self._open, key=lambda id_: stored[id_][0])]

    def content(self, id_: bytes) -> bytes | None:
        return self._content.get(id_)

    def content_size(self, id_: bytes) -> int | None:
        data = self._content.get(id_)
        return None if data is None else len(data)

    def lacking_content(self, ids: Iterable[bytes]) -> list[bytes]:
        return [id_ for id_ in ids if id_ not in self._content]

    def is_wanted(self, id_: bytes) -> bool:
        return id_ in self._wanted

    def wanted(self, limit: int, skip: int = 0) -> list[tuple[bytes, bool]]:
        oldest = heapq.nsmallest(limit + skip, self._wanted.items(), key=lambda item: item[1])
        return [(id_, manifest) for id_, (_, manifest) in oldest[skip:]]

    def journal(self, kind: str, *, last: int = 1, skip: int = 0) -> list[JournalRow]:
        return self._journal.get(kind, [])[::-1][skip : skip + last]

    def journal_holds(self, kind: str, subject: bytes) -> bool:
        return (kind, subject) in self._promised

    def journal_at(self, kind: str, epoch: int, height: int) -> JournalRow | None:
        return self._promised_at.get((kind, epoch, height))

    # --- writing ------------------------------------------------------------------------------------

    def apply(self, writes: Iterable[Write]) -> None:
        """Apply in order; visible to reads at once. Raises `InvariantBroken` (two snapshots in one place);
        then all that was applied since the last commit is forgotten."""
        try:
            for write in writes:
                _APPLY[type(write)](self, write)
        except BaseException:
            self.rollback()
            raise

    def commit(self) -> None:
        self._undo.clear()

    def rollback(self) -> None:
        while self._undo:
            reverse, arguments = self._undo.pop()
            reverse(*arguments)

    crash = rollback
    """Lose power: what was not committed is gone; what was is as it was."""

    def close(self) -> None:
        self.rollback()

    def clone(self) -> MemoryStore:
        """An independent store that holds the same (a copied home). Raises `InvariantBroken` between `apply`
        and `commit`."""
        if self._undo:
            raise InvariantBroken("a store is cloned when all is committed")
        new = MemoryStore()
        new._numbers = self._numbers
        new._lineage = self._lineage.copy()
        new._facts = {branch: facts.copy() for branch, facts in self._facts.items()}
        new._heights = {branch: heights.copy() for branch, heights in self._heights.items()}
        new._journal = {kind: rows.copy() for kind, rows in self._journal.items()}
        new._meta = self._meta.copy()
        new._snapshots = self._snapshots.copy()
        new._places = self._places.copy()
        new._artifacts = self._artifacts.copy()
        new._open = self._open.copy()
        new._content = self._content.copy()
        new._wanted = self._wanted.copy()
        new._promised_at = self._promised_at.copy()
        new._promised = self._promised.copy()
        return new

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        before = table.get(key, _GONE)
        self._undo.append((table.pop, (key,)) if before is _GONE else (table.__setitem__, (key, before)))
        table[key] = value

    def _pop(self, table: dict[Any, Any], key: Any) -> None:
        before = table.pop(key, _GONE)
        if before is not _GONE:
            self._undo.append((table.__setitem__, (key, before)))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _put_meta(self, write: PutMeta) -> None:
        if write.value is None:
            self._pop(self._meta, write.key)
        else:
            self._set(self._meta, write.key, write.value)

    def _put_branch(self, write: PutBranch) -> None:
        rows, row = self._lineage.rows, write.row
        before = rows.get(row.branch)
        self._lineage.put(row)
        self._undo.append(
            (rows.pop, (row.branch,)) if before is None else (rows.__setitem__, (row.branch, before))
        )

    def _put_snapshot(self, write: PutSnapshot) -> None:
        row = write.row
        place = (row.branch, row.height)
        if self._places.get(place, row.id) != row.id:
            raise InvariantBroken(f"two snapshots at height {row.height} of branch {row.branch}")
        before = self._snapshots.get(row.id)
        if before is not None:
            self._unplace(before.branch, before.height)
        self._set(self._snapshots, row.id, row)
        self._set(self._places, place, row.id)
        insort(heights := self._heights.setdefault(row.branch, []), row.height)
        self._undo.append((heights.remove, (row.height,)))

    def _unplace(self, branch: int, height: int) -> None:
        self._pop(self._places, (branch, height))
        heights = self._heights[branch]
        heights.remove(height)
        self._undo.append((insort, (heights, height)))

    def _drop_branch_above(self, write: DropBranchAbove) -> None:
        branch, height = write.branch, write.height
        heights = self._heights.get(branch, [])
        for above in reversed(heights[bisect_right(heights, height) :]):
            self._pop(self._snapshots, self._places[branch, above])
            self._unplace(branch, above)
        facts = self._facts.get(branch)
        if facts is not None:
            self._pop(self._facts, branch)
            self._set(self._facts, branch, kept := _Facts())
            for key, (changed_at, values) in facts.changes.items():
                end = bisect_right(changed_at, height)
                for place, value in zip(changed_at[:end], values[:end], strict=True):
                    kept.put(key, place, value)

    def _put_facts(self, write: PutFacts) -> None:
        facts = self._facts.get(write.branch)
        if facts is None:
            self._set(self._facts, write.branch, facts := _Facts())
        for key, value in write.changes.items():
            before = facts.put(key, write.height, value)
            self._undo.append((facts.restore, (key, write.height, before)))

    def _put_artifacts(self, write: PutArtifacts) -> None:
        for one in write.artifacts:
            stored = self._artifacts.get(one.id)
            if stored is None or not stored[1].audited:
                number = self._number() if stored is None else stored[0]
                self._set(self._artifacts, one.id, (number, ArtifactRow(one.raw, True)))
            if write.open:
                self._set(self._open, one.id, None)
            else:
                self._pop(self._open, one.id)

    def _put_unaudited(self, write: PutUnaudited) -> None:
        for one in write.artifacts:
            if one.id not in self._artifacts:
                self._set(self._artifacts, one.id, (self._number(), ArtifactRow(one.raw, False)))

    def _close_artifacts(self, write: CloseArtifacts) -> None:
        for id_ in write.ids:
            self._pop(self._open, id_)

    def _drop_artifacts(self, write: DropArtifacts) -> None:
        for id_ in write.ids:
            self._pop(self._artifacts, id_)
            self._pop(self._open, id_)

    def _put_content(self, write: PutContent) -> None:
        self._set(self._content, write.id, write.data)
        self._pop(self._wanted, write.id)

    def _put_staged(self, write: PutStaged) -> None:
        self._put_content(PutContent(write.staged.id, write.staged.place))

    def _drop_staged(self, write: DropStaged) -> None:
        """Its bytes are in nobody's hands but the caller's."""

    def _drop_content(self, write: DropContent) -> None:
        self._pop(self._content, write.id)

    def _erase_contents(self, write: EraseContents) -> None:
        for id_ in write.ids:
            self._pop(self._content, id_)

    def _want(self, write: WantContents) -> None:
        for id_, manifest in write.items:
            if id_ not in self._content and id_ not in self._wanted:
                self._set(self._wanted, id_, (self._number(), manifest))

    def _unwant(self, write: UnwantContents) -> None:
        for id_ in write.ids:
            self._pop(self._wanted, id_)

    def _put_journal(self, write: PutJournal) -> None:
        row = write.row
        rows = self._journal.setdefault(row.kind, [])
        rows.append(row)
        self._undo.append((rows.pop, ()))
        self._set(self._promised_at, (row.kind, row.epoch, row.height), row)
        self._set(self._promised, (row.kind, row.subject), row)


_APPLY: dict[type, Callable[[MemoryStore, Any], None]] = {
    PutMeta: MemoryStore._put_meta,
    PutBranch: MemoryStore._put_branch,
    PutSnapshot: MemoryStore._put_snapshot,
    DropBranchAbove: MemoryStore._drop_branch_above,
    PutFacts: MemoryStore._put_facts,
    PutArtifacts: MemoryStore._put_artifacts,
    PutUnaudited: MemoryStore._put_unaudited,
    CloseArtifacts: MemoryStore._close_artifacts,
    DropArtifacts: MemoryStore._drop_artifacts,
    PutContent: MemoryStore._put_content,
    PutStaged: MemoryStore._put_staged,
    DropStaged: MemoryStore._drop_staged,
    DropContent: MemoryStore._drop_content,
    EraseContents: MemoryStore._erase_contents,
    WantContents: MemoryStore._want,
    UnwantContents: MemoryStore._unwant,
    PutJournal: MemoryStore._put_journal,
}
