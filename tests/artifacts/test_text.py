"""What names, paths and texts may be: fixed code points, so that no two nodes ever disagree (A3, A4)."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.text import (
    code_problem,
    media_type_problem,
    name_problem,
    path_problem,
    terminal_safe,
    text_problem,
)

Check = Callable[[str], str | None]

# The rule of docs/spec.md as a list, not as the ranges of the code.
FORBIDDEN = {
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E),
    *(0x2066, 0x2067, 0x2068, 0x2069, 0xFEFF),
    *range(0xD800, 0xE000),
}
UNSEEN = {
    *(0x00AD, 0x115F, 0x1160, 0x180B, 0x180C, 0x180D, 0x180F, 0x200B, 0x200C, 0x200D, 0x2060, 0x3164),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}
"""In paths and texts only: in a name nobody would see them."""
# Unicode's Default_Ignorable_Code_Point of version 16, U+2800 and U+FFF9 to U+FFFB, as a list.
INVISIBLE = {
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFFC),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
}
# Every code point of the blocks that hold a forbidden one, and some of all others.
POINTS = {*range(0x2200), *range(0xD700, 0xE100), *range(0xFE00, 0x10100), *range(0x2200, 0x110000, 251)}
POINTS |= {*range(0x3100, 0x3200), *range(0xE0000, 0xE0200)}


@pytest.mark.parametrize("check", [name_problem, path_problem, text_problem])
def test_exactly_the_forbidden_characters_are_refused(check: Check) -> None:
    refused = {point for point in POINTS if check(f"a{chr(point)}b")}
    not_in_names = UNSEEN | {ord(character) for character in "/:@"} if check is name_problem else set()
    assert refused == FORBIDDEN | not_in_names


@pytest.mark.parametrize(
    "text",
    [
        "home",
        "a",
        "Möller & Söhne",
        "家",
        "👩👩👧",
        "a b",
        "...",
        "-x",
        "a" * 64,
        "é" * 32,
        "a\\b",
    ],
)
def test_names(text: str) -> None:
    assert name_problem(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a" * 65, "65 bytes"),
        ("é" * 33, "66 bytes"),
        ("a/b", "'/'"),
        ("a:b", "':'"),
        ("home@42", "'@'"),
        (" a", "space"),
        ("a ", "space"),
        (".", "folder"),
        ("..", "folder"),
        ("a\nb", "U+000A"),
        ("a\u202eb", "U+202E"),
        ("\ud800", "U+D800"),
        ("👩\u200d👩\u200d👧", "U+200D"),
        ("ann\u3164", "U+3164"),
    ],
)
def test_what_is_no_name(text: str, why: str) -> None:
    problem = name_problem(text)
    assert problem is not None
    assert why in problem


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "photos/2024/IMG 1.jpg",
        " a/ b ",
        "...",
        ".git/config",
        "a\\..\\b",
        "C:/x@7",
        "~/x",
        "a" * 255,
        "/".join(["a" * 204] * 5),  # 1,024 bytes
        "ü" * 127,
        "👩\u200d👩\u200d👧/\u00ad❤\ufe0f",
    ],
)
def test_paths(text: str) -> None:
    assert path_problem(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("/", "slash"),
        ("/etc/passwd", "slash"),
        ("a/", "slash"),
        ("a//b", "slash"),
        (".", "'.'"),
        ("..", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a/..", "'..'"),
        ("a" * 256, "255"),
        ("b/" + "ü" * 128, "255"),
        ("/".join(["a" * 255] * 4) + "/b", "1025 bytes"),
        ("a\x00b", "U+0000"),
        ("a\x1b[2J", "U+001B"),
    ],
)
def test_what_is_no_path(text: str, why: str) -> None:
    problem = path_problem(text)
    assert problem is not None
    assert why in problem


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab./\\", max_size=12))
def test_an_accepted_path_stays_in_the_tree(text: str) -> None:
    if path_problem(text) is None:
        depth = 0
        for component in text.split("/"):
            assert component
            depth += {"..": -1, ".": 0}.get(component, 1)
            assert depth > 0
        assert depth == text.count("/") + 1


@pytest.mark.parametrize("text", ["", "image/jpeg", "text/plain; charset=utf-8", "x" * 128])
def test_media_types(text: str) -> None:
    assert media_type_problem(text) is None


@pytest.mark.parametrize("text", ["x" * 129, "text/plän", "a\n", "\x7f", "a\x00"])
def test_what_is_no_media_type(text: str) -> None:
    assert media_type_problem(text)


def test_exactly_printable_ascii_makes_a_media_type() -> None:
    taken = {chr(point) for point in range(0x3000) if media_type_problem(chr(point)) is None}
    assert taken == set(string.ascii_letters + string.digits + string.punctuation + " ")


def test_texts_are_one_line_of_at_most_512_bytes() -> None:
    for text in ("", "the laptop was stolen: see mail of 3/4 @ noon", "x" * 512, "ü" * 256):
        assert text_problem(text) is None
    for text in ("x" * 513, "ü" * 257, "two\nlines"):
        assert text_problem(text)


def test_codes() -> None:
    for text in ("expects", "V7", "not-admitted", "a.b", "x" * 32):
        assert code_problem(text) is None
    for text in ("", "x" * 33, "-a", ".a", "a b", "é", "a\n", "٣"):
        assert code_problem(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=80))
def test_any_string_can_be_asked_about(text: str) -> None:
    for check in (name_problem, path_problem, media_type_problem, text_problem, code_problem):
        problem = check(text)
        assert problem is None or terminal_safe(problem) == problem  # it quotes nothing dangerous
        if problem is None:
            assert text.encode().decode() == text
            assert terminal_safe(text) == text or not INVISIBLE.isdisjoint(map(ord, text))
    assert not (FORBIDDEN | INVISIBLE) & set(map(ord, terminal_safe(text)))


def test_escapes_are_visible() -> None:
    assert terminal_safe("a\x1b[2Jb\u202e\n") == "a\\u{1b}[2Jb\\u{202e}\\u{a}"


def test_exactly_what_is_not_seen_is_escaped() -> None:
    points = POINTS | INVISIBLE | set(range(0x2800, 0x3200)) | set(range(0xFE00, 0x10000))
    assert {point for point in points if terminal_safe(chr(point)) != chr(point)} == FORBIDDEN | INVISIBLE
    assert terminal_safe("plan\u200b.txt") == "plan\\u{200b}.txt"
