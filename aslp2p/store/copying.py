"""Contents written out into an open file: by the kernel where it can, with holes where there is nothing but
zeros.

Each content is read and hashed before it is copied. `copy_file_range` then copies it without a way through
this process, and on file systems that can shares its blocks instead. A file that is made so begins empty
(`begin`), and what is left out is a hole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from aslp2p.errors import UsageError
from aslp2p.limits import KIB

_BLOCK_BYTES = 64 * KIB
"""Runs of zeros of at least this length, from a multiple of it on, are holes."""
_ZEROS = bytes(_BLOCK_BYTES)
_NO_SUCH_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF)
"""Between these file systems, or on this one."""


def begin(descriptor: int, size: int) -> None:
    """The open file is `size` zeros. Raises `UsageError` for what is no file to write; `OSError`."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise UsageError("only a regular file can be written into")
    if flags & os.O_ACCMODE == os.O_RDONLY or flags & os.O_APPEND:
        raise UsageError("the file is not open to be written at any place", remedy="open it to write")
    os.ftruncate(descriptor, 0)
    os.ftruncate(descriptor, size)


def copy(data: bytearray | bytes, source: int | None, descriptor: int, at: int) -> None:
    """Write `data`, which begins at `at`; it is what the open file `source` (None: no file) holds.

    Raises `OSError`.
    """
    view = memoryview(data)
    for start, end in _runs(view):
        done = start if source is None else _by_kernel(source, start, end, descriptor, at)
        while done < end:
            done += os.pwrite(descriptor, view[done:end], at + done)


def _by_kernel(source: int, start: int, end: int, descriptor: int, at: int) -> int:
    """How far it came: to the end, or not at all where there is no such copy."""
    done = start
    try:
        while done < end:
            copied = os.copy_file_range(source, descriptor, end - done, done, at + done)
            if not copied:
                break
            done += copied
    except AttributeError:  # not Linux
        return done
    except OSError as error:
        if error.errno not in _NO_SUCH_COPY:
            raise
    return done


def _runs(view: memoryview) -> Iterator[tuple[int, int]]:
    """Where `view` holds anything but whole blocks of zeros: (from, to)."""
    begun: int | None = None
    for at in range(0, len(view), _BLOCK_BYTES):
        block = view[at : at + _BLOCK_BYTES]
        if block == _ZEROS[: len(block)]:
            if begun is not None:
                yield begun, at
            begun = None
        elif begun is None:
            begun = at
    if begun is not None:
        yield begun, len(view)
