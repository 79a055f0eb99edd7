"""What holds a secret is never put, whatever it is called and wherever it lies."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


@pytest.fixture
def secrets(daemon: Client, tmp_path: Path) -> Path:
    """A folder with every kind of them, under names that say nothing, and one innocent file."""
    folder, home = tmp_path / "folder", tmp_path / "home"
    (folder / "old" / "pc").mkdir(parents=True)
    os.link(home / "key", folder / "link.txt")
    shutil.copy(home / "key", folder / "old" / "notes")
    store = next(home.glob("commons/*/store.db"))
    os.link(store, folder / "link.jpg")
    shutil.copy(store, folder / "old" / "a.jpg")  # nothing of it has left the write-ahead log yet
    shutil.copy(f"{store}-wal", folder / "old" / "a.jpg-wal")
    shutil.copytree(
        home, folder / "old" / "pc" / "home", ignore=shutil.ignore_patterns("control.sock", "lock", ".tmp-*")
    )
    other = tmp_path / "other"
    assert run_asl(other, "init", "other", "--name", "bob").exit_code == 0
    assert run_asl(other, "backup", str(folder / "old" / "c.jpg")).exit_code == 0
    assert run_asl(other, "move", "out", str(folder / "old" / "d.jpg")).exit_code == 0
    (folder / "file").write_text("x")
    return folder


WORDS = {
    "link.txt": "holds a domain key",
    "old/notes": "holds a domain key",
    "link.jpg": "is a store of aslp2p",
    "old/a.jpg": "is a store of aslp2p",
    "old/a.jpg-wal": "is a store of aslp2p",
    "old/c.jpg": "is a backup or a moved home",
    "old/d.jpg": "is a backup or a moved home",
    "old/pc/home": "is a home of aslp2p, or a copy of one",
}


def test_put_refuses_each_by_what_is_in_it(secrets: Path, asl: Asl) -> None:
    for name, words in WORDS.items():
        put = asl("put", "-r", str(secrets / name), "innocent/")
        assert put.exit_code == 1 and words in put.stderr, name
        if (secrets / name).is_file() and not name.endswith("-wal"):
            piped = asl("put", "-", "innocent", input=(secrets / name).read_bytes())
            assert piped.exit_code == 1 and words in piped.stderr, name
    assert asl("ls").stdout == ""


@pytest.mark.parametrize("command", [("put", "-r"), ("sync",)])
def test_the_rest_of_a_folder_goes_on_and_nothing_of_them_is_stored(
    secrets: Path, asl: Asl, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = asl(*command, str(secrets), "all")
    assert done.exit_code == 1
    for name, words in WORDS.items():
        assert any(name in line and words in line for line in done.stderr.splitlines()), name
    assert asl("ls").stdout == "all/file\n"
    assert asl(*command, str(secrets), "all").exit_code == 1  # and not by the record of the last time
    assert asl("ls").stdout == "all/file\n"
    seed = (tmp_path / "home" / "key").read_bytes().splitlines()[2]
    for path in (tmp_path / "home" / "commons").rglob("*"):
        assert not path.is_file() or seed not in path.read_bytes(), path


def test_a_copied_home_is_no_folder_to_follow(secrets: Path, asl: Asl) -> None:
    for command in (("sync",), ("put", "-r")):
        refused = asl(*command, str(secrets / "old" / "pc" / "home"), "papers")
        assert refused.exit_code == 1 and WORDS["old/pc/home"] in refused.stderr
    assert asl("ls").stdout == ""


def test_a_key_of_a_later_version_is_one(daemon: Client, asl: Asl) -> None:
    put = asl("put", "-", "x", input="aslp2p domain key 2\n")
    assert put.exit_code == 1 and "holds a domain key" in put.stderr


def test_the_control_socket_takes_none_either(daemon: Client, tmp_path: Path) -> None:
    data = base64.b64encode((tmp_path / "home" / "key").read_bytes()).decode()
    with pytest.raises(RemoteError, match="holds a domain key"):
        daemon.call("put", path="x", data=data)
    upload = daemon.call("upload.begin")["upload"]
    with pytest.raises(RemoteError, match="holds a domain key"):
        daemon.call("upload.chunk", upload=upload, offset=0, data=data)


def test_what_only_looks_like_one_is_put(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """Another program's database is nobody's secret of ours."""
    other = b"SQLite format 3\x00" + bytes(84)
    for name, data in (("db", other), ("log", bytes.fromhex("377f0682") + bytes(28) + other), ("key", b"")):
        (tmp_path / name).write_bytes(data)
        assert asl("put", str(tmp_path / name), f"kept/{name}").exit_code == 0
    assert asl("ls").stdout == "kept/db\nkept/key\nkept/log\n"
