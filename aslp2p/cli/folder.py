"""`asl folder`: folders that the daemon keeps in step with a Common."""

from __future__ import annotations

import os
from typing import Any

import click

from aslp2p.cli.complete import complete_folder
from aslp2p.cli.group import Group
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_daemon
from aslp2p.cli.writable import forget_writable, writable
from aslp2p.errors import UsageError
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.rules import Rules, ignore_file
from aslp2p.worktree.scan import left_out
from aslp2p.worktree.walking import clean_path

_SHOWN = 10


@click.group("folder", cls=Group)
def folder_command() -> None:
    """Folders that the daemon keeps in step with the Common."""


@folder_command.command("add")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@click.option("--path", default="", metavar="PATH", help="Follow what is below PATH; else all of it.")
@click.option("--receive-only", is_flag=True, help="Changes come into DIR, and none go out.")
@click.option("--send-only", is_flag=True, help="Changes go out of DIR, and none come in.")
@click.option("--hidden", is_flag=True, help="What begins with a dot at the top, too.")
@pass_settings
def add_command(
    settings: Settings, folder: str, path: str, receive_only: bool, send_only: bool, hidden: bool
) -> None:
    """Keep DIR in step from now on; the first time it is a union, and nothing is removed."""
    if receive_only and send_only:
        raise UsageError("--receive-only and --send-only leave nothing to do", remedy="use one of them")
    with writable(settings, os.path.abspath(folder)) as renewed, open_daemon(settings) as daemon:
        daemon.call(
            "folder.add",
            folder=os.path.abspath(folder),
            path=clean_path(path),
            receive=not send_only,
            send=not receive_only,
            hidden=hidden,
        )
    if renewed:
        note(f"the service may write in {folder} now, and was started again for it")
    _done(settings, f"{folder} is kept in step; see how it is with: asl folder list")


@folder_command.command("list")
@pass_settings
def list_command(settings: Settings) -> None:
    """Which folders are followed, and what there is to say of each."""
    with open_daemon(settings) as daemon:
        folders = daemon.client.call("folder.list")["folders"]
        names = {one["id"]: one["name"] for one in daemon.client.call("commons")["commons"]}
    if settings.json:
        say_json({"folders": folders})
        return
    if not folders:
        say("No folder is followed; add one with: asl folder add DIR")
    for one in folders:
        where = f"{names.get(one['common'], one['common'][:12])}{'/' * bool(one['path'])}{one['path']}"
        say(f"{one['folder']}  {where}  {_state(one)}")
        for path in one["conflicts"][:_SHOWN]:
            say(f"    conflict: {path}")
        for path, why in list(one["said"].items())[:_SHOWN]:
            say(f"    left alone: {path}: {why}")
        if one["braked"]:
            held = count_text(one["held"], "file")
            say(f"    {one['braked']} of {held} are gone; if that is meant, type:")
            say(f"    asl folder approve {one['folder']}")


def _state(one: dict[str, Any]) -> str:
    if one["paused"]:
        return "paused"
    if one["problem"]:
        return str(one["problem"])
    if one["height"] is None:
        return "not looked at yet"
    return f"at @{one['height']}{', waits for the witness' if one['waits'] else ''}"


@folder_command.command("pause")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@pass_settings
def pause_command(settings: Settings, folder: str) -> None:
    """Leave DIR as it is until `asl folder resume`."""
    _change(settings, "folder.pause", folder, "is left as it is")


@folder_command.command("resume")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@pass_settings
def resume_command(settings: Settings, folder: str) -> None:
    """Keep DIR in step again."""
    _change(settings, "folder.resume", folder, "is kept in step again")


@folder_command.command("remove")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@pass_settings
def remove_command(settings: Settings, folder: str) -> None:
    """Follow DIR no longer; its files stay."""
    _change(settings, "folder.remove", folder, "is followed no longer; its files stay")
    forget_writable(settings)


@folder_command.command("approve")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@pass_settings
def approve_command(settings: Settings, folder: str) -> None:
    """Remove from the Common as much as is gone from DIR."""
    _change(settings, "folder.approve", folder, "may remove what is gone from it")


@folder_command.command("ignored")
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@click.option("--hidden", is_flag=True, help="As with `asl folder add --hidden`.")
@pass_settings
def ignored_command(settings: Settings, folder: str, hidden: bool) -> None:
    """What of DIR is not carried, and why."""
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} is no folder", remedy="name one")
    with Folder(folder, str(home_of(settings)), make=False) as disk:
        found = left_out(disk, Rules(ignore_file(disk), hidden=hidden))
    if settings.json:
        say_json({"ignored": found})
        return
    for path, why in found.items():
        say(f"{path}: {why}")


def _change(settings: Settings, method: str, folder: str, words: str) -> None:
    with open_daemon(settings) as daemon:
        daemon.client.call(method, folder=os.path.abspath(folder))
    _done(settings, f"{folder} {words}")


def _done(settings: Settings, words: str) -> None:
    if settings.json:
        say_json({})
    else:
        say(words)
