"""systemd's watchdog is fed while the node makes progress, and starves when it does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aslp2p.daemon.sdnotify import feed_watchdog, watchdog_s
from aslp2p.errors import UserError


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "notify"))
    receiver.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    return receiver


def count(receiver: socket.socket) -> int:
    found = 0
    while True:
        try:
            found += receiver.recv(64) == b"WATCHDOG=1"
        except BlockingIOError:
            return found


async def test_it_is_fed_twice_in_each_interval(heard: socket.socket, autojump_clock: MockClock) -> None:
    async def fine() -> None:
        await trio.lowlevel.checkpoint()

    with trio.move_on_after(49):
        await feed_watchdog(fine)
    assert count(heard) == 10


async def test_node_that_hangs_starves_it(heard: socket.socket, autojump_clock: MockClock) -> None:
    with trio.move_on_after(60):
        await feed_watchdog(trio.sleep_forever)
    assert count(heard) == 0


async def test_closed_common_hangs_nobody(heard: socket.socket, autojump_clock: MockClock) -> None:
    async def closed() -> None:
        await trio.lowlevel.checkpoint()
        raise UserError("this Common is closed here")

    with trio.move_on_after(9):
        await feed_watchdog(closed)
    assert count(heard) == 2


@pytest.mark.parametrize(
    ("usec", "pid", "within"),
    [("", "", None), ("x", "", None), ("0", "", None), ("2000000", "1", None), ("2000000", "", 2.0)],
)
def test_only_who_is_asked_feeds_it(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, within: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert watchdog_s() == within
