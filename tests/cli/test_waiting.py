"""Proposing where the witness is another machine that is not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from aslp2p.cli import waiting
from aslp2p.cli.source import DaemonSource
from aslp2p.cli.waiting import Waiter
from aslp2p.control.client import Client
from aslp2p.core.node import SHUT_OUT
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Client, Asl]]:
    """The running home of `ben`, a member of a Common whose witness, `ann`, cannot be reached."""
    monkeypatch.setattr(waiting, "LOOK_S", 0.02)
    monkeypatch.setattr(waiting, "UNREACHABLE_S", 0.05)
    first, second = tmp_path / "first", tmp_path / "second"
    key = json.loads(run_asl(second, "self", "--name", "ben", "--json").stdout)["key"]
    run_asl(first, "init", "home", "--name", "ann")
    with running(first):
        assert run_asl(first, "members", "admit", key, "ben").exit_code == 0
    shutil.copytree(first / "commons", second / "commons")
    with running(second) as client:
        yield client, lambda *arguments, **options: run_asl(second, *arguments, **options)


def test_put_does_not_wait_for_a_witness_that_is_not_there(alone: tuple[Client, Asl], tmp_path: Path) -> None:
    _, asl = alone
    put = asl("put", "-", "notes", input="x")
    assert (put.exit_code, put.stdout) == (0, "1 file proposed (1 B)\n")
    assert put.stderr == (
        "pending: the witness (ann) is not reachable; 1 proposal will be witnessed when it returns\n"
    )
    assert "Pending: 1 proposal waits for the witness (ann)" in asl("status").stdout
    assert "pending  ben puts notes (1 B)" in asl("proposals").stdout
    expelled = asl("members", "expel", "ann")
    assert expelled.exit_code == 0 and "is not reachable" in expelled.stderr
    answer = json.loads(asl("put", "-", "more", "--json", input="x").stdout)
    assert [one["what"] for one in answer["pending"]] == ["more"] and answer["witnessed"] == []
    (tmp_path / "tree").mkdir()
    for number in range(5):
        (tmp_path / "tree" / str(number)).write_bytes(os.urandom(9))
    many = asl("put", "-r", str(tmp_path / "tree"), "tree/")
    assert many.stdout == "5 files proposed (45 B)\n" and "5 proposals will be witnessed" in many.stderr


@pytest.mark.parametrize("code", SHUT_OUT)
def test_what_can_never_be_listed_is_no_success(alone: tuple[Client, Asl], tmp_path: Path, code: str) -> None:
    """This machine hears from the others, before any history says so, that it is none of them."""
    client, asl = alone
    live = client.call("status")["commons"][0]
    shut = {**live, "live": {**live["live"], "shut_out": f"this key is {code}"}}
    with patch.object(DaemonSource, "status", lambda _: {"daemon": {}, "commons": [shut]}):
        put = asl("put", "-", "notes", input="x")
        assert put.exit_code == 1 and f"not listed: this key is {code}; 1 proposal" in put.stderr
        assert asl("put", "-", "notes", "--no-wait", input="y").exit_code == 1
        assert json.loads(asl("put", "-", "notes", "--json", input="z").stdout)["hopeless"]
        (tmp_path / "dir").mkdir()
        (tmp_path / "dir" / "file").write_text("x")
        sync = asl("sync", str(tmp_path / "dir"), "elsewhere")
        assert sync.exit_code == 1 and f"not listed: this key is {code}; what was put" in sync.stderr


def test_a_proposal_can_be_withdrawn_while_it_is_pending(alone: tuple[Client, Asl]) -> None:
    client, asl = alone
    proposal = json.loads(asl("put", "-", "notes", "--json", input="x").stdout)["pending"][0]["proposal"]
    assert client.call("withdraw", id=proposal) == {"withdrawn": True}
    assert client.call("settled", ids=[proposal])["settled"][0]["state"] == "unknown"
    assert "State:     not in the history" in asl("show", proposal).stdout


def test_events_before_their_ids_and_events_that_are_lost(alone: tuple[Client, Asl]) -> None:
    from aslp2p.cli.source import DaemonSource

    client, _ = alone
    with Waiter(DaemonSource(client, "")) as waiter:
        waiter._hear({"topic": "proposal", "id": "aa", "state": "witnessed", "height": 4})
        waiter.add("aa", "early")
        assert waiter.witnessed == [("aa", "early", 4)] and not waiter.pending
        listed = client.call("show", at=1)["proposals"][0]["id"]
        waiter.add(listed, "listed long ago")
        waiter._hear({"topic": "overflow", "lost": 3})
        assert waiter.witnessed[1] == (listed, "listed long ago", 1)
        waiter.pending["bb"] = "refused"
        waiter._hear({"topic": "proposal", "id": "bb", "state": "rejected", "code": "c", "text": "t"})
        assert waiter.refused == [("bb", "refused", "c", "t")]
