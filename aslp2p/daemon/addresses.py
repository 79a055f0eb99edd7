"""Where members of one Common may be dialled, and when to try each next. Pure: time and chance are arguments.

An address comes from the configuration, an invite, an announcement (mDNS), a peer's word, or from having
worked before. All are hints (G1). After a failure an address waits `BACKOFF_S_MIN`, then twice as long each
time, `BACKOFF_S_MAX` at most, and 0 to 50 % more by chance, so that a house whose power came back does not
dial in step. A link that lived `LIVED_S` starts the count anew, and so does a fresh announcement.

The addresses of one announcement are one machine's: they are tried one after the other, `STAGGER_S` apart,
and not at all once one of them is linked.

While at most `DIAL_ALL_MAX` addresses are known, all are dialled; above that all of authorities, who count
silence only while they are linked with each other (S2), and as many others as keep `OUTGOING` links of our
own, taken by chance: the history reaches everybody through them. Where an authority answered is never pushed
out by what else is known, and is remembered first.

Where this machine's key was expelled there is nothing to gain: an address that said so rests `SHUT_OUT_S`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct

BACKOFF_S_MIN = 0.2
BACKOFF_S_MAX = 60.0
LIVED_S = 5.0
DIAL_ALL_MAX = 64
"""An authority counts silence only while another one is linked (S2), and an address does not say whose it is:
so all are dialled, unless they are more than a household or a team has."""
OUTGOING = 8
STAGGER_S = 0.25
KNOWN_MAX = 256
REMEMBERED_MAX = 64
SHUT_OUT_S = 3600.0
OWN_S = 600.0
"""How long an address that turned out to be ours is left out; it may be another machine's tomorrow."""

_KEY = re.compile("|[0-9a-f]{64}")

Address: TypeAlias = tuple[str, int]
"""(host, port)"""
Chance: TypeAlias = Callable[[], float]
"""A number from 0 up to 1."""


class Source(IntEnum):
    """Who says so; the higher is worth more when there are too many."""

    PEER = 0
    REMEMBERED = 1
    MDNS = 2
    INVITE = 3
    STATIC = 4


class Remembered(NamedTuple):
    """What outlives the daemon: where a member answered, when by the wall clock in ms, and who (empty: not
    known)."""

    address: Address
    success_ms: int
    key: bytes = b""


class Place(Struct):
    """One address and how it went."""

    address: Address
    source: Source
    failures: int = 0
    due: float = 0.0
    key: bytes = b""
    """Who answered there last."""
    success_ms: int = 0
    """When a member last answered, by the wall clock; 0: never."""
    busy: bool = False
    """Being dialled, or linked by our dialling."""
    started: float = 0.0
    """When it was dialled last."""
    instance: str = ""
    """Of its announcement."""
    shut_out: bool = False
    """It said that our key is no member's any more."""


def backoff_s(failures: int, chance: float) -> float:
    """The pause after `failures` failures in a row, with `chance` in [0, 1)."""
    doubled = BACKOFF_S_MIN * 2.0 ** min(failures - 1, 20)
    return min(BACKOFF_S_MAX, doubled) * (1 + chance / 2)


