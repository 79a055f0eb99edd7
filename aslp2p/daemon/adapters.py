"""The network adapters of this machine that mDNS may use, as a value that can be compared with the last one.

They come in the order in which others are likely to reach them: the one with the default route, those with a
private address, others, tunnels, and last the bridges of containers and virtual machines, whose addresses are
announced only where there are no others: a machine has many, and they mean nothing to its neighbours.

An adapter counts while it is up and has a carrier (`IFF_RUNNING`), so pulling a cable or losing a Wi-Fi is
a change even where the address stays; that is asked of the kernel by ioctl, which answers for the namespace
we are in (`/sys` may show another's).
"""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

import ifaddr

from aslp2p.daemon.announcement import ADDRESSES_MAX

ADAPTERS_MAX = 16
_CONTAINER = re.compile(
    r"docker|br-[0-9a-f]{12}|veth|virbr|vnet|cni|cali|flannel|lxc|lxdbr|incusbr|podman|vmnet|vboxnet|kube"
)
_TUNNEL = re.compile(r"tun|tap|wg|tailscale|zt|utun|ppp|ipsec|gre|sit|nebula")

_SIOCGIFFLAGS = 0x8913 if sys.platform == "linux" else 0xC0206911
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40


class Place(IntEnum):
    """How likely it is that others reach this machine there; the lower the likelier."""

    ROUTE = 0
    PRIVATE = 1
    OTHER = 2
    TUNNEL = 3
    CONTAINER = 4


@dataclass(frozen=True)
class Adapter:
    """One adapter: `addresses` are all that it has, in the system's order; IPv6 without a scope."""

    name: str
    index: int
    loopback: bool
    addresses: tuple[str, ...]
    place: Place = Place.OTHER
    hidden: tuple[str, ...] = ()
    """Those of `addresses` that are not announced."""

    def senders(self) -> tuple[str, ...]:
        """The addresses to send from, at most one IPv4 and one IPv6: a second would only repeat every packet.

        For IPv6 the link-local one if there is one, since that one stays when prefixes change.
        """
        v4 = [address for address in self.addresses if ":" not in address]
        v6 = [address for address in self.addresses if ":" in address]
        v6.sort(key=lambda address: not ipaddress.ip_address(address).is_link_local)
        return tuple(v4[:1] + v6[:1])


class Wishes(NamedTuple):
    """What the owner wants announced: `only` these adapters or addresses (none: all), and `never` those."""

    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def read_adapters(
    choice: Sequence[str] | None = None,
    wishes: Wishes = Wishes(),  # noqa: B008 - it cannot be changed
) -> tuple[Adapter, ...]:
    """The usable adapters, at most 16, the likeliest first. Blocks for well under a millisecond.

    `choice` names adapters or single addresses. Without it: all but loopback, and loopback where there is
    nothing else, so that daemons on a machine without a network still find each other. Raises OSError.
    """
    chosen: list[Adapter] = []
    routed = _routed()
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
                place = place_of(found.name, addresses, routed)
                chosen.append(Adapter(found.name, found.index, loopback, tuple(addresses), place))
    if choice is None:
        chosen = [adapter for adapter in chosen if not adapter.loopback] or chosen
    chosen.sort(key=lambda adapter: (adapter.place, adapter.index))
    return tuple(wished(chosen[:ADAPTERS_MAX], wishes))


def place_of(name: str, addresses: Sequence[str], routed: Collection[str]) -> Place:
    """Where the adapter `name` stands; `routed` are the addresses from which the default routes go out."""
    if _CONTAINER.match(name):
        return Place.CONTAINER
    if _TUNNEL.match(name):
        return Place.TUNNEL  # with the default route too: its address is the provider's
    if any(address in routed for address in addresses):
        return Place.ROUTE
    private = any(ipaddress.ip_address(one).is_private and not one.startswith("fe80") for one in addresses)
    return Place.PRIVATE if private else Place.OTHER


def wished(adapters: Sequence[Adapter], wishes: Wishes) -> list[Adapter]:
    """The adapters, each with what of it is `hidden`."""
    others = any(adapter.place is not Place.CONTAINER for adapter in adapters)

    def hides(adapter: Adapter, address: str) -> bool:
        names = {adapter.name, address}
        if not names.isdisjoint(wishes.never):
            return True
        if wishes.only:
            return names.isdisjoint(wishes.only)
        return others and adapter.place is Place.CONTAINER

    return [
        replace(adapter, hidden=tuple(one for one in adapter.addresses if hides(adapter, one)))
        for adapter in adapters
    ]


def announced(adapters: Sequence[Adapter]) -> list[str]:
    """The addresses to announce, at most 16: each adapter's first of either kind before any second."""
    shown = [
        replace(one, addresses=tuple(address for address in one.addresses if address not in one.hidden))
        for one in adapters
    ]
    first = [address for adapter in shown for address in adapter.senders()]
    rest = [address for adapter in shown for address in adapter.addresses if address not in first]
    return [*first, *rest][:ADDRESSES_MAX]


def _routed() -> set[str]:
    """From which addresses this machine would send to the world; nothing is sent to find out."""
    found = set()
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.add(str(probe.getsockname()[0]))
        except OSError:  # no such route, or no such family
            continue
    return found


def _flags(probe: socket.socket, name: str) -> int:
    request = struct.pack("16sh14x", name.encode()[:15], 0)
    try:
        return int(struct.unpack_from("H", fcntl.ioctl(probe, _SIOCGIFFLAGS, request), 16)[0])
    except OSError:
        return 0  # it went away since it was listed
