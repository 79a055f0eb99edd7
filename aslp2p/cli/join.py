"""`asl join`: into a Common, by a short code, an invite's text, a file that holds one, or a bundle."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from aslp2p.cli.confirm import confirm
from aslp2p.cli.empty import leave_empty, somebody_is_here
from aslp2p.cli.group import Command
from aslp2p.cli.homes import common_store, followed_here, prepared, require_outside, require_own_name
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings
from aslp2p.cli.source import home_of
from aslp2p.control.client import Client
from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from aslp2p.artifacts.invite import Invite
    from aslp2p.ledger.floor import Floor

ADMITTED_S = 60.0
LOOK_S = 0.2
LOST = {
    "bad-invite",
    "expired-invite",
    "used-invite",
    "revoked-invite",
    "not-authority",
    "expelled",
    "revoked",
}
"""Refusals that waiting does not change."""


class NotLetIn(UserError):
    """Whoever was reached said that this machine is not let in, and why."""

    code = "not-let-in"


def complete_code(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The words of a pairing code, as far as one is typed."""
    from click.shell_completion import CompletionItem

    from aslp2p.artifacts.pairing_code import SECRET_WORDS
    from aslp2p.artifacts.words import words_from

    *before, last = incomplete.lower().split("-")
    if not (before and before[0].isdigit() and last and len(before) <= SECRET_WORDS):
        return []
    end = "-" if len(before) < SECRET_WORDS else ""
    return [CompletionItem("-".join((*before, word)) + end) for word in words_from(last)]


@click.command("join", cls=Command)
@click.argument("invite", nargs=-1, required=True, metavar="INVITE", shell_complete=complete_code)
@click.option("--name", "own_name", metavar="ME", help="What this machine would like to be called.")
@click.option(
    "--floor",
    metavar="HEIGHT:ID",
    help="Believe no history that leaves out this change of policy, as somebody who is in told you.",
)
@click.option("--peer", default="", metavar="HOST:PORT", help="Where the machine is that shows the code.")
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Wait until this machine is let in; by default with a code, where a daemon runs, or on a terminal.",
)
@click.option("--forget-empty", is_flag=True, help="Forget this machine's own Common if it is still empty.")
@click.option("--yes", is_flag=True, help="Follow the Common of a bundle without asking.")
@click.pass_context
def join_command(
    context: click.Context,
    invite: tuple[str, ...],
    own_name: str | None,
    floor: str | None,
    peer: str,
    wait: bool | None,
    forget_empty: bool,
    yes: bool,
) -> None:
    """Join the Common of INVITE: a code as `7-guitar-castle`, an invite's text, a file with one, or a bundle
    (`-`: read a text from standard input)."""
    from aslp2p.artifacts.pairing_code import PairingCode, looks_like_code

    settings = context.ensure_object(Settings)
    require_own_name(own_name)
    told = None if floor is None else _floor(floor)
    typed = " ".join(invite)
    if looks_like_code(typed):
        _join_by_code(settings, PairingCode.parse(typed), own_name, told, peer, forget_empty=forget_empty)
        return
    text = _text(typed)
    if text is None:
        _follow_bundle(context, typed, yes=yes)
    else:
        _join_by_text(settings, text, own_name, told, wait, forget_empty=forget_empty)


