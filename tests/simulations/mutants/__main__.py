"""`python -m tests.simulations.mutants`: let the swarm hunt the planted mistakes, and print the table.

Those that a test of their place hunts (`by_test`) are left out, unless they are named.

Exit code 0 if at least 95 % were noticed, 1 otherwise, 2 for wrong usage.
"""

from __future__ import annotations

import os
import sys

import click

from tests.simulations.mutants.by_test import NOTICED_BY
from tests.simulations.mutants.catalogue import ALL
from tests.simulations.mutants.hunt import SEEDS, Catch, hunt_all

ENOUGH = 0.95


@click.command(help="Hunt the planted mistakes.")
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(sorted(ALL)), help="A name; can be given again.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def main(seeds: int, only: tuple[str, ...], workers: int) -> None:
    """Run the hunt."""
    names = list(only or (name for name in ALL if name not in NOTICED_BY))

    def tell(catch: Catch) -> None:
        where = "ESCAPED" if catch.seed is None else f"seed {catch.seed}"
        click.echo(f"{catch.name:<24} {where:<9} {catch.problem[:120]}", err=True)

    catches = hunt_all(names, range(seeds), workers=workers, done=tell)
    caught = [one for one in catches if one.seed is not None]
    click.echo("| mutant | rule | what it does | noticed by | seed |\n|---|---|---|---|---|")
    for one in catches:
        mutant = ALL[one.name]
        by = ", ".join(one.broken[:3]) if one.seed is not None else "**nobody**"
        seed = "" if one.seed is None else one.seed
        click.echo(f"| {one.name} | {mutant.rule} | {mutant.text} | {by} | {seed} |")
    click.echo(f"\n{len(caught)} of {len(catches)} noticed within {seeds} seeds")
    sys.exit(0 if len(caught) >= ENOUGH * len(catches) else 1)


if __name__ == "__main__":
    main(prog_name="python -m tests.simulations.mutants")
