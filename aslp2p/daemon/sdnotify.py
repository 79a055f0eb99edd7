"""Telling systemd that the daemon is ready, stops, or still makes progress (`sd_notify(3)`).

Nothing is told where nobody asked for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from aslp2p.errors import AslError


def notify(state: str) -> None:
    """Send `state` (`READY=1`, `STOPPING=1` …) to the socket that `NOTIFY_SOCKET` names, if it does."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + path[1:] if path[0] == "@" else path)  # @: the abstract namespace
        sender.send(state.encode())


def watchdog_s() -> float | None:
    """Within how many seconds systemd wants to hear from this process each time; None: it does not ask."""
    text = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    usable = for_us and text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0
    return int(text) / 1e6 if usable else None


async def feed_watchdog(makes_progress: Callable[[], Awaitable[None]]) -> None:
    """Tell systemd twice in each of its intervals that the daemon lives, each time once `makes_progress` has
    returned: a thread that hangs starves the watchdog, and the daemon is started again. A Common that is
    closed or damaged hangs nobody."""
    within = watchdog_s()
    while within is not None:
        with suppress(AslError):
            await makes_progress()
        notify("WATCHDOG=1")
        await trio.sleep(within / 2)
