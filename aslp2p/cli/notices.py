"""`asl notices`: what this machine wants to tell its person, until it was seen."""

from __future__ import annotations

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon


@click.command("notices", cls=Command)
@click.option("--keep", is_flag=True, help="Show them again the next time.")
@pass_settings
def notices_command(settings: Settings, keep: bool) -> None:
    """What a person was or is to be called for and has not seen; what is shown counts as seen.

    The daemon calls by desktop notifications and by `notify.command` in config.toml, each notice once.
    """
    with open_daemon(settings) as daemon:
        notices = daemon.client.call("notices")["notices"]
        if notices and not keep:
            daemon.client.call("notices.see", keys=[one["key"] for one in notices])
    if settings.json:
        say_json({"notices": notices})
        return
    if not notices:
        say("nothing that you have not seen")
    for one in notices:
        where = f"{one['common']}: " if one["common"] else ""
        say(f"{when(one['at_ms'])}  {where}{one['text']}{' (it has passed)' if one['over'] else ''}")
        if one["remedy"] and not one["over"]:
            say(f"    {one['remedy']}")
