"""A Common of one's own that nobody has used: founded by README's line where somebody meant to join."""

from __future__ import annotations

import sys
from typing import Any

import click

from aslp2p.artifacts.invite import Invite
from aslp2p.cli.output import note
from aslp2p.control.client import Client
from aslp2p.home import Home
from aslp2p.views.conditions.notes import is_own_and_empty


def somebody_is_here() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def leave_empty(home: Home, daemon: Client | None, invited: Invite, *, yes: bool) -> None:
    """Having joined `invited`, offer to forget the one other Common of this home if it is its own and empty;
    what stays the default is said."""
    others = [one for one in _commons(home, daemon) if one["id"] != invited.common_id.hex()]
    if len(others) == 1 and is_own_and_empty(others[0]) and (yes or _wanted(others[0])):
        id_ = bytes.fromhex(others[0]["id"])
        if daemon is not None:
            daemon.call("common.forget", common=others[0]["id"])
        else:
            from aslp2p.cli.commons import remove_common

            remove_common(home, id_)
        home.set_default_common(invited.common_id)
        note(f"This machine's own {others[0]['name']} was empty, and is forgotten.")
    elif others and home.default_common() != invited.common_id:
        default = next((one["name"] for one in others if one["default"]), others[0]["name"])
        note(f"Commands still mean {default}; to change that: asl common use {invited.common_id.hex()[:12]}")


def _wanted(common: dict[str, Any]) -> bool:
    if not somebody_is_here():
        return False
    question = (
        f"This machine's own Common {common['name']} is empty. Forget it, so that commands mean the other?"
    )
    return click.confirm(question, default=True, err=True)


def _commons(home: Home, daemon: Client | None) -> list[dict[str, Any]]:
    if daemon is not None:
        return list(daemon.call("status")["commons"])
    from aslp2p.cli.stopped import Stopped

    with Stopped(home, "") as stopped:
        return list(stopped.status()["commons"])
