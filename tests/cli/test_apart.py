"""Paper where files and a network meet: a stopped witness that others may have replaced (S10), and paper that
waits for what only a link brings (section 10)."""

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


def asked_apart(machines: list[Machine], folder: Path) -> tuple[str, list[Path]]:
    """All but the witness stop; it asks to hand over to the last; the others endorse with files.

    The proposal, and what each of them wrote.
    """
    you, *others = machines
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    for other in others:
        other.stop()
    id_ = str(you.json("rotate", others[-1].name)["proposal"])
    paper = folder / "paper.asl"
    you.asl("bundle", "create", "--proposal", id_, "-o", paper)
    said = []
    for other in others:
        said.append(folder / f"{other.name}.asl")
        other.asl("endorse", id_, "--offline", paper, "-o", said[-1])
    return id_, said


def test_a_stopped_witness_that_knows_a_network_emits_only_when_told(party: Party, tmp_path: Path) -> None:
    """S10: where it hears nobody, it may have been replaced."""
    you, alice, _ = machines = party("mia", "alice", "james")
    found_together(machines)
    id_, said = asked_apart(machines, tmp_path)
    you.stop()
    you.asl("bundle", "import", said[0])
    report = you.json("bundle", "import", said[1])
    assert (report["height"], report["withheld"], report["papers"][0]["state"]) == (1, True, "open")
    words = you.asl("bundle", "import", said[1])
    assert "Not emitted: " in words and "(S10): asl up" in words and "with --emit" in words
    emitted = you.asl("bundle", "import", said[1], "--emit")
    assert "This machine emitted home@2 for it" in emitted and "Not emitted" not in emitted
    for machine in machines:
        machine.start()
    one_head(machines, lambda head: head["height"] == 2 and head["witness"]["name"] == "james")
    wrong = alice.type("endorse", id_, "--emit")
    assert wrong.returncode == 2 and "--emit is for --offline" in wrong.stderr


def test_a_witness_that_waits_for_its_start_emits_then(party: Party, tmp_path: Path) -> None:
    you, *_ = machines = party("mia", "alice", "james")
    found_together(machines)
    _, said = asked_apart(machines, tmp_path)
    you.stop()
    for file in said:
        you.asl("bundle", "import", file)
    assert status(you)[0] == "Common: home@1 (witness: mia)"
    you.up()
    one_head([you], lambda head: head["height"] == 2 and head["witness"]["name"] == "james")


def test_paper_that_waits_counts_once_a_link_brought_what_it_stands_on(party: Party, tmp_path: Path) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines)
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    james.stop()
    put(you, "more")  # james lacks the base of what follows
    one_head([you, alice], lambda head: head["final"] == 2)
    alice.stop()
    id_ = str(you.json("rotate", "james")["proposal"])
    you.asl("bundle", "create", "--proposal", id_, "-o", tmp_path / "paper.asl")
    alice.asl("endorse", id_, "--offline", tmp_path / "paper.asl", "-o", tmp_path / "alice.asl")
    alice.asl("bundle", "create", "--endorsements", id_, "-o", tmp_path / "only.asl")
    report = james.json("bundle", "import", tmp_path / "only.asl")
    assert report["waiting"] > 0 and report["height"] == 1
    james.up()
    wait_until(lambda: "2 of 2: mia, alice" in james.asl("proposals"), PATIENCE_S, "what waited counts")
    wait_until(lambda: not list(james.home.glob("commons/*/waiting.bundle")), PATIENCE_S, "nothing waits")
    james.asl("endorse", opened(james, "witness-rotation"))
    one_head([you, james], lambda head: head["witness"]["name"] == "james")
