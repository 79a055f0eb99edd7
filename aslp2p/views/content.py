"""The bytes of content, chunk by chunk: by the id and the size that an entry names."""

from __future__ import annotations

from aslp2p.artifacts.content import chunks_of, decode_manifest, has_manifest
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.reader import Reader
from aslp2p.limits import CHUNK_BYTES, CONTENT_BYTES_MAX


class NotHere(UserError):
    """Content that the history names and that has not come from a peer yet."""

    code = "content-missing"


def read_chunk(reader: Reader, content: bytes, size: int, index: int) -> bytes:
    """Chunk `index`, from 0, of the `content` of `size` bytes; at most 1 MiB.

    Raises `NotHere` when it, or the manifest, is not stored, and `UsageError` when there is no such chunk.
    """
    if not 0 <= size <= CONTENT_BYTES_MAX or not 0 <= index < chunks_of(size):
        raise UsageError(f"content of {size} bytes has no chunk {index}")
    id_ = content
    if has_manifest(size):
        id_ = decode_manifest(stored(reader, content, size), size)[index]
    data = stored(reader, id_, size)
    if len(data) != min(CHUNK_BYTES, size - index * CHUNK_BYTES):
        raise UsageError(f"{content.hex()[:12]} is not of {size} bytes")
    return data


def missing(reader: Reader, content: bytes, size: int) -> int:
    """How many of the artifacts that hold the `content` of `size` bytes are not here; a missing manifest
    counts one, its chunks too.
    """
    if not has_manifest(size):
        return len(reader.lacking_content([content]))
    manifest = reader.content(content)
    if manifest is None:
        return 1 + chunks_of(size)
    return len(reader.lacking_content(decode_manifest(manifest, size)))


def stored(reader: Reader, id_: bytes, size: int) -> bytes:
    """A chunk, or the manifest of content of `size` bytes. Raises `NotHere`."""
    data = reader.content(id_)
    if data is None:
        raise NotHere(
            "its bytes have not all arrived on this machine yet",
            remedy="see `asl peers`, and try again when a machine that has them is reachable",
        )
    return data
