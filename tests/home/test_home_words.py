"""24 words are 32 bytes, by the list and the checksum of BIP 39."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.errors import UsageError
from aslp2p.home.words import seed_words, words_seed

ZEROS = "abandon " * 23 + "art"
ONES = "zoo " * 23 + "vote"
"""Vectors of BIP 39 for 256 bits."""


@pytest.mark.parametrize(("seed", "words"), [(bytes(32), ZEROS), (b"\xff" * 32, ONES)])
def test_published_vectors(seed: bytes, words: str) -> None:
    assert " ".join(seed_words(seed)) == words.strip()
    assert words_seed(words) == seed


@settings(max_examples=12)
@given(st.binary(min_size=32, max_size=32))
def test_every_seed_comes_back(seed: bytes) -> None:
    words = seed_words(seed)
    assert words_seed(" ".join(words)) == seed
    assert words_seed("\n".join(f"{n}. {word[:4].upper()}," for n, word in enumerate(words, 1))) == seed


@settings(max_examples=12)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 23), st.integers(1, 255))
def test_words_of_another_key_never_pass_for_one_that_was_mistyped(
    seed: bytes, place: int, other: int
) -> None:
    """One word exchanged: the checksum (8 bits) tells, or it is another key and not this one."""
    words = seed_words(seed)
    words[place] = seed_words(bytes([other]) * 32)[0]
    try:
        found = words_seed(" ".join(words))
    except UsageError:
        return
    assert (found == seed) is (words == seed_words(seed))


@pytest.mark.parametrize(
    "text", ["", "abandon", ZEROS + " art", "nonsense " * 24, "aban\x00don " * 24, "é " * 24]
)
def test_anything_else_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        words_seed(text)
    assert "\n" not in str(caught.value)
