"""The contents of a store that are files, as one stream in a home's file: of each its id, 4 bytes length
(big-endian), and its bytes, by id.

A file of a home lists few files, and a store may hold a million contents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES, ID_BYTES
from aslp2p.store.contents import SUFFIX, ContentFiles

_LENGTH_BYTES = 4
_HEAD_BYTES = ID_BYTES + _LENGTH_BYTES


def is_packed(name: str) -> bool:
    """Whether what a home's file lists as `name` is such a stream."""
    return name.endswith(SUFFIX)


def packed_size(folder: Path) -> int:
    """How long the stream of the contents below `folder` is; 0 where there are none."""
    files = ContentFiles(folder, read_only=True)
    return sum(_HEAD_BYTES + files.place(id_).stat().st_size for id_ in files.ids())


def packed(folder: Path) -> Iterator[bytes]:
    """The stream. Raises `OSError`."""
    files = ContentFiles(folder, read_only=True)
    for id_ in files.ids():
        data = files.place(id_).read_bytes()
        yield id_ + len(data).to_bytes(_LENGTH_BYTES, "big") + data


class Unpacking:
    """A stream, fed in any portions, as files below the new folder `folder`, each synced. `end` it."""

    def __init__(self, folder: Path) -> None:
        self._files = ContentFiles(folder, read_only=True)
        self._buffer = bytearray()
        folder.mkdir(mode=0o700)

    def feed(self, data: bytes) -> None:
        """Raises `OSError`, and `UserError` for what is no such stream."""
        self._buffer += data
        while len(self._buffer) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(self._buffer[ID_BYTES:_HEAD_BYTES], "big")
            if end > _HEAD_BYTES + CHUNK_BYTES:
                raise UserError("a content in it is longer than any", remedy="copy the file again")
            if len(self._buffer) < end:
                return
            self._write(self._files.place(bytes(self._buffer[:ID_BYTES])), self._buffer[_HEAD_BYTES:end])
            del self._buffer[:end]

    def end(self) -> None:
        """Raises `UserError` in the middle of a content."""
        if self._buffer:
            raise UserError("the last content in it is cut off", remedy="copy the file again")

    def _write(self, path: Path, data: bytearray) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
