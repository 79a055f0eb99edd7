"""`asl move`, `asl backup`, `asl restore FILE`: a home in a file, to sign elsewhere or to be read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_file
from aslp2p.cli.group import Command, Group
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home, home_of
from aslp2p.control.client import Client

if TYPE_CHECKING:
    from aslp2p.transfer.moving import Carried

COPY_S = 3600.0
"""How long a daemon may take to copy its stores."""


@click.group("move", cls=Group)
def move_command() -> None:
    """Take this home to another machine, with its key and what that has signed."""


@move_command.command("out")
@click.argument("file", metavar="FILE", shell_complete=complete_file)
@click.option("--lost", is_flag=True, help="The file of an earlier move can never be taken in any more.")
@pass_settings
def out_command(settings: Settings, file: str, lost: bool) -> None:
    """Write this home to FILE and retire it here: from then on its key signs only where FILE is taken in."""
    from aslp2p.transfer.moving import move_out

    home, target = existing_home(settings), Path(file).absolute()
    with _progress("writing") as progress:
        carried = move_out(home, target, _now_ms(), progress, lost=lost)
    if settings.json:
        say_json({**_json(carried), "written": str(target)})
        return
    say(f"{file} holds this home: {_what(carried)}. This one signs nothing any more; it can still be read.")
    say(f"On the other machine: asl move in {file}, which removes the file")
    note("Whoever has the file can be this machine: hand it to nobody, and make no copy of it.")


@move_command.command("in")
@click.argument("file", metavar="FILE", shell_complete=complete_file)
@click.option("--keep", is_flag=True, help="Leave FILE where it is: nobody may ever take it in again.")
@pass_settings
def in_command(settings: Settings, file: str, keep: bool) -> None:
    """Make the home that FILE holds this machine's, and remove FILE."""
    from aslp2p.home.key import load_public_key
    from aslp2p.transfer.moving import move_in

    home = home_of(settings)
    with _progress("reading") as progress:
        carried = move_in(home, Path(file).absolute(), progress, keep=keep)
    if settings.json:
        say_json({"home": str(home), "key": f"ed25519:{load_public_key(home).hex()}", "kept": keep})
        return
    what = "" if carried is None else f": {_what(carried)}"
    say(f"This machine is that home now{what}. Start it with: asl up")
    if keep:
        note(f"Destroy {file}: if it is taken in again, both machines stop signing (S11).")


@click.command("backup", cls=Command)
@click.argument("file", metavar="FILE", shell_complete=complete_file)
@pass_settings
def backup_command(settings: Settings, file: str) -> None:
    """Write a copy of this home to FILE: for its data, and for keys that will be replaced.

    A daemon that runs goes on; each store is copied as it is at one moment.
    """
    from aslp2p.home.lock import HomeHeld
    from aslp2p.transfer.moving import back_up, back_up_running

    home, target = existing_home(settings), Path(file).absolute()
    with _progress("writing") as progress:
        try:
            carried = back_up(home, target, _now_ms(), progress)
        except HomeHeld:
            with Client.of_home(str(home), timeout_s=COPY_S) as client:
                carried = back_up_running(
                    home,
                    target,
                    _now_ms(),
                    progress,
                    lambda folder: client.call("backup.stores", folder=str(folder)),
                )
    if settings.json:
        say_json({**_json(carried), "written": str(target)})
        return
    say(f"{file} holds a copy of this home: {_what(carried)}.")
    say("Restored, it has all data; its key may propose, but never again endorse, cosign or emit (S11),")
    say("because what it signed after the copy is not in it. To change machines, use: asl move out")
    note("Whoever has the file can speak as this machine: keep it as you keep the machine.")


def restore_home(settings: Settings, file: str) -> None:
    """Make a home from the backup `file`; its key is one to be replaced."""
    from aslp2p.transfer.moving import restore
    from aslp2p.transfer.package import PackageReader

    home, source = home_of(settings), Path(file).absolute()
    with PackageReader(source) as reader:
        day = time.strftime("%Y-%m-%d", time.localtime(reader.header.created_ms / 1000))
    words = f"it was restored from the backup of {day}, so what it signed since is not known here"
    with _progress("reading") as progress:
        carried = restore(home, source, words, progress)
    if settings.json:
        say_json({**_json(carried), "home": str(home)})
        return
    say(f"Restored to {home}: {_what(carried)}, as of {day}. Start it with: asl up")
    say("Its key may propose, but never again endorse, cosign or emit (S11). `asl status` says what to type:")
    say("an authority brings a new key in (asl policy replace-key), who is alone vouches (asl vouch).")


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    before = [0]
    with Progress(label, bytes_=True) as progress:

        def step(done: int, total: int) -> None:
            progress.step(done - before[0], total=total)
            before[0] = done

        yield step


def _now_ms() -> int:
    return int(time.time() * 1000)


def _what(carried: Carried) -> str:
    return f"{count_text(carried.commons, 'Common')}, {size_text(carried.size)}"


def _json(carried: Carried) -> dict[str, object]:
    return {
        "key": f"ed25519:{carried.key.hex()}",
        "commons": carried.commons,
        "size": carried.size,
        "created_ms": carried.created_ms,
    }
