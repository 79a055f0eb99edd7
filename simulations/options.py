"""Values on the command line: a wrong one is one line and exit code 2, as everywhere (`UsageError`)."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import click

from aslp2p.artifacts.text import terminal_safe
from aslp2p.errors import UsageError
from aslp2p.ledger.duration import FORM, duration_text, parse_duration
from simulations.scenario import DAY

Callback = Callable[[click.Context, click.Parameter, str], Any]
DURATION_MS_MAX = 3_650 * DAY


def a_number(least: float, most: float, *, whole: bool = False) -> Callback:
    """A callback that takes a number from `least` to `most`, and refuses all else by name."""

    def take(_context: click.Context, parameter: click.Parameter, text: str) -> float | int:
        kind = "a whole number" if whole else "a number"
        try:
            number: float | int = int(text) if whole else float(text)
        except ValueError:
            number = float("nan")
        if not isfinite(number) or not least <= number <= most:
            raise UsageError(
                f"{parameter.opts[0]} is {terminal_safe(str(text))}",
                remedy=f"write {kind} from {least:g} to {most:.15g}",
            )
        return number

    return take


def a_duration(least_ms: int) -> Callback:
    """A callback that takes a duration of at least `least_ms`; milliseconds come back."""

    def take(_context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
        if text is None:
            return None
        found = parse_duration(text)
        if found is None or not least_ms <= found <= DURATION_MS_MAX:
            bounds = f"from {duration_text(least_ms)} to {duration_text(DURATION_MS_MAX)}"
            raise UsageError(
                f"{parameter.opts[0]} is {terminal_safe(text)}", remedy=f"write {FORM}, {bounds}"
            )
        return found

    return take
