"""`asl policy`: who may replace the witness, what that survives, and changing it."""

from __future__ import annotations

from shutil import rmtree
from typing import TYPE_CHECKING, Any

import click

from aslp2p.cli.begin import read_policy_text
from aslp2p.cli.endorse import say_asked
from aslp2p.cli.group import Group
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home, home_of, open_daemon, open_source
from aslp2p.cli.versions import require_version
from aslp2p.errors import UsageError

if TYPE_CHECKING:
    from aslp2p.cli.source import DaemonSource

risk_option = click.option(
    "--risk", "risks", multiple=True, metavar="CODE", help="Go on although it can lock people out this way."
)


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
        - domain: mia
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


@policy_command.command("propose")
@click.argument("file")
@risk_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and propose nothing.")
@pass_settings
def policy_propose_command(settings: Settings, file: str, risks: tuple[str, ...], dry_run: bool) -> None:
    """Propose the policy in FILE (`-`: standard input), having said what it changes and survives.

    Quorums of the old and of the new policy endorse it; from then on both count, until it settles by itself.
    What can lock people out is refused, unless --risk repeats the code that the refusal names.
    """
    from aslp2p.home.key import load_public_key
    from aslp2p.ledger.policy_file import parse_policy
    from aslp2p.views.actions import policy_json

    own_key = load_public_key(existing_home(settings))
    policy = policy_json(parse_policy(read_policy_text(file), source=file, own_key=own_key))
    with open_daemon(settings) as daemon:
        compared = daemon.call("policy.compare", policy=policy)
        if not settings.json:
            say_difference(compared)
        elif dry_run:
            say_json(compared)
        if not dry_run:
            say_asked(settings, daemon.call("policy.propose", policy=policy, risks=list(risks)))


def say_difference(compared: dict[str, Any]) -> None:
    """What a policy change changes and survives, and how it can lock people out."""
    for words in compared["words"]:
        say(f"  {words}")
    for risk in compared["risks"]:
        say(f"  RISK {risk['code']}: {risk['text']}")


@policy_command.command("replace-key")
@click.argument("name", default="")
@click.option("--key", default="", metavar="KEY", help="The new key, as `asl self` shows it there.")
@click.option("--new-home", metavar="DIR", help="Where to make a home with the new key; else HOME-new.")
@risk_option
@pass_settings
def policy_replace_key_command(
    settings: Settings, name: str, key: str, new_home: str | None, risks: tuple[str, ...]
) -> None:
    """Propose a new key in the place of authority NAME (this machine's unless given).

    For a key whose journal may be old, or that was revoked or lost. Without --key a new one is made here, in
    a home of its own that follows this Common; when the change has settled, run that home instead.
    """
    from aslp2p.artifacts.keys import key_text, parse_key
    from aslp2p.control.protocol import RemoteError
    from aslp2p.home.key import load_public_key

    home = existing_home(settings)
    own_key = key_text(load_public_key(home))
    with open_daemon(settings) as daemon:
        policy = daemon.ask("policy")["in_force"][-1]["policy"]
        place = next(
            (one for one in policy["witnesses"] if (one["name"] == name if name else one["key"] == own_key)),
            None,
        )
        if place is None:
            whose = f"nobody in the policy is called {name!r}" if name else "this machine is no authority"
            raise UsageError(whose, remedy="see who is: asl policy show")
        if key:
            new_key = key_text(parse_key(key))
        elif place["key"] == own_key:
            new_key, folder = _fresh_home(daemon, new_home or f"{home}-new")
            risks = (*risks, "unseen-key")  # it was made just now
        else:
            raise UsageError(f"{name}'s new key is made on {name}'s machine", remedy="give it with --key")
        taken = {one["name"] for one in daemon.ask("members")["members"] if one["status"] == "admitted"}
        taken |= {one["name"] for one in policy["witnesses"] if one is not place}
        place["name"], place["key"] = _free_name(place["name"], taken), new_key
        try:
            answer = daemon.call("policy.propose", policy=policy, risks=list(risks))
        except RemoteError:
            if not key:
                rmtree(folder)  # made just now, for what was not proposed: the next try makes another
            raise
    if settings.json:
        say_json({**answer, "new_key": new_key})
        return
    say(f"New key: {new_key}, called {place['name']}")
    say_asked(settings, answer)
    if not key:
        say(
            f"When `asl status` shows that it has settled, stop this daemon and start: asl --home {folder} up"
        )


def _fresh_home(daemon: DaemonSource, path: str) -> tuple[str, str]:
    """A new key, and a home with it that follows the Common of `daemon`; the key and the folder."""
    from contextlib import closing

    from aslp2p.artifacts.invite import Invite
    from aslp2p.artifacts.keys import key_text
    from aslp2p.cli.stopped import open_store
    from aslp2p.home import Home
    from aslp2p.home.key import create_key
    from aslp2p.home.names import own_name
    from aslp2p.ledger.joining import joining

    fresh = Home(path)
    if fresh.exists():
        raise UsageError(f"there is a home at {fresh} already", remedy="name another with --new-home")
    invite = Invite.parse(daemon.call("invite", expires_ms=7 * 86_400_000, uses=1)["invite"])
    fresh.create()
    key = create_key(fresh).key
    with closing(open_store(fresh.create_common_folder(invite.common_id), read_only=False)) as store:
        store.apply(joining(invite, key, own_name(fresh), name_chosen=False))
        store.commit()
    fresh.set_default_common(invite.common_id)
    return key_text(key), str(fresh)


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free = f"{name}-{number}"
        number += 1
    return free
