"""Many small files in one call: each is answered by itself, and what is refused is nothing to the others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.home.marks import KEY_MARK
from aslp2p.limits import CHUNK_BYTES, PUTS_AT_ONCE_MAX
from tests.cli.conftest import run_asl
from tests.cli.running import running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Client]:
    assert run_asl(tmp_path / "home", "init", "home", "--name", "ann").exit_code == 0
    with running(tmp_path / "home") as client:
        yield client


def one(path: str, data: bytes, **about: Any) -> dict[str, Any]:
    return {"path": path, "data": base64.b64encode(data).decode(), **about}


def listed(daemon: Client) -> dict[str, bool]:
    return {entry["path"]: entry["executable"] for entry in daemon.call("ls")["entries"]}


def until_settled(daemon: Client, ids: list[str]) -> dict[str, str]:
    with_events = daemon.subscribe(["proposal"], timeout_s=30)
    while True:
        states = {one["id"]: one["state"] for one in daemon.call("settled", ids=ids)["settled"]}
        if "pending" not in states.values():
            with_events.close()
            return states
        next(with_events)


def test_each_is_answered_in_its_place(daemon: Client) -> None:
    answer = daemon.call(
        "put.many",
        puts=[
            one("a", b"1", executable=True),
            one("no//path", b"2"),
            one("key", KEY_MARK + b"rest of a secret"),
            one("large", bytes(CHUNK_BYTES + 1)),
            one("b", b"3", expects=""),
        ],
        removals=[{"path": ""}, {"path": "nothing is there", "expects": None}],
    )
    told = [*answer["puts"], *answer["removals"]]
    refused = [answer.get("error", {}).get("message", "") for answer in told]
    assert [bool(text) for text in refused] == [False, True, True, True, False, True, False]
    assert "cannot be proposed" in refused[1] and "never put" in refused[2] and "1 MiB" in refused[3]
    ids = [answer["proposal"] for answer in told if "proposal" in answer]
    assert [*until_settled(daemon, ids).values()] == ["witnessed", "witnessed", "rejected"]
    assert listed(daemon) == {"a": True, "b": False}


def test_they_are_listed_together(daemon: Client) -> None:
    puts = [one(f"many/{number}", b"%d" % number) for number in range(PUTS_AT_ONCE_MAX)]
    answer = daemon.call("put.many", puts=puts, removals=[])
    ids = [one["proposal"] for one in answer["puts"]]
    assert set(until_settled(daemon, ids).values()) == {"witnessed"}
    heights = {one["height"] for one in daemon.call("settled", ids=ids)["settled"]}
    assert len(heights) <= 4, "not a snapshot for each"
    with pytest.raises(RemoteError, match=f"more than {PUTS_AT_ONCE_MAX} at once"):
        daemon.call("put.many", puts=[*puts, one("more", b"")], removals=[])
