"""Conditions of the machine: its daemon, network, disk and clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.limits import CLOCK_OFF_MS, DISK_LOW_BYTES, MIB
from aslp2p.views.conditions.phrases import count_text, span
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
    yield from _clock(answer)


def disk_low(free_bytes: int | None, below: int = DISK_LOW_BYTES) -> Iterator[Condition]:
    """The disk of the home is nearly full."""
    if free_bytes is not None and free_bytes < below:
        text = f"{free_bytes // MIB} MiB are left on the disk of this machine's home"
        yield MACHINE.make("disk-low", text, "make room; what the Common uses: {}", "asl df")


def _clock(answer: dict[str, Any]) -> Iterator[Condition]:
    """This clock against those of the machines that are linked: off where most of them say so."""
    off = [
        (link["clock_ahead_ms"], link["name"] or link["key"])
        for common in answer["commons"]
        for link in (common.get("live") or {}).get("links", ())
        if link.get("clock_ahead_ms") is not None
    ]
    wrong = [(ahead, name) for ahead, name in off if abs(ahead) > CLOCK_OFF_MS]
    if not wrong:
        return
    if 2 * len(wrong) > len(off) and len({ahead > 0 for ahead, _ in wrong}) == 1:
        ahead = min((ahead for ahead, _ in wrong), key=abs)
        side = "behind" if ahead > 0 else "ahead of"
        who = count_text(len({name for _, name in wrong}), "other machine")
        text = f"this clock is {span(abs(ahead))} {side} {who}"
        yield MACHINE.make("clock-off", text, "set it; what it says now: {}", "date")
        return
    for ahead, name in wrong:
        side = "ahead of" if ahead > 0 else "behind"
        yield MACHINE.make(
            "clock-off", f"the clock of {name} is {span(abs(ahead))} {side} this one", what=name
        )
