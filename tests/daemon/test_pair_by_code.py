"""Pairing as people do it: `asl invite` here, `asl join CODE` there, with real daemons on loopback.

There is no mDNS on loopback here, so the joiner is told where to call (`--peer`); the LAN's own test finds it
by its announcement.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_up import ASL, PATIENCE_S, Machine, ok


class Inviter:
    """`asl invite --code` under way, and what it has said."""

    def __init__(self, machine: Machine, *words: str) -> None:
        self.process = subprocess.Popen(
            [*ASL, "--home", str(machine.home), "invite", "--code", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.text = self.process.stdout.readline().strip()
        self.code = self.process.stdout.readline().removeprefix("Code: ").strip()

    def end(self) -> tuple[int, str, str]:
        """How it ended, and what it said after the code."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "ann")
    ok(machine.asl("init", "home", "--name", "ann"))
    machine.up()
    yield machine
    if machine.process is not None:
        machine.stop(signal.SIGKILL)


def fresh(folder: Path, name: str) -> Machine:
    """A machine in no Common, that stays on loopback."""
    machine = Machine(folder / name)
    ok(machine.asl("self"))
    config = '[listen]\naddresses = ["127.0.0.1"]\n[mdns]\nenabled = false\n'
    (machine.home / "config.toml").write_text(config)
    return machine


def join(machine: Machine, ann: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    return machine.asl("join", "--peer", f"127.0.0.1:{ann.port}", *words)


def words_in(text: str) -> str:
    return text.partition("On both screens: ")[2].splitlines()[0]


def test_a_machine_without_a_common_is_in_by_two_words(ann: Machine, tmp_path: Path) -> None:
    ben = fresh(tmp_path, "ben")
    inviter = Inviter(ann, "--yes", "--name", "desk")
    number, first, second = inviter.code.split("-")
    joined = join(ben, ann, number, first.upper(), second[:4])
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout == "desk is in home@1, let in by ann.\nStart it with: asl up\n"
    code, out, err = inviter.end()
    assert (code, out) == (0, "desk is in home.\n")
    assert words_in(err) == words_in(joined.stderr) and len(words_in(err).split()) == 4
    assert "ann invites this machine" in joined.stderr and "wants to join home" in err
    ben.up()
    assert ben.call("summary")["own_name"] == "desk"
    ben.stop()

    cleo = fresh(tmp_path, "cleo")
    again = join(cleo, ann, inviter.code)
    assert again.returncode == 1 and "somebody used that code already" in again.stderr, "one use"
    used = cleo.asl("join", "--wait", inviter.text)
    assert used.returncode == 1 and "the invite was used already" in used.stderr, "by any way"


def test_a_wrong_word_ends_the_code_and_both_are_told(ann: Machine, tmp_path: Path) -> None:
    ben = fresh(tmp_path, "ben")
    inviter = Inviter(ann, "--yes")
    number, first, second = inviter.code.split("-")
    guess = "castle" if second != "castle" else "guitar"
    wrong = join(ben, ann, f"{number}-{first}-{guess}")
    assert wrong.returncode == 1 and "the words are not those of that code" in wrong.stderr
    code, _, err = inviter.end()
    assert code == 1 and "somebody tried this code with wrong words, so it is over" in err
    right = join(ben, ann, inviter.code)
    assert right.returncode == 1, "the second guess is refused, though it is right"
    assert "somebody used that code already" in right.stderr
    assert not (ben.home / "commons").exists(), "nothing was joined"
    ours, theirs = pty.openpty()
    typed = [*ASL, "--home", str(ben.home), "join", inviter.text]
    joined = subprocess.run(
        typed, stdin=theirs, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.endswith("let in by ann.\nStart it with: asl up\n"), (
        "a person is told when they are in"
    )


def test_a_code_lives_as_long_as_its_command_and_is_never_said_yes_to_by_nobody(
    ann: Machine, tmp_path: Path
) -> None:
    ben = fresh(tmp_path, "ben")
    killed = Inviter(ann)
    killed.process.kill()
    killed.end()
    gone = join(ben, ann, killed.code)
    assert gone.returncode == 1 and not (ben.home / "commons").exists()
    unasked = Inviter(ann)
    refused = join(ben, ann, unasked.code)
    assert refused.returncode == 1 and "ann said no" in refused.stderr
    code, _, err = unasked.end()
    assert code == 2 and "say --yes if you mean it" in err
    assert json.loads(ok(ann.asl("invite", "list", "--json")))["invites"][0]["state"] == "open"


def test_what_became_of_an_invite_is_said_at_once(ann: Machine, tmp_path: Path) -> None:
    def made(*words: str) -> Any:
        return json.loads(ok(ann.asl("--json", "invite", *words)))

    one, two = made("--name", "ben"), made("--uses", "2")
    assert (two["uses"], two["expires_ms"] - one["expires_ms"] < 60_000) == (2, True)
    listed = ok(ann.asl("invite", "list")).splitlines()
    assert [line.split()[0] for line in listed] == [one["id"][:12], two["id"][:12]]
    assert "ben" in listed[0] and "0 of 1" in listed[0] and "open" in listed[0]
    ann.stop()
    ann.up()
    ok(ann.asl("invite", "revoke", one["id"][:6]))
    revoked = fresh(tmp_path, "ben").asl("join", "--wait", one["invite"])
    assert revoked.returncode == 1 and "not let into home: the invite was revoked" in revoked.stderr
    (tmp_path / "invite.txt").write_text(two["invite"].upper() + "\n")
    cleo = fresh(tmp_path, "cleo")
    joined = json.loads(ok(cleo.asl("join", "--wait", "--json", str(tmp_path / "invite.txt"))))
    assert joined["admitted"] and joined["admitted_by"]["name"] == "ann"
    states = [one["state"] for one in json.loads(ok(ann.asl("--json", "invite", "list")))["invites"]]
    assert states == ["revoked", "open"]
