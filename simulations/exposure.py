"""Which promises ever left a machine: what others may hold a key to, seen from outside.

A promise is a signed snapshot, endorsement or cosignature. A signature that a crash took before its bytes
were sent binds nobody. Here a signature counts from the moment at which a message carries it, found by its 64
bytes; together with what the disk held at that moment, which says whether the promise was on it (S1).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from simulations.keys import SeededKey

PROMISES = (b"asl.common.snapshot/1 ", b"asl.common.endorsement/1 ", b"asl.common.cosignature/1 ")
BEACON = b"asl.common.beacon/1 "
_PREFIXES = tuple(b"DSSEv1 %d %b" % (len(one) - 1, one) for one in PROMISES)
_BEACON = b"DSSEv1 %d %b" % (len(BEACON) - 1, BEACON)
WAITING_MAX = 512


@dataclass(frozen=True)
class Exposed:
    """One promise that left its machine."""

    at_ms: int
    machine: str
    key: bytes
    message: bytes
    """What was signed: the pre-authentication encoding of type and body."""
    signature: bytes
    on_disk: bool
    """Whether the machine's journal held it when it left."""
    order: int
    """Its place in the order of signing."""


class Exposure:
    """All promises of all machines, in the order in which they left."""

    def __init__(self) -> None:
        self.promises: list[Exposed] = []
        self.beacons: list[tuple[str, bytes, bytes]] = []
        """(machine, key, message) of every beacon, in the order of signing."""
        self._waiting: dict[str, list[tuple[int, bytes, bytes]]] = {}
        self._order = 0

    def collect(self, machine: str, signer: SeededKey) -> None:
        """Take note of what `signer` has signed since the last time."""
        fresh = [one for one in signer.signed if one[0].startswith(_PREFIXES)]
        self.beacons += [
            (machine, signer.key, message) for message, _ in signer.signed if message.startswith(_BEACON)
        ]
        signer.signed.clear()
        if fresh:
            waiting = self._waiting.setdefault(machine, [])
            for message, signature in fresh:
                self._order += 1
                waiting.append((self._order, message, signature))
            del waiting[:-WAITING_MAX]

    def sent(self, at_ms: int, machine: str, key: bytes, data: bytes, on_disk: Set[bytes] | None) -> None:
        """A message leaves; `on_disk` are the signatures in the disk's journal (None: not asked)."""
        waiting = self._waiting.get(machine)
        if not waiting:
            return
        left = []
        for order, message, signature in waiting:
            if signature in data:
                held = on_disk is None or signature in on_disk
                self.promises.append(Exposed(at_ms, machine, key, message, signature, held, order))
            else:
                left.append((order, message, signature))
        self._waiting[machine] = left

    def is_waiting(self, machine: str) -> bool:
        """Whether something that this machine signed has not left it yet."""
        return bool(self._waiting.get(machine))
