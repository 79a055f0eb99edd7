"""How long the witness has been silent, in words."""

from __future__ import annotations

from typing import Any

SHOWN_BEACONS = 3
"""As many beacons missed make a silence worth a line."""
UNLINKED_MS = 60_000
"""And so long, where the witness's machine is not linked: beacons may be an hour apart."""


def silence_words(common: dict[str, Any]) -> str:
    """`james was last heard 3 h ago; may be replaced in 27 d`, or nothing if it was heard of late or is not
    listened for here."""
    live: dict[str, Any] = common.get("live") or {}
    silence: dict[str, Any] | None = live.get("silence")
    if not silence:
        return ""
    witness = common["witness"]["key"]
    linked = any(link["key"] == witness for link in live.get("links", ()))
    shown_ms = SHOWN_BEACONS * common["beacon_interval_ms"]
    if silence["silent_ms"] < (shown_ms if linked else min(shown_ms, UNLINKED_MS)):
        return ""
    left = common["grace_period_ms"] - silence["silent_ms"]
    who = common["witness"]["shown"] + ("" if linked else " is not linked, and")
    words = f"{who} was last heard {span(silence['silent_ms'])} ago; "
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
