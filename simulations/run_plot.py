"""The picture of one run: the history's height over time, who was witness, and where anything was done.

Drawn by matplotlib (extra `sim`), without a display.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from aslp2p.errors import UsageError
from simulations.extras import blank_figure
from simulations.result import Result

HOUR_MS = 3_600_000
NOTES_MAX = 200


def draw_run(result: Result, path: Path) -> None:
    """Write the picture of `result` to `path` as PNG. Raises `UsageError` without matplotlib or a place."""
    figure = blank_figure(figsize=(11, 5.5))
    height, sent = figure.subplots(1, 2, width_ratios=(4, 1))
    end = result.virtual_ms / HOUR_MS
    points = [(0, 0), *result.heads, (result.virtual_ms, result.heads[-1][1] if result.heads else 0)]
    height.step(
        [at / HOUR_MS for at, _ in points], [value for _, value in points], where="post", color="black"
    )
    reigns = [(0, "genesis", ""), *result.takeovers, (result.virtual_ms, "", "")]
    for place, ((begin, by, name), (until, _, _)) in enumerate(pairwise(reigns)):
        shade = f"C{place % 10}"
        height.axvspan(begin / HOUR_MS, until / HOUR_MS, color=shade, alpha=0.12)
        label = f"{name} ({by})" if name else by
        height.annotate(
            label,
            (begin / HOUR_MS, 0.99),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="top",
            fontsize=8,
        )
    for at, _ in result.story[:NOTES_MAX]:
        height.plot(at / HOUR_MS, 0, "|", color="red", markersize=8)
    height.set_xlim(0, end)
    height.set_xlabel("virtual hours; red: what was done")
    height.set_ylabel("height of the history")
    height.set_title(f"{result.scenario}, seed {result.seed}: {result.outcome}")
    sizes = sorted(((size / 1e6, name) for name, (_, size) in result.sent.items()), reverse=True)[:30]
    sent.barh([name for _, name in reversed(sizes)], [size for size, _ in reversed(sizes)], color="gray")
    sent.set_xlabel("MB sent")
    sent.tick_params(axis="y", labelsize=7)
    try:
        figure.savefig(path, format="png", dpi=110)
    except OSError as error:
        raise UsageError(f"the picture cannot be written to {path}", remedy=str(error.strerror)) from None
