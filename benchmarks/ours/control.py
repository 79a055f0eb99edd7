"""A node's control socket, for a client that must cost little: plain sockets and JSON lines."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aslp2p.control.path import socket_path

ANSWER_S_MAX = 30.0
READ_BYTES = 1 << 18


def call_line(id_: int, method: str, **params: Any) -> bytes:
    """One request, as it goes over the wire."""
    return json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}).encode() + b"\n"


def connect(home: Path) -> socket.socket:
    """A connection to the daemon of `home`. Raises OSError where none listens."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_S_MAX)
    try:
        connection.connect(socket_path(str(home)))
    except OSError:
        connection.close()
        raise
    return connection


class Lines:
    """Cuts a stream into JSON objects and hands over each."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))


class Asking:
    """Questions to the daemon of `home`, one at a time, over a connection that is kept."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._connection: socket.socket | None = None

    def __call__(self, method: str, **params: Any) -> Any:
        """The daemon's answer, or None when it does not listen or refuses."""
        try:
            self._connection = self._connection or connect(self._home)
            self._connection.sendall(call_line(1, method, **params))
            data = b""
            while not data.endswith(b"\n"):
                part = self._connection.recv(READ_BYTES)
                if not part:
                    raise ConnectionResetError
                data += part
        except OSError:
            self.close()
            return None
        return json.loads(data).get("result")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
