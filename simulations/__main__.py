"""`python -m simulations`: list, run, replay, sweep, folders; advise, what-if, figure.

Exit codes: 0 everything held, 10 safety broken, 11 liveness broken, 12 a node crashed by mistake, 2 wrong
usage, 130 interrupted.
"""

from __future__ import annotations

from typing import Any

import click

from aslp2p.errors import UserError
from simulations import scenario_file
from simulations.advise import advise
from simulations.figures import figure
from simulations.folders_command import folders_
from simulations.replay_command import replay
from simulations.run_command import run_
from simulations.sweep_command import sweep_
from simulations.what_if import what_if

WRONG_USAGE = 2


class _Group(click.Group):
    """Errors of usage are one line and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(WRONG_USAGE)


@click.group(cls=_Group, help=(__doc__ or "").replace("\n\n", "\n\n\b\n"))
def main() -> None:
    """The command line; see `docs/simulations.md`."""


@main.command("list")
def list_() -> None:
    """The scenarios that come along."""
    for name in scenario_file.names():
        scenario = scenario_file.load(name)
        click.echo(f"{name:<26} {'heavy ' if scenario.heavy else '      '} {scenario.about}")


main.add_command(run_)
main.add_command(replay)
main.add_command(sweep_)
main.add_command(advise)
main.add_command(what_if)
main.add_command(figure)
main.add_command(folders_)

if __name__ == "__main__":
    main(prog_name="python -m simulations")
