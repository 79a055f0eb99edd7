"""`asl authority`: change who may replace the witness, by name instead of by a policy file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from aslp2p.cli.endorse import say_asked
from aslp2p.cli.group import Group
from aslp2p.cli.output import say, say_json, table
from aslp2p.cli.policy import risk_option, say_difference
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, open_daemon, open_source
from aslp2p.errors import UsageError

Change = Callable[[dict[str, Any], Callable[[str], str]], None]
"""Changes a policy in place; the function beside it finds a member's key by their name."""

_threshold = click.option(
    "--threshold",
    type=click.IntRange(1),
    metavar="N",
    help="How many of them have to agree; else more than half.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would change, and propose nothing.")


@click.group("authority", cls=Group, invoke_without_command=True)
@click.pass_context
def authority_command(context: click.Context) -> None:
    """Who may replace the witness, and what that survives; add and remove some of them by name.

    A change is a proposal: the authorities of now and those to come endorse it, and from then on both count
    until it settles by itself. What can lock people out is refused unless --risk repeats its code.
    """
    if context.invoked_subcommand is not None:
        return
    settings = context.ensure_object(Settings)
    with open_source(settings) as source:
        answer = source.ask("policy")
    if settings.json:
        say_json(answer)
        return
    for one in answer["in_force"]:
        policy = one["policy"]
        table([(witness["name"], witness["key"]) for witness in policy["witnesses"]])
        say(f"{policy['threshold']} of {len(policy['witnesses'])} have to agree.")
        for line in one["explanation"]:
            say(line)


@authority_command.command("add")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_threshold
@risk_option
@_dry_run
@pass_settings
def add_command(
    settings: Settings, names: tuple[str, ...], threshold: int | None, risks: tuple[str, ...], dry_run: bool
) -> None:
    """Make members authorities; two at a time keep the number odd."""

    def change(policy: dict[str, Any], key_of: Callable[[str], str]) -> None:
        for name in names:
            if any(one["name"] == name for one in policy["witnesses"]):
                raise UsageError(f"{name} is an authority already", remedy="see who is: asl authority")
            policy["witnesses"].append({"name": name, "key": key_of(name)})
        policy["threshold"] = threshold or _majority(policy)

    _propose(settings, change, risks, dry_run=dry_run)


@authority_command.command("remove")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_threshold
@risk_option
@_dry_run
@pass_settings
def remove_command(
    settings: Settings, names: tuple[str, ...], threshold: int | None, risks: tuple[str, ...], dry_run: bool
) -> None:
    """Make authorities mere participants."""

    def change(policy: dict[str, Any], _: Callable[[str], str]) -> None:
        for name in names:
            policy["witnesses"].remove(_place(policy, name))
        if not policy["witnesses"]:
            raise UsageError("somebody has to be an authority", remedy="add another first: asl authority add")
        policy["threshold"] = threshold or _majority(policy)

    _propose(settings, change, risks, dry_run=dry_run)


@authority_command.command("replace")
@click.argument("old", metavar="NAME")
@click.argument("new", metavar="NEW")
@risk_option
@_dry_run
@pass_settings
def replace_command(settings: Settings, old: str, new: str, risks: tuple[str, ...], dry_run: bool) -> None:
    """Put the member NEW in the place of authority NAME. (Another key for the same person: `asl policy
    replace-key`.)"""

    def change(policy: dict[str, Any], key_of: Callable[[str], str]) -> None:
        place = _place(policy, old)
        if any(one["name"] == new for one in policy["witnesses"]):
            raise UsageError(f"{new} is an authority already", remedy=f"type: asl authority remove '{old}'")
        place["name"], place["key"] = new, key_of(new)

    _propose(settings, change, risks, dry_run=dry_run)


@authority_command.command("threshold")
@click.argument("count", metavar="N", type=click.IntRange(1))
@risk_option
@_dry_run
@pass_settings
def threshold_command(settings: Settings, count: int, risks: tuple[str, ...], dry_run: bool) -> None:
    """How many authorities have to agree: more than half, or two halves could each appoint a witness."""

    def change(policy: dict[str, Any], _: Callable[[str], str]) -> None:
        policy["threshold"] = count

    _propose(settings, change, risks, dry_run=dry_run)


def _majority(policy: dict[str, Any]) -> int:
    return len(policy["witnesses"]) // 2 + 1


def _place(policy: dict[str, Any], name: str) -> dict[str, Any]:
    for one in policy["witnesses"]:
        if one["name"] == name:
            found: dict[str, Any] = one
            return found
    raise UsageError(f"no authority is called {name!r}", remedy="see who is: asl authority")


def _key_of(source: Source, name: str) -> str:
    """The key of the member `name`. Raises `UsageError`."""
    for one in source.ask("members")["members"]:
        if one["name"] == name and one["status"] == "admitted":
            return str(one["key"])
    raise UsageError(
        f"nobody who is in is called {name!r}",
        remedy="see who is: asl members; let them in first: asl invite",
    )


def _propose(settings: Settings, change: Change, risks: tuple[str, ...], *, dry_run: bool) -> None:
    """Propose the policy in force with `change` made to it, having said what both survive."""
    with open_daemon(settings) as daemon:
        now = daemon.ask("policy")["in_force"][-1]
        policy = now["policy"]
        change(policy, lambda name: _key_of(daemon, name))
        number, threshold = len(policy["witnesses"]), policy["threshold"]
        if not number < 2 * threshold <= 2 * number:
            raise UsageError(
                f"{threshold} of {number} cannot be: more than half have to agree",
                remedy=f"choose {_majority(policy)} to {number}",
            )
        compared = daemon.call("policy.compare", policy=policy)
        compared["before"] = now["explanation"]
        if not settings.json:
            say(f"Now ({now['words']}):")
            for line in now["explanation"]:
                say(f"  {line}")
            say("Then:")
            for line in compared["explanation"]:
                say(f"  {line}")
            say("What changes:")
            say_difference(compared)
        elif dry_run:
            say_json(compared)
        if not dry_run:
            say_asked(settings, daemon.call("policy.propose", policy=policy, risks=list(risks)))
