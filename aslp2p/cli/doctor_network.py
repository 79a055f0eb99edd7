"""What `asl doctor` looks at of the network: interfaces, multicast both ways, the firewall.

Multicast is tried for real: a question for machines with aslp2p is sent from port 5353 on each interface, as
mDNS does, and answers are listened for on the group. Our own question comes back where multicast leaves and
enters this machine; an answer from another address shows that it also crosses the network, both ways.
"""

from __future__ import annotations

import ipaddress
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aslp2p.cli.findings import Checked, Grade

MDNS_GROUP, MDNS_PORT = "224.0.0.251", 5353
LISTEN_S = 2.0
_SERVICE = ("_aslp2p", "_tcp", "local")
_PTR, _IN = 12, 1
_FIREWALLS = {
    "ufw": "sudo ufw allow {port}/tcp && sudo ufw allow 5353/udp",
    "firewalld": "sudo firewall-cmd --permanent --add-service=mdns --add-port={port}/tcp "
    "&& sudo firewall-cmd --reload",
    "nftables": "see which port its rules let in: sudo nft list ruleset",
}


class Heard(NamedTuple):
    """What came of a question to the group."""

    refused: dict[str, str]
    """Interfaces that could not be used, by address, and why."""
    own: bool
    """Our own question came back."""
    others: list[str]
    """From which other addresses anything came."""


def interfaces() -> list[tuple[str, str]]:
    """(name, address) of each address of this machine but loopback."""
    import ifaddr

    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if not ipaddress.ip_address(address).is_loopback:
                found.append((str(adapter.nice_name), address))
    return found


def look_at_interfaces(found: Sequence[tuple[str, str]]) -> Checked:
    """Whether there is anything that others could reach."""
    usable = [f"{name} {address}" for name, address in found if not address.startswith("fe80")]
    if not usable:
        return Checked("interfaces", Grade.BAD, "no interface has an address", "ip address; is the cable in?")
    return Checked("interfaces", Grade.OK, ", ".join(usable))


def look_at_multicast(addresses: Sequence[str], *, enabled: bool = True) -> Checked:
    """Whether machines can find each other on this network by themselves."""
    if not enabled:
        return Checked("multicast", Grade.OK, "mdns.enabled is false: not looked at")
    remedy = "name the others in peers.static, or `asl up --peer HOST:PORT`"
    try:
        heard = ask_the_group(addresses)
    except OSError as error:
        return Checked("multicast", Grade.BAD, f"port {MDNS_PORT} cannot be had: {error.strerror}", remedy)
    if heard.others:
        return Checked("multicast", Grade.OK, f"both ways: heard {', '.join(heard.others[:4])}")
    if heard.own:
        text = "it leaves and enters this machine, and no other machine answered"
        return Checked(
            "multicast", Grade.WARN, text, f"is `asl up` running there, on this network? else {remedy}"
        )
    why = "; ".join(f"{address}: {reason}" for address, reason in heard.refused.items())
    text = f"what is sent to {MDNS_GROUP} does not even come back{f' ({why})' if why else ''}"
    return Checked("multicast", Grade.BAD, text, f"let UDP 5353 through the firewall; else {remedy}")


def _never(_: bytes, __: str) -> bool:
    return False


def ask_the_group(
    addresses: Sequence[str],
    *,
    port: int = MDNS_PORT,
    listen_s: float = LISTEN_S,
    stop: Callable[[bytes, str], bool] = _never,
) -> Heard:
    """Ask on each interface, by its IPv4 address, and listen so long, or until `stop` is true of a message
    and of where it came from. Raises OSError without a port.
    """
    question = _question(os.urandom(2))
    refused: dict[str, str] = {}
    own, others = False, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as group:
        group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        group.bind(("", port))
        for address in addresses:
            where = socket.inet_aton(address)
            try:
                group.setsockopt(
                    socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(MDNS_GROUP) + where
                )
                group.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, where)
                group.sendto(question, (MDNS_GROUP, port))
            except OSError as error:
                refused[address] = error.strerror or str(error)
        until = time.monotonic() + listen_s
        while (left := until - time.monotonic()) > 0 and select.select([group], [], [], left)[0]:
            data, (source, _) = group.recvfrom(9000)
            own = own or data == question
            if source not in addresses and source not in others:
                others.append(source)
            if stop(data, source):
                break
    return Heard(refused, own, others)


def _question(number: bytes) -> bytes:
    """A DNS question for all that offer our service."""
    name = b"".join(bytes([len(label)]) + label.encode() for label in _SERVICE) + b"\0"
    return number + struct.pack("!5H", 0, 1, 0, 0, 0) + name + struct.pack("!2H", _PTR, _IN)


def look_at_firewall(commons: Sequence[Mapping[str, Any]], port: int) -> Iterator[Checked]:
    """Whether others reach this machine: shown where one has; else which firewall may be in the way."""
    links = [link for one in commons for link in (one.get("live") or {}).get("links", ())]
    if any(not link["initiator"] for link in links):
        yield Checked("firewall", Grade.OK, f"others reach TCP port {port} of this machine")
        return
    running = [name for name in _FIREWALLS if _is_active(name)]
    for name in running:
        text = f"{name} is active, and no other machine has reached TCP port {port} yet"
        yield Checked("firewall", Grade.WARN, text, _FIREWALLS[name].format(port=port))
    if not running:
        yield Checked("firewall", Grade.OK, "none is known to be active on this machine")


def _is_active(service: str) -> bool:
    if shutil.which("systemctl") is None:
        return False
    try:
        done = subprocess.run(
            ["systemctl", "is-active", "--quiet", service],  # noqa: S607 - the system's own
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
