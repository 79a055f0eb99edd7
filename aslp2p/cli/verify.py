"""`asl verify` and `asl fsck`: is the history right, and is what is stored what was written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home, open_source
from aslp2p.cli.versions import require_version
from aslp2p.control.client import Client
from aslp2p.errors import NoDaemon, UserError


@click.command("verify", cls=Command)
@click.argument("version", default="", metavar="[@N]")
@pass_settings
def verify_command(settings: Settings, version: str) -> None:
    """Judge the whole history again, every signature, up to @N or the newest."""
    at = require_version(version) if version else None
    with open_source(settings) as source:
        answer = verified(source.ask, at)
        name = source.ask("summary")["name"]
    if settings.json:
        say_json(answer)
    else:
        _say(name, answer)
    if answer["failure"]:
        raise click.exceptions.Exit(1)


def verified(ask: Callable[..., dict[str, Any]], at: int | None) -> dict[str, Any]:
    """The last answer of `verify`, asked slice by slice up to `@at`: at the end, or at what does not hold."""
    with Progress("judging") as progress:
        answer = ask("verify", at=at)
        last = answer["of"]
        progress.step(answer["checked"], total=last)
        while answer["next"] is not None:
            first = answer["next"]
            answer = ask("verify", first=first, at=last)
            progress.step(answer["checked"] - first + 1, total=last)
    return answer


def _say(name: str, answer: dict[str, Any]) -> None:
    failure = answer["failure"]
    if failure:
        say(f"{name}@{failure['height']} does not hold: {failure['rule']}: {failure['reason']}")
        say(f"  judged   {failure['subject']}")
        say(f"  against  {failure['against']}")
    else:
        versions = count_text(answer["checked"] + 1, "version")
        say(f"{name}@0 to {name}@{answer['checked']} hold: {versions}, every signature.")
    for step in answer["trace"]:
        what = f"{step['by']}: witness {step['witness']['shown']}" if step["witness"] else step["by"]
        say(f"  @{step['height']}  {what}")


@click.command("fsck", cls=Command)
@click.option("--repair", is_flag=True, help="Mend what can be mended; the rest is fetched again from peers.")
@pass_settings
def fsck_command(settings: Settings, repair: bool) -> None:
    """Look for damage in what is stored, in every Common of a stopped home (or the one of --common's id)."""
    from aslp2p.cli.stopped import STORE_NAME
    from aslp2p.home.lock import HomeLock
    from aslp2p.store.fsck import fsck
    from aslp2p.store.sqlite import SqliteStore

    home = existing_home(settings)
    try:
        Client.of_home(str(home)).close()
        raise UserError(
            "the daemon is running and has the stores open", remedy="stop it, and type this again"
        )
    except NoDaemon:
        pass
    findings: list[dict[str, Any]] = []
    with HomeLock(home, "asl fsck"):
        folders = [one for one in home.commons() if one.name.startswith(settings.common[:16])]
        if not folders:
            raise UserError(
                "there is nothing to look at: no Common's folder is here that is meant",
                remedy="give --common the first digits of an id",
            )
        for folder in folders:
            with (
                Progress(f"looking at {folder.name}") as progress,
                closing(SqliteStore(folder / STORE_NAME, salvage=True)) as store,
            ):
                for one in fsck(store, repair=repair, progress=_stepper(progress)):
                    findings.append(
                        {
                            "common": folder.name,
                            "table": one.table,
                            "what": one.what,
                            "ids": [id_.hex() for id_ in one.ids],
                            "remedy": one.remedy,
                            "repaired": one.repaired,
                        }
                    )
                    if not settings.json:
                        _say_finding(findings[-1])
    left = sum(not one["repaired"] for one in findings)
    if settings.json:
        say_json({"findings": findings, "commons": len(folders)})
    elif not findings:
        say(f"{count_text(len(folders), 'Common')}: everything is as it was written.")
    elif left and not repair:
        say("Mend what can be mended with: asl fsck --repair")
    if left:
        raise click.exceptions.Exit(1)


def _stepper(progress: Progress) -> Any:
    before = [0]

    def step(_table: str, done: int, total: int) -> None:
        progress.step(done - before[0], total=total)
        before[0] = done

    return step


def _say_finding(one: dict[str, Any]) -> None:
    mended = " (mended)" if one["repaired"] else ""
    say(f"{one['common']}: {one['what']}{mended}{'; ' if one['remedy'] else ''}{one['remedy']}")
