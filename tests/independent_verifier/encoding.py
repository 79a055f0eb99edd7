"""A stranger's reading of docs/spec.md, sections 2.1 to 2.5: bytes. Imports nothing of aslp2p.

Written from the specification alone, one byte after the other and without care for speed: what it refuses, it
refuses where it stands.
"""

from __future__ import annotations

import hashlib
from typing import Any

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

UINT_MAX = 2**53 - 1


class Refused(Exception):
    """Not acceptable, by the rule with this name."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{rule}: {why}")
        self.rule = rule


# --- 2.1 ----------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Refused("A3", "bytes are missing")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def counted(self, head: int, first: int, sizes: tuple[int, ...], least: int) -> int:
        """A length whose header must be the shortest of `sizes`; `least`: what a shorter form still holds."""
        size = sizes[head - first]
        count = self.number(size)
        shorter = [1 << 8 * other for other in sizes if other < size]
        if count < max([least, *shorter]):
            raise Refused("A3", "a longer header than needed")
        return count

    def value(self, depth: int) -> Any:
        head = self.take(1)[0]
        if head <= 0x7F:
            return head
        if head >= 0xE0:
            return head - 256
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if 0xCC <= head <= 0xCF:
            size = 1 << head - 0xCC
            found = self.number(size)
            if found < (128 if size == 1 else 1 << 4 * size):
                raise Refused("A3", "a longer integer than needed")
            return found
        if 0xD0 <= head <= 0xD3:
            size = 1 << head - 0xD0
            found = self.number(size, signed=True)
            if found >= (-32 if size == 1 else -(1 << 4 * size - 1)):
                raise Refused("A3", "a longer integer than needed")
            return found
        if 0xC4 <= head <= 0xC6:
            return self.take(self.counted(head, 0xC4, (1, 2, 4), 0))
        if 0xA0 <= head <= 0xBF:
            return self.text(head - 0xA0)
        if 0xD9 <= head <= 0xDB:
            return self.text(self.counted(head, 0xD9, (1, 2, 4), 32))
        if 0x90 <= head <= 0x9F:
            return self.array(head - 0x90, depth)
        if 0xDC <= head <= 0xDD:
            return self.array(self.counted(head, 0xDC, (2, 4), 16), depth)
        raise Refused("A3", f"no value begins with {head:02x}")

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("A3", "not UTF-8") from None

    def array(self, count: int, depth: int) -> list[Any]:
        if depth >= 8:
            raise Refused("A4", "too deep")
        if count > 2048:
            raise Refused("A4", "too many items")
        return [self.value(depth + 1) for _ in range(count)]


def decode(data: bytes, bytes_max: int) -> Any:
    """The value that the bytes are the one encoding of."""
    if len(data) > bytes_max:
        raise Refused("A4", "too many bytes")
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise Refused("A3", "trailing bytes")
    return value


# --- 2.2 ----------------------------------------------------------------------------------------------


def pae(type_: str, body: bytes) -> bytes:
    name = type_.encode()
    return b" ".join([b"DSSEv1", str(len(name)).encode(), name, str(len(body)).encode(), body])


def holds(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


# --- 2.3: texts ---------------------------------------------------------------------------------------

FORBIDDEN = {
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
    *range(0xD800, 0xE000),
}
ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _is_text(value: str, least: int, most: int) -> bool:
    return not any(ord(letter) in FORBIDDEN for letter in value) and least <= len(value.encode()) <= most


def is_text(value: str) -> bool:
    return _is_text(value, 0, 512)


UNSEEN = {
    *(0xAD, 0x115F, 0x1160, 0x180B, 0x180C, 0x180D, 0x180F, 0x200B, 0x200C, 0x200D, 0x2060, 0x3164),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}
"""What no name holds, for nobody would see it."""


def is_name(value: str) -> bool:
    if not _is_text(value, 1, 64) or value in (".", ".."):
        return False
    if any(ord(letter) in UNSEEN for letter in value):
        return False
    return not any(letter in "/:@" for letter in value) and value == value.strip(" ")


def is_path(value: str) -> bool:
    parts = value.split("/")
    return _is_text(value, 1, 1024) and all(
        1 <= len(part.encode()) <= 255 and part not in (".", "..") for part in parts
    )


def is_media_type(value: str) -> bool:
    return len(value) <= 128 and all(" " <= letter <= "~" for letter in value)


def is_code(value: str) -> bool:
    if not 1 <= len(value) <= 32 or value[0] not in ALPHANUMERIC:
        return False
    return all(letter in ALPHANUMERIC + "-." for letter in value)


# --- 2.4, 2.5 -----------------------------------------------------------------------------------------


CONTENT_MOST = 34_358_689_792


def manifest(data: bytes, size: int) -> list[bytes]:
    """The chunk ids of content of `size` bytes."""
    if not 1 << 20 < size <= CONTENT_MOST:
        raise Refused("A4", "content of that size has no manifest")
    value = decode(data, 1 << 20)
    if not isinstance(value, list) or len(value) != 3 or value[0] != "asl.manifest/1":
        raise Refused("A3", "no manifest")
    if type(value[1]) is not int or value[1] != size or type(value[2]) is not bytes:
        raise Refused("A3", "no manifest of that size")
    chunks = -(-size // (1 << 20))
    if len(value[2]) != 32 * chunks:
        raise Refused("A3", "other chunks")
    return [value[2][32 * number : 32 * number + 32] for number in range(chunks)]


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162's tree hash, as it is defined there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:left]) + root(leaves[left:])).digest()


def included(leaf: bytes, index: int, size: int, path: list[bytes], expected: bytes) -> bool:
    """Whether the path leads from the leaf to the root: PATH read backwards, from the root's end."""

    def climb(index: int, size: int, rest: list[bytes]) -> bytes | None:
        if size == 1:
            return hashlib.sha256(b"\x00" + leaf).digest() if not rest else None
        if not rest:
            return None
        left = 1
        while 2 * left < size:
            left *= 2
        if index < left:
            below = climb(index, left, rest[:-1])
            return None if below is None else hashlib.sha256(b"\x01" + below + rest[-1]).digest()
        below = climb(index - left, size - left, rest[:-1])
        return None if below is None else hashlib.sha256(b"\x01" + rest[-1] + below).digest()

    return 0 <= index < size and climb(index, size, path) == expected
