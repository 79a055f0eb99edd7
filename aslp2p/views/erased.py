"""What was erased, by whom and why (section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Erase, Proposal
from aslp2p.errors import UserError
from aslp2p.ledger.facts import contents_held, held_at, held_changes
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.views.actions import parse_id
from aslp2p.views.content import NotHere
from aslp2p.views.view import View

T = TypeVar("T")


class Erased(UserError):
    """Content whose bytes people wanted gone."""

    code = "content-erased"


def erasure(view: View, content: bytes) -> dict[str, Any] | None:
    """The `height`, `by`, `reason` and `proposal` of the erasure of a content at the head, whatever reading
    is pinned to; None if it is not erased, or was put again since."""
    view = view.newest()
    held = held_at(view.reader, view.branch, view.height, content)
    if held is None or not held.erased:
        return None
    height = view.height
    for at, before in held_changes(view.reader, view.branch, view.height, content):
        if (before or held).erased != held.erased:
            break
        height = at
    raw = view.reader.artifact(held.erased)
    if raw is None:  # it has not come yet, or is damaged and fetched again
        return {"height": height, "by": None, "reason": "", "proposal": held.erased.hex()}
    signed = decode_as(Proposal, raw)
    action = signed.statement.action
    return {
        "height": height,
        "by": view.party(signed.key),
        "reason": action.reason if isinstance(action, Erase) else "",
        "proposal": held.erased.hex(),
    }


def told_if_erased(view: View, content: bytes, read: Callable[[], T]) -> T:
    """What `read` gives of the content; `Erased` instead of `NotHere` where that is why."""
    try:
        return read()
    except NotHere:
        if (erased := erasure(view, content)) is not None:
            raise Erased(erased_words(erased), remedy="it is nowhere in this Common any more") from None
        raise


def erasable_alone(view: View, content: bytes) -> bool:
    """Whether every put of a content is this machine's: then it erases it without anybody's endorsement."""
    held = held_at(view.reader, view.branch, view.height, content)
    return held is not None and held.by == view.own_key


def erasures(view: View, after: str = "") -> dict[str, Any]:
    """Everything that is erased at the head, of the next `VIEW_PAGE_MAX` contents above `after`: `content`,
    `path` where it was put last, and what `erasure` says. `next` is the `after` of the next page, or null."""
    first = parse_id(after) if after else b""
    rows = contents_held(view.reader, view.branch, view.height, first, VIEW_PAGE_MAX)
    erased = [(id_, one.path, erasure(view, id_)) for id_, one, _ in rows if one.erased]
    return {
        "erasures": [
            {"content": id_.hex(), "path": path, **said} for id_, path, said in erased if said is not None
        ],
        "next": rows[-1][0].hex() if len(rows) == VIEW_PAGE_MAX else None,
    }


def erased_words(erased: dict[str, Any]) -> str:
    """What is said instead of the bytes."""
    by = "somebody" if erased["by"] is None else erased["by"]["shown"]
    return f"it was erased at @{erased['height']} by {by}: {erased['reason']}"
