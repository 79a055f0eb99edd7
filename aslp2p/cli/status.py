"""`asl status` and `asl peers`: what is going on, in as few lines as it takes."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon, open_source
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
    wanting = [
        {"common": one["name"], "text": text, "remedy": remedy}
        for one in commons
        for text, remedy in attention(one)
    ]
    if settings.json:
        say_json({**answer, "selected": chosen["id"], "attention": wanting})
    else:
        for line in status_lines(chosen, answer["daemon"]):
            say(line)
        for other in commons:
            if other is not chosen:
                say(f"Also: {headline(other)}")
        for one in wanting:
            say(f"Attention: {one['common']}: {one['text']}{'; ' if one['remedy'] else ''}{one['remedy']}")
    if wanting:
        raise click.exceptions.Exit(ATTENTION)


def headline(common: dict[str, Any]) -> str:
    """`home@42 (witness: you)`."""
    if common["height"] is None:
        return f"{common['name']} (joining: nothing of its history has arrived yet)"
    return f"{common['name']}@{common['height']} (witness: {common['witness']['shown']})"


def status_lines(common: dict[str, Any], daemon: dict[str, Any] | None) -> list[str]:
    """What to say about one Common, the version and the witness first."""
    lines = [f"Common: {headline(common)}"]
    live: dict[str, Any] = common.get("live") or {}
    if common["height"] is not None:
        lines += _history_lines(common, live)
    if daemon is None:
        lines.append("Daemon: not running; start it with: asl up")
        return lines
    names = [link["name"] or link["key"][8:16] for link in live.get("links", [])]
    lines.append(f"Peers: {', '.join(names)}" if names else "Peers: none reachable now")
    lines += [f"Note: {one['text']}" for one in live.get("warnings", []) if not one["attention"]]
    return lines


def _history_lines(common: dict[str, Any], live: dict[str, Any]) -> list[str]:
    lines = []
    if common["note"]:
        lines.append(f"Note: {common['note']}")
    if common["final"]:
        lines.append(f"final @{common['final']}")
    if catching := live.get("catch_up"):
        lines.append(f"Catching up: @{common['height']} of @{catching['target']}")
    if fetching := sum((live.get("fetching") or {}).values()):
        lines.append(f"Fetching: {count_text(fetching, 'piece')} of content still to come")
    if common["audited"] < common["height"]:
        lines.append(f"audited to @{common['audited']}")
    if common["joint"]:
        lines.append("Policy: a change is in its joint phase; both policies count until it settles")
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
    if common["rejected"]:
        lines.append(f"Refused: {common['rejected']} of yours; see why with: asl proposals")
    return lines


def attention(common: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person has to decide: what it is, and what to type."""
    live: dict[str, Any] = common.get("live") or {}
    wanting = [
        (one["text"], one.get("remedy", "")) for one in live.get("warnings", []) if one.get("attention")
    ]
    if live.get("read_only"):
        wanting.append((f"read-only: {live['read_only']}", "make room, or look at the disk"))
    if common.get("evidence"):
        wanting.append(
            ("a witness has signed two histories", "talk to the other authorities about its revocation")
        )
    if common.get("standing") in ("expelled", "revoked"):
        wanting.append((f"this machine's key was {common['standing']}", "ask a member why"))
    return wanting


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


@click.command("peers", cls=Command)
@pass_settings
def peers_command(settings: Settings) -> None:
    """Which machines are linked to this one now."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("peers")
    if settings.json:
        say_json(answer)
        return
    for address in answer["addresses"]:
        say(f"Listening: {address}")
    if not answer["peers"]:
        say("No machine is linked now.")
    rows = []
    for link in answer["peers"]:
        height = link.get("height")
        rows.append(
            (
                link["name"] or "(not admitted)",
                link["key"][8:16],
                "" if height is None else f"@{height}",
                link.get("address", ""),
                f"for {_span(link.get('seconds', 0))}",
            )
        )
    table(rows)


def _span(seconds: int) -> str:
    """How long, to the largest unit."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
