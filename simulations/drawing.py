"""The figures as PNG files: matplotlib without a screen, loaded only here (extra `sim`).

Colours are those of Okabe and Ito, which everybody can tell apart; files stay below 100 KB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aslp2p.errors import UsageError
from simulations.extras import blank_figure, require_drawing
from simulations.scenario import DAY

if TYPE_CHECKING:
    from simulations.advice import Row
    from simulations.dissemination import Spread
    from simulations.recovery_times import Setting

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DPI = 90
_CHANCE_MIN = 1e-8


def _subplots(path: Path, **options: Any) -> tuple[Any, Any]:
    require_drawing(path)
    figure = blank_figure(figsize=options.pop("figsize"))
    return figure, figure.subplots(**options)


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None})
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", remedy="give another file") from None


def draw_advice(rows: Sequence[Row], path: Path) -> None:
    """For each policy: its chances (logarithmic), and below how long it is without a witness."""
    figure, (above, below) = _subplots(path, figsize=(10, 7), nrows=2, sharex=True)
    names = [row.name for row in rows]
    places = range(len(rows))
    series = {
        "stuck": [row.stuck for row in rows],
        "captured": [row.captured for row in rows],
        "two histories possible": [row.two_histories for row in rows],
    }
    for (label, chances), colour, marker in zip(series.items(), COLOURS, "osv", strict=False):
        above.semilogy(places, [max(_CHANCE_MIN, one) for one in chances], marker, color=colour, label=label)
    above.set_ylabel("chance over the years")
    above.set_ylim(_CHANCE_MIN / 2, 2)
    above.grid(alpha=0.3)
    above.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    finite = [
        (place, row) for place, row in zip(places, rows, strict=True) if row.without_ms[0] < float("inf")
    ]
    at = [place for place, _ in finite]
    half = [row.without_ms[0] / DAY for _, row in finite]
    most = [(row.without_ms[1] - row.without_ms[0]) / DAY for _, row in finite]
    below.bar(at, half, color=COLOURS[5], label="half of all cases")
    below.bar(at, most, bottom=half, color=COLOURS[4], label="9 of 10")
    never = [place for place in places if place not in at]
    below.plot(never, [0] * len(never), "x", color="black", label="nobody can follow")
    below.set_ylabel("days without a witness")
    below.set_xticks(list(places), names, rotation=60)
    below.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    _save(figure, path)


def draw_recovery(
    panels: Sequence[tuple[str, Sequence[Setting], Sequence[Sequence[float]]]], path: Path
) -> None:
    """Cumulative distributions: one panel a group of settings; times as a share of the grace period."""
    figure, axes = _subplots(path, figsize=(9, 8), nrows=len(panels), squeeze=False)
    for (title, settings, times), (axis,) in zip(panels, axes, strict=True):
        for setting, found, colour in zip(settings, times, COLOURS, strict=False):
            at = [one / setting.grace_ms for one in found]
            percent = [100 * (place + 1) / len(found) for place in range(len(found))]
            axis.step(at, percent, where="post", color=colour, label=setting.name)
        axis.set_title(title, fontsize="medium")
        axis.set_ylabel("percent of the trials")
        axis.set_xlabel("time without a witness, in grace periods")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right", fontsize="small")
    _save(figure, path)


def draw_dissemination(spreads: Sequence[Spread], path: Path) -> None:
    """Coverage over time with the textbook's beside it, and redundancy for each number of machines."""
    from simulations.dissemination import bound, mean_delay_ms

    figure, (coverage, copies) = _subplots(
        path, figsize=(10, 4.5), ncols=2, gridspec_kw={"width_ratios": [3, 1]}
    )
    for spread, colour in zip(spreads, COLOURS, strict=False):
        count = len(spread.times_ms) + spread.missing
        percent = [100 * (place + 1) / count for place in range(len(spread.times_ms))]
        coverage.step(spread.times_ms, percent, where="post", color=colour, label=f"{spread.nodes} machines")
        shares, all_ms = bound(spread.nodes)
        rounds = [place * mean_delay_ms() for place in range(len(shares))]
        coverage.plot(rounds, [100 * share for share in shares], ":", color=colour)
        coverage.axvline(all_ms, color=colour, alpha=0.4, linewidth=0.8)
    coverage.plot([], [], ":", color="black", label="push gossip, mean field")
    coverage.plot([], [], color="black", alpha=0.4, linewidth=0.8, label="Pittel's rounds until all know")
    coverage.set_xlabel("milliseconds after the emission")
    coverage.set_ylabel("percent of the machines that have it")
    coverage.grid(alpha=0.3)
    coverage.legend(loc="lower right", fontsize="small")
    names = [str(spread.nodes) for spread in spreads]
    copies.bar(names, [spread.redundancy for spread in spreads], color=COLOURS[: len(names)])
    copies.axhline(1, color="black", linewidth=0.8)
    copies.set_xlabel("machines")
    copies.set_ylabel("copies that a machine receives")
    _save(figure, path)
