"""`asl floor`: the policy change that every history has to contain here (F5), and moving it by hand."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.confirm import confirm
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon, open_source


@click.command("floor", cls=Command)
@click.argument("change", default="", metavar="[ID]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def floor_command(settings: Settings, change: str, yes: bool) -> None:
    """Show the policy change below which this machine goes back for nobody; with ID, move it there.

    The floor moves up by itself as soon as a policy change is final. Only where two groups of keys show this
    machine two histories, and it cannot know which is yours, a person decides: ask the others by another
    way than this network which policy change they have, and type its first digits. That is kept in the
    status for ever.
    """
    if change:
        with open_daemon(settings) as daemon:
            shown = daemon.call("floor.moving", id=change)
            confirm("Move the floor?", moving_lines(shown), yes=yes)
            answer = daemon.call("floor.move", id=shown["to"]["id"])
    else:
        with open_source(settings) as source:
            answer = source.ask("floor")
    if settings.json:
        say_json(answer)
        return
    for line in floor_lines(answer):
        say(line)


def floor_lines(answer: dict[str, Any]) -> list[str]:
    """The floor, how it came there, and what is beside it."""
    lines = [f"Floor: {_change(answer['name'], answer['floor'])}"]
    if waiting := answer["waits_for"]:
        lines.append(waiting_line(answer["name"], waiting))
    for one in answer["moves"]:
        lines.append(
            f"Moved by hand: {when(one['at_ms'])}, from @{one['from']['height']} ({one['from']['id'][:12]}) "
            f"to @{one['to']['height']} ({one['to']['id'][:12]})"
        )
    lines += retired_lines(answer["name"], answer["retired"])
    others = [one for one in answer["changes"] if not one["is_floor"]]
    if others:
        lines.append("Other policy changes that are known here:")
        for one in others:
            side = "in the history" if one["followed"] else "beside the history"
            lines.append(f"    {_change(answer['name'], one)}; {side}")
    return lines


def waiting_line(name: str, waiting: dict[str, Any]) -> str:
    """What a machine says whose given floor is not here yet."""
    return (
        f"Waiting: for {name}@{waiting['height']} ({waiting['id'][:12]}), the floor given to this machine; "
        "nothing is adopted before it is here"
    )


def retired_lines(name: str, retired: list[dict[str, Any]]) -> list[str]:
    """What retired keys signed, a line each."""
    return [
        f"Retired keys signed another history: {_names(one['signed_by'])}, {name}@{one['height']} to "
        f"@{one['tip_height']} ({one['tip'][:12]}, {when(one['created_ms'])}); it counts for nothing here"
        for one in retired
    ]


def moving_lines(shown: dict[str, Any]) -> list[str]:
    """Both histories, before somebody chooses."""
    name = shown["name"]
    return [
        f"now:  {_change(name, shown['from'])}",
        f"then: {_change(name, shown['to'])}",
        *(
            [f"the newest version here, {name}@{shown['height']}, does not stand on that: it is left behind"]
            if shown["leaves_head"]
            else []
        ),
        "Whoever signed the one that you choose decides from now on what this machine believes.",
        "Ask the others first, by another way than this network.",
    ]


def _change(name: str, one: dict[str, Any]) -> str:
    where = f"{name}@{one['height']} ({one['id'][:12]}"
    if not one["here"]:
        return f"{where}), not here yet"
    signed = f", endorsed by {_names(one['endorsed_by'])}" if one["endorsed_by"] else ""
    return (
        f"{where}, {when(one['created_ms'])}): {one['policy']}; signed by {one['signed_by']['shown']}{signed}"
    )


def _names(parties: list[dict[str, Any]]) -> str:
    return ", ".join(one["shown"] for one in parties)
