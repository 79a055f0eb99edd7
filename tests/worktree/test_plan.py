"""The planner (docs/folder.md): random trees, changed apart, come together; nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from aslp2p.worktree.plan import caught_up, plan
from aslp2p.worktree.trees import (
    Adopt,
    Delete,
    Entry,
    Forget,
    Like,
    Move,
    Put,
    Remove,
    SetAside,
    Trees,
    Write,
)
from tests.worktree.model import Common, Folder, found

ROUNDS_MAX = 12
DOCS = Path(__file__).parents[2] / "docs" / "folder.md"


def rows() -> list[list[str]]:
    """The table of rules: base, folder, history, what happens (its steps in bold)."""
    lines = [line for line in DOCS.read_text("utf-8").splitlines() if re.match(r"\| (–|1) \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_has_every_pair_of_changes() -> None:
    wanted = {("–", here, there) for here, there in ("–1", "1–", "11", "12")}
    wanted |= {
        ("1", here, there) for here, there in ("11", "1–", "12", "–1", "21", "––", "–2", "2–", "22", "23")
    }
    assert {tuple(row[:3]) for row in rows()} == wanted and len(rows()) == len(wanted)


@pytest.mark.parametrize("row", rows(), ids=lambda row: " ".join(row[:3]))
def test_the_planner_does_what_the_table_says(row: list[str]) -> None:
    base, here, there = (None if cell == "–" else Like(cell, False) for cell in row[:3])
    trees = Trees(
        base={} if base is None else {"x": base},
        local={} if here is None else {"x": found(here)},
        remote={} if there is None else {"x": Entry(there, 1, 0)},
    )
    steps = [type(step).__name__ for step in plan(trees, name="ann", height=3).steps]
    assert steps == re.findall(r"`([A-Z][A-Za-z]+)`", row[3])


@pytest.mark.parametrize("kind", ["out", "unseen", "waiting", "lacking"])
@pytest.mark.parametrize("row", rows(), ids=lambda row: " ".join(row[:3]))
def test_what_is_out_of_view_is_never_a_removal(row: list[str], kind: str) -> None:
    """Ignored, kept out, unreadable, on its way, or without its bytes: nothing is removed on either side."""
    base, here, there = (None if cell == "–" else Like(cell, False) for cell in row[:3])
    hides = kind in ("out", "unseen")
    trees = Trees(
        base={} if base is None else {"x": base},
        local={} if here is None or hides else {"x": found(here)},
        remote={} if there is None else {"x": Entry(there, 1, 0)},
        out={"x": "why"} if kind == "out" else {},
        unseen={"x": "why"} if kind == "unseen" else {},
        waiting={"x"} if kind == "waiting" else set(),
        lacking={"x"} if kind == "lacking" else set(),
    )
    planned = plan(trees, name="ann", height=3)
    if kind == "lacking":
        assert not any(isinstance(step, SetAside | Write) for step in planned.steps) or there == base
    else:
        assert all(isinstance(step, Forget) for step in planned.steps)
    if kind == "out" and here is None and there is not None:
        again = plan(trees._replace(out={}, base={}), name="ann", height=3)
        assert [type(step) for step in again.steps] == [Write], "coming back, it is new"


@pytest.mark.parametrize("there", [None, "1", "2"])
@pytest.mark.parametrize("here", [None, "1", "3"])
def test_a_path_that_was_out_for_a_while_is_removed_nowhere(here: str | None, there: str | None) -> None:
    """Whatever was done to it meanwhile, on either side: what cannot be known for a removal is none."""
    like = Like("1", False)
    agreed = Trees({"x": like}, {"x": found(like)}, {"x": Entry(like, 1, 0)})
    assert plan(agreed._replace(out={"x": "why"}), name="ann", height=3).steps == (Forget("x"),)
    local = {} if here is None else {"x": found(Like(here, False))}
    remote = {} if there is None else {"x": Entry(Like(there, False), 1, 0)}
    back = plan(Trees({}, local, remote), name="ann", height=3)
    assert not [step for step in back.steps if isinstance(step, Delete | Remove)]
    kept = {step.entry.like.content for step in back.steps if isinstance(step, Write)}
    kept |= {step.found.like.content for step in back.steps if isinstance(step, Put)}
    kept |= {step.over.like.content for step in back.steps if isinstance(step, SetAside)}
    kept |= {step.like.content for step in back.steps if isinstance(step, Adopt)}
    assert kept == {one for one in (here, there) if one is not None}, "each version is somewhere"


def test_two_renames_that_wait_for_each_other_are_written_instead() -> None:
    """`a` becomes `b/x` and `b` becomes `a/x`: as two renames each would stand in the other's way."""
    one, two = Like("1", False), Like("2", False)
    trees = Trees(
        base={"a": one, "b": two},
        local={"a": found(one), "b": found(two)},
        remote={"b/x": Entry(one, 1, 0), "a/x": Entry(two, 1, 0)},
    )
    steps = [(type(step), step.path) for step in plan(trees, name="ann", height=3).steps]
    assert steps == [(Delete, "a"), (Delete, "b"), (Write, "a/x"), (Write, "b/x")]
    back = Trees(
        base={"a/x": one, "b": two},
        local={"a/x": found(one), "b": found(two)},
        remote={"a": Entry(two, 1, 0), "c": Entry(one, 1, 0)},
    )
    steps = [(type(step), step.path) for step in plan(back, name="ann", height=3).steps]
    assert steps == [(Delete, "b"), (Move, "a/x"), (Write, "a")], "the folder is empty when its name is taken"


