"""Keys and ids as people type them: one form, and errors that say what is expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.keys import key_text, parse_id_prefix, parse_key, short, short_key
from aslp2p.errors import UsageError

KEY = bytes(range(32))
DIGITS = KEY.hex()


def test_the_text_form() -> None:
    assert key_text(KEY) == "ed25519:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    assert short_key(KEY) == "00010203"
    assert short(KEY) == "000102030405"


@given(st.binary(min_size=32, max_size=32))
def test_a_key_comes_back(key: bytes) -> None:
    assert parse_key(key_text(key)) == key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begin with ed25519:"),
        (DIGITS, "begin with ed25519:"),
        ("ED25519:" + DIGITS, "begin with ed25519:"),
        (" ed25519:" + DIGITS, "begin with ed25519:"),
        ("rsa:" + DIGITS, "begin with ed25519:"),
        ("ed25519:", "0 digits"),
        ("ed25519:" + DIGITS[:-1], "63 digits"),
        ("ed25519:" + DIGITS + "0", "65 digits"),
        ("ed25519:" + DIGITS.upper(), "'A'"),
        ("ed25519:" + DIGITS[:-1] + " ", "' '"),
        ("ed25519:" + DIGITS[:-1] + "\n", "u{a}"),
        ("ed25519:" + DIGITS[:-1] + "٣", "'٣'"),
        ("ed25519:" + DIGITS[:-1] + "…", "'…'"),
        ("ed25519:ed25519:" + DIGITS, "':'"),
    ],
)
def test_what_is_no_key(text: str, why: str) -> None:
    with pytest.raises(UsageError, match="lower-case hexadecimal") as caught:
        parse_key(text)
    assert why in caught.value.message
    assert "64" in caught.value.remedy


def test_what_was_typed_is_shown_safely_and_cut() -> None:
    with pytest.raises(UsageError) as caught:
        parse_key("\x1b[2J" + "x" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.binary(min_size=32, max_size=32), st.integers(4, 64))
def test_a_prefix_covers_exactly_the_ids_that_begin_with_it(id_: bytes, count: int) -> None:
    first, last = parse_id_prefix(id_.hex()[:count])
    assert first <= id_ <= last
    assert first.hex()[:count] == last.hex()[:count] == id_.hex()[:count]
    assert set(first.hex()[count:]) <= {"0"}
    assert set(last.hex()[count:]) <= {"f"}
    assert (first == last == id_) == (count == 64)


@pytest.mark.parametrize("text", ["", "abc", "ABCD", "abcg", "ab cd", "a" * 65, "@abcd", "a١bc"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(UsageError, match="4 to 64 lower-case"):
        parse_id_prefix(text)
