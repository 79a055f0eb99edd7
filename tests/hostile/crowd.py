"""Many keys of one bad member at once: each holds a link with every honest machine, and dials again.

Each link is a thread that sleeps until something comes. What comes is thrown away.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.types import Admit
from aslp2p.errors import AslError
from aslp2p.home.key import SecretKey
from aslp2p.limits import ADMITS_PER_MEMBER_MAX
from tests.hostile.intruder import Intruder
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until

PAUSE_S = 2.0
"""Before whoever was hung up on dials again."""

Greeting = Callable[[Intruder], None]
"""What each says on every link, once."""


def nothing(intruder: Intruder) -> None:
    """A member like any other."""
    intruder.introduce(bytes(32), 0)


def heights(intruder: Intruder) -> None:
    """It has a far better history, it says, and shows none of it."""
    intruder.introduce(os.urandom(32), 2**50, 10**3)


def admit_own(
    invite: Invite, bad: SecretKey, machine: Machine, count: int = ADMITS_PER_MEMBER_MAX
) -> list[SecretKey]:
    """`count` new keys that the member `bad` lets in; returns when `machine` shows them as members."""
    keys = [SecretKey.generate() for _ in range(count)]
    with Intruder(machine.port, invite, bad, host=machine.host.ip) as intruder:
        nothing(intruder)
        intruder.say(intruder.propose(*[Admit(key.key, f"own {n}", None) for n, key in enumerate(keys)]))
        names = {f"own {n}" for n in range(count)}

        def let_in() -> bool:
            return names <= {one["name"] for one in machine.call("members")["members"]}

        wait_until(let_in, PATIENCE_S, "the keys of one member are members", every_s=0.2)
    return keys


@contextmanager
def crowd(
    invite: Invite, keys: Sequence[SecretKey], machines: Sequence[Machine], greet: Greeting
) -> Iterator[None]:
    """All of `keys` are linked with all of `machines`, as far as they are let, while the block runs."""
    stop = threading.Event()
    ports = [machine.port for machine in machines]

    def run(key: SecretKey, machine: Machine, port: int) -> None:
        while not stop.is_set():
            with suppress(OSError, AslError), Intruder(port, invite, key, host=machine.host.ip) as intruder:
                greet(intruder)
                while not stop.is_set():
                    intruder.discard(PAUSE_S)
            stop.wait(PAUSE_S)

    threads = [
        threading.Thread(target=run, args=(key, machine, port), daemon=True)
        for key in keys
        for machine, port in zip(machines, ports, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
