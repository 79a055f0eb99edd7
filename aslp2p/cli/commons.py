"""`asl common`: which Commons this home follows."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click

from aslp2p.cli.complete import complete_common
from aslp2p.cli.group import Group
from aslp2p.cli.output import count_text, note, say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, existing_home, open_source
from aslp2p.cli.status import headline
from aslp2p.errors import UsageError
from aslp2p.home import Home


@click.group("common", cls=Group)
def common_command() -> None:
    """Which Commons this machine follows."""


@common_command.command("list")
@pass_settings
def list_command(settings: Settings) -> None:
    """The Commons that are followed here, the default marked, and foreign ones that were heard of."""
    with open_source(settings) as source:
        answer = source.status()
    foreign: list[dict[str, Any]] = (answer["daemon"] or {}).get("foreign", [])
    if settings.json:
        say_json({"commons": answer["commons"], "foreign": foreign})
        return
    rows = [
        (
            "*" if one["default"] else " ",
            one["id"][:12],
            headline(one),
        )
        for one in answer["commons"]
    ]
    for one in foreign:
        how_many = count_text(one["commons"], "Common")
        rows.append(("?", one["addresses"][0], f"foreign: {how_many} announced there, not followed"))
    table(rows)
    if not answer["commons"]:
        note("This home follows no Common; type `asl init NAME` or `asl join INVITE`")


@common_command.command("use")
@click.argument("name", shell_complete=complete_common)
@pass_settings
def use_command(settings: Settings, name: str) -> None:
    """Make NAME (or an id) the Common that commands mean when they name none."""
    _use(settings, name)


@common_command.command("trust", hidden=True)
@click.argument("name", shell_complete=complete_common)
@pass_settings
def trust_command(settings: Settings, name: str) -> None:
    """The same as `asl common use`."""
    _use(settings, name)


def _use(settings: Settings, name: str) -> None:
    settings.common = name
    with open_source(settings) as source:
        if isinstance(source, DaemonSource):
            answer = source.call("common.trust")
        else:
            from aslp2p.cli.stopped import Stopped

            assert isinstance(source, Stopped)  # noqa: S101 - the only other one there is
            chosen = source.chosen()
            source.store()  # or why it cannot be read
            existing_home(settings).set_default_common(chosen.id)
            answer = {"id": chosen.id.hex(), "name": chosen.name}
    if settings.json:
        say_json(answer)
        return
    say(f"Commands mean {answer['name']} ({answer['id'][:12]}) from now on.")


@common_command.command("forget")
@click.argument("name", shell_complete=complete_common)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def forget_command(settings: Settings, name: str, yes: bool) -> None:
    """Stop following NAME (or an id) and remove its files here; to come back takes a new invite."""
    settings.common = name
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                f"this removes all of {name} from this machine", remedy="say --yes if you mean it"
            )
        click.confirm(f"Remove all of {name} from this machine?", abort=True, err=True)
    with open_source(settings) as source:
        if isinstance(source, DaemonSource):
            answer = source.call("common.forget")
        else:
            answer = _forget_stopped(settings, source)
    if settings.json:
        say_json(answer)
        return
    say(f"{answer['name']} ({answer['id'][:12]}) is followed no longer.")


def _forget_stopped(settings: Settings, source: Any) -> dict[str, Any]:
    """Remove the folder. The shared lock is held, so no daemon starts in the middle."""
    chosen = source.chosen()
    source.close()
    remove_common(existing_home(settings), chosen.id)
    return {"id": chosen.id.hex(), "name": chosen.name}


def remove_common(home: Home, common_id: bytes) -> None:
    """Remove a Common's folder of a stopped home that nobody else uses meanwhile; of a store that cannot be
    read, the first 8 bytes of its id are known."""
    folder = home.common_folder(common_id)
    aside = folder.with_name(f".forgotten-{folder.name}")
    folder.rename(aside)  # from here on it is not one of the home's Commons, whatever interrupts us
    shutil.rmtree(aside)
    if (home.default_common() or b"")[:8] == common_id[:8]:
        home.default.unlink()
