"""`asl version` and `asl completion`."""

from __future__ import annotations

import platform

import click

from aslp2p import __version__
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.limits import PROTOCOL_VERSION


@click.command("version", cls=Command)
@pass_settings
def version_command(settings: Settings) -> None:
    """Which version this is, and which protocol it speaks."""
    if settings.json:
        say_json({"version": __version__, "protocol": PROTOCOL_VERSION, "python": platform.python_version()})
        return
    say(f"aslp2p {__version__} (protocol {PROTOCOL_VERSION})")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_settings
def completion_command(settings: Settings, shell: str) -> None:
    """What makes SHELL complete `asl`: put `eval "$(asl completion bash)"` into its start file."""
    from aslp2p.cli.group import main
    from aslp2p.cli.shipped import completion_source

    source = completion_source(main, shell)
    say_json({"shell": shell, "source": source}) if settings.json else click.echo(source)
