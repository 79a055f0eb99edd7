"""Careful writing: each change takes its place in one step, and only over what the plan was made from.

A file is written beside its place (`PART`) and made durable. Where there is a file already it is renamed
(`SWAP`) and exchanged with that; what comes out of the exchange is looked at before it is removed, and goes
back if it is another file than the plan knew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import NamedTuple

from aslp2p.errors import UserError
from aslp2p.worktree.disk import FILE, FOLDER, LINK, OTHER, Disk, Status
from aslp2p.worktree.scan import PART, SWAP
from aslp2p.worktree.trees import Entry, Found

CHANGED = "changed meanwhile"


class Changed(UserError):
    """The folder does not hold any more what the plan was made from; nothing was done."""


class Staged(NamedTuple):
    """A file that is to take its place."""

    path: str
    entry: Entry
    over: Found | None
    """What it is to replace; None: nothing."""
    part: str
    """Where its bytes are; empty where only the executable bit changes."""


class Writer:
    """Changes one folder. Raises `Changed`, `InTheWay` and `OSError`; the folder is as it was then.

    With `displaces`, a link or a device gives way to a file.
    """

    def __init__(self, disk: Disk, *, displaces: bool = False) -> None:
        self._disk = disk
        self._displaces = displaces
        self._numbers = count()

    def set_aside(self, path: str, over: Found, to: str) -> None:
        """Rename a file to a name of its own."""
        self.require(path, over)
        self._disk.make_folders(to)
        self._disk.rename(path, to)
        self._remove_empty_folders(path)

    def delete(self, path: str, over: Found) -> None:
        """Remove a file that the history has; one that was changed at the last moment comes back."""
        swap = self._beside(path, SWAP)
        self.require(path, over)
        self._disk.rename(path, swap)
        if self._is_wanted(swap, over):
            self._disk.rename(swap, path)
            raise Changed(CHANGED)
        self._disk.remove(swap)
        self._remove_empty_folders(path)

    def move(self, path: str, over: Found, to: str) -> None:
        """Rename a file as the history has renamed it."""
        self.require(path, over)
        self._remove_hollow(to)
        self._disk.make_folders(to)
        self._disk.rename(path, to)
        self._remove_empty_folders(path)

    def stage(
        self, path: str, entry: Entry, over: Found | None, chunks: Callable[[], Iterable[bytes]]
    ) -> Staged:
        """Write `entry` beside `path`, to take the place of `over` or of nothing; `chunks` gives its bytes.
        The file is to be on disk (`Disk.flush`) before it is placed, or dropped."""
        if over is not None and over.like.content == entry.like.content:
            self.require(path, over)
            return Staged(path, entry, over, "")
        if over is None:
            self._remove_hollow(path)
        if not self._gives_way(path):
            self.require(path, over)
        self._disk.make_folders(path)
        part = self._beside(path, PART)
        self._disk.create(
            part,
            chunks(),
            executable=entry.like.executable,
            modified_ms=entry.modified_ms,
        )
        return Staged(path, entry, over, part)

    def drop(self, staged: Staged) -> None:
        """Remove what was staged."""
        if staged.part:
            self._disk.remove(staged.part)

    def place(self, staged: Staged) -> None:
        """Put what was staged in place of what it is to replace."""
        path, entry, over, part = staged
        if not part:
            self.require(path, over)
            self._disk.set_executable(path, entry.like.executable)
            return
        if self._gives_way(path):
            self._disk.remove(path)
        try:
            if over is None:
                self._disk.rename(part, path)
            else:
                self._exchange(part, path, over)
        except Exception:  # a kill leaves it, and the next sync finds it
            with suppress(OSError):
                self._disk.remove(part)
            raise

    def write(
        self, path: str, entry: Entry, over: Found | None, chunks: Callable[[], Iterable[bytes]]
    ) -> None:
        """All of it for one file."""
        staged = self.stage(path, entry, over, chunks)
        if staged.part:
            self._disk.flush([staged.part])
        self.place(staged)

    def _gives_way(self, path: str) -> bool:
        """Whether what is at `path` is neither file nor folder, and may be displaced."""
        if not self._displaces:
            return False
        status = self._disk.status(path)
        return status is not None and status.kind in (LINK, OTHER)

    def _exchange(self, part: str, path: str, over: Found) -> None:
        ours = self._disk.status(part)
        swap = self._beside(path, SWAP)
        self._disk.rename(part, swap)
        try:
            self._swap(path, swap, over)
        except Exception:
            with suppress(OSError):
                self._remove_ours(swap, ours)
            raise

    def _remove_ours(self, swap: str, ours: Status | None) -> None:
        """Unless something of somebody's has come there in the last moment: the next sync finds that."""
        status = self._disk.status(swap)
        if status is not None and ours is not None and status.identity == ours.identity:
            self._disk.remove(swap)

    def _swap(self, path: str, swap: str, over: Found) -> None:
        self.require(path, over)
        if not self._disk.exchange(swap, path):
            self._disk.replace(swap, path)  # this system cannot exchange
            return
        if self._is_wanted(swap, over):
            self._disk.exchange(swap, path)
            raise Changed(CHANGED)
        self._disk.remove(swap)

    def _is_wanted(self, swap: str, over: Found) -> bool:
        """Whether what came out is another file than the plan knew, or one that somebody is writing: whoever
        opened it before it came out may still do so, and nobody can open it here."""
        status = self._disk.status(swap)
        if status is None or status.kind != FILE:
            return True
        try:
            with self._disk.reading(swap) as file:
                return file.has_writer() or file.status().identity != over.identity
        except OSError:
            return True

    def require(self, path: str, over: Found | None) -> None:
        """Raises `Changed` unless `over`, or nothing, is at `path`."""
        status = self._disk.status(path)
        if over is None:
            if status is not None:
                raise Changed("a folder is in its place" if status.kind == FOLDER else CHANGED)
        elif status is None or status.kind != FILE or status.identity != over.identity:
            raise Changed(CHANGED)

    def _beside(self, path: str, prefix: str) -> str:
        folder, slash, _ = path.rpartition("/")
        while True:
            name = f"{folder}{slash}{prefix}{next(self._numbers)}"
            if self._disk.status(name) is None:
                return name

    def _remove_hollow(self, path: str) -> None:
        """A folder at `path` with nothing but folders in it gives way to a file: nothing is in it to lose."""
        status = self._disk.status(path)
        if status is not None and status.kind == FOLDER:
            for name, below in self._disk.entries(path):
                if below.kind == FOLDER:
                    self._remove_hollow(f"{path}/{name}")
            with suppress(OSError):
                self._disk.remove_folder(path)

    def _remove_empty_folders(self, path: str) -> None:
        while path := path.rpartition("/")[0]:
            try:
                self._disk.remove_folder(path)
            except OSError:
                return  # something is in it
