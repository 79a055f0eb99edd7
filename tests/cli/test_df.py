"""`asl df`: what uses the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.limits import MIB, VIEW_PAGE_MAX
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


def test_a_stopped_home_is_counted(kept: Asl) -> None:
    """`filled`: cat.jpg twice, the second of 2,200,000 bytes; run.sh; a readme that was removed."""
    answer = json.loads(kept("df", "--json").stdout)
    assert answer["current"] == {"contents": 2, "bytes": 2_200_010}
    assert answer["older"] == {"contents": 2, "bytes": 3 + 8}
    assert answer["folders"] == {"(top)": 10, "photos/": 2_200_000}
    assert answer["pending"] == answer["erased"] == answer["elsewhere"] == {"contents": 0, "bytes": 0}
    assert kept("df").stdout == (
        "2.1 MiB  2 contents  of this version\n"
        "11 B     2 contents  of older versions only\n"
        "2.1 MiB              photos/\n"
        "10 B                 (top)\n"
    )


def test_what_several_files_hold_is_counted_once_and_what_is_erased_not(
    daemon: Client, asl: Asl, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(bytes(2 * MIB))
    for path in ("a/x", "a/y", "b/x"):
        asl("put", str(tmp_path / "x"), path)
    (tmp_path / "secret").write_bytes(b"secret" * 100)
    asl("put", str(tmp_path / "secret"), "secret")
    asl("rm", "secret")
    assert asl("erase", "secret@4", "--reason", "x", "--yes").exit_code == 0
    wait_until(lambda: "gone from here" in asl("erase", "secret@4", "--status").stdout, PATIENCE_S, "gone")
    answer = json.loads(asl("df", "--json").stdout)
    assert answer["current"] == {"contents": 1, "bytes": 2 * MIB}
    assert answer["folders"] == {"a/": 2 * MIB, "b/": 2 * MIB}
    assert answer["erased"] == {"contents": 1, "bytes": 0} and answer["older"]["contents"] == 0


def test_contents_come_in_pages(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(VIEW_PAGE_MAX + 5):
        (tmp_path / "many" / str(number)).write_text(str(number))
    assert asl("put", "-r", str(tmp_path / "many"), "many").exit_code == 0
    first = daemon.call("content.held")
    assert len(first["contents"]) == VIEW_PAGE_MAX and first["next"] == first["contents"][-1]["content"]
    second = daemon.call("content.held", after=first["next"])
    assert len(second["contents"]) == 5 and second["next"] is None
    assert json.loads(asl("df", "--json").stdout)["current"]["contents"] == VIEW_PAGE_MAX + 5


def test_an_empty_common_uses_nothing(daemon: Client, asl: Asl) -> None:
    assert asl("df").stdout == "0 B  0 contents  of this version\n"
