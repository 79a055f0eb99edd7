"""`python -m simulations replay`: play a failure again, slowly, up to the first broken invariant."""

from __future__ import annotations

from pathlib import Path

import click

from simulations.options_run import nodes_option, scenario_of, seed_option
from simulations.replay import first_breach, write_log
from simulations.result import run
from simulations.run_command import log_option, opened, show
from simulations.scenario_text import as_yaml
from simulations.shrink import shrink
from simulations.story import shown_time
from simulations.verdict import LIVENESS_BROKEN


@click.command()
@click.argument("name", metavar="SCENARIO")
@nodes_option
@seed_option
@click.option("--shrink", "shrinks", is_flag=True, help="Look for a smaller scenario that breaks the same.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the scenario, shrunk or not, as a file.",
)
@log_option
def replay(
    name: str, nodes: int | None, seed: int, shrinks: bool, save: Path | None, log_path: Path | None
) -> None:
    """Play a failure again; stop before the first invariant that breaks, and show what led there."""
    scenario = scenario_of(name, seed, nodes)

    def tell(text: str) -> None:
        click.echo(f"  {text}", err=True)

    result = run(scenario, seed)
    if result.code and shrinks:
        scenario, result = shrink(scenario, seed, tell=tell)
        click.echo(f"The smallest scenario found that breaks the same:\n\n{as_yaml(scenario)}")
    if save is not None:
        with opened(save) as file:
            file.write(as_yaml(scenario))
    breach = None
    if result.code and result.code != LIVENESS_BROKEN:
        breach = first_breach(scenario, seed, tell=tell)
    if breach is not None:
        click.echo("\n".join(breach.lines))
        click.echo(f"Here, at {shown_time(breach.at_ms)} (event {breach.event}), breaks {breach.problem}\n")
    if log_path is not None:
        with opened(log_path) as file:
            write_log(scenario, seed, file, None if breach is None else breach.event)
    show(scenario, result, False)
