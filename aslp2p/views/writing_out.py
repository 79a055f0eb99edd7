"""The bytes of content, written into an open file: chunk by chunk, and large ones by the kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from aslp2p.artifacts.content import chunk_bytes, decode_manifest, has_manifest
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.reader import Reader
from aslp2p.limits import CHUNK_BYTES, CONTENT_BYTES_MAX
from aslp2p.store import copying
from aslp2p.views.content import read_chunk, stored


class Piece(NamedTuple):
    """A chunk: its id, how long it is, and where in the file it belongs."""

    id: bytes
    size: int
    at: int


class Stage(Protocol):
    """`store.stage.Stage`, as far as this needs it."""

    def copy(self, id_: bytes, size: int, descriptor: int, at: int, /) -> bool:
        """Whether it was in a file; raises `OSError`."""


T = TypeVar("T")


def refusing(call: Callable[[], T]) -> T:
    """What `call` returns; an `OSError` in it is one of the file that is written into."""
    try:
        return call()
    except OSError as error:
        raise UserError(
            f"it cannot be written ({error.strerror})", remedy="make room, or name another file"
        ) from None


def pieces_of(reader: Reader, content: bytes, size: int) -> list[Piece]:
    """Of the `content` of `size` bytes. Raises `NotHere` when its manifest is not stored, `UsageError`."""
    if size > CONTENT_BYTES_MAX:
        raise UsageError(f"no content has {size} bytes")
    if not has_manifest(size):
        return [Piece(content, size, 0)]
    ids = decode_manifest(stored(reader, content, size), size)
    return [Piece(id_, chunk_bytes(size, index), index * CHUNK_BYTES) for index, id_ in enumerate(ids)]


def copy_files(stage: Stage, pieces: Sequence[Piece], descriptor: int) -> list[Piece]:
    """Writes those that are in files; returns the others."""
    return refusing(lambda: [one for one in pieces if not stage.copy(one.id, one.size, descriptor, one.at)])


def write_piece(data: bytes, descriptor: int, at: int) -> None:
    """Writes one that is no file."""
    refusing(lambda: copying.copy(data, None, descriptor, at))


def begin(descriptor: int, size: int) -> None:
    """As `copying.begin`; raises `UserError` alone."""
    refusing(lambda: copying.begin(descriptor, size))


def write_out(reader: Reader, stage: Stage, content: bytes, size: int, descriptor: int) -> None:
    """All of it. Raises `NotHere`, and `UserError` when it cannot be written."""
    begin(descriptor, size)
    for one in copy_files(stage, pieces_of(reader, content, size), descriptor):
        write_piece(read_chunk(reader, one.id, one.size, 0), descriptor, one.at)
