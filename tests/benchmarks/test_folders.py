"""The benchmark of folders measures what it says, on a small tree."""

from __future__ import annotations

from pathlib import Path

from benchmarks.folders import EDIT, STEPS, Ours, change_some, make_tree, measure, rename_one, tree_of


def test_every_step_is_measured() -> None:
    figures = dict(measure(Ours, 10, edits=1))
    assert list(figures) == [*STEPS, EDIT] and all(seconds > 0 for seconds in figures.values())


def test_the_tree_is_the_same_each_time_and_changes_as_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_tree(tmp_path / name, 200)
    before = tree_of(tmp_path / "one")
    assert len(before) == 200 and tree_of(tmp_path / "two") == before
    change_some(tmp_path / "one")
    changed = tree_of(tmp_path / "one")
    assert sum(changed[path] != data for path, data in before.items()) == 2
    rename_one(tmp_path / "one")
    assert sorted(tree_of(tmp_path / "one").values()) == sorted(changed.values())
    assert sum(path.startswith("renamed/") for path in tree_of(tmp_path / "one")) == 2
