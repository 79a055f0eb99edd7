"""Files that are there whole or not at all: written aside, synced, put in place, the folder synced.

After a crash at any instant a path holds its old bytes or its new ones. What a crash leaves over is a file
called `.tmp-…` beside it.
"""

from __future__ import annotations

import os
import stat
from itertools import count
from pathlib import Path

from aslp2p.errors import DiskFault, UserError

TEMPORARY_PREFIX = ".tmp-"
_numbers = count()


def atomic_write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Puts `data` at `path`, in place of what was there, on disk when this returns.

    Raises `DiskFault` when the disk refuses and `UserError` when it is not allowed; `path` is unchanged then.
    """
    temporary = _write_aside(path, data, mode)
    try:
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise _fault(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def atomic_create(path: Path, data: bytes, mode: int = 0o600) -> None:
    """As `atomic_write`, but raises `FileExistsError` when there is anything at `path`, even in a race."""
    temporary = _write_aside(path, data, mode)
    try:
        os.link(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise _fault(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def require_replaceable(path: str | os.PathLike[str]) -> None:
    """Raises `UserError` if what stands at `path` is anything but a file, which a new one may replace.

    Renaming a file onto a device, a pipe or a link takes that away from everybody who uses it.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing there, or nothing that can be seen: writing says why
    if stat.S_ISREG(mode):
        return
    shown = os.fspath(path)
    if stat.S_ISLNK(mode):
        raise UserError(
            f"{shown} is a symbolic link", remedy=f"name what it points to: {os.path.realpath(path)}"
        )
    if stat.S_ISDIR(mode):
        raise UserError(f"{shown} is a folder", remedy="name a file in it")
    raise UserError(f"{shown} is a device, pipe or socket", remedy="name a file")


def sync_folder(path: Path) -> None:
    """Makes the names in the folder `path` as durable as what they name. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`. Raises `UserError` when that cannot be seen: it may well be."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(path, error) from None
    return True


def read_small(path: Path, bytes_max: int) -> bytes | None:
    """The bytes of `path`, or None where there is no such file.

    Raises `UserError` when it cannot be read or is longer than `bytes_max`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > bytes_max:
        raise UserError(f"{path} is longer than {bytes_max} bytes", remedy="it is not what aslp2p wrote")
    return data


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot read {path} ({error.strerror})", remedy="see who owns it, and its mode")


def _write_aside(path: Path, data: bytes, mode: int) -> Path:
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{next(_numbers)}")
    try:
        temporary.unlink(missing_ok=True)  # left by a crashed process that had our number
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fchmod(descriptor, mode)  # whatever the umask says
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _fault(path, error) from None
    return temporary


def _fault(path: Path, error: OSError) -> DiskFault | UserError:
    if isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError):
        return UserError(
            f"cannot write {path} ({error.strerror})", remedy="see that its folder is there and is yours"
        )
    return DiskFault(f"cannot write {path} ({error.strerror})", remedy="make room, or look at the disk")
