"""`python -m simulations`: run, replay, shrink, sweep; advise, what-if, figures.

Exit codes: 0 everything held, 10 safety broken, 11 liveness broken, 12 a node crashed by mistake, 2 wrong
usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from aslp2p.errors import UsageError, UserError
from simulations import replay as replaying
from simulations import report, scenario_file, swarm
from simulations.advise import advise
from simulations.result import Result, run
from simulations.scenario import Scenario
from simulations.shrink import shrink
from simulations.story import shown_time
from simulations.sweep import SWARM, Summary, jobs_of, sweep

INTERRUPTED = 130
DASK_TIMEOUT = "10s"
LONG_MS = 12 * 3_600_000
"""Runs of more virtual time than this show a progress bar."""


class _Group(click.Group):
    """Errors of usage are one line and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(2)


@click.group(cls=_Group, help=(__doc__ or "").split("\n")[0])
def main() -> None:
    """The command line; see `docs/simulations.md`."""


def _scenario(name: str, seed: int, machines: int | None = None) -> Scenario:
    scenario = swarm.draw(seed) if name == SWARM else scenario_file.load(name)
    if machines is None:
        return scenario
    if machines < scenario.authorities:
        raise click.UsageError(f"{scenario.authorities} authorities need as many machines; give --nodes more")
    return replace(scenario, machines=machines)


_seed = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
_nodes = click.option(
    "--nodes", type=click.IntRange(1, scenario_file.MACHINES_MAX), help="Machines there are."
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


@main.command("list")
def list_() -> None:
    """The scenarios that come along."""
    for name in scenario_file.names():
        scenario = scenario_file.load(name)
        click.echo(f"{name:<28} {'heavy  ' if scenario.heavy else '       '}{scenario.about}")


@main.command("run")
@click.argument("name", metavar="SCENARIO")
@_nodes
@_seed
@_json
@click.option("--log", "log_path", type=click.Path(dir_okay=False, path_type=Path), help="Write every event.")
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
    """Play one scenario (a name, a file, or `swarm`) and judge it."""
    scenario = _scenario(name, seed, nodes)
    with ExitStack() as stack:
        log = stack.enter_context(log_path.open("w", encoding="utf-8")) if log_path is not None else None
        view: Callable[[Any], None] | None = None
        if watch:
            view = stack.enter_context(_watching())
        elif scenario.lasts_ms + scenario.heals_ms > LONG_MS and sys.stderr.isatty():
            view = stack.enter_context(_progress(scenario))
        result = run(scenario, seed, log=log, watch=view)
    if plot is not None:
        from simulations.run_plot import draw_run

        draw_run(result, plot)
    _show(scenario, result, as_json)


class _watching:
    def __enter__(self) -> report.Watch:
        self._watch = report.Watch()
        return self._watch

    def __exit__(self, *_: object) -> None:
        self._watch.stop()


class _progress:
    def __init__(self, scenario: Scenario) -> None:
        self._bar = click.progressbar(length=scenario.lasts_ms + scenario.heals_ms, file=sys.stderr)
        self._at = 0

    def __enter__(self) -> Callable[[Any], None]:
        self._bar.__enter__()
        return self._move

    def _move(self, play: Any) -> None:
        self._bar.update(play.world.now_ms - self._at)
        self._at = play.world.now_ms

    def __exit__(self, *_: object) -> None:
        self._bar.render_finish()


def _show(scenario: Scenario, result: Result, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        click.echo("\n".join(report.lines(scenario, result)))
    sys.exit(result.code)


@main.command()
@click.argument("name", metavar="SCENARIO")
@_nodes
@_seed
@click.option("--shrink", "shrinks", is_flag=True, help="Look for a smaller scenario that breaks the same.")
def replay(name: str, nodes: int | None, seed: int, shrinks: bool) -> None:
    """Play a failure again; stop before the first invariant that breaks, and show what led there."""
    scenario = _scenario(name, seed, nodes)

    def tell(text: str) -> None:
        click.echo(f"  {text}", err=True)

    result = run(scenario, seed)
    if result.code and shrinks:
        scenario, result = shrink(scenario, seed, tell=tell)
        click.echo(f"smallest: {scenario}")
    breach = replaying.first_breach(scenario, seed, tell=tell) if result.code != 11 else None
    if breach is not None:
        click.echo("\n".join(breach.lines))
        click.echo(f"event {breach.event}, at {shown_time(breach.at_ms)}: {breach.problem}")
    _show(scenario, result, False)


@main.command("sweep")
@click.option("--seeds", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option("--scenario", "name", default=SWARM, show_default=True, help="A name, `all`, or `swarm`.")
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Keep results; goes on from there."
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--dask", metavar="ADDRESS", help="Use a Dask cluster: its scheduler's address, or `local`.")
@_json
def sweep_(
    seeds: int, first: int, name: str, results: Path | None, workers: int, dask: str | None, as_json: bool
) -> None:
    """Run many seeds over all cores; interrupting keeps what is done."""
    if name == "all":
        names = [one for one in scenario_file.names() if not scenario_file.load(one).heavy] + [SWARM]
    else:
        _scenario(name, 0)
        names = [name]
    with ExitStack() as stack:
        executor, count = _executor(stack, dask, workers)
        summary = _sweep(jobs_of(names, seeds, first), seeds * len(names), executor, count, results)
    if as_json:
        click.echo(json.dumps({"runs": summary.runs, "outcomes": summary.outcomes, "bad": summary.bad}))
    else:
        click.echo("\n".join(report.summary_lines(summary)))
    sys.exit(summary.code)


def _executor(stack: ExitStack, dask: str | None, workers: int) -> tuple[Executor, int]:
    if dask is None:
        return stack.enter_context(ProcessPoolExecutor(workers)), workers
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise UsageError("--dask needs Dask", remedy="pip install 'aslp2p[sim-cluster]'") from None
    try:
        if dask == "local":
            client = stack.enter_context(distributed.Client(n_workers=workers, threads_per_worker=1))
        else:
            client = stack.enter_context(distributed.Client(dask, timeout=DASK_TIMEOUT))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {dask}: {error}", remedy="start one with `dask scheduler`"
        ) from None
    return client.get_executor(), max(1, len(client.ncores()))


def _sweep(
    jobs: Iterable[tuple[str, int]], total: int, executor: Executor, workers: int, results: Path | None
) -> Summary:
    with click.progressbar(length=total, file=sys.stderr, label="runs", width=30) as bar:

        def done(result: dict[str, Any]) -> None:
            bar.update(1)
            if result["code"]:
                click.echo(f"\n{report.again(result)}  # {result['problem'][:160]}", err=True)

        try:
            return sweep(jobs, executor, workers=workers, results=results, done=done)
        except KeyboardInterrupt:
            executor.shutdown(wait=False, cancel_futures=True)
            kept = f"; {results} keeps what is done" if results is not None else ""
            click.echo(f"\ninterrupted{kept}", err=True)
            sys.exit(INTERRUPTED)


main.add_command(advise)

if __name__ == "__main__":
    main(prog_name="python -m simulations")
