"""What may come in over mDNS, before zeroconf reads a byte of it: anybody on the LAN can send, no key needed.

zeroconf keeps ten thousand records, however long they are, and a schedule for every name that somebody
claims; parsing costs what the sender likes. So a datagram passes only if it is no longer than those that we
make ourselves, and while its sender and all senders together stay below a rate that no household comes near:
packets that speak of our service have a rate of their own, so that a house full of chatty printers costs no
announcement. What passed is counted, and every `TRIM_EVERY` of them `Mdns` forgets what it does not need. All
of this loses hints only: they are asked for again, and who is dialled by address needs none.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

PACKET_BYTES_MAX = 1_500
"""zeroconf packs 1,460; a record of ours is at most 1,100."""
OURS_BURST, OURS_PER_S = 1_000, 20
"""Packets that name our service, of all senders: 64 machines that start together send 600."""
OTHERS_BURST, OTHERS_PER_S = 300, 20
SENDER_BURST, SENDER_PER_S = 200, 5
"""Of one address."""
SENDERS_MAX = 256
TRIM_EVERY = 256
RECORDS_MAX = 1_024
"""Kept of all that zeroconf has cached."""
_OURS = b"\x07_aslp2p"


class Bucket:
    """`burst` at once, then `per_s` a second."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, burst: int, per_s: float, now: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left, self._at = float(burst), now

    def has(self, now: float) -> bool:
        """Whether there is one to take."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        return self._left >= 1

    def take(self) -> None:
        """Take one."""
        self._left -= 1


class Gate:
    """Whom to hear. `now` is in seconds."""

    def __init__(self, now: float) -> None:
        self._ours = Bucket(OURS_BURST, OURS_PER_S, now)
        self._others = Bucket(OTHERS_BURST, OTHERS_PER_S, now)
        self._senders: OrderedDict[str, Bucket] = OrderedDict()
        self.passed = 0
        self.refused = 0

    def admits(self, data: bytes, sender: str, now: float) -> bool:
        """Whether the datagram `data` from the address `sender` may be read."""
        if len(data) <= PACKET_BYTES_MAX and self._has_room(_OURS in data, sender, now):
            self.passed += 1
            return True
        self.refused += 1
        return False

    def _has_room(self, ours: bool, sender: str, now: float) -> bool:
        own = self._senders.pop(sender, None) or Bucket(SENDER_BURST, SENDER_PER_S, now)
        self._senders[sender] = own
        if len(self._senders) > SENDERS_MAX:
            self._senders.popitem(last=False)
        shared = self._ours if ours else self._others
        if not (own.has(now) and shared.has(now)):
            return False
        own.take()
        shared.take()
        return True


class GatedProtocol(asyncio.DatagramProtocol):
    """Stands before a protocol of zeroconf and hands on what the gate admits."""

    def __init__(self, inner: Any, gate: Gate, clock: Callable[[], float], trim: Callable[[], None]) -> None:
        self._inner = inner
        self._gate = gate
        self._clock = clock
        self._trim = trim

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One datagram; it is read by zeroconf or by nobody."""
        if self._gate.admits(data, str(addr[0]), self._clock()):
            self._inner.datagram_received(data, addr)
            if self._gate.passed % TRIM_EVERY == 0:
                self._trim()

    def error_received(self, exc: Exception) -> None:
        """Zeroconf's to log."""
        self._inner.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """Zeroconf's to clean up."""
        self._inner.connection_lost(exc)
