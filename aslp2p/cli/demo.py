"""`asl demo`: the whole story on this machine, as it happens, in about a minute."""

from __future__ import annotations

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import note
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.errors import UsageError


@click.command("demo", cls=Command)
@click.option(
    "--pace", type=click.FloatRange(0, 60), default=3.0, show_default=True, help="Seconds to read each part."
)
@pass_settings
def demo_command(settings: Settings, pace: float) -> None:
    """See it once: five real daemons, a rotation, a killed witness and its return, and a forgery.

    Nothing of yours is touched, and nothing is left behind.
    """
    from aslp2p.cli.demo_stage import Stage
    from aslp2p.cli.demo_story import NAMES, tell_story

    if settings.json:
        raise UsageError("a story has no JSON", remedy="type it without --json")
    try:
        with Stage(NAMES, pace) as stage:
            tell_story(stage)
    except KeyboardInterrupt:
        note("Stopped; the daemons of the demo are gone.")
        raise
