"""Nodes on loopback with real sockets and sessions, and peers that do as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.link import Link
from aslp2p.daemon.listening import listen
from aslp2p.daemon.node import CommonNode
from aslp2p.daemon.transport import Transport
from aslp2p.ledger.joining import Belonging
from aslp2p.ledger.reader import Store
from aslp2p.link.session import Established, Event, MessageReceived, Session
from tests.daemon.small import PATIENCE_S, SmallCore, SmallStore
from tests.link.links import ALICE, HOME, Identity, secret

TOPICS = ("peers", "condition")


class Party:
    """A node with a `SmallCore` that listens on 127.0.0.1 and can dial."""

    def __init__(self, identity: Identity, make_core: Callable[[Store], SmallCore] | None = None) -> None:
        self.identity = identity
        self.store = SmallStore()
        self.cores: list[SmallCore] = []
        self.errors: list[Exception] = []
        self.events = EventSource(TOPICS)
        belonging = Belonging(HOME.id, "home", True, HOME.psk, b"token", (), "name")
        self.node = CommonNode(
            self.store,
            belonging,
            make_core or self._core,
            identity,
            self.events,
            twin_at=lambda: self.transport.twin_at,
            probe_s=0.01,
        )
        self.transport = Transport(identity, lambda: [self.node])
        self._listeners = listen(["127.0.0.1"], 0)
        self.port: int = self._listeners[0].getsockname()[1]

    def _core(self, store: Store) -> SmallCore:
        core = SmallCore(store, self.errors)
        self.cores.append(core)
        return core

    @property
    def links(self) -> tuple[Link, ...]:
        return self.node.links.open

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.node.run)
            nursery.start_soon(self.transport.serve, self._listeners)
            task_status.started()

    async def dial(self, port: int) -> Link:
        """Dial and run the link to its end; returns it then."""
        link, events = await self.transport.dial(self.node, "127.0.0.1", port)
        with link.connection:
            await self.node.serve_link(link, events)
        return link


@asynccontextmanager
async def running(*parties: Party) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        for party in parties:
            await nursery.start(party.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    """Wait until `holds()` is true; fail if it does not become so."""
    with trio.fail_after(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.005)


class RawPeer:
    """The other end of a link, by hand. `messages` are what has come."""

    def __init__(self, stream: trio.SocketStream, session: Session) -> None:
        self.stream = stream
        self.session = session
        self.messages: list[bytes] = []
        self.closed = False

    @classmethod
    async def connect(
        cls, port: int, identity: Identity = ALICE, *, process: str = "raw", number: int = 0
    ) -> RawPeer:
        """Connect and shake hands as the holder of `identity` in `process`."""
        session = Session(
            initiator=True,
            networks=[replace(HOME, name=process)],
            identity=identity,
            static_private=secret(f"static {process}"),
            ephemeral_private=secret(f"ephemeral {process} {number}"),
        )
        return await cls.over(await trio.open_tcp_stream("127.0.0.1", port), session)

    @classmethod
    async def over(cls, stream: trio.SocketStream, session: Session) -> RawPeer:
        """Shake hands on a connection."""
        one = cls(stream, session)
        with trio.fail_after(PATIENCE_S):
            while True:
                await one.flush()
                if any(isinstance(event, Established) for event in await one._receive()):
                    await one.flush()
                    return one
                if one.closed:
                    raise ConnectionError("closed during the handshake")

    async def say(self, *messages: bytes) -> None:
        for message in messages:
            self.session.send(message)
        await self.flush()

    async def flush(self) -> None:
        if output := self.session.take_output():
            await self.stream.send_all(output)

    async def hear(self, count: int) -> list[bytes]:
        """The next `count` messages, or fewer if the link ends before."""
        with trio.fail_after(PATIENCE_S):
            while len(self.messages) < count and not self.closed:
                await self._receive()
        heard, self.messages = self.messages[:count], self.messages[count:]
        return heard

    async def ended(self) -> None:
        """Wait until the other side has closed."""
        with trio.fail_after(PATIENCE_S):
            while not self.closed:
                await self._receive()

    async def _receive(self) -> list[Event]:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            self.closed = True
            return []
        events = self.session.receive(data)
        self.messages += [event.data for event in events if isinstance(event, MessageReceived)]
        return events
