"""Durations as people write them: a whole number and a unit, `30d`, `12h`, `500ms`.

One number and one unit, so that a duration has few spellings and none that needs a calendar (no months).
"""

from __future__ import annotations

import re

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_WRITTEN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
FORM = "a whole number and one of ms, s, m, h, d, w, as in 30d"


def parse_duration(text: str) -> int | None:
    """The milliseconds that `text` says, or None when it is no duration; there is no sign and no fraction."""
    written = _WRITTEN.fullmatch(text)
    return int(written[1]) * _UNITS[written[2]] if written else None


def duration_text(milliseconds: int) -> str:
    """The shortest text that `parse_duration` reads back as `milliseconds` (at least 0), in days at most."""
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _UNITS[unit] == 0:
            return f"{milliseconds // _UNITS[unit]}{unit}"
    return f"{milliseconds}ms"
