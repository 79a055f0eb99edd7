"""The first seconds of a connection: until the peer has proved its key, or is given up (G2, G5)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import trio

from aslp2p.errors import LinkError, SelfLink
from aslp2p.limits import KIB
from aslp2p.link.session import Established, Event, Session

HANDSHAKE_S = 5.0
"""For all of it, however slowly it comes."""
READ_BYTES = 4 * KIB


async def shake_hands(
    connection: socket.socket, session: Session, *, answered: Callable[[], None] = lambda: None
) -> tuple[Established, Sequence[Event]]:
    """What the peer proved, and the messages that came with it.

    `answered` is called whenever there is something to say to the peer: for a responder, once it has shown
    that it knows a network's secret. Raises `LinkError` (also `SelfLink`), `OSError`, and `trio.TooSlowError`
    after `HANDSHAKE_S`.
    """
    stream = trio.socket.from_stdlib_socket(connection)
    events: Sequence[Event] = ()
    with trio.fail_after(HANDSHAKE_S):
        while True:
            if output := memoryview(session.take_output()):
                answered()
            while output:
                output = output[await stream.send(output) :]
            if events:
                first = events[0]
                if not isinstance(first, Established):
                    raise LinkError("a message before its proof")
                return first, events[1:]
            data = await stream.recv(READ_BYTES)
            if not data:
                raise LinkError("it closed the connection during the handshake")
            try:
                events = session.receive(data)
            except SelfLink as error:
                if error.answer:
                    await stream.send(error.answer)
                raise
