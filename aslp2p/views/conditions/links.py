"""Conditions of a Common that come of who is linked, and of what this machine's office does with that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.table import Condition

JOINER_WAITS_S = 60
"""A joiner with an invite is in within seconds, unless the witness is away."""


def of_links(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """Who is not there, and who waits to be let in."""
    live, peers = common["live"], scope.typed("peers")
    links = live.get("links", ())
    if common["height"] is None:
        yield scope.make(
            "joining", "nothing of its history has arrived yet", "is a machine up that has it? {}", peers
        )
    if not links and (common["height"] is None or common.get("members", 1) > 1):
        yield scope.make("nobody-linked", "no other machine is linked", "see why: {}", "asl doctor")
    linked = {link["key"] for link in links}
    for one in common.get("others", ()):
        if one["key"] not in linked:
            yield scope.make("member-away", f"{one['name']} is not linked", "", peers, what=one["key"])
    for one in links:
        waits = one.get("member") is False and one.get("seconds", 0) >= JOINER_WAITS_S
        if waits and common.get("standing") == "admitted":
            text = f"{one['name'] or one['key']} waits to be let in, until the witness lists it"
            yield scope.make("joiner-waits", text, "", scope.typed("proposals"), what=one["key"])


def of_office(live: dict[str, Any], common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What the witness and an authority do not do just now."""
    if live.get("is_witness") and not live.get("hears_quorum", True):
        text = "this witness hears no quorum of the authorities: it could be replaced without hearing of it"
        yield scope.make("no-quorum", text)
    if (reason := live.get("not_emitting_because")) and not common.get("stale"):
        yield scope.make("idle", f"this witness emits nothing: {reason}")
    if reason := live.get("held_back"):
        yield scope.make("held-back", f"this machine endorses nothing more for now: {reason}")


def signers(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What the keys that are left can decide: those that were revoked sign nothing, nor does one in doubt."""
    found: dict[str, int] | None = common.get("signers")
    if not found or found["usable"] == found["of"] or "authority" not in common.get("roles", ()):
        return
    usable, of, needed = found["usable"], found["of"], found["threshold"]
    left = f"{_number(usable)} of {_number(of)} usable signers {'is' if usable == 1 else 'are'} left"
    others = common.get("candidates", ())
    if usable < needed:
        text = f"{left}, and {needed} have to agree: nobody can replace the witness or change the policy"
        yield scope.make("too-few-signers", text, "bring back a key that is missing, or see docs/recovery.md")
    elif usable == needed and others and not common.get("dead_authorities"):
        text = f"{left}, and {needed} have to agree: with one less nothing can be decided"
        yield scope.make("last-signers", text, "add one: {}", scope.typed("authority add", others[0]))
    elif usable == needed:
        text = f"{left}, and {needed} have to agree: with one less nothing can be decided"
        yield scope.make("last-signers", text, "let another machine in: {}", scope.typed("invite"))


def _number(count: int) -> str:
    small = ("none", "one", "two", "three", "four", "five", "six")
    return small[count] if count < len(small) else str(count)
