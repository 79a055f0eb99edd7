"""Connections that have proved nothing yet: few, and the newest always gets in (G5).

Somebody who holds ten thousand connections open must not keep an honest peer out, and somebody who knows no
secret must not push out one who does. So when there is no room, the oldest goes of those that are worth
least: first of the same address when that has too many, then of all that have not yet shown that they know a
network's secret, then of all.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

HALF_OPEN_MAX = 64
PER_ADDRESS_MAX = 32
_IPV6_PREFIX_BITS = 64
"""One machine has as many IPv6 addresses as it likes, below one prefix."""


class HalfOpen:
    """One connection in its handshake. `evict` is called when it has to make room; `knows` is whether it has
    shown that it knows a secret."""

    __slots__ = ("evict", "knows", "source")

    def __init__(self, address: str, evict: Callable[[], None]) -> None:
        self.source = source_of(address)
        self.evict = evict
        self.knows = False


class HalfOpens:
    """All of them, oldest first."""

    def __init__(self, most: int = HALF_OPEN_MAX, per_address: int = PER_ADDRESS_MAX) -> None:
        self._most = most
        self._per_address = per_address
        self._all: dict[HalfOpen, None] = {}
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._all)

    def add(self, one: HalfOpen) -> None:
        """Let `one` in, and evict another if there is no room."""
        same = [other for other in self._all if other.source == one.source]
        if len(same) >= self._per_address:
            self._evict(same)
        elif len(self._all) >= self._most:
            self._evict(list(self._all))
        self._all[one] = None

    def remove(self, one: HalfOpen) -> None:
        """`one` is established or gone. Removing it twice is fine."""
        self._all.pop(one, None)

    def _evict(self, candidates: list[HalfOpen]) -> None:
        victim = next((one for one in candidates if not one.knows), candidates[0])
        del self._all[victim]
        self.evicted += 1
        victim.evict()


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 one."""
    ip = ip_address(address.partition("%")[0])
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(int(ip) >> _IPV6_PREFIX_BITS)
