"""`asl pin` and `asl unpin`: people here go on reading one version; the machine takes part as before."""

from __future__ import annotations

from contextlib import closing

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, Source, existing_home, open_source
from aslp2p.cli.versions import require_version


@click.command("pin", cls=Command)
@click.argument("version", metavar="@N")
@pass_settings
def pin_command(settings: Settings, version: str) -> None:
    """Read @N wherever no version is named, until `asl unpin`; nobody else notices."""
    wanted = require_version(version)
    with open_source(settings) as source:
        shown = source.ask("show", at=wanted)
        name = source.ask("summary")["name"]
        _keep(settings, source, shown["id"])
    if settings.json:
        say_json({"height": wanted, "id": shown["id"]})
        return
    say(f"Reading stays at {name}@{wanted} here: ls, get, log, show, diff and checkout without a version.")
    say("This machine goes on as before; follow the newest again with: asl unpin")


@click.command("unpin", cls=Command)
@pass_settings
def unpin_command(settings: Settings) -> None:
    """Read the newest version again."""
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
