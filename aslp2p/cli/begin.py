"""`asl init` and `asl self`: how a machine comes to have a key, a name and a Common of its own."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from aslp2p.cli.empty import somebody_is_here
from aslp2p.cli.group import Command
from aslp2p.cli.homes import common_store, followed_here, prepared, require_new, require_own_name
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of
from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import NoDaemon, UsageError, UserError
from aslp2p.home import Home

if TYPE_CHECKING:
    from aslp2p.artifacts.envelope import Verified
    from aslp2p.artifacts.types import Genesis, Policy
    from aslp2p.home.key import SecretKey
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
@click.option(
    "--no-listen",
    is_flag=True,
    envvar="ASL_NO_LISTEN",
    help="Do not listen first whether a Common is announced on this network.",
)
@pass_settings
def init_command(
    settings: Settings,
    name: str,
    policy_file: str | None,
    own_name: str | None,
    succeeds: str | None,
    no_listen: bool,
) -> None:
    """Found a Common called NAME; this machine is its first witness.

    The first one on a machine listens for two seconds before: where a Common is announced on this network,
    it asks whether to join that one instead (where nobody can be asked, it founds, and says so).
    """
    from aslp2p.artifacts.envelope import sign_statement
    from aslp2p.artifacts.text import name_problem
    from aslp2p.home.key import load_key
    from aslp2p.home.names import choose_name

    if problem := name_problem(name):
        raise UsageError(f"a Common cannot be called that: it is {problem}", remedy="choose another name")
    require_own_name(own_name)
    text = None if policy_file is None else read_policy_text(policy_file)
    home = home_of(settings)
    if not (no_listen or succeeds or (home.exists() and home.commons())):
        _ask_whether_to_join(home)
    with ExitStack() as stack:
        daemon = prepared(stack, home, "asl init")
        secret = load_key(home)
        followed = followed_here(home, daemon)
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
        _found(home, signed, anchor, name_chosen=listed)
        if home.default_common() is None:
            home.set_default_common(signed.id)
        if daemon is not None:
            daemon.call("common.open", id=signed.id.hex())
    if settings.json:
        say_json({"id": signed.id.hex(), "name": name, "home": str(home), "own_name": anchor})
        return
    say(f"Made the Common {name}: {name}@0, witnessed by this machine.")
    _warn_of_lock_out(genesis.policy)
    say("It is running; invite others with: asl invite" if daemon else "Start it with: asl up")


def _found(home: Home, genesis: Verified[Genesis], anchor: str, *, name_chosen: bool) -> None:
    """Write the store of a new Common. Raises `UsageError` for a policy that cannot found one."""
    from aslp2p.errors import Rejected
    from aslp2p.ledger.history import found_common
    from aslp2p.ledger.joining import founding
    from aslp2p.limits import NETWORK_SECRET_BYTES

    with common_store(home, genesis.id) as store:
        try:
            found_common(store, genesis)
        except Rejected as error:
            raise UsageError(
                f"this policy cannot found a Common: {error.message}", remedy="change it"
            ) from None
        network_secret = os.urandom(NETWORK_SECRET_BYTES)
        store.apply(founding(genesis.id, network_secret, anchor, name_chosen=name_chosen))
        store.commit()


@click.command("self", cls=Command)
@click.option("--name", "own_name", metavar="ME", help="Choose what this machine is called from now on.")
@click.option("--passphrase", is_flag=True, help="Put its key under a passphrase, another one, or none.")
@pass_settings
def self_command(settings: Settings, own_name: str | None, passphrase: bool) -> None:
    """Show this machine's key and name; the key is made if there is none yet."""
    from aslp2p.artifacts.keys import key_text
    from aslp2p.home.key import create_key, load_public_key
    from aslp2p.home.names import choose_name, name_is_chosen
    from aslp2p.home.names import own_name as name_of

    require_own_name(own_name)
    home = home_of(settings)
    home.create()
    if not home.key.exists():
        require_new(home)
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
        prepared(stack, home, "asl self")
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


def _genesis(
    home: Home, name: str, secret: SecretKey, text: str | None, source: str, own_name: str | None
) -> tuple[Genesis, bool]:
    """What founds the Common, and whether its policy file gives this machine a name."""
    from aslp2p.artifacts.types import Genesis, Named, Policy
    from aslp2p.home.names import own_name as name_of
    from aslp2p.ledger.policy_file import GRACE_PERIOD_MS_DEFAULT, parse_policy
    from aslp2p.limits import PROTOCOL_VERSION
    from aslp2p.views.people import require_name

    called = own_name or name_of(home)
    listed = False
    if text is None:
        policy = Policy(
            witnesses=(Named(called, secret.key),),
            threshold=1,
            rotation_allowed=True,
            grace_period_ms=GRACE_PERIOD_MS_DEFAULT,
            participants="invited",
            protocol=PROTOCOL_VERSION,
        )
        anchors = policy.witnesses
    else:
        policy = parse_policy(text, source=source, own_key=secret.key)
        for one in policy.witnesses:
            require_name(one.name)
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


def _ask_whether_to_join(home: Home) -> None:
    """Raises `UserError`, with what to type, where a Common is announced and the person means that one."""
    from aslp2p.cli.nearby import common_nearby
    from aslp2p.home.config import load_config

    if home.exists() and not load_config(home).mdns_enabled:
        return
    if not (where := common_nearby()):
        return
    if not somebody_is_here():
        note(f"A Common is announced on this network, at {where}; this is another one. To join that one")
        note("instead, type there: asl invite, and here: asl join CODE")
    elif click.confirm(f"A Common is announced at {where}. Join that one instead?", default=True, err=True):
        raise UserError("nothing was founded", remedy="type there: asl invite, and here: asl join CODE")


def _warn_of_lock_out(policy: Policy) -> None:
    """Of a policy that one lost key ends; of one authority alone `asl status` tells, once others are in."""
    threshold, number = policy.threshold, len(policy.witnesses)
    if threshold == number > 1:
        note(
            f"Warning: with {threshold} of {number}, once any one of the {number} keys is lost nobody can "
            "ever replace the witness. One more authority mends that: asl authority add NAME"
        )


def _predecessor(text: str, followed: list[Followed]) -> bytes:
    from aslp2p.artifacts.keys import parse_id_prefix
    from aslp2p.views.commons import choose_common

    if len(text) == 64:
        return parse_id_prefix(text)[0]
    return choose_common(followed, text, None).id
