"""`python -m benchmarks`: measures, prints a table, and writes JSON when asked."""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from benchmarks import limits, markdown, ours, rows, table
from benchmarks.cluster import BenchmarkError, System, Unavailable
from benchmarks.machine import machine
from benchmarks.peers import etcd, pysyncobj
from benchmarks.settings import QUICK, Settings
from benchmarks.table import Results, Row

# In the columns' order; aslp2p comes first.
SYSTEMS: list[System] = [*ours.SYSTEMS, *etcd.SYSTEMS, *pysyncobj.SYSTEMS]
LIMIT_S = 1.0
QUICK_LIMIT_S = 0.2


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _parts(
    system: System, settings: Settings, keys: set[str], place: Path, *, is_first: bool
) -> Iterator[Iterator[tuple[str, float]]]:
    """What is measured of a system in one run, each part by itself: one that fails leaves the others alone.

    What takes minutes and hardly varies (takeovers, large stores) is measured in the first run only.
    """
    yield rows.run(system, settings, keys, place)
    if is_first:
        yield rows.takeovers(system, settings, keys, place)
    for key in system.alone(settings):
        if key in keys and (is_first or not key.startswith("store-")):
            yield rows.alone(system, settings, key, place)


def _measure(results: Results, listed: list[System], settings: Settings, keys: set[str], place: Path) -> None:
    """Runs in turn, one of each system a round, so that a machine that slows down slows all of them."""
    for trial in range(settings.trials):
        for system in listed:
            _say(f"{system.name}, run {trial + 1} of {settings.trials}")
            for part in _parts(system, settings, keys, place, is_first=trial == 0):
                try:
                    for key, figure in part:
                        _say(f"  {key} {table.shown(figure)}")
                        results.figures.setdefault(key, {}).setdefault(system.name, []).append(figure)
                except Unavailable as why:
                    results.skipped[f"a row of {system.name}"] = str(why)
                except (BenchmarkError, OSError) as problem:
                    results.failures.append(f"{system.name}, run {trial + 1}: {problem}")
                    _say(f"  failed: {problem}")


def _measure_limits(results: Results, trials: int, seconds: float, place: Path) -> None:
    for trial in range(trials):
        _say(f"limits, run {trial + 1} of {trials}")
        for name, limit in limits.LIMITS.items():
            results.limits.setdefault(name, []).append(limit.measure(seconds, place))


def _print(results: Results, chosen: list[Row], *, is_plain: bool) -> None:
    systems = list(results.systems)
    lines = [table.header(systems)]
    floors = {name: statistics.median(runs) for name, runs in results.limits.items()}
    lines += [table.cells(row, results.figures.get(row.key, {}), systems, floors) for row in chosen]
    floor = [["limit of this machine", "median"]]
    for name, figure in floors.items():
        limit = limits.LIMITS[name]
        floor.append([limit.title, f"{table.shown(figure)} {limit.unit}"])
    for text in (lines, floor):
        if len(text) > 1:
            _print_one(text, is_plain=is_plain)
    for name, why in results.skipped.items():
        click.echo(f"skipped {name}: {why}")
    for failure in results.failures:
        click.echo(f"failed: {failure}")


def _print_one(lines: list[list[str]], *, is_plain: bool) -> None:
    if is_plain:
        click.echo(table.plain(lines) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*lines[0])
    for line in lines[1:]:
        drawn.add_row(*line)
    Console().print(drawn)


_HISTORY = click.IntRange(1, 10_000_000)
_FILE = click.Path(dir_okay=False, path_type=Path)
_WRITTEN = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--row", "wanted", multiple=True, metavar="ROW", help="Only this row; may be repeated.")
@click.option("--system", "names", multiple=True, metavar="NAME", help="Only this system; may be repeated.")
@click.option("--trials", type=click.IntRange(1, 100), help="Runs of each system (default 3).")
@click.option("--quick", is_flag=True, help="One short run: a look, not a figure to keep.")
@click.option("--history", "histories", type=_HISTORY, multiple=True, help="Entries missed; may be repeated.")
@click.option("--limits/--no-limits", "with_limits", default=True, help="Measure the machine's limits too.")
@click.option("--json", "output", type=_FILE, help="Write all figures here.")
@click.option("--place", type=_FOLDER, help="Where nodes keep files (default: the temporary directory).")
@click.option("--plain", "is_plain", is_flag=True, help="Plain text even on a terminal.")
@click.option("--list", "is_list", is_flag=True, help="Name the rows and the systems, and end.")
@click.option("--markdown", "written", type=_WRITTEN, help="Only print the tables of this JSON for a page.")
def main(
    wanted: tuple[str, ...],
    names: tuple[str, ...],
    trials: int | None,
    quick: bool,
    histories: tuple[int, ...],
    with_limits: bool,
    output: Path | None,
    place: Path | None,
    is_plain: bool,
    is_list: bool,
    written: Path | None,
) -> None:
    """Measure aslp2p beside its peers and the limits of this machine.

    Five nodes on loopback. Figures are medians of several runs; (2×) says that ours is twice as good.
    """
    if written is not None:
        click.echo(markdown.page(json.loads(written.read_text())))
        return
    settings = QUICK if quick else Settings()
    settings = replace(settings, trials=trials or settings.trials, histories=histories or settings.histories)
    try:
        chosen = rows.choose(rows.rows(settings), wanted)
    except BenchmarkError as problem:
        raise click.UsageError(str(problem)) from None
    known = {system.name: system for system in SYSTEMS}
    for name in names:
        if name not in known:
            raise click.UsageError(f"no system {name!r}; there are {', '.join(known)}")
    listed = [known[name] for name in known if not names or name in names]
    if is_list:
        for row in chosen:
            click.echo(f"{row.key:16} {row.title} ({row.unit})")
        for system in listed:
            click.echo(f"{system.name:16} {system.missing() or system.version()}")
        return
    signal.signal(signal.SIGTERM, _end)
    place = place or Path(tempfile.gettempdir())
    skipped = {system.name: why for system in listed if (why := system.missing())}
    listed = [system for system in listed if system.name not in skipped]
    results = Results(machine(place), {system.name: system.version() for system in listed}, skipped)
    if with_limits:
        _measure_limits(results, settings.trials, QUICK_LIMIT_S if quick else LIMIT_S, place)
    _measure(results, listed, settings, {row.key for row in chosen}, place)
    _print(results, chosen, is_plain=is_plain or not sys.stdout.isatty())
    if output:
        output.write_text(json.dumps(table.as_json(results, chosen), indent=2) + "\n")
    if results.failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
