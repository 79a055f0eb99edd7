"""PySyncObj: five processes that replicate a dictionary, with its journal and its dump on disk.

The journal is a memory map that PySyncObj never syncs: unlike etcd and aslp2p, an acknowledged entry does
not survive a power cut. Two columns: its defaults, which look at the queue of commands every 50 ms, and
`PySyncObj eager` (`appendEntriesUseBatch=False`), which wakes up for each command.

Nodes 0 to 2 start first and elect among themselves, because in PySyncObj the higher address connects to the
lower one and tries again only every 5 s: so the node that returns is always one that connects by itself.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cluster import NODES, BenchmarkError, Cluster, System, value_of
from benchmarks.processes import Child, free_ports
from benchmarks.streams import Streams

START_S_MAX = 30.0
ANSWER_S_MAX = 30.0
FIRST = range(NODES // 2 + 1)


class _Control:
    """A connection to one node's control socket for questions."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S_MAX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("r")

    def ask(self, question: str) -> str:
        self._socket.sendall(f"{question}\n".encode())
        return self._lines.readline().strip()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class PySyncObjCluster:
    """`Cluster` for PySyncObj; see the module's docstring."""

    fill_window = 1024

    def __init__(self, directory: Path, conf: Mapping[str, Any]) -> None:
        self._directory = directory
        self._conf = conf
        self._addresses = [f"127.0.0.1:{port}" for port in free_ports(NODES)]
        self._nodes: dict[int, Child] = {}
        self._streams = Streams()
        self._watches: dict[int, socket.socket] = {}
        self._controls: dict[int, _Control] = {}
        self._news: list[tuple[int, int]] = []
        self.participant = 0
        self.returning = NODES - 1

    def _path(self, node: int) -> Path:
        return self._directory / f"n{node}.sock"

    def start(self) -> None:
        for node in FIRST:
            self.spawn_node(node)
        leader = self._wait_leader(FIRST)
        for node in range(len(FIRST), NODES):
            self.spawn_node(node)
        leader = self._wait_leader(range(NODES))
        self.participant = next(node for node in range(NODES) if node != leader)
        for node in range(NODES):
            self.listen_node(node)

    def _ask(self, node: int, question: str) -> str | None:
        """The node's answer, or None when it does not listen."""
        try:
            if node not in self._controls:
                self._controls[node] = _Control(self._path(node))
            return self._controls[node].ask(question)
        except OSError:
            if control := self._controls.pop(node, None):
                control.close()
            return None

    def _wait_leader(self, nodes: range) -> int:
        """The node on which all of `nodes` agree as their leader."""
        deadline = time.perf_counter() + START_S_MAX
        while True:
            leaders = {self._ask(node, "leader") for node in nodes}
            if len(leaders) == 1 and (leader := leaders.pop()) in self._addresses:
                return self._addresses.index(leader)
            for child in self._nodes.values():
                child.check()
            if time.perf_counter() > deadline:
                raise BenchmarkError("PySyncObj elected no leader")
            time.sleep(0.02)

    def orderer(self) -> int:
        return self._wait_leader(range(NODES))

    def aim(self, node: int) -> None:
        self.participant = node

    def submit(self, sequence: int) -> None:
        line = f"put {sequence} {value_of(sequence)}\n"
        self._watches[self.participant].sendall(line.encode())

    def poll(self, timeout_s: float) -> Iterable[tuple[int, int]]:
        self._streams.run(timeout_s)
        news, self._news = self._news, []
        return news

    def shows(self, node: int, sequence: int) -> bool:
        self._nodes[node].check()
        return self._ask(node, f"shows {sequence}") == "yes"

    def stop_node(self, node: int) -> None:
        child = self._forget(node)
        # Its meta file is written once a second; without it a node replays less from its own journal.
        time.sleep(1.1)
        child.terminate()

    def kill_node(self, node: int) -> None:
        self._forget(node).kill()

    def _forget(self, node: int) -> Child:
        self._streams.remove(self._watches.pop(node))
        if control := self._controls.pop(node, None):
            control.close()
        return self._nodes.pop(node)

    def backfill(self, first: int, count: int) -> bool:
        return False

    def spawn_node(self, node: int) -> None:
        self._path(node).unlink(missing_ok=True)
        own = self._addresses[node]
        options = {
            "own": own,
            "others": [address for address in self._addresses if address != own],
            "socket": str(self._path(node)),
            "journal": str(self._directory / f"n{node}.journal"),
            "dump": str(self._directory / f"n{node}.dump"),
            "conf": dict(self._conf),
        }
        command = [sys.executable, "-m", "benchmarks.peers.pysyncobj_node", json.dumps(options)]
        self._nodes[node] = Child(command, self._directory / f"n{node}.log")

    def listen_node(self, node: int) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_S_MAX)
        connection.connect(str(self._path(node)))
        connection.sendall(b"watch\n")
        if connection.recv(len(b"watching\n")) != b"watching\n":
            raise BenchmarkError("PySyncObj's node does not let itself be watched")
        rest = bytearray()

        def applied(data: bytes) -> None:
            *lines, tail = (rest + data).split(b"\n")
            rest[:] = tail
            self._news.extend((node, int(line)) for line in lines)

        self._streams.add(connection, applied)
        self._watches[node] = connection

    def pids(self) -> list[int]:
        return [self._nodes[node].pid for node in sorted(self._nodes)]

    def stop(self) -> None:
        for control in self._controls.values():
            control.close()
        self._controls.clear()
        self._streams.close()
        for child in self._nodes.values():
            child.kill()
        self._nodes.clear()


def _version() -> str:
    return importlib.metadata.version("pysyncobj")


def _missing() -> str | None:
    if importlib.util.find_spec("pysyncobj"):
        return None
    return "PySyncObj is not installed (.venv/bin/pip install '.[bench]')"


def _cluster(directory: Path, conf: Mapping[str, Any]) -> Cluster:
    return PySyncObjCluster(directory, conf)


SYSTEMS = [
    System("PySyncObj", _version, _missing, partial(_cluster, conf={})),
    System("PySyncObj eager", _version, _missing, partial(_cluster, conf={"appendEntriesUseBatch": False})),
]
