"""The simulator: how many events of real nodes a core handles, and how much faster than life that is.

A crowd of members of one Common, linked as their daemons would be (`simulations.crowd`); somebody puts a
small file every five to fifteen minutes, the grace period is a month, and nothing fails: a household's
everyday. An event is one input of one node: a message, a tick, a command. Time is processor time, so that
other work on the machine counts less; each size runs in a process of its own, for its memory.

`python -m benchmarks.sim` prints all sizes, `python -m benchmarks.sim 25 --minutes 120 --profile` one.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from random import Random

import click

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.types import Put
from aslp2p.core.inputs import AddContent, Propose
from benchmarks.cluster import BenchmarkError
from benchmarks.processes import resident_mib
from simulations.crowd import crowd
from simulations.garbage import rarely_collected
from simulations.scenario import DAY, MINUTE
from simulations.world import World

MINUTES = {5: 2 * 24 * 60, 25: 6 * 60, 100: 60, 1000: 10}
"""Machines to virtual minutes that are measured: about five seconds of work each."""
SETTLE_MS = 2 * MINUTE
PUT_EVERY_MS = (5 * MINUTE, 15 * MINUTE)


@dataclass(frozen=True)
class Figures:
    """What one size comes to."""

    nodes: int
    virtual_ms: int
    events: int
    cpu_s: float
    kib_per_node: float
    """Resident memory that the crowd takes when it has settled, without what an empty process has."""
    grown_kib_per_node_hour: float
    """What each machine's share of that grows by, in an hour of virtual time."""

    @property
    def events_per_s(self) -> float:
        return self.events / self.cpu_s

    @property
    def times_real(self) -> float:
        return self.virtual_ms / 1000 / self.cpu_s


@rarely_collected()
def measure(nodes: int, minutes: float, *, seed: int = 1, profile: cProfile.Profile | None = None) -> Figures:
    """Play it here, in this process."""
    empty_mib = resident_mib(os.getpid())
    world = World(seed)
    names = crowd(world, nodes)
    world.run(SETTLE_MS)
    settled_mib = resident_mib(os.getpid())
    random = Random(seed)

    def put() -> None:
        name = random.choice(names)
        data = random.randbytes(100)
        id_ = content_id(data)
        world.command(name, AddContent(((id_, data),)))
        world.command(
            name,
            Propose(Put(f"{name}/{random.randrange(100)}", id_, len(data), "text/plain", False, 0, None)),
        )
        world.plan(random.randint(*PUT_EVERY_MS), put)

    world.plan(random.randint(*PUT_EVERY_MS) // 2, put)
    events, virtual_ms = world.log.count, round(minutes * MINUTE)
    began = time.process_time()
    if profile is not None:
        profile.enable()
    world.run(virtual_ms)
    if profile is not None:
        profile.disable()
    cpu_s = time.process_time() - began
    grown = (resident_mib(os.getpid()) - settled_mib) * 1024 / nodes / (minutes / 60)
    taken = (settled_mib - empty_mib) * 1024 / nodes
    return Figures(nodes, virtual_ms, world.log.count - events, cpu_s, taken, grown)


@cache
def _apart(nodes: int, minutes: float, run: int) -> Figures:
    """`measure` in a fresh process; each `run` once, for all rows that it fills. Raises `BenchmarkError`."""
    command = [sys.executable, "-m", "benchmarks.sim", str(nodes), "--minutes", str(minutes), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    if found.returncode:
        raise BenchmarkError(f"simulating {nodes} machines failed: {found.stderr.strip()[-300:]}")
    return Figures(**json.loads(found.stdout))


def rows() -> list[tuple[str, str, str, str, bool]]:
    """Key, title, unit, aim and whether more is better of the simulator's rows, in the table's order."""
    listed = []
    for nodes in MINUTES:
        aim = {5: "5,000", 1000: f"{DAY / 600_000:.0f} (a day in 10 minutes)"}.get(nodes, "")
        title = f"simulated, {nodes:,} nodes"
        listed += [
            (f"sim-{nodes}-events", f"{title}: events a core", "/s", "20,000", True),
            (f"sim-{nodes}-speed", f"{title}: virtual over real time", "×", aim, True),
            (f"sim-{nodes}-memory", f"{title}: memory a node", "KiB", "flat", False),
        ]
    return listed


_PARTS: Mapping[str, Callable[[Figures], float]] = {
    "events": lambda figures: figures.events_per_s,
    "speed": lambda figures: figures.times_real,
    "memory": lambda figures: figures.kib_per_node,
}


_taken: Counter[str] = Counter()
"""How often each row was measured in this process: that is its run."""


def alone(part_of: float) -> dict[str, Callable[[Path], float]]:
    """The row's key to how it is measured, for a part of `MINUTES`; the rows of one size and run share one
    process."""

    def take(nodes: int, part: str, _place: Path) -> float:
        key = f"sim-{nodes}-{part}"
        _taken[key] += 1
        return _PARTS[part](_apart(nodes, MINUTES[nodes] * part_of, _taken[key]))

    return {f"sim-{nodes}-{part}": partial(take, nodes, part) for nodes in MINUTES for part in _PARTS}


def _line(figures: Figures) -> str:
    return (
        f"{figures.nodes:>5} nodes: {figures.events_per_s:>7,.0f} events/s, "
        f"{figures.times_real:>8,.0f} times real, {figures.kib_per_node:>6,.0f} KiB a node, "
        f"{figures.grown_kib_per_node_hour:+.1f} KiB a node and hour"
    )


@click.command()
@click.argument("nodes", type=click.IntRange(2, 2000), required=False)
@click.option("--minutes", type=click.FloatRange(0.1), help="Virtual time.")
@click.option("--profile", is_flag=True, help="Show where the time goes.")
@click.option("--json", "as_json", is_flag=True)
def main(nodes: int | None, minutes: float | None, profile: bool, as_json: bool) -> None:
    """Measure the simulator, all sizes or one."""
    if nodes is None:
        for size in MINUTES:
            click.echo(_line(_apart(size, minutes or MINUTES[size], 0)))
        return
    profiler = cProfile.Profile() if profile else None
    figures = measure(nodes, minutes or MINUTES.get(nodes, 10), profile=profiler)
    click.echo(json.dumps(asdict(figures)) if as_json else _line(figures))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
