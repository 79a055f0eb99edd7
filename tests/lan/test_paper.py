"""Paper between real machines that never share a network: each has a LAN of its own, with nobody else on it.

What passes from one to another is a file on a stick. Daemons run where people use the Common; one authority
has none, and its key and journal never leave its machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authorities import policy_text, put, status
from tests.lan.conftest import BuildLan
from tests.lan.machines import PATIENCE_S, Machine, require_clean_logs
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan


class Stick:
    """Carries files, and is in one machine at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 0

    def create(self, machine: Machine, *selection: str) -> Path:
        """A new bundle from a machine."""
        self._files += 1
        path = self._folder / f"{self._files}-{machine.name}.asl"
        machine.asl("bundle", "create", *selection, "-o", path)
        return path

    def endorse(self, machine: Machine, proposal: str, bundle: Path) -> Path:
        """A machine's word for a proposal, as a bundle."""
        path = self._folder / f"{machine.name}-endorses.asl"
        machine.asl("endorse", proposal, "--offline", bundle, "-o", path)
        return path


@pytest.fixture
def apart(build_lan: BuildLan, tmp_path: Path) -> Iterator[list[Machine]]:
    """you, alice and james, 2 of 3, each on a LAN of its own; a daemon only at you's."""
    machines = [Machine(build_lan(1)[1], tmp_path, name) for name in ("mia", "alice", "james")]
    keys = []
    for machine in machines:
        machine.asl("self", "--name", machine.name)
        machine.log.touch()
        keys.append((machine.name, machine.key))
    machines[0].asl("init", "home", "--policy", "-", stdin=policy_text(keys, 2, "30d"))
    machines[0].up()
    yield machines
    require_clean_logs(machines)


def test_a_whole_rotation_with_files_only(apart: list[Machine], tmp_path: Path) -> None:
    you, alice, james = apart
    stick = Stick(tmp_path)
    put(you, "note", "kept")
    asked = you.json("rotate", "james", "--reason", "moving out")["proposal"]
    paper = stick.create(you, "--proposal", asked)
    first = stick.endorse(alice, asked, paper)
    second = stick.endorse(james, asked, paper)
    james.up()
    you.asl("bundle", "import", first)
    assert you.call("summary")["witness"]["name"] == "mia"
    you.asl("bundle", "import", second)
    wait_until(lambda: you.call("summary")["witness"]["name"] == "james", PATIENCE_S, "the transition")

    back = stick.create(you, "--since", "@0")
    for machine in (alice, james):
        machine.asl("bundle", "import", back)
    put(james, "after")
    on = stick.create(james, "--since", "@2")
    for machine in (you, alice):
        machine.asl("bundle", "import", on)
    heads = {machine.json("show")["id"] for machine in apart}
    assert len(heads) == 1
    for machine in apart:
        assert status(machine)[:2] == [
            "Common: home@3 (witness: james)",
            "Note: witness rotated at home@2",
        ]
        assert machine.asl("get", "after") == "x"
        traced = machine.json("explain")
        assert traced["failure"] is None
        assert [step["kind"] for step in traced["steps"]] == ["genesis", "witness-rotation"]
    assert alice.process is None and you.links() == james.links() == set()


def test_a_takeover_with_files_only(apart: list[Machine], tmp_path: Path) -> None:
    """The witness is gone for good; who is left never meets on a network, and the history goes on."""
    you, alice, james = apart
    stick = Stick(tmp_path)
    put(you, "note", "kept")
    whole = stick.create(you)
    you.kill()
    for machine in (alice, james):
        machine.asl("bundle", "import", "--follow", whole)
    james.up()
    asked = james.json("recover", "--yes", "--reason", "lost at sea")["proposal"]
    said = stick.endorse(alice, asked, stick.create(james, "--proposal", asked))
    james.asl("bundle", "import", said)
    wait_until(lambda: james.call("summary")["witness"]["name"] == "james", PATIENCE_S, "the takeover")
    put(james, "after")
    you.asl("bundle", "import", stick.create(james, "--since", "@1"))
    alice.asl("bundle", "import", stick.create(james, "--since", "@1"))
    assert len({machine.json("show")["id"] for machine in apart}) == 1
    lines = status(you)
    assert lines[0] == "Common: home@3 (witness: james)"
    assert any("this machine stepped down" in line for line in lines)
