"""Conditions of the machine: its daemon, network, disk and clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.limits import CLOCK_OFF_MS, DISK_LOW_BYTES, MIB
from aslp2p.views.conditions.phrases import span
from aslp2p.views.conditions.scope import MACHINE
from aslp2p.views.conditions.table import Condition


def of_machine(answer: dict[str, Any]) -> Iterator[Condition]:
    """Those that hold, by what `status` answers."""
    machine: dict[str, Any] = answer.get("machine") or {}
    if retired := machine.get("retired"):
        commands = (retired["command"],) if retired["command"] else ()
        words = retired["remedy"].replace(retired["command"], "{}") if commands else retired["remedy"]
        yield MACHINE.make("moved-away", retired["message"], words, *commands)
    elif answer["daemon"] is None:
        yield MACHINE.make("no-daemon", "not running", "start it with: {}", "asl up")
    elif unseen := answer["daemon"].get("unseen"):
        yield MACHINE.make("unseen", f"{unseen} not seen yet", "", "asl notices")
    if machine.get("network") is False:
        text = "this machine has no address that others could reach"
        yield MACHINE.make("no-network", text, "see why: {}", "asl doctor")
    yield from disk_low(machine.get("free_bytes"))
    yield from _clock(answer["commons"], machine.get("wall_ms"))


def disk_low(free_bytes: int | None, below: int = DISK_LOW_BYTES) -> Iterator[Condition]:
    """The disk of the home is nearly full."""
    if free_bytes is not None and free_bytes < below:
        text = f"{free_bytes // MIB} MiB are left on the disk of this machine's home"
        yield MACHINE.make("disk-low", text, "make room; what the Common uses: {}", "asl df")


def _clock(commons: list[dict[str, Any]], wall_ms: int | None) -> Iterator[Condition]:
    """This clock against the newest snapshots, which other machines have made: one from the future cannot
    be, so either clock is wrong. (That this one is ahead shows on the others.)"""
    for common in commons:
        ahead = 0 if wall_ms is None or common["height"] is None else common.get("created_ms", 0) - wall_ms
        if ahead > CLOCK_OFF_MS:
            text = (
                f"the newest snapshot of {common['name']} is {span(ahead)} ahead of this clock: this one, or "
                "the witness's, is wrong"
            )
            yield MACHINE.make("clock-off", text, "set it; what it says now: {}", "date", what=common["id"])
