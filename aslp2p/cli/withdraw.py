"""`asl withdraw`: taking back what this machine proposed, as long as it is open."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.artifacts.keys import parse_id_prefix
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, sentence
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, open_daemon
from aslp2p.errors import UsageError, UserError


@click.command("withdraw", cls=Command)
@click.argument("id")
@pass_settings
def withdraw_command(settings: Settings, id: str) -> None:
    """Take back the open proposal ID of this machine (4 or more digits; see `asl proposals`)."""
    parse_id_prefix(id)
    with open_daemon(settings) as daemon:
        one = _own(daemon, id)
        answer = daemon.call("withdraw", id=one["id"])
    if settings.json:
        say_json({**answer, "proposal": one["id"]})
    elif not answer["withdrawn"]:
        say("It is in the history, or overtaken: see `asl status`.")
    else:
        say(f"Withdrawn: {sentence(one['author'], one['words'])}")
        if one["does"] == "witness-rotation":
            say("This machine stays the witness; the others' machines confirm that by themselves.")


def _own(daemon: DaemonSource, digits: str) -> dict[str, Any]:
    """The open proposal of this machine that begins with these digits. Raises `UserError`."""
    found = [
        one
        for one in daemon.call("proposals", state="pending")["proposals"]
        if one["author"]["self"] and one["id"].startswith(digits)
    ]
    if not found:
        raise UserError(
            f"no open proposal of this machine begins with {digits}", remedy="see what is open: asl proposals"
        )
    if len(found) > 1:
        raise UsageError(f"{len(found)} open proposals begin with {digits}", remedy="write more digits")
    one: dict[str, Any] = found[0]
    return one
