"""`python -m simulations advise`: how many authorities are enough, and how many of them must sign.

For every policy that P1 allows: the chances to be stuck and to be captured (`chances`, exact), how often a
quorum is there (exact), and how long the Common is without a witness (`waiting`, by simulation).
`docs/sizing.md` says what is assumed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from aslp2p.errors import UsageError
from aslp2p.ledger.duration import duration_text
from simulations.advice import SIZES, advice, assumptions, recommend, rows_for, table
from simulations.chances import Life
from simulations.extras import require_drawing
from simulations.options import a_duration, a_number
from simulations.scenario import HOUR
from simulations.waiting import Habits

MEMBERS_MAX = 15
AWAY_PARTS_MAX = 1_000
"""Absences in a grace period: each is an event of the simulation."""


@click.command("advise")
@click.option(
    "--availability",
    callback=a_number(0, 1),
    default="0.9",
    show_default=True,
    help="Share of the time that an authority is there.",
)
@click.option(
    "--lost-per-year",
    callback=a_number(0, 50),
    default="0.02",
    show_default=True,
    help="Keys lost for good, per authority and year.",
)
@click.option(
    "--compromised-per-year",
    callback=a_number(0, 50),
    default="0.005",
    show_default=True,
    help="Keys that come into wrong hands, per authority and year.",
)
@click.option(
    "--members",
    callback=a_number(1, MEMBERS_MAX, whole=True),
    default="5",
    show_default=True,
    help="Who could be an authority.",
)
@click.option("--years", callback=a_number(0.01, 100), default="10", show_default=True, help="Over how long.")
@click.option(
    "--accept",
    "accepted",
    callback=a_number(0, 1),
    default="0.01",
    show_default=True,
    help="Accepted chance to be stuck or captured.",
)
@click.option(
    "--replaced-after",
    callback=a_duration(HOUR),
    default="30d",
    show_default=True,
    help="Until a lost key is replaced by policy change.",
)
@click.option(
    "--noticed-after",
    callback=a_duration(HOUR),
    default="90d",
    show_default=True,
    help="Until a compromised key is noticed and replaced.",
)
@click.option("--grace-period", callback=a_duration(1000), default="30d", show_default=True)
@click.option(
    "--away",
    callback=a_duration(1000),
    default="8h",
    show_default=True,
    help="How long an authority is away when it is.",
)
@click.option(
    "--answer",
    callback=a_duration(1000),
    default="1d",
    show_default=True,
    help="How long people take to endorse.",
)
@click.option("--auto", is_flag=True, help="Daemons endorse by themselves (recovery.mode: auto).")
@click.option(
    "--trials",
    "count",
    callback=a_number(10, 100_000, whole=True),
    default="200",
    show_default=True,
    help="Simulated disappearances of each policy.",
)
@click.option("--seed", callback=a_number(0, 2**53, whole=True), default="0", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it as a PNG.")
def advise(
    availability: float,
    lost_per_year: float,
    compromised_per_year: float,
    members: int,
    years: float,
    accepted: float,
    replaced_after: int,
    noticed_after: int,
    grace_period: int,
    away: int,
    answer: int,
    auto: bool,
    count: int,
    seed: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """How many witness authorities are enough for a personal Common, a household, a team."""
    life = Life(availability, lost_per_year, compromised_per_year, years, replaced_after, noticed_after)
    if away * AWAY_PARTS_MAX < grace_period:
        least = duration_text(-(-grace_period // AWAY_PARTS_MAX))
        raise UsageError(
            f"--away {duration_text(away)} is too short for a grace period of {duration_text(grace_period)}",
            remedy=f"write at least {least}",
        )
    if plot is not None:
        require_drawing(plot)
    habits = Habits(availability, away, None if auto else answer)
    rows = rows_for(max(SIZES["team"], members), life, habits, grace_period, count, seed)
    lines = advice(rows, members, life, accepted)
    if plot is not None:
        from simulations.drawing import draw_advice

        draw_advice(rows, plot)
    best = recommend(rows, members, accepted)
    assert best is not None
    if as_json:
        given = {**asdict(life), **asdict(habits), "members": members, "accepted": accepted, "trials": count}
        given |= {"grace_period_ms": grace_period, "seed": seed}
        answer_json = {
            "authorities": best.authorities,
            "threshold": best.threshold,
            "words": lines[lines.index("") + 1 :],
        }
        click.echo(
            json.dumps({"given": given, "policies": [r.to_json() for r in rows], "recommended": answer_json})
        )
        return
    click.echo("\n".join(table(rows)))
    click.echo("\n" + "\n".join(assumptions(life, habits, grace_period)))
    click.echo("\n" + "\n".join(lines))
