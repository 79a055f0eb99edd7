"""What is as large as may be, or a byte larger, published in pieces: most of it is the same again and again.

`made_of` is a list of [bytes, how many times]; what it makes is all of them, one after the other.
"""

from __future__ import annotations

import hashlib
from typing import Any

from aslp2p.artifacts.canonical import encode
from aslp2p.artifacts.content import MANIFEST_TYPE, encode_manifest
from aslp2p.artifacts.proof_file import BRIEF, TAG
from aslp2p.limits import (
    ARTIFACT_BYTES_MAX,
    CONTENT_BYTES_MAX,
    CONTENT_CHUNKS_MAX,
    MANIFEST_BYTES_MAX,
    PROOF_BYTES_MAX,
    PROOF_LINE_MAX,
)

CHUNK = hashlib.sha256(b"one").digest()
NOTHING = bytes(1024)
LONG = 64
"""Runs of at least so many are shortened."""


def pieces(data: bytes, unit: bytes) -> list[list[Any]]:
    """`data` as `made_of`, with the long runs of `unit` in it told by their number."""
    found: list[list[Any]] = []
    at = 0
    while (start := data.find(unit * LONG, at)) >= 0:
        end = start
        while data.startswith(unit, end):
            end += len(unit)
        found += [[data[at:start].hex(), 1], [unit.hex(), (end - start) // len(unit)]]
        at = end
    return [*found, [data[at:].hex(), 1]]


# --- manifests ----------------------------------------------------------------------------------------


def largest_manifest() -> dict[str, Any]:
    """Of a file of 32,767 chunks: 2 bytes short of 1 MiB, which no manifest has exactly."""
    data = encode_manifest(CONTENT_BYTES_MAX, [CHUNK] * CONTENT_CHUNKS_MAX)
    return {
        "size": CONTENT_BYTES_MAX,
        "chunk": CHUNK.hex(),
        "count": CONTENT_CHUNKS_MAX,
        "made_of": pieces(data, CHUNK),
        "id": hashlib.sha256(data).hexdigest(),
    }


def manifests() -> list[dict[str, Any]]:
    """Of exactly 1 MiB, whose ids are not whole, and of a byte more, which is too much whatever it holds."""
    return [
        {
            "name": name,
            "rule": rule,
            "size": CONTENT_BYTES_MAX,
            "made_of": pieces(_manifest_of(size), CHUNK),
        }
        for name, rule, size in (
            ("1 MiB", "A3", MANIFEST_BYTES_MAX),
            ("1 MiB and a byte", "A4", MANIFEST_BYTES_MAX + 1),
        )
    ]


def _manifest_of(size: int) -> bytes:
    """An array like a manifest's that has `size` bytes, with as many whole ids as there is room for."""
    ids = CHUNK * CONTENT_CHUNKS_MAX
    missing = size - len(encode([MANIFEST_TYPE, CONTENT_BYTES_MAX, ids]))
    return encode([MANIFEST_TYPE, CONTENT_BYTES_MAX, ids + bytes(missing)])


# --- proofs -------------------------------------------------------------------------------------------


def proofs() -> list[dict[str, Any]]:
    """Files of good form, of artifacts that do not decode: 1 MiB, a byte more, and arrays of 2,048."""
    line = [b"\x90"] * PROOF_LINE_MAX
    listed = [[b"\x90", 0, b""]] * PROOF_LINE_MAX
    made = (
        ("1 MiB", "A3", _proof_of(PROOF_BYTES_MAX), NOTHING),
        ("1 MiB and a byte", "A4", _proof_of(PROOF_BYTES_MAX + 1), NOTHING),
        ("2,048 snapshots", "A3", _proof(line, []), encode(line[0])),
        ("2,048 proposals", "A3", _proof([], listed), encode(listed[0])),
    )
    return [{"name": name, "rule": rule, "made_of": pieces(data, unit)} for name, rule, data, unit in made]


def _proof(line: list[bytes], listed: list[list[Any]]) -> bytes:
    return encode([TAG, BRIEF, b"\x90", line, None, [], listed, 0])


def _proof_of(size: int) -> bytes:
    """As long as wanted by eight artifacts, each as long as one may be or shorter."""
    line = [bytes(ARTIFACT_BYTES_MAX)] * 8
    return _proof([*line[1:], bytes(ARTIFACT_BYTES_MAX - (len(_proof(line, [])) - size))], [])
