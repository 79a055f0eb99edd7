"""Open files that a client hands over with its lines (SCM_RIGHTS), until the method that is to read one takes
it.

A client numbers what it hands over on a connection from 0, and names the number in a parameter. So a line
and its file find each other, however the calls of a connection run side by side. What nobody takes is closed
with the connection; more than `DESCRIPTORS_MAX` that wait are closed at once.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from contextvars import ContextVar

from aslp2p.errors import UsageError
from aslp2p.limits import DESCRIPTORS_MAX

ANCILLARY_BYTES = socket.CMSG_SPACE(4 * DESCRIPTORS_MAX)
_INT_BYTES = 4

Ancillary = Iterable[tuple[int, int, bytes]]


class Descriptors:
    """What came over one connection and waits. Whoever takes one closes it."""

    def __init__(self) -> None:
        self._here: dict[int, int] = {}
        self._came = 0

    def came(self, ancillary: Ancillary) -> None:
        """These came with what was just read."""
        for level, kind, data in ancillary:
            if (level, kind) != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                continue
            for at in range(0, len(data) - len(data) % _INT_BYTES, _INT_BYTES):
                descriptor = int.from_bytes(data[at : at + _INT_BYTES], sys.byteorder, signed=True)
                if len(self._here) < DESCRIPTORS_MAX:
                    self._here[self._came] = descriptor
                else:
                    os.close(descriptor)
                self._came += 1

    def take(self, number: int) -> int:
        """The descriptor `number`. Raises `UsageError` when it did not come, or was taken."""
        if number not in self._here:
            raise UsageError(
                f"no open file {number} came over this connection", remedy="hand it over with the line"
            )
        return self._here.pop(number)

    def close(self) -> None:
        """Nobody takes any more."""
        while self._here:
            os.close(self._here.popitem()[1])


RECEIVED: ContextVar[Descriptors] = ContextVar("RECEIVED")
"""Those of the connection that is being served in this task."""
