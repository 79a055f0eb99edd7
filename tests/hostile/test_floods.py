"""A member that asks without a pause: what an honest member's put waits for meanwhile (G5).

The flooder is a process of its own, so that it takes no time from who measures. A put is compared with the
same run's calm: a ratio, since nobody knows how fast this machine is. It may be busy with something else:
then the flooder, the daemon and whoever measures share what is left, and the ratio is that of their number.
"""

from __future__ import annotations

import base64
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event

import pytest

from aslp2p.control.client import Client
from aslp2p.errors import AslError
from aslp2p.gossip.messages import AnyMessage, GetContent, GetRange
from tests.hostile.attacks import PAUSE_S, Target
from tests.hostile.intruder import Intruder
from tests.hostile.test_hostile import Household
from tests.lan.machines import require_clean_logs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc")

HISTORY = 300
PUTS = 25
RATIO_MAX = 10.0
"""On a machine that has seven times as much to do as it can; queues without turns made it 146, and more."""

Strike = Callable[[Intruder, Target], AnyMessage]


def ranges(intruder: Intruder, target: Target) -> AnyMessage:
    return GetRange(1, target.head, (), 1, 256)


def contents(intruder: Intruder, target: Target) -> AnyMessage:
    return GetContent((target.content,) * 6)


def flood(target: Target, strike: Strike, links: int, stop: Event) -> None:
    """Several links that strike as fast as they are read, and come again when they are dropped."""

    def run() -> None:
        while not stop.is_set():
            with suppress(OSError, AslError), Intruder(target.port, target.invite, target.key) as intruder:
                intruder.introduce(target.head, target.height)
                while not stop.is_set():
                    intruder.say(strike(intruder, target))
                    intruder.drain()
            stop.wait(PAUSE_S)

    threads = [threading.Thread(target=run) for _ in range(links)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def under(target: Target, strike: Strike, links: int) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    process = context.Process(target=flood, args=(target, strike, links, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join(60)
        process.kill()


def put_s(client: Client, path: str) -> float:
    """How long an honest put takes until it is witnessed here."""
    begun = time.perf_counter()
    data = base64.b64encode(os.urandom(100)).decode()
    proposal = client.call("put", path=path, data=data)["proposal"]
    while client.call("settled", ids=[proposal])["settled"][0]["state"] != "witnessed":
        pass
    return time.perf_counter() - begun


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    household = Household(tmp_path_factory.mktemp("household"))
    try:
        with Client.of_home(str(household.ben.home)) as client:
            for number in range(HISTORY):
                put_s(client, f"history/{number}")
        yield household
        assert [machine.stop() for machine in household.machines] == [0, 0]
        require_clean_logs(household.machines)
    finally:
        for machine in household.machines:
            machine.host.stop()


@pytest.mark.long
@pytest.mark.parametrize("links", [1, 4])
@pytest.mark.parametrize("strike", [ranges, contents])
def test_a_put_waits_for_no_flood(household: Household, strike: Strike, links: int) -> None:
    name = f"{strike.__name__}-{links}"
    target = household.target(name)
    with Client.of_home(str(household.ben.home)) as client:
        calm = statistics.median(put_s(client, f"{name}/calm/{number}") for number in range(PUTS))
        with under(target, strike, links):
            flooded = statistics.median(put_s(client, f"{name}/flooded/{number}") for number in range(PUTS))
    household.require_bounded()
    household.anna.asl("members", "expel", name)
    print(f"{name}: {1000 * calm:.0f} ms, flooded {1000 * flooded:.0f} ms: {flooded / calm:.1f}")
    assert flooded < RATIO_MAX * calm
