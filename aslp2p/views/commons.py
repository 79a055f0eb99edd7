"""The Commons of a home: which one a command means, and what each is like at its head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aslp2p.artifacts.keys import short
from aslp2p.artifacts.text import terminal_safe
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.history import META_HEAD
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.reader import Reader
from aslp2p.views.summary import summary
from aslp2p.views.view import View

_DIGITS = frozenset("0123456789abcdef")


class Followed(NamedTuple):
    """A Common that a home follows."""

    id: bytes
    name: str


def choose_common(followed: Sequence[Followed], wanted: str, default: bytes | None) -> Followed:
    """The Common that `wanted` names: a name, 4 or more digits of an id, or nothing (the default).

    Raises `UsageError` when it is none or several, and `UserError` when the home follows none.
    """
    if not followed:
        raise UserError("this home follows no Common", remedy="type `asl init NAME` or `asl join INVITE`")
    if not wanted:
        for one in followed:
            if one.id == default:
                return one
        if len(followed) == 1:
            return followed[0]
        raise UsageError(
            f"this home follows {len(followed)} Commons and none is the default ({_listed(followed)})",
            remedy="say which with --common, or choose with `asl common use NAME`",
        )
    matching = [one for one in followed if one.name == wanted]
    if not matching and len(wanted) >= 4 and not set(wanted) - _DIGITS:
        matching = [one for one in followed if one.id.hex().startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    what = f"{len(matching)} Commons here are called" if matching else "no Common here is called"
    raise UsageError(f"{what} '{terminal_safe(wanted)}'", remedy=f"use the id of one of {_listed(followed)}")


def common_status(
    reader: Reader, *, own_key: bytes | None, name_chosen: bool, default: bytes | None
) -> dict[str, Any]:
    """What the store knows about its Common; `height` is null where nothing of the history has come yet."""
    belonging = read_belonging(reader)
    if belonging is None:
        raise UserError("a store that belongs to no Common", remedy="remove its folder")
    status: dict[str, Any] = {
        "id": belonging.common_id.hex(),
        "name": belonging.name,
        "default": belonging.common_id == default,
        "height": None,
        "fault": None,
    }
    if reader.meta(META_HEAD) is not None:
        status.update(summary(View(reader, own_key=own_key, name_chosen=name_chosen)))
    return status


def unreadable(id_: str, name: str, error: Exception, *, default: bytes | None) -> dict[str, Any]:
    """What stands for the status of a Common whose store cannot be read; `id_` is hexadecimal, maybe its
    beginning only."""
    return {
        "id": id_,
        "name": name,
        "default": default is not None and default.hex().startswith(id_),
        "height": None,
        "fault": {"message": getattr(error, "message", str(error)), "remedy": getattr(error, "remedy", "")},
    }


def _listed(followed: Sequence[Followed]) -> str:
    return ", ".join(f"{one.name} {short(one.id)}" for one in followed)
