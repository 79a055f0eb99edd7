"""`asl peers`: one line a machine: whether it is there, how far, where, and how it was found."""

from __future__ import annotations

import time
from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.silence import span
from aslp2p.cli.source import DaemonSource, open_daemon
from aslp2p.control.protocol import RemoteError


@click.command("peers", cls=Command)
@pass_settings
def peers_command(settings: Settings) -> None:
    """The machines of the Common: linked now or when last, how far each is, where, and how it was found."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("peers")
        members, height = _members(daemon)
    machines = machines_of(members, height, answer, int(time.time() * 1000))
    if settings.json:
        say_json({**answer, "machines": machines})
        return
    for address in answer["addresses"]:
        say(f"Listening: {address}")
    if not answer["peers"]:
        say("No machine is linked now.")
    table([_row(one) for one in machines])


def _members(daemon: DaemonSource) -> tuple[list[dict[str, Any]], int]:
    """The other members, and our height; none while nothing of the history has come."""
    try:
        answer = daemon.ask("members")
    except RemoteError:
        return [], 0
    others = [one for one in answer["members"] if one["status"] == "admitted" and not one["self"]]
    return others, int(answer["height"])


def machines_of(
    members: list[dict[str, Any]], height: int, answer: dict[str, Any], now_ms: int
) -> list[dict[str, Any]]:
    """What is known of each member, by name, and of those linked that are none: one entry for each link, one
    for whoever has none."""
    links: dict[str, list[dict[str, Any]]] = {}
    for link in answer["peers"]:
        links.setdefault(link["key"], []).append(link)
    known = {one["key"] for one in members}
    strangers = [{"key": key, "name": ""} for key in links if key not in known]
    machines = []
    for one in [*members, *strangers]:
        places = [place for place in answer["places"] if place["key"] == one["key"]]
        for link in links.get(one["key"], []):
            by = next((place["source"] for place in places if place["address"] == link.get("address")), "")
            at = link.get("height")
            machines.append(
                {
                    "name": one["name"],
                    "key": one["key"],
                    "linked": True,
                    "since_ms": link.get("seconds", 0) * 1000,
                    "height": at,
                    "behind": None if at is None else max(0, height - at),
                    "address": link.get("address", ""),
                    "found_by": by or ("" if link.get("initiator") else "it called"),
                }
            )
        if one["key"] not in links:
            last = max(places, key=lambda place: int(place["success_ms"]), default=None)
            seen = 0 if last is None else int(last["success_ms"])
            machines.append(
                {
                    "name": one["name"],
                    "key": one["key"],
                    "linked": False,
                    "since_ms": max(0, now_ms - seen) if seen else None,
                    "height": None,
                    "behind": None,
                    "address": "" if last is None else last["address"],
                    "found_by": "" if last is None else last["source"],
                }
            )
    return machines


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    if one["linked"]:
        state = f"linked for {span(one['since_ms'])}"
    elif one["since_ms"] is None:
        state = "not called from here yet"
    else:
        state = f"last reached {span(one['since_ms'])} ago"
    version = "" if one["height"] is None else f"@{one['height']}"
    if one["behind"]:
        version += f", {one['behind']} behind"
    name = one["name"] or "(not admitted)"
    return name, one["key"][8:16], state, version, one["address"], one["found_by"]
