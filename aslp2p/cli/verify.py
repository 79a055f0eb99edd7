"""`asl verify` and `asl fsck`: is the history right, and is what is stored what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, erased_text, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home, open_source, pages
from aslp2p.cli.versions import require_version
from aslp2p.control.client import Client
from aslp2p.errors import AslError, Damaged, NoDaemon, UsageError, UserError
from aslp2p.home import Home

if TYPE_CHECKING:
    from aslp2p.store.check import Finding

_ERASED_SHOWN = 20


@click.command("verify", cls=Command)
@click.argument("version", default="", metavar="[@N]")
@pass_settings
def verify_command(settings: Settings, version: str) -> None:
    """Judge the whole history again, every signature, up to @N or the newest."""
    at = require_version(version) if version else None
    with open_source(settings) as source:
        answer = verified(source.ask, at)
        name = source.ask("summary")["name"]
        answer["erased"] = erased = list(pages(source, "erasures", "erasures"))
    if settings.json:
        say_json(answer)
    else:
        _say(name, answer)
        for one in erased[:_ERASED_SHOWN]:
            say(f"  {one['path'] or one['content'][:12]}: {erased_text(one)}")
        if len(erased) > _ERASED_SHOWN:
            say(f"  and {len(erased) - _ERASED_SHOWN} more are erased")
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
    """Look for damage in what is stored, in every Common of a stopped home (or the one of --common)."""
    from aslp2p.home.lock import HomeLock

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
        folders = _meant(home, settings.common)
        for folder in folders:
            with Progress(f"looking at {folder.name}") as progress:
                found = list(_look(folder, repair, _stepper(progress)))
                if repair and any(not one.repaired and one.table != "journal" for one in found):
                    found = _made_anew(folder, found)
            findings += [
                {
                    "common": folder.name,
                    "table": one.table,
                    "what": one.what,
                    "ids": [id_.hex() for id_ in one.ids],
                    "remedy": one.remedy,
                    "repaired": one.repaired,
                }
                for one in found
            ]
    findings.sort(key=lambda one: not one["repaired"])  # what is left to do comes last
    if not settings.json:
        for one in findings:
            _say_finding(one)
    left = sum(not one["repaired"] for one in findings)
    if settings.json:
        say_json({"findings": findings, "commons": len(folders)})
    elif not findings:
        say(f"{count_text(len(folders), 'Common')}: everything is as it was written.")
    elif not repair and any(one["table"] != "journal" for one in findings):
        say("Mend what can be mended with: asl fsck --repair")
    if left:
        raise click.exceptions.Exit(1)


def _meant(home: Home, common: str) -> list[Path]:
    """The folders of all Commons, or of the one that has this name, or an id that begins so."""
    folders = home.commons()
    if not folders:
        raise UserError("this home follows no Common", remedy="type `asl init NAME` or `asl join INVITE`")
    if not common:
        return folders
    meant = [one for one in folders if _name_of(one) == common]
    if not meant and len(common) >= 4:
        meant = [one for one in folders if one.name.startswith(common[:16])]
    if len(meant) != 1:
        raise UsageError(
            f"{'several Commons are' if meant else 'no Common here is'} called '{common}'",
            remedy=f"use the id of one of {', '.join(one.name for one in folders)}",
        )
    return meant


def _name_of(folder: Path) -> str | None:
    """What the Common in `folder` is called, if its store can tell."""
    from aslp2p.cli.stopped import open_store
    from aslp2p.ledger.joining import read_belonging

    with suppress(AslError), closing(open_store(folder)) as store:
        belonging = read_belonging(store)
        return None if belonging is None else belonging.name
    return None


def _look(folder: Path, repair: bool, step: Any) -> Iterator[Finding]:
    """What `fsck` finds in the Common's store, also when there is none that could be opened."""
    from aslp2p.home.files import is_there
    from aslp2p.store.check import Finding
    from aslp2p.store.fsck import fsck
    from aslp2p.store.mark import STORE_NAME
    from aslp2p.store.sqlite import SqliteStore

    path = folder / STORE_NAME
    lost = _lost(folder)
    if not is_there(path):
        yield Finding("file", f"there is no store at {path}", (), lost)
        return
    try:
        store = SqliteStore(path, salvage=True)
    except Damaged as error:
        yield Finding("file", f"nothing of it can be read: {error.message}", (), lost)
        return
    with closing(store):
        if not store.branches() and store.meta("common-id") is None:
            yield Finding("file", f"{path} belongs to no Common", (), lost)
            return
        try:
            yield from fsck(store, repair=repair, progress=step)
        except Damaged as error:
            yield Finding("file", error.message, (), lost)


def _lost(folder: Path) -> str:
    forget = f"asl common forget {folder.name}"
    return f"restore the home from a backup, or type `{forget}` and join again: others have the rest"


def _made_anew(folder: Path, found: list[Finding]) -> list[Finding]:
    """What was found, mended by making the store anew, or with what to do where that cannot be."""
    from aslp2p.cli.desk import read_clocks
    from aslp2p.home.key import SecretKey
    from aslp2p.store.check import Finding
    from aslp2p.store.mark import STORE_NAME
    from aslp2p.store.salvage import NobodyHas
    from aslp2p.transfer.salvage import ASIDE, make_anew

    path = folder / STORE_NAME
    if not path.exists():
        return found  # which says that, and what is left to do
    try:
        height = make_anew(path, SecretKey.generate(), read_clocks)
    except Damaged as error:
        if isinstance(error, NobodyHas):
            remedy = "restore the home from a backup"
        elif any(one.remedy == _lost(folder) for one in found):
            return found
        else:
            remedy = _lost(folder)
        kept = [one for one in found if one.remedy != _lost(folder)]
        return [*kept, Finding("file", f"it cannot be made anew: {error.message}", (), remedy)]
    what = f"made anew up to @{height} from what is sound"
    remedy = f"asl up fetches the rest from the other members; the damaged store is kept as {path}{ASIDE}"
    return [*(structs.replace(one, repaired=True) for one in found), Finding("file", what, (), remedy, True)]


def _stepper(progress: Progress) -> Any:
    before = [0]

    def step(_table: str, done: int, total: int) -> None:
        progress.step(done - before[0], total=total)
        before[0] = done

    return step


def _say_finding(one: dict[str, Any]) -> None:
    mended = " (mended)" if one["repaired"] else ""
    say(f"{one['common']}: {one['what']}{mended}{'; ' if one['remedy'] else ''}{one['remedy']}")
