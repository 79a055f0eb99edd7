"""`asl dismiss`: ending the talk of what was refused."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, open_daemon
from aslp2p.errors import UserError
from aslp2p.worktree.walking import clean_path

_DIGITS_MIN = 4


@click.command("dismiss", cls=Command)
@click.argument("what", nargs=-1, metavar="[ID|PATH…]")
@pass_settings
def dismiss_command(settings: Settings, what: tuple[str, ...]) -> None:
    """Hear no more of proposals of yours that were refused: of all of them, or of those that are named."""
    with open_daemon(settings) as daemon:
        meant = _meant(daemon, what)
        daemon.call("dismiss", ids=[one["id"] for one in meant])
    if settings.json:
        say_json({"dismissed": [one["id"] for one in meant]})
    else:
        say(f"{count_text(len(meant), 'refusal')} dismissed")


def _meant(source: Source, what: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those of `what`, each once, or all. Raises `UserError` for one that is not there."""
    refused = source.ask("proposals", state="rejected")["proposals"]
    own: list[dict[str, Any]] = [one for one in refused if one["author"]["self"]]
    meant: dict[str, dict[str, Any]] = {} if what else {one["id"]: one for one in own}
    for text in what:
        found = [one for one in own if len(text) >= _DIGITS_MIN and one["id"].startswith(text.lower())]
        found = found or [one for one in own if one["action"].get("path") == clean_path(text)]
        if not found:
            raise UserError(f"nothing of yours that was refused is {text}", remedy="see `asl proposals`")
        meant |= {one["id"]: one for one in found}
    return list(meant.values())
