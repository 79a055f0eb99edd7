"""The folder as it is: every file with what it holds, read again only where its status has changed.

A file is taken only if it is the same before and after it is read. One that was changed within two seconds of
being read is read again the next time, since a file system's clock may not tell two writes apart.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aslp2p.artifacts.content import ContentBuilder
from aslp2p.artifacts.text import path_problem
from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES
from aslp2p.worktree.base import Base, Seen
from aslp2p.worktree.disk import FILE, FOLDER, LINK, Disk, Status
from aslp2p.worktree.names import TEMPORARY_PREFIX, is_ours
from aslp2p.worktree.never import A_HOME, A_STORE, HEAD_BYTES, is_home, logs_of_stores, require_puttable
from aslp2p.worktree.rules import Rules
from aslp2p.worktree.trees import Found, Like

PART = f"{TEMPORARY_PREFIX}part-"
"""A file that is being written: worth nothing."""
SWAP = f"{TEMPORARY_PREFIX}swap-"
"""A file on its way in or out: may be somebody's."""
_CLOCK_NS = 2 * 10**9
LINKED = "a symbolic link"
SPECIAL = "a pipe, socket or device"
CHANGING = "is being written"
WRITER_NS = 60 * 10**9
"""A file that somebody has open to write waits until it is closed, or has not changed for so long."""


@dataclass
class Scan:
    """What a scan found."""

    local: dict[str, Found] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    nameless: list[str] = field(default_factory=list)
    """Files whose names no path can be, as they are shown."""
    leftovers: list[str] = field(default_factory=list)
    """What a kill has left of our own."""