class AddressBook:
    """All that are known, at most `KNOWN_MAX`. `authorities` are the keys that come first."""

    authorities: frozenset[bytes] = frozenset()

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._places: dict[Address, Place] = {}
        self._own: dict[Address, float] = {}

    def __len__(self) -> int:
        return len(self._places)

    def learn(self, address: Address, source: Source, now: float, *, instance: str = "") -> None:
        """Somebody says that a member listens at `address`."""
        if self._own.get(address, 0.0) > now:
            return
        place = self._places.get(address)
        if place is None:
            if len(self._places) >= KNOWN_MAX and not self._make_room(source):
                return
            place = self._places[address] = Place(address, source, due=now)
        place.source = max(place.source, source)
        if instance and instance != place.instance:
            place.instance = instance
            place.failures = 0
            if not place.shut_out:
                place.due = min(place.due, now)

    def remember(self, remembered: Remembered, now: float) -> None:
        """It worked in an earlier life of this daemon."""
        self.learn(remembered.address, Source.REMEMBERED, now)
        if place := self._places.get(remembered.address):
            place.success_ms = max(place.success_ms, remembered.success_ms)
            place.key = place.key or remembered.key

    def places(self) -> list[Place]:
        """All of them."""
        return list(self._places.values())

    def lose(self, instance: str) -> None:
        """An announcement is gone: what never worked otherwise is forgotten."""
        for place in list(self._places.values()):
            if place.instance == instance:
                place.instance = ""
                if place.source is Source.MDNS:
                    place.source = Source.REMEMBERED if place.success_ms else Source.PEER
                    if not place.success_ms and not place.busy:
                        del self._places[place.address]

    def choose(
        self, now: float, linked: Collection[bytes], outgoing: int, *, joining: bool = False
    ) -> list[Address]:
        """What to dial now, when the keys in `linked` are linked, `outgoing` of them by our dialling.

        A machine that is `joining` dials where its invite says first: whoever announces itself on this
        network may know the network secret and be no member any more. Whatever this answers is taken to be
        dialled: call `started` for each.
        """
        due = [place for place, at in self._waiting(linked) if at <= now]
        few = len(self._places) <= DIAL_ALL_MAX
        first = {Source.STATIC, Source.INVITE} if joining else {Source.STATIC}
        firsts = self._firsts()
        if not few:
            due.sort(key=lambda one: (one.address not in firsts, one.source not in first, self._chance()))
        elif joining:
            due.sort(key=lambda place: place.source not in first)
        dialling = sum(place.busy for place in self._places.values())
        chosen: list[Address] = []
        instances: set[str] = set()
        for place in due:
            enough = not few and len(chosen) >= OUTGOING - max(outgoing, dialling)
            if enough and place.address not in firsts:
                break
            if place.instance not in instances:
                chosen.append(place.address)
                instances.update([place.instance] if place.instance else [])
        return chosen

    def _firsts(self) -> set[Address]:
        """Where each authority answered last: one address for each, so that none of them fills the book."""
        newest: dict[bytes, Place] = {}
        for place in self._places.values():
            if place.key in self.authorities:
                known = newest.setdefault(place.key, place)
                newest[place.key] = max(known, place, key=lambda one: one.success_ms)
        return {place.address for place in newest.values()}

    def next_due(self, now: float, linked: Collection[bytes]) -> float | None:
        """When the next address will be due that is not yet; None when none will be by itself."""
        return min((at for _, at in self._waiting(linked) if at > now), default=None)

    def _waiting(self, linked: Collection[bytes]) -> list[tuple[Place, float]]:
        """What is not dialled or linked, and when each is due."""
        linked_instances: set[str] = set()
        next_start: dict[str, float] = {}
        for place in self._places.values():
            if place.instance:
                if place.key in linked:
                    linked_instances.add(place.instance)
                if place.busy:
                    after = place.started + STAGGER_S
                    next_start[place.instance] = max(next_start.get(place.instance, after), after)
        return [
            (place, max(place.due, next_start.get(place.instance, place.due)))
            for place in self._places.values()
            if not place.busy and place.key not in linked and place.instance not in linked_instances
        ]

    def started(self, address: Address, now: float) -> None:
        """It is being dialled."""
        if place := self._places.get(address):
            place.busy = True
            place.started = now

    def linked(self, address: Address, key: bytes, wall_ms: int) -> None:
        """`key` has answered there."""
        if place := self._places.get(address):
            place.key = key
            place.success_ms = wall_ms

    def ended(
        self,
        address: Address,
        now: float,
        *,
        lived_s: float = 0.0,
        duplicate: bool = False,
        blamed_until: float = 0.0,
        shut_out: bool = False,
    ) -> None:
        """The dialling, or the link that came of it, has ended."""
        place = self._places.get(address)
        if place is None:
            return
        place.busy = False
        place.shut_out = shut_out
        if shut_out:
            place.due = now + SHUT_OUT_S * (1 + self._chance() / 2)
            return
        if lived_s >= LIVED_S:
            place.failures = 0
        if duplicate:
            place.failures = 0
            place.due = now + backoff_s(1, self._chance())
            return
        place.failures += 1
        place.due = max(now + backoff_s(place.failures, self._chance()), blamed_until)

    def is_ours(self, address: Address, now: float) -> None:
        """We dialled ourselves: forget it for a while."""
        self._places.pop(address, None)
        self._own = {other: until for other, until in self._own.items() if until > now}
        if len(self._own) < KNOWN_MAX:
            self._own[address] = now + OWN_S

    def worked(self) -> list[Remembered]:
        """What to remember: where an authority answered first, then the newest first."""
        firsts = self._firsts()
        good = sorted(
            (place for place in self._places.values() if place.success_ms),
            key=lambda one: (one.address not in firsts, -one.success_ms),
        )
        return [Remembered(one.address, one.success_ms, one.key) for one in good[:REMEMBERED_MAX]]

    def _make_room(self, source: Source) -> bool:
        firsts = self._firsts()
        victims = [
            place
            for place in self._places.values()
            if not place.busy and place.source <= source and place.address not in firsts
        ]
        if not victims:
            return False
        worst = min(victims, key=lambda place: (place.source, place.success_ms, -place.failures))
        del self._places[worst.address]
        return True


def parse_address(text: str) -> Address | None:
    """("host", port) of "host:port" or "[IPv6]:port"; None for anything else."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    printable = all("!" <= character <= "~" for character in host)
    if not colon or not 1 <= len(host) <= 255 or not printable:
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        return None
    return host, int(port)


def pack(worked: Iterable[Remembered]) -> bytes:
    """The text of the file of remembered addresses: a line each, host, port, time and key."""
    return "".join(
        f"{host} {port} {at_ms} {key.hex()}".rstrip() + "\n" for (host, port), at_ms, key in worked
    ).encode("ascii")


def unpack(data: bytes) -> Sequence[Remembered]:
    """What `pack` packed, or an older version, which knew no keys; lines that neither can have made are
    skipped, for all of them are hints."""
    found: list[Remembered] = []
    for line in data.decode("ascii", "replace").splitlines()[:REMEMBERED_MAX]:
        host, _, rest = line.partition(" ")
        port, _, rest = rest.partition(" ")
        at_ms, _, key = rest.partition(" ")
        address = parse_address(f"[{host}]:{port}")
        is_time = at_ms.isascii() and at_ms.isdigit() and len(at_ms) <= 16
        if address is not None and is_time and _KEY.fullmatch(key):
            found.append(Remembered(address, int(at_ms), bytes.fromhex(key)))
    return found
