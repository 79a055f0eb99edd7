"""Another version's home: a newer one is refused and stays as it is, to the byte; an older one opens."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from aslp2p.limits import HOME_VERSION
from aslp2p.store.opening import migrations
from tests.authorities import found_together, on_loopback, one_head, put
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until

ROOT = Path(__file__).parents[2]
OLDER = ROOT / "tests" / "store" / "older"
BESIDE = "5e778b4"
"""The version that runs beside this one: the first whose messages are those of protocol 1 as it stands."""

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


def older(folder: Path, commit: str) -> Path:
    """A home that the code of `commit` made: @1 and @3 `readme`, @2 `photos/large`, 150,000 bytes."""
    with tarfile.open(OLDER / f"{commit}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    (folder / commit).chmod(0o700)
    return folder / commit


def test_a_store_of_the_first_schema_opens_and_its_state_is_derived_again(tmp_path: Path) -> None:
    """Its large contents go into files, and its facts are made anew: versions since derive more of them."""
    home = older(tmp_path, "36f931e")
    assert "start it once with `asl up`" in run_asl(home, "ls").stderr
    with running(home):
        assert run_asl(home, "put", "-", "new", input="x").exit_code == 0
    assert run_asl(home, "status").stdout.startswith("Common: home@4 (witness: mia)\n")
    assert run_asl(home, "ls").stdout.splitlines() == ["new", "photos/large", "readme"]
    large = run_asl(home, "get", "photos/large").stdout_bytes
    assert large == b"x" * 150_000 and (store_of(home).parent / "store.contents").is_dir()
    assert run_asl(home, "fsck").stdout == "1 Common: everything is as it was written.\n"
    verified = run_asl(home, "verify")
    assert verified.exit_code == 0, verified.stdout


@pytest.mark.parametrize("commit", ["5fba24e", "253cfe5"])
def test_a_store_whose_history_nobody_can_read_any_more_is_refused_untouched(
    tmp_path: Path, commit: str
) -> None:
    """Of before the bytes of artifacts were settled, with the first schema's first and its last form."""
    home = older(tmp_path, commit)
    before = bytes_of(home)
    for command in (["up"], ["fsck", "--repair"]):
        done = run_asl(home, *command)
        assert done.exit_code == 1, (command, done.output)
        assert "was written before the first release, in a form that is read no more" in done.output
    assert bytes_of(home) == before


@pytest.mark.long
def test_two_versions_side_by_side(tmp_path: Path) -> None:
    """The code of `BESIDE` and this version in one Common: each reads what the other puts."""
    packed = subprocess.run(["git", "-C", ROOT, "archive", BESIDE, "aslp2p"], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path / "older", filter="data")
    before = f"import sys; sys.path.insert(0, {str(tmp_path / 'older')!r}); "
    (tmp_path / "homes").mkdir()
    with on_loopback(tmp_path / "homes", "mia", "alice") as (mia, alice):
        mia.program = (sys.executable, "-c", f"{before}from aslp2p.cli import main; main()")
        found_together([mia, alice], authorities=2)
        put(mia, "of the older", "a")
        put(alice, "of the newer", "b")
        one_head([mia, alice], lambda head: head["height"] >= 2 and head["final"] == head["height"])
        assert alice.asl("get", "of the older") == "a" and mia.asl("get", "of the newer") == "b"
        id_ = json.loads(mia.asl("rotate", "alice", "--json"))["proposal"]
        wait_until(lambda: id_[:8] in alice.asl("proposals"), PATIENCE_S, "alice has heard of it")
        alice.asl("endorse", id_[:8])
        one_head([mia, alice], lambda head: head["witness"]["name"] == "alice")
        put(mia, "after", "c")
        assert alice.asl("verify").startswith("home@0 to home@")


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
