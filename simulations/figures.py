"""`python -m simulations figure`: the figures of `docs/simulations.md`, each made by one command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from math import ceil
from pathlib import Path
from typing import Any

import click

from simulations.dissemination import SNAPSHOTS, bound, spread
from simulations.drawing import draw_dissemination, draw_recovery
from simulations.extras import require_drawing
from simulations.options import a_number
from simulations.recovery_times import GRACES, SPREADS, Setting, measure

SIZES = (10, 100, 1000)
TRIALS = 1_000

_seed = click.option("--seed", callback=a_number(0, 2**53, whole=True), default="0", show_default=True)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
_output = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Draw it here (PNG)."
)
_workers = click.option(
    "--workers",
    callback=a_number(1, 256, whole=True),
    default=str(os.cpu_count() or 1),
    show_default=True,
    help="Processes.",
)
_trials = click.option(
    "--trials",
    callback=a_number(1, 1_000_000, whole=True),
    default=str(TRIALS),
    show_default=True,
    help="Of each line.",
)
_snapshots = click.option(
    "--snapshots",
    callback=a_number(1, 1000, whole=True),
    default=str(SNAPSHOTS),
    show_default=True,
    help="How many are followed.",
)
_nodes = click.option(
    "--nodes",
    "sizes",
    multiple=True,
    type=click.IntRange(2, 1000),
    help="Machines; may be repeated [10, 100, 1000]",
)


@click.group("figure")
def figure() -> None:
    """Draw what is measured over many runs."""


def quantile(times: Sequence[float], share: float) -> float:
    """Of sorted times: the least one that `share` of them do not exceed."""
    return times[max(0, ceil(share * len(times) - 1e-9) - 1)]


def summary(setting: Setting, times: Sequence[float]) -> dict[str, Any]:
    """A line of the recovery figure in numbers (ms); None stands for trials in which nobody followed."""
    found = {"median_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99), "max_ms": times[-1]}
    finite = {name: one if one < float("inf") else None for name, one in found.items()}
    return {"name": setting.name, "grace_ms": setting.grace_ms, "trials": len(times), **finite}


def _seconds(milliseconds: float | None) -> str:
    return "for ever" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


@figure.command("recovery")
@_output
@_trials
@_workers
@_seed
@_json
def recovery(output: Path | None, trials: int, workers: int, seed: int, as_json: bool) -> None:
    """The time without a witness, as cumulative distributions, for several spreads of the waiting time."""
    if output is not None:
        require_drawing(output)
    groups = {
        "How far apart the successors wait (grace period 10 s)": SPREADS,
        "As built: the successors wait a twentieth of the grace period apart": GRACES,
    }
    total = trials * sum(map(len, groups.values()))
    with click.progressbar(length=total, file=sys.stderr, label="trials", width=30) as bar:
        panels = [
            (title, settings, measure(settings, trials, workers=workers, seed=seed, done=bar.update))
            for title, settings in groups.items()
        ]
    if output is not None:
        draw_recovery(panels, output)
    lines = [summary(*one) for _, settings, times in panels for one in zip(settings, times, strict=True)]
    if as_json:
        click.echo(json.dumps({"seed": seed, "lines": lines}))
        return
    for line in lines:
        shown = [_seconds(line[key]) for key in ("median_ms", "p99_ms", "max_ms")]
        click.echo(f"{line['name']:<42} median {shown[0]}, 99 of 100 {shown[1]}, longest {shown[2]}")


@figure.command("dissemination")
@_output
@_nodes
@_snapshots
@_workers
@_seed
@_json
def dissemination(
    output: Path | None, sizes: tuple[int, ...], snapshots: int, workers: int, seed: int, as_json: bool
) -> None:
    """Coverage over time and redundancy of one snapshot, beside the analytic bound for the fanout."""
    if output is not None:
        require_drawing(output)
    sizes = sizes or SIZES
    with ProcessPoolExecutor(workers) as pool:
        largest_first = {
            nodes: pool.submit(spread, nodes, seed, snapshots=snapshots) for nodes in sorted(sizes)[::-1]
        }
        spreads = [largest_first[nodes].result() for nodes in sizes]
    if output is not None:
        draw_dissemination(spreads, output)
    lines = [
        {
            "nodes": one.nodes,
            "links": round(one.links, 2),
            "half_ms": one.until(0.5),
            "p99_ms": one.until(0.99),
            "all_ms": one.until(1),
            "bound_ms": round(bound(one.nodes)[1], 1),
            "copies": round(one.redundancy, 2),
            "missing": one.missing,
        }
        for one in spreads
    ]
    if as_json:
        click.echo(json.dumps({"seed": seed, "snapshots": snapshots, "lines": lines}))
        return
    for line in lines:
        click.echo(
            f"{line['nodes']:>5} machines, {line['links']} links each: half after {line['half_ms']:g} ms, "
            f"99 of 100 after {line['p99_ms']:g} ms, all after {line['all_ms']:g} ms (Pittel's rounds: "
            f"{line['bound_ms']:g} ms); {line['copies']:g} copies to each machine"
        )
