"""What `--json` wrote, as the tables of a page: every figure with the machine that it was taken on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import limits, table
from benchmarks.table import Row


def page(written: Mapping[str, Any]) -> str:
    """The machine, the rows and the limits of one call, and what was skipped or failed in it."""
    systems: Mapping[str, str] = written["systems"]
    floors = {name: float(one["median"]) for name, one in written["limits"].items()}
    lines = [[f"`{key}`", *_cells(key, row, list(systems), floors)] for key, row in written["rows"].items()]
    parts = [
        ". ".join(f"{name}: {value}" for name, value in written["machine"].items()) + ".",
        ". ".join(f"{name} {version}" for name, version in systems.items()) + ".",
        _table(["row", *table.header(list(systems)), "runs"], lines),
    ]
    if floors:
        listed = [
            [limits.LIMITS[name].title, f"{table.shown(figure)} {limits.LIMITS[name].unit}"]
            for name, figure in floors.items()
        ]
        parts.append(_table(["limit", "figure"], listed))
    parts += [f"Skipped: {name}: {why}." for name, why in written["skipped"].items()]
    parts += [f"Failed: {failure}." for failure in written["failures"]]
    return "\n\n".join(parts)


def _cells(
    key: str, row: Mapping[str, Any], systems: Sequence[str], floors: Mapping[str, float]
) -> list[str]:
    fields = ("title", "unit", "aim", "quoted", "more_is_better", "limit")
    line = table.cells(Row(key, **{name: row[name] for name in fields}), row["runs"], systems, floors)
    runs = max(map(len, row["runs"].values()), default=0)
    return [*line, _spread(row["runs"].get(table.OURS, ()), runs)]


def _spread(ours: Sequence[float], runs: int) -> str:
    """How many runs there were, and between which figures ours lay if there was more than one."""
    if len(ours) < 2:
        return str(runs)
    low, high = table.shown(min(ours)), table.shown(max(ours))
    return f"{runs}, ours {low} to {high}"


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
