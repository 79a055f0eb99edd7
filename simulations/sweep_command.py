"""`python -m simulations sweep`: many seeds over all cores, or over a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from aslp2p.errors import UsageError
from simulations import report, scenario_file
from simulations.extras import require
from simulations.options_run import json_option, scenario_of
from simulations.sweep import SWARM, Job, Summary, jobs_of, sweep

INTERRUPTED = 130
DASK_TIMEOUT = "10s"
ALL = "all"


@click.command("sweep")
@click.option("--seeds", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option(
    "--scenario", "name", default=SWARM, show_default=True, help="A name, a file, `all` or `swarm`."
)
@click.option("--heavy", is_flag=True, help="With `all`: the heavy scenarios too.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep results there, a line a run; goes on from what it holds.",
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--dask", metavar="ADDRESS", help="Use a Dask cluster: its scheduler's address, or `local`.")
@json_option
def sweep_(
    seeds: int,
    first: int,
    name: str,
    heavy: bool,
    results: Path | None,
    workers: int,
    dask: str | None,
    as_json: bool,
) -> None:
    """Run many seeds; interrupting keeps what is done."""
    names = _names(name, heavy)
    jobs = list(jobs_of(names, seeds, first))
    with ExitStack() as stack:
        executor, count = _executor(stack, dask, workers)
        summary = _sweep(jobs, executor, count, results)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    else:
        click.echo("\n".join(report.summary_lines(summary)))
    sys.exit(summary.code)


def _names(name: str, heavy: bool) -> list[str]:
    if name != ALL:
        scenario_of(name, 0)
        return [name]
    return [one for one in scenario_file.names() if heavy or not scenario_file.load(one).heavy] + [SWARM]


def _executor(stack: ExitStack, dask: str | None, workers: int) -> tuple[Executor, int]:
    if dask is None:
        pool = ProcessPoolExecutor(workers, initializer=_die_of_interrupts)
        return stack.enter_context(pool), workers
    distributed = require("distributed", "sim-cluster")
    try:
        if dask == "local":
            client = stack.enter_context(distributed.Client(n_workers=workers, threads_per_worker=1))
        else:
            client = stack.enter_context(distributed.Client(dask, timeout=DASK_TIMEOUT))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {dask}: {error}", remedy="start one with `dask scheduler`"
        ) from None
    return client.get_executor(), max(1, sum(client.ncores().values()))


def _die_of_interrupts() -> None:
    """A worker has nothing to tidy: it ends without a word where the sweep itself says what is kept."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _sweep(jobs: Sequence[Job], executor: Executor, workers: int, results: Path | None) -> Summary:
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=len(jobs), file=sys.stderr, label="runs", hidden=hidden) as bar:

        def done(result: dict[str, Any]) -> None:
            bar.update(1)
            if result["code"]:
                click.echo(f"\n{report.again(result)}  # {result['problem'][:160]}", err=True)

        try:
            return sweep(jobs, executor, workers=workers, results=results, done=done)
        except (KeyboardInterrupt, BrokenProcessPool) as error:
            executor.shutdown(wait=True, cancel_futures=True)
            kept = "" if results is None else f"; {results} keeps what is done"
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else "a worker was killed"
            click.echo(f"\n{why}{kept}", err=True)
            sys.exit(INTERRUPTED)
