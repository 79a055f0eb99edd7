"""An established link: a socket and its session, from the proof to the end (G2, G5).

Three tasks. One reads: bytes, messages, and into the node's queue, where it waits for room, so a peer that
sends faster than the node works is slowed by TCP. One writes what the kernel would not take at once. One
watches the clock. Most of what is sent never sees the second: `flush` is called once at the end of a batch,
seals all that was queued for this peer into as few frames as hold it, and gives them to the kernel there and
then. Contents have a lane of their own (`frames.BULK`): all else goes before the next piece of them.

What ends a link: the peer or the cable; a frame that is none (blamed); more than `BACKLOG_BYTES_MAX` waiting
for a peer that does not read, or none of it taken for `STALL_S`; no whole message within `MESSAGE_S` (every
node says something each ten minutes); and whoever calls `close`, after what is queued has left, for which it
gets `GRACE_S`. A machine that is gone is noticed by TCP.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from aslp2p.daemon.room import Room
from aslp2p.errors import LinkError
from aslp2p.limits import KIB, MIB
from aslp2p.link.frames import BULK
from aslp2p.link.session import Event, MessageReceived, Session

READ_BYTES = 64 * KIB
READ_BYTES_MAX = MIB
"""At once, where more and more comes: each read costs as much as a hundred KiB in it."""
SEAL_BYTES = 256 * KIB
"""What is sealed at a time: what waits longer stays plain, and can share frames with what comes later."""
BACKLOG_BYTES_MAX = 8 * MIB
UNHANDLED_MESSAGES_MAX = 128
UNHANDLED_BYTES_MAX = 2 * MIB
"""Of one link in the node's queue."""
MESSAGE_S = 1_500.0
STALL_S = 45.0
WATCH_S = 5.0
GRACE_S = 1.0

Handle = Callable[[Sequence[bytes]], Awaitable[None]]
"""Takes messages; returns when there is room for more."""


