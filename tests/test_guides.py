"""The guides, every command block of them: what a new household, a team and an administrator type works.

Each page is played from its first line to its last, on machines that have a home and nothing else, by what
plays the page of recovery.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.authorities import on_loopback
from tests.test_recovery_page import HOUSEHOLD, Play, Step

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("household", "team", "operations")


def steps(page: str) -> list[Step]:
    """What is typed on a page, in its order."""
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.M | re.S):
        for line in block.splitlines():
            typed = re.fullmatch(r"(\w+)\$ (.*)", line)
            if typed:
                found.append((typed[1], typed[2], []))
            else:
                found[-1][2].append(line)
    return found


@pytest.mark.parametrize(
    "page",
    [
        "household",
        pytest.param("team", marks=pytest.mark.long),
        pytest.param("operations", marks=pytest.mark.long),
    ],
)
def test_a_guide_is_played_from_its_beginning(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASL_BACKUP_PASSPHRASE", "correct horse battery staple")
    with on_loopback(tmp_path, *HOUSEHOLD) as machines:
        play = Play(tmp_path, machines)
        fresh = play.machines["new"]
        fresh.log.touch()  # it may never run
        for name in ("alice", "james"):
            play.machines[name].log.touch()
        for who, typed, says in steps(page):
            if typed.startswith("asl restore "):
                shutil.rmtree(fresh.home)  # it was only looked at before
            play.step(who, typed, says)


def test_every_block_of_commands_is_played() -> None:
    """A block that is not `console` would be typed by nobody."""
    for page in PAGES:
        text = (DOCS / f"{page}.md").read_text()
        assert set(re.findall(r"^```(\w*)$", text, re.M)) == {"console", ""}
        assert all(typed.startswith("asl ") for _, typed, _ in steps(page))
