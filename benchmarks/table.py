"""Figures into medians, ratios, a table and JSON.

A ratio says how many times better the first system is than another: above 1 it is better, whether the row
wants more or less. Figures keep three significant digits in print, and all of them in JSON.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OURS = "aslp2p"


@dataclass(frozen=True)
class Row:
    """One line of the table. `quoted` holds figures of peers that are not measured here."""

    key: str
    title: str
    unit: str
    aim: str
    quoted: str = ""
    more_is_better: bool = False
    limit: str = ""
    """The limit of the machine (`benchmarks.limits`) that ours is shown as a part of."""


@dataclass
class Results:
    """Everything that one call of the benchmarks found."""

    machine: dict[str, str]
    systems: dict[str, str]
    """Name to version, in the columns' order."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name to why it could not run here."""
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Row's key to system to one figure a run."""
    failures: list[str] = field(default_factory=list)
    limits: dict[str, list[float]] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that `percent` % of all do not exceed.

    Raises ValueError for no values or a `percent` outside 0 to 100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError("a percentile needs values and a percent between 0 and 100")
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]


def ratio(ours: float, theirs: float, *, more_is_better: bool) -> float | None:
    """How many times better `ours` is than `theirs`; None where one of them is 0 or less."""
    if ours <= 0 or theirs <= 0:
        return None
    return ours / theirs if more_is_better else theirs / ours


def shown(figure: float) -> str:
    """Three significant digits, with separators of thousands and without exponents."""
    if figure == 0:
        return "0"
    rounded = float(f"{figure:.2e}")
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def cells(
    row: Row,
    figures: Mapping[str, Sequence[float]],
    systems: Sequence[str],
    limits: Mapping[str, float] | None = None,
) -> list[str]:
    """A printed line: title, one cell a system (median, unit, ratio to ours), aim, quoted figures. Ours also
    says which part it is of the row's limit, if `limits` has that."""
    medians = {name: statistics.median(values) for name, values in figures.items() if values}
    line = [row.title]
    for name in systems:
        if name not in medians:
            line.append("-")
            continue
        cell = f"{shown(medians[name])} {row.unit}"
        if name != OURS and OURS in medians:
            times = ratio(medians[OURS], medians[name], more_is_better=row.more_is_better)
            cell += f" ({shown(times)}×)" if times is not None else ""
        if name == OURS and limits and limits.get(row.limit):
            cell += f" ({medians[name] / limits[row.limit]:.0%} of the limit)"
        line.append(cell)
    return [*line, row.aim, row.quoted]


def header(systems: Sequence[str]) -> list[str]:
    """The titles of the columns of `cells`."""
    return ["work", *systems, "aim", "quoted"]


def plain(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as aligned text, the first as its heading."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in text)


def as_json(results: Results, rows: Sequence[Row]) -> dict[str, Any]:
    """What `--json` writes: every run's figures with their medians and ratios."""
    measured = {}
    for row in rows:
        figures = {name: runs for name, runs in results.figures.get(row.key, {}).items() if runs}
        medians = {name: statistics.median(runs) for name, runs in figures.items()}
        measured[row.key] = {
            "title": row.title,
            "unit": row.unit,
            "aim": row.aim,
            "quoted": row.quoted,
            "limit": row.limit,
            "more_is_better": row.more_is_better,
            "runs": figures,
            "median": medians,
            "ratio": {
                name: ratio(medians[OURS], median, more_is_better=row.more_is_better)
                for name, median in medians.items()
                if OURS in medians and name != OURS
            },
        }
    return {
        "machine": results.machine,
        "systems": results.systems,
        "skipped": results.skipped,
        "failures": results.failures,
        "rows": measured,
        "limits": {
            name: {"runs": runs, "median": statistics.median(runs)} for name, runs in results.limits.items()
        },
    }
