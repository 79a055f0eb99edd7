"""A daemon in a thread of the test: real stores, cores, nodes and control server, and no network."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import trio

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.keys import parse_key
from aslp2p.artifacts.token import bear, read_shown
from aslp2p.control.client import Client
from aslp2p.control.path import socket_path
from aslp2p.core.node import NodeCore
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_server import serve_control
from aslp2p.daemon.daemon import TOPICS
from aslp2p.daemon.folders import Folders
from aslp2p.daemon.methods import control_methods
from aslp2p.daemon.node import CommonNode
from aslp2p.daemon.notices import Notices, Way
from aslp2p.daemon.pairing import Pairings
from aslp2p.daemon.statuses import Conditions, Occasions
from aslp2p.daemon.transport import connect
from aslp2p.errors import AslError, NoDaemon
from aslp2p.home import Home
from aslp2p.home.key import load_key
from aslp2p.home.lock import HomeLock
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.reader import Store
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.stage import Stage

FOREIGN: list[dict[str, Any]] = [{"addresses": ["192.0.2.9:4242", "[2001:db8::9]:4242"], "commons": 2}]
"""What its daemon has heard of, as if there were a network."""


class Daemon:
    """As much of a daemon as its control methods need."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ways: list[Way] = []
        self.secret = load_key(home)
        self.own_key = self.secret.key
        self.port = 4242
        self.started_ms = int(time.time() * 1000)
        self.events = EventSource(TOPICS)
        self.unopened: dict[str, Exception] = {}
        self.folders = Folders(home, self.events)
        self.conditions = Conditions()
        self.network = True
        occasions = Occasions(
            home, self.own_key, lambda: self.nodes, self.unopened, self.conditions, lambda: self.network
        )
        self.notices = Notices(home, self.events, self.ways, self.folders.shown, occasions.find)
        self.foreign = FOREIGN
        self.pairings = Pairings(lambda: None, connect)
        self._nodes: dict[bytes, CommonNode] = {}
        self._scopes: dict[bytes, trio.CancelScope] = {}
        self._stopping = trio.Event()

    @property
    def nodes(self) -> Mapping[bytes, CommonNode]:
        return self._nodes

    async def open_common(self, common_id: bytes, /) -> None:
        if common_id in self._nodes:
            self._nodes[common_id].refresh()
        else:
            await self._open(self.home.common_folder(common_id))

    async def forget(self, common_id: bytes, /) -> None:
        self._scopes.pop(common_id).cancel()
        del self._nodes[common_id]
        rmtree(self.home.common_folder(common_id))

    def stop(self) -> None:
        self._stopping.set()

    async def _open(self, folder: Path) -> None:
        store = SqliteStore(folder / STORE_NAME)
        belonging = read_belonging(store)
        assert belonging is not None

        def make_core(store: Store) -> NodeCore:
            return NodeCore(store, common_id=belonging.common_id, signer=self.secret, entropy=os.urandom)

        stage = Stage(folder / STORE_NAME)
        node = CommonNode(store, belonging, make_core, self.secret, self.events, stage=stage)
        self._scopes[node.id] = await self.nursery.start(self._run, node)
        self._nodes[node.id] = node

    async def _run(
        self, node: CommonNode, *, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                task_status.started(scope)

    async def run(self, started: threading.Event) -> None:
        with HomeLock(self.home):
            async with trio.open_nursery() as self.nursery:
                for folder in self.home.commons():
                    try:
                        await self._open(folder)
                    except AslError as error:
                        self.unopened[folder.name] = error
                path = socket_path(str(self.home))
                await self.nursery.start(serve_control, path, control_methods(self), self.events)
                await self.nursery.start(self.folders.run)
                self.nursery.start_soon(self.notices.run)
                await self.nursery.start(self.pairings.run)
                started.set()
                await self._stopping.wait()
                self.nursery.cancel_scope.cancel()


def _as_it_is(_: Daemon) -> None:
    """Nothing is made otherwise."""


@contextmanager
def running(home: Path, drive: Callable[[Daemon], None] = _as_it_is) -> Iterator[Client]:
    """A daemon for the home at `home`, and a client of it; `drive` has it before it runs. It may be stopped
    meanwhile."""
    started = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        async def main() -> None:
            daemon = Daemon(Home(home))
            drive(daemon)
            await daemon.run(started)

        try:
            trio.run(main)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    try:
        if not failed:
            with Client.of_home(str(home)) as client:
                yield client
                with suppress(NoDaemon):
                    client.call("stop")
    finally:
        thread.join(30)
    if failed:
        raise failed[0]


def let_in(client: Client, key: str, name: str) -> None:
    """Admit a machine that shows an invite, as one does on a link."""
    invite = Invite.parse(client.call("invite", expires_ms=86_400_000, uses=1, name="")["invite"])
    shown = read_shown(bear(invite.token, parse_key(key)))
    token = {"invite": shown.invite.hex(), "signature": shown.signature.hex()}
    client.call("propose", action={"kind": "admit", "key": key, "name": name, "token": token})

    def is_in() -> bool:
        return any(one["name"] == name for one in client.call("members")["members"])

    until = time.monotonic() + 30
    while not is_in():
        assert time.monotonic() < until, f"{name} is not in"
        time.sleep(0.02)
