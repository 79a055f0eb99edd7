"""Which files `asl put` means, and what they are called in the Common.

    asl put cat.jpg photos/          photos/cat.jpg         a DEST with a slash at its end is a folder
    asl put cat.jpg photos/c.jpg     photos/c.jpg
    asl put -r photos/ photos/       photos/…               a SRC with one means what is in it
    asl put -r photos archive/       archive/photos/…
    asl put -r photos archive        archive/…              without one it is what the folder is called there

Symbolic links inside a folder are skipped (one given by name is followed), as are sockets, pipes and devices,
git's own folders, and what a checkout keeps there for itself. What cannot be taken is a problem of its own
and the rest goes on.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aslp2p.artifacts.text import path_problem
from aslp2p.errors import UsageError
from aslp2p.limits import PATH_BYTES_MAX
from aslp2p.worktree.names import GIT, is_git_folder, is_ours
from aslp2p.worktree.never import A_HOME, A_STORE, HEAD_BYTES, WAL_SUFFIX, HeadOf, is_home, logs_of_stores
from aslp2p.worktree.portable import SameNames, unportable

STDIN = "-"


def clean_path(text: str) -> str:
    """A path of the Common as it is written there: NFC, without `./` before it and slashes around it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{text!a} is not UTF-8", remedy="the names in a Common are UTF-8: rename it, or type it so"
        ) from None
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    stripped = unicodedata.normalize("NFC", text).strip("/")
    return "" if stripped == "." else stripped


class Item(NamedTuple):
    """One file to put: where it is here (`-`: standard input), and its path in the Common."""

    source: str
    path: str


_TOO_DEEP = f"all below it would have paths of more than {PATH_BYTES_MAX} bytes"
_SECRET = "is the home of aslp2p, with this machine's secret"


