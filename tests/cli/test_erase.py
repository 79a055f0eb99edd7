"""`asl erase`: afterwards the bytes are in no file of the Common's folder, and everybody is told why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.limits import MIB
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until

FRAGMENT = 64


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


def put(asl: Asl, folder: Path, path: str, data: bytes) -> None:
    (folder / "file").write_bytes(data)
    assert asl("put", str(folder / "file"), path).exit_code == 0


def erase(asl: Asl, what: str, reason: str = "x") -> None:
    """Until it is final, and carried out here."""
    erased = asl("erase", what, "--reason", reason, "--yes")
    assert erased.exit_code == 0 and f"{what} erased, at @" in erased.stdout
    wait_until(lambda: "gone from here" in asl("erase", what, "--status").stdout, PATIENCE_S, "it is gone")


def held(folder: Path, data: bytes) -> set[str]:
    """The files of the Commons, read raw, that hold any of some fragments of `data`."""
    fragments = [
        data[at : at + FRAGMENT] for at in range(0, len(data) - FRAGMENT, max(FRAGMENT, len(data) // 50))
    ]
    found = set()
    for path in (folder / "home" / "commons").rglob("*"):
        if path.is_file() and any(fragment in path.read_bytes() for fragment in fragments):
            found.add(path.name)
    return found


@pytest.mark.parametrize("size", [200, 20_000, 65_536, 100_000, 3 * MIB + 70_000])
def test_what_is_erased_is_in_no_file_and_said(daemon: Client, asl: Asl, tmp_path: Path, size: int) -> None:
    secret, other = os.urandom(size), os.urandom(size)
    put(asl, tmp_path, "secret", secret)
    put(asl, tmp_path, "other", other)
    assert held(tmp_path, secret)
    asl("rm", "secret")
    assert asl("get", "secret@1").stdout_bytes == secret
    erase(asl, "secret@1", "a mistake")
    assert not held(tmp_path, secret) and held(tmp_path, other)
    got = asl("get", "secret@1")
    assert got.exit_code == 1 and "it was erased at @4 by ann" in got.stderr and "a mistake" in got.stderr
    answer = json.loads(asl("erase", "secret@1", "--status", "--json").stdout)
    assert answer["erased"]["reason"] == "a mistake" and not answer["here"]
    assert asl("get", "other").stdout_bytes == other
    assert asl("verify").exit_code == 0


def test_chunks_that_another_file_needs_stay(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """Which chunks another content needs each node decides for itself."""
    shared, own, tail = os.urandom(2 * MIB), os.urandom(MIB), os.urandom(MIB)
    put(asl, tmp_path, "kept", shared + tail)
    put(asl, tmp_path, "alone", shared[:MIB])
    put(asl, tmp_path, "secret", shared + own)
    asl("rm", "secret")
    erase(asl, "secret@3")
    assert not held(tmp_path, own)
    assert (
        asl("get", "kept").stdout_bytes == shared + tail and asl("get", "alone").stdout_bytes == shared[:MIB]
    )


def test_it_is_carried_out_after_a_restart_too(asl: Asl, tmp_path: Path) -> None:
    secret = os.urandom(MIB + 100_000)
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        put(asl, tmp_path, "secret", secret)
        asl("rm", "secret")
        asl("erase", "secret@1", "--reason", "x", "--yes")  # and the daemon stops, whatever it has done
    with running(tmp_path / "home"):
        wait_until(lambda: not held(tmp_path, secret), PATIENCE_S, "it is gone")
    assert "it was erased at @3" in asl("get", "secret@1").stderr
    with running(tmp_path / "home"):
        assert "it was erased at @3" in asl("get", "secret@1").stderr


def test_who_puts_it_again_revives_it_and_the_log_says_so(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    data = os.urandom(MIB + 100_000)
    put(asl, tmp_path, "x", data)
    asl("rm", "x")
    erase(asl, "x@1")
    put(asl, tmp_path, "y", data)
    assert asl("get", "y").stdout_bytes == data == asl("get", "x@1").stdout_bytes
    assert "not erased" in asl("erase", "y@4", "--status").stdout


def test_no_bundle_from_before_brings_it_back(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    for size in (1000, MIB + 100_000):
        secret = os.urandom(size)
        put(asl, tmp_path, "secret", secret)
        height = daemon.call("summary")["height"]
        bundle = tmp_path / f"bundle {size}"
        assert asl("bundle", "create", "-o", str(bundle)).exit_code == 0
        asl("rm", "secret")
        erase(asl, f"secret@{height}")
        assert not held(tmp_path, secret)
        brought = asl("bundle", "import", str(bundle))
        assert brought.exit_code == 0, brought.stderr
        assert not held(tmp_path, secret)


def test_what_cannot_be_erased_says_what_to_do(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    put(asl, tmp_path, "x", bytes(1000))
    refused = asl("erase", "x@1", "--reason", "x", "--yes")
    assert refused.exit_code == 1 and "remove it there first" in refused.stdout + refused.stderr
    assert asl("erase", "x", "--reason", "x").exit_code == 2
    assert "--reason" in asl("erase", "x@1").stderr
    unmeant = asl("erase", "x@1", "--reason", "x")
    assert unmeant.exit_code == 2 and "say --yes if you mean it" in unmeant.stderr


def test_it_is_said_wherever_the_file_is_met(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """In `ls`, `diff`, `verify`, proofs and bundles, also while reading is pinned."""
    put(asl, tmp_path, "secret", os.urandom(1000))
    asl("rm", "secret")
    erase(asl, "secret@1", "a mistake")
    said = "erased at @3 by ann: a mistake"
    assert asl("ls", "@1").stdout == f"secret  ({said})\n"
    assert said in asl("ls", "-l", "@1").stdout
    assert asl("diff", "@0", "@1").stdout.rstrip().endswith(f"secret  ({said})")
    assert f"secret: {said}" in asl("verify").stdout
    (one,) = json.loads(asl("verify", "--json").stdout)["erased"]
    assert (one["path"], one["reason"], one["height"]) == ("secret", "a mistake", 3)
    proof = tmp_path / "proof"
    assert said in asl("prove", "secret@1", "-o", str(proof)).stderr
    made = asl("bundle", "create", "-o", str(tmp_path / "bundle"))
    assert "1 content to go with it are erased" in made.stderr and "not on this machine" not in made.stderr
    asl("pin", "@1")
    assert said in asl("get", "secret").stderr and said in asl("ls").stdout


def test_who_has_confirmed_it_is_named(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    put(asl, tmp_path, "secret", os.urandom(1000))
    asl("rm", "secret")
    erase(asl, "secret@1")
    assert "Gone from: ann\n" in asl("erase", "secret@1", "--status").stdout
    (machine,) = json.loads(asl("erase", "secret@1", "--status", "--json").stdout)["machines"]
    assert (machine["name"], machine["gone"], machine["self"]) == ("ann", True, True)
