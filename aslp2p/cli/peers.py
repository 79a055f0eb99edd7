"""`asl peers`: one line a machine: whether it is there, how far, where, and how it was found."""

from __future__ import annotations

import time

import click

from aslp2p.cli.group import Command
from aslp2p.cli.machines import machine_row, machines_of, others_at
from aslp2p.cli.output import say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon


@click.command("peers", cls=Command)
@pass_settings
def peers_command(settings: Settings) -> None:
    """The machines of the Common: linked now or when last, how far each is, where, and how it was found."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("peers")
        members, height = others_at(daemon.ask)
    machines = machines_of(members, height, answer, int(time.time() * 1000))
    if settings.json:
        say_json({**answer, "machines": machines})
        return
    for address in answer["addresses"]:
        say(f"Listening: {address}")
    if not answer["peers"]:
        say("No machine is linked now.")
    table([machine_row(one) for one in machines])
