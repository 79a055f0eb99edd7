"""The network adapters of this machine that mDNS may use, as a value that can be compared with the last one.

An adapter counts while it is up and has a carrier (`IFF_RUNNING`), so pulling a cable or losing a Wi-Fi is
a change even where the address stays; that is asked of the kernel by ioctl, which answers for the namespace
we are in (`/sys` may show another's).
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import ifaddr

from aslp2p.daemon.announcement import ADDRESSES_MAX

ADAPTERS_MAX = 16

_SIOCGIFFLAGS = 0x8913 if sys.platform == "linux" else 0xC0206911
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40


@dataclass(frozen=True)
class Adapter:
    """One adapter: `addresses` are all that it has, in the system's order; IPv6 without a scope."""

    name: str
    index: int
    loopback: bool
    addresses: tuple[str, ...]

    def senders(self) -> tuple[str, ...]:
        """The addresses to send from, at most one IPv4 and one IPv6: a second would only repeat every packet.

        For IPv6 the link-local one if there is one, since that one stays when prefixes change.
        """
        v4 = [address for address in self.addresses if ":" not in address]
        v6 = [address for address in self.addresses if ":" in address]
        v6.sort(key=lambda address: not ipaddress.ip_address(address).is_link_local)
        return tuple(v4[:1] + v6[:1])


def read_adapters(choice: Sequence[str] | None = None) -> tuple[Adapter, ...]:
    """The usable adapters, at most 16, sorted by index. Blocks for well under a millisecond.

    `choice` names adapters or single addresses. Without it: all but loopback, and loopback where there is
    nothing else, so that daemons on a machine without a network still find each other. Raises OSError.
    """
    chosen: list[Adapter] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for found in ifaddr.get_adapters():
            flags = _flags(probe, found.name)
            if found.index is None or flags & (_IFF_UP | _IFF_RUNNING) != _IFF_UP | _IFF_RUNNING:
                continue
            addresses = [ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip for ip in found.ips]
            if choice is not None and found.name not in choice:
                addresses = [address for address in addresses if address in choice]
            if addresses:
                loopback = bool(flags & _IFF_LOOPBACK)
                chosen.append(Adapter(found.name, found.index, loopback, tuple(addresses)))
    if choice is None:
        chosen = [adapter for adapter in chosen if not adapter.loopback] or chosen
    return tuple(sorted(chosen, key=lambda adapter: adapter.index)[:ADAPTERS_MAX])


def announced(adapters: Sequence[Adapter]) -> list[str]:
    """The addresses to announce, at most 16: each adapter's first of either kind before any second."""
    first = [address for adapter in adapters for address in adapter.senders()]
    rest = [address for adapter in adapters for address in adapter.addresses if address not in first]
    return [*first, *rest][:ADDRESSES_MAX]


def _flags(probe: socket.socket, name: str) -> int:
    request = struct.pack("16sh14x", name.encode()[:15], 0)
    try:
        return int(struct.unpack_from("H", fcntl.ioctl(probe, _SIOCGIFFLAGS, request), 16)[0])
    except OSError:
        return 0  # it went away since it was listed
