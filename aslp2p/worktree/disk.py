"""The folder on a disk, one system call or a few at a time; all else in `worktree` knows only `Disk`.

Every folder below the root is opened from the one above without following links, so nothing outside the root
is ever read or written, whatever somebody puts there meanwhile. What replaces a file takes its place in one
step, and what was replaced can still be looked at afterwards: where the system can exchange two names (Linux,
`renameat2`), no edit is lost between a look and a rename.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, NamedTuple, Protocol, TypeVar

from aslp2p.errors import UsageError, UserError
from aslp2p.worktree.system import EXCHANGE, NOREPLACE, rename_with, set_mode, sync_file_system, write_sparse
from aslp2p.worktree.trees import Identity

T = TypeVar("T")
FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MANY = 16
"""From so many files on one wait for the whole file system costs less than one for each of them."""


class InTheWay(UserError):
    """Something that is no folder, or that nothing may be written into, stands where a folder has to be."""

    code = "user.in-the-way"


class Status(NamedTuple):
    """What stands at a path: `kind`, and for a file how to know it again."""

    kind: str
    identity: Identity
    ctime_ns: int
    executable: bool


class Reading(Protocol):
    """A file that is open to be read."""

    def status(self) -> Status: ...

    def read(self, size: int, /) -> bytes: ...

    def has_writer(self) -> bool:
        """Whether somebody has it open to write, as far as the system tells."""

    def fileno(self) -> int:
        """Its descriptor, for whoever is to read it instead."""


class Bytes(Iterable[bytes]):
    """What a file is to hold, a chunk at a time; or written into it by whoever has it."""

    def fill(self, descriptor: int) -> bool:
        """Write all of it into an open, empty file; False: it is to be gone through instead."""
        return False


class Disk(Protocol):
    """A folder. Paths are relative to it, with `/`; the empty path is the folder itself. Raises `OSError`,
    and `InTheWay` where a path leads through anything but folders.
    """

    def entries(self, folder: str, /) -> list[tuple[str, Status]]:
        """What is in `folder`, by name."""

    def status(self, path: str, /) -> Status | None:
        """What is at `path`, not followed; None where there is nothing."""

    def reading(self, path: str, /) -> AbstractContextManager[Reading]:
        """The file at `path`, open. Never waits, whatever it has become."""

    def create(self, path: str, chunks: Iterable[bytes], /, *, executable: bool, modified_ms: int) -> None:
        """A new file with `chunks`; zeros need take no room. It is on disk once `flush` has returned.
        `modified_ms` 0: now."""

    def flush(self, paths: Sequence[str], /) -> None:
        """What was created at `paths` is on disk when this returns."""

    def rename(self, old: str, new: str, /) -> None:
        """Raises `FileExistsError` where there is anything at `new`."""

    def exchange(self, one: str, other: str, /) -> bool:
        """What is at each is at the other afterwards; False where that cannot be done here."""

    def replace(self, old: str, new: str, /) -> None: ...

    def remove(self, path: str, /) -> None: ...

    def make_folders(self, path: str, /) -> None:
        """The folders that `path` is in."""

    def remove_folder(self, path: str, /) -> None: ...

    def set_executable(self, path: str, executable: bool, /) -> None: ...

    def doubt_writers(self) -> None:
        """What this file system tells of writers is not believed any more."""

    def name_bytes_max(self) -> int:
        """How long the name of a file may be here."""

    def sync(self) -> None:
        """Names are as durable as what they name when this returns."""


class _OpenFile:
    def __init__(self, file: IO[bytes], tells_writers: bool) -> None:
        self._file = file
        self._tells_writers = tells_writers

    def status(self) -> Status:
        return _status(os.fstat(self._file.fileno()))

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def fileno(self) -> int:
        return self._file.fileno()

    def has_writer(self) -> bool:
        return self._tells_writers and _has_writer(self._file.fileno())


class Folder:
    """The folder at `path`. Use as a context manager. `home` is never looked into.

    It is made if it is not there and `make` is true. Raises `UserError` when it cannot be opened, or is in
    `home`.
    """

    def __init__(self, path: str, home: str | None = None, *, make: bool = True) -> None:
        self.path = path
        self._home: os.stat_result | None = None
        if home is not None and os.path.isdir(home):
            real = os.path.realpath(home)
            if os.path.commonpath((os.path.realpath(path), real)) == real:
                raise UsageError(f"{path} is in the home of aslp2p, {home}", remedy="name another folder")
            self._home = os.stat(home)
        try:
            if make:
                os.makedirs(path, exist_ok=True)
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UserError(
                f"cannot write into {path} ({error.strerror})", remedy="name another folder"
            ) from None
        umask = os.umask(0)
        os.umask(umask)
        self._modes = (0o666 & ~umask, 0o777 & ~umask)
        self._unsynced: set[str] = set()
        self._devices: dict[str, int] = {}
        """The file system of each file that was created and not flushed."""
        self._tells_writers = True

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def entries(self, folder: str, /) -> list[tuple[str, Status]]:
        with self._opened(folder) as descriptor:
            found = []
            for name in sorted(os.listdir(descriptor), key=os.fsencode):
                with suppress(FileNotFoundError):  # gone since
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    found.append((name, _status(status)))
            return found

    def status(self, path: str, /) -> Status | None:
        try:
            with self._parent(path) as (descriptor, name):
                return _status(os.stat(name, dir_fd=descriptor, follow_symlinks=False))
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self, path: str, /) -> Iterator[Reading]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._parent(path) as (descriptor, name):
            opened = os.open(name, flags, dir_fd=descriptor)
        with open(opened, "rb") as file:
            yield _OpenFile(file, self._tells_writers)

    def create(self, path: str, chunks: Iterable[bytes], /, *, executable: bool, modified_ms: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._parent(path) as (descriptor, name):
            try:
                with open(os.open(name, flags, 0o600, dir_fd=descriptor), "wb", buffering=0) as file:
                    if not (isinstance(chunks, Bytes) and chunks.fill(file.fileno())):
                        write_sparse(file.fileno(), chunks)
                    set_mode(file.fileno(), self._modes[executable])
                    if modified_ms:
                        os.utime(file.fileno(), ns=(modified_ms * 10**6, modified_ms * 10**6))
                    self._devices[path] = os.fstat(file.fileno()).st_dev
            except BaseException:
                with suppress(OSError):
                    os.unlink(name, dir_fd=descriptor)
                raise

    def flush(self, paths: Sequence[str], /) -> None:
        on: dict[int | None, list[str]] = defaultdict(list)
        for path in paths:
            on[self._devices.pop(path, None)].append(path)
        for device, here in on.items():
            if device is not None and len(here) >= _MANY and self._at(here[0], sync_file_system):
                continue
            for path in here:
                self._at(path, os.fsync)

    def _at(self, path: str, do: Callable[[int], T]) -> T:
        """What `do` gives for the file at `path`, open."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._parent(path) as (descriptor, name):
            opened = os.open(name, flags, dir_fd=descriptor)
        try:
            return do(opened)
        finally:
            os.close(opened)

    def rename(self, old: str, new: str, /) -> None:
        with self._parent(old) as (from_, old_name), self._parent(new) as (to, new_name):
            if not rename_with(from_, old_name, to, new_name, NOREPLACE):
                if self.status(new) is not None:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
                os.rename(old_name, new_name, src_dir_fd=from_, dst_dir_fd=to)
        self._changed(old, new)

    def exchange(self, one: str, other: str, /) -> bool:
        with self._parent(one) as (from_, one_name), self._parent(other) as (to, other_name):
            done = rename_with(from_, one_name, to, other_name, EXCHANGE)
        self._changed(one, other)
        return done

    def replace(self, old: str, new: str, /) -> None:
        with self._parent(old) as (from_, old_name), self._parent(new) as (to, new_name):
            os.replace(old_name, new_name, src_dir_fd=from_, dst_dir_fd=to)
        self._changed(old, new)

    def remove(self, path: str, /) -> None:
        with self._parent(path) as (descriptor, name):
            os.unlink(name, dir_fd=descriptor)
        self._changed(path)

    def make_folders(self, path: str, /) -> None:
        with self._opened(path.rpartition("/")[0], make=True):
            pass
        while path := path.rpartition("/")[0]:
            self._changed(path)

    def remove_folder(self, path: str, /) -> None:
        with self._parent(path) as (descriptor, name):
            os.rmdir(name, dir_fd=descriptor)
        self._unsynced.discard(path)
        self._changed(path)

    def set_executable(self, path: str, executable: bool, /) -> None:
        def change(opened: int) -> None:
            mode = stat.S_IMODE(os.fstat(opened).st_mode)
            readable = (mode & 0o444) >> 2  # whoever may read it may run it
            os.fchmod(opened, mode | readable & self._modes[1] if executable else mode & ~0o111)
            os.fsync(opened)

        self._at(path, change)

    def doubt_writers(self) -> None:
        self._tells_writers = False

    def name_bytes_max(self) -> int:
        return os.fpathconf(self._root, "PC_NAME_MAX")

    def sync(self) -> None:
        many = len(self._unsynced) >= _MANY
        synced: set[int] = set()
        for folder in sorted(self._unsynced):
            with suppress(FileNotFoundError), self._opened(folder) as descriptor:
                device = os.fstat(descriptor).st_dev
                if device in synced:
                    continue
                if many and sync_file_system(descriptor):
                    synced.add(device)
                else:
                    os.fsync(descriptor)
        self._unsynced.clear()
        self._devices.clear()

    def _changed(self, *paths: str) -> None:
        self._unsynced.update(path.rpartition("/")[0] for path in paths)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder that `path` is in, open, and the name in it."""
        folder, _, name = path.rpartition("/")
        with self._opened(folder) as descriptor:
            yield descriptor, name

    @contextmanager
    def _opened(self, folder: str, *, make: bool = False) -> Iterator[int]:
        descriptor = os.dup(self._root)
        try:
            for name in folder.split("/") if folder else ():
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o777, dir_fd=descriptor)
                try:
                    below = os.open(name, _OPEN_FOLDER, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP):
                        words = "not a folder, and links are not followed"
                        raise InTheWay(f"{name} is in the way: {words}") from None
                    raise
                os.close(descriptor)
                descriptor = below
                if self._home is not None and os.path.samestat(os.fstat(descriptor), self._home):
                    raise InTheWay("this is in the home of aslp2p, where nothing is written")
            yield descriptor
        finally:
            os.close(descriptor)


def _status(found: os.stat_result) -> Status:
    mode = found.st_mode
    kind = (
        FILE
        if stat.S_ISREG(mode)
        else FOLDER
        if stat.S_ISDIR(mode)
        else LINK
        if stat.S_ISLNK(mode)
        else OTHER
    )
    identity = Identity(found.st_ino, found.st_size, found.st_mtime_ns)
    return Status(kind, identity, found.st_ctime_ns, bool(mode & stat.S_IXUSR))


def _has_writer(descriptor: int) -> bool:
    """Asked by a lease, which the kernel (Linux) gives on a file that nobody has open to write. It is given
    up at once; who opens the file in between waits for that, and a signal tells of it that does nothing."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN  # else: another user's file, or a file system without leases
    return False
