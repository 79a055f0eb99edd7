"""`asl evidence`: what shows that a witness signed two histories (F3)."""

from __future__ import annotations

import click

from aslp2p.cli.floor import retired_lines
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_source


@click.command("evidence", cls=Command)
@pass_settings
def evidence_command(settings: Settings) -> None:
    """Every pair of snapshots that one witness signed for one place in the history, and what to type."""
    with open_source(settings) as source:
        answer = source.ask("evidence")
    if settings.json:
        say_json(answer)
        return
    for line in retired_lines(answer["name"], answer["retired"]):
        say(line)
    if not answer["evidence"]:
        say("There is none: no witness is known to have signed two histories.")
    for one in answer["evidence"]:
        where = f"@{one['height']}, epoch {one['epoch']}"
        say(f"{one['id'][:12]}  {one['witness']['shown']} signed two snapshots {where}")
        for id_ in one["snapshots"]:
            say(f"    {id_}{'  (the one that is followed here)' if id_ in one['followed'] else ''}")
        for beside in () if one["revoked"] else one["cosigned_beside"]:
            names = ", ".join(key["shown"] for key in beside["by"])
            held_back = "can endorse nothing on the line followed here unless that is given up"
            say(f"    {beside['id'][:12]} was cosigned by {names}, who {held_back}")
        say("    its key is revoked" if one["revoked"] else f"    to end its key: {one['command']}")
