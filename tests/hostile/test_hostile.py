"""A real daemon under attack: what it takes stays bounded, and an honest peer is served meanwhile (G5).

Anna's daemon is the witness, and the target. Ben's is honest: while the attack goes on, what he puts has to
be witnessed, and be on Anna's machine. Anna's memory and descriptors are read from /proc, while it lasts and
after. At the end the attacker is expelled, and nothing of the attack is left to do.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.keys import key_text
from aslp2p.daemon.halfopen import HALF_OPEN_MAX
from aslp2p.home.key import SecretKey
from aslp2p.limits import MIB
from tests.hostile.attacks import ATTACKS, Attack, Target
from tests.lan.machines import Machine, found, require_clean_logs, wait_equal, write_large
from tests.lan.rig import Loopback

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc")

SIZES = 100, 100_000, 3 * MIB
"""What an honest peer puts: so small that it travels with its proposal, one piece, and several."""
HALF_OPEN = 10_000
MEMORY_MAX = 160 * MIB
"""Of a daemon that holds nothing is 40 to 50; a link may cost 10 (backlog, queue), a store 8."""
DESCRIPTORS_MAX = 60 + HALF_OPEN_MAX


class Household:
    """Two daemons on loopback, and the keys of bad members, one for each attack: blame sticks to a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.anna, self.ben = self.machines = [
            Machine(Loopback(), folder, "anna"),
            Machine(Loopback(), folder, "ben"),
        ]
        up = ("--no-mdns", "--listen", "127.0.0.1")
        self.invite = Invite.parse(found(*self.machines, up=up))
        write_large(folder / "film", 8 * MIB)
        self.anna.asl("put", folder / "film", "film")
        wait_equal(self.machines)

    def target(self, name: str) -> Target:
        """What an attacker knows who is admitted as `name`."""
        key = SecretKey.generate()
        self.anna.asl("members", "admit", key_text(key.key), name)
        wait_equal(self.machines)
        content = bytes.fromhex(self.anna.call("entry", path="film")["content"])
        height, head = self.anna.head()
        return Target(self.anna.port, self.invite, key, bytes.fromhex(head), height, content)

    def require_bounded(self) -> None:
        assert self.anna.process is not None
        process = Path(f"/proc/{self.anna.process.pid}")
        (line,) = (line for line in (process / "status").read_text().splitlines() if "VmRSS" in line)
        assert int(line.split()[1]) * 1024 <= MEMORY_MAX, line
        assert len(os.listdir(process / "fd")) <= DESCRIPTORS_MAX

    def require_served(self, name: str) -> None:
        """Ben puts files, one after the other; each is witnessed while the attack goes on."""
        for number, size in enumerate(SIZES):
            write_large(self.folder / "letter", size)
            answer = self.ben.json("put", self.folder / "letter", f"{name}/{number}")
            assert len(answer["witnessed"]) == 1, answer
            self.require_bounded()


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    with contextlib.ExitStack() as stack:
        household = Household(tmp_path_factory.mktemp("household"))
        for machine in household.machines:
            stack.callback(machine.host.stop)
        yield household
        assert [machine.stop() for machine in household.machines] == [0, 0]
        require_clean_logs(household.machines)


@contextlib.contextmanager
def under(attack: Attack, target: Target) -> Iterator[None]:
    """The attack goes on in a thread while the block runs, and has struck by its end."""
    stop = threading.Event()
    ended: list[int | BaseException] = []

    def run() -> None:
        try:
            ended.append(attack(target, stop))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert isinstance(ended[0], int) and ended[0] > 0, ended


@pytest.mark.parametrize("name", ATTACKS)
def test_an_honest_peer_is_served_and_nothing_grows(household: Household, name: str) -> None:
    target = household.target(name.replace("_", "-"))
    with under(ATTACKS[name], target):
        household.require_served(name)
    household.anna.asl("members", "expel", name.replace("_", "-"))
    wait_equal(household.machines)
    household.require_bounded()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def test_ten_thousand_half_open_connections(household: Household) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = min(HALF_OPEN, hard - 500)
    if held < HALF_OPEN:
        print(f"only {held}: the system allows no more descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as stack:
            # Side by side, for the kernel lets whoever finds its backlog full wait a second.
            pool = stack.enter_context(ThreadPoolExecutor(64))
            port = household.anna.port
            for number, one in enumerate(pool.map(lambda _: connect(port), range(held))):
                stack.enter_context(one)
                if number % 1000 == 0:
                    household.require_bounded()
            household.require_served("half-open")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_equal(household.machines)
