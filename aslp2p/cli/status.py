"""`asl status`: what is going on, in as few lines as it takes."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import click

from aslp2p.cli.floor import waiting_line
from aslp2p.cli.group import Command
from aslp2p.cli.machines import machine_lines, members_of
from aslp2p.cli.output import count_text, say, say_json, sentence
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, Source, open_source
from aslp2p.errors import NeedsAttention, UsageError, UserError

ATTENTION = NeedsAttention.exit_code


@click.command("status", cls=Command)
@pass_settings
def status_command(settings: Settings) -> None:
    """What is going on. Ends with 4 when a person has to decide something."""
    with open_source(settings) as source:
        answer = source.status()
        commons: list[dict[str, Any]] = answer["commons"]
        if not commons:
            raise UserError("this home follows no Common", remedy="type `asl init NAME` or `asl join INVITE`")
        chosen = _chosen(commons, settings.common)
        machines = _machines(source, chosen)
    conditions: list[dict[str, Any]] = answer["conditions"]
    wanting = [one for one in conditions if one["asks"]]
    if settings.json:
        asked = [{key: one[key] for key in ("common", "text", "remedy")} for one in wanting]
        say_json({**answer, "selected": chosen["id"], "machines": machines, "attention": asked})
    else:
        about = ("", chosen["id"])
        lines = status_lines(chosen)
        lines += [one["line"] for one in conditions if one["line"] and not one["asks"] and one["id"] in about]
        if answer["daemon"] is not None:
            lines += [peers_line(chosen), *machine_lines(machines)]
        lines += [f"Also: {headline(other)}" for other in commons if other is not chosen]
        for line in (*lines, *(one["line"] for one in wanting)):
            say(line)
    if wanting:
        raise click.exceptions.Exit(ATTENTION)


def _machines(source: Source, common: dict[str, Any]) -> list[dict[str, Any]]:
    """What is known of each machine of the Common (`cli.machines`); nothing without a daemon."""
    if not isinstance(source, DaemonSource) or common["fault"]:
        return []
    return members_of(source.client, common, int(time.time() * 1000))


def headline(common: dict[str, Any]) -> str:
    """`home@42 (witness: you)`."""
    if common.get("fault"):
        return f"{common['name']} (cannot be read)"
    if common["height"] is None:
        return f"{common['name']} (joining: nothing of its history has arrived yet)"
    return f"{common['name']}@{common['height']} (witness: {common['witness']['shown']})"


def status_lines(common: dict[str, Any]) -> list[str]:
    """What to say about one Common but its conditions, the version and the witness first."""
    lines = [f"Common: {headline(common)}"]
    if common["height"] is not None:
        lines += _history_lines(common, common.get("live") or {})
    return lines


def peers_line(common: dict[str, Any]) -> str:
    """Who is linked now, each by name."""
    live: dict[str, Any] = common.get("live") or {}
    names = Counter(link["name"] or link["key"][8:16] for link in live.get("links", []))
    peers = [name if count == 1 else f"{name} ({count} links)" for name, count in names.items()]
    return f"Peers: {', '.join(peers)}" if peers else "Peers: none reachable now"


def _history_lines(common: dict[str, Any], live: dict[str, Any]) -> list[str]:
    lines = []
    if common["note"]:
        lines.append(f"Note: {common['note']}")
    if waiting := (common.get("floor") or {}).get("waits_for"):
        lines.append(waiting_line(common["name"], waiting))
    if common.get("predecessor"):
        lines.append(f"Note: this Common succeeds {common['predecessor'][:12]}, its predecessor")
    if common["final"]:
        lines.append(f"final @{common['final']}")
    if catching := live.get("catch_up"):
        lines.append(f"Catching up: @{common['height']} of @{catching['target']}")
    if fetching := sum((live.get("fetching") or {}).values()):
        lines.append(f"Fetching: {count_text(fetching, 'piece')} of content still to come")
    if common["audited"] < common["height"]:
        lines.append(f"audited to @{common['audited']}")
    if settling := common.get("settlement"):
        lines.append(_settling_line(settling))
    for one in common.get("papers", ()):
        if one["id"] not in common["offers"]:
            lines.append(f"Open: {sentence(one['author'], one['words'])} ({one['paper']['progress']})")
    if common["standing"] != "admitted":
        lines.append(
            "This machine: not admitted yet"
            if common["standing"] == "unknown"
            else f"This machine: {common['standing']}"
        )
    if common["pending"]:
        waits = "waits" if common["pending"] == 1 else "wait"
        lines.append(
            f"Pending: {count_text(common['pending'], 'proposal')} {waits} for the witness "
            f"({common['witness']['shown']})"
        )
    return lines


def _settling_line(settling: dict[str, Any]) -> str:
    change = f"Policy: the change of @{settling['height']} is"
    if settling["final"]:
        return f"{change} final and waits for the witness to settle it; {settling['takeover']}"
    return f"{change} settling, both policies count until it has; cosigned by {settling['progress']}"


def _chosen(commons: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The Common to tell about: the one named, the default, or the first."""
    if wanted:
        matching = [
            one
            for one in commons
            if wanted == one["name"] or (len(wanted) >= 4 and one["id"].startswith(wanted))
        ]
        if len(matching) != 1:
            raise UsageError(
                f"{'several Commons are' if matching else 'no Common here is'} called {wanted!r}",
                remedy="see `asl common list`",
            )
        return matching[0]
    return next((one for one in commons if one["default"]), commons[0])
