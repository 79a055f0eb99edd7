"""What a policy comes to, as one row of figures; and out of many rows one recommendation, in words.

The recommendation is the fewest authorities with which being stuck and being captured together stay below
what is accepted: every further one is somebody more to keep in touch with, and buys little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aslp2p.ledger.duration import duration_text
from aslp2p.ledger.policy import policy_problem, survival
from simulations.chances import CAPTURED, STUCK, Life, can_sign_now, chances, policy_of
from simulations.scenario import DAY, HOUR
from simulations.waiting import Habits, trials

SIZES = {"personal": 3, "household": 5, "team": 9}
"""The most authorities: one person's own machines, those who live together, those who work together."""


@dataclass(frozen=True)
class Row:
    """One policy: `threshold` of `authorities`. Chances are over the years looked at."""

    authorities: int
    threshold: int
    silent: int
    lying: int
    stuck: float
    captured: float
    two_histories: float
    """That so many keys are in wrong hands at once that two contradicting finals are possible (P1)."""
    signs_now: float
    """That the others are a quorum at a given moment when the witness is gone."""
    without_ms: tuple[float, float]
    """Without a witness when it disappears: the median, the 90th of 100; infinite where nobody follows."""

    @property
    def name(self) -> str:
        return f"{self.threshold} of {self.authorities}"

    @property
    def risk(self) -> float:
        return self.stuck + self.captured

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["without_ms"] = [None if one == float("inf") else one for one in self.without_ms]
        return found


def row_of(n: int, t: int, life: Life, habits: Habits, grace_period_ms: int, count: int, seed: int) -> Row:
    """The figures of `t` of `n`."""
    policy = policy_of(n, t, grace_period_ms)
    survives = survival(policy)
    found = chances(policy, life)
    forked = chances(policy, life, captured_at=survives.lying + 1)
    waits = trials(policy, habits, count, seed)
    return Row(
        n, t, survives.silent, survives.lying, found[STUCK], found[CAPTURED], forked[CAPTURED],
        can_sign_now(policy, life), (waits[count // 2], waits[min(count - 1, count * 9 // 10)]),
    )  # fmt: skip


def rows_for(
    authorities_max: int, life: Life, habits: Habits, grace_period_ms: int, count: int, seed: int
) -> list[Row]:
    """A row for each policy of up to so many authorities that P1 does not refuse."""
    return [
        row_of(n, t, life, habits, grace_period_ms, count, seed)
        for n in range(1, authorities_max + 1)
        for t in range(1, n + 1)
        if policy_problem(policy_of(n, t)) is None
    ]


def recommend(rows: Sequence[Row], members: int, accepted: float, *, lying: int = 0) -> Row | None:
    """The policy for `members` that survives `lying`; None if they are too few.

    The fewest authorities whose risk is accepted; of as many, the least risk. If no risk is, the least one.
    """
    fitting = [row for row in rows if row.authorities <= members and row.lying >= lying]
    good = [row for row in fitting if row.risk <= accepted]
    if good:
        return min(good, key=lambda row: (row.authorities, row.risk))
    return min(fitting, key=lambda row: row.risk, default=None)


def percent(chance: float) -> str:
    """Two significant digits; what is below one in a million is said to be so."""
    if chance == 0:
        return "0 %"
    if chance < 1e-6:
        return "< 0.0001 %"
    text = f"{100 * chance:.2g}" if chance < 0.995 else f"{100 * chance:.0f}"
    return f"{text} %"


def days(milliseconds: float) -> str:
    """A duration in the unit that suits it."""
    if milliseconds == float("inf"):
        return "for ever"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (60_000, "min")):
        if milliseconds >= unit:
            return f"{milliseconds / unit:.1f} {name}"
    return f"{milliseconds / 1000:.1f} s"


HEADER = (
    "policy",
    "survives",
    "stuck",
    "captured",
    "two histories",
    "can sign now",
    "no witness (half)",
    "(9 of 10)",
)


def cells(row: Row) -> tuple[str, ...]:
    """A line of the table."""
    return (
        row.name, f"{row.silent} silent, {row.lying} lying", percent(row.stuck), percent(row.captured),
        percent(row.two_histories), percent(row.signs_now), days(row.without_ms[0]), days(row.without_ms[1]),
    )  # fmt: skip


def size_of(authorities: int) -> str:
    """Which size of group has so many authorities."""
    return next((name for name, most in SIZES.items() if authorities <= most), list(SIZES)[-1])


def table(rows: Sequence[Row]) -> list[str]:
    """All rows as aligned text, by size."""
    lines = [HEADER, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    shown = [text[0].rstrip(), "-" * len(text[0])]
    size = ""
    for row, line in zip(rows, text[1:], strict=True):
        if size_of(row.authorities) != size:
            size = size_of(row.authorities)
            shown.append(f"{size}:")
        shown.append(line.rstrip())
    return shown


def advice(rows: Sequence[Row], members: int, life: Life, accepted: float) -> list[str]:
    """The sizes in a line each, and one recommendation in words."""
    lines = []
    for size, most in SIZES.items():
        best = recommend(rows, most, accepted)
        if best is not None:
            lines.append(f"{size}, up to {most}: {best.name} ({percent(best.risk)} stuck or captured)")
    best = recommend(rows, members, accepted)
    assert best is not None
    years = f"{life.years:g} years"
    bound = f"below the {percent(accepted)} that you accept"
    if best.risk > accepted:
        bound = f"above the {percent(accepted)} that you accept, and no policy for {members} does better"
    what = f"Recommended for {_members(members)}: {best.name}."
    lines += [
        "",
        f"{what} In {years} it is stuck with a chance of {percent(best.stuck)} and captured with one of "
        f"{percent(best.captured)}, together {bound}.",
    ]
    if best.without_ms[0] == float("inf"):
        lines.append("If its witness is lost nobody can follow: the history stays readable and ends there.")
    else:
        median, most_ms = map(days, best.without_ms)
        lines.append(
            f"Without a witness it is for {median} in half of all cases, {most_ms} at most in 9 of 10."
        )
    if best.lying == 0 and best.authorities > 1:
        stronger = recommend(rows, members, accepted, lying=1)
        if stronger is not None:
            lines.append(
                f"Should two contradicting finals be impossible even if one authority lies: {stronger.name} "
                f"({percent(stronger.risk)} stuck or captured)."
            )
    return lines


def _members(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


def assumptions(life: Life, habits: Habits, grace_period_ms: int) -> list[str]:
    """What the figures stand on, in words."""
    answer = habits.answer_ms
    people = (
        "daemons endorse by themselves" if answer is None else f"people answer after {duration_text(answer)}"
    )
    return [
        f"Over {life.years:g} years. An authority is there {percent(life.availability)} of the time, and "
        f"away for {duration_text(habits.away_ms)} when it is away.",
        f"For each authority and year {life.lost_per_year:g} keys are lost and {life.compromised_per_year:g} "
        "come into wrong hands;",
        f"a lost one is replaced after {duration_text(life.replaced_ms)}, a compromised one after "
        f"{duration_text(life.noticed_ms)}. Grace period {duration_text(grace_period_ms)}; {people}.",
    ]
