"""A folder's disk in memory: it counts its calls, and a kill or a power cut comes before any one of them.

A power cut leaves of the names what was so at some moment since they were synced last, and of a file that
was not flushed as many bytes as it likes. The disk may be full, calls may fail, and somebody may be at work
in the folder before each of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import UnsupportedOperation
from random import Random

from aslp2p.worktree.aside import ancestors
from aslp2p.worktree.disk import FILE, FOLDER, InTheWay, Reading, Status
from aslp2p.worktree.trees import Identity


class Killed(BaseException):
    """The process ends here."""


class _File:
    def __init__(self, inode: int, data: bytes, mtime_ns: int) -> None:
        self.inode = inode
        self.data = data
        self.mtime_ns = self.ctime_ns = mtime_ns
        self.executable = False
        self.flushed = True

    def status(self) -> Status:
        identity = Identity(self.inode, len(self.data), self.mtime_ns)
        return Status(FILE, identity, self.ctime_ns, self.executable)


class _Reading:
    def __init__(self, disk: MemoryDisk, file: _File) -> None:
        self._disk = disk
        self._file = file
        self._at = 0

    def status(self) -> Status:
        self._disk.call()
        return self._file.status()

    def has_writer(self) -> bool:
        self._disk.call()
        return self._file in self._disk.writers

    def fileno(self) -> int:
        raise UnsupportedOperation("a simulated file has no descriptor")

    def read(self, size: int, /) -> bytes:
        self._disk.call()
        data = self._file.data[self._at : self._at + size]
        self._at += len(data)
        return data


class MemoryDisk:
    """A folder in memory. `kill_at`: the number of the call before which the process ends. `meddle` is called
    before every call: a person at work."""

    def __init__(self) -> None:
        self.files: dict[str, _File] = {}
        self.folders: set[str] = {""}
        self.calls = 0
        self.kill_at: int | None = None
        self.meddle: Callable[[MemoryDisk], None] | None = None
        self.full = False
        self.broken: set[int] = set()
        """Numbers of calls that end with EIO."""
        self.broken_flush = False
        self.writers: list[_File] = []
        """Files that somebody has open to write."""
        self.drops = False
        """As FAT: dots at the end of a name are dropped."""
        self.refuses = False
        """As FAT: no colon in a name."""
        self.longest = 255
        self.bit: bool | None = None
        """As FAT: this is what every file's executable bit is, and none can be set."""
        self._inodes = 0
        self._now_ns = 10**18
        self._moments: list[tuple[dict[str, _File], set[str]]] = []
        """How the names were, at each moment since they were synced last."""

    def call(self) -> None:
        if self.kill_at == self.calls:
            raise Killed
        self.calls += 1
        if self.calls in self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if (meddle := self.meddle) is not None:
            self.meddle = None
            meddle(self)
            self.meddle = meddle

    def tick(self) -> int:
        self._now_ns += 3 * 10**9
        return self._now_ns

    def power_cut(self, random: Random) -> None:
        """Names are as they were a while ago, and what was not flushed is cut off anywhere."""
        if self._moments:
            files, folders = random.choice([*self._moments, (self.files, self.folders)])
            self.files, self.folders = dict(files), set(folders)
        self._moments = []
        for file in self.files.values():
            if not file.flushed:
                file.data = file.data[: random.randrange(len(file.data) + 1)]
                file.flushed = True

    def _remember(self) -> None:
        """Before names change."""
        self._moments.append((dict(self.files), set(self.folders)))

    # --- what people and tests do -------------------------------------------------------------------------

    def write(self, path: str, data: bytes) -> None:
        """As an editor saves: a new file in place of the old one."""
        folder = path
        while folder := folder.rpartition("/")[0]:
            assert folder not in self.files
            self.folders.add(folder)
        assert path not in self.folders
        self._inodes += 1
        self.files[path] = _File(self._inodes, data, self.tick())
        self._moments = []  # an editor waits for the disk

    def move(self, old: str, new: str) -> None:
        """As a person renames, into folders that are made for it."""
        self.folders.update(ancestors(new))
        self.files[new] = self.files.pop(old)
        self.files[new].ctime_ns = self.tick()
        self._moments = []

    def open_to_write(self, path: str) -> _File:
        """As an editor that saves in place: it goes on with this very file, wherever its name has gone."""
        file = self.files[path]
        self.writers.append(file)
        return file

    def write_in_place(self, file: _File, data: bytes) -> None:
        file.data = data
        file.mtime_ns = file.ctime_ns = self.tick()

    def tree(self) -> dict[str, bytes]:
        return {path: file.data for path, file in self.files.items()}

    # --- Disk ---------------------------------------------------------------------------------------------

    def _folder(self, folder: str) -> None:
        self.call()
        if folder in self.files:
            raise InTheWay(f"{folder} is in the way")
        if folder not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)

    def entries(self, folder: str, /) -> list[tuple[str, Status]]:
        self._folder(folder)
        prefix = f"{folder}/" if folder else ""
        found = {
            path[len(prefix) :]: self._status(file)
            for path, file in self.files.items()
            if path.startswith(prefix) and "/" not in path[len(prefix) :]
        }
        kind = Status(FOLDER, Identity(0, 0, 0), 0, True)
        found |= {
            path[len(prefix) :]: kind
            for path in self.folders
            if path and path.startswith(prefix) and "/" not in path[len(prefix) :]
        }
        return sorted(found.items())

    def _held(self, path: str) -> str:
        """The name that a file system makes of it."""
        if self.refuses and ":" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        if any(len(name.encode()) > self.longest for name in path.split("/")):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        return path.rstrip(".") if self.drops else path

    def status(self, path: str, /) -> Status | None:
        self.call()
        path = self._held(path)
        if any(folder in self.files for folder in ancestors(path)):
            raise InTheWay(f"{path} leads through a file")
        if path in self.folders:
            return Status(FOLDER, Identity(0, 0, 0), 0, True)
        return self._status(self.files[path]) if path in self.files else None

    def _status(self, file: _File) -> Status:
        status = file.status()
        return status if self.bit is None else status._replace(executable=self.bit)

    @contextmanager
    def reading(self, path: str, /) -> Iterator[Reading]:
        self._folder(path.rpartition("/")[0])
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield _Reading(self, self.files[path])

    def create(self, path: str, chunks: Iterable[bytes], /, *, executable: bool, modified_ms: int) -> None:
        self._folder(path.rpartition("/")[0])
        path = self._held(path)
        assert path not in self.files and path not in self.folders
        self._inodes += 1
        self._remember()
        file = self.files[path] = _File(self._inodes, b"", self.tick())
        file.flushed = False
        for chunk in chunks:
            for byte in (chunk[:1], chunk[1:]):
                self.call()
                if self.full:
                    del self.files[path]
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                file.data += byte
        file.executable = executable
        if modified_ms:
            file.mtime_ns = modified_ms * 10**6

    def flush(self, paths: Sequence[str], /) -> None:
        for path in paths:
            self._need(path)
            if self.broken_flush:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.files[path].flushed = True

    def _need(self, path: str) -> None:
        self._folder(path.rpartition("/")[0])
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def rename(self, old: str, new: str, /) -> None:
        self._need(old)
        self._folder(new.rpartition("/")[0])
        if new in self.files or new in self.folders:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        self._remember()
        self.files[new] = self.files.pop(old)
        self.files[new].ctime_ns = self.tick()

    def exchange(self, one: str, other: str, /) -> bool:
        self._need(one)
        self._need(other)
        self._remember()
        self.files[one], self.files[other] = self.files[other], self.files[one]
        return True

    def replace(self, old: str, new: str, /) -> None:
        raise AssertionError("this disk can exchange")

    def remove(self, path: str, /) -> None:
        self._need(path)
        self._remember()
        del self.files[path]

    def make_folders(self, path: str, /) -> None:
        made = ""
        for name in path.split("/")[:-1]:
            made = f"{made}/{name}" if made else name
            self.call()
            if made in self.files:
                raise InTheWay(f"{made} is in the way")
            self._remember()
            self.folders.add(made)

    def remove_folder(self, path: str, /) -> None:
        self._folder(path)
        if any(other.startswith(f"{path}/") for other in (*self.files, *self.folders)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._remember()
        self.folders.remove(path)

    def set_executable(self, path: str, executable: bool, /) -> None:
        self._need(path)
        if self.bit is not None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        self.files[path].executable = executable
        self.files[path].ctime_ns = self.tick()

    def doubt_writers(self) -> None:
        raise AssertionError("this disk tells the truth")

    def name_bytes_max(self) -> int:
        return self.longest

    def sync(self) -> None:
        self.call()
        self._moments = []