def test_a_refused_put_is_nobodys_removal_later() -> None:
    """Bob's put was refused and he deleted the file: when ann puts the same there, it is hers and comes."""
    like = Like("1", False)
    agreed, over = caught_up({}, {"x": like}, {}, waiting=())
    assert (agreed, over) == ({}, {"x"}), "refused"
    assert caught_up({}, {"x": like}, {}, waiting={"x"}) == ({}, set()), "it may still be listed"
    assert caught_up({}, {"x": like}, {"x": Entry(like, 1, 0)}, waiting=()) == ({"x": like}, {"x"})
    assert caught_up({"x": like}, {"x": None}, {}, waiting=()) == ({}, {"x"})


def came_together(seed: int) -> int:
    """Two or three folders of one Common, changed and synced in any order; how many rounds it took."""
    random = Random(seed)
    common = Common()
    folders = [Folder(name, common) for name in ("ann", "bob", "cy")[: random.choice((2, 2, 3))]]
    fresh = [0]
    for folder in folders:
        if random.random() < 0.3:  # a first sync into a folder that is not empty
            for _ in range(random.randrange(4)):
                folder.change(random, fresh)
    for _ in range(random.choice((1, 2, 4))):
        for _ in range(random.randrange(9)):
            random.choice(folders).change(random, fresh)
        for _ in range(random.randrange(4)):
            sync_partly(random.choice(folders), random)
        if random.random() < 0.6:
            common.list_all(random)
    on_disk = {like.content for folder in folders for like in folder.tree.values()}
    rounds = settle(common, folders, random)
    trees = [folder.tree for folder in folders]
    assert all(tree == common.tree for tree in trees)
    assert on_disk <= common.ever
    for folder in folders:
        assert folder.base == common.tree and not folder.plan().steps
    return rounds


def sync_partly(folder: Folder, random: Random) -> None:
    """One plan, of which a kill or a cut may leave the rest."""
    steps = folder.plan().steps
    cut = random.randrange(len(steps) + 1) if random.random() < 0.4 else len(steps)
    for step in steps[:cut]:
        folder.step(step)


def settle(common: Common, folders: list[Folder], random: Random) -> int:
    for number in range(ROUNDS_MAX):
        random.shuffle(folders)
        quiet, before = not common.open, common.height
        for folder in folders:
            for step in folder.plan().steps:
                quiet = False
                folder.step(step)
            if random.random() < 0.5:
                common.list_all(random)
        common.list_all(random)
        if quiet and common.height == before:
            return number
    raise AssertionError(f"not settled after {ROUNDS_MAX} rounds")


@pytest.mark.parametrize("part", range(8))
def test_whatever_was_changed_apart_comes_together(part: int) -> None:
    for seed in range(part * 100, part * 100 + 100):
        came_together(seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_million_plans() -> None:
    for seed in range(10**6):
        came_together(seed)
