"""Pairing by a code, as far as the daemon has to do with it: it announces, finds, connects, and carries.

How it works. `asl invite` has a code offered here and keeps the words for itself; the number is announced.
`asl join` has the number called: this daemon finds the one announcement that has it and connects to that
machine's usual port. Of what the two commands say to each other (`link/pairing.py`) the daemons know nothing.

On the wire, before any link: `ASLPAIR1`, the number as one byte, then frames as links have them (two bytes of
length, the message); an answer of one byte says why not: 1 no such code, 2 it was used already.

Bounds, as anybody on the LAN can call:

* **One guess a code.** The first call takes the code, whatever comes of it: it is announced no longer, and
  the next caller is refused. The command says so to its person, who makes another code by typing again.
* A code is open while its command asks for messages, `PAIRING_CODE_S` at most; a machine has at most
  `PAIRING_OPEN_MAX` codes and calls. Messages are `PAIRING_MESSAGE_BYTES_MAX` long, `PAIRING_MESSAGES_MAX`
  from each side.
* Who does not say in time which code it calls is half open like any other connection.
* Two announcements with one number: neither is called, for one may be a guesser's.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from aslp2p.daemon.handshake import HANDSHAKE_S
from aslp2p.daemon.mdns import Found
from aslp2p.errors import LinkError, UserError
from aslp2p.limits import (
    PAIRING_CODE_S,
    PAIRING_MESSAGE_BYTES_MAX,
    PAIRING_MESSAGES_MAX,
    PAIRING_NUMBER_MAX,
    PAIRING_OPEN_MAX,
)
from aslp2p.link.frames import FrameCutter, frame

logger = logging.getLogger(__name__)

MAGIC = b"ASLPAIR1"
FIRST = MAGIC[:1]
"""What the first byte of a link cannot be: its first frame has 48 bytes."""
NO_CODE, TAKEN = b"\x01", b"\x02"
_REFUSED = {
    NO_CODE: "no such code is open there: it has expired, or `asl invite` was ended",
    TAKEN: "somebody used that code already: it is good for one try",
}
GONE = "the other side ended the pairing"
POLL_S = 10.0
"""How long one question for messages waits."""
LEASE_S = 15.0
"""A pairing that no command asks about for so long is over."""
FIND_S = 20.0
"""How long an announcement is waited for."""
AGREE_S = 1.0
"""How long after the first one another with the same number is waited for."""
HEARD_MAX = 64
_READ_BYTES = 4096

Connect = Callable[[str, int], Awaitable[tuple[socket.socket, tuple[str, int]]]]


class Pairing:
    """One code that is offered here, or one call to somebody's: what came, and whether it is over."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.stream: trio.SocketStream | None = None
        self.over = ""
        self.asking = 0
        """How many questions wait for messages now."""
        self.asked_at = trio.current_time()
        self._came: deque[bytes] = deque()
        self._sent = 0
        self._changed = trio.Event()

    def end(self, why: str) -> None:
        """It is over, once; whoever waits hears why."""
        self.over = self.over or why
        self._wake()

    def begin(self, stream: trio.SocketStream) -> None:
        """Somebody is at the other end."""
        self.stream = stream
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def read(self, stream: trio.SocketStream, cutter: FrameCutter) -> None:
        """Keep what comes until the other side or a bound ends it."""
        count = 0
        while not self.over:
            while (body := cutter.next(1, PAIRING_MESSAGE_BYTES_MAX)) is not None:
                count += 1
                if count > PAIRING_MESSAGES_MAX:
                    raise LinkError("more messages than a pairing takes")
                if refused := _REFUSED.get(body):
                    return self.end(refused)
                self._came.append(body)
                self._wake()
            data = await stream.receive_some(_READ_BYTES)
            if not data:
                return self.end(GONE)
            cutter.feed(data)
        return None

    async def send(self, message: bytes) -> None:
        """Raises `UserError` once it is over, or beyond what a pairing takes."""
        if self.over or self.stream is None:
            raise UserError(self.over or "nobody is there yet")
        self._sent += 1
        if self._sent > PAIRING_MESSAGES_MAX or not 1 < len(message) <= PAIRING_MESSAGE_BYTES_MAX:
            raise UserError("that is more than a pairing takes")
        try:
            with trio.fail_after(HANDSHAKE_S):
                await self.stream.send_all(frame(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self.end(GONE)

    async def next(self) -> bytes | None:
        """The next message; None when none came for a while, or it is over."""
        self.asking += 1
        try:
            with trio.move_on_after(POLL_S):
                while not self._came and not self.over:
                    await self._changed.wait()
            return self._came.popleft() if self._came else None
        except trio.Cancelled:
            self.end("the command was ended")  # its connection is gone, so its person is
            raise
        finally:
            self.asking -= 1
            self.asked_at = trio.current_time()


class Pairings:
    """All pairings of a daemon. `announce` has the announcement made anew; `connect` dials."""

    def __init__(self, announce: Callable[[], None], connect: Connect) -> None:
        self._announce = announce
        self._connect = connect
        self._pairings: dict[int, Pairing] = {}
        self._offers: dict[int, Pairing] = {}
        self._taken: deque[int] = deque(maxlen=PAIRING_OPEN_MAX)
        self._heard: dict[str, Found] = {}
        self._changed = trio.Event()
        self._last = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then every pairing is over."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    # --- what discovery asks and tells (`discovery.Codes`) ----------------------------------------------

    def numbers(self) -> Sequence[int]:
        """The numbers of codes that are open here."""
        return tuple(self._offers)

    def hear(self, instance: str, found: Found | None) -> None:
        """Remember who announces codes, up to `HEARD_MAX` of them."""
        self._heard.pop(instance, None)
        if found is not None and found.pairing and len(self._heard) < HEARD_MAX:
            self._heard[instance] = found
            self._changed.set()
            self._changed = trio.Event()

    # --- what commands ask ------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether somebody may call."""
        return bool(self._offers or self._taken)

    def get(self, pairing: int) -> Pairing:
        """Raises `UserError` for one that is not there any more."""
        found = self._pairings.get(pairing)
        if found is None:
            raise UserError("that pairing is over", remedy="begin another: asl invite")
        return found

    async def offer(self) -> int:
        """Have a code open until it is over; the pairing's id. Raises `UserError`."""
        id_: int = await self._nursery.start(self._offer)
        return id_

    async def call(self, number: int, address: tuple[str, int] | None) -> int:
        """Call the machine that has code `number` open, at `address` or where its announcement says; the
        pairing's id, once it is connected. Raises `UserError`."""
        id_: int = await self._nursery.start(self._call, number, address)
        return id_

    async def _offer(self, *, task_status: trio.TaskStatus[int]) -> None:
        self._require_room()
        heard = {number for found in self._heard.values() for number in found.pairing}
        free = sorted(set(range(1, PAIRING_NUMBER_MAX + 1)) - heard - set(self._offers) - set(self._taken))
        pairing = Pairing(secrets.choice(free[:9]))  # few digits are soon said
        self._offers[pairing.number] = pairing
        self._announce()
        try:
            await self._keep(pairing, task_status)
        finally:
            if self._offers.pop(pairing.number, None):
                self._announce()

    async def _call(
        self, number: int, address: tuple[str, int] | None, *, task_status: trio.TaskStatus[int]
    ) -> None:
        self._require_room()
        pairing = Pairing(number)
        hosts = [address] if address is not None else await self._find(number)
        stream = await self._dial(hosts)
        async with stream:
            pairing.begin(stream)
            with suppress(trio.BrokenResourceError):  # reading says why
                await stream.send_all(MAGIC + bytes([number]))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, pairing, stream, FrameCutter())
                await self._keep(pairing, task_status)
                nursery.cancel_scope.cancel()

    def _require_room(self) -> None:
        if len(self._pairings) >= PAIRING_OPEN_MAX:
            raise UserError(f"{PAIRING_OPEN_MAX} pairings are under way here", remedy="end one of them first")

    async def _keep(self, pairing: Pairing, task_status: trio.TaskStatus[int]) -> None:
        """Until it is over, too old, or nobody asks; what came last can be asked for a bit longer."""
        self._last += 1
        id_, begun = self._last, trio.current_time()
        self._pairings[id_] = pairing
        try:
            task_status.started(id_)
            while not pairing.over:
                now = trio.current_time()
                if now - begun > PAIRING_CODE_S:
                    pairing.end("the code has expired")
                elif not pairing.asking and now - pairing.asked_at > LEASE_S:
                    pairing.end("the command was ended")
                await trio.sleep(1)
            self._offers.pop(pairing.number, None)
            await trio.sleep(LEASE_S)
        finally:
            del self._pairings[id_]

    # --- being called -----------------------------------------------------------------------------------

    async def answer(self, connection: socket.socket, identified: Callable[[], None]) -> None:
        """Serve a connection whose first byte was `FIRST`; `identified` is called when it takes a code.
        Raises `LinkError`, `trio.BrokenResourceError` and `trio.TooSlowError`."""
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        cutter = FrameCutter()
        with trio.fail_after(HANDSHAKE_S):
            head = b""
            while len(head) <= len(MAGIC):
                data = await stream.receive_some(len(MAGIC) + 1 - len(head))
                if not data or not (head + data).startswith(MAGIC[: len(head + data)]):
                    raise LinkError("neither a link nor a pairing")
                head += data
            number = head[-1]
            pairing = self._offers.pop(number, None)
            if pairing is None:
                await stream.send_all(frame(TAKEN if number in self._taken else NO_CODE))
                while await stream.receive_some(_READ_BYTES):
                    pass  # closed with something unread, the answer would be lost on its way
                return
        self._taken.append(number)
        self._announce()
        identified()
        pairing.begin(stream)
        await self._read(pairing, stream, cutter)

    async def _read(self, pairing: Pairing, stream: trio.SocketStream, cutter: FrameCutter) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_over, pairing, nursery.cancel_scope)
                await pairing.read(stream, cutter)
                nursery.cancel_scope.cancel()
        except* (LinkError, trio.BrokenResourceError, trio.ClosedResourceError) as group:
            logger.info("a pairing ended: %s", group.exceptions[0])
        finally:
            pairing.end(GONE)

    # --- calling ----------------------------------------------------------------------------------------

    async def _find(self, number: int) -> list[tuple[str, int]]:
        """Where the one machine listens that announces `number`. Raises `UserError`."""
        with trio.move_on_after(FIND_S):
            self._announce()  # which asks everybody
            while not self._who_has(number):
                await self._changed.wait()
            await trio.sleep(AGREE_S)
        found = self._who_has(number)
        if not found:
            raise UserError(
                f"no machine on this network has code {number} open",
                remedy="see that both are on one network, or use the long text that `asl invite` shows",
            )
        if len(found) > 1:
            raise UserError(
                f"{len(found)} machines on this network say that code {number} is theirs",
                remedy="make another code there: asl invite",
            )
        return [(host, found[0].port) for host in found[0].hosts]

    def _who_has(self, number: int) -> list[Found]:
        return [found for found in self._heard.values() if number in found.pairing]

    async def _dial(self, hosts: list[tuple[str, int]]) -> trio.SocketStream:
        problem = "it has no address"
        for host, port in hosts[:PAIRING_OPEN_MAX]:
            try:
                connection, _ = await self._connect(host, port)
            except (OSError, trio.TooSlowError) as error:
                problem = str(getattr(error, "strerror", None) or "no answer")
            else:
                return trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        raise UserError(
            f"the machine that has this code open cannot be reached ({problem})",
            remedy="see that no firewall is between the two",
        )


async def _cancel_when_over(pairing: Pairing, scope: trio.CancelScope) -> None:
    while not pairing.over:
        await pairing._changed.wait()
    scope.cancel()
