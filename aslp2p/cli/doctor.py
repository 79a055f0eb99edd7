"""`asl doctor`: looks at everything that keeps machines apart, and prints what to type."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import click

from aslp2p.cli.doctor_home import clock, look_at_home
from aslp2p.cli.doctor_network import interfaces, look_at_firewall, look_at_interfaces, look_at_multicast
from aslp2p.cli.findings import Checked, Grade
from aslp2p.cli.group import Command
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_source
from aslp2p.control.client import Client
from aslp2p.errors import AslError, NeedsAttention, NoDaemon

CONNECT_S = 2.0
ADDRESSES_TRIED_MAX = 3
_CHECKS = {
    "copied-key": "duplicate key",
    "key-marked": "duplicate key",
    "key-idle": "duplicate key",
    "unreadable": "store",
    "joining": "members",
    "refused": "members",
}
"""How a condition is called here that `status` tells of."""
_LOOKED_AT = {"disk-low", "clock-off", "no-daemon", "moved-away", "nobody-linked", "witness-away"}
_MARKS = {Grade.OK: "ok  ", Grade.WARN: "warn", Grade.BAD: "BAD "}


@click.command("doctor", cls=Command)
@pass_settings
def doctor_command(settings: Settings) -> None:
    """Look at all that keeps machines apart: home, key, disk, clock, network, firewall, members.

    Takes a few seconds, and changes nothing. After each line that is not ok stands what to type. Ends with 4
    when something is BAD.
    """
    found = []
    for one in examine(settings):
        found.append(one)
        if not settings.json:
            say(f"{_MARKS[one.grade]}  {one.check}: {one.text}")
            if one.remedy:
                say(f"      {one.remedy}")
    worst = max(one.grade for one in found)
    if settings.json:
        rows = [{**one._asdict(), "grade": one.grade.name.lower()} for one in found]
        say_json({"worst": worst.name.lower(), "checks": rows})
    if worst is Grade.BAD:
        raise click.exceptions.Exit(NeedsAttention.exit_code)


def examine(settings: Settings) -> Iterator[Checked]:
    """Everything, one after the other."""
    home = home_of(settings)
    if not home.exists():
        yield Checked("home", Grade.BAD, f"there is no home at {home}", "asl init NAME, or: asl join INVITE")
        return
    yield from look_at_home(home)
    found = interfaces()
    yield look_at_interfaces(found)
    yield look_at_multicast([address for _, address in found if ":" not in address], enabled=_mdns(settings))
    try:
        with open_source(settings) as source:
            answer = source.status()
    except AslError as error:
        yield Checked("store", Grade.BAD, error.message, error.remedy or "asl fsck")
        return
    commons = answer["commons"]
    yield from clock(commons)
    if answer["daemon"] is None:
        yield Checked("daemon", Grade.BAD, "no daemon is running", "asl up, or: asl service install")
        return
    yield Checked("daemon", Grade.OK, f"it runs, on TCP port {answer['daemon']['port']}")
    yield from look_at_firewall(commons, answer["daemon"]["port"])
    conditions = answer["conditions"]
    yield from told(conditions)
    offline = any(one["code"] == "no-network" for one in conditions)
    for common in commons:
        yield from _common(settings, common, conditions, offline=offline)


def _mdns(settings: Settings) -> bool:
    from aslp2p.home.config import load_config

    try:
        return load_config(home_of(settings)).mdns_enabled
    except AslError:
        return True  # that it cannot be read was said


def told(conditions: list[dict[str, Any]]) -> Iterator[Checked]:
    """What `status` says is amiss, as far as it is more than a note and nothing here looks at it itself."""
    for one in conditions:
        if one["severity"] != "note" and one["code"] not in _LOOKED_AT:
            grade = Grade.BAD if one["severity"] == "critical" else Grade.WARN
            where = f"{one['common']}: " if one["common"] else ""
            check = _CHECKS.get(one["code"], one["code"].replace("-", " "))
            yield Checked(check, grade, f"{where}{one['text']}", one["remedy"] or "asl status")


def _common(
    settings: Settings, common: Mapping[str, Any], conditions: list[dict[str, Any]], *, offline: bool
) -> Iterator[Checked]:
    """Its key and its members; without a network nobody is looked for."""
    if common["fault"] or common["height"] is None:
        return
    doubted = {one["id"] for one in conditions if _CHECKS.get(one["code"]) == "duplicate key"}
    if common["id"] not in doubted:
        text = f"{common['name']}: no other machine was heard with this key"
        yield Checked("duplicate key", Grade.OK, text)
    if offline:
        return
    try:
        with Client.of_home(str(home_of(settings))) as client:
            members = client.call("members", common=common["id"])["members"]
            peers = client.call("peers", common=common["id"])
    except NoDaemon:
        note("the daemon has stopped meanwhile")
        return
    yield from reach(common["name"], members, peers)


def reach(name: str, members: list[dict[str, Any]], peers: Mapping[str, Any]) -> Iterator[Checked]:
    """Each other member of the Common `name`: linked, or what happens where it was last."""
    linked = {link["key"]: link for link in peers["peers"]}
    others = [one for one in members if one["status"] == "admitted" and not one["self"]]
    for one in others:
        who = f"{name}: {one['name']}"
        if link := linked.get(one["key"]):
            yield Checked("members", Grade.OK, f"{who} is linked ({link['address']})")
            continue
        places = [place["address"] for place in peers["places"] if place["key"] == one["key"]]
        tried = "; ".join(f"{place}: {_connect(place)}" for place in places[:ADDRESSES_TRIED_MAX])
        text = f"{who} is not linked ({tried or 'no address of it is known'})"
        yield Checked("members", Grade.WARN, text, "on that machine: asl up; if it is up: asl doctor")
    if others and not linked:
        text = f"{name}: no other machine is linked"
        yield Checked(
            "members", Grade.BAD, text, "asl up --peer HOST:PORT, where `asl peers` on another shows it"
        )


def _connect(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except TimeoutError:
        return "nothing answers: it is off, or a firewall is in the way"
    except OSError as error:
        return error.strerror or str(error)
    return "something answers there"
