"""Replacing the witness by hand and by daemon, on real daemons on loopback: what people type and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.authorities import found_together, on_loopback, one_head, opened, put, status
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until

Party = Callable[..., list[Machine]]


@pytest.fixture
def party(tmp_path: Path) -> Iterator[Party]:
    with ExitStack() as stack:
        yield lambda *names: stack.enter_context(on_loopback(tmp_path, *names))


def test_a_rotation_is_proposed_endorsed_accepted_and_emitted(party: Party) -> None:
    you, alice, james = machines = party("you", "alice", "james")
    found_together(machines)
    put(you, "note")
    asked = you.asl("rotate", "james", "--reason", "moving out")
    assert "Proposed: you hands the witness's office to james: moving out" in asked
    id_ = opened(alice, "witness-rotation")
    assert "missing alice or james; james has to accept" in asked and f"asl endorse {id_}" in asked
    attention = [line for line in status(alice) if line.startswith("Attention:")]
    assert attention == [
        "Attention: home: you hands the witness's office to james: moving out "
        f"(1 of 2: you; missing alice or james; james has to accept); asl endorse {id_}"
    ]
    assert "Endorsed: you hands" in alice.asl("endorse", id_)
    james.asl("endorse", opened(james, "witness-rotation"))
    head = one_head(machines, lambda head: head["witness"]["name"] == "james")
    at = head["changed_height"]
    for machine in machines:
        assert status(machine)[:2] == [
            f"Common: home@{head['height']} (witness: james)",
            f"Note: witness rotated at home@{at}",
        ]
    assert "Finality: waits for the first snapshot of james" in status(you)
    put(you, "more")
    wait_until(lambda: you.call("summary")["final"] > at, PATIENCE_S, "final again")
    assert "Finality:" not in "".join(status(alice))
    assert f"Note: this machine stepped down: james is the witness since home@{at}" in status(you)
    shown = james.asl("show", f"@{at}")
    assert "endorsed by" in shown and "Cosigned:" in shown
    assert f"@{at}" in james.asl("log") and "** the witness hands over **" in james.asl("log")
    you.stop()
    put(alice, "after")
    assert one_head([alice, james], lambda head: head["height"] > at)
