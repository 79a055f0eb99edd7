"""The questions that can be asked of a store, by the name that the control socket gives them.

Each takes a `View` and parameters that are JSON values, and gives a JSON value that fits a control line. The
daemon and a command on a stopped home answer from this one table.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from aslp2p.views.actions import parse_id
from aslp2p.views.branches import evidence, giving_up, superseded
from aslp2p.views.bundle import BUNDLE_QUERIES
from aslp2p.views.content import missing, read_chunk
from aslp2p.views.log import find, log, show
from aslp2p.views.pending import proposals, settled
from aslp2p.views.people import members, policy
from aslp2p.views.proof import prove
from aslp2p.views.summary import summary
from aslp2p.views.tree import diff, entry, ls
from aslp2p.views.verify import verify
from aslp2p.views.view import View


def content_read(view: View, id: str, size: int, index: int = 0) -> dict[str, Any]:
    """Chunk `index` of the content `id` of `size` bytes, in base64."""
    data = read_chunk(view.reader, parse_id(id), size, index)
    return {"data": base64.b64encode(data).decode("ascii"), "index": index}


def content_missing(view: View, id: str, size: int) -> dict[str, Any]:
    """How many artifacts of the content `id` of `size` bytes are not here."""
    return {"missing": missing(view.reader, parse_id(id), size)}


QUERIES: dict[str, Callable[..., dict[str, Any]]] = {
    "summary": summary,
    "ls": ls,
    "entry": entry,
    "diff": diff,
    "log": log,
    "show": show,
    "find": find,
    "superseded": superseded,
    "evidence": evidence,
    "giving-up": giving_up,
    "members": members,
    "policy": policy,
    "proposals": proposals,
    "settled": settled,
    "verify": verify,
    "prove": prove,
    "content.read": content_read,
    "content.missing": content_missing,
    **BUNDLE_QUERIES,
}
