"""How long the witness has been silent, or why it can sign nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.views.conditions.phrases import span
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.table import Condition

SHOWN_BEACONS = 3
"""As many beacons missed make a silence worth a line."""
UNLINKED_MS = 60_000
"""And so long, where the witness's machine is not linked: beacons may be an hour apart."""


def silence(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """The silence where it is counted (S2): from a minute on, at half of its grace period, and at its end."""
    counted: dict[str, Any] | None = common["live"].get("silence")
    text = silence_words(common)
    if not counted or not text:
        return
    silent, grace = counted["silent_ms"], common["grace_period_ms"]
    witness = common["witness"]["key"]
    if silent >= grace:
        ask = scope.typed("recover")
        yield scope.make("silent-end", f"{text}, and may be replaced", "ask for it: {}", ask, what=witness)
    elif 2 * silent >= grace:
        back = "see where that machine is: {}"
        yield scope.make("silent-half", text, back, scope.typed("peers"), what=witness)
    else:
        yield scope.make("silent", text, what=witness)


def silence_words(common: dict[str, Any]) -> str:
    """`james was not heard for 12 d of 30 d`, or nothing if it was heard of late or is not listened for
    here."""
    live: dict[str, Any] = common.get("live") or {}
    counted: dict[str, Any] | None = live.get("silence")
    if not counted:
        return ""
    linked = _is_linked(common)
    shown_ms = SHOWN_BEACONS * common["beacon_interval_ms"]
    if counted["silent_ms"] < (shown_ms if linked else min(shown_ms, UNLINKED_MS)):
        return ""
    who = common["witness"]["shown"] + ("" if linked else " is not linked, and")
    words = f"{who} was not heard for {span(counted['silent_ms'])} of {span(common['grace_period_ms'])}"
    if counted["silent_ms"] < common["grace_period_ms"] and not counted["watching"]:
        return words + "; no other authority is linked, so it is not counted on"
    return words


def witness_full(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """The witness lives, and says that its disk takes no writes (S2)."""
    since = common["live"].get("witness_no_room_ms")
    if since is None or common["witness"].get("self"):
        return
    text = f"the disk of {common['witness']['shown']}, the witness, takes no writes, so it signs nothing"
    since_words = f"{text}; it has said so for {span(since)}"
    yield scope.make("witness-full", since_words, "make room on that machine", what=common["witness"]["key"])


def witness_away(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """Where silence is not counted: the witness's machine is not linked."""
    live = common["live"]
    if (
        live.get("silence")
        or live.get("witness_no_room_ms") is not None
        or common["witness"].get("self")
        or _is_linked(common)
    ):
        return
    who = common["witness"]["shown"]
    heard = live.get("witness_heard_ms")
    since = (
        "was not heard since this daemon started" if heard is None else f"was last heard {span(heard)} ago"
    )
    text = f"the witness, {who}, is not linked, and {since}"
    yield scope.make("witness-away", text, "", scope.typed("peers"), what=common["witness"]["key"])


def _is_linked(common: dict[str, Any]) -> bool:
    links = common["live"].get("links", ())
    return any(link["key"] == common["witness"]["key"] for link in links)
