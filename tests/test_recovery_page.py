"""docs/recovery.md, every line of it: what a worried person is told to type works, and says what is shown.

Each `##` section is played from the beginning, on a household of real daemons on loopback. `alice$ asl …` is
typed on alice's machine; the lines below it have to be among what it says (`…` stands for anything). What a
page cannot type (a machine that burns, a daemon that somebody else stops) stands in comments:
`<!-- stage: kill alice -->`. Ids, keys, invites and paths of the page stand for those of the run.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.authorities import found_together, on_loopback, one_head, put
from tests.lan.machines import Machine
from tests.lan.rig import wait_until

PAGE = Path(__file__).parents[1] / "docs" / "recovery.md"
HOUSEHOLD = ("mia", "alice", "james", "new")
LOOKED_AT_AGAIN = ("status", "ls", "policy", "members", "log")
"""What people read until it says what they wait for."""
LOOKED_S = 60.0

Step = tuple[str, str, list[str]]
"""A machine (or `stage`), what is typed, and what it has to say."""


def sections() -> dict[str, list[Step]]:
    """Every section with something to play, by its heading; what comes before the first is one of its own."""
    found: dict[str, list[Step]] = {}
    for part in re.split(r"^## ", "Where you are\n" + PAGE.read_text(), flags=re.M):
        title, _, body = part.partition("\n")
        steps: list[Step] = []
        for stage, block in re.findall(r"<!-- stage: (.*?) -->|^```console\n(.*?)^```", body, re.M | re.S):
            if stage:
                steps.append(("stage", stage, []))
                continue
            for line in block.splitlines():
                typed = re.fullmatch(r"(\w+)\$ (.*)", line)
                if typed:
                    steps.append((typed[1], typed[2], []))
                else:
                    steps[-1][2].append(line)
        if steps:
            found[title] = steps
    return found


def pattern(line: str) -> re.Pattern[str]:
    """What an output line of the page stands for."""
    return re.compile(".*".join(map(re.escape, line.split("…"))))


class Play:
    """One section, played."""

    def __init__(self, folder: Path, machines: list[Machine]) -> None:
        self.folder = folder
        self.machines = {machine.name: machine for machine in machines}
        self.invite = self.key = ""
        (folder / "stick").mkdir()
        for name in HOUSEHOLD:
            (folder / f"{name}-files").mkdir()
            for file in ("plan.txt", "log.txt"):
                (folder / f"{name}-files" / file).write_text(f"{file} of {name}")

    def step(self, who: str, typed: str, says: list[str]) -> None:
        if who == "stage":
            action, name = typed.split()
            getattr(self.machines[name], action)()
            return
        machine = self.machines[who]
        words = [self.word(machine, word) for word in shlex.split(typed)]
        assert words.pop(0) == "asl", typed
        if words == ["up"] and not any(line.startswith("asl: ") for line in says):
            machine.up()
            return
        if words[:2] == ["move", "in"]:
            shutil.rmtree(machine.home)  # it was only looked at before
        if words[0] in LOOKED_AT_AGAIN and words[:2] != ["members", "expel"]:
            wait_until(lambda: self.typed(machine, words, says), LOOKED_S, f"{who}$ {typed}: {says}")
        else:
            self.typed(machine, words, says)

    def word(self, machine: Machine, word: str) -> str:
        """What a word of the page stands for in this run."""
        if re.fullmatch(r"[0-9a-f]{8}", word):
            return wait_until(
                lambda: str((machine.call("summary")["offers"] or [""])[0][:8]), LOOKED_S, "there is an offer"
            )
        if word.startswith("asl1"):
            return self.invite
        if word.startswith("ed25519:"):
            return self.key
        word = word.replace("/media/stick", str(self.folder / "stick"))
        return word.replace("~", str(self.folder / f"{machine.name}-files"))

    def typed(self, machine: Machine, words: list[str], says: list[str]) -> bool:
        done = machine.type(*words)
        said = (done.stdout + done.stderr).replace(str(self.folder / "stick"), "/media/stick")
        lines = said.splitlines()
        for wanted in says:
            assert any(pattern(wanted).fullmatch(line) for line in lines), f"{wanted!r} not in:\n{said}"
        refused = any(line.startswith("asl: ") for line in says)
        assert done.returncode != 0 if refused else done.returncode in (0, 4), said
        self.remember(words, done)
        return True

    def remember(self, words: list[str], done: subprocess.CompletedProcess[str]) -> None:
        if words[0] == "invite":
            self.invite = done.stdout.splitlines()[0]
        if words[0] == "self":
            self.key = re.findall(r"ed25519:[0-9a-f]{64}", done.stdout)[0]


@pytest.mark.parametrize("title", sections())
def test_every_line_of_the_page_is_played(title: str, tmp_path: Path) -> None:
    with on_loopback(tmp_path, *HOUSEHOLD) as machines:
        household = machines[:3]
        machines[3].log.touch()  # it may never run
        found_together(household)
        put(machines[0], "note.txt")
        one_head(household, lambda head: head["final"] == head["height"] == 1)
        play = Play(tmp_path, machines)
        for who, typed, says in sections()[title]:
            play.step(who, typed, says)


def test_the_page_has_the_sections_that_it_promises() -> None:
    text = PAGE.read_text()
    headings = {
        re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^## (.*)", text, re.M)
    }
    assert set(re.findall(r"\(#([a-z0-9-]+)\)", text)) <= headings
    assert {
        "a-lost-laptop",
        "a-stolen-laptop",
        "the-founder-is-gone",
        "a-house-fire",
        "two-halves-a-month-apart",
    } <= headings
    assert len(sections()) == len(headings) + 1, "each has something to type"
