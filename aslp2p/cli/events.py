"""`asl events`: what happens, as it happens."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from aslp2p.artifacts.text import terminal_safe
from aslp2p.cli.group import Command
from aslp2p.cli.output import JSON_SCHEMA
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon
from aslp2p.errors import UsageError


@click.command("events", cls=Command)
@click.option("-f", "--follow", is_flag=True, help="Go on until interrupted; else the next one ends it.")
@click.option("-t", "--topic", "topics", multiple=True, metavar="TOPIC", help="This topic only; repeated.")
@pass_settings
def events_command(settings: Settings, follow: bool, topics: tuple[str, ...]) -> None:
    """What happens, one line an event: when, which Common, what.

    Topics are head, final, proposal, paper, witness, members, peers, notice, condition and folder. With
    --json each line is one object. Ends with 3 when the daemon stops.
    """
    with open_daemon(settings) as daemon:
        names = {one["id"]: one["name"] for one in daemon.client.call("commons")["commons"]}
        only = daemon.ask("summary")["name"] if settings.common else ""
        try:
            subscription = daemon.client.subscribe(topics or ["*"])
        except Exception as error:
            if "no topic" in str(error):
                raise UsageError(str(error), remedy="see `asl events --help`") from None
            raise
        with subscription:
            for event in subscription:
                name = names.get(event.get("common", ""), event.get("common", "")[:12])
                if only and name != only:
                    continue
                click.echo(_json(event, name) if settings.json else terminal_safe(_line(event, name)))
                if not follow:
                    return


def _json(event: dict[str, Any], name: str) -> str:
    return json.dumps({"schema": JSON_SCHEMA, **event, "name": name, "at_ms": time.time_ns() // 1_000_000})


def _line(event: dict[str, Any], name: str) -> str:
    rest = {key: value for key, value in event.items() if key not in ("topic", "common", "subscription")}
    told = " ".join(f"{key}={_short(value)}" for key, value in rest.items() if value not in (None, ""))
    return f"{time.strftime('%H:%M:%S')}  {name:12}  {event['topic']:9}  {told}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    is_id = len(text) == 64 and not set(text) - set("0123456789abcdef")
    return text[:12] if is_id else json.dumps(text) if " " in text else text
