"""Large files out of a Common, by a running daemon and from a stopped home: whole, with their holes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from aslp2p.control.client import Client, File
from aslp2p.control.protocol import RemoteError
from aslp2p.limits import KIB, MIB
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running

FILM = os.urandom(2 * MIB) + bytes(6 * MIB) + os.urandom(MIB + 99)
MODIFIED_NS = 1_600_000_000 * 10**9


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a large file that has a hole, and one that is neither small nor in chunks."""
    folder = tmp_path_factory.mktemp("films")
    home = folder / "home"
    assert run_asl(home, "init", "home", "--name", "ann").exit_code == 0
    (folder / "film").write_bytes(FILM)
    (folder / "film").chmod(0o755)
    os.utime(folder / "film", ns=(MODIFIED_NS, MODIFIED_NS))
    (folder / "letter").write_bytes(FILM[: 300 * KIB])
    with running(home):
        for name in ("film", "letter"):
            assert run_asl(home, "put", str(folder / name), f"big/{name}").exit_code == 0
    return home


@contextmanager
def maybe_running(home: Path, *, daemon: bool) -> Iterator[None]:
    with running(home) if daemon else nullcontext():
        yield


@pytest.mark.parametrize("daemon", [True, False], ids=["running", "stopped"])
def test_get_writes_a_large_file_with_its_hole_mode_and_time(
    films: Path, tmp_path: Path, daemon: bool
) -> None:
    with maybe_running(films, daemon=daemon):
        target = tmp_path / "film"
        assert run_asl(films, "get", "big/film", "-o", str(target)).exit_code == 0
        assert target.read_bytes() == FILM
        status = target.stat()
        assert status.st_mtime_ns == MODIFIED_NS and status.st_mode & 0o111
        assert status.st_blocks * 512 <= len(FILM) - 5 * MIB
        assert run_asl(films, "get", "big/letter", "-o", str(tmp_path)).exit_code == 0
        assert (tmp_path / "letter").read_bytes() == FILM[: 300 * KIB]
        assert sorted(one.name for one in tmp_path.iterdir()) == ["film", "letter"]


@pytest.mark.parametrize("daemon", [True, False], ids=["running", "stopped"])
def test_checkout_writes_large_files_so_too(films: Path, tmp_path: Path, daemon: bool) -> None:
    with maybe_running(films, daemon=daemon):
        tree = tmp_path / "tree"
        assert run_asl(films, "checkout", str(tree)).exit_code == 0
        film = tree / "big" / "film"
        assert film.read_bytes() == FILM and film.stat().st_mtime_ns == MODIFIED_NS
        assert film.stat().st_blocks * 512 <= len(FILM) - 5 * MIB
        assert (tree / "big" / "letter").read_bytes() == FILM[: 300 * KIB]
        assert "2 unchanged" in run_asl(films, "checkout", str(tree)).output


def test_what_a_killed_get_left_is_removed_by_the_next(films: Path, tmp_path: Path) -> None:
    left = tmp_path / ".asl-get-left"
    left.write_bytes(b"half of it")
    target = tmp_path / "of somebody's own"
    target.write_bytes(b"kept")
    (tmp_path / ".asl-get-link").symlink_to(target)
    assert run_asl(films, "get", "big/letter", "-o", str(tmp_path)).exit_code == 0
    assert not left.exists() and target.read_bytes() == b"kept", "and no link is followed"


def test_what_another_get_is_writing_stays(films: Path, tmp_path: Path) -> None:
    held = tmp_path / ".asl-get-held"
    script = "import fcntl, sys, time; f = open(sys.argv[1], 'wb'); fcntl.flock(f, fcntl.LOCK_EX); "
    script += "print('held', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", script, str(held)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert run_asl(films, "get", "big/letter", "-o", str(tmp_path)).exit_code == 0
        assert held.exists()
        other.send_signal(signal.SIGKILL)
    assert run_asl(films, "get", "big/letter", "-o", str(tmp_path)).exit_code == 0
    assert not held.exists()


@pytest.mark.parametrize("daemon", [True, False], ids=["running", "stopped"])
def test_a_damaged_chunk_is_said_and_nothing_is_written(
    filled_copy: Asl, tmp_path: Path, daemon: bool
) -> None:
    home = tmp_path / "films"
    (victim,) = [
        file
        for file in home.rglob("store.contents/*/*")
        if file.stat().st_size == MIB and file.read_bytes() == FILM[:MIB]
    ]
    victim.write_bytes(FILM[1 : MIB + 1])
    with maybe_running(home, daemon=daemon):
        answer = filled_copy("get", "big/film", "-o", str(tmp_path / "film"))
        assert answer.exit_code == 1 and "damaged" in answer.output
        assert not (tmp_path / "film").exists() and not list(tmp_path.glob(".asl-*"))


@pytest.fixture
def filled_copy(films: Path, tmp_path: Path) -> Asl:
    """`asl` for a copy of the home with the films."""
    import shutil

    shutil.copytree(films, tmp_path / "films", ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    return lambda *arguments, **options: run_asl(tmp_path / "films", *arguments, **options)


def test_only_an_open_file_is_written_and_its_number_counts_once(films: Path, tmp_path: Path) -> None:
    with running(films), Client.of_home(str(films)) as client:
        entry = client.call("entry", path="big/letter")
        what = {"id": entry["content"], "size": entry["size"]}
        with (tmp_path / "x").open("w+b") as file:
            assert client.call("content.write", **what, file=File(file.fileno())) == {"size": entry["size"]}
            assert file.read() == FILM[: 300 * KIB]
            with pytest.raises(RemoteError, match="no open file 0"):
                client.call("content.write", **what, file=0)
        with (tmp_path / "x").open("rb") as file, pytest.raises(RemoteError, match="not open to be written"):
            client.call("content.write", **what, file=File(file.fileno()))
        with (tmp_path / "y").open("w+b") as file:
            with pytest.raises(RemoteError, match="no content has"):
                client.call("content.write", id="00" * 32, size=2**53 - 1, file=File(file.fileno()))
            with pytest.raises(RemoteError, match="not all arrived"):
                client.call("content.write", id="00" * 32, size=5 * MIB, file=File(file.fileno()))
            with pytest.raises(RemoteError, match="not all arrived"):
                client.call("content.write", id="00" * 32, size=5, file=File(file.fileno()))
