"""How many bytes something has, for people: the same words wherever they read it."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB")


def size_text(size: int) -> str:
    """A number of bytes, short: `512 B`, `1.5 MiB`."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{size} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"
