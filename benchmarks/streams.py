"""One selector over the client connections of a cluster: plain sockets, so that the client costs little.

On two cores the client shares the processor with five nodes; what it burns is missing to what it measures.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable

READ_BYTES = 1 << 18


class Streams:
    """Calls back with the bytes that arrive on registered sockets."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, connection: socket.socket, on_bytes: Callable[[bytes], None]) -> None:
        """From now on `on_bytes` gets what `connection` brings; nothing more after the other side closed."""
        self._selector.register(connection, selectors.EVENT_READ, on_bytes)

    def remove(self, connection: socket.socket) -> None:
        """Forgets and closes `connection`, whether it is known or not."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()

    def run(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` for bytes on any connection and hands over what is there."""
        for ready, _ in self._selector.select(timeout_s):
            connection = ready.fileobj
            assert isinstance(connection, socket.socket)
            try:
                data = connection.recv(READ_BYTES)
            except ConnectionResetError:
                data = b""
            if data:
                ready.data(data)
            else:
                self.remove(connection)

    def close(self) -> None:
        """Closes every connection and the selector."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            self.remove(key.fileobj)
        self._selector.close()
