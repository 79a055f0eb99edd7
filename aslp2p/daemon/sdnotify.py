"""Telling systemd that the daemon is ready, or stops (`sd_notify(3)`); nothing where nobody asked for it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Send `state` (`READY=1`, `STOPPING=1` …) to the socket that `NOTIFY_SOCKET` names, if it does."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + path[1:] if path[0] == "@" else path)  # @: the abstract namespace
        sender.send(state.encode())
