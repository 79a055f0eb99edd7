"""Canonical msgpack: exactly one accepted encoding per value (A3).

The value domain is nil, booleans, integers of 64 bits, byte strings, UTF-8 strings and arrays. `decode`
unpacks under bounds and packs again: whatever is not the one encoding (a longer integer, a map, a float, an
extension, a trailing or a missing byte) does not come back the same and is refused. Received bytes are kept
as they came, so nothing is ever re-encoded on its way to somebody else.

Memory: an array header costs five bytes and makes the unpacker reserve eight bytes an element, so `array_max`
times the unpacker's own depth bound (1,024) times eight is the most a hostile input can make it reserve; with
the 2,048 that the widest artifact needs that is 16 MiB, freed at once.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgpack

from aslp2p.errors import ArtifactError
from aslp2p.limits import ARRAY_ITEMS_MAX, DEPTH_MAX


class _Refused(Exception):
    """Raised inside the unpacker's hooks; never leaves this module."""


def _refuse_map(_pairs: object) -> NoReturn:
    raise _Refused("a map")


def _refuse_extension(_code: int, _data: bytes) -> NoReturn:
    raise _Refused("an extension")


def encode(value: object) -> bytes:
    """The canonical bytes of `value` (lists and tuples are both arrays).

    Raises `TypeError`, `ValueError` or `OverflowError` for what is outside the value domain: a bug of the
    caller.
    """
    return msgpack.packb(value, use_bin_type=True)  # type: ignore[no-any-return]


def _problem(items: list[Any], depth: int) -> str:
    """What msgpack lets through and A3 or A4 does not: floats, and arrays too deep ('' if nothing)."""
    if depth > DEPTH_MAX:
        return f"arrays nested deeper than {DEPTH_MAX}"
    for item in items:
        kind = type(item)
        if kind is float:
            return "a float"
        if kind is list and (problem := _problem(item, depth + 1)):
            return problem
    return ""


def decode(data: bytes, *, bytes_max: int, array_max: int = ARRAY_ITEMS_MAX) -> Any:
    """The value that `data` canonically encodes; arrays come back as lists.

    Bounds: at most `bytes_max` bytes, `array_max` items in an array, `DEPTH_MAX` arrays inside each other.
    Raises `ArtifactError` citing A3 (not canonical) or A4 (out of bounds), and nothing else.
    """
    if len(data) > bytes_max:
        raise ArtifactError("A4", f"{len(data)} bytes where at most {bytes_max} are allowed")
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            strict_map_key=True,
            object_pairs_hook=_refuse_map,
            ext_hook=_refuse_extension,
            max_array_len=array_max,
            max_map_len=0,
            max_ext_len=0,
        )
    except _Refused as refused:
        raise ArtifactError("A3", f"not canonical: {refused}") from None
    except msgpack.StackError:
        raise ArtifactError("A4", f"arrays nested deeper than {DEPTH_MAX}") from None
    # msgpack raises a zoo: FormatError, ExtraData, ValueError, UnicodeDecodeError
    except Exception as error:
        if "max_array_len" in str(error):
            raise ArtifactError("A4", f"an array of more than {array_max} items") from None
        raise ArtifactError("A3", f"not canonical msgpack: {type(error).__name__}") from None
    if problem := _problem([value], 0):
        raise ArtifactError("A4" if "deep" in problem else "A3", f"not canonical: {problem}")
    if msgpack.packb(value, use_bin_type=True) != data:
        raise ArtifactError("A3", "not the one canonical encoding of its value")
    return value
