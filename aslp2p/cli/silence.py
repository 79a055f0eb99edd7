"""How long the witness has been silent, in words."""

from __future__ import annotations

from typing import Any

SHOWN_BEACONS = 3
"""As many beacons missed make a silence worth a line."""


def silence_words(common: dict[str, Any]) -> str:
    """`james was last heard 3 h ago; may be replaced in 27 d`, or nothing if it was heard of late or is not
    listened for here."""
    live: dict[str, Any] = common.get("live") or {}
    silence: dict[str, Any] | None = live.get("silence")
    if not silence or silence["silent_ms"] < SHOWN_BEACONS * common["beacon_interval_ms"]:
        return ""
    left = common["grace_period_ms"] - silence["silent_ms"]
    words = f"{common['witness']['shown']} was last heard {span(silence['silent_ms'])} ago; "
    if left <= 0:
        return words + "may be replaced now"
    if not silence["watching"]:
        return words + "no other authority is linked, so it is not counted on"
    return words + f"may be replaced in {span(left)}"


def span(milliseconds: int) -> str:
    """How long, to the largest unit: `27 d`, `3 h`, `5 min`, `2 s`, `300 ms`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
