"""`asl endorse`: an authority's word for a succession or a policy change."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, sentence
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon


@click.command("endorse", cls=Command)
@click.argument("id")
@pass_settings
def endorse_command(settings: Settings, id: str) -> None:
    """Endorse the open succession or policy change ID (4 or more digits; see `asl proposals`)."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("endorse", id=id)
    if settings.json:
        say_json(answer)
        return
    say(f"Endorsed: {sentence(answer['author'], answer['words'])}")
    say_progress(answer)


def say_progress(answer: dict[str, Any]) -> None:
    """What an open succession or policy change still needs, and what the others have to type."""
    paper = answer["paper"]
    if not answer["open"]:
        say("It is in the history, or overtaken: see `asl status`.")
    elif paper["complete"]:
        say(f"{paper['progress']}. That is enough; it takes effect when the next snapshot carries it.")
    else:
        say(f"{paper['progress']}. They type: {paper['command']}")


def say_asked(settings: Settings, answer: dict[str, Any]) -> None:
    """What was proposed, and what it still needs."""
    if settings.json:
        say_json(answer)
    elif not answer["open"]:
        say(f"Proposed {answer['proposal'][:12]}, and done already: see `asl status`.")
    else:
        say(f"Proposed: {sentence(answer['author'], answer['words'])}")
        say_progress(answer)
