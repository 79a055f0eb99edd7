"""Folders over real cores, on machines that crash, lose power, fill up, fail, and are cut off."""

from __future__ import annotations

from collections import Counter

import pytest
from click.testing import CliRunner

from aslp2p.worktree.writing import Writer
from simulations.__main__ import main
from simulations.folder_disk import MemoryDisk
from simulations.folders import Broken, Folders

SEEDS = 4


def test_no_version_is_lost_and_all_are_alike() -> None:
    done: Counter[str] = Counter()
    for seed in range(SEEDS):
        run = Folders(seed)
        run.play()
        done.update(run.done)
    assert {"sync_one", "work", "killed", "failed", "cut", "fill", "meddle"} <= set(done), (
        "else it shows little"
    )


def test_a_seed_is_the_same_each_time() -> None:
    runs = [Folders(3) for _ in range(2)]
    for run in runs:
        run.play()
    assert runs[0].done == runs[1].done and runs[0].saved == runs[1].saved
    assert runs[0].world.log.digest() == runs[1].world.log.digest()


def play_from(first: int) -> None:
    """A hundred seeds from one that finds the mistake, as things are."""
    for seed in range(first, first + 100):
        Folders(seed).play()


def test_what_takes_its_place_before_it_is_on_disk_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryDisk, "flush", lambda _disk, _paths: None)
    with pytest.raises(Broken, match="nobody saved"):
        play_from(4)


def test_what_is_replaced_unseen_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "_is_wanted", lambda *_: False)
    monkeypatch.setattr(Writer, "require", lambda *_: None)
    with pytest.raises(Broken, match="lost"):
        play_from(17)


def test_the_command_says_what_was_done() -> None:
    result = CliRunner().invoke(main, ["folders", "--seeds", "1", "--first", "5"])
    assert result.exit_code == 0 and result.stdout.startswith("1 seeds: ")


@pytest.mark.long
@pytest.mark.timeout(36_000)
def test_twenty_thousand_seeds() -> None:
    for seed in range(20_000):
        Folders(seed).play()
