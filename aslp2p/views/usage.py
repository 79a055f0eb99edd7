"""What the contents of a Common take up: those of the head, of older versions, and what is not here."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.types import Put
from aslp2p.ledger.erasure import HELD_KEY, read_held
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.views.actions import parse_id
from aslp2p.views.pending import open_artifacts
from aslp2p.views.view import View


def held(view: View, after: str = "") -> dict[str, Any]:
    """The contents that the history names, by id from the first above `after`: `size`, how many `paths` of
    the head hold each, whether it is `here` (of a large one, its manifest) and `erased`. `next` is the
    `after` of the next page, or null.
    """
    below = HELD_KEY + parse_id(after) if after else b""
    rows = view.reader.facts(view.branch, HELD_KEY, view.height, after=below, limit=VIEW_PAGE_MAX + 1)
    found = [(key[len(HELD_KEY) :], read_held(value)) for key, value, _ in rows[:VIEW_PAGE_MAX]]
    lacking = set(view.reader.lacking_content([id_ for id_, _ in found]))
    return {
        "contents": [
            {
                "content": id_.hex(),
                "size": one.size,
                "paths": one.paths,
                "here": id_ not in lacking,
                "erased": bool(one.erased),
            }
            for id_, one in found
            if one is not None
        ],
        "next": found[-1][0].hex() if len(rows) > VIEW_PAGE_MAX else None,
    }


def waiting_contents(view: View) -> dict[str, Any]:
    """The contents that pending puts name: `content` and `size` of each."""
    puts = {
        one.statement.action.content: one.statement.action.size
        for one in open_artifacts(view).proposals.values()
        if isinstance(one.statement.action, Put)
    }
    return {"contents": [{"content": id_.hex(), "size": size} for id_, size in sorted(puts.items())]}
