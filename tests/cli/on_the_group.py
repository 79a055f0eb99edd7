"""Another machine on the multicast group of this one, which says the same again and again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aslp2p.cli.doctor_network import MDNS_GROUP

HERE, THERE = "127.0.0.1", "127.0.0.2"
EVERY_S = 0.02


def free_port() -> int:
    """A UDP port of `HERE` that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HERE, 0))
        return int(free.getsockname()[1])


@contextmanager
def speaking(said: bytes, port: int) -> Iterator[None]:
    """Meanwhile `THERE` says `said` to the group, at `port`."""
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((THERE, 0))
        other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))

        def speak() -> None:
            while not stop.wait(EVERY_S):
                other.sendto(said, (MDNS_GROUP, port))

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
