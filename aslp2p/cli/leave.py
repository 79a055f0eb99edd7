"""`asl leave`: end this machine's own membership; the others are told, and stop listing it."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.confirm import confirm
from aslp2p.cli.group import Command
from aslp2p.cli.output import note, quoted
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, open_daemon
from aslp2p.errors import UserError


@click.command("leave", cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def leave_command(settings: Settings, yes: bool, no_wait: bool) -> None:
    """Leave the Common: this machine is no member any more. What it has read stays here."""
    from aslp2p.cli.waiting import Waiter, why_never

    with open_daemon(settings) as daemon:
        summary = daemon.ask("summary")
        name = str(summary["name"])
        if why_never(daemon):
            raise UserError(
                f"this machine is no member of {name}",
                remedy=f"remove it here: asl common forget {quoted(name)}",
            )
        _require_free(daemon, summary, name)
        confirm(f"Leave {name}?", ["Only an authority can let this machine's key in again."], yes=yes)
        with Waiter(daemon, wait=not no_wait) as waiter:
            waiter.add(daemon.call("expel", member="self")["proposal"], f"this machine has left {name}")
            waiter.finish()
            if "expelled" in waiter.hopeless:
                # Whoever heard of it first ended the link, and told why, before the snapshot came here.
                waiter.witnessed = [(*one, None) for one in waiter.pending.items()]
                waiter.pending, waiter.hopeless = {}, ""
            waiter.report(settings)
    note(f"Its files of {name} are still here; to remove them: asl common forget {quoted(name)}")


def _require_free(daemon: DaemonSource, summary: dict[str, Any], name: str) -> None:
    """Raises `UserError` for whoever holds an office (P6), with what to type about it."""
    others = [
        str(one["name"])
        for one in daemon.ask("members")["members"]
        if one["status"] == "admitted" and not one["self"]
    ]
    if not others:
        raise UserError(
            f"nobody else is in {name}, so it would end", remedy=f"type: asl common forget {quoted(name)}"
        )
    if "witness" in summary["roles"]:
        raise UserError(
            f"this machine is the witness of {name}",
            remedy=f"hand over first: asl rotate {quoted(others[0])}",
        )
    if "authority" in summary["roles"]:
        own = quoted(str(summary["own_name"]))
        raise UserError(
            f"this machine is an authority of {name}",
            remedy=f"give that up first: asl authority remove {own}, or asl authority replace {own} NAME",
        )
