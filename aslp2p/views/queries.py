"""The questions that can be asked of a store, by the name that the control socket gives them.

Each takes a `View` and parameters that are JSON values, and gives a JSON value that fits a control line. The
daemon and a command on a stopped home answer from this one table.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any

from aslp2p.artifacts.content import has_manifest
from aslp2p.errors import Damaged, UsageError, UserError
from aslp2p.limits import CHUNK_BYTES, VIEW_PAGE_MAX
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.branches import evidence, giving_up, superseded
from aslp2p.views.bundle import BUNDLE_QUERIES
from aslp2p.views.content import missing, read_chunk
from aslp2p.views.erased import erasures, told_if_erased
from aslp2p.views.explain import explain
from aslp2p.views.floor import floor, moving
from aslp2p.views.invites import invites, welcome
from aslp2p.views.keeping import erasure_status, keeping
from aslp2p.views.log import log, show
from aslp2p.views.pending import find, proposals, settled, waiting
from aslp2p.views.people import members, policy
from aslp2p.views.proof_maker import prove
from aslp2p.views.summary import summary
from aslp2p.views.tree import diff, entry, ls
from aslp2p.views.usage import held, waiting_contents
from aslp2p.views.verify import verify
from aslp2p.views.view import View

Question = Callable[..., dict[str, Any]]


def _as_read(question: Question, version: str, *, below: int = 0) -> Question:
    """`question` as people read: its parameter `version`, left out, means what reading is pinned to. It names
    the newest version that is read, or with `below` one that much above it."""

    @wraps(question)
    def ask(view: View, **params: Any) -> dict[str, Any]:
        named = params.get(version)
        return question(view.reading(None if named is None else named - below), **params)

    return ask


def content_read(view: View, id: str, size: Uint, index: Uint = 0) -> dict[str, Any]:
    """Chunk `index` of the content `id` of `size` bytes, in base64."""
    content = parse_id(id)
    data = told_if_erased(view, content, lambda: read_chunk(view.reader, content, size, index))
    return {"data": base64.b64encode(data).decode("ascii"), "index": index}


def content_missing(view: View, id: str, size: Uint) -> dict[str, Any]:
    """How many artifacts of the content `id` of `size` bytes are not here."""
    return {"missing": missing(view.reader, parse_id(id), size)}


def contents_read(view: View, contents: list[tuple[str, Uint]]) -> dict[str, Any]:
    """The small `contents`, id and size of each, in base64 and in their order, as many as an answer holds;
    null for one that is not here. What is wrong with one, `content_read` says.
    """
    answer: list[str | None] = []
    read = 0
    for id_, size in listed(contents):
        read += size
        if answer and read > CHUNK_BYTES:
            break
        try:
            data = read_chunk(view.reader, id_, size, 0) if size <= CHUNK_BYTES else None
        except (UserError, Damaged):
            data = None
        answer.append(None if data is None else base64.b64encode(data).decode("ascii"))
    return {"contents": answer}


def contents_missing(view: View, contents: list[tuple[str, Uint]]) -> dict[str, Any]:
    """As `content_missing`, of each of `contents`, id and size, in their order."""
    some = listed(contents)
    lacking = set(view.reader.lacking_content(id_ for id_, _ in some))
    missing_of = [
        missing(view.reader, id_, size) if has_manifest(size) else int(id_ in lacking) for id_, size in some
    ]
    return {"missing": missing_of}


def listed(contents: list[tuple[str, Uint]]) -> list[tuple[bytes, int]]:
    """`contents` as they are asked for, at most `VIEW_PAGE_MAX`. Raises `UsageError`."""
    if len(contents) > VIEW_PAGE_MAX:
        raise UsageError(f"more than {VIEW_PAGE_MAX} contents")
    return [(parse_id(id_), size) for id_, size in contents]


QUERIES: dict[str, Question] = {
    "summary": summary,
    "ls": _as_read(ls, "at"),
    "entry": _as_read(entry, "at"),
    "diff": _as_read(diff, "second"),
    "log": _as_read(log, "before", below=1),
    "show": _as_read(show, "at"),
    "find": find,
    "superseded": superseded,
    "evidence": evidence,
    "giving-up": giving_up,
    "floor": floor,
    "floor.moving": moving,
    "members": members,
    "policy": policy,
    "invites": invites,
    "welcome": welcome,
    "proposals": proposals,
    "settled": settled,
    "waiting": waiting,
    "verify": verify,
    "explain": explain,
    "prove": prove,
    "content.read": content_read,
    "content.held": held,
    "content.waiting": waiting_contents,
    "content.missing": content_missing,
    "contents.read": contents_read,
    "contents.missing": contents_missing,
    "keeping": keeping,
    "erasure": erasure_status,
    "erasures": erasures,
    **BUNDLE_QUERIES,
}
