"""Another version's home: a newer one is refused and stays as it is, to the byte; an older one opens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from aslp2p.limits import HOME_VERSION
from aslp2p.store.opening import migrations
from tests.cli.conftest import Asl

COMMANDS = (["status"], ["ls"], ["up"], ["fsck", "--repair"], ["backup", "FILE"], ["move", "out", "FILE"])


def bytes_of(home: Path) -> dict[str, str]:
    """Every file below the home but its lock, by a hash of its bytes."""
    return {
        str(path.relative_to(home)): sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def store_of(home: Path) -> Path:
    (store,) = home.glob("commons/*/store.db")
    return store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def typed(asl: Asl, command: list[str], file: Path) -> tuple[int, str]:
    result = asl(*(str(file) if word == "FILE" else word for word in command))
    return result.exit_code, result.stdout + result.stderr


def test_a_newer_home_is_refused_untouched(kept: Asl, tmp_path: Path, file: Path) -> None:
    home = tmp_path / "kept"
    (home / "version").write_text(f"{HOME_VERSION + 1}\n")
    before = bytes_of(home)
    for command in (*COMMANDS, ["put", "-", "x"], ["key", "words"], ["self", "--name", "other"]):
        code, said = typed(kept, command, file)
        assert code != 0 and "was written by a newer aslp2p" in said, command
    assert bytes_of(home) == before and not file.exists()


def test_a_newer_store_is_refused_untouched(kept: Asl, tmp_path: Path, file: Path) -> None:
    home = tmp_path / "kept"
    with closing(sqlite3.connect(store_of(home))) as db:
        db.execute(f"PRAGMA user_version={len(migrations()) + 1}")
        db.execute("PRAGMA journal_mode=DELETE")
    before = bytes_of(home)
    for command in COMMANDS:
        code, said = typed(kept, command, file)
        assert code != 0 and "newer aslp2p" in said, (command, said)
    assert bytes_of(home) == before and not file.exists()
