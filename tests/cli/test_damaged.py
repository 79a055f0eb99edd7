"""A home with one damaged store: that one is shown as such with what to type, the others as ever."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import found_together, on_loopback, one_head, put
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until


def store_of(home: Path, asl: Asl, name: str) -> Path:
    commons: list[dict[str, Any]] = json.loads(asl("status", "--json").stdout)["commons"]
    (id_,) = [one["id"] for one in commons if one["name"] == name]
    return Path(home, "commons", id_[:16], "store.db")


def damage(store: Path, sql: str) -> None:
    with sqlite3.connect(store) as db:
        db.execute(sql)
    db.close()


@pytest.fixture
def home(kept: Asl, tmp_path: Path) -> Path:
    """With `home`, the default, and `team`."""
    assert kept("init", "team").exit_code == 0
    return tmp_path / "kept"


def test_a_store_that_cannot_be_opened_hides_no_other(kept: Asl, home: Path) -> None:
    store = store_of(home, kept, "team")
    damage(store, "UPDATE meta SET crc = crc + 1 WHERE key = 'name' OR key = 'genesis'")
    short = store.parent.name
    says = f"Attention: {short}: cannot be read: {store}: the setting b'genesis' is damaged; run `asl fsck`"
    for answer in stopped_and_running(kept, home, "status"):
        assert answer.exit_code == 4
        lines = answer.stdout.splitlines()
        assert lines[0] == "Common: home@5 (witness: ann)"
        assert f"Also: {short} (cannot be read)" in lines and lines[-1] == says
    for answer in stopped_and_running(kept, home, "ls"):
        assert answer.stdout.startswith("photos/")
    refused = kept("ls", "--common", short)
    assert refused.exit_code == 1 and refused.stderr.endswith("run `asl fsck`\n")
    assert kept("common", "trust", short).stderr == refused.stderr
    assert kept("common", "forget", short, "--yes").exit_code == 0
    assert kept("status").exit_code == 0


def test_the_default_does_not_change_because_it_is_damaged(kept: Asl, home: Path) -> None:
    damage(store_of(home, kept, "home"), "UPDATE branch SET crc = crc + 1")
    refused = kept("ls")
    assert refused.exit_code == 1 and "the row of branch 0 is damaged; run `asl fsck`" in refused.stderr
    assert kept("status").stdout.splitlines()[1] == "Daemon: not running; start it with: asl up"


def test_a_core_that_cannot_start_leaves_its_common_read_only(kept: Asl, home: Path) -> None:
    """The store opens; the state at its head is damaged."""
    damage(store_of(home, kept, "team"), "UPDATE fact SET crc = crc + 1 WHERE key = CAST('s' AS BLOB)")
    with running(home):
        answer = kept("status")
        refused = kept("put", "-", "x", "--common", "team", input="1")
        assert kept("put", "-", "x", input="1").exit_code == 0
    assert answer.exit_code == 4
    assert answer.stdout.splitlines()[0] == "Common: home@5 (witness: ann)"
    wanting = [line for line in answer.stdout.splitlines() if line.startswith("Attention: team: ")]
    assert any("cannot be read" in line and "run `asl fsck`" in line for line in wanting)
    assert any("read-only" in line for line in wanting)
    assert refused.exit_code == 1 and refused.stderr.count("\n") == 1 and "asl fsck" in refused.stderr


def test_what_fsck_found_lost_is_fetched_from_the_others(tmp_path: Path) -> None:
    """A proposal of the history, which nobody reads any more; and the state above it then."""
    with on_loopback(tmp_path, "you", "ben") as (you, ben):
        found_together([you, ben], threshold=2)
        put(you, "letter")
        one_head([you, ben], lambda head: head["height"] >= 1 and not head["pending"])
        ben.stop()
        (store,) = (ben.home / "commons").glob("*/store.db")
        damage(store, "UPDATE artifact SET raw = x'00' WHERE type = CAST('asl.common.proposal/1' AS TEXT)")
        damage(store, "UPDATE fact SET value = x'00' WHERE substr(key, 1, 1) = x'74'")
        assert ben.type("fsck", "--repair").returncode == 1
        ben.up()
        wait_until(lambda: not lacks(ben), PATIENCE_S, "what was lost is here again")
        ben.stop()
        assert ben.type("fsck", "--repair").returncode == 0
        ben.up()
        assert "every signature" in ben.asl("verify") and ben.asl("ls") == "letter\n"


def lacks(machine: Machine) -> bool:
    """Whether its history lacks a proposal yet, as `asl verify` tells."""
    return "are not here" in machine.type("verify").stdout


def stopped_and_running(asl: Asl, home: Path, *arguments: str) -> list[Any]:
    stopped = asl(*arguments)
    with running(home):
        return [stopped, asl(*arguments)]
