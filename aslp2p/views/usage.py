"""What the contents of a Common take up: those of the head, of older versions, and what is not here."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.types import Put
from aslp2p.ledger.facts import contents_held
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.views.actions import parse_id
from aslp2p.views.pending import open_artifacts
from aslp2p.views.view import View


def held(view: View, after: str = "") -> dict[str, Any]:
    """The contents that the history names, by id from the first above `after`: `size`, how many `paths` of
    the head hold each, whether it is `here` (of a large one, its manifest) and `erased`. `next` is the
    `after` of the next page, or null.
    """
    first = parse_id(after) if after else b""
    rows = contents_held(view.reader, view.branch, view.height, first, VIEW_PAGE_MAX + 1)
    found = rows[:VIEW_PAGE_MAX]
    lacking = set(view.reader.lacking_content([id_ for id_, *_ in found]))
    return {
        "contents": [
            {
                "content": id_.hex(),
                "size": one.size,
                "paths": one.paths,
                "here": id_ not in lacking,
                "erased": bool(one.erased),
            }
            for id_, one, _ in found
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
