"""`asl members`: who is in; admitting, expelling, renaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aslp2p.cli.complete import complete_member
from aslp2p.cli.group import Group
from aslp2p.cli.output import say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_daemon, open_source
from aslp2p.cli.versions import at_option

if TYPE_CHECKING:
    from aslp2p.cli.source import DaemonSource


@click.group("members", cls=Group, invoke_without_command=True)
@at_option
@click.option("--all", "everybody", is_flag=True, help="Those who left, too.")
@click.pass_context
def members_command(context: click.Context, at: int | None, everybody: bool) -> None:
    """Who is in, and what they may do."""
    if context.invoked_subcommand is not None:
        return
    settings = context.ensure_object(Settings)
    with open_source(settings) as source:
        answer = source.ask("members", at=at)
    if settings.json:
        say_json(answer)
        return
    rows = []
    for one in answer["members"]:
        if one["left"] and not everybody:
            continue
        status = {"admitted": "participant"}.get(one["status"], "left" if one["left"] else one["status"])
        what = ", ".join(one["roles"]) or status
        rows.append((one["name"], "(you)" if one["self"] else "", what, one["key"]))
    table(rows)


@members_command.command("admit")
@click.argument("key")
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def admit_command(settings: Settings, key: str, name: str, no_wait: bool) -> None:
    """Let the domain with KEY in, called NAME."""
    propose(settings, "admit", f"{name} is in", no_wait, key=key, name=name)


@members_command.command("expel")
@click.argument("name", shell_complete=complete_member)
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def expel_command(settings: Settings, name: str, no_wait: bool) -> None:
    """End the right of NAME (or a key, or `self`, to leave) to propose and to link."""
    propose(settings, "expel", f"{name} is out", no_wait, member=name)


@members_command.command("rename")
@click.argument("who", metavar="NAME", shell_complete=complete_member)
@click.argument("name", metavar="NEW")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def rename_command(settings: Settings, who: str, name: str, no_wait: bool) -> None:
    """Call NAME (or a key, or `self`: this machine) NEW from now on."""
    propose(settings, "rename", f"{who} is called {name} now", no_wait, member=who, name=name)


@members_command.command("forget")
@click.argument("name", shell_complete=complete_member)
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def forget_command(settings: Settings, name: str, no_wait: bool) -> None:
    """Give back the place of NAME (or a key), who was expelled and whom the history does not name."""
    propose(settings, "members.forget", f"{name} is forgotten", no_wait, member=name)


def propose(settings: Settings, method: str, done: str, no_wait: bool, **params: Any) -> None:
    """Have the daemon propose something, and wait until the witness has answered."""
    from aslp2p.cli.waiting import Waiter

    with open_daemon(settings) as daemon, Waiter(daemon, wait=not no_wait) as waiter:
        waiter.add(_call(daemon, method, params)["proposal"], done)
        waiter.finish()
        waiter.report(settings)


def _call(daemon: DaemonSource, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return daemon.call(method, **params)
