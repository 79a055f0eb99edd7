"""The checksums of stored rows: a CRC-32 over every other column, so that a flipped bit is found when a row
is read.

Each function takes the columns in the order of its table (text as the bytes that it is stored as) and returns
what belongs in `crc`. Lengths go into the sum, so that no byte can move from one column to the next. CRC-32
finds every error of up to 32 bits in a row; against people it protects nothing, signatures and hashes do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct, error
from typing import Any
from zlib import crc32

_META = Struct("<cI").pack
_BRANCH = Struct("<c5q").pack
_SNAPSHOT = Struct("<c4q3I").pack
_FACT = Struct("<cqqq").pack
_ARTIFACT = Struct("<cI").pack
_WANTED = Struct("<c?").pack
_CONTENT_FILE = Struct("<cq").pack
_JOURNAL = Struct("<c2q2IQ").pack

OPEN = 1 << 32
"""What `artifact.crc` has above its 32 bits while the artifact is open."""

UNAUDITED = 1 << 33
"""What it has there while nobody has verified the artifact's signature."""

Row = Sequence[Any]


def meta_sum(key: bytes, value: bytes) -> int:
    return crc32(_META(b"M", len(key)) + key + value)


def branch_sum(
    branch: int, parent: int, fork_height: int, tip_height: int, tip_id: bytes, audited_height: int
) -> int:
    return crc32(_BRANCH(b"B", branch, parent, fork_height, tip_height, audited_height) + tip_id)


def snapshot_sum(  # noqa: PLR0913 - the columns of a row
    id_: bytes,
    branch: int,
    height: int,
    previous: bytes,
    epoch: int,
    signer: bytes,
    log_size: int,
    raw: bytes,
) -> int:
    head = _SNAPSHOT(b"S", branch, height, epoch, log_size, len(id_), len(previous), len(signer))
    return crc32(raw, crc32(head + id_ + previous + signer))


def fact_sum(branch: int, key: bytes, height: int, value: bytes | None) -> int:
    if value is None:
        return crc32(_FACT(b"F", branch, height, -1) + key)
    return crc32(_FACT(b"F", branch, height, len(value)) + key + value)


def artifact_sum(id_: bytes, type_: bytes, raw: bytes, open_: int, audited: int) -> int:
    """`OPEN` is part of it while `open_`, `UNAUDITED` until `audited`; `& OPEN - 1` gives what depends on
    neither."""
    bits = OPEN * open_ + UNAUDITED * (1 - audited)
    return crc32(_ARTIFACT(b"A", len(type_)) + id_ + type_ + raw) + bits


def wanted_sum(id_: bytes, manifest: int) -> int:
    return crc32(_WANTED(b"W", bool(manifest)) + id_)


def content_file_sum(id_: bytes, size: int) -> int:
    return crc32(_CONTENT_FILE(b"C", size) + id_)


def journal_sum(kind: bytes, epoch: int, height: int, subject: bytes, raw: bytes, before: int) -> int:
    """`before` is the crc of the promise before it, 0 for the first: a chain."""
    return crc32(_JOURNAL(b"J", epoch, height, len(kind), len(subject), before) + kind + subject + raw)


def intact(checksum: Callable[..., int], values: Row) -> bool:
    """Whether the columns `values`, whose last is the crc, are what was written."""
    try:
        return bool(checksum(*values[:-1]) == values[-1])
    except (TypeError, error):  # a flipped bit in a record's header also changes what type a column has
        return False
