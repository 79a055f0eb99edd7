"""How people are told how long, how many, when, and who does what."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

YOU = "you"


def span(milliseconds: int) -> str:
    """How long, to the largest unit: `27 d`, `3 h`, `5 min`, `2 s`, `300 ms`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def when(milliseconds: int) -> str:
    """A wall clock's milliseconds as local time, to the minute."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"


def count_text(count: int, one: str, many: str = "") -> str:
    """`1 file`, `3 files`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def sentence(author: dict[str, Any], words: str) -> str:
    """Who does what: `james puts notes`, `you put notes`."""
    if author["shown"] != YOU:
        return f"{author['shown']} {words}"
    verb, _, rest = words.partition(" ")
    return f"{YOU} {verb.removesuffix('s')} {rest}"


def quoted(name: str) -> str:
    """A name as it is typed in a shell."""
    return shlex.quote(name)
