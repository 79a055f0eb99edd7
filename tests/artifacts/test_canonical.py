"""One accepted encoding for each value, whatever the bytes, in bounded memory (A3, A4)."""

from __future__ import annotations

import resource
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.canonical import decode, encode
from aslp2p.errors import ArtifactError
from aslp2p.limits import ARRAY_ITEMS_MAX, DEPTH_MAX, MIB

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0, 127, 128, 255, 256, 2**16 - 1, 2**16, 2**32 - 1, 2**32, -1, -32, -33, -128, -129])
    | st.binary(max_size=300)
    | st.text(max_size=80)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=6), max_leaves=30)


def depth(value: Any) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def slow_encode(value: Any) -> bytes:
    """The canonical form written down from the specification, byte by byte."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        for low, high, head, form in (
            (0, 127, b"", ">B"),
            (-32, -1, b"", ">b"),
            (128, 2**8 - 1, b"\xcc", ">B"),
            (2**8, 2**16 - 1, b"\xcd", ">H"),
            (2**16, 2**32 - 1, b"\xce", ">I"),
            (2**32, 2**64 - 1, b"\xcf", ">Q"),
            (-(2**7), -33, b"\xd0", ">b"),
            (-(2**15), -(2**7) - 1, b"\xd1", ">h"),
            (-(2**31), -(2**15) - 1, b"\xd2", ">i"),
            (-(2**63), -(2**31) - 1, b"\xd3", ">q"),
        ):
            if low <= value <= high:
                return head + struct.pack(form, value)
        raise AssertionError(value)
    if isinstance(value, bytes):
        size = len(value)
        if size < 2**8:
            return b"\xc4" + bytes([size]) + value
        return (
            b"\xc5" + struct.pack(">H", size) if size < 2**16 else b"\xc6" + struct.pack(">I", size)
        ) + value
    if isinstance(value, str):
        data = value.encode()
        size = len(data)
        if size < 32:
            return bytes([0xA0 + size]) + data
        if size < 2**8:
            return b"\xd9" + bytes([size]) + data
        return (
            b"\xda" + struct.pack(">H", size) if size < 2**16 else b"\xdb" + struct.pack(">I", size)
        ) + data
    size = len(value)
    head = bytes([0x90 + size]) if size < 16 else b"\xdc" + struct.pack(">H", size)
    return head + b"".join(map(slow_encode, value))


@given(VALUES)
def test_a_value_has_the_encoding_of_the_specification_and_comes_back(value: Any) -> None:
    data = encode(value)
    assert data == slow_encode(value)
    if depth(value) <= DEPTH_MAX:
        assert decode(data, bytes_max=MIB) == value


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 2**16 - 1, 2**16])
def test_lengths_around_each_header(size: int) -> None:
    value: Any
    for value in (bytes(size), "x" * size):
        assert encode(value) == slow_encode(value)
        assert decode(encode(value), bytes_max=MIB) == value
    if size <= 256:
        value = [None] * size
        assert decode(slow_encode(value), bytes_max=MIB) == value


def answer(data: bytes, **bounds: int) -> tuple[str, Any]:
    """What decoding gives: the value, or the rule; anything else is raised."""
    try:
        return "value", decode(data, **({"bytes_max": MIB} | bounds))
    except ArtifactError as refused:
        return refused.rule, None


NOT_CANONICAL = {
    "nothing": b"",
    "a byte too few": b"\x92\x01",
    "a byte too many": b"\xc0\xc0",
    "never used": b"\xc1",
    "an empty map": b"\x80",
    "a map": b"\x81\x01\x01",
    "a map of 16": b"\xde\x00\x01\x01\x01",
    "a map of 2**31": b"\xdf\x7f\xff\xff\xff",
    "a float of 32 bits": b"\xca\x3f\x80\x00\x00",
    "a float of 64 bits": b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
    "not a number": b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "a float in an array": b"\x91\xcb" + bytes(8),
    "an extension": b"\xd4\x05\x00",
    "an empty extension": b"\xc7\x00\x05",
    "a time stamp": b"\xd6\xff\x00\x00\x00\x00",
    "an extension of 2**31": b"\xc9\x7f\xff\xff\xff\x05",
    "8 bits for 5": b"\xcc\x05",
    "16 bits for 255": b"\xcd\x00\xff",
    "32 bits for 65535": b"\xce\x00\x00\xff\xff",
    "64 bits for 1": b"\xcf" + bytes(7) + b"\x01",
    "signed for positive": b"\xd0\x05",
    "signed 64 bits for -1": b"\xd3" + b"\xff" * 8,
    "8 bits for -1": b"\xd0\xff",
    "a long header for 3 letters": b"\xd9\x03abc",
    "a longer header": b"\xda\x00\x03abc",
    "a long header for bytes": b"\xc5\x00\x01x",
    "a long header for an array": b"\xdc\x00\x01\xc0",
    "a longer header for an array": b"\xdd\x00\x00\x00\x01\xc0",
    "UTF-8 cut short": b"\xa1\xc3",
    "UTF-8 for a surrogate": b"\xa3\xed\xa0\x80",
    "UTF-8 too long": b"\xa2\xc0\xaf",
    "UTF-8 above all code points": b"\xa4\xf4\x90\x80\x80",
    "a string of 2**32": b"\xdb\xff\xff\xff\xff",
    "bytes of 2**32": b"\xc6\xff\xff\xff\xff",
}
OUT_OF_BOUNDS = {
    "nine arrays": b"\x91" * 9 + b"\xc0",
    "six hundred arrays": b"\x91" * 600 + b"\xc0",
    "ten thousand arrays": b"\x91" * 10_000 + b"\xc0",
    "an array of 2**31": b"\xdd\x7f\xff\xff\xff",
    "an array of 2**32": b"\xdd\xff\xff\xff\xff",
    "arrays of 2**31 in each other": b"\xdd\x7f\xff\xff\xff" * 3000,
    "one item too many": b"\xdc\x08\x01" + b"\xc0" * (ARRAY_ITEMS_MAX + 1),
    "wide arrays in each other": b"\xdd\x00\x00\x08\x00" * 3000,
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_what_is_not_canonical(name: str) -> None:
    assert answer(NOT_CANONICAL[name]) == ("A3", None)


@pytest.mark.parametrize("name", OUT_OF_BOUNDS)
def test_what_is_out_of_bounds(name: str) -> None:
    assert answer(OUT_OF_BOUNDS[name]) == ("A4", None)


def test_what_is_just_in_bounds() -> None:
    assert answer(b"\x91" * 8 + b"\xc0")[0] == "value"
    assert answer(b"\xdc\x08\x00" + b"\xc0" * ARRAY_ITEMS_MAX)[0] == "value"
    assert answer(b"\xc4\x02ab", bytes_max=4) == ("value", b"ab")
    assert answer(b"\xc4\x02ab", bytes_max=3) == ("A4", None)
    assert answer(b"\x92\xc0\xc0", array_max=2)[0] == "value"
    assert answer(b"\x93\xc0\xc0\xc0", array_max=2)[0] == "A4"


def test_array_bombs_take_bounded_memory() -> None:
    """Headers of 2,048 items, each inside the other, as many as fit: at most 16 MiB, freed at once."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        assert answer(b"\xdd\x00\x00\x08\x00" * 200_000)[0] == "A4"
        assert answer(b"\xdd\x7f\xff\xff\xff" * 200_000)[0] == "A4"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 64 * 1024  # KiB


