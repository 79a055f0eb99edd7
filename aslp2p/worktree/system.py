"""System calls that Python has no name for, and writing that leaves holes."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Any

NOREPLACE, EXCHANGE = 1, 2
_NO_SUCH_CALL = (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENOTSUP)
_BLOCK = 4096
_ZEROS = bytes(_BLOCK)


def rename_with(from_: int, old: str, to: int, new: str, flags: int) -> bool:
    """`renameat2`: False where the system, or the file system, knows no such flags. Raises `OSError`."""
    function = _function("renameat2")
    if function is None:
        return False
    if function(from_, os.fsencode(old), to, os.fsencode(new), ctypes.c_uint(flags)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number), new)


def sync_file_system(descriptor: int) -> bool:
    """`syncfs`: all of the file system of an open file is on disk when this returns; False where there is no
    such call. Raises `OSError` where something of it could not be written.
    """
    function = _function("syncfs")
    if function is None:
        return False
    if function(descriptor) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number))


def set_mode(file: int | str, mode: int) -> None:
    """`chmod`, where the file system has such bits: FAT and some in user space have none, and say so in their
    own ways. Raises `OSError` for anything else."""
    try:
        os.chmod(file, mode)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise


def write_sparse(descriptor: int, chunks: Iterable[bytes]) -> None:
    """Write `chunks` into a new file: blocks of zeros are holes, where the file system can have any."""
    size = written = 0
    for chunk in chunks:
        for is_hole, piece in _pieces(chunk):
            if not is_hole:
                _write(descriptor, piece, size)
                written = size + len(piece)
            size += len(piece)
    if written < size:
        os.ftruncate(descriptor, size)


def _pieces(chunk: bytes) -> Iterator[tuple[bool, memoryview]]:
    """`chunk` as runs of blocks, and whether each is all zeros."""
    whole = memoryview(chunk)
    if _ZEROS not in chunk:
        yield False, whole
        return
    places = range(0, len(chunk), _BLOCK)
    for is_hole, run in groupby(places, lambda at: whole[at : at + _BLOCK] == _ZEROS):
        first, *_, last = [*run] * 2
        yield is_hole, whole[first : last + _BLOCK]


def _write(descriptor: int, piece: memoryview, at: int) -> None:
    while piece:
        written = os.pwrite(descriptor, piece, at)
        piece, at = piece[written:], at + written


@cache
def _function(name: str) -> Any:
    """The C library's function of this name; None where there is none."""
    return getattr(ctypes.CDLL(None, use_errno=True), name, None)
