"""`python -m simulations folders`: folders on simulated machines, seed by seed."""

from __future__ import annotations

import sys
from collections import Counter

import click

from simulations.folders import Broken, Folders
from simulations.verdict import CRASHED, HELD, SAFETY_BROKEN


@click.command("folders")
@click.option("--seeds", type=click.IntRange(1), default=200, show_default=True)
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
def folders_(seeds: int, first: int) -> None:
    """Play folders on two or three machines while everything goes wrong; no version may be lost."""
    done: Counter[str] = Counter()
    code = HELD
    for seed in range(first, first + seeds):
        run = Folders(seed)
        try:
            run.play()
        except Broken as broken:
            code = max(code, SAFETY_BROKEN)
            click.echo(f"seed {seed}: {broken}")
        except Exception as error:
            code = CRASHED
            click.echo(f"seed {seed}: {type(error).__name__}: {error}")
        done.update(run.done)
    click.echo(f"{seeds} seeds: {', '.join(f'{count:,} {what}' for what, count in sorted(done.items()))}")
    sys.exit(code)
