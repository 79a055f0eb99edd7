"""`asl pin` and `asl unpin`: people here go on reading one version, or this machine keeps a path for good."""

from __future__ import annotations

from contextlib import closing

import click

from aslp2p.cli.complete import complete_path
from aslp2p.cli.files import listing
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, Source, existing_home, open_daemon, open_source
from aslp2p.cli.versions import require_version, split_version
from aslp2p.errors import UserError


@click.command("pin", cls=Command)
@click.argument("what", metavar="[@N|PATH[@N]]", default="", shell_complete=complete_path)
@pass_settings
def pin_command(settings: Settings, what: str) -> None:
    """Read @N wherever no version is named, until `asl unpin`; nobody else notices.

    With PATH (of the newest version, or of @N): keep it on this machine, and what is below it, whatever `asl
    keep` says. Without anything: show what is pinned.
    """
    path, version = split_version(what)
    if path:
        _pin_path(settings, path, version)
        return
    if version is None:
        _show(settings)
        return
    wanted = require_version(what)
    with open_source(settings) as source:
        shown = source.ask("show", at=wanted)
        name = source.ask("summary")["name"]
        _keep(settings, source, shown["id"])
    if settings.json:
        say_json({"height": wanted, "id": shown["id"]})
        return
    say(f"Reading stays at {name}@{wanted} here: ls, get, log, show, diff and checkout without a version.")
    say("This machine goes on as before; follow the newest again with: asl unpin")


def _show(settings: Settings) -> None:
    with open_source(settings) as source:
        reading = source.ask("summary")["pinned"]
        pins = source.ask("keeping")["pins"]
    if settings.json:
        say_json({"reading": reading, "paths": pins})
        return
    if reading is not None:
        say(f"Reading stays at @{reading['height']}" if reading["height"] is not None else "Reading: lost")
    for one in pins:
        say(f"Kept: {one['path']}" + ("" if one["at"] is None else f"@{one['at']}"))
    if reading is None and not pins:
        say("Nothing is pinned")


def _pin_path(settings: Settings, path: str, version: int | None) -> None:
    with open_daemon(settings) as daemon:
        if next(listing(daemon, path, version), None) is None:
            raise UserError(f"there is nothing at {path}", remedy="see what is with `asl ls`")
        daemon.call("pins.add", path=path, at=version or 0)
    if settings.json:
        say_json({"path": path, "at": version})
    else:
        say(f"Kept here for good: {path}" + ("" if version is None else f"@{version}"))


def _unpin_path(settings: Settings, path: str, version: int | None) -> None:
    with open_daemon(settings) as daemon:
        was = daemon.call("pins.remove", path=path, at=version or 0)["pinned"]
    if not was:
        raise UserError(f"{path} is not pinned", remedy="see what is: asl pin")
    if settings.json:
        say_json({"path": path, "at": version})
    else:
        say(f"{path} is pinned no more")


@click.command("unpin", cls=Command)
@click.argument("what", metavar="[PATH[@N]]", default="", shell_complete=complete_path)
@pass_settings
def unpin_command(settings: Settings, what: str) -> None:
    """Read the newest version again; with PATH, keep that no longer than `asl keep` says."""
    path, version = split_version(what)
    if path:
        _unpin_path(settings, path, version)
        return
    with open_source(settings) as source:
        answer = source.ask("summary")
        _keep(settings, source, None)
    if settings.json:
        say_json({"height": answer["height"], "was": answer["pinned"]})
        return
    was = "" if answer["pinned"] else " (nothing was pinned)"
    say(f"Reading follows the newest version: {answer['name']}@{answer['height']}{was}")


def _keep(settings: Settings, source: Source, snapshot: str | None) -> None:
    if isinstance(source, DaemonSource):
        source.call("unpin") if snapshot is None else source.call("pin", id=snapshot)
        return
    from aslp2p.cli.stopped import Stopped, open_store
    from aslp2p.ledger.joining import META_PIN
    from aslp2p.ledger.reader import PutMeta

    assert isinstance(source, Stopped)  # noqa: S101 - the only other one there is
    folder = existing_home(settings).common_folder(source.chosen().id)
    source.close()  # the home stays locked: nobody else begins to read or write in between
    with closing(open_store(folder, read_only=False)) as store:
        store.apply([PutMeta(META_PIN, None if snapshot is None else bytes.fromhex(snapshot))])
        store.commit()
