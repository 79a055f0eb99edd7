"""Pairing by a code over a real network: the announcement is found, and names nobody (G1)."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.lan.conftest import BuildHousehold
from tests.lan.machines import ASL, PATIENCE_S, REPOSITORY, wait_joined
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan


def test_who_founds_where_another_common_is_announced_is_told(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    anna.asl("init", "home", "--name", "anna")
    anna.up()
    anna.asl("put", "-", "note", stdin="x")
    listening = {key: value for key, value in os.environ.items() if key != "ASL_NO_LISTEN"}
    typed = (*ASL, "--home", ben.home, "init", "mistake", "--name", "ben")
    founded = ben.host.run(*typed, cwd=REPOSITORY, env=listening)
    assert f"A Common is announced on this network, at {anna.host.ip}" in founded.stderr
    ben.up()
    told = "another Common is announced at"
    wait_until(lambda: told in ben.out.read_text(), PATIENCE_S, "ben is told where it was started")
    assert f"Note: this Common is empty, and {told[:7]} one is announced at" in ben.asl("status")
    assert told not in anna.out.read_text(), "hers is in use"


def test_a_machine_on_the_lan_is_in_by_a_code(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    anna.asl("init", "home", "--name", "anna")
    anna.up()
    inviting = anna.host.popen(
        *ASL,
        "--home",
        anna.home,
        "invite",
        "--code",
        "--yes",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=REPOSITORY,
    )
    assert inviting.stdout is not None
    inviting.stdout.readline()
    code = inviting.stdout.readline().removeprefix("Code: ").strip()
    said = ben.asl("join", code, "--name", "ben")
    assert said == "ben is in home@1, let in by anna.\nStart it with: asl up\n"
    assert inviting.communicate(timeout=60)[0] == "ben is in home.\n"
    ben.up()
    wait_joined(anna, ben)
