"""`asl restore`: an old version of a file put back as a new one, or a home made from its backup."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.move import restore_home
from aslp2p.cli.put import put_back
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, home_of, open_source
from aslp2p.cli.versions import file_meant
from aslp2p.errors import UsageError, UserError


@click.command("restore", cls=Command)
@click.argument("what", metavar="PATH[@N]|FILE")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def restore_command(settings: Settings, what: str, no_wait: bool) -> None:
    """Put back what was at PATH in version @N, or before it was last changed or removed, as a new version.

    `asl restore FILE`, where FILE was written by `asl backup`, makes a home from that; its key is one to be
    replaced.
    """
    if _is_of_home(what) or not home_of(settings).exists():
        restore_home(settings, what)
        return
    with open_source(settings) as source:
        path, version = file_meant(source, what)
        if not path:
            raise UsageError("one file is put back", remedy="name it, as in: asl restore notes.txt@3")
        if version is None:
            version = _before_last_change(source, path)
    put_back(settings, f"{path}@{version}", (), wait=not no_wait)


def _is_of_home(what: str) -> bool:
    """Whether `what` is a file that `asl backup` or `asl move out` wrote."""
    from aslp2p.home.marks import HOME_FILE_MAGIC

    with suppress(OSError, ValueError):
        if Path(what).is_file():
            with open(what, "rb") as file:
                return file.read(len(HOME_FILE_MAGIC)) == HOME_FILE_MAGIC
    return False


def _before_last_change(source: Source, path: str) -> int:
    """The newest version in which `path` was another file than it is now. Raises `UserError` when none is."""
    now = _entry(source, path, None)
    before: int | None = None
    while True:
        page = source.ask("log", path=path, before=before)
        for snapshot in page["snapshots"]:
            there = _entry(source, path, snapshot["height"] - 1)
            if there is not None and (now is None or _like(there) != _like(now)):
                return int(snapshot["height"]) - 1
        before = page["next"]
        if before is None:
            raise UserError(f"{path} was never another file", remedy=f"see its versions with: asl log {path}")


def _entry(source: Source, path: str, at: int | None) -> dict[str, Any] | None:
    with suppress(UserError):
        return source.ask("entry", path=path, at=at)
    return None


def _like(entry: dict[str, Any]) -> tuple[str, bool]:
    return entry["content"], entry["executable"]
