"""Leaving (P6): by whom, what stands in the way and what to type about it, and what the others see then."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from aslp2p.cli.leave import _require_free
from aslp2p.cli.source import DaemonSource
from aslp2p.errors import UserError
from tests.authorities import found_together, on_loopback
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until

BOB = "ed25519:" + "0b" * 32


def test_who_leaves_is_listed_no_longer_and_can_change_nothing(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "ann", "ben") as (ann, ben):
        found_together([ann, ben], authorities=1, threshold=1)
        assert ben.type("leave").returncode == 2, "nobody is here to be asked"
        said = ben.asl("leave", "--yes")
        assert said.startswith("this machine has left home")
        wait_until(lambda: "ben" not in ann.asl("members"), PATIENCE_S, "ann lists ben no longer")
        assert "left" in ann.asl("members", "--all")
        again = ben.type("leave", "--yes")
        assert again.returncode == 1 and "asl common forget home" in again.stderr
        assert ben.type("put", "-", "late", stdin="x").returncode == 1
        wait_until(lambda: not ann.links(), PATIENCE_S, "the links end")
        assert "was expelled" in ben.type("status").stdout
        assert "followed no longer" in ben.asl("common", "forget", "home", "--yes")


@pytest.mark.parametrize("others", [False, True])
def test_an_office_is_given_up_first(asl: Asl, tmp_path: Path, others: bool) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        if others:
            asl("members", "admit", BOB, "bob or not")
        done = asl("leave", "--yes")
        remedy = "asl rotate 'bob or not'" if others else "asl common forget home"
        assert done.exit_code == 1 and done.stderr.strip().endswith(remedy)
        typed = shlex.split(remedy)[1:]
        assert asl(*typed, *([] if others else ["--yes"])).exit_code == 0, "and that works"


def test_an_authority_that_is_no_witness_gives_its_place_up(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        asl("members", "admit", BOB, "bob")
        summary = {**client.call("summary"), "roles": ["authority"]}
        with pytest.raises(UserError) as refused:
            _require_free(DaemonSource(client, ""), summary, "home")
    assert refused.value.remedy.endswith("asl authority remove ann, or asl authority replace ann NAME")
