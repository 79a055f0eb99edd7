"""One Common at a time, never the wrong one: what is the default, what is forgotten, what answers name."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.cli.test_invite_and_join import an_invite

ID = "07" * 32


def commons(asl: Asl) -> dict[str, bool]:
    listed = json.loads(asl("--json", "common", "list").stdout)["commons"]
    return {one["name"]: one["default"] for one in listed}


def test_an_own_common_that_is_empty_is_forgotten_when_that_is_said(asl: Asl) -> None:
    asl("init", "mine")
    done = asl("join", an_invite(), "--forget-empty")
    assert done.exit_code == 0 and "own mine was empty, and is forgotten" in done.stderr
    assert commons(asl) == {"home": True}


def test_on_a_terminal_it_is_asked(asl: Asl) -> None:
    asl("init", "mine")
    with patch("aslp2p.cli.empty.somebody_is_here", lambda: True):
        kept = asl("join", an_invite(), input="n\n")
    assert "mine is empty. Forget it" in kept.stderr and commons(asl) == {"mine": True, "home": False}
    assert f"Commands still mean mine; to change that: asl common use {ID[:12]}" in kept.stderr
    assert asl("common", "use", ID[:12]).exit_code == 0, "what it says to type works"
    assert commons(asl) == {"mine": False, "home": True}


def test_without_a_terminal_it_stays_and_that_is_said(asl: Asl) -> None:
    asl("init", "mine")
    assert "Commands still mean mine" in asl("join", an_invite()).stderr
    assert commons(asl) == {"mine": True, "home": False}


def test_an_own_common_with_anything_in_it_is_never_forgotten(asl: Asl, tmp_path: Path) -> None:
    asl("init", "mine")
    with running(tmp_path / "home"):
        assert asl("put", "-", "note", input="x").stdout == "note, at @1\n", "one Common: no name needed"
        done = asl("join", an_invite(), "--no-wait", "--forget-empty")
        assert done.exit_code == 0 and commons(asl) == {"mine": True, "home": False}
        assert asl("put", "-", "note", input="y").stdout == "note, at mine@2\n", "two: it is named"
        assert asl("rm", "note").stdout.endswith("at mine@3\n")
        assert asl("members", "rename", "self", "desk").stdout.endswith("at mine@4\n")


def test_a_running_daemon_forgets_it_too(asl: Asl, tmp_path: Path) -> None:
    asl("init", "mine")
    with running(tmp_path / "home"):
        assert "another one is announced at 192.0.2.9:4242" in asl("status").stdout
        asl("join", an_invite(), "--no-wait", "--forget-empty")
        assert commons(asl) == {"home": True}