class Walk:
    """The files of one `asl put`. Iterate; `problems`, `skipped` and `unportable` (names that not every
    system can hold; they are taken) grow on the way, each one line.

    Nothing inside `home` is taken, nor a copy of one: with the secret that is there, everybody could be that
    machine. (Other files with secrets are refused when they are read, `never`.)
    """

    def __init__(self, sources: Sequence[str], dest: str, *, recursive: bool, home: str = "") -> None:
        self._home = os.path.realpath(home) if home else ""
        self._sources = sources
        self._into = dest.endswith("/") or dest in (".", "./")
        self._dest = clean_path(dest)
        self._recursive = recursive
        self._seen: dict[str, str] = {}
        self._same_names = SameNames()
        self.problems: list[str] = []
        self.skipped: list[str] = []
        self.unportable: list[str] = []
        if len(sources) > 1 and not self._into:
            raise UsageError(f"{dest} is to hold several files", remedy=f"write it as a folder: {dest}/")
        if STDIN in sources and self._into:
            raise UsageError("standard input has no name of its own", remedy="write the whole path after -")

    def __iter__(self) -> Iterator[Item]:
        for source in self._sources:
            yield from self._source(source)

    def followed(self) -> tuple[str, str] | None:
        """The one folder that is meant and the path that it becomes; None where it is anything else."""
        if not self._recursive or len(self._sources) != 1 or not os.path.isdir(self._sources[0]):
            return None
        return self._sources[0], self._target(self._sources[0])

    def _target(self, source: str) -> str:
        contents = source.endswith("/") or os.path.basename(source) in (".", "..")
        name = os.path.basename(source.rstrip("/"))
        return _joined(self._dest, name) if self._into and not contents else self._dest

    def _source(self, source: str) -> Iterator[Item]:
        if source == STDIN:
            yield from self._checked(source, self._dest)
            return
        try:
            mode = os.stat(source).st_mode
        except OSError as error:
            self.problems.append(unreadable(source, error))
            return
        target = self._target(source)
        if self._is_of_home(source):
            self.problems.append(f"{_shown(source)} {_SECRET}")
        elif stat.S_ISDIR(mode):
            if not self._recursive:
                self.problems.append(f"{_shown(source)} is a folder; put it with -r")
                return
            yield from self._folder(source, target)
        elif _is_log_of_store(source):
            self.problems.append(f"{_shown(source)} {A_STORE}, and is never put")
        elif stat.S_ISREG(mode):
            yield from self._checked(source, target)
        else:
            self.problems.append(f"{_shown(source)} is no file; only files and folders can be put")

    def _is_of_home(self, path: str) -> bool:
        real = os.path.realpath(path)
        return bool(self._home) and os.path.commonpath((real, self._home)) == self._home

    def _folder(self, folder: str, target: str) -> Iterator[Item]:
        """What is in `folder`, in order; not by recursion, for it may be deeper than Python's stack."""
        levels = [iter(self._entries(folder, target))]
        while levels:
            entry, path = next(levels[-1], (None, ""))
            if entry is None:
                levels.pop()
                continue
            try:
                if entry.is_symlink():
                    self.skipped.append(f"{_shown(entry.path)}: a symbolic link")
                elif entry.is_dir():
                    if len(path.encode(errors="surrogateescape")) <= PATH_BYTES_MAX:
                        levels.append(iter(self._entries(entry.path, path)))
                    else:
                        self.problems.append(f"{_shown(entry.path)[:40]}…: {_TOO_DEEP}")
                elif entry.is_file():
                    yield from self._checked(entry.path, path)
                else:
                    self.skipped.append(f"{_shown(entry.path)}: a pipe, socket or device")
            except OSError as error:
                self.problems.append(unreadable(entry.path, error))

    def _entries(self, folder: str, target: str) -> list[tuple[os.DirEntry[str], str]]:
        """What is in one folder, and the paths that it becomes."""
        if self._is_of_home(folder):
            self.skipped.append(f"{_shown(folder)}: {_SECRET}")
            return []
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
            names = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        except OSError as error:
            self.problems.append(unreadable(folder, error))
            return []
        if is_home(names, head_of := _heads(folder)):
            self.problems.append(f"{_shown(folder)} {A_HOME}, and is never put")
            return []
        logs = logs_of_stores(names, head_of)
        taken = []
        for entry in entries:
            if entry.name in logs:
                self.problems.append(f"{_shown(entry.path)} {A_STORE}, and is never put")
            elif is_git_folder(entry.name):
                self.skipped.append(f"{_shown(entry.path)}: {GIT}; no checkout would write it")
            elif not is_ours(entry.name):
                taken.append((entry, _joined(target, entry.name)))
        return taken

    def _checked(self, source: str, path: str) -> Iterator[Item]:
        try:
            path.encode()
        except UnicodeEncodeError:
            self.problems.append(f"{_shown(source)}: its name is not UTF-8; rename it")
            return
        path = unicodedata.normalize("NFC", path)
        if problem := path_problem(path):
            self.problems.append(
                f"{_shown(source)}: this cannot be its path, it is {problem}; put it at another"
            )
        elif path in self._seen:
            self.problems.append(
                f"{_shown(source)}: {path} is what {_shown(self._seen[path])} is called already"
            )
        else:
            self._seen[path] = source
            if (why := self._why_unportable(path)) is not None:
                self.unportable.append(f"{path}: {why}")
            yield Item(source, path)

    def _why_unportable(self, path: str) -> str | None:
        if (why := unportable(path)) is not None:
            return why
        return self._same_names.of(path)


def _is_log_of_store(source: str) -> bool:
    folder, name = os.path.split(os.path.realpath(source))
    store = name.removesuffix(WAL_SUFFIX)
    return bool(logs_of_stores({name, store}, _heads(folder)))


def _heads(folder: str) -> HeadOf:
    """The first bytes of files in `folder`; none where one cannot be read, so neither put."""

    def head_of(name: str) -> bytes:
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(os.path.join(folder, name), flags), "rb") as file:
                return file.read(HEAD_BYTES)
        except OSError:
            return b""

    return head_of


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def unreadable(path: str, error: OSError) -> str:
    """That `path` of this machine cannot be read, and what to see to."""
    return f"cannot read {_shown(path)} ({error.strerror}); see that it is there, and whose it is"


def _shown(path: str) -> str:
    """A path of this machine for a message, whatever bytes it holds."""
    return path if path.isprintable() else ascii(path)
