"""`python -m simulations run`: play one scenario with one seed and report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, TextIO

import click

from aslp2p.errors import UsageError
from simulations import report
from simulations.extras import require_drawing
from simulations.live import Bar, Watch
from simulations.options_run import json_option, nodes_option, scenario_of, seed_option
from simulations.play import Play
from simulations.result import Result, run
from simulations.scenario import HOUR, Scenario

LONG_MS = 12 * HOUR
MANY_MACHINES = 50
"""Runs of more virtual time, or of more machines, than this show a bar where somebody looks."""

log_option = click.option(
    "--log", "log_path", type=click.Path(dir_okay=False, path_type=Path), help="Write every event to a file."
)


@click.command("run")
@click.argument("name", metavar="SCENARIO")
@nodes_option
@seed_option
@json_option
@log_option
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the run as a PNG.")
@click.option("--watch", is_flag=True, help="Show the machines while it runs.")
def run_(
    name: str,
    nodes: int | None,
    seed: int,
    as_json: bool,
    log_path: Path | None,
    plot: Path | None,
    watch: bool,
) -> None:
    """Play SCENARIO (a name from `list`, a file, or `swarm`) and judge it."""
    scenario = scenario_of(name, seed, nodes)
    if plot is not None:
        require_drawing(plot)
    with ExitStack() as stack:
        log = None if log_path is None else stack.enter_context(opened(log_path))
        view: Callable[[Play], None] | None = None
        if watch:
            view = stack.enter_context(Watch())
        elif sys.stderr.isatty() and _is_long(scenario):
            view = stack.enter_context(Bar(scenario))
        result = run(scenario, seed, log=log, watch=view)
    if plot is not None:
        from simulations.run_plot import draw_run

        draw_run(result, plot)
    show(scenario, result, as_json)


def _is_long(scenario: Scenario) -> bool:
    return scenario.lasts_ms > LONG_MS or scenario.machines > MANY_MACHINES


def opened(path: Path) -> TextIO:
    """`path` to write to. Raises `UsageError`."""
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written", remedy=str(error.strerror)) from None


def show(scenario: Scenario, result: Result, as_json: bool) -> NoReturn:
    """Print the report and end with the verdict's exit code."""
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        click.echo("\n".join(report.lines(scenario, result)))
    sys.exit(result.code)
