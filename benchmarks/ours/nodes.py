"""Five homes of a 1-of-1 Common on loopback, as a `Cluster`.

Puts are pipelined on one control connection of a participant. A `head` event of each node tells how long its
log is (it is sent when the snapshot is on that node's disk), and puts of one author are logged in the order
in which they were proposed; so the log's length says which puts a node shows, and the returning node is asked
for the entry itself.
"""

from __future__ import annotations

import base64
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cluster import NODES, BenchmarkError, key_of, value_of
from benchmarks.ours.control import Asking, Lines, call_line, connect
from benchmarks.ours.history import extend
from benchmarks.ours.homes import Household, found
from benchmarks.processes import Child, free_ports
from benchmarks.streams import Streams

ASL = [str(Path(sys.executable).with_name("asl"))]
START_S_MAX = 60.0
WITNESS, PARTICIPANT, RETURNING = 0, 1, NODES - 1


def up_command(household: Household, ports: Sequence[int], node: int) -> list[str]:
    """`asl up` for that node, which dials all others on loopback."""
    command = [*ASL, "--home", str(household.homes[node]), "up", "--no-mdns", "--listen", "127.0.0.1"]
    command += ["--port", str(ports[node])]
    for other, port in enumerate(ports):
        if other != node:
            command += ["--peer", f"127.0.0.1:{port}"]
    return command


def wait_for(what: str, holds: Callable[[], object], children: Iterable[Child] = ()) -> None:
    """Asks until `holds()`; raises `BenchmarkError` naming `what` after too long, or when a child ended."""
    deadline = time.perf_counter() + START_S_MAX
    while not holds():
        for child in children:
            child.check()
        if time.perf_counter() > deadline:
            raise BenchmarkError(f"{what}: not in {START_S_MAX:.0f} s")
        time.sleep(0.01)


class AslCluster:
    """`Cluster` for aslp2p; see the module's docstring."""

    fill_window = 256
    participant = PARTICIPANT
    returning = RETURNING

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._household = self._found(directory)
        self._ports = free_ports(NODES)
        self._nodes: dict[int, Child] = {}
        self._asking = [Asking(home.path) for home in self._household.homes]
        self._streams = Streams()
        self._listening: dict[int, socket.socket] = {}
        self._puts: socket.socket | None = None
        self._news: list[tuple[int, int]] = []
        self._shown = dict.fromkeys(range(NODES), 0)
        self._calls = 0
        self._is_forgiving = False

    def _found(self, directory: Path) -> Household:
        return found(directory, NODES)

    def start(self) -> None:
        for node in range(NODES):
            self.spawn_node(node)
        for node in range(NODES):
            self.listen_node(node)
        self._wait_linked()
        self._open_puts()

    def _wait_linked(self) -> None:
        running = len(self._nodes)

        def linked() -> bool:
            answers = [self._asking[node]("peers") for node in self._nodes]
            return all(answer and len(answer["peers"]) >= running - 1 for answer in answers)

        wait_for("all nodes linked", linked, self._nodes.values())

    def _open_puts(self) -> None:
        self._puts = connect(self._household.homes[self.participant].path)
        self._streams.add(self._puts, Lines(self._answered).feed)

    def _answered(self, answer: dict[str, Any]) -> None:
        if "error" in answer and not self._is_forgiving:
            raise BenchmarkError(f"a put was refused: {answer['error']}")

    def _ask(self, node: int, method: str, **params: Any) -> Any:
        return self._asking[node](method, **params)

    # --- puts and what shows them -----------------------------------------------------------------

    def submit(self, sequence: int) -> None:
        assert self._puts is not None
        self._calls += 1
        data = base64.b64encode(value_of(sequence).encode()).decode()
        self._puts.sendall(call_line(self._calls, "put", path=key_of(sequence), data=data))

    def poll(self, timeout_s: float) -> Iterable[tuple[int, int]]:
        self._streams.run(timeout_s)
        news, self._news = self._news, []
        return news

    def _event(self, node: int, message: dict[str, Any]) -> None:
        params = message.get("params")
        if params and params.get("topic") == "head":
            self._note(node, int(params["log_size"]))

    def _note(self, node: int, size: int) -> None:
        """A node's log has this length now."""
        self._news += [(node, sequence) for sequence in range(self._shown[node] + 1, size + 1)]
        self._shown[node] = max(self._shown[node], size)

    def shows(self, node: int, sequence: int) -> bool:
        self._nodes[node].check()
        return self._ask(node, "entry", path=key_of(sequence)) is not None

    # --- one node ---------------------------------------------------------------------------------

    def stop_node(self, node: int) -> None:
        self._forget(node).terminate()

    def kill_node(self, node: int) -> None:
        self._forget(node).kill()

    def _forget(self, node: int) -> Child:
        self._streams.remove(self._listening.pop(node))
        self._asking[node].close()
        return self._nodes.pop(node)

    def spawn_node(self, node: int) -> None:
        command = up_command(self._household, self._ports, node)
        self._nodes[node] = Child(command, self._directory / f"n{node}.log")

    def listen_node(self, node: int) -> None:
        wait_for(f"node {node} up", lambda: self._ask(node, "version"), [self._nodes[node]])
        connection = connect(self._household.homes[node].path)
        connection.sendall(call_line(1, "subscribe", topics=["head"]))
        self._streams.add(connection, Lines(lambda message: self._event(node, message)).feed)
        self._listening[node] = connection
        self._note(node, int(self._ask(node, "show").get("log_size", 0)))

    # --- all of them ------------------------------------------------------------------------------

    def backfill(self, first: int, count: int) -> bool:
        running = sorted(self._nodes)
        assert self._puts is not None
        self._streams.remove(self._puts)
        for node in running:
            self.stop_node(node)
        paths = [self._household.store_path(node) for node in running]
        keys = self._household.keys
        extend(paths, keys[WITNESS], keys[PARTICIPANT], first, count)
        for node in running:
            self._shown[node] = first + count - 1
            self.spawn_node(node)
        for node in running:
            self.listen_node(node)
        self._wait_linked()
        self._open_puts()
        return True

    def orderer(self) -> int:
        return WITNESS

    def aim(self, node: int) -> None:
        if self._puts is not None:
            self._streams.remove(self._puts)
        self.participant = node
        self._is_forgiving = True
        self._open_puts()

    def pids(self) -> list[int]:
        return [self._nodes[node].pid for node in sorted(self._nodes)]

    def stop(self) -> None:
        for asking in self._asking:
            asking.close()
        self._streams.close()
        for node in self._nodes.values():
            node.kill()
        self._nodes.clear()
