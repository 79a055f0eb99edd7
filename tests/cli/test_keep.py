"""`asl keep`, `prune`, `where`, `pin PATH`: what a machine keeps, typed and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.ledger.reader import DropContent
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from tests.authorities import found_together, on_loopback, one_head, put
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S, Machine
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


def test_what_others_keep_goes_and_comes_back_when_it_is_asked_for(tmp_path: Path) -> None:
    """Three real daemons: a laptop that keeps the newest version, what a folder and a person see of that."""
    with on_loopback(tmp_path, "mia", "alice", "james") as machines:
        mia, alice, _ = machines
        found_together(machines)
        put(mia, "notes", "old" * 40_000)
        put(mia, "notes", "new" * 40_000)
        folder = tmp_path / "folder"
        one_head(machines, lambda head: head["final"] == 2)
        wait_until(lambda: not gone(alice) and not gone(alice, 2), PATIENCE_S, "it is there")
        alice.asl("keep", "current")
        wait_until(lambda: "went" in alice.asl("prune") and gone(alice), PATIENCE_S, "the old one went")
        assert "does not have it" in alice.asl("where", "notes@1")
        assert alice.asl("where", "notes@1").count("has it and keeps it") == 2
        assert json.loads(alice.asl("df", "--json"))["older"]["contents"] == 0
        assert alice.asl("get", "notes@1") == "old" * 40_000
        assert not gone(alice), "it stays for a day"
        alice.asl("keep", "current", "--except", "notes")
        wait_until(lambda: alice.asl("prune") and gone(alice, 2), PATIENCE_S, "the new one went")
        alice.asl("sync", str(folder))
        assert (folder / "notes").read_text() == "new" * 40_000, "who follows it asks for it"
        assert alice.asl("checkout", str(tmp_path / "out"), "@1").startswith("home@1 in")


def gone(machine: Machine, at: int = 1) -> bool:
    entry = machine.call("entry", path="notes", at=at)
    return not entry["here"]


def test_what_is_not_here_is_no_removal_and_is_said(asl: Asl, tmp_path: Path) -> None:
    """A folder that follows has it still, or has it not; the history keeps it in both cases."""
    asl("init", "home", "--name", "ann")
    (tmp_path / "film").write_text("film" * 100)
    with running(tmp_path / "home"):
        asl("put", str(tmp_path / "film"), "film")
        content = json.loads(asl("show", "film", "--json").stdout)["content"]
        assert asl("sync", str(tmp_path / "before")).exit_code == 0
    (commons,) = (tmp_path / "home" / "commons").iterdir()
    with closing(SqliteStore(commons / STORE_NAME)) as store:
        store.apply([DropContent(bytes.fromhex(content))])
        store.commit()
    with running(tmp_path / "home"):
        for name, there in (("before", True), ("after", False)):
            done = asl("sync", str(tmp_path / name))
            assert (tmp_path / name / "film").exists() is there
            assert done.exit_code == int(not there)
            assert ("have not all arrived" in done.stderr) is not there
        assert asl("ls").stdout == "film\n"
        assert json.loads(asl("status", "--json").stdout)["commons"][0]["height"] == 1
        assert "have not all arrived" in asl("get", "film").stderr
