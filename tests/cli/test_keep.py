"""`asl keep`, `prune`, `where`, `pin PATH`: what a machine keeps, typed and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    """A machine alone; notes was changed once, and photos holds two files."""
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        for text in ("old" * 100, "new" * 100):
            (tmp_path / "notes").write_text(text)
            asl("put", str(tmp_path / "notes"), "notes")
        (tmp_path / "cat").write_text("cat")
        asl("put", str(tmp_path / "cat"), "photos/cat")
        wait_until(lambda: "final @3" in asl("status").stdout, PATIENCE_S, "final")
        yield client


def test_what_is_kept_is_shown_and_typed(daemon: Client, asl: Asl) -> None:
    assert asl("keep").output.splitlines()[0] == "This machine keeps every version of everything."
    done = asl("keep", "90d", "--only", "photos/", "--except", "*.iso", "--copies", "3")
    assert done.output == (
        "This machine keeps the newest version, and older ones for 90d of photos/ except *.iso; "
        "the rest goes once 3 other machines keep it.\n"
    )
    answer = json.loads(asl("keep", "--json").stdout)
    assert (
        answer["typed"]
        == answer["keep"]
        == {
            "versions": "90d",
            "only": ["photos/"],
            "except": ["*.iso"],
            "copies": 3,
        }
    )
    assert "every version of everything" in asl("keep", "--default").output
    assert json.loads(asl("keep", "--json").stdout)["typed"] is None


def test_a_configuration_says_it_for_every_common(kept: Asl, tmp_path: Path) -> None:
    (tmp_path / "kept" / "config.toml").write_text('content.keep = "current"\n')
    assert "keeps the newest version of everything; the rest goes" in kept("keep").output


@pytest.mark.parametrize("typed", [["sometimes"], ["--only", "a****b"], ["current", "--default"]])
def test_what_cannot_be_kept_to_is_refused(daemon: Client, asl: Asl, typed: list[str]) -> None:
    refused = asl("keep", *typed)
    assert refused.exit_code == 2 and refused.stderr.startswith("asl: ")


def test_deciding_and_pruning_take_the_daemon(kept: Asl) -> None:
    for typed in (["keep", "current"], ["prune"], ["where", "readme"], ["pin", "photos"]):
        assert kept(*typed).exit_code == 3, typed


def test_nothing_goes_that_nobody_else_keeps(daemon: Client, asl: Asl) -> None:
    assert asl("prune").output == (
        "Nothing may go: this machine keeps every version of everything. To keep less: asl keep current\n"
    )
    asl("keep", "current")
    said = asl("prune").output.splitlines()
    assert said[0] == "0 contents went, 0 B"
    assert said[1] == (
        "1 content stay (300 B): fewer others than wanted keep them, of 0 machines that are linked now"
    )
    answer = json.loads(asl("prune", "--dry-run", "--json").stdout)
    assert (answer["dry"], answer["gone"], answer["few"], answer["done"]) == (True, 0, 1, True)
    assert asl("get", "notes@1").stdout == "old" * 100


def test_who_has_it(daemon: Client, asl: Asl) -> None:
    assert asl("where", "notes@1").output == "ann  has it and keeps it\n"
    answer = json.loads(asl("where", "notes", "--json").stdout)
    assert answer["path"] == "notes" and [one["state"] for one in answer["members"]] == ["keeps"]
    assert asl("where", "none").exit_code == 1
    assert asl("where", "@1").exit_code == 2


def test_a_path_is_pinned_listed_and_let_go(daemon: Client, asl: Asl) -> None:
    assert asl("pin").output == "Nothing is pinned\n"
    assert asl("pin", "photos").output == "Kept here for good: photos\n"
    assert asl("pin", "notes@1").output == "Kept here for good: notes@1\n"
    asl("pin", "@2")
    assert asl("pin").output == "Reading stays at @2\nKept: notes@1\nKept: photos\n"
    answer = json.loads(asl("pin", "--json").stdout)
    assert answer["paths"] == [{"path": "notes", "at": 1}, {"path": "photos", "at": None}]
    assert asl("unpin", "photos").output == "photos is pinned no more\n"
    asl("unpin")
    assert asl("pin").output == "Kept: notes@1\n"
    assert "And 1 pinned path: asl pin" in asl("keep").output
    assert "is not pinned" in asl("unpin", "photos").stderr
    assert "there is nothing at none" in asl("pin", "none").stderr
