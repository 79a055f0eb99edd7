"""Pairing codes: what one person reads to another, such as `7-guitar-castle`.

The number finds the inviter's announcement and is public; the two words are the secret, 22 bits, good for one
guess. Spaces, capitals and hyphens do not matter to `parse`, and four letters of a word are enough.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from aslp2p.artifacts.words import find_word, words_of
from aslp2p.errors import UsageError
from aslp2p.limits import PAIRING_CODE_CHARS_MAX, PAIRING_NUMBER_MAX

SECRET_WORDS = 2
SECRET_BYTES = 3
"""Random bytes that make the words; two bits of them are not used."""
_FORM = re.compile(r"[\s-]*(\d{1,3})[\s-]*([A-Za-z][A-Za-z\s-]*)\Z", re.ASCII)
_AGAIN = "type it as it is shown by `asl invite` there, such as 7-guitar-castle"


class PairingCode(NamedTuple):
    """One code."""

    number: int
    words: tuple[str, ...]

    @classmethod
    def make(cls, number: int, secret: bytes) -> Self:
        """The code of `number` that `SECRET_BYTES` random bytes make."""
        return cls(number, words_of(secret, SECRET_WORDS))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code that a person typed. Raises `UsageError` that says which word is none."""
        found = _FORM.match(text) if len(text) <= PAIRING_CODE_CHARS_MAX else None
        if found is None or not 1 <= int(found[1]) <= PAIRING_NUMBER_MAX:
            raise UsageError("this is no pairing code", remedy=_AGAIN)
        typed = re.split(r"[\s-]+", found[2].lower().strip(" \t\r\n-"))
        if len(typed) == 1:
            typed = _cut(typed[0])
        if len(typed) != SECRET_WORDS:
            raise UsageError(f"a pairing code has a number and {SECRET_WORDS} words", remedy=_AGAIN)
        words = [find_word(word) for word in typed]
        if None in words:
            wrong = typed[words.index(None)]
            raise UsageError(f"{wrong!r} is no word of a pairing code", remedy=_AGAIN)
        return cls(int(found[1]), tuple(word for word in words if word is not None))

    @property
    def secret(self) -> bytes:
        """What both sides have to know."""
        return str(self).encode()

    def __str__(self) -> str:
        return "-".join((str(self.number), *self.words))


def looks_like_code(text: str) -> bool:
    """Whether a person who typed this meant a pairing code, right or not."""
    return len(text) <= PAIRING_CODE_CHARS_MAX and _FORM.match(text) is not None


def _cut(run: str) -> list[str]:
    """Two words that were written without anything between them, if that can be read in one way only."""
    ways = [
        [run[:at], run[at:]]
        for at in range(1, len(run))
        if find_word(run[:at]) == run[:at] and find_word(run[at:]) == run[at:]
    ]
    return ways[0] if len(ways) == 1 else [run]