def _text(typed: str) -> str | None:
    """The invite's text that was typed, or that the file holds that was named; None for a bundle."""
    from aslp2p.artifacts.bundle import MAGIC
    from aslp2p.limits import INVITE_TEXT_CHARS_MAX

    if typed == "-":
        return sys.stdin.read(INVITE_TEXT_CHARS_MAX + 1)
    if not os.path.isfile(typed):
        return typed
    try:
        with open(typed, "rb") as file:
            data = file.read(INVITE_TEXT_CHARS_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {typed} ({error.strerror})", remedy="name an invite") from None
    return None if data.startswith(MAGIC[:-1]) else data.decode("utf-8", "replace")


def _follow_bundle(context: click.Context, path: str, *, yes: bool) -> None:
    """A bundle tells no secret of the network: its Common comes by bundles alone, until an invite is used."""
    from aslp2p.cli.bundle import import_command
    from aslp2p.transfer.showing import show_bundle

    with open(path, "rb") as file:
        shown = show_bundle(file)
    called = shown["name"] or "the Common"
    confirm(
        f"Follow {called} {shown['common'][:12]}?",
        ["Compare its id with the one that somebody who is in told you: anybody can make a bundle."],
        yes=yes,
    )
    context.invoke(import_command, path=path, follow=True, emit=False)


def _join_by_text(
    settings: Settings,
    text: str,
    own_name: str | None,
    floor: Floor | None,
    wait: bool | None,
    *,
    forget_empty: bool,
) -> None:
    from aslp2p.artifacts.invite import Invite

    invited = Invite.parse(text)
    _require_live(invited)
    home = home_of(settings)
    with ExitStack() as stack:
        daemon = prepared(stack, home, "asl join")
        _bring_in(home, daemon, invited, own_name, floor)
        leave_empty(home, daemon, invited, yes=forget_empty)
        waited = None
        if daemon is not None and wait is not False:
            waited = _wait(daemon, invited)
    if daemon is None and (somebody_is_here() if wait is None else wait):
        from aslp2p.cli.borrowed import daemon_of

        with daemon_of(home, timeout_s=ADMITTED_S) as (borrowed, _):
            waited = _wait(borrowed, invited)
    _say_joined(settings, home, invited, waited, runs=daemon is not None)


def _join_by_code(
    settings: Settings,
    code: Any,
    own_name: str | None,
    floor: Floor | None,
    peer: str,
    *,
    forget_empty: bool,
) -> None:
    from aslp2p.artifacts.invite import Invite
    from aslp2p.cli.borrowed import daemon_of
    from aslp2p.cli.pairing import CALL_S, join_by_code
    from aslp2p.home.key import load_public_key
    from aslp2p.home.names import own_name as name_of
    from aslp2p.link.pairing import Joiner

    home = home_of(settings)
    with ExitStack() as stack:
        prepared(stack, home, "asl join")
    with daemon_of(home, timeout_s=CALL_S) as (daemon, borrowed):
        joiner = Joiner(own_name or name_of(home), load_public_key(home))
        text, welcome = join_by_code(daemon, code, joiner, peer)
        invited = Invite.parse(text)
        _bring_in(home, daemon, invited, own_name or welcome.called or None, floor)
        leave_empty(home, daemon, invited, yes=forget_empty)
        waited = _wait(daemon, invited)
    _say_joined(settings, home, invited, waited, runs=not borrowed)


def _require_live(invited: Invite) -> None:
    """Raises `UserError` for an invite that has expired by this machine's clock."""
    from aslp2p.artifacts.token import expires_ms
    from aslp2p.cli.output import when
    from aslp2p.errors import ArtifactError

    if not invited.token:
        return
    try:
        until_ms = expires_ms(invited.token)
    except ArtifactError:
        return  # whoever uses it says what is wrong with it
    if until_ms <= time.time() * 1000:
        raise NotLetIn(
            f"this invite has expired, on {when(until_ms)} by this machine's clock",
            remedy="ask for a new one: asl invite on a machine that is in",
        )


def _bring_in(
    home: Home, daemon: Client | None, invited: Invite, own_name: str | None, floor: Floor | None
) -> None:
    """Write what the invite says, and have a running daemon follow it."""
    from aslp2p.home.key import load_public_key
    from aslp2p.home.names import choose_name
    from aslp2p.home.names import own_name as name_of
    from aslp2p.ledger.joining import joining

    followed = followed_here(home, daemon)
    again = any(one.id == invited.common_id for one in followed)
    if again and daemon is not None:
        raise UserError(
            f"this home follows {invited.name} already; see `asl status`",
            remedy="to use a new invite for it, stop the daemon and type this again",
        )
    if own_name is not None:
        choose_name(home, own_name)
    with common_store(home, invited.common_id) as store:
        key = load_public_key(home)
        if again:
            require_outside(store, key, invited.name)
        store.apply(joining(invited, key, name_of(home), name_chosen=False, floor=floor))
        store.commit()
    if home.default_common() is None:
        home.set_default_common(invited.common_id)
    if daemon is not None:
        daemon.call("common.open", id=invited.common_id.hex())
    if any(one.name == invited.name and one.id != invited.common_id for one in followed):
        note(f"Another Common here is called {invited.name} too; tell them apart by id: asl common list")


def _wait(daemon: Client, invited: Invite) -> dict[str, Any] | None:
    """Who let this machine in, once somebody did; None when that takes longer. Raises `NotLetIn`."""
    id_ = invited.common_id.hex()
    until = time.monotonic() + ADMITTED_S
    note("Waiting to be let in.")
    while time.monotonic() < until:
        (common,) = [one for one in daemon.call("status")["commons"] if one["id"] == id_]
        if common["height"] is not None and common["standing"] == "admitted":
            return dict(daemon.call("welcome", common=id_), height=common["height"])
        for code, text in (common.get("live") or {}).get("refusals", {}).items():
            if code in LOST:
                raise NotLetIn(f"this machine is not let into {invited.name}: {text}", remedy=_NEW)
        time.sleep(LOOK_S)
    return None


_NEW = "when you have a new invite, stop the daemon if one runs, and type: asl join INVITE"


def _say_joined(
    settings: Settings, home: Home, invited: Invite, waited: dict[str, Any] | None, *, runs: bool
) -> None:
    from aslp2p.home.names import own_name as name_of

    by = None if waited is None or waited["by"] is None else waited["by"]
    if settings.json:
        say_json(
            {
                "id": invited.common_id.hex(),
                "name": invited.name,
                "home": str(home),
                "own_name": name_of(home) if waited is None else waited["name"],
                "admitted": waited is not None,
                "admitted_by": by,
            }
        )
        return
    if waited is None:
        say(f"Joined {invited.name}; its history comes from the machines that have it.")
        say("See how far it is with: asl status" if runs else "Start it with: asl up")
        return
    whom = "" if by is None else f", let in by {by['shown']}"
    say(f"{waited['name']} is in {invited.name}@{waited['height']}{whom}.")
    if not runs:
        say("Start it with: asl up")


def _floor(text: str) -> Floor:
    """What `HEIGHT:ID` names, as `asl floor` shows it. Raises `UsageError`."""
    from aslp2p.ledger.floor import Floor
    from aslp2p.limits import ID_BYTES, UINT_MAX

    height, _, digits = text.partition(":")
    try:
        id_ = bytes.fromhex(digits)
    except ValueError:
        id_ = b""
    if not (height.isascii() and height.isdigit() and 1 <= int(height) <= UINT_MAX and len(id_) == ID_BYTES):
        raise UsageError(
            f"--floor {text} is no height and whole id of a snapshot",
            remedy="write HEIGHT:ID, as `asl floor` shows it on a machine that is in",
        )
    return Floor(int(height), id_)
