"""`asl erase`: the bytes of one version of a file, gone from every machine."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.confirm import confirm
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, Source, open_daemon, open_source
from aslp2p.cli.versions import split_version
from aslp2p.cli.waiting import Waiter
from aslp2p.errors import UsageError
from aslp2p.views.erased import erased_words

_BEYOND = (
    "Erasing takes the bytes from every machine of this Common, for ever; the history keeps the name.",
    "It cannot reach what was checked out, copied or backed up, nor what a disk keeps of deleted blocks.",
)


@click.command("erase", cls=Command)
@click.argument("path", metavar="PATH@N")
@click.option("--reason", metavar="TEXT", help="Why; everybody can read it, for ever.")
@click.option("--status", is_flag=True, help="Only say how far it is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def erase_command(
    settings: Settings, path: str, reason: str | None, status: bool, yes: bool, no_wait: bool
) -> None:
    """Erase the bytes of the file at PATH in version N, everywhere.

    No path may hold them any more: remove the file, or put another one there, first. What others put too
    needs the authorities' endorsements (`asl endorse`).
    """
    wanted, version = split_version(path)
    if not wanted or version is None:
        raise UsageError(
            "erase wants one file of one version", remedy=f"write it as in: asl erase {wanted or 'notes'}@3"
        )
    if status:
        with open_source(settings) as source:
            _say_status(settings, source, path, _asked(source, wanted, version))
        return
    if not reason:
        raise UsageError("say why it is to be gone", remedy=f'type: asl erase {path} --reason "…"')
    with open_daemon(settings) as daemon:
        entry = _asked(daemon, wanted, version)
        if entry["erased"] is not None:
            _say_status(settings, daemon, path, entry)
            return
        confirm(f"Erase {path} everywhere?", list(_BEYOND), yes=yes)
        _propose(settings, daemon, path, entry, reason, wait=not no_wait)


def _asked(source: Source, path: str, version: int) -> dict[str, Any]:
    return source.ask("entry", path=path, at=version)


def _propose(
    settings: Settings, daemon: DaemonSource, path: str, entry: dict[str, Any], reason: str, *, wait: bool
) -> None:
    action = {"kind": "erase", "content": entry["content"], "reason": reason}
    with Waiter(daemon, wait=wait and entry["erasable_alone"]) as waiter:
        proposal = daemon.call("propose", action=action)["proposal"]
        waiter.add(proposal, f"{path} erased")
        waiter.finish()
        if not entry["erasable_alone"] and not settings.json:
            say(f"Others put it too: authorities endorse it with `asl endorse {proposal[:8]}`")
        waiter.report(settings)


def _say_status(settings: Settings, source: Source, path: str, entry: dict[str, Any]) -> None:
    machines: list[dict[str, Any]] = []
    if entry["erased"] is not None:
        if isinstance(source, DaemonSource):  # whoever is linked says now whether it is gone there
            source.call("holders", id=entry["content"])
        machines = source.ask("erasure", id=entry["content"])["members"]
    if settings.json:
        shown = {name: entry[name] for name in ("path", "content", "erased", "here")}
        say_json({**shown, "machines": machines})
    elif entry["erased"] is None:
        say(f"{path} is not erased")
    else:
        gone = "here until that is final" if entry["here"] else "gone from here"
        say(f"{path}: {erased_words(entry['erased'])} ({gone})")
        for words, is_gone in (("Gone from", True), ("Not confirmed by", False)):
            if names := [one["shown"] for one in machines if one["gone"] is is_gone]:
                say(f"{words}: {', '.join(names)}")
