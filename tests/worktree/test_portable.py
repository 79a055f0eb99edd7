"""Names that some systems cannot hold: told to who puts them, kept out where a disk cannot hold them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aslp2p.worktree.portable import SameNames, Traits, cannot_hold, unportable
from aslp2p.worktree.rules import Rules
from aslp2p.worktree.walking import Walk
from tests.worktree.simulated import Machine
from tests.worktree.test_sync import settled, two_machines


@pytest.mark.parametrize(
    "path",
    [
        "CON",
        "a/nul.txt",
        "Com1",
        "lpt9.tar.gz",
        "aux .x",
        "com\u00b9",
        "a:b",
        "what?",
        "a\\b",
        "x.",
        "y ",
        "d./x",
    ],
)
def test_names_that_some_system_refuses_or_changes(path: str) -> None:
    assert (unportable(path) or "").startswith("some systems cannot hold this name: ")


@pytest.mark.parametrize("path", ["console", "com", "com10", "a.con", ".x", "a b.c", "größe/…", "nul-1"])
def test_names_that_all_can_hold(path: str) -> None:
    assert unportable(path) is None


def test_twins_are_told_once_they_are_two() -> None:
    same_names = SameNames()
    assert same_names.of("a/B") is None and same_names.of("a/c") is None
    assert "differs from a/B in nothing but case" in str(same_names.of("a/b"))
    assert "differs from a in nothing but case" in str(same_names.of("A/d"))


def test_a_folder_says_what_its_file_system_cannot_hold() -> None:
    fat = Traits(folds=True, drops=True, refuses=True, name_bytes_max=143)
    assert cannot_hold("a/x.", fat) == "this file system drops the end of its name"
    assert cannot_hold("a/x ", fat) == "this file system drops the end of its name"
    assert cannot_hold("a:b", fat) == "this file system refuses a character in its name"
    assert cannot_hold("x" * 144, fat) == "names have at most 143 bytes on this file system"
    assert cannot_hold("CON", fat) is None and cannot_hold("x.", Traits()) is None
    assert set(Rules(traits=fat).out(["x", "x.", "a:b", "X"])) == {"x.", "a:b", "x"}


@pytest.mark.parametrize("what", ["drops", "refuses", "name_bytes_max"])
def test_what_a_folder_cannot_hold_is_said_and_never_removed(what: str) -> None:
    """On a disk that behaves so; another member's folder, on another, is not touched by it."""
    ann, bob = two_machines()
    paths = ("plain", "dots.", "a:b", "n" * 200)
    for path in paths:
        ann.disk.write(path, path.encode())
    ann.sync()
    fussy(bob, what)
    report = bob.sync()
    left = {"drops": "dots.", "refuses": "a:b", "name_bytes_max": "n" * 200}[what]
    assert report is not None and set(report.out) == {left} and set(bob.disk.tree()) == {*paths} - {left}
    bob.sync()
    assert set(ann.remote.common.tree) == {*paths}
    bob.disk.drops = bob.disk.refuses = False
    bob.disk.longest = 255
    assert set(settled(bob, ann)) == {*paths}, "moved to a better disk, it holds all"


def fussy(machine: Machine, what: str) -> None:
    if what == "name_bytes_max":
        machine.disk.longest = 143
    else:
        setattr(machine.disk, what, True)


def test_put_tells_of_such_names_and_goes_to_any_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("aux.txt", "Case", "case", "plain"):
        (tmp_path / "d" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_text(name)
    monkeypatch.chdir(tmp_path / "d")
    for _ in range(1200):
        Path("e").mkdir()
        monkeypatch.chdir("e")
    monkeypatch.chdir(tmp_path)
    try:
        walk = Walk(["d/"], "x/", recursive=True)
        assert [item.path for item in walk] == ["x/Case", "x/aux.txt", "x/case", "x/plain"]
    finally:
        subprocess.run(("rm", "-rf", "d/e"), check=True)  # deeper than what pytest tidies up
    assert [line.partition(":")[0] for line in walk.unportable] == ["x/aux.txt", "x/case"]
    (deep,) = walk.problems
    assert "more than 1024 bytes" in deep
