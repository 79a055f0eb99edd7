"""What the benchmarks ask of a system: five nodes, puts into one of them, and what each node shows.

Every system is driven by the same code (`benchmarks.driver`) through `Cluster`, so all are judged alike:
a put counts when **every running node** shows it in its own local state, and the clock is the driver's.
Entries are named by a sequence number that the driver hands out; `key_of` and `value_of` say what to store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.settings import Settings

NODES = 5
VALUE_BYTES = 200
IN_FLIGHT = 64


class BenchmarkError(Exception):
    """A system did not do its part (did not start, lost a put, ran out of time); the row says so."""


class Unavailable(Exception):
    """This machine cannot measure that; the text says what is missing."""


class Cluster(Protocol):
    """Five nodes of one system on loopback. Made stopped; `stop` may be called at any time, twice too."""

    participant: int
    """The node that takes the puts; never the one that orders them (leader, witness)."""
    returning: int
    """The node that is stopped and spawned again; neither `participant` nor the ordering one."""
    fill_window: int
    """Puts in flight while a history is written and nothing is measured."""

    def start(self) -> None:
        """Spawns every node and opens the client connections; returns when puts are accepted."""

    def submit(self, sequence: int) -> None:
        """Puts `value_of(sequence)` at `key_of(sequence)` into `participant`, without waiting for it."""

    def poll(self, timeout_s: float) -> Iterable[tuple[int, int]]:
        """Waits up to `timeout_s` for news: (node, sequence) pairs that a node now shows."""

    def shows(self, node: int, sequence: int) -> bool:
        """Whether that node itself, asked now, has the entry; False while it does not answer."""

    def stop_node(self, node: int) -> None:
        """Stops one node in its orderly way; returns when its process is gone."""

    def kill_node(self, node: int) -> None:
        """Kills one node (SIGKILL); returns when its process is gone."""

    def spawn_node(self, node: int) -> None:
        """Starts a stopped node again on what it has on disk; does not wait for it."""

    def listen_node(self, node: int) -> None:
        """Opens the client connections of a node that was spawned again and answers."""

    def backfill(self, first: int, count: int) -> bool:
        """Writes `count` entries from `first` on into what the running nodes have on disk, each entry a step
        of the history of its own, and starts them again. False, and nothing done, where a system has no
        such way: then they are put.
        """

    def orderer(self) -> int:
        """The node that orders now (leader, witness); returns when all running nodes agree on it."""

    def aim(self, node: int) -> None:
        """From now on puts go to `node`, over new connections, and one that is refused is let go: the driver
        asks again."""

    def pids(self) -> list[int]:
        """The process ids of the running nodes, in the nodes' order."""

    def stop(self) -> None:
        """Ends every process. Files stay: the directory belongs to the caller."""


Alone = Callable[[Path], float]
"""Measures one row once in the given directory, in the row's unit. Raises `Unavailable`, `BenchmarkError`."""


def _nothing(settings: Settings) -> Mapping[str, Alone]:
    return {}


@dataclass(frozen=True)
class System:
    """One column of the table. `missing` returns why it cannot run here, or None."""

    name: str
    version: Callable[[], str]
    missing: Callable[[], str | None]
    cluster: Callable[[Path], Cluster]
    takeover: Callable[[Path], Cluster] | None = None
    """The cluster in which the one that orders is killed, where it is not `cluster`."""
    alone: Callable[[Settings], Mapping[str, Alone]] = _nothing
    """Rows that only this system has, each measured by itself: the row's key to how."""


def key_of(sequence: int) -> str:
    """The key (path) of an entry: 14 printable characters, in the order of the sequence."""
    return f"b/{sequence:012d}"


def value_of(sequence: int) -> str:
    """`VALUE_BYTES` printable characters that differ from one entry to the next."""
    digest = hashlib.sha256(sequence.to_bytes(8, "big")).hexdigest()
    return (digest * (VALUE_BYTES // len(digest) + 1))[:VALUE_BYTES]
