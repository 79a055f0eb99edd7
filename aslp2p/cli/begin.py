"""`asl init`, `join`, `invite`, `self`: how a machine comes to have a key and a Common."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import click

from aslp2p.cli.group import Command, Group
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_daemon
from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import NoDaemon, UsageError, UserError
from aslp2p.home import Home
from aslp2p.limits import INVITE_USES_MAX

if TYPE_CHECKING:
    from aslp2p.artifacts.types import Genesis
    from aslp2p.home.key import SecretKey
    from aslp2p.ledger.floor import Floor
    from aslp2p.store.sqlite import SqliteStore
    from aslp2p.views.commons import Followed

DEFAULT_NAME = "common"
_POLICY_BYTES_MAX = 1024 * 1024


@click.command("init", cls=Command)
@click.argument("name", default=DEFAULT_NAME)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    help="Who may replace the witness (YAML); else this machine alone.",
)
@click.option("--name", "own_name", metavar="ME", help="What this machine is called.")
@click.option(
    "--succeeds", metavar="ID", help="The Common that this one takes the place of, as a last resort."
)
@pass_settings
def init_command(
    settings: Settings, name: str, policy_file: str | None, own_name: str | None, succeeds: str | None
) -> None:
    """Found a Common called NAME; this machine is its first witness."""
    from aslp2p.artifacts.envelope import sign_statement
    from aslp2p.artifacts.text import name_problem
    from aslp2p.errors import Rejected
    from aslp2p.home.key import load_key
    from aslp2p.home.names import choose_name
    from aslp2p.ledger.history import found_common
    from aslp2p.ledger.joining import founding
    from aslp2p.limits import NETWORK_SECRET_BYTES

    if problem := name_problem(name):
        raise UsageError(f"a Common cannot be called that: it is {problem}", remedy="choose another name")
    if own_name is not None and (problem := name_problem(own_name)):
        raise UsageError(
            f"this machine cannot be called that: it is {problem}", remedy="choose another --name"
        )
    text = None if policy_file is None else read_policy_text(policy_file)
    home = home_of(settings)
    with ExitStack() as stack:
        daemon = _prepared(stack, home, "asl init")
        secret = load_key(home)
        followed = _followed(home, daemon)
        if any(one.name == name for one in followed):
            raise UserError(f"this home follows a Common called {name} already", remedy="choose another name")
        genesis, listed = _genesis(home, name, secret, text, policy_file or "", own_name)
        if succeeds is not None:
            from msgspec.structs import replace

            genesis = replace(genesis, predecessor=_predecessor(succeeds, followed))
        signed = sign_statement(genesis, secret)
        if own_name is not None:
            choose_name(home, own_name)
        anchor = next(one.name for one in genesis.anchors if one.key == secret.key)
        with _store(home, signed.id) as store:
            try:
                found_common(store, signed)
            except Rejected as error:
                raise UsageError(
                    f"this policy cannot found a Common: {error.message}", remedy="change it"
                ) from None
            network_secret = os.urandom(NETWORK_SECRET_BYTES)
            store.apply(founding(signed.id, network_secret, anchor, name_chosen=listed))
            store.commit()
        if home.default_common() is None:
            home.set_default_common(signed.id)
        if daemon is not None:
            daemon.call("common.open", id=signed.id.hex())
    if settings.json:
        say_json({"id": signed.id.hex(), "name": name, "home": str(home), "own_name": anchor})
        return
    say(f"Made the Common {name}: {name}@0, witnessed by this machine.")
    say("It is running; invite others with: asl invite" if daemon else "Start it with: asl up")


@click.command("join", cls=Command)
@click.argument("invite")
@click.option("--name", "own_name", metavar="ME", help="What this machine would like to be called.")
@click.option(
    "--floor",
    metavar="HEIGHT:ID",
    help="Believe no history that leaves out this change of policy, as somebody who is in told you.",
)
@pass_settings
def join_command(settings: Settings, invite: str, own_name: str | None, floor: str | None) -> None:
    """Join the Common of INVITE (`-`: read it from standard input)."""
    from aslp2p.artifacts.invite import Invite
    from aslp2p.artifacts.text import name_problem
    from aslp2p.home.key import load_public_key
    from aslp2p.home.names import choose_name
    from aslp2p.home.names import own_name as name_of
    from aslp2p.ledger.joining import joining
    from aslp2p.limits import INVITE_TEXT_CHARS_MAX

    text = sys.stdin.read(INVITE_TEXT_CHARS_MAX + 1) if invite == "-" else invite
    invited = Invite.parse(text)
    told = None if floor is None else _floor(floor)
    if own_name is not None and (problem := name_problem(own_name)):
        raise UsageError(
            f"this machine cannot be called that: it is {problem}", remedy="choose another --name"
        )
    home = home_of(settings)
    with ExitStack() as stack:
        daemon = _prepared(stack, home, "asl join")
        followed = _followed(home, daemon)
        again = any(one.id == invited.common_id for one in followed)
        if again and daemon is not None:
            raise UserError(
                f"this home follows {invited.name} already; see `asl status`",
                remedy="to use a new invite for it, stop the daemon and type this again",
            )
        if own_name is not None:
            choose_name(home, own_name)
        with _store(home, invited.common_id) as store:
            key = load_public_key(home)
            if again:
                _require_outside(store, key, invited.name)
            store.apply(joining(invited, key, name_of(home), name_chosen=False, floor=told))
            store.commit()
        if home.default_common() is None:
            home.set_default_common(invited.common_id)
        if daemon is not None:
            daemon.call("common.open", id=invited.common_id.hex())
    if settings.json:
        say_json(
            {
                "id": invited.common_id.hex(),
                "name": invited.name,
                "home": str(home),
                "own_name": name_of(home),
            }
        )
        return
    say(f"Joined {invited.name}; its history comes from the machines that have it.")
    if any(one.name == invited.name and one.id != invited.common_id for one in followed):
        note(f"Another Common here is called {invited.name} too; tell them apart by id: asl common list")
    say("See how far it is with: asl status" if daemon else "Start it with: asl up")


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


@click.group("invite", cls=Group, invoke_without_command=True)
@click.option(
    "--expires",
    default="24h",
    metavar="DURATION",
    show_default=True,
    help="How long it is good, as in 30m, 24h, 7d.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, INVITE_USES_MAX),
    default=1,
    show_default=True,
    help="For how many machines.",
)
@click.option("--qr/--no-qr", default=None, help="A QR code too; by default on a terminal.")
@click.pass_context
def invite_command(context: click.Context, expires: str, uses: int, qr: bool | None) -> None:
    """Make an invite for another machine: whoever has it can join."""
    from aslp2p.ledger.duration import FORM, parse_duration

    if context.invoked_subcommand is not None:
        return
    settings = context.ensure_object(Settings)

    milliseconds = parse_duration(expires)
    if not milliseconds:
        raise UsageError(f"--expires {expires} is no duration", remedy=f"write {FORM}")
    with open_daemon(settings) as daemon:
        answer = daemon.call("invite", expires_ms=milliseconds, uses=uses)
    if settings.json:
        say_json(answer)
        return
    say(answer["invite"])
    if sys.stdout.isatty() if qr is None else qr:
        import segno

        segno.make(answer["invite"].upper(), error="l", micro=False).terminal(compact=True)
    machines = "one machine" if uses == 1 else f"{uses} machines"
    note(f"Good for {expires} and {machines}. On the other one: asl join {answer['invite'][:12]}…")
    note("It holds the Common's secret: give it only to whom it is meant for.")
    note(f"To take it back: asl invite revoke {answer['id'][:12]}")


@invite_command.command("revoke")
@click.argument("invite_id", metavar="ID")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def revoke_invite_command(settings: Settings, invite_id: str, no_wait: bool) -> None:
    """Let nobody in any more with the invite ID (or the invite itself), made here or by whoever you are an
    authority over."""
    from aslp2p.cli.people import propose

    propose(settings, "invite.revoke", "the invite is good for nobody", no_wait, invite=invite_id)


@click.command("self", cls=Command)
@click.option("--name", "own_name", metavar="ME", help="Choose what this machine is called from now on.")
@click.option("--passphrase", is_flag=True, help="Put its key under a passphrase, another one, or none.")
@pass_settings
def self_command(settings: Settings, own_name: str | None, passphrase: bool) -> None:
    """Show this machine's key and name; the key is made if there is none yet."""
    from aslp2p.artifacts.keys import key_text
    from aslp2p.artifacts.text import name_problem
    from aslp2p.home.key import create_key, load_public_key
    from aslp2p.home.names import choose_name, name_is_chosen
    from aslp2p.home.names import own_name as name_of

    if own_name is not None and (problem := name_problem(own_name)):
        raise UsageError(
            f"this machine cannot be called that: it is {problem}", remedy="choose another --name"
        )
    home = home_of(settings)
    home.create()
    if not home.key.exists():
        _require_new(home)
        create_key(home)
    key = load_public_key(home)
    if own_name is not None:
        choose_name(home, own_name)
        _rename_everywhere(home, own_name)
    if passphrase:
        _change_passphrase(home)
    if settings.json:
        say_json(
            {
                "key": key_text(key),
                "name": name_of(home),
                "name_chosen": name_is_chosen(home),
                "home": str(home),
            }
        )
        return
    say(f"Name: {name_of(home)}")
    say(f"Key:  {key_text(key)}")
    say(f"Home: {home}")


