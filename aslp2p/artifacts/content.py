"""Content: a file's bytes as artifacts (A1), and the manifest of one that is larger than a chunk.

How it works. Content of at most `CHUNK_BYTES` is one artifact, its raw bytes. Above, and only above, the id
that a put names is that of a manifest: the canonical array ["asl.manifest/1", size, ids], `ids` the chunk
ids, 32 bytes each, as one byte string. Every chunk but the last has exactly `CHUNK_BYTES`, so the chunks'
lengths follow from the size, and equal bytes have one id. The put names the size beside the id, so nothing
has to be guessed from bytes: a file that happens to look like a manifest stays a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from aslp2p.artifacts import canonical
from aslp2p.errors import ArtifactError, InvariantBroken, UsageError
from aslp2p.limits import CHUNK_BYTES, CONTENT_BYTES_MAX, ID_BYTES, MANIFEST_BYTES_MAX

MANIFEST_TYPE = "asl.manifest/1"
_FIELDS = 3


class Piece(NamedTuple):
    """One artifact of a file: its id (the SHA-256 of `data`) and its bytes, at most 1 MiB."""

    id: bytes
    data: bytes


class Content(NamedTuple):
    """What a put names (`id`, `size` in bytes), and the artifacts not handed out before: none, one or two."""

    id: bytes
    size: int
    last: tuple[Piece, ...]


def content_id(data: bytes) -> bytes:
    """The id of raw bytes: their SHA-256 (A1)."""
    return sha256(data).digest()


def has_manifest(size: int) -> bool:
    """Whether content of `size` bytes is named by a manifest rather than by its own bytes."""
    return size > CHUNK_BYTES


def chunks_of(size: int) -> int:
    """How many artifacts hold the raw bytes of content of `size` bytes: at least one, no manifest counted."""
    return max(1, -(-size // CHUNK_BYTES))


def chunk_bytes(size: int, index: int) -> int:
    """How many bytes chunk `index` of content of `size` bytes has: a chunk of any other length is not it."""
    return min(CHUNK_BYTES, size - index * CHUNK_BYTES)


def encode_manifest(size: int, ids: Sequence[bytes]) -> bytes:
    """The manifest of content of `size` bytes in chunks `ids`, at most 1 MiB.

    Raises `InvariantBroken` if content of that size has no manifest or other chunks.
    """
    if not CHUNK_BYTES < size <= CONTENT_BYTES_MAX or len(ids) != chunks_of(size):
        raise InvariantBroken(f"no manifest has {len(ids)} chunks for {size} bytes")
    return canonical.encode([MANIFEST_TYPE, size, b"".join(ids)])


def decode_manifest(data: bytes, size: int) -> tuple[bytes, ...]:
    """The chunk ids in `data`, the manifest of content of `size` bytes (the put's).

    Raises `ArtifactError` citing A3 (not a manifest of that size) or A4 (out of bounds).
    """
    if not CHUNK_BYTES < size <= CONTENT_BYTES_MAX:
        raise ArtifactError("A4", f"content of {size} bytes has no manifest")
    value = canonical.decode(data, bytes_max=MANIFEST_BYTES_MAX)
    if type(value) is not list or len(value) != _FIELDS or value[0] != MANIFEST_TYPE:
        raise ArtifactError("A3", f"not an array of {_FIELDS} that begins with {MANIFEST_TYPE}")
    _, listed, ids = value
    if type(listed) is not int or type(ids) is not bytes:
        raise ArtifactError("A3", "a manifest holds a size and a byte string")
    if listed != size:
        raise ArtifactError("A3", f"a manifest of {listed} bytes where {size} were announced")
    count = chunks_of(size)
    if len(ids) != count * ID_BYTES:
        raise ArtifactError("A3", f"{len(ids)} bytes of chunk ids; {count} chunks have {count * ID_BYTES}")
    return tuple(ids[start : start + ID_BYTES] for start in range(0, len(ids), ID_BYTES))


class ContentBuilder:
    """Cuts a file that is fed in any portions into its artifacts; any portions give the same ones.

    Holds less than a chunk, and 32 bytes for each chunk before.
    """

    def __init__(self) -> None:
        self._size = 0
        self._pending = bytearray()
        self._ids: list[bytes] = []
        self._finished = False

    def feed(self, data: bytes) -> list[Piece]:
        """The chunks that `data` fills, in order.

        Raises `UsageError` when the file grows larger than a manifest can list; `data` is not taken then.
        """
        self._check_open()
        if self._size + len(data) > CONTENT_BYTES_MAX:
            raise UsageError(
                f"the file is larger than {CONTENT_BYTES_MAX} bytes (32 GiB)",
                remedy="split it into several files",
            )
        self._size += len(data)
        if len(data) == CHUNK_BYTES and not self._pending:
            return [self._piece(data)]  # as it is, not copied
        pieces = []
        rest = memoryview(data)
        while len(self._pending) + len(rest) >= CHUNK_BYTES:
            taken = CHUNK_BYTES - len(self._pending)
            self._pending += rest[:taken]
            rest = rest[taken:]
            pieces.append(self._cut())
        self._pending += rest
        return pieces

    def finish(self) -> Content:
        """The file's id and size, and the artifacts that no `feed` gave: the last chunk, the manifest."""
        self._check_open()
        self._finished = True
        last = []
        if self._pending or not self._ids:  # an empty file is one empty artifact
            last.append(self._cut())
        if not has_manifest(self._size):
            return Content(self._ids[0], self._size, tuple(last))
        manifest = encode_manifest(self._size, self._ids)
        last.append(Piece(content_id(manifest), manifest))
        return Content(last[-1].id, self._size, tuple(last))

    def _cut(self) -> Piece:
        data = bytes(self._pending)
        self._pending.clear()
        return self._piece(data)

    def _piece(self, data: bytes) -> Piece:
        piece = Piece(content_id(data), data)
        self._ids.append(piece.id)
        return piece

    def _check_open(self) -> None:
        if self._finished:
            raise InvariantBroken("this content is finished already")
