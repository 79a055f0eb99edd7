"""A disk that is full, and one that flips a bit, below a daemon that goes on (docs/architecture.md)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authorities import found_together, on_loopback
from tests.daemon.test_up import Machine, ok, until

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """8 MiB that no one else writes to."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_survived(small_disk: Path, tmp_path: Path) -> None:
    machine = Machine(small_disk / "home")
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(os.urandom(MIB))
    large.write_bytes(os.urandom(6 * MIB))
    ok(machine.asl("init", "home"))
    machine.up()
    try:
        ok(machine.asl("put", str(small), "kept"))
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            # All but what the probe takes is gone: one write of content is refused again and again.
            while (free := os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize) > 0:
                file.write(bytes(min(free, MIB)))
                file.flush()
        refused = machine.asl("put", str(large), "large")
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1 and "is full; free some space" in refused.stderr
        status = machine.asl("status")
        assert status.returncode == 4
        wanting = [line for line in status.stdout.splitlines() if line.startswith("Attention: ")]
        assert len(wanting) == 1 and "read-only" in wanting[0] and "free some space" in wanting[0]
        ok(machine.asl("get", "kept", "-o", str(tmp_path / "back")))  # what is there is still read
        assert (tmp_path / "back").read_bytes() == small.read_bytes()

        filler.unlink()
        until(lambda: machine.asl("status").returncode == 0)
        ok(machine.asl("put", str(small), "after"))
    finally:
        machine.stop()
    looked = ok(machine.asl("fsck"))
    assert "everything is as it was written" in looked


@pytest.mark.parametrize("size", [2 * MIB, 20_000])
def test_content_with_a_flipped_bit_is_named_and_fetched_from_another_machine(
    tmp_path: Path, size: int
) -> None:
    """A large one in its file, a small one in the database."""
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    with on_loopback(tmp_path, "mia", "ben") as (you, ben):
        found_together([you, ben], threshold=2)
        you.asl("put", str(tmp_path / "file"), "file")
        until(lambda: ben.type("get", "file", "-o", str(tmp_path / "first")).returncode == 0)
        ben.stop()
        (held,) = [
            path
            for path in (ben.home / "commons").rglob("*")
            if path.is_file() and data[14_000:14_040] in path.read_bytes()
        ]
        assert (held.name == "store.db") == (size < MIB)
        bytes_ = bytearray(held.read_bytes())
        bytes_[bytes_.find(data[14_000:14_040])] ^= 4
        held.write_bytes(bytes_)

        ben.up()
        refused = ben.type("get", "file", "-o", str(tmp_path / "wrong"))
        assert refused.returncode == 1 and not (tmp_path / "wrong").exists()
        assert re.search(
            r"content [0-9a-f]{12} is damaged; it is asked for again from the other machines", refused.stderr
        )
        until(lambda: ben.type("get", "file", "-o", str(tmp_path / "second")).returncode == 0)
        assert (tmp_path / "second").read_bytes() == data
        ben.stop()
        assert ben.type("fsck").returncode == 0
