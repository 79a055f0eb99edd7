"""Keys and ids as people read and type them.

A key is `ed25519:` and 64 lower-case hexadecimal digits, in one form only, so that text compares as keys
do. An id is 64 lower-case hexadecimal digits; people may type the first few. Short forms are for reading: 8
digits of a key, 12 of an id; they are never compared, and never parsed but as a prefix to look up.
"""

from __future__ import annotations

from aslp2p.artifacts.text import terminal_safe
from aslp2p.errors import UsageError
from aslp2p.limits import ID_BYTES, ID_PREFIX_DIGITS_MIN, KEY_BYTES

KEY_PREFIX = "ed25519:"
_HEX = frozenset("0123456789abcdef")
_KEY_DIGITS = 2 * KEY_BYTES
_ID_DIGITS = 2 * ID_BYTES
_SHORT_KEY_DIGITS = 8
_SHORT_ID_DIGITS = 12
_SHOWN_CHARS = 100


def key_text(key: bytes) -> str:
    """The text form of a domain key, which `parse_key` reads back."""
    return KEY_PREFIX + key.hex()


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key's text form. Raises `UsageError` saying what is wrong with it."""
    digits = text.removeprefix(KEY_PREFIX)
    problem = _digits_problem(digits, _KEY_DIGITS, _KEY_DIGITS)
    if digits == text:
        problem = f"it does not begin with {KEY_PREFIX}"
    if problem:
        raise UsageError(
            f"{_shown(text)} is not a key: {problem}",
            remedy=f"write {KEY_PREFIX} and {_KEY_DIGITS} lower-case hexadecimal digits, as `asl self` does",
        )
    return bytes.fromhex(digits)


def short_key(key: bytes) -> str:
    """The first 8 hexadecimal digits of a key, to show beside a name."""
    return key.hex()[:_SHORT_KEY_DIGITS]


def short(id_: bytes) -> str:
    """The first 12 hexadecimal digits of an id, to show."""
    return id_.hex()[:_SHORT_ID_DIGITS]


def parse_id_prefix(text: str) -> tuple[bytes, bytes]:
    """The first and the last id, 32 bytes each, that begin with the digits in `text`: equal if those are 64.

    Raises `UsageError` unless `text` is 4 to 64 lower-case hexadecimal digits.
    """
    if problem := _digits_problem(text, ID_PREFIX_DIGITS_MIN, _ID_DIGITS):
        raise UsageError(
            f"{_shown(text)} is not an id: {problem}",
            remedy=f"write {ID_PREFIX_DIGITS_MIN} to {_ID_DIGITS} lower-case hexadecimal digits of it",
        )
    return bytes.fromhex(text.ljust(_ID_DIGITS, "0")), bytes.fromhex(text.ljust(_ID_DIGITS, "f"))


def _digits_problem(digits: str, count_min: int, count_max: int) -> str | None:
    for character in digits[:count_max]:
        if character not in _HEX:
            return f"{terminal_safe(character)!r} is not one of 0 to 9 and a to f"
    if not count_min <= len(digits) <= count_max:
        return f"it has {len(digits)} digits"
    return None


def _shown(text: str) -> str:
    """What the user typed, in quotes, safe to print and not too long."""
    safe = terminal_safe(text)
    return f"'{safe}'" if len(safe) <= _SHOWN_CHARS else f"'{safe[:_SHOWN_CHARS]}…'"