def _rename_everywhere(home: Home, name: str) -> None:
    """Propose the new name in every Common in which this machine is a member; without a daemon nobody can."""
    try:
        client = Client.of_home(str(home))
    except NoDaemon:
        if home.commons():
            note("Where this machine is a member, others see its new name once you type, with the daemon up:")
            note(f"asl members rename self '{name}'")
        return
    with client:
        for common in client.call("status")["commons"]:
            if common.get("standing") == "admitted" and common.get("own_name") != name:
                try:
                    client.call("rename", common=common["id"], member="self", name=name)
                except RemoteError as error:
                    note(f"{common['name']}: {error}")


def _change_passphrase(home: Home) -> None:
    from aslp2p.home.key import ask_new_passphrase, load_key, seal_key

    with ExitStack() as stack:
        _prepared(stack, home, "asl self")
        secret = load_key(home)
        chosen = ask_new_passphrase()
        seal_key(home, secret, chosen)
    if chosen is None:
        note("The key is under no passphrase now: whoever can read this disk can be this machine.")
    else:
        note("The key is under this passphrase now; `asl up` asks for it. Without it the key is lost.")


def read_policy_text(name: str) -> str:
    """What the policy file `name` holds (`-`: standard input). Raises `UsageError`."""
    try:
        with click.open_file(name, "rb") as file:
            data = file.read(_POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name} ({error.strerror})", remedy="name a policy file") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 at byte {error.start}", remedy="write it in UTF-8") from None
    return str(text)


