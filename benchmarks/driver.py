"""Measures one running cluster: the same steps and the same clock for every system.

A put is *visible* when every running node has shown it by itself, the node that took it included. Times are
from just before `submit` to just after the last node's news was read. Every wait is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.cluster import IN_FLIGHT, NODES, BenchmarkError, Cluster
from benchmarks.processes import cpu_s, resident_mib

VISIBLE_S_MAX = 30.0
RETURN_S_MAX = 120.0
FILL_S_MAX = 1800.0
ASK_AGAIN_S = 0.001
TAKEOVER_S_MAX = 60.0
PUT_AGAIN_S = 0.05
"""How often a client tries while nobody orders."""


class Driver:
    """Hands out sequence numbers, and keeps what is in flight and who has shown it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._next = 1
        self._missing: dict[int, set[int]] = {}
        self._running = set(range(NODES))

    @property
    def last(self) -> int:
        """The newest sequence number handed out; 0 before the first."""
        return self._next - 1

    def _submit(self) -> None:
        self._missing[self._next] = set(self._running)
        self._cluster.submit(self._next)
        self._next += 1

    def _collect(self, until: Callable[[], bool]) -> None:
        """Reads news until `until()`; raises `BenchmarkError` when nothing new comes for too long."""
        deadline = time.perf_counter() + VISIBLE_S_MAX
        while not until():
            for node, sequence in self._cluster.poll(0.1):
                missing = self._missing.get(sequence)
                if missing is None:
                    continue
                missing.discard(node)
                if not missing:
                    del self._missing[sequence]
                    deadline = time.perf_counter() + VISIBLE_S_MAX
            if time.perf_counter() > deadline:
                nodes = sorted(set().union(*self._missing.values()))
                raise BenchmarkError(f"{len(self._missing)} puts not visible on nodes {nodes}")

    def put_latencies_ms(self, count: int, seconds_max: float) -> list[float]:
        """One put at a time: put → visible on every node, in ms; `count` of them, fewer of a slow system."""
        times: list[float] = []
        deadline = time.perf_counter() + seconds_max
        while len(times) < count and (began := time.perf_counter()) < deadline:
            self._submit()
            self._collect(lambda: not self._missing)
            times.append((time.perf_counter() - began) * 1000)
        return times

    def fill(self, count: int, window: int, seconds_max: float) -> float:
        """`count` puts, or as many as start in `seconds_max`, at most `window` not yet visible everywhere.

        Returns puts a second, the clock stopping when the last is visible.
        """
        first, began = self._next, time.perf_counter()
        while self._next - first < count and time.perf_counter() - began < seconds_max:
            self._submit()
            if len(self._missing) >= window:
                self._collect(lambda: len(self._missing) < window)
        self._collect(lambda: not self._missing)
        return (self._next - first) / (time.perf_counter() - began)

    def sustained_per_s(self, count: int, seconds_max: float) -> float:
        """Puts a second until visible on every node, `IN_FLIGHT` at a time."""
        return self.fill(count, IN_FLIGHT, seconds_max)

    def return_s(self, behind: int) -> float:
        """Stops a node, writes `behind` entries, spawns it: seconds until it shows the last of them."""
        node = self._cluster.returning
        if self.last == 0:
            self.fill(1, 1, FILL_S_MAX)
        self._cluster.stop_node(node)
        self._running.discard(node)
        goal = self.last + behind
        if behind and self._cluster.backfill(self._next, behind):
            self._next += behind
        else:
            self.fill(behind, self._cluster.fill_window, FILL_S_MAX)
        if self.last < goal:
            raise BenchmarkError(f"{behind} entries were not written in {FILL_S_MAX:.0f} s")
        return self._spawn(node, self.last)

    def _spawn(self, node: int, goal: int) -> float:
        """Seconds from spawning a stopped node to its showing entry `goal`."""
        began = time.perf_counter()
        self._cluster.spawn_node(node)
        while not self._cluster.shows(node, goal):
            if time.perf_counter() - began > RETURN_S_MAX:
                raise BenchmarkError(f"node {node} did not return in {RETURN_S_MAX:.0f} s")
            time.sleep(ASK_AGAIN_S)
        took = time.perf_counter() - began
        self._cluster.listen_node(node)
        self._running.add(node)
        return took

    def takeovers_s(self, count: int) -> list[float]:
        """Kills the node that orders, `count` times: seconds from each kill until an entry that was put after
        it is visible on every other node. The client puts another one every `PUT_AGAIN_S` meanwhile. The
        killed node is back, and shows that entry, before the next is killed.
        """
        times = []
        for _ in range(count):
            lost = self._cluster.orderer()
            self._cluster.aim(min(self._running - {lost}))
            self.fill(1, 1, VISIBLE_S_MAX)
            self._cluster.kill_node(lost)
            self._running.discard(lost)
            took, seen = self._until_ordered()
            times.append(took)
            self._spawn(lost, seen)
        return times

    def _until_ordered(self) -> tuple[float, int]:
        """Seconds until an entry put from now on is visible on every running node, and which it is."""
        began, first = time.perf_counter(), self._next
        shown: dict[int, set[int]] = {}
        while (now := time.perf_counter()) - began < TAKEOVER_S_MAX:
            if now >= began + (self._next - first) * PUT_AGAIN_S:
                self._cluster.submit(self._next)
                self._next += 1
            for node, sequence in self._cluster.poll(PUT_AGAIN_S / 10):
                if sequence < first:
                    continue
                shown.setdefault(sequence, set()).add(node)
                if shown[sequence] >= self._running:
                    return time.perf_counter() - began, sequence
        raise BenchmarkError(f"nobody took over in {TAKEOVER_S_MAX:.0f} s")

    def idle(self, seconds: float) -> tuple[float, float]:
        """Leaves the nodes alone: resident MiB at the end and percent of one core, both a node's mean."""
        pids = self._cluster.pids()
        began, before = time.perf_counter(), sum(map(cpu_s, pids))
        time.sleep(seconds)
        used = (sum(map(cpu_s, pids)) - before) / (time.perf_counter() - began)
        return self.resident_mib(), 100 * used / len(pids)

    def resident_mib(self) -> float:
        """Resident memory in MiB, mean of the running nodes."""
        pids = self._cluster.pids()
        return sum(map(resident_mib, pids)) / len(pids)