@given(st.binary(max_size=200))
def test_any_bytes_are_one_value_or_a_named_error(data: bytes) -> None:
    rule, value = answer(data)
    if rule == "value":
        assert encode(value) == data


@given(VALUES, st.data())
def test_a_changed_byte_is_another_value_or_refused(value: Any, data: st.DataObject) -> None:
    good = encode(value)
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= data.draw(st.integers(1, 255))
    rule, found = answer(bytes(bad))
    if rule == "value":
        assert encode(found) == bytes(bad) != good


@given(st.integers(-(2**63), 2**64 - 1))
def test_no_integer_has_two_encodings(number: int) -> None:
    forms = {">B": 0xCC, ">H": 0xCD, ">I": 0xCE, ">Q": 0xCF, ">b": 0xD0, ">h": 0xD1, ">i": 0xD2, ">q": 0xD3}
    accepted = set()
    for form, head in forms.items():
        try:
            data = bytes([head]) + struct.pack(form, number)
        except struct.error:
            continue
        if answer(data)[0] == "value":
            accepted.add(data)
    if -32 <= number <= 127:
        assert accepted == set()
    else:
        assert accepted == {encode(number)}


def test_what_is_no_value_is_the_callers_bug() -> None:
    for value in (object(), 2**64, {1, 2}):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            encode(value)
    assert msgpack.unpackb(encode((1, 2))) == [1, 2]
