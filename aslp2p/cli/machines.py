"""The machines of a Common, a line each, for `asl status` and `asl peers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aslp2p.cli.output import columns
from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.views.conditions.phrases import span

IDLE_MS = 900_000
"""Every node says something each ten minutes: a link on which nothing came for longer is idle."""
SHOWN = 20
"""Of lines in `asl status`; `asl peers` has them all."""


def members_of(client: Client, common: dict[str, Any], now_ms: int) -> list[dict[str, Any]]:
    """The machines of `common`, as `status` has it."""
    answer = client.call("peers", common=common["id"])
    members, height = others_at(lambda question: client.call(question, common=common["id"]))
    return machines_of(members, height, answer, now_ms)


def others_at(ask: Callable[[str], dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The other members, and our height; none while nothing of the history has come."""
    try:
        answer = ask("members")
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
    refused = answer.get("refused_by", {})
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
                    "quiet_ms": link.get("quiet_s", 0) * 1000,
                    "refused": refused.get(one["name"], ""),
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
                    "quiet_ms": None,
                    "refused": refused.get(one["name"], ""),
                    "since_ms": max(0, now_ms - seen) if seen else None,
                    "height": None,
                    "behind": None,
                    "address": "" if last is None else last["address"],
                    "found_by": "" if last is None else last["source"],
                }
            )
    return machines


def machine_lines(machines: list[dict[str, Any]]) -> list[str]:
    """For `asl status`: indented, `SHOWN` at most."""
    rows = [(name, *rest) for name, _, *rest in map(machine_row, machines[:SHOWN])]
    lines = [f"  {line}" for line in columns(rows)]
    if len(machines) > SHOWN:
        lines.append(f"  {len(machines) - SHOWN} more: asl peers")
    return lines


def machine_row(one: dict[str, Any]) -> tuple[str, ...]:
    """Name, key, whether it is there, version, address, and how that was found."""
    if one["refused"]:
        state = f"refused: {one['refused']}"
    elif one["linked"] and one["quiet_ms"] > IDLE_MS:
        state = f"idle for {span(one['quiet_ms'])}"
    elif one["linked"]:
        state = f"online for {span(one['since_ms'])}"
    elif one["since_ms"] is None:
        state = "not reached from here yet"
    else:
        state = f"last seen {span(one['since_ms'])} ago"
    version = "" if one["height"] is None else f"@{one['height']}"
    if one["behind"]:
        version += f", {one['behind']} behind"
    name = one["name"] or "(not admitted)"
    return name, one["key"][8:16], state, version, one["address"], one["found_by"]
