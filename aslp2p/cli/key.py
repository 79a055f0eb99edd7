"""`asl key`: a key on paper and in a file, back from there, and one that never sees a network."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aslp2p.cli.complete import complete_file
from aslp2p.cli.group import Group
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home, home_of
from aslp2p.errors import UsageError, UserError

if TYPE_CHECKING:
    from aslp2p.home.key import SecretKey

BACKUP_VARIABLE = "ASL_BACKUP_PASSPHRASE"
_WORDS_BYTES_MAX = 4096
_A_LINE = 6


@click.group("key", cls=Group)
def key_command() -> None:
    """This machine's key: keep it, bring it back, or make one that never sees a network."""


@key_command.command("backup")
@click.argument("file", metavar="FILE", shell_complete=complete_file)
@pass_settings
def backup_command(settings: Settings, file: str) -> None:
    """Write this machine's key to the new file FILE, under a passphrase (argon2id).

    The passphrase is asked for, or taken from ASL_BACKUP_PASSPHRASE.
    """
    from aslp2p.artifacts.keys import key_text
    from aslp2p.home.files import atomic_create
    from aslp2p.home.key import key_file, load_key

    secret = load_key(existing_home(settings))
    passphrase = _new_passphrase()
    try:
        atomic_create(Path(file).absolute(), key_file(secret, passphrase))
    except FileExistsError:
        raise UserError(f"there is something at {file} already", remedy="name a new file") from None
    if settings.json:
        say_json({"written": os.path.abspath(file), "key": key_text(secret.key)})
        return
    say(f"{file} holds this machine's key, under that passphrase. It comes back with:")
    say(f"asl key restore {file}")
    note("It is the key alone, not what it signed: brought back it may propose, and never again endorse,")
    note("cosign or emit (S11), unless it is the only authority. To change machines, use: asl move out")


@key_command.command("words")
@pass_settings
def words_command(settings: Settings) -> None:
    """Show this machine's key as 24 words, for paper. Whoever reads them can be this machine.

    They are checked by a checksum when they are typed again: `asl key restore --words`.
    """
    from aslp2p.home.key import load_key, seed_of
    from aslp2p.home.words import seed_words

    words = seed_words(seed_of(load_key(existing_home(settings))))
    if settings.json:
        say_json({"words": words})
        return
    for first in range(0, len(words), _A_LINE):
        row = words[first : first + _A_LINE]
        say("  ".join(f"{first + place:2} {word:8}" for place, word in enumerate(row, 1)).rstrip())
    note(
        "Write them down in this order, and keep the paper as you keep the machine. They need no passphrase."
    )


@key_command.command("restore")
@click.argument("file", metavar="FILE", required=False, shell_complete=complete_file)
@click.option("--words", is_flag=True, help="Type the 24 words instead, or give them on standard input.")
@pass_settings
def restore_command(settings: Settings, file: str | None, words: bool) -> None:
    """Make a home with the key that FILE (of `asl key backup`) or the words hold.

    What the key signed is not in them, so in each Common that this home joins it may propose, and never again
    endorse, cosign or emit (S11); an authority brings a new key in for it (`asl policy replace-key`).
    """
    if words is (file is not None):
        raise UsageError("a key comes from FILE or from --words", remedy="give one of them")
    from aslp2p.artifacts.keys import key_text
    from aslp2p.home.doubt import mark_restored
    from aslp2p.home.files import atomic_create
    from aslp2p.home.key import SecretKey, key_file, read_key_file
    from aslp2p.home.lock import HomeLock
    from aslp2p.home.words import words_seed

    home = home_of(settings)
    if home.exists() and (home.key.exists() or home.commons()):
        raise UserError(f"there is a home at {home} already", remedy="name another with --home")
    day = time.strftime("%Y-%m-%d")
    if file is None:
        secret, data, source = SecretKey(words_seed(_typed_words())), b"", "its 24 words"
        data = key_file(secret, None)
    else:
        path = Path(file).absolute()
        secret, source = read_key_file(path, _backup_passphrase), "a backup of the key"
        data = path.read_bytes()  # under the same passphrase
    with ExitStack() as stack:
        home.create()
        stack.enter_context(HomeLock(home, "asl key restore"))
        # S11: that it is in doubt is on disk before the key is.
        mark_restored(home, f"it was restored on {day} from {source}, so what it signed is not known here")
        try:
            atomic_create(home.key, data)
        except FileExistsError:
            raise UserError(f"{home.key} is there already; a key is never replaced") from None
    _tell_restored(settings, secret, str(home), key_text(secret.key), sealed=file is not None)


def _tell_restored(settings: Settings, secret: SecretKey, home: str, key: str, *, sealed: bool) -> None:
    if settings.json:
        say_json({"home": home, "key": key, "sealed": sealed})
        return
    say(f"{home} has the key {key} now. Join with an invite of somebody who is in: asl join INVITE")
    say("It may propose, and never again endorse, cosign or emit (S11): an authority brings a new key in")
    say("for it (asl policy replace-key), who is alone vouches (asl vouch).")
    if not sealed:
        note("The key is under no passphrase here; put it under one with: asl self --passphrase")


@key_command.command("new")
@click.option("--offline", is_flag=True, help="For a machine, or a stick, that never goes on a network.")
@pass_settings
def new_command(settings: Settings, offline: bool) -> None:
    """Make a new home with a cold key: an authority that signs paper alone (`asl endorse --offline`).

    No daemon ever starts in it. Its key is under a passphrase, asked for or taken from ASL_BACKUP_PASSPHRASE.
    """
    from aslp2p.artifacts.keys import key_text
    from aslp2p.home.doubt import mark_offline
    from aslp2p.home.key import create_key

    if not offline:
        raise UsageError(
            "a key for a machine on a network is made by `asl init`, `asl join` or `asl self`",
            remedy="for a cold one say --offline",
        )
    home = home_of(settings)
    if home.exists():
        raise UserError(f"there is a home at {home} already", remedy="name another with --home")
    passphrase = _new_passphrase()
    home.create()
    mark_offline(home)
    key = key_text(create_key(home, passphrase=passphrase).key)
    if settings.json:
        say_json({"home": str(home), "key": key})
        return
    say(f"Key:  {key}")
    say(f"Home: {home}")
    say("Give the key to an authority, for `asl policy propose`; what it is to sign comes as a file:")
    say(f"asl --home {home} endorse ID --offline FILE -o ANSWER")
    note("Write its 24 words down too (asl key words): a lost stick is a lost authority.")


def _new_passphrase() -> str:
    from aslp2p.home.key import ask_new_passphrase

    given = os.environ.get(BACKUP_VARIABLE)
    chosen = ask_new_passphrase() if given is None else given
    if not chosen:
        raise UsageError("a key that leaves the machine needs a passphrase", remedy="choose one")
    return chosen


def _backup_passphrase() -> str:
    from aslp2p.home.key import ask_passphrase

    given = os.environ.get(BACKUP_VARIABLE)
    return ask_passphrase() if given is None else given


def _typed_words() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("The 24 words", hide_input=False))
    return sys.stdin.read(_WORDS_BYTES_MAX)