class Link:
    """One link, numbered `number`, to the holder of `key`; `address` is where it is, for people.

    `reason` says why it ended, and `blame` that the peer is at fault.
    """

    def __init__(  # noqa: PLR0913 - what a handshake found out
        self,
        number: int,
        connection: socket.socket,
        session: Session,
        *,
        key: bytes,
        name: str,
        token: bytes,
        address: str,
        initiator: bool,
    ) -> None:
        self.number = number
        self.key = key
        self.name = name
        self.token = token
        self.address = address
        self.initiator = initiator
        self.process = session.peer_process
        self.account = key
        """On whose account its messages are taken; and whether they come first (`core/accounts`)."""
        self.office = False
        self.reason = ""
        self.blame = False
        self.unhandled = Room(UNHANDLED_MESSAGES_MAX, UNHANDLED_BYTES_MAX)
        self.established_at = self._message_at = self._sent_at = trio.current_time()
        self.connection = connection
        self._session = session
        self._queue: deque[bytes] = deque()
        self._bulk: deque[bytes | bytearray] = deque()
        self._bulk_bytes = 0
        """Given to `send_bulk`, and not sealed yet or of the message that is being sealed."""
        self._bulk_room = trio.Event()
        self._unsent = memoryview(b"")
        self._backlog = 0
        self._stuck = trio.Event()
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._closing = False

    @property
    def backlog(self) -> int:
        """Bytes that wait for the peer to read, above what the kernel holds for it, without bulk that has not
        begun to leave."""
        return self._backlog + len(self._unsent)

    @property
    def open(self) -> bool:
        return not self._closing

    @property
    def message_at(self) -> float:
        """When a whole message last came."""
        return self._message_at

    # --- sending, from the trio thread, never waiting -------------------------------------------------

    def send(self, message: bytes) -> None:
        """Queue one message for the next `flush`. A peer with too much waiting is closed instead."""
        if self._closing:
            return
        self._queue.append(message)
        self._backlog += len(message)
        if self.backlog > BACKLOG_BYTES_MAX:
            self.flush()  # the kernel may take it after all
            if self.backlog > BACKLOG_BYTES_MAX:
                self.abort("it does not read what it asks for")

    def send_bulk(self, message: bytes | bytearray) -> None:
        """Queue a message that lets all others go first; whoever calls waits for room before."""
        if not self._closing:
            self._bulk.append(message)
            self._bulk_bytes += len(message)

    async def has_room_for_bulk(self, bytes_max: int) -> None:
        """Returns when less than `bytes_max` of bulk waits."""
        while self._bulk_bytes >= bytes_max:
            self._bulk_room = trio.Event()
            await self._bulk_room.wait()

    def flush(self) -> None:
        """Put on the wire what the kernel takes now; the writing task does the rest."""
        while self._unsent or self._queue or self._bulk_bytes:
            if not self._unsent:
                self._unsent = memoryview(self._seal())
            try:
                sent = self.connection.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                self._stuck.set()
                return
            except OSError as error:
                self.abort(error.strerror or "the connection broke")
                return
            self._unsent = self._unsent[sent:]
            self._sent_at = trio.current_time()
        if self._closing:
            self._scope.cancel()

    def _seal(self) -> bytes:
        size = 0
        while self._queue and size < SEAL_BYTES:
            message = self._queue.popleft()
            size += len(message)
            self._session.send(message)
        self._backlog -= size
        if self._closing:
            self._bulk_bytes = 0
            return self._session.take_output(0)
        if not self._session.has_bulk and self._bulk:
            self._session.send(self._bulk[0], BULK)
        output = self._session.take_output(max(0, SEAL_BYTES - size))
        if self._bulk and not self._session.has_bulk:
            self._bulk_bytes -= len(self._bulk.popleft())
            self._bulk_room.set()
        return output

    def close(self, reason: str, *, blame: bool = False) -> None:
        """End the link when what is queued has left; nothing more is read."""
        if self._closing:
            return
        self._end(reason, blame)
        self._scope.deadline = trio.current_time() + GRACE_S
        self.flush()

    async def dismiss(self, message: bytes, reason: str) -> None:
        """In place of `run`: say this one thing, and wait until the peer has read it and hung up; it gets
        `GRACE_S`. (To close a socket with unread bytes would take back what was said.)"""
        self.send(message)
        self.flush()
        receive = trio.socket.from_stdlib_socket(self.connection).recv
        with suppress(OSError), trio.move_on_after(GRACE_S):
            self.connection.shutdown(socket.SHUT_WR)
            while await receive(READ_BYTES):
                pass
        self.abort(reason)

    def abort(self, reason: str, *, blame: bool = False) -> None:
        """End the link at once."""
        self._queue.clear()
        self._bulk.clear()
        self._bulk_bytes = 0
        self._unsent = memoryview(b"")
        self._backlog = 0
        if not self._closing:
            self._end(reason, blame)
        self._scope.cancel()

    def _end(self, reason: str, blame: bool) -> None:
        self._closing = True
        self.reason = reason
        self.blame = blame
        self._reading.cancel()

    # --- the tasks ------------------------------------------------------------------------------------

    async def run(self, first: Sequence[Event], handle: Handle) -> None:
        """Until the link ends; `first` came with the proof. The socket is the caller's to close."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._watch)
                with self._reading:
                    await self._read(first, handle)
                await trio.sleep_forever()  # what is queued still leaves

    async def _read(self, events: Sequence[Event], handle: Handle) -> None:
        receive = trio.socket.from_stdlib_socket(self.connection).recv
        size = READ_BYTES
        try:
            while True:
                messages = [event.data for event in events if type(event) is MessageReceived]
                if messages:
                    self._message_at = trio.current_time()
                    await self._hand_over(messages, handle)
                data = await receive(size)
                size = min(2 * size, READ_BYTES_MAX) if len(data) == size else READ_BYTES
                if not data:
                    return self.abort("it closed the link")
                events = self._session.receive(data)
        except LinkError as error:
            self.abort(error.message, blame=True)
        except OSError as error:
            self.abort(error.strerror or "the connection broke")

    async def _hand_over(self, messages: Sequence[bytes], handle: Handle) -> None:
        for first in range(0, len(messages), UNHANDLED_MESSAGES_MAX // 2):
            part = messages[first : first + UNHANDLED_MESSAGES_MAX // 2]
            await self.unhandled.take(len(part), sum(map(len, part)))
            await handle(part)
        # Waiting for the node is not the peer's silence.
        self._message_at = trio.current_time()

    async def _write(self) -> None:
        while True:
            await self._stuck.wait()
            self._stuck = trio.Event()
            await trio.lowlevel.wait_writable(self.connection.fileno())
            self.flush()

    async def _watch(self) -> None:
        while True:
            await trio.sleep(WATCH_S)
            now = trio.current_time()
            if (self.backlog or self._bulk_bytes) and now - self._sent_at > STALL_S:
                self.abort("it stopped reading")
            elif not self.unhandled.items and now - self._message_at > MESSAGE_S:
                self.abort("it fell silent")
