"""A home with one damaged store: that one is shown as such with what to type, the others as ever."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import found_together, on_loopback, one_head, put
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running


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
    says = f"Attention: {short}: cannot be read: {store}: the setting b'genesis' is damaged; "
    remedies = iter(("run `asl fsck`", "type `asl down`, then `asl fsck`"))
    for answer in stopped_and_running(kept, home, "status"):
        assert answer.exit_code == 4
        lines = answer.stdout.splitlines()
        assert lines[0] == "Common: home@5 (witness: ann)"
        assert f"Also: {short} (cannot be read)" in lines and lines[-1] == says + next(remedies)
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
    assert any("cannot be read" in line and "`asl down`, then `asl fsck`" in line for line in wanting)
    assert any("read-only" in line for line in wanting)
    assert refused.exit_code == 1 and refused.stderr.count("\n") == 1 and "asl fsck" in refused.stderr


def test_what_fsck_found_lost_is_fetched_from_the_others(tmp_path: Path) -> None:
    """A proposal of the history, which nobody reads any more; and the state above it then."""
    with on_loopback(tmp_path, "mia", "ben") as (you, ben):
        found_together([you, ben], threshold=2)
        put(you, "letter")
        one_head([you, ben], lambda head: head["height"] >= 1 and not head["pending"])
        ben.stop()
        (store,) = (ben.home / "commons").glob("*/store.db")
        damage(store, "UPDATE artifact SET raw = x'00' WHERE type = CAST('asl.common.proposal/1' AS TEXT)")
        damage(store, "UPDATE fact SET value = x'00' WHERE substr(key, 1, 1) = x'74'")
        assert "made anew up to @" in ben.asl("fsck", "--repair"), "one command"
        ben.up()
        one_head([you, ben], lambda head: head["height"] >= 1)
        assert "every signature" in ben.asl("verify") and ben.asl("ls") == "letter\n"


def test_what_a_question_finds_damaged_is_in_status(tmp_path: Path) -> None:
    """`status` knows what `verify` knows."""
    with on_loopback(tmp_path, "mia", "ben") as (you, ben):
        found_together([you, ben], threshold=2)
        put(you, "letter")
        one_head([you, ben], lambda head: head["height"] >= 1 and not head["pending"])
        ben.stop()
        (store,) = (ben.home / "commons").glob("*/store.db")
        damage(store, "UPDATE fact SET value = x'00' WHERE substr(key, 1, 1) = x'74'")
        ben.up()
        assert ben.type("status").returncode == 0, "nobody has read it yet"
        assert ben.type("verify").returncode == 1
        status = ben.type("status")
        assert status.returncode == 4
        assert "is damaged; type `asl down`, then `asl fsck --repair`" in status.stdout
        ben.stop()
        ben.asl("fsck", "--repair")
        ben.up()
        assert "every signature" in ben.asl("verify") and ben.type("status").returncode == 0


MEND = "Mend what can be mended with: asl fsck --repair"
FLIPS = 30
SEEDS = range(8)
BEGINNING = 160 * 1024
"""Where little content lies, and nearly every flip hits history, state or the file's own pages."""


def test_after_thirty_flipped_bits_one_command_ends_in_a_working_home_or_in_one_sentence(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = SEEDS if request.config.getoption("--long") else SEEDS[:1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with on_loopback(tmp_path, "mia", "ben") as (you, ben):
        found_together([you, ben], threshold=2)
        for number in range(6):
            put(you, f"letter {number}")
        one_head([you, ben], lambda head: head["height"] >= 6 and not head["pending"])
        ben.stop()
        (store,) = (ben.home / "commons").glob("*/store.db")
        shutil.copytree(ben.home, tmp_path / "sound")
        for seed in SEEDS:
            shutil.rmtree(ben.home)
            shutil.copytree(tmp_path / "sound", ben.home)
            flip(store, seed)
            found = run_asl(ben.home, "fsck")
            assert found.exit_code == 1 and found.stdout.splitlines()[-1] == MEND
            with monkeypatch.context() as there:
                there.chdir(elsewhere)
                repaired = run_asl(ben.home, "fsck", "--repair")
            assert list(elsewhere.iterdir()) == [], "nothing is left where it was typed"
            if repaired.exit_code:
                last = repaired.stdout.splitlines()[-1]
                assert "restore the home from a backup" in last or "never sign with this key again" in last
                continue
            assert run_asl(ben.home, "fsck").exit_code == 0, "it does not say the same again"
            if seed in walked:
                ben.up()
                one_head([you, ben], lambda head: not head["pending"])
                assert ben.type("status").returncode in {0, 4} and "every signature" in ben.asl("verify")
                assert ben.asl("ls") == you.asl("ls")
                ben.stop()


def test_a_home_that_was_never_linked_works_with_all_that_it_had_or_is_told_what_is_lost(
    filled: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nobody else has anything of it."""
    had = run_asl(filled, "ls").stdout
    for seed in range(40 if request.config.getoption("--long") else 12):
        home = tmp_path / str(seed)
        shutil.copytree(filled, home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
        (store,) = home.glob("commons/*/store.db")
        flip(store, seed, FLIPS if seed % 2 else 3)
        repaired = run_asl(home, "fsck", "--repair")
        if repaired.exit_code:
            last = repaired.stdout.splitlines()[-1]
            assert "restore the home from a backup" in last or "never sign with this key again" in last
            continue
        assert run_asl(home, "ls").stdout == had and "every signature" in run_asl(home, "verify").stdout
        assert run_asl(home, "fsck").exit_code == 0


def test_what_nobody_else_has_is_said_in_one_sentence(kept: Asl, tmp_path: Path) -> None:
    (store,) = (tmp_path / "kept").glob("commons/*/store.db")
    damage(store, "UPDATE snapshot SET raw = x'00' WHERE height = 3")
    damage(store, "UPDATE fact SET value = x'00' WHERE substr(key, 1, 1) = x'74'")
    refused = kept("fsck", "--repair")
    lost = "of the history what is above @2 is lost, and it was never linked with another machine"
    assert refused.exit_code == 1
    last = f"{lost}, so nobody else has it; restore the home from a backup"
    assert refused.stdout.splitlines()[-1].endswith(last)


def test_what_follows_from_the_history_needs_nobody_else(kept: Asl, tmp_path: Path) -> None:
    (store,) = (tmp_path / "kept").glob("commons/*/store.db")
    had = kept("ls").stdout
    damage(store, "UPDATE meta SET value = x'00' WHERE key = CAST('genesis' AS BLOB)")
    damage(store, "UPDATE fact SET value = x'00'")
    assert kept("fsck", "--repair").exit_code == 0
    assert kept("ls").stdout == had and kept("verify").exit_code == 0
    with running(tmp_path / "kept"):
        assert kept("put", "-", "after", input="1").exit_code == 0, "it works, and signs"


def flip(store: Path, seed: int, flips: int = FLIPS) -> None:
    chance, data = random.Random(seed), bytearray(store.read_bytes())
    for _ in range(flips):
        data[chance.randrange(min(BEGINNING, len(data)))] ^= 1 << chance.randrange(8)
    store.write_bytes(data)


def stopped_and_running(asl: Asl, home: Path, *arguments: str) -> list[Any]:
    stopped = asl(*arguments)
    with running(home):
        return [stopped, asl(*arguments)]
