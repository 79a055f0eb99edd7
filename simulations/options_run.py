"""What `run`, `replay` and `sweep` have in common: which scenario, with how many machines, which seed."""

from __future__ import annotations

from dataclasses import replace

import click

from aslp2p.errors import UsageError
from simulations import scenario_file, swarm
from simulations.scenario import Scenario
from simulations.sweep import SWARM

seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
nodes_option = click.option(
    "--nodes", type=click.IntRange(1, scenario_file.MACHINES_MAX), help="How many machines there are."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def scenario_of(name: str, seed: int, machines: int | None = None) -> Scenario:
    """A scenario by its name or file, or the one that `swarm` draws from `seed`. Raises `UsageError`."""
    scenario = swarm.draw(seed) if name == SWARM else scenario_file.load(name)
    if machines is None:
        return scenario
    if machines < scenario.authorities:
        raise UsageError(
            f"{scenario.name} has {scenario.authorities} authorities, and --nodes is {machines}",
            remedy=f"give --nodes {scenario.authorities} or more",
        )
    return replace(scenario, machines=machines)