def _prepared(stack: ExitStack, home: Home, holder: str) -> Client | None:
    """The home made, with a key; the running daemon, or without one the home to ourselves meanwhile."""
    from aslp2p.home.key import create_key
    from aslp2p.home.lock import HomeLock

    home.create()
    daemon: Client | None = None
    try:
        daemon = stack.enter_context(Client.of_home(str(home)))
    except NoDaemon:
        stack.enter_context(HomeLock(home, holder))
    if not home.key.exists():
        _require_new(home)
        create_key(home)
    return daemon


def _require_new(home: Home) -> None:
    """A home that follows Commons had a key, as which they know it; another one would not be let in."""
    if home.commons():
        raise UserError(
            f"the key of this home, {home.key}, is lost",
            remedy="put it back from a backup, or begin anew with another --home",
        )


def _followed(home: Home, daemon: Client | None) -> list[Followed]:
    from aslp2p.cli.stopped import Stopped
    from aslp2p.views.commons import Followed

    if daemon is not None:
        return [Followed(bytes.fromhex(one["id"]), one["name"]) for one in daemon.call("commons")["commons"]]
    with Stopped(home, "") as stopped:
        return stopped.followed()


def _genesis(
    home: Home, name: str, secret: SecretKey, text: str | None, source: str, own_name: str | None
) -> tuple[Genesis, bool]:
    """What founds the Common, and whether its policy file gives this machine a name."""
    from aslp2p.artifacts.types import Genesis, Named, Policy
    from aslp2p.home.names import own_name as name_of
    from aslp2p.ledger.policy_file import GRACE_PERIOD_MS_DEFAULT, parse_policy
    from aslp2p.limits import PROTOCOL_VERSION

    called = own_name or name_of(home)
    listed = False
    if text is None:
        policy = Policy(
            (Named(called, secret.key),), 1, True, GRACE_PERIOD_MS_DEFAULT, "invited", PROTOCOL_VERSION
        )
        anchors = policy.witnesses
    else:
        policy = parse_policy(text, source=source, own_key=secret.key)
        anchors = policy.witnesses
        listed = any(one.key == secret.key for one in anchors)
        if not listed:
            if any(one.name == called for one in anchors):
                raise UsageError(
                    f"the policy calls another key {called}, as this machine is called",
                    remedy="give this machine another name with --name, or list its key (`asl self`)",
                )
            anchors = (*anchors, Named(called, secret.key))
    return Genesis(name, policy, anchors, None, int(time.time() * 1000), os.urandom(32)), listed


def _predecessor(text: str, followed: list[Followed]) -> bytes:
    from aslp2p.artifacts.keys import parse_id_prefix
    from aslp2p.views.commons import choose_common

    if len(text) == 64:
        return parse_id_prefix(text)[0]
    return choose_common(followed, text, None).id


@contextmanager
def _store(home: Home, common_id: bytes) -> Iterator[SqliteStore]:
    """The writable store in a Common's folder; both are made if they are missing."""
    from aslp2p.cli.stopped import open_store

    with closing(open_store(home.create_common_folder(common_id), read_only=False)) as store:
        yield store


def _require_outside(store: SqliteStore, key: bytes, name: str) -> None:
    """Raises `UserError` if `key` is a member already as far as is known here."""
    from aslp2p.ledger.history import META_HEAD
    from aslp2p.ledger.state import ADMITTED
    from aslp2p.views.view import View

    if store.meta(META_HEAD) is None:
        return
    member = View(store).member(key)
    if member is not None and member.status == ADMITTED:
        raise UserError(f"this machine is in {name} already", remedy="start it with `asl up`")
