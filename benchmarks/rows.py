"""The rows of the table: what each figure is, its unit, its aim, and the steps that measure them in one run.

A run starts a fresh cluster, takes the steps that the chosen rows need in the order below (idle first, on an
empty history), and ends it. One step may fill several rows; a step that fails leaves the others alone, but
nothing is measured on that cluster any more. Takeovers have a cluster of their own, and what only one system
has is measured by itself (`System.alone`).
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sim
from benchmarks.cluster import BenchmarkError, Cluster, System
from benchmarks.driver import Driver
from benchmarks.settings import Settings
from benchmarks.table import Row, percentile


@dataclass(frozen=True)
class Step:
    """Takes one or more figures from a running cluster: `measure` returns one for each key, in order."""

    keys: tuple[str, ...]
    measure: Callable[[Driver], Sequence[float]]


FLOODS = {
    "ranges": "ranges",
    "ranges-4": "ranges on four links",
    "contents": "contents",
    "proposals": "proposals to refuse, 200 at a time",
    "puts": "good puts, 200 at a time",
}
_LATENCY_QUOTED = "js gossipsub 5.3, py-libp2p 11, autobase 28, Syncthing 1,000"
_SUSTAINED_QUOTED = "hypercore 700 to 1,600, js gossipsub 650, autobase 420, py-libp2p 110"
_READY_QUOTED = "hypercore 0.46, js-libp2p 1.1, Syncthing 1.6"
_RETURN_AIMS = {10_000: "0.6 s", 100_000: "below etcd's"}
_RETURN_QUOTED = {10_000: "hypercore 3.0, autobase 10"}


def rows(settings: Settings) -> list[Row]:
    """Every row, in the table's order; one return and one memory row a history."""
    listed = [
        Row("put-p50", "one put until visible on all, median", "ms", "below etcd's", _LATENCY_QUOTED),
        Row("put-p99", "one put until visible on all, 99th of 100", "ms", "10 ms"),
        Row(
            "sustained",
            "puts until visible on all, 64 in flight",
            "/s",
            "above etcd's",
            _SUSTAINED_QUOTED,
            True,
        ),
    ]
    for count in settings.histories:
        aim, quoted = _RETURN_AIMS.get(count, ""), _RETURN_QUOTED.get(count, "")
        title = f"spawn to showing the last of {count:,} missed"
        listed.append(Row(f"return-{count}", title, "s", aim, quoted))
    listed += [
        Row("ready", "spawn to ready, nothing missed", "s", "0.5 s", _READY_QUOTED),
        Row("idle-rss", "idle, resident", "MiB", "45 MiB", "Syncthing 46, autobase 73, py-libp2p 85"),
        Row("idle-cpu", "idle, of one core", "%", "0.1 %", "Syncthing 0.07"),
        Row(
            "audit",
            "full audit, signatures",
            "/s",
            "70 % of two threads",
            more_is_better=True,
            limit="verify-2",
        ),
        Row("discovery", "first discovery between two namespaces", "s", "0.2 s", "mDNS probing 1.2"),
        Row("status", "asl status", "ms", "120 ms", "bare Python 30"),
    ]
    for count in settings.histories:
        listed.append(Row(f"memory-{count}", f"resident after {count:,} more in the store", "MiB", "flat"))
    for count in settings.stores:
        listed.append(Row(f"store-{count}", f"resident on a store of {count:,}, asked", "MiB", "flat"))
    killed = f"kill -9 of who orders to the next put on all others, {settings.takeovers} times"
    listed += [
        Row("takeover-p50", f"{killed}: median", "s", "1.5 s (grace_period 1 s)"),
        Row("takeover-worst", f"{killed}: worst", "s", "there is a successor"),
    ]
    for key, what in FLOODS.items():
        listed.append(
            Row(f"flood-{key}", f"honest put in a flood of {what}, over the same run's calm", "×", "3")
        )
    for key, title, unit, aim, is_more_better in sim.rows():
        listed.append(Row(key, title, unit, aim, more_is_better=is_more_better))
    return listed


def choose(listed: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    """The rows whose key is one of `wanted` or begins with one and a dash; all when `wanted` is empty.

    Raises `BenchmarkError`, naming what there is, for a name that fits no row.
    """
    for name in wanted:
        if not any(_fits(row.key, name) for row in listed):
            raise BenchmarkError(f"no row {name!r}; there are {', '.join(row.key for row in listed)}")
    return [row for row in listed if not wanted or any(_fits(row.key, name) for name in wanted)]


def _fits(key: str, name: str) -> bool:
    return key == name or key.startswith(name + "-")


def steps(settings: Settings) -> list[Step]:
    """What a run does, in order; the histories grow, so the largest comes last."""

    def latencies(driver: Driver) -> Sequence[float]:
        times = driver.put_latencies_ms(settings.puts, settings.seconds_max)
        return percentile(times, 50), percentile(times, 99)

    def sustained(driver: Driver) -> Sequence[float]:
        return (driver.sustained_per_s(settings.sustained_puts, settings.seconds_max),)

    def returned(count: int) -> Callable[[Driver], Sequence[float]]:
        return lambda driver: (driver.return_s(count), driver.resident_mib())

    listed = [
        Step(("idle-rss", "idle-cpu"), lambda driver: driver.idle(settings.idle_s)),
        Step(("put-p50", "put-p99"), latencies),
        Step(("sustained",), sustained),
        Step(("ready",), lambda driver: (driver.return_s(0),)),
    ]
    for count in sorted(settings.histories):
        listed.append(Step((f"return-{count}", f"memory-{count}"), returned(count)))
    return listed


def run(system: System, settings: Settings, wanted: set[str], place: Path) -> Iterator[tuple[str, float]]:
    """One run of one system: (row's key, figure) as they come, of the rows in `wanted`.

    Raises `BenchmarkError` at the step that fails; what came before it stands. Its files, in a directory of
    its own under `place`, are gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=place) as directory:
        cluster = system.cluster(Path(directory))
        try:
            yield from _figures(cluster, settings, wanted)
        finally:
            cluster.stop()


def _figures(cluster: Cluster, settings: Settings, wanted: set[str]) -> Iterator[tuple[str, float]]:
    needed = [step for step in steps(settings) if wanted.intersection(step.keys)]
    if not needed:
        return
    cluster.start()
    driver = Driver(cluster)
    for step in needed:
        for key, figure in zip(step.keys, step.measure(driver), strict=True):
            if key in wanted:
                yield key, figure


TAKEOVER_ROWS = ("takeover-p50", "takeover-worst")


def takeovers(
    system: System, settings: Settings, wanted: set[str], place: Path
) -> Iterator[tuple[str, float]]:
    """As `run`, for the rows of takeovers, on a cluster of their own."""
    if not wanted.intersection(TAKEOVER_ROWS):
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=place) as directory:
        cluster = (system.takeover or system.cluster)(Path(directory))
        try:
            cluster.start()
            times = Driver(cluster).takeovers_s(settings.takeovers)
        finally:
            cluster.stop()
    figures = dict(zip(TAKEOVER_ROWS, (statistics.median(times), max(times)), strict=True))
    yield from ((key, figures[key]) for key in TAKEOVER_ROWS if key in wanted)


def alone(system: System, settings: Settings, key: str, place: Path) -> Iterator[tuple[str, float]]:
    """As `run`, for one row that only this system has. Raises `Unavailable` too."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=place) as directory:
        yield key, system.alone(settings)[key](Path(directory))
