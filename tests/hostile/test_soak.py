"""All attackers at once, for an hour, beside calm members (G5, P1): `pytest --long --soak MINUTES`.

Three machines, policy 2 of 3, that replace a silent witness by themselves after `GRACE`. First the calm is
measured; then every attack of `attacks` strikes the witness from a process of its own, each with keys of one
bad member that take turns, since blame sticks to a key. Meanwhile two honest machines put, one file after the
other.
"""

from __future__ import annotations

import base64
import itertools
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.keys import key_text
from aslp2p.control.client import Client
from aslp2p.errors import AslError
from aslp2p.home.key import SecretKey
from aslp2p.limits import MIB
from tests.authorities import configure, policy_text
from tests.hostile.attacks import ATTACKS, Target
from tests.hostile.crowd import admit_own
from tests.hostile.test_hostile import MEMORY_MAX
from tests.lan.machines import PATIENCE_S, Machine, require_clean_logs, wait_equal, wait_joined, write_large
from tests.lan.rig import Loopback, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

UP = ("--no-mdns", "--listen", "127.0.0.1")
GRACE = "60s"
CALM_PART = 0.1
"""Of the whole time."""
SLICE_S = 20.0
"""So long one key of an attack strikes before the next one does."""
PUT_EVERY_S = 0.25
LOOK_AGAIN_S = 0.005
FLAT = 1.25
"""What the last quarter may take of memory, beside the second."""
P99_RATIO_MAX = 5.0


class Slice(threading.Event):
    """An event that is also set when its time is over, or when another one is."""

    def __init__(self, other: Event, seconds: float) -> None:
        super().__init__()
        self._other = other
        self._end = time.monotonic() + seconds

    def is_set(self) -> bool:
        return self._other.is_set() or time.monotonic() >= self._end

    def wait(self, timeout: float | None = None) -> bool:
        self._other.wait(timeout)
        return self.is_set()


def strike_all(target: Target, keys: Sequence[SecretKey], stop: Event) -> None:
    """Every attack in a thread of its own, until `stop`.

    Its work is another machine's, so it gets what is left of this one's time."""
    os.nice(19)

    def run(number: int, name: str) -> None:
        mine = keys[number :: len(ATTACKS)]
        for key in itertools.cycle(mine):
            if stop.is_set():
                return
            with suppress(OSError, AslError):
                ATTACKS[name](replace(target, key=key), Slice(stop, SLICE_S))

    threads = [threading.Thread(target=run, args=one) for one in enumerate(ATTACKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def under_all(target: Target, keys: Sequence[SecretKey]) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    process = context.Process(target=strike_all, args=(target, keys, stop))
    process.start()
    try:
        yield
        assert process.is_alive(), "the attackers went on to the end"
    finally:
        stop.set()
        process.join(PATIENCE_S)
        process.kill()


@dataclass
class Record:
    """What an honest person saw."""

    waited_s: list[float] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def p99_s(self) -> float:
        return statistics.quantiles(self.waited_s, n=100)[98]

    def __str__(self) -> str:
        p50 = statistics.median(self.waited_s)
        return f"{len(self.waited_s)} puts, median {1000 * p50:.0f} ms, p99 {1000 * self.p99_s:.0f} ms"


class Town:
    def __init__(self, folder: Path) -> None:
        self.machines = [Machine(Loopback(), folder, name) for name in ("anna", "ben", "cleo")]
        self.anna, *self.others = self.machines
        for machine in self.machines:
            machine.asl("self", "--name", machine.name)
            configure(machine, '[recovery]\nmode = "auto"')
        named = [(machine.name, machine.key) for machine in self.machines]
        self.anna.asl("init", "home", "--policy", "-", stdin=policy_text(named, 2, GRACE))
        self.anna.up(*UP)
        self.invite = Invite.parse(self.anna.json("invite", "--uses", "2")["invite"])
        for other in self.others:
            other.asl("join", self.invite.encode())
            other.up(*UP)
        wait_joined(*self.machines)
        write_large(folder / "film", 8 * MIB)
        self.anna.asl("put", folder / "film", "film")
        bad = SecretKey.generate()
        self.anna.asl("members", "admit", key_text(bad.key), "bad")
        wait_equal(self.machines)
        self.bad = admit_own(self.invite, bad, self.anna)

    def target(self) -> Target:
        content = bytes.fromhex(self.anna.call("entry", path="film")["content"])
        height, head = self.anna.head()
        return Target(self.anna.port, self.invite, self.bad[0], bytes.fromhex(head), height, content)

    def memory(self) -> int:
        """Of the attacked machine, in bytes."""
        assert self.anna.process is not None
        status = Path(f"/proc/{self.anna.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if "VmRSS" in line)
        return int(line.split()[1]) * 1024

    def live(self, name: str, seconds: float) -> Record:
        """The two put in turn for so long; each put is waited for."""
        record = Record()
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            clients = [stack.enter_context(Client.of_home(str(one.home))) for one in self.others]
            for number, client in enumerate(itertools.cycle(clients)):
                if time.monotonic() >= end:
                    return record
                path = f"{name}/{number}"
                record.waited_s.append(self._put_s(client, path))
                record.paths.append(path)
                record.memory.append(self.memory())
                time.sleep(PUT_EVERY_S)
        return record

    @staticmethod
    def _put_s(client: Client, path: str) -> float:
        began = time.perf_counter()
        proposal = client.call("put", path=path, data=base64.b64encode(os.urandom(100)).decode())["proposal"]

        def witnessed() -> bool:
            return bool(client.call("settled", ids=[proposal])["settled"][0]["state"] == "witnessed")

        wait_until(witnessed, PATIENCE_S, f"{path} is witnessed", every_s=LOOK_AGAIN_S)
        return time.perf_counter() - began


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        town = Town(tmp_path)
        for machine in town.machines:
            stack.callback(machine.host.stop)
        yield town


@pytest.mark.timeout(0)
def test_an_hour_of_all_attackers_at_once(town: Town, pytestconfig: pytest.Config) -> None:
    seconds = 60.0 * pytestconfig.getoption("--soak")
    before = town.anna.call("summary")["witness"]
    town.live("warm", seconds * CALM_PART / 2)
    calm = town.live("calm", seconds * CALM_PART)
    with under_all(town.target(), town.bad):
        attacked = town.live("attacked", seconds)
    print(f"calm: {calm}\nattacked: {attacked}")
    quarter = len(attacked.memory) // 4
    early, late = max(attacked.memory[quarter : 2 * quarter]), max(attacked.memory[-quarter:])
    print(f"memory: {calm.memory[-1] // MIB} MiB calm, then {early // MIB}, at the end {late // MIB}")
    for machine in town.machines:
        summary = machine.call("summary")
        assert summary["witness"]["key"] == before["key"], "the witness was never replaced"
        wait_until(lambda: set(calm.paths + attacked.paths) <= machine.paths(), PATIENCE_S, "nothing is lost")  # noqa: B023
    assert late <= FLAT * early and late <= MEMORY_MAX
    assert [machine.stop() for machine in town.machines] == [0] * len(town.machines)
    require_clean_logs(town.machines)
    assert attacked.p99_s <= P99_RATIO_MAX * calm.p99_s
