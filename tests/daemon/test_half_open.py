"""Many half-open connections: what the daemon holds stays bounded, as the system counts it (G5).

Other attacks, with real machines on a network: `tests/hostile`. This one needs no namespaces.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from aslp2p.gossip.messages import Heads, decode_message
from aslp2p.home import Home
from aslp2p.home.key import SecretKey, load_key
from aslp2p.ledger.joining import Belonging, read_belonging
from aslp2p.limits import MIB
from aslp2p.link.session import Network, Session
from aslp2p.store.sqlite import SqliteStore
from tests.daemon.parties import RawPeer
from tests.daemon.small import PATIENCE_S
from tests.daemon.test_up import Machine, height, ok, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bounds are read from /proc")

HELD, HELD_LONG = 1_000, 10_000
"""How many are held open: always, and with `--long`."""
GROWTH_MAX = 64 * MIB
DESCRIPTORS_MAX = 160
"""64 half-open connections, and what any daemon has."""


class Household:
    """Ann's daemon runs; Ben was admitted, and his home is stopped: the test speaks for him."""

    def __init__(self, folder: Path) -> None:
        self.ann, ben = Machine(folder / "ann"), Machine(folder / "ben")
        ok(self.ann.asl("init", "home"))
        self.ann.up()
        invite = json.loads(ok(self.ann.asl("--json", "invite")))["invite"]
        ok(ben.asl("join", invite))
        ben.up()
        until(lambda: height(ben) == 1)
        ben.stop()
        self.key: SecretKey = load_key(Home(ben.home))
        (store_path,) = ben.home.glob("commons/*/store.db")
        store = SqliteStore(store_path, read_only=True)
        belonging = read_belonging(store)
        store.close()
        assert belonging is not None
        self.belonging: Belonging = belonging
        assert self.ann.process is not None
        self._process = Path(f"/proc/{self.ann.process.pid}")

    async def ben(self) -> RawPeer:
        """A link of Ben's, by hand."""
        session = Session(
            initiator=True,
            networks=[Network(self.belonging.common_id, self.belonging.network_secret, name="ben")],
            identity=self.key,
            static_private=os.urandom(32),
            ephemeral_private=os.urandom(32),
        )
        return await RawPeer.over(await trio.open_tcp_stream("127.0.0.1", int(self.ann.port)), session)

    def memory(self) -> int:
        line = next(
            line for line in (self._process / "status").read_text().splitlines() if line.startswith("VmRSS")
        )
        return int(line.split()[1]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(self._process / "fd"))

    def serves(self, name: str, folder: Path) -> None:
        """Whether a person's command is carried out."""
        (folder / name).write_text(name)
        ok(self.ann.asl("put", str(folder / name), name))


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    made = Household(tmp_path_factory.mktemp("household"))
    yield made
    assert made.ann.stop() == 0, "it survived, and stops cleanly"


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """As many as the system gives this process, for the time of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def hears_heads(peer: RawPeer) -> None:
    """An honest exchange: where the other stands comes by itself."""
    with trio.fail_after(PATIENCE_S):
        while not any(isinstance(decode_message(data), Heads) for data in await peer.hear(1)):
            assert not peer.closed


async def test_many_half_open_connections(
    household: Household, many_descriptors: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wanted = HELD_LONG if request.config.getoption("--long") else HELD
    held = min(wanted, many_descriptors - 200)
    before = household.memory()
    async with trio.open_nursery() as nursery:
        with ExitStack() as stack:
            for number in range(held):
                stream = await trio.open_tcp_stream("127.0.0.1", int(household.ann.port))
                stack.callback(stream.socket.close)
                if number % 500 == 0:
                    assert household.descriptors() <= DESCRIPTORS_MAX
            peer = await household.ben()
            await hears_heads(peer)
            await trio.to_thread.run_sync(household.serves, "under-flood", tmp_path)
            assert household.descriptors() <= DESCRIPTORS_MAX
            assert household.memory() - before <= GROWTH_MAX
            await peer.stream.aclose()
        nursery.cancel_scope.cancel()
