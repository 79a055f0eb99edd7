"""What goes to the terminal: JSON or lines, safe whatever names and texts hold; how figures are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from aslp2p.artifacts.text import terminal_safe
from aslp2p.views.conditions.phrases import YOU, count_text, quoted, sentence, when

__all__ = [
    "JSON_SCHEMA",
    "YOU",
    "columns",
    "count_text",
    "note",
    "quoted",
    "say",
    "say_json",
    "sentence",
    "table",
    "when",
]
JSON_SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields come without a word."""


def say(line: str = "") -> None:
    """One line on standard output; what could control a terminal is shown as an escape."""
    click.echo(terminal_safe(line))


def note(line: str) -> None:
    """One line on standard error, for what is not the answer itself."""
    click.echo(terminal_safe(line), err=True)


def say_json(answer: Mapping[str, Any]) -> None:
    """The answer for scripts: one JSON object, ASCII, with the version of its form as `schema`."""
    click.echo(json.dumps({"schema": JSON_SCHEMA, **answer}, indent=2))


def table(rows: Iterable[Sequence[str]]) -> None:
    """Lines in columns as wide as they need to be; the last one is not padded."""
    for line in columns(rows):
        click.echo(line)


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, safe for a terminal."""
    safe = [[terminal_safe(cell) for cell in row] for row in rows]
    widths = (
        [max(map(len, column)) for column in zip(*(row[:-1] for row in safe), strict=True)] if safe else []
    )
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in safe
    ]


def erased_text(erased: dict[str, Any]) -> str:
    """What is said of bytes that were erased."""
    by = "somebody" if erased["by"] is None else erased["by"]["shown"]
    return f"erased at @{erased['height']} by {by}: {erased['reason']}"


def erased_mark(entry: dict[str, Any]) -> str:
    """What is said beside the path of what was erased since; nothing of anything else."""
    return "" if entry["erased"] is None else f"  ({erased_text(entry['erased'])})"
