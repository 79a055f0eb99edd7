"""`asl members` and `asl policy`: who is in, and who may replace the witness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aslp2p.cli.begin import read_policy_text
from aslp2p.cli.group import Group
from aslp2p.cli.output import say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_daemon, open_source
from aslp2p.cli.versions import at_option, require_version

if TYPE_CHECKING:
    from aslp2p.cli.source import Daemon


@click.group("members", cls=Group, invoke_without_command=True)
@at_option
@click.pass_context
def members_command(context: click.Context, at: int | None) -> None:
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
        what = ", ".join(one["roles"]) or ("participant" if one["status"] == "admitted" else one["status"])
        rows.append((one["name"], "(you)" if one["self"] else "", what, one["key"]))
    table(rows)


@members_command.command("admit")
@click.argument("key")
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def admit_command(settings: Settings, key: str, name: str, no_wait: bool) -> None:
    """Let the domain with KEY in, called NAME."""
    _propose(settings, "admit", f"{name} is in", no_wait, key=key, name=name)


@members_command.command("expel")
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def expel_command(settings: Settings, name: str, no_wait: bool) -> None:
    """End the right of NAME (or a key) to propose and to link."""
    _propose(settings, "expel", f"{name} is out", no_wait, member=name)


def _propose(settings: Settings, method: str, done: str, no_wait: bool, **params: Any) -> None:
    from aslp2p.cli.waiting import Waiter

    with open_daemon(settings) as daemon, Waiter(daemon, wait=not no_wait) as waiter:
        waiter.add(_call(daemon, method, params)["proposal"], done)
        waiter.finish()
        waiter.report(settings)


def _call(daemon: Daemon, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return daemon.call(method, **params)


@click.group("policy", cls=Group)
def policy_command() -> None:
    """Who may replace the witness, and what that survives."""


@policy_command.command("show")
@click.argument("version", default="", metavar="[@N]")
@pass_settings
def policy_show_command(settings: Settings, version: str) -> None:
    """The policy in force, as a file and in words."""
    with open_source(settings) as source:
        answer = source.ask("policy", at=require_version(version) if version else None)
    if settings.json:
        say_json(answer)
        return
    if answer["joint"]:
        say("# A change is in its joint phase: the old policy first, and both count until it settles.")
    for one in answer["in_force"]:
        for line in one["yaml"].splitlines():
            say(line)
        for line in one["explanation"]:
            say(f"# {line}")


@policy_command.command("check")
@click.argument("file")
@pass_settings
def policy_check_command(settings: Settings, file: str) -> None:
    """Whether FILE holds a policy that may stand, and what it survives (`-`: standard input).

    \b
    common_policy:
      witnesses:                # the authorities; order is the order of succession
        - domain: you
          key: self             # or the key that `asl self` prints
        - domain: alice
          key: ed25519:…
        - domain: james
          key: ed25519:…
      threshold: 2              # more than half
      rotation:
        allowed: true
        grace_period: 30d       # how long the witness may be silent
      participants: invited     # or: authorities
    """
    from aslp2p.home.key import load_public_key
    from aslp2p.ledger.policy_file import parse_policy
    from aslp2p.views.people import explained

    home = home_of(settings)
    own_key = load_public_key(home) if home.key.exists() else None
    policy = parse_policy(read_policy_text(file), source=file, own_key=own_key)
    answer = explained(None, policy)
    if settings.json:
        say_json(answer)
        return
    say(f"A policy that may stand: {answer['words']}.")
    for line in answer["explanation"]:
        say(line)
