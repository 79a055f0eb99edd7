"""The steps of a plan, done: each looks again, at the last moment, whether the folder still holds what the
plan was made from.

Files that come are done many at once, since each wait for the disk costs as much as a small file: all of a
group are written beside their places, one wait makes them durable (`Disk.flush`), each takes its place, one
wait makes the names durable (`Disk.sync`), and only then the base says so. A kill or a power cut between any
two of these leaves what one between two files left before: files of ours, and a base that knows too little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from aslp2p.errors import UserError
from aslp2p.limits import MIB
from aslp2p.worktree.aside import ancestors
from aslp2p.worktree.base import Base
from aslp2p.worktree.disk import FILE, FOLDER, Disk, Reading
from aslp2p.worktree.portable import unportable
from aslp2p.worktree.remote import Remote
from aslp2p.worktree.report import Report
from aslp2p.worktree.trees import (
    Adopt,
    Delete,
    Entry,
    Forget,
    Found,
    Move,
    Put,
    Remove,
    SetAside,
    TreeStep,
    Write,
)
from aslp2p.worktree.writing import CHANGED, Changed, Staged, Writer

GROUP_MAX = 256
GROUP_BYTES_MAX = 64 * MIB
"""What files of one group take on the disk beside those that they replace, but for one larger file."""


class Doer:
    """Does steps on one folder. `failed` are paths whose steps were not done, and why; `report` counts the
    others, and `progress` is called with 0 after each."""

    def __init__(
        self,
        disk: Disk,
        base: Base,
        remote: Remote,
        writer: Writer,
        report: Report,
        progress: Callable[[int], None],
    ) -> None:
        self._disk = disk
        self._base = base
        self._remote = remote
        self._writer = writer
        self._report = report
        self._progress = progress
        self.failed: dict[str, str] = {}

    def do(self, steps: Sequence[TreeStep], entries: dict[str, Entry]) -> None:
        """Do all of them, in order; `entries` are those of the history. What is done is on disk, and in the
        base, when this returns."""
        self._offer(steps)
        for group in _groups(steps):
            if isinstance(group[0], Write):
                self._write_all([step for step in group if isinstance(step, Write)], entries)
            else:
                for step in group:
                    self._attempt(step.path, lambda step=step: self._do(step))  # type: ignore[misc]
                    self._progress(0)
            self._keep()
        self._keep()

    def _keep(self) -> None:
        self._disk.sync()
        self._base.commit()

    def _offer(self, steps: Iterable[TreeStep]) -> None:
        """Keep what is about to be proposed: once out, it may be listed whatever becomes of this run."""
        for step in steps:
            if isinstance(step, Put):
                self._base.offer(step.path, step.found.like)
            elif isinstance(step, Remove):
                self._base.offer(step.path, None)
        self._base.commit()

    def _attempt(self, path: str, do: Callable[[], None]) -> None:
        try:
            do()
        except UserError as error:
            self.failed[path] = error.message
        except OSError as error:
            self.failed[path] = (error.strerror or str(error)).lower()

    def _do(self, step: TreeStep) -> None:
        match step:
            case Adopt(path, like):
                self._base.agree(path, like)
            case Forget(path):
                self._base.forget(path)
            case SetAside(path, over, to):
                self._base.forget(path)
                self._base.commit()  # else the file would seem removed by hand
                self._writer.set_aside(path, over, to)
                self._report.set_aside.append(to)
            case Delete(path, over):
                self._writer.delete(path, over)
                self._base.forget(path)
                self._report.removed_here += 1
            case Move(path, over, to, entry):
                self._writer.move(path, over, to)
                self._base.forget(path)
                self._base.agree(to, entry.like)
                self._report.written += 1
            case Put(path, found, expects):
                modified_ms = max(found.identity.mtime_ns // 10**6, 0)
                self._remote.put(path, found, modified_ms, expects, lambda: self._opened(path, found))
                self._report.put += 1
                if (why := unportable(path)) is not None:
                    self._report.unportable[path] = why
            case Remove(path, expects):
                self._require_gone(path)
                self._remote.remove(path, expects)
                self._report.removed_there += 1

    def _require_gone(self, path: str) -> None:
        """Raises `Changed` where there is a file at `path` again, or a link on the way: nobody can tell.
        A folder may have come in its place, or a file in the place of a folder that it was in."""
        for place in (*reversed([*ancestors(path)]), path):
            status = self._disk.status(place)
            if status is None or (status.kind == FILE and place != path):
                return
            if status.kind != FOLDER:
                raise Changed(CHANGED)

    @contextmanager
    def _opened(self, path: str, found: Found) -> Iterator[Reading]:
        """A file, which is the one that was found."""
        with self._disk.reading(path) as file:
            require_unchanged(file, found)
            yield file

    # --- files that come ------------------------------------------------------------------------------

    def _write_all(self, steps: Sequence[Write], entries: dict[str, Entry]) -> None:
        self._remote.read_ahead([step.entry for step in steps if needs_bytes(step)])
        staged: list[tuple[Write, Staged]] = []
        for step in steps:
            self._attempt(step.path, lambda step=step: staged.append((step, self._stage(step))))  # type: ignore[misc]
        try:
            self._disk.flush([one.part for _, one in staged if one.part])
        except OSError as error:
            for step, one in staged:
                self.failed[step.path] = (error.strerror or str(error)).lower()
                self._attempt(step.path, lambda one=one: self._writer.drop(one))  # type: ignore[misc]
            staged = []
        for step, one in staged:
            self._attempt(step.path, lambda step=step, one=one: self._place(step, one, entries))  # type: ignore[misc]
        for _ in steps:
            self._progress(0)

    def _stage(self, step: Write) -> Staged:
        return self._writer.stage(
            step.path, step.entry, step.over, lambda: self._remote.chunks(step.path, step.entry)
        )

    def _place(self, step: Write, staged: Staged, entries: dict[str, Entry]) -> None:
        self._writer.place(staged)
        self._base.agree(step.path, entries[step.path].like)  # the step's may have the folder's own bit
        self._report.written += 1


def needs_bytes(step: Write) -> bool:
    """Whether the content of the file changes, not only its executable bit."""
    return step.over is None or step.over.like.content != step.entry.like.content


def _groups(steps: Iterable[TreeStep]) -> Iterator[list[TreeStep]]:
    """`steps` in their order: writes by themselves, and no more at once than a group may hold."""
    group: list[TreeStep] = []
    size = 0
    for step in steps:
        more = step.entry.size if isinstance(step, Write) else 0
        full = len(group) >= GROUP_MAX or size + more > GROUP_BYTES_MAX
        if group and (full or isinstance(step, Write) != isinstance(group[0], Write)):
            yield group
            group, size = [], 0
        group.append(step)
        size += more
    if group:
        yield group


def require_unchanged(file: Reading, found: Found) -> None:
    """Raises `Changed` unless the open file is the one that was found."""
    if file.status().identity != found.identity:
        raise Changed(CHANGED)
