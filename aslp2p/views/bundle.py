"""What a bundle is made of (section 10): ids to choose from, and the bytes behind them.

Ids come in slices, so that neither side holds more of a long history than 32 bytes a thing; whoever makes the
bundle sorts them and asks for the bytes. The history may grow meanwhile: any set of artifacts is a bundle.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from aslp2p.artifacts.envelope import decode_artifact, decode_as
from aslp2p.artifacts.keys import parse_id_prefix
from aslp2p.artifacts.types import Cosignature, Endorsement, Proposal, Put, Rejection, Snapshot
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.facts import cosignatures_on, held_at, snapshot_listing
from aslp2p.ledger.floor import Floor, read_floor
from aslp2p.ledger.reader import Reader
from aslp2p.limits import ARTIFACT_BYTES_MAX, CHUNK_BYTES, CONTROL_LINE_BYTES_MAX, VIEW_PAGE_MAX
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.pending import open_artifacts, open_certified
from aslp2p.views.view import View

SLICE_SNAPSHOTS = 64
SLICE_IDS = 2048
"""A slice ends with the snapshot that brings it above this: at most 3,072 proposals, and as many contents."""
READ_BYTES = CHUNK_BYTES
"""Raw bytes in one answer, or a single thing."""
_COSIGNATURES_MAX = 2000
LACKING_COUNTED_MAX = 10_000

assert (READ_BYTES + ARTIFACT_BYTES_MAX) * 4 // 3 + 64 * VIEW_PAGE_MAX < CONTROL_LINE_BYTES_MAX  # noqa: S101


def bundle_lines(view: View) -> dict[str, Any]:
    """Every line of snapshots that is kept here, superseded ones too: `branch`, `first` and `last` height.
    `floor` is this node's.
    """
    lines = [
        {"branch": row.branch, "first": max(0, row.fork_height + 1), "last": row.tip_height}
        for row in view.reader.branches()
        if row.tip_height > row.fork_height
    ]
    genesis = view.row(0).id
    floor = read_floor(view.reader) or Floor(0, genesis)
    return {
        "common": genesis.hex(),
        "height": view.height,
        "floor": {"height": floor.height, "id": floor.id.hex()},
        "lines": lines,
    }


def bundle_history(
    view: View, first: Uint, last: Uint | None = None, branch: Uint | None = None
) -> dict[str, Any]:
    """The ids of the snapshots from height `first` up (to `last`, or all) on `branch` (null: the head's
    line), of what they list, and of the contents that is about: [id, size] each. `next` is where to go on,
    or null.
    """
    line = view.branch if branch is None else branch
    tips = {row.branch: row.tip_height for row in view.reader.branches()}
    if line not in tips:
        raise UsageError(f"there is no branch {line}")
    top = view.height if branch is None else tips[line]
    top = top if last is None else min(last, top)
    count = max(0, min(SLICE_SNAPSHOTS, top - first + 1))
    snapshots: list[str] = []
    proposals: list[str] = []
    contents: dict[str, int] = {}
    height = first - 1
    for row in view.reader.snapshots(line, first, count) if count else ():
        snapshots.append(row.id.hex())
        height = row.height
        if row.height:
            ids = decode_as(Snapshot, row.raw).statement.proposals
            proposals += [id_.hex() for id_ in ids]
            contents.update(_contents(view.reader, ids))
        if len(proposals) > SLICE_IDS:
            break
    return {
        "snapshots": snapshots,
        "proposals": proposals,
        "contents": [[id_, size] for id_, size in contents.items()],
        "next": height + 1 if first <= height < top else None,
    }


def bundle_open(view: View) -> dict[str, Any]:
    """What is open: ids by kind, endorsements with the proposal that they are for, contents of puts; and the
    newest cosignature of every authority on every branch, whole, in base64.
    """
    found: dict[str, list[Any]] = {"proposals": [], "endorsements": [], "other": []}
    contents: dict[str, int] = {}
    for id_, raw in view.reader.open_artifacts():
        statement = decode_artifact(raw).statement
        if isinstance(statement, Proposal):
            found["proposals"].append(id_.hex())
            if isinstance(statement.action, Put):
                contents[statement.action.content.hex()] = statement.action.size
        elif isinstance(statement, Endorsement):
            found["endorsements"].append([id_.hex(), statement.proposal.hex()])
        elif isinstance(statement, Rejection):
            found["other"] += [id_.hex(), statement.proposal.hex()]
    return {
        **found,
        "contents": [[id_, size] for id_, size in contents.items()],
        "cosignatures": [base64.b64encode(raw).decode("ascii") for raw in _cosignatures(view)],
    }


def bundle_find(view: View, id: str) -> dict[str, Any]:
    """The proposal whose id begins with the digits `id`, by its whole id. Raises `UserError`."""
    first, last = parse_id_prefix(id)
    candidates = {
        id_: raw
        for id_, raw in view.reader.open_artifacts()
        if first <= id_ <= last and isinstance(decode_artifact(raw).statement, Proposal)
    }
    if first == last and not candidates:
        raw = view.reader.artifact(first)
        if raw is not None and isinstance(decode_artifact(raw).statement, Proposal):
            candidates[first] = raw
    if not candidates:
        raise UserError(f"no open proposal has an id that begins with {id}", remedy="see `asl proposals`")
    if len(candidates) > 1:
        raise UsageError(f"{len(candidates)} ids begin with {id}", remedy="write more digits")
    return {"proposal": next(iter(candidates)).hex()}


def bundle_read(view: View, ids: list[str]) -> dict[str, Any]:
    """The artifacts `ids` (at most `VIEW_PAGE_MAX`), snapshots too, in their order, as many as an answer
    holds: `artifacts` in base64, null for one that is not here; ask again for the rest.
    """
    if len(ids) > VIEW_PAGE_MAX:
        raise UsageError(f"more than {VIEW_PAGE_MAX} ids")
    wanted = [parse_id(id_) for id_ in ids]
    stored = view.reader.artifacts(wanted)
    answer: list[str | None] = []
    size = 0
    for id_ in wanted:
        raw = stored.get(id_)
        if raw is None:
            row = view.reader.snapshot(id_)
            raw = None if row is None else row.raw
        size += len(raw or b"")
        if answer and size > READ_BYTES:
            break
        answer.append(None if raw is None else base64.b64encode(raw).decode("ascii"))
    return {"artifacts": answer}


def bundle_content(view: View, id: str) -> dict[str, Any]:
    """One content or manifest by its own id, in base64; null when it is not here, and whether that is
    since it was `erased`."""
    content = parse_id(id)
    data = view.reader.content(content)
    held = held_at(view.reader, view.branch, view.height, content) if data is None else None
    return {
        "data": None if data is None else base64.b64encode(data).decode("ascii"),
        "erased": held is not None and bool(held.erased),
    }


def bundle_summary(view: View, ids: list[str]) -> dict[str, Any]:
    """Where this Common stands, and what has become of the successions and policy changes `ids` (at most
    `VIEW_PAGE_MAX`): `papers`, each with `state` (`open`, with all that `proposals` says of it; `witnessed`
    with a `height`; `overtaken`; `missing`, when only others' endorsements of it are here).
    """
    if len(ids) > VIEW_PAGE_MAX:
        raise UsageError(f"more than {VIEW_PAGE_MAX} ids")
    standing = view.standing(view.height)
    still_open = {one["id"]: one for one in open_certified(view, open_artifacts(view))}
    papers = []
    for id_ in ids:
        row = snapshot_listing(view.reader, view.branch, view.height, parse_id(id_))
        if id_ in still_open:
            papers.append({**still_open[id_], "state": "open"})
        elif row is not None:
            papers.append({"id": id_, "state": "witnessed", "height": row.height})
        else:
            known = view.reader.artifact(parse_id(id_)) is not None
            papers.append({"id": id_, "state": "overtaken" if known else "missing"})
    return {
        "name": view.genesis().name,
        "height": view.height,
        "head": view.head.id.hex(),
        "witness": view.party(standing.next_witness),
        "lacking": len(view.reader.wanted(LACKING_COUNTED_MAX)),
        "papers": papers,
    }


def _contents(reader: Reader, ids: tuple[bytes, ...]) -> dict[str, int]:
    contents = {}
    for raw in reader.artifacts(ids).values():
        action = decode_as(Proposal, raw).statement.action
        if isinstance(action, Put):
            contents[action.content.hex()] = action.size
    return contents


def _cosignatures(view: View) -> list[bytes]:
    """The head's line first, so that what is cut off is the least."""
    lines = [(view.branch, view.height)]
    lines += [(row.branch, row.tip_height) for row in view.reader.branches() if row.branch != view.branch]
    newest: dict[bytes, bytes] = {}
    for branch, height in lines:
        for _, raw in cosignatures_on(view.reader, branch, height).values():
            newest.setdefault(decode_as(Cosignature, raw).id, raw)
    return list(newest.values())[:_COSIGNATURES_MAX]


BUNDLE_QUERIES: dict[str, Callable[..., dict[str, Any]]] = {
    "bundle.lines": bundle_lines,
    "bundle.history": bundle_history,
    "bundle.open": bundle_open,
    "bundle.find": bundle_find,
    "bundle.read": bundle_read,
    "bundle.content": bundle_content,
    "bundle.summary": bundle_summary,
}
