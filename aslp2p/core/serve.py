"""Answering what peers ask for: artifacts by id, and ranges of history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.spread import pushes
from aslp2p.gossip.messages import GetRange, Range, RangeItem
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.history import read_snapshot
from aslp2p.limits import IDS_PER_MESSAGE_MAX, INLINE_CONTENT_BYTES_MAX, RANGE_BYTES_MAX


_PROPOSAL_START = b"\x94\xb5asl.common.proposal/1"
"""How a canonical proposal begins: array of four, string of 21 bytes."""


def serve_artifacts(context: Context, pending: Pending, peer: Peer, ids: Sequence[bytes]) -> None:
    """Send those of `ids` that are here, small contents with their proposals."""
    raws: list[bytes] = []
    stored = context.store.artifacts(ids)
    for id_ in ids:
        held = pending.open.get(id_)
        raw = held.raw if held is not None else stored.get(id_)
        if raw is None and id_ == context.common_id and context.founded:
            raw = context.ledger.genesis.raw
        elif raw is None and pending.beacon is not None and pending.beacon.id == id_:
            raw = pending.beacon.raw
        elif raw is None:
            row = context.store.snapshot(id_)
            raw = row.raw if row is not None else None
        if raw is not None:
            raws.append(raw)
            peer.note_known(id_)
    for message in pushes((raw, _small_content(context, raw)) for raw in raws):
        context.send(peer.link, message)


def _small_content(context: Context, raw: bytes) -> bytes | None:
    """The content that goes with a put, if it is small and here."""
    if not raw.startswith(_PROPOSAL_START):
        return None
    return next(iter(small_contents(context, (raw,))), None)


def serve_range(context: Context, request: GetRange) -> Range:
    """The answer to a `GetRange`: as many snapshots as fit, audited ones only, so that an honest relay is
    never blamed
    for a signature that it has not checked."""
    ledger = context.ledger
    row = context.store.snapshot(request.tip)
    empty = Range(request.request, request.first, (), ())
    if row is None:
        return empty
    first = request.first
    if request.locators:
        known = [context.store.snapshot(id_) for id_ in request.locators]
        heights = [
            one.height for one in known if one is not None and ledger.contains(row.branch, row.height, one.id)
        ]
        first = max(heights, default=0) + 1
    items: list[RangeItem] = []
    contents: list[bytes] = []
    size = 0
    last = min(row.height, first + request.count - 1, ledger.audited_on(row.branch))
    while first >= 1 and first + len(items) <= last and size < RANGE_BYTES_MAX:
        rows = context.store.snapshots(row.branch, first + len(items), min(64, last - first - len(items) + 1))
        if not rows:
            break
        decoded = [read_snapshot(one) for one in rows]
        raws = context.store.artifacts([id_ for one in decoded for id_ in one.statement.proposals])
        for one, snapshot in zip(rows, decoded, strict=True):
            proposals = tuple(raws[id_] for id_ in snapshot.statement.proposals if id_ in raws)
            small = list(small_contents(context, proposals))
            size += len(one.raw) + sum(map(len, proposals)) + sum(map(len, small))
            if items and size > RANGE_BYTES_MAX:
                break
            items.append(RangeItem(one.raw, proposals))
            contents += small[: IDS_PER_MESSAGE_MAX - len(contents)]
    return Range(request.request, first, tuple(items), tuple(contents))


def small_contents(context: Context, proposals: Sequence[bytes]) -> Iterable[bytes]:
    for raw in proposals:
        action = decode_as(Proposal, raw).statement.action
        if isinstance(action, Put) and action.size <= INLINE_CONTENT_BYTES_MAX:
            data = context.store.content(action.content)
            if data is not None and len(data) <= INLINE_CONTENT_BYTES_MAX:
                yield data
