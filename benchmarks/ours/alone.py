"""Rows that only aslp2p has, each with the homes that it needs and nothing else running."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import sim
from benchmarks.cluster import Alone, BenchmarkError
from benchmarks.ours import flood
from benchmarks.ours.control import Asking
from benchmarks.ours.discovery import discovery_s
from benchmarks.ours.history import extend
from benchmarks.ours.homes import Household, found
from benchmarks.ours.nodes import ASL, START_S_MAX, up_command, wait_for
from benchmarks.processes import Child, free_ports, resident_mib
from benchmarks.settings import Settings

AUDIT_S_MAX = 600.0
ASK_AGAIN_S = 0.02
PAGES = 20
"""Pages of the tree and of the log that a node is asked for before its memory is looked at."""


def alone(settings: Settings) -> Mapping[str, Alone]:
    """The row's key to how it is measured."""
    rows: dict[str, Alone] = {
        "audit": partial(_audit_per_s, settings.audited),
        "discovery": partial(discovery_s, settings.rounds),
        "status": partial(_status_ms, settings.rounds),
    }
    for count in settings.stores:
        rows[f"store-{count}"] = partial(_store_mib, count)
    rows |= flood.alone(settings.flooded)
    return rows | sim.alone(settings.simulated)


@contextmanager
def _running(household: Household, nodes: Sequence[int], logs: Path) -> Iterator[Callable[[int], Child]]:
    """Gives what spawns a node of `household`; those of `nodes` run already. All are killed at the end."""
    ports = free_ports(len(household.homes))
    children: list[Child] = []

    def spawn(node: int) -> Child:
        children.append(Child(up_command(household, ports, node), logs / f"n{node}.log"))
        return children[-1]

    try:
        for node in nodes:
            child = spawn(node)
            asking = Asking(household.homes[node].path)
            wait_for(f"node {node} up", partial(asking, "version"), [child])
            asking.close()
        yield spawn
    finally:
        for child in children:
            child.kill()


def _audit_per_s(count: int, directory: Path) -> float:
    """Signatures a second that a node audits of a history of `count` snapshots, each of one proposal, from
    showing the last of them (unaudited, G4) to having audited it."""
    household = found(directory, 2)
    extend([household.store_path(0)], household.keys[0], household.keys[1], 1, count)
    with _running(household, [0], directory) as spawn:
        child = spawn(1)
        asking = Asking(household.homes[1].path)
        began, before, deadline = 0.0, 0, time.perf_counter() + AUDIT_S_MAX
        while True:
            now, summary = time.perf_counter(), asking("summary")
            if summary and summary["height"] == count:
                if not began:
                    began, before = now, summary["audited"]
                if summary["audited"] == count:
                    break
            child.check()
            if now > deadline:
                raise BenchmarkError(f"{count} snapshots were not audited in {AUDIT_S_MAX:.0f} s")
            time.sleep(ASK_AGAIN_S)
        asking.close()
    if before == count:
        raise BenchmarkError("the audit was over before it could be watched; take a longer history")
    return 2 * (count - before) / (now - began)


def _status_ms(rounds: int, directory: Path) -> float:
    """`asl status` as a process of its own, from spawn to end; the median."""
    household = found(directory, 1)
    times = []
    with _running(household, [0], directory):
        for _ in range(rounds):
            began = time.perf_counter()
            command = [*ASL, "--home", str(household.homes[0]), "status"]
            subprocess.run(command, capture_output=True, timeout=START_S_MAX, check=True)
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _store_mib(count: int, directory: Path) -> float:
    """Resident memory of a node that has `count` snapshots in its store, once it has shown some of them."""
    household = found(directory, 2)
    extend([household.store_path(0)], household.keys[0], household.keys[1], 1, count)
    with _running(household, [], directory) as spawn:
        child = spawn(0)
        asking = Asking(household.homes[0].path)
        wait_for("a node on a large store", lambda: asking("summary"), [child])
        after, before = "", count + 1
        for _ in range(PAGES):
            page, log = asking("ls", after=after), asking("log", before=before)
            if page is None or log is None:
                raise BenchmarkError("a node on a large store does not answer")
            after, before = page["next"] or "", log["next"] or count + 1
        asking.close()
        return resident_mib(child.pid)
