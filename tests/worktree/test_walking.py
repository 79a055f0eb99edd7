"""Which files `asl put` means, and what they are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aslp2p.cli.versions import parse_version, split_version
from aslp2p.errors import UsageError
from aslp2p.worktree.walking import Walk, clean_path


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    (tmp_path / "photos" / "cat").write_text("c")
    (tmp_path / "photos" / "sub" / "dog").write_text("d")
    (tmp_path / "one").write_text("1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "dest", "paths"),
    [
        (["one"], "two", ["two"]),
        (["one"], "folder/", ["folder/one"]),
        (["one"], ".", ["one"]),
        (["one"], "/", ["one"]),
        (["./one"], "./a", ["a"]),
        (["photos/"], "photos/", ["photos/cat", "photos/sub/dog"]),
        (["photos"], "archive/", ["archive/photos/cat", "archive/photos/sub/dog"]),
        (["photos"], "archive", ["archive/cat", "archive/sub/dog"]),
        (["photos/"], "/", ["cat", "sub/dog"]),
        (["photos/."], "x/", ["x/cat", "x/sub/dog"]),
        (["one", "photos"], "x/", ["x/one", "x/photos/cat", "x/photos/sub/dog"]),
    ],
)
def test_names(source: Path, sources: list[str], dest: str, paths: list[str]) -> None:
    walk = Walk(sources, dest, recursive=True)
    assert [item.path for item in walk] == paths and not walk.problems


def test_problems_leave_the_rest(source: Path) -> None:
    (source / "photos" / "loop").symlink_to(source / "photos")
    (source / "photos" / "gone").symlink_to("nowhere")
    os.mkfifo(source / "photos" / "pipe")
    walk = Walk(["nowhere", "photos", "one", "photos/../one"], "x/", recursive=True)
    assert [item.path for item in walk] == ["x/photos/cat", "x/photos/sub/dog", "x/one"]
    assert walk.problems == [
        "cannot read nowhere (No such file or directory); see that it is there, and whose it is",
        "photos/../one: x/one is what one is called already",
    ]
    assert sorted(line.split(": ")[1] for line in walk.skipped) == ["a pipe, socket or device"] + 2 * [
        "a symbolic link"
    ]


def test_a_link_given_by_name_is_followed(source: Path) -> None:
    (source / "link").symlink_to("one")
    assert [item.path for item in Walk(["link"], "x", recursive=False)] == ["x"]


def test_a_folder_needs_r(source: Path) -> None:
    walk = Walk(["photos"], "x/", recursive=False)
    assert list(walk) == [] and walk.problems == ["photos is a folder; put it with -r"]


def test_a_device_is_no_file() -> None:
    walk = Walk(["/dev/null"], "x", recursive=True)
    assert list(walk) == []
    assert walk.problems == ["/dev/null is no file; only files and folders can be put"]


def test_names_are_normalized_once_and_clash_where_they_would(source: Path) -> None:
    """A3: normalization is this program's business only, and two files never become one unseen."""
    (source / "photos" / "e\u0301").write_text("1")
    (source / "photos" / "\u00e9").write_text("2")
    walk = Walk(["photos/"], "x/", recursive=True)
    assert [item.path for item in walk][1:2] == ["x/\u00e9"] or "x/\u00e9" in [item.path for item in walk]
    assert len(walk.problems) == 1 and "is called already" in walk.problems[0]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a/b@42", ("a/b", 42)),
        ("a@b", ("a@b", None)),
        ("@42", ("", 42)),
        ("./a@42", ("a@42", None)),
        ("/a/", ("a", None)),
        (".", ("", None)),
        ("e\u0301", ("\u00e9", None)),
        ("a@42@7", ("a@42", 7)),
    ],
)
def test_versions(text: str, meant: tuple[str, int | None]) -> None:
    assert split_version(text) == meant


def test_versions_that_are_none_or_two() -> None:
    assert parse_version("a@42") is None and parse_version("42") is None and parse_version("@42") == 42
    assert split_version("a@42", 42) == ("a", 42) and split_version("./a@42", 7) == ("a@42", 7)
    with pytest.raises(UsageError, match="are two versions"):
        split_version("a@42", 7)
    with pytest.raises(UsageError, match="is not UTF-8"):
        clean_path("\udcff")


def test_a_folder_of_git_is_skipped(source: Path) -> None:
    (source / "photos" / ".git").mkdir()
    (source / "photos" / ".git" / "config").write_text("x")
    (source / "photos" / ".asl-7.tmp").write_text("x")
    walk = Walk(["photos"], "x", recursive=True)
    assert [item.path for item in walk] == ["x/cat", "x/sub/dog"]
    assert [line.partition(":")[0] for line in walk.skipped] == ["photos/.git"]
