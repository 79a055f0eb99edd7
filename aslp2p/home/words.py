"""A key as 24 words (BIP 39, English): for paper, and for reading out. The last word holds a checksum.

The 32 bytes of the seed are what BIP 39 calls entropy; nothing is derived from the words, they are the key.
"""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING

from aslp2p.errors import UsageError
from aslp2p.limits import KEY_BYTES

if TYPE_CHECKING:
    from mnemonic import Mnemonic

WORDS = 24
_PREFIX = 4
"""As many letters tell every word of the list from every other."""


def seed_words(seed: bytes) -> list[str]:
    """The 24 words of 32 bytes."""
    return _scheme().to_mnemonic(seed).split(" ")


def words_seed(text: str) -> bytes:
    """The 32 bytes of 24 words; capitals, commas, line ends and numbers before the words do not matter, and
    four letters of a word are enough.

    Raises `UsageError`, which names the first word that is none, and never the others.
    """
    scheme = _scheme()
    typed = [word for word in text.lower().replace(",", " ").split() if not word.rstrip(".:)").isdigit()]
    if len(typed) != WORDS:
        raise UsageError(f"these are {len(typed)} words, and a key has {WORDS}", remedy="type all, in order")
    words = [_whole(number, word, scheme.wordlist) for number, word in enumerate(typed, 1)]
    try:
        seed = bytes(scheme.to_entropy(words))
    except ValueError:
        raise UsageError(
            "these words are no key: one is another than was written down, or two changed places",
            remedy="compare each with the paper",
        ) from None
    assert len(seed) == KEY_BYTES  # noqa: S101 - 24 words hold as much
    return seed


@cache
def _scheme() -> Mnemonic:
    from mnemonic import Mnemonic  # its list is read only where somebody wants words

    return Mnemonic("english")


def _whole(number: int, word: str, known: list[str]) -> str:
    begun = [one for one in known if one.startswith(word)] if len(word) >= _PREFIX else []
    if word in known:
        return word
    if len(begun) == 1:
        return begun[0]
    near = difflib.get_close_matches(word, known, n=2)
    meant = f"did you mean {' or '.join(near)}?" if near else "compare it with the paper"
    raise UsageError(f"word {number}, {word!r}, is none of the list", remedy=meant)
