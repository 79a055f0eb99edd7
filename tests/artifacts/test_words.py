"""Words that people read to each other, and the codes that are made of them."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.pairing_code import SECRET_BYTES, PairingCode, looks_like_code
from aslp2p.artifacts.words import find_word, word_list, words_from, words_of
from aslp2p.errors import UsageError


def test_the_list_holds_2048_words_that_differ_in_four_letters() -> None:
    words = word_list()
    assert len(words) == 2048 and list(words) == sorted(words)
    assert len({word[:4] for word in words}) == 2048
    assert all(word.isascii() and word.isalpha() and 3 <= len(word) <= 8 for word in words)


def test_four_letters_are_enough_and_fewer_are_the_word_itself() -> None:
    assert find_word("guitar") == find_word("guit") == "guitar"
    assert find_word("act") == "act", "which `action`, `actor` and others begin with"
    assert find_word("gui") is None and find_word("guitars") is None and find_word("") is None
    assert words_from("guit") == ("guitar",) and words_from("zz") == ()
    assert words_from("zoo") == ("zoo",), "the last of all"


def test_bits_become_words_from_the_highest_on() -> None:
    assert words_of(bytes(3), 2) == ("abandon", "abandon")
    assert words_of(b"\xff\xff\xff", 2) == ("zoo", "zoo")
    assert words_of((1 << 13 | 2 << 2).to_bytes(3, "big"), 2) == ("ability", "able")
    assert len(words_of(bytes(32), 4)) == 4


CODE = PairingCode(7, ("guitar", "castle"))


def test_a_code_is_read_as_it_is_written() -> None:
    assert str(CODE) == "7-guitar-castle" and CODE.secret == b"7-guitar-castle"
    made = PairingCode.make(255, bytes(SECRET_BYTES))
    assert str(made) == "255-abandon-abandon" and PairingCode.parse(str(made)) == made


@pytest.mark.parametrize(
    "typed",
    [
        "7 guitar castle",
        "7-GUITAR-Castle",
        " 7 - guitar  -castle- ",
        "7-guit-cast",
        "7guitarcastle",
        "007 guitar castle",
        "7\tguitar\ncastle",
    ],
)
def test_spaces_capitals_and_hyphens_do_not_matter(typed: str) -> None:
    assert PairingCode.parse(typed) == CODE and looks_like_code(typed)


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("7-guitar-kastle", "'kastle' is no word"),
        ("7-guitar", "a number and 2 words"),
        ("7-guitar-castle-castle", "a number and 2 words"),
        ("7-guitarkastle", "a number and 2 words"),
        ("0-guitar-castle", "no pairing code"),
        ("256-guitar-castle", "no pairing code"),
        ("guitar-castle", "no pairing code"),
        ("７-guitar-castle", "no pairing code"),
        ("7-guitär-castle", "no pairing code"),
        ("7-guitar-castle" + " " * 64, "no pairing code"),
        ("", "no pairing code"),
    ],
)
def test_what_is_no_code_is_answered_with_what_is_wrong(typed: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        PairingCode.parse(typed)
    assert not looks_like_code("asl1abc") and not looks_like_code("7" * 65)
