"""25,000 mDNS packets from strangers: what a daemon keeps of them, and whom it still finds (G1, G5).

Of every kind: longer than anything of ours, as long as zeroconf's own and full of names, and single records.
They come from many addresses, so that no bound on one sender holds them back alone.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lan.machines import Machine, require_clean_logs
from tests.lan.rig import Loopback, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

PACKETS = 25_000
SENDERS = 20
GROUP = ("224.0.0.251", 5353)
SERVICE = (b"_aslp2p", b"_tcp", b"local")
POINTER, TEXT = 12, 16
TTL_S = 100_000
PAUSE_S = 0.02
GROWTH_MAX = 1.25
"""Of the daemon's memory; it was 1.9 before there was a gate."""


def name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, TTL_S, len(data)) + data


def packet(size: int, *, long_texts: bool) -> bytes:
    """A response of new instances, as many as fit into `size` bytes; with a text of 7 KB each, or none."""
    text = (b"\xff" + os.urandom(255)) * 28
    records: list[bytes] = []
    for _ in range(1 if long_texts else size // 80):
        instance = name(secrets.token_hex(8).encode(), *SERVICE)
        one = record(instance, TEXT, text) if long_texts else record(name(*SERVICE), POINTER, instance)
        records.append(one)
    return struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def flood() -> None:
    kinds = (7_500, True), (7_500, False), (1_450, False), (100, False)
    made = [packet(size, long_texts=long) for _ in range(PACKETS // 10) for size, long in kinds]
    with ExitStack() as stack:
        senders = []
        for number in range(SENDERS):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind((f"127.0.0.{number + 2}", 0))
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            senders.append(one)
        for number in range(PACKETS):
            if number % 25 == 0:
                time.sleep(PAUSE_S)  # what comes faster than it is read, the kernel throws away
            senders[number // 50 % SENDERS].sendto(made[number % len(made)], GROUP)


def resident_kib(machine: Machine) -> int:
    assert machine.process is not None
    status = Path(f"/proc/{machine.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if "VmRSS" in line)
    return int(line.split()[1])


def test_a_flood_of_announcements_costs_little_and_hides_nobody(tmp_path: Path) -> None:
    anna, ben = machines = [Machine(Loopback(), tmp_path, "anna"), Machine(Loopback(), tmp_path, "ben")]
    try:
        anna.asl("init", "home")
        anna.up("--listen", "127.0.0.1", "--no-mdns")
        ben.asl("join", anna.json("invite")["invite"])
        anna.stop()
        (anna.home / "port").unlink()  # the invite's address leads nowhere any more
        for machine in machines:
            (machine.home / "config.toml").write_text('[mdns]\ninterfaces = ["127.0.0.1"]\n')
        anna.up("--listen", "127.0.0.1")
        before = resident_kib(anna)
        flood()
        grown = resident_kib(anna) / before
        print(f"memory grew to {grown:.2f} of {before} KiB")
        assert grown < GROWTH_MAX
        ben.up("--listen", "127.0.0.1")
        wait_until(lambda: anna.links(), 120, "they find each other by mDNS alone")
        assert [machine.stop() for machine in machines] == [0, 0]
        require_clean_logs(machines)
    finally:
        for machine in machines:
            machine.host.stop()
