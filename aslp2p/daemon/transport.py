"""TCP connections to peers, accepted and dialled, from the first byte to the link that a node takes (G2).

An accepted connection is half open until the peer has proved its key; `halfopen` bounds those. Which Common
it is about comes out of the handshake. Whoever knows no secret is answered nothing and hears nothing.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Protocol

import trio

from aslp2p.artifacts.envelope import Signer
from aslp2p.daemon.halfopen import HalfOpen, HalfOpens
from aslp2p.daemon.handshake import HANDSHAKE_S, shake_hands
from aslp2p.daemon.link import Link
from aslp2p.daemon.listening import tune
from aslp2p.daemon.log_limiter import LogLimiter
from aslp2p.daemon.pairing import FIRST, Pairings
from aslp2p.errors import LinkError, SelfLink
from aslp2p.limits import KEY_BYTES
from aslp2p.link.session import Established, Event, Network, Session

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
RESOLVE_S = 5.0
ACCEPT_PAUSE_S = 0.1
"""When the system has no descriptor left."""
_GONE = {errno.ECONNABORTED, errno.EINTR}


class Host(Protocol):
    """The node of one Common, as far as connections need it."""

    @property
    def network(self) -> Network: ...

    @property
    def answers_links(self) -> bool: ...

    async def serve_link(self, link: Link, first: Sequence[Event], /) -> None:
        """Run an established link to its end."""


class Transport:
    """Makes links for `hosts`. All links of a process share its X25519 static key."""

    def __init__(self, identity: Signer, hosts: Callable[[], Iterable[Host]]) -> None:
        self._identity = identity
        self._hosts = hosts
        self._static = os.urandom(KEY_BYTES)
        self._numbers = count(1)
        self._log = LogLimiter(logger)
        self.half_open = HalfOpens()
        self.pairings: Pairings | None = None
        """Who takes connections that are no links (`pairing`)."""
        self.twin_at: str | None = None
        """Where another process was heard that holds a copy of our key (S11)."""
        self.on_duplicate_key: Callable[[], None] = lambda: None
        """Called when such a one is heard."""

    # --- accepting ------------------------------------------------------------------------------------

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Accept on `listeners`, which this owns from here on, until cancelled; links end with it."""
        try:
            async with trio.open_nursery() as nursery:
                for listener in listeners:
                    nursery.start_soon(self._accept_all, listener, nursery)
        finally:
            for listener in listeners:
                listener.close()

    async def _accept_all(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        accepting = trio.socket.from_stdlib_socket(listener)
        while True:
            try:
                accepted, address = await accepting.accept()
            except OSError as error:
                if error.errno not in _GONE:
                    self._log.warning("cannot take a connection: %s", error.strerror)
                    await trio.sleep(ACCEPT_PAUSE_S)
                continue
            nursery.start_soon(self._answer, socket.socket(fileno=accepted.detach()), address)

    async def _answer(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with connection:
            scope = trio.CancelScope()
            half = HalfOpen(address[0], scope.cancel)
            self.half_open.add(half)

            def answered() -> None:
                half.knows = True

            def identified() -> None:
                self.half_open.remove(half)

            made: tuple[Host, Link, Sequence[Event]] | None = None
            try:
                with scope:
                    tune(connection)
                    if not await self._pair(connection, identified):
                        made = await self._respond(connection, address, answered)
            except SelfLink as error:
                self._heard_ourselves(error, address)
            except (LinkError, OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
                self._log.info("no link from %s: %s", address[0], _why(error), about=address[0])
            finally:
                self.half_open.remove(half)
            if made is not None:
                host, link, events = made
                try:
                    await host.serve_link(link, events)
                except Exception as error:
                    logger.critical("a link ended by a bug: %s", error, exc_info=error)

    async def _pair(self, connection: socket.socket, identified: Callable[[], None]) -> bool:
        """Whether it is a pairing and no link; then it is served to its end. Raises what `_respond` does."""
        if self.pairings is None or not self.pairings.is_open:
            return False
        with trio.fail_after(HANDSHAKE_S):
            first = await trio.socket.from_stdlib_socket(connection).recv(1, socket.MSG_PEEK)
        if first[:1] != FIRST:
            return False
        await self.pairings.answer(connection, identified)
        return True

    async def _respond(
        self, connection: socket.socket, address: tuple[str, int], answered: Callable[[], None]
    ) -> tuple[Host, Link, Sequence[Event]]:
        hosts = {host.network.id: host for host in self._hosts() if host.answers_links}
        if not hosts:
            raise LinkError("no Common here takes links now")
        session = self._session([host.network for host in hosts.values()], initiator=False)
        established, events = await shake_hands(connection, session, answered=answered)
        link = self._link(connection, session, established, address, initiator=False)
        return hosts[established.network.id], link, events

    # --- dialling -------------------------------------------------------------------------------------

    async def dial(self, host: Host, name: str, port: int) -> tuple[Link, Sequence[Event]]:
        """A link for `host` to whoever listens at `name` (an address or a host's name), and what came first.

        The caller runs it (`Host.serve_link`) and closes its socket. Raises `LinkError` (also `SelfLink`),
        `OSError` and `trio.TooSlowError`.
        """
        connection, address = await connect(name, port)
        try:
            session = self._session([host.network], initiator=True)
            try:
                established, events = await shake_hands(connection, session)
            except SelfLink as error:
                self._heard_ourselves(error, address)
                raise
            return self._link(connection, session, established, address, initiator=True), events
        except BaseException:
            connection.close()
            raise

    # --- both -----------------------------------------------------------------------------------------

    def _session(self, networks: Sequence[Network], *, initiator: bool) -> Session:
        return Session(
            initiator=initiator,
            networks=networks,
            identity=self._identity,
            static_private=self._static,
            ephemeral_private=os.urandom(KEY_BYTES),
        )

    def _link(
        self,
        connection: socket.socket,
        session: Session,
        peer: Established,
        address: tuple[str, int],
        *,
        initiator: bool,
    ) -> Link:
        return Link(
            next(self._numbers),
            connection,
            session,
            key=peer.peer_key,
            name=peer.peer_name,
            token=peer.peer_token,
            address=address_text(*address[:2]),
            initiator=initiator,
        )

    def _heard_ourselves(self, error: SelfLink, address: tuple[str, int]) -> None:
        if error.same_process:
            return
        self.twin_at = address_text(*address[:2])
        self._log.error(
            "another node at %s holds a copy of this machine's key: neither may sign any more (S11)",
            self.twin_at,
        )
        self.on_duplicate_key()


async def connect(name: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
    """A connected socket, to the first of the host's addresses that answers, and where that is."""
    with trio.fail_after(RESOLVE_S):
        found = await trio.socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    failure: OSError | trio.TooSlowError = OSError(f"{name} has no address")
    for family, kind, protocol, _, where in found[:4]:
        connection = socket.socket(family, kind, protocol)
        try:
            tune(connection)
            with trio.fail_after(CONNECT_S):
                await trio.socket.from_stdlib_socket(connection).connect(where)
        except (OSError, trio.TooSlowError) as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            address = connection.getpeername()
            return connection, (str(where[0]) if "%" in name else address[0], address[1])
    raise failure


def address_text(host: str, port: int) -> str:
    """`host:port` as people write it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _why(error: Exception) -> str:
    if isinstance(error, trio.TooSlowError):
        return "too slow"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
