"""One client of the control server, from accept to close: its lines, its answers, its events.

One task reads lines; each line is answered by a task of its own, so answers come in any order and a slow call
holds up no other. `CONTROL_CALLS_MAX` lines are under way at most: above that nothing more is read, and the
client's writes wait. One lock keeps answers and events whole. A client that does not read stops its own
connection; its events are dropped and counted meanwhile (`control_events`). A client that says that it sends
nothing more still gets its answers. One that is gone has its calls cancelled, after a grace for what it sent
before it left.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import trio

from aslp2p.control import protocol
from aslp2p.daemon.control_calls import Calls
from aslp2p.daemon.control_descriptors import ANCILLARY_BYTES, RECEIVED, Descriptors
from aslp2p.daemon.control_events import EventSource, EventSubscription
from aslp2p.daemon.control_listener import is_gone, peer_uid
from aslp2p.daemon.control_methods import InvalidParams, Method, typed
from aslp2p.errors import UserError
from aslp2p.limits import CONTROL_CALLS_MAX, CONTROL_LINE_BYTES_MAX, CONTROL_SUBSCRIPTIONS_MAX

logger = logging.getLogger(__name__)

_READ_BYTES = 64 * 1024
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_WATCH_S = 1.0
_GRACE_S = 5.0


class Connection:
    """Serves one accepted socket, which it owns from here on."""

    def __init__(self, connection: socket.socket, methods: Mapping[str, Method], events: EventSource) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        own = {"subscribe": self._subscribe, "unsubscribe": self._unsubscribe}
        self._calls = Calls({**methods, **own})
        self._events = events
        self._writing = trio.Lock()
        self._slots = trio.Semaphore(CONTROL_CALLS_MAX)
        self._subscriptions: dict[int, EventSubscription] = {}
        self._last_subscription = 0
        self._descriptors = Descriptors()

    async def serve(self) -> None:
        """Until the client leaves or is refused. Raises only `InvariantBroken`, in a group."""
        RECEIVED.set(self._descriptors)
        try:
            if self._is_allowed():
                await self._serve_lines()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away in the middle of something
        finally:
            for subscription in self._subscriptions.values():
                subscription.close()
            self._descriptors.close()
            # Not `aclose`: cancelled meanwhile, that raises `Cancelled` in the place of what broke.
            self._stream.socket.close()

    def _is_allowed(self) -> bool:
        try:
            uid = peer_uid(self._socket)
        except OSError as error:
            logger.warning("refused a control connection: the system does not say whose it is (%s)", error)
            return False
        if uid in (os.geteuid(), 0):  # root could become us anyway
            return True
        logger.warning("refused a control connection of uid %d", uid)
        refusal = UserError("this daemon runs as another user", remedy="run this as that user")
        with suppress(trio.BrokenResourceError):  # it may not have waited to be told
            self._send_now(protocol.encode(protocol.application_failure(None, refusal)))
        return False

    async def _serve_lines(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._cancel_when_gone)
            async with trio.open_nursery() as calls:
                await self._read_lines(calls)
            self._nursery.cancel_scope.cancel()

    async def _cancel_when_gone(self) -> None:
        while not is_gone(self._socket):  # noqa: ASYNC110 - trio can wait for the end of input only
            await trio.sleep(_WATCH_S)
        await trio.sleep(_GRACE_S)
        self._nursery.cancel_scope.cancel()

    async def _read_lines(self, calls: trio.Nursery) -> None:
        buffer = bytearray()
        searched = 0
        while True:
            end = buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                searched = 0
                if line.strip():
                    await self._slots.acquire()
                    calls.start_soon(self._answer_line, line)
                continue
            searched = len(buffer)
            if searched >= CONTROL_LINE_BYTES_MAX:
                await self._refuse_line(f"a line of more than {CONTROL_LINE_BYTES_MAX} bytes")
                return
            data = await self._receive()
            if not data:
                if buffer.strip():
                    await self._refuse_line("the last line has no newline")
                return
            buffer += data

    async def _receive(self) -> bytes:
        try:
            data, ancillary, _, _ = await self._stream.socket.recvmsg(
                _READ_BYTES, ANCILLARY_BYTES, _CLOSE_ON_EXEC
            )
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from None
        self._descriptors.came(ancillary)
        return data

    async def _answer_line(self, line: bytes) -> None:
        try:
            try:
                message = protocol.decode(line)
            except protocol.ProtocolError as error:
                return await self._refuse_line(error.message)
            answer = await self._calls.answer(message)
            if answer is not None:
                await self._send(answer)
            if self._calls.broken is not None:
                raise self._calls.broken
        finally:
            self._slots.release()

    async def _refuse_line(self, message: str) -> None:
        await self._send(protocol.encode(protocol.failure(None, protocol.PARSE_ERROR, message)))

    async def _send(self, lines: bytes) -> None:
        try:
            self._writing.acquire_nowait()
        except trio.WouldBlock:
            await self._writing.acquire()
        try:
            # At once when it fits, without a checkpoint: the answer to a call that stops the daemon leaves.
            sent = self._send_now(lines)
            if sent < len(lines):
                await self._stream.send_all(memoryview(lines)[sent:])
        finally:
            self._writing.release()

    def _send_now(self, lines: bytes) -> int:
        try:
            return self._socket.send(lines)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from None

    # --- events -----------------------------------------------------------------------------------

    async def _subscribe(self, params: dict[str, Any]) -> dict[str, int]:
        topics = await _topics(params)
        if len(self._subscriptions) >= CONTROL_SUBSCRIPTIONS_MAX:
            raise UserError(f"a connection has at most {CONTROL_SUBSCRIPTIONS_MAX} subscriptions")
        try:
            subscription = self._events.subscribe(topics)
        except ValueError as error:
            raise InvalidParams(f"topics: {error}", "topics") from None
        self._last_subscription += 1
        self._subscriptions[self._last_subscription] = subscription
        # The answer takes its place at the writing lock before the pump first runs: it comes before the
        # events.
        self._nursery.start_soon(self._pump, self._last_subscription, subscription)
        return {"subscription": self._last_subscription}

    async def _unsubscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        number = await _number(params)
        if number not in self._subscriptions:
            raise InvalidParams(f"subscription: there is no {number} on this connection", "subscription")
        self._subscriptions.pop(number).close()
        return {}

    async def _pump(self, number: int, subscription: EventSubscription) -> None:
        head = b'{"jsonrpc":"2.0","method":"event","params":{"subscription":%d,' % number
        while taken := await subscription.take():
            await self._send(b"".join(head + params[1:] + b"}\n" for params in taken))


@typed
async def _topics(topics: list[str]) -> list[str]:
    return topics


@typed
async def _number(subscription: int) -> int:
    return subscription
