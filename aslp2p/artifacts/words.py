"""2,048 English words that people read to each other: the list of BIP-39, as the package `mnemonic` has it.

No two words begin with the same four letters, so a word that is cut short or completed with Tab is still one.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from importlib.resources import files

WORD_BITS = 11
WORD_LETTERS_MIN = 4
"""So many letters of a word are enough; shorter words are written whole."""


@cache
def word_list() -> tuple[str, ...]:
    """All words, sorted."""
    return tuple(files("mnemonic").joinpath("wordlist", "english.txt").read_text("ascii").split())


def words_from(prefix: str) -> tuple[str, ...]:
    """The words that begin with `prefix`, as typed so far in lower case."""
    words = word_list()
    first = last = bisect_left(words, prefix)
    while last < len(words) and words[last].startswith(prefix):
        last += 1
    return words[first:last]


def find_word(typed: str) -> str | None:
    """The word that `typed` is, or begins with four letters or more; None for no word of the list."""
    found = words_from(typed)
    if found and (found[0] == typed or len(typed) >= WORD_LETTERS_MIN):
        return found[0]
    return None


def words_of(data: bytes, count: int) -> tuple[str, ...]:
    """The first `count` times 11 bits of `data` as words; there have to be so many."""
    words, number, bits = word_list(), int.from_bytes(data, "big"), 8 * len(data)
    return tuple(words[number >> (bits - WORD_BITS * (at + 1)) & (2**WORD_BITS - 1)] for at in range(count))
