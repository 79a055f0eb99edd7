"""Content and manifests: one id for equal bytes, one manifest for a size and its chunks (A1, A3, A4)."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.content import (
    Content,
    ContentBuilder,
    Piece,
    chunk_bytes,
    chunks_of,
    content_id,
    decode_manifest,
    encode_manifest,
    has_manifest,
)
from aslp2p.errors import ArtifactError, InvariantBroken, UsageError
from aslp2p.limits import CHUNK_BYTES, CONTENT_BYTES_MAX, CONTENT_CHUNKS_MAX, ID_BYTES, MANIFEST_BYTES_MAX

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1]
BYTES = random.Random(7).randbytes(3 * CHUNK_BYTES + 5)


def build(*portions: bytes) -> tuple[Content, list[Piece]]:
    builder = ContentBuilder()
    pieces = [piece for portion in portions for piece in builder.feed(portion)]
    content = builder.finish()
    return content, [*pieces, *content.last]


def ids(count: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(count)]


def pack(*fields: object) -> bytes:
    packed: bytes = msgpack.packb(list(fields), use_bin_type=True)
    return packed


@pytest.mark.parametrize("size", SIZES)
def test_what_a_file_becomes(size: int) -> None:
    data = BYTES[:size]
    content, pieces = build(data)
    assert content.size == size
    for piece in pieces:
        assert piece.id == content_id(piece.data) == sha256(piece.data).digest()
        assert len(piece.data) <= CHUNK_BYTES
    if size <= CHUNK_BYTES:
        assert not has_manifest(size)
        assert pieces == [Piece(content.id, data)]
        assert content.id == sha256(data).digest()
        return
    assert has_manifest(size)
    *chunks, manifest = pieces
    assert b"".join(chunk.data for chunk in chunks) == data
    assert [len(chunk.data) for chunk in chunks] == [chunk_bytes(size, index) for index in range(len(chunks))]
    assert len(chunks) == chunks_of(size)
    assert content.id == manifest.id
    assert decode_manifest(manifest.data, size) == tuple(chunk.id for chunk in chunks)


def test_a_manifest_to_the_byte() -> None:
    one, two = ids(2)
    size = CHUNK_BYTES + 1
    expected = b"\x93" + b"\xaeasl.manifest/1" + b"\xce\x00\x10\x00\x01" + b"\xc4\x40" + one + two
    assert encode_manifest(size, [one, two]) == expected
    assert decode_manifest(expected, size) == (one, two)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, len(BYTES)), st.data())
def test_any_portions_give_the_same_artifacts(size: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=12)))
    portions = [BYTES[start:stop] for start, stop in zip([0, *cuts], [*cuts, size], strict=True)]
    assert build(*portions)[1] == build(BYTES[:size])[1]
    assert build(*portions)[0][:2] == build(BYTES[:size])[0][:2]


def test_portions_that_end_at_a_chunk() -> None:
    builder = ContentBuilder()
    assert [len(piece.data) for piece in builder.feed(BYTES[: CHUNK_BYTES - 1])] == []
    assert [piece.data for piece in builder.feed(BYTES[CHUNK_BYTES - 1 : CHUNK_BYTES])] == [
        BYTES[:CHUNK_BYTES]
    ]
    assert builder.feed(b"") == []
    content = builder.finish()
    assert content == Content(sha256(BYTES[:CHUNK_BYTES]).digest(), CHUNK_BYTES, ())


def test_a_file_that_looks_like_a_manifest_stays_a_file() -> None:
    manifest = encode_manifest(2 * CHUNK_BYTES, ids(2))
    content, pieces = build(manifest)
    assert content.size == len(manifest)
    assert pieces == [Piece(content.id, manifest)]
    with pytest.raises(ArtifactError, match="no manifest"):
        decode_manifest(manifest, len(manifest))


def test_counts_and_lengths_of_chunks() -> None:
    assert [chunks_of(size) for size in SIZES] == [1, 1, 1, 1, 2, 2, 3]
    assert chunk_bytes(0, 0) == 0
    assert chunk_bytes(CHUNK_BYTES + 1, 0) == CHUNK_BYTES
    assert chunk_bytes(CHUNK_BYTES + 1, 1) == 1
    assert chunks_of(CONTENT_BYTES_MAX) == CONTENT_CHUNKS_MAX


def test_the_largest_content_has_a_manifest_in_bounds() -> None:
    listed = ids(CONTENT_CHUNKS_MAX)
    manifest = encode_manifest(CONTENT_BYTES_MAX, listed)
    assert MANIFEST_BYTES_MAX - ID_BYTES < len(manifest) <= MANIFEST_BYTES_MAX
    assert decode_manifest(manifest, CONTENT_BYTES_MAX) == tuple(listed)


def test_a_file_above_the_bound_is_the_users_to_split() -> None:
    builder = ContentBuilder()
    builder._size = CONTENT_BYTES_MAX - 1  # what feeding 32 GiB would leave
    with pytest.raises(UsageError, match="split it"):
        builder.feed(b"ab")
    assert builder._size == CONTENT_BYTES_MAX - 1
    assert builder.feed(b"a") == []


def test_nothing_is_fed_after_the_end() -> None:
    builder = ContentBuilder()
    builder.finish()
    with pytest.raises(InvariantBroken):
        builder.feed(b"a")
    with pytest.raises(InvariantBroken):
        builder.finish()


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (0, 1),
        (CHUNK_BYTES, 1),
        (CHUNK_BYTES + 1, 1),
        (CHUNK_BYTES + 1, 3),
        (CONTENT_BYTES_MAX + 1, CONTENT_CHUNKS_MAX + 1),
    ],
)
def test_no_manifest_is_written_for_another_size(size: int, count: int) -> None:
    with pytest.raises(InvariantBroken):
        encode_manifest(size, ids(count))


SIZE = 2 * CHUNK_BYTES
BLOB = b"".join(ids(2))
TAG = "asl.manifest/1"


@pytest.mark.parametrize(
    ("rule", "data", "size"),
    [
        ("A4", pack(TAG, CHUNK_BYTES, BLOB[:32]), CHUNK_BYTES),
        ("A4", pack(TAG, 0, b""), 0),
        ("A4", pack(TAG, SIZE, BLOB), CONTENT_BYTES_MAX + 1),
        ("A4", pack(TAG, SIZE, bytes(MANIFEST_BYTES_MAX)), SIZE),
        ("A3", b"", SIZE),
        ("A3", pack(TAG, SIZE, BLOB)[:-1], SIZE),
        ("A3", pack(TAG, SIZE, BLOB) + b"\x00", SIZE),
        ("A3", b"\x93" + pack(TAG)[1:] + b"\xcf" + SIZE.to_bytes(8, "big") + pack(BLOB)[1:], SIZE),
        ("A3", pack(*[0] * 4), SIZE),
        ("A3", pack(TAG, SIZE), SIZE),
        ("A3", msgpack.packb(5), SIZE),
        ("A3", pack("asl.manifest/2", SIZE, BLOB), SIZE),
        ("A3", pack(TAG.encode(), SIZE, BLOB), SIZE),
        ("A3", pack(TAG, SIZE - 1, BLOB), SIZE),
        ("A3", pack(TAG, SIZE, BLOB), SIZE - 1),
        ("A3", pack(TAG, True, BLOB), SIZE),
        ("A3", pack(TAG, SIZE, "x" * 64), SIZE),
        ("A3", pack(TAG, SIZE, ids(2)), SIZE),
        ("A3", pack(TAG, SIZE, BLOB[:-1]), SIZE),
        ("A3", pack(TAG, SIZE, BLOB[:32]), SIZE),
        ("A3", pack(TAG, SIZE, BLOB + BLOB[:32]), SIZE),
        ("A3", pack(TAG, SIZE + 1, BLOB), SIZE + 1),
        ("A3", pack(TAG, float(SIZE), BLOB), SIZE),
    ],
)
def test_what_is_no_manifest_of_that_size(rule: str, data: bytes, size: int) -> None:
    with pytest.raises(ArtifactError) as caught:
        decode_manifest(data, size)
    assert caught.value.rule == rule


def refusal(data: bytes, size: int) -> Any:
    try:
        return decode_manifest(data, size)
    except ArtifactError:
        return None


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=120), st.integers(0, len(BLOB)).map(lambda cut: pack(TAG, SIZE, BLOB)[:cut]))
)
def test_any_bytes_are_a_manifest_or_a_named_error(data: bytes) -> None:
    assert refusal(data, SIZE) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(pack(TAG, SIZE, BLOB)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_chunk(position: int, change: int) -> None:
    data = bytearray(pack(TAG, SIZE, BLOB))
    data[position] ^= change
    found = refusal(bytes(data), SIZE)
    header = len(data) - len(BLOB)
    assert (found is None) == (position < header)
    if found is not None:
        assert encode_manifest(SIZE, found) == bytes(data)
