"""Folders that the daemon keeps in step: real daemon, real files, real inotify."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aslp2p.control.client import Client
from aslp2p.daemon import folders
from aslp2p.errors import UserError
from aslp2p.home import Home
from aslp2p.home.followed import FollowedFolder, load_followed, save_followed
from aslp2p.limits import PUTS_IN_FLIGHT_MAX
from tests.cli.conftest import run_asl
from tests.cli.running import running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run_asl(tmp_path / "home", "init", "home", "--name", "ann").exit_code == 0
    return tmp_path / "home"


@pytest.fixture
def daemon(home: Path) -> Iterator[Client]:
    with running(home) as client:
        yield client


class Following:
    """One folder, watched through the events of the daemon."""

    def __init__(self, daemon: Client, home: Path) -> None:
        self.events = daemon.subscribe(["folder"], timeout_s=60)
        self.asl: Callable[..., Any] = lambda *arguments, **options: run_asl(home, *arguments, **options)

    def until(self, true: Callable[[], bool]) -> dict[str, Any]:
        """The event after which it holds. Raises `NoAnswer` when no more events come."""
        for event in self.events:
            if true():
                return event
        raise AssertionError("events ended")

    def ls(self) -> list[str]:
        return str(self.asl("ls").stdout).split()

    def shown(self) -> dict[str, Any]:
        (one,) = json.loads(self.asl("folder", "list", "--json").stdout)["folders"]
        return dict(one)


def test_changes_go_both_ways(daemon: Client, home: Path, tmp_path: Path) -> None:
    following, folder = Following(daemon, home), tmp_path / "dir"
    folder.mkdir()
    (folder / "before").write_text("1")
    assert following.asl("folder", "add", str(folder)).exit_code == 0
    following.until(lambda: following.ls() == ["before"])
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "file").write_text("2")
    following.until(lambda: following.ls() == ["before", "new/deep/file"])
    (folder / "new" / "deep" / "file").write_text("3")
    following.until(lambda: following.asl("get", "new/deep/file").stdout == "3")
    following.asl("put", "-", "theirs", input="4")
    following.until(lambda: (folder / "theirs").exists() and (folder / "theirs").read_text() == "4")
    (folder / "before").unlink()
    following.until(lambda: "before" not in following.ls())
    listed = following.asl("folder", "list").stdout
    assert listed.startswith(f"{folder}  home  at @")


def test_an_emptied_folder_asks_and_a_paused_one_rests(daemon: Client, home: Path, tmp_path: Path) -> None:
    following, folder = Following(daemon, home), tmp_path / "dir"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name)
    following.asl("folder", "add", str(folder))
    following.until(lambda: following.ls() == ["a", "b", "c"])
    for name in "abc":
        (folder / name).unlink()
    following.until(lambda: following.shown()["braked"] == 3)
    status = following.asl("status")
    assert status.exit_code == 4 and f"3 of 3 files are gone from {folder}; if that is meant" in status.stdout
    assert following.ls() == ["a", "b", "c"]
    assert f"asl folder approve {folder}\n" in following.asl("folder", "list").stdout
    assert following.asl("folder", "pause", str(folder)).exit_code == 0
    assert "paused" in following.asl("folder", "list").stdout
    following.asl("folder", "approve", str(folder))
    following.asl("folder", "resume", str(folder))
    following.until(lambda: following.ls() == [])
    assert following.asl("folder", "remove", str(folder)).exit_code == 0
    assert (
        following.asl("folder", "list").stdout == "No folder is followed; add one with: asl folder add DIR\n"
    )
    assert following.asl("folder", "pause", str(folder)).exit_code == 1


def test_status_names_a_conflict_file_until_one_of_the_two_is_gone(
    daemon: Client, home: Path, tmp_path: Path
) -> None:
    following, folder = Following(daemon, home), tmp_path / "dir"
    folder.mkdir()
    for name in ("plan.txt", "plan (conflict, bob, @3).txt", "other (conflict, bob, @3).txt"):
        (folder / name).write_text(name)
    following.asl("folder", "add", str(folder))
    following.until(lambda: len(following.shown()["conflicts"]) == 1)
    assert f"Conflict: {folder}/plan (conflict, bob, @3).txt\n" in following.asl("status").stdout
    (folder / "plan.txt").unlink()
    following.until(lambda: following.shown()["conflicts"] == [])
    assert "Conflict:" not in following.asl("status").stdout


def test_a_folder_that_was_exchanged_is_left_alone(daemon: Client, home: Path, tmp_path: Path) -> None:
    """As when its disk is not mounted: nothing is removed, and nothing written onto what is there instead."""
    following, folder = Following(daemon, home), tmp_path / "dir"
    folder.mkdir()
    (folder / "a").write_text("a")
    following.asl("folder", "add", str(folder))
    following.until(lambda: following.ls() == ["a"])
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    following.asl("put", "-", "b", input="b")
    following.until(lambda: "is not the folder that was added" in following.shown()["problem"])
    assert list(folder.iterdir()) == [] and following.ls() == ["a", "b"]
    folder.rmdir()
    (tmp_path / "elsewhere").rename(folder)
    following.asl("put", "-", "c", input="c")
    following.until(lambda: (folder / "c").exists())
    assert (folder / "b").read_text() == "b"


def test_what_follows_is_kept_and_not_twice(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dir"
    with running(home) as daemon:
        following = Following(daemon, home)
        assert following.asl("folder", "add", str(folder)).exit_code == 0
        twice = following.asl("folder", "add", str(folder / "below"))
        assert twice.exit_code == 1 and f"{folder} is followed already" in twice.stderr
        inside = following.asl("folder", "add", str(home / "commons"))
        assert inside.exit_code == 2 and "is in the home of aslp2p" in inside.stderr
    with running(home) as daemon:
        following = Following(daemon, home)
        following.asl("put", "-", "a", input="a")
        following.until(lambda: (folder / "a").exists())


def test_the_list_is_kept_and_a_damaged_one_is_said(home: Path) -> None:
    entries = [FollowedFolder("/a", "0" * 32, "1" * 64, "x", send=False)]
    save_followed(Home(home), entries)
    assert load_followed(Home(home)) == entries
    (home / "folders").write_text("[{}]")
    with pytest.raises(UserError, match="is damaged; remove it"):
        load_followed(Home(home))
    with running(home) as daemon:
        assert daemon.call("folder.list") == {"folders": []}


def test_a_witness_that_is_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for every few hundred files of a sync; and one that answers is waited for to the end."""
    monkeypatch.setattr(folders, "SETTLE_S", 0.0)
    asked: list[int] = []
    state = "pending"

    class Calls:
        def ask(self, question: str, ids: list[str]) -> dict[str, Any]:
            asked.append(len(ids))
            return {question: [{"id": id_, "state": state} for id_ in ids]}

    settling = folders._Settling(Calls())  # type: ignore[arg-type]
    for number in range(4 * PUTS_IN_FLIGHT_MAX):
        settling.add(f"{number}", "path")
    assert set(settling.finish().values()) == {""} and len(asked) == 1
    state = "witnessed"
    settling = folders._Settling(Calls())  # type: ignore[arg-type]
    for number in range(4 * PUTS_IN_FLIGHT_MAX):
        settling.add(f"{number}", "path")
    assert settling.finish() == {}


def test_ignored_says_what_is_not_carried(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dir"
    (folder / ".git").mkdir(parents=True)
    (folder / "a.swp").write_text("x")
    (folder / "a.log").write_text("x")
    (folder / "kept").write_text("x")
    (folder / ".aslignore").write_text("*.log\n")
    result = run_asl(home, "folder", "ignored", str(folder))
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [".git/", "a.log", "a.swp"]
