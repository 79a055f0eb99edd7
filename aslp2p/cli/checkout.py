"""`asl checkout`: the tree of a version, written into a folder, and brought up to another version later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from aslp2p.cli.complete import complete_folder, complete_path
from aslp2p.cli.fetching import fetch_to_write
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, home_of, open_source
from aslp2p.cli.versions import at_option, split_version
from aslp2p.errors import UserError
from aslp2p.worktree.base import has_base, opened_base
from aslp2p.worktree.checkout import Checkout
from aslp2p.worktree.common import History
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.names import HIDDEN, HIDDEN_FILE
from aslp2p.worktree.report import Report
from aslp2p.worktree.sync import require_same

_SHOWN = 20


@click.command("checkout", cls=Command)
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@click.argument("what", default="", metavar="[PATH][@N]", shell_complete=complete_path)
@click.option("--force", is_flag=True, help="Replace and remove what checkout did not write, too.")
@click.option("--hidden", is_flag=True, help="What begins with a dot at the top, too.")
@at_option
@pass_settings
def checkout_command(
    settings: Settings, folder: str, what: str, force: bool, hidden: bool, at: int | None
) -> None:
    """Write the whole tree of @N (or the newest), or what is below PATH, into DIR."""
    path, version = split_version(what, at)
    with open_source(settings) as source:
        height = int(source.ask("show", at=version)["height"])
        if path and not has_base(folder):
            _require_folder(source, path, height)
        history = History(source, path, height)
        common, name = common_of(source)
        with (
            Folder(folder, str(home_of(settings))) as disk,
            opened_base(folder) as base,
            Progress("writing") as progress,
        ):
            require_same(base, common, path, folder)
            if source.live:
                fetch_to_write(source, history, base.agreed())
            run = Checkout(disk, base, history, hidden=hidden, force=force, progress=steps_on(progress))
            report = run.run()
    if settings.json:
        say_json(_json(report, folder))
    else:
        note_some("conflict", report.said)
        note_some("kept out", report.out)
        say(
            f"{name}@{report.height} in {folder}: {count_text(report.written, 'file')} written, "
            f"{report.unchanged} unchanged, {report.removed_here} removed"
        )
    if report.said or report.out:
        raise click.exceptions.Exit(1)


def _require_folder(source: Source, path: str, height: int) -> None:
    """Raises `UserError` unless there is something below `path` at `height`. (A folder that was written from
    it before may well lose what is there no more.)"""
    entries = source.ask("ls", prefix=path, at=height)["entries"]
    if not entries:
        raise UserError(f"{path} is not there at @{height}", remedy="see what is with `asl ls`")
    if entries[0]["path"] == path:
        raise UserError(f"{path} is a file", remedy=f"type: asl get {path}@{height}")


def _json(report: Report, folder: str) -> dict[str, Any]:
    return {
        "height": report.height,
        "folder": folder,
        "written": report.written,
        "unchanged": report.unchanged,
        "removed": report.removed_here,
        "conflicts": [f"{path}: {why}" for path, why in report.said.items()],
        "kept_out": [f"{path}: {why}" for path, why in report.out.items()],
    }


def steps_on(progress: Progress) -> Callable[[int], None]:
    """What `Sync` tells of its steps, on `progress`."""

    def step(more: int) -> None:
        if more:
            progress.expect(more)
        else:
            progress.step()

    return step


def common_of(source: Source) -> tuple[str, str]:
    """Id and name of the Common that `source` answers about."""
    genesis = source.ask("show", at=0)
    return genesis["id"], genesis["name"]


def note_some(what: str, said: dict[str, str]) -> None:
    """A line for each path, and one for a whole hidden folder; up to a bound."""
    lines: dict[str, int] = {}
    for path, why in said.items():
        line = f"{path}: {why}"
        if why == HIDDEN:
            line = f"{path.partition('/')[0]}/: {why}; --hidden takes it"
        elif why == HIDDEN_FILE:
            line = f"{path}: {why}; --hidden takes it"
        lines[line] = lines.get(line, 0) + 1
    for line in [*lines][:_SHOWN]:
        note(f"{what}: {line}")
    if len(lines) > _SHOWN:
        note(f"{what}: {len(lines) - _SHOWN} more")