class Scanner:
    """Scans one folder, once. `now_ns` is the time by the file system's own clock."""

    def __init__(self, disk: Disk, base: Base, rules: Rules, now_ns: int) -> None:
        self._disk = disk
        self._base = base
        self._rules = rules
        self._now_ns = now_ns
        self._seen: Mapping[str, Seen] = base.seen()
        self.found = Scan()
        self._todo: list[str] = [""]  # not by recursion: a folder may be deeper than Python's stack

    def scan(self) -> Scan:
        """The whole folder. Raises `OSError` when its root cannot be read, `UserError` when it is a home."""
        while self._todo:
            folder = self._todo.pop()
            try:
                entries = self._disk.entries(folder)
                self._entries(folder, self._without_secrets(folder, entries))
            except (OSError, UserError) as error:
                if not folder:
                    raise
                self.found.unseen[folder] = _cannot(error)
        for path in self._seen.keys() - self.found.local.keys():
            self._base.unsee(path)
        return self.found

    def _without_secrets(self, folder: str, entries: list[tuple[str, Status]]) -> list[tuple[str, Status]]:
        """`entries` but what only its place shows to hold a secret. Raises `UserError` in a home."""

        def head_of(name: str) -> bytes:
            try:
                with self._disk.reading(f"{folder}/{name}" if folder else name) as file:
                    return file.read(HEAD_BYTES)
            except (OSError, UserError):
                return b""  # nor can it be put

        files = {name for name, status in entries if status.kind == FILE}
        if is_home(files, head_of):
            raise UserError(f"{A_HOME}, and is never put", remedy="name another folder")
        logs = logs_of_stores(files, head_of)
        for name in logs:
            self.found.unseen[f"{folder}/{name}" if folder else name] = f"{A_STORE}, and is never put"
        return [one for one in entries if one[0] not in logs]

    def look(self, paths: Iterable[str]) -> Scan:
        """Only what is at `paths`: for a folder that holds more than anybody wants to read."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for path in paths:
            folder, _, name = path.rpartition("/")
            wanted[folder].add(name)
        for folder, names in wanted.items():
            try:
                entries = self._disk.entries(folder)
            except FileNotFoundError:
                continue
            except (OSError, UserError) as error:
                self.found.unseen |= {f"{folder}/{name}": _cannot(error) for name in names}
                continue
            self._entries(folder, [one for one in entries if one[0] in names or is_ours(one[0])])
        return self.found

    def _entries(self, folder: str, entries: list[tuple[str, Status]]) -> None:
        for name, status in entries:
            path = f"{folder}/{name}" if folder else name
            if is_ours(name):
                if name.startswith((PART, SWAP)) and status.kind == FILE:
                    self.found.leftovers.append(path)
            elif self._has_name(path, name, status):
                self._entry(path, status)

    def _has_name(self, path: str, name: str, status: Status) -> bool:
        try:
            name.encode()
        except UnicodeEncodeError:
            self.found.nameless.append(f"{os.fsencode(path)!r}: its name is not UTF-8")
            return False
        composed = unicodedata.normalize("NFC", path)
        if composed != path:
            twin = self._disk.status(composed)
            if twin is None or twin.identity != status.identity:
                self.found.nameless.append(f"{path}: its name is not in Unicode's form NFC")
                return False
        if problem := path_problem(composed):
            shown = path if len(path) < 60 else f"{path[:40]}…"
            self.found.nameless.append(f"{shown!r}: this cannot be its path, it is {problem}")
            return False
        return True

    def _entry(self, path: str, status: Status) -> None:
        path = unicodedata.normalize("NFC", path)
        why = self._rules.why_not(path, folder=status.kind == FOLDER)
        if why is not None:
            self.found.out[path] = why
            return
        if status.kind == FOLDER:
            self.found.folders.add(path)
            self._todo.append(path)
        elif status.kind != FILE:
            self.found.unseen[path] = LINKED if status.kind == LINK else SPECIAL
        else:
            self._file(path, status)

    def _file(self, path: str, status: Status) -> None:
        seen = self._seen.get(path)
        if seen is not None and _is_known(seen, status):
            content = seen.content
        else:
            try:
                read = content_of(self._disk, path, status, self._now_ns)
            except (OSError, UserError) as error:
                self.found.unseen[path] = _cannot(error)
                return
            if read is None:
                self.found.unseen[path] = CHANGING
                return
            content = read
            self._base.saw(path, status, self._now_ns, content)
        self.found.local[path] = Found(Like(content, status.executable), status.identity)


def left_out(disk: Disk, rules: Rules) -> dict[str, str]:
    """What of the folder is not carried, and why; a folder that is left out stands for all in it."""
    found: dict[str, str] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        for name, status in disk.entries(folder):
            path = f"{folder}/{name}" if folder else name
            why = rules.why_not(path, folder=status.kind == FOLDER)
            if why is not None:
                found[f"{path}/" if status.kind == FOLDER else path] = why
            elif status.kind == FOLDER:
                todo.append(path)
            elif status.kind != FILE:
                found[path] = LINKED if status.kind == LINK else SPECIAL
    return dict(sorted(found.items()))


def content_of(disk: Disk, path: str, status: Status, now_ns: int) -> str | None:
    """The content id of the file at `path`; None if it is, or becomes, another than `status` says, or if
    somebody is at work on it (at `now_ns`).

    Raises `OSError`, and `UserError` for what is never put.
    """
    builder = ContentBuilder()
    with disk.reading(path) as file:
        if not _is_same(file.status(), status):
            return None
        require_puttable(head := file.read(CHUNK_BYTES))  # first: a store that is in use has a writer
        if now_ns - status.identity.mtime_ns < WRITER_NS and file.has_writer():
            return None
        builder.feed(head)
        while data := file.read(CHUNK_BYTES):
            builder.feed(data)
        if not _is_same(file.status(), status):
            return None
    return builder.finish().id.hex()


def _is_same(one: Status, other: Status) -> bool:
    return (one.kind, one.identity, one.ctime_ns) == (other.kind, other.identity, other.ctime_ns)


def _is_known(seen: Seen, status: Status) -> bool:
    settled = max(status.identity.mtime_ns, status.ctime_ns) + _CLOCK_NS < seen.read_at_ns
    return settled and (seen.identity, seen.ctime_ns) == (status.identity, status.ctime_ns)


def _cannot(error: OSError | UserError) -> str:
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else error.message
