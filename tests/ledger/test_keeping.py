"""What an owner decides to keep, and what follows for one path or version."""

from __future__ import annotations

import pytest

from aslp2p.ledger.keeping import (
    KEEP_ALL,
    Keep,
    Pin,
    Rule,
    check_pattern,
    decode_keep,
    decode_pins,
    encode_keep,
    encode_pins,
    make_keep,
    make_pin,
    parse_versions,
    versions_text,
)
from aslp2p.limits import PATTERN_CHARS_MAX, PATTERNS_MAX, PINS_MAX

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "versions_ms"), [("all", None), ("current", 0), ("90d", 90 * DAY_MS), ("12h", DAY_MS // 2)]
)
def test_how_long_older_versions_are_kept(text: str, versions_ms: int | None) -> None:
    assert parse_versions(text) == versions_ms
    assert versions_text(versions_ms) == text


@pytest.mark.parametrize("text", ["", "0d", "none", "90", "-1d", "All", "1y"])
def test_what_is_no_such_time(text: str) -> None:
    with pytest.raises(ValueError, match=text or ".*"):
        parse_versions(text)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a****b", "x" * (PATTERN_CHARS_MAX + 1), "!"])
def test_what_is_no_pattern(text: str) -> None:
    """What takes long to try is none either."""
    with pytest.raises(ValueError):  # noqa: PT011 - pathspec's own words, for some
        check_pattern(text)


def test_what_a_person_types_is_checked_and_kept() -> None:
    keep = make_keep("90d", ["letters/", "letters/"], ["*.iso"], 3)
    assert keep == Keep(90 * DAY_MS, ("letters/",), ("*.iso",), 3)
    assert decode_keep(encode_keep(keep)) == keep
    for only, copies in (((), 0), ((), 17), (("a",) * (PATTERNS_MAX + 1), 2)):
        with pytest.raises(ValueError):  # noqa: PT011 - any
            make_keep("all", only, (), copies)


def test_pins_are_kept_and_bounded() -> None:
    pins = (Pin("a", 0), Pin("a/b", 7))
    assert decode_pins(encode_pins([pins[1], pins[0], pins[0]])) == pins
    assert encode_pins([]) is None and decode_pins(None) == ()
    assert make_pin("a/b", 7) == pins[1]
    with pytest.raises(ValueError, match="\\.\\."):
        make_pin("../b", 0)
    with pytest.raises(ValueError, match="already"):
        encode_pins(Pin(str(number), 0) for number in range(PINS_MAX + 1))


def test_a_machine_that_keeps_everything() -> None:
    rule = Rule(KEEP_ALL)
    assert rule.is_everything and rule.is_everywhere
    assert rule.holds("any") and rule.keeps_version("any", 0, 10**15)


def test_patterns_say_which_paths_count_and_pins_come_before_them() -> None:
    rule = Rule(
        Keep(None, ("letters/", "*.txt"), ("letters/secret/",)), (Pin("films/a", 0), Pin("films/b", 3))
    )
    assert not rule.is_everything and not rule.is_everywhere
    held = ("letters/a", "notes.txt", "films/a", "films/a/b")
    assert all(map(rule.holds, held))
    others = ("films/ab", "films/b", "letters/secret/a", "x")
    assert not any(map(rule.holds, others)), "a pinned version is no pinned path"
    only_except = Rule(Keep(excluded=("films/",)))
    assert only_except.holds("x") and not only_except.holds("films/x")


@pytest.mark.parametrize(
    ("keep", "path", "kept"),
    [
        (Keep(), "films/a", True),
        (Keep(0), "a", False),
        (Keep(2 * DAY_MS), "a", True),
        (Keep(DAY_MS), "a", False),
        (Keep(excluded=("films/",)), "films/a", False),
        (Keep(excluded=("films/",)), "a", True),
        (Keep(excluded=("films/",)), "", True),
    ],
)
def test_an_older_version_is_kept_by_its_age_and_where_it_was(keep: Keep, path: str, kept: bool) -> None:
    """Where it was, that is not known, it stays."""
    assert Rule(keep).keeps_version(path, 0, DAY_MS) is kept
