"""Answering what peers ask for: artifacts by id, and ranges of history.

An honest node gives nothing that it has not checked, so that nobody is ever blamed for a signature that
somebody else made up: ranges end where the audit stands (G4), and a single artifact that is not marked as
audited is verified before it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aslp2p.artifacts.envelope import decode_artifact, decode_as
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.spread import pushes
from aslp2p.gossip.messages import GetRange, Range, RangeItem
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.history import read_snapshot
from aslp2p.ledger.reader import ArtifactRow
from aslp2p.limits import IDS_PER_MESSAGE_MAX, INLINE_CONTENT_BYTES_MAX, MIB, RANGE_BYTES_MAX

ANSWER_BYTES_MAX = 2 * MIB
"""In answer to one `Want`; for the rest the peer asks again."""
_ITEM_BYTES = 12
"""Headers of a range's item and of what is in it, at most, for each thing in it."""
_PROPOSAL_START = b"\x94\xb5asl.common.proposal/1"
"""How a canonical proposal begins: array of four, string of 21 bytes."""


def serve_artifacts(context: Context, pending: Pending, peer: Peer, ids: Sequence[bytes]) -> int:
    """Send those of `ids` that are here, small contents with their proposals, at most `ANSWER_BYTES_MAX`.

    Returns how many bytes that were."""
    items: list[tuple[bytes, bytes | None]] = []
    stored = context.store.artifact_rows(ids)
    size = 0
    for id_ in ids:
        raw = _proven(context, pending, stored, id_)
        if raw is None:
            continue
        content = _small_content(context, raw) if raw.startswith(_PROPOSAL_START) else None
        size += len(raw) + len(content or b"")
        if items and size > ANSWER_BYTES_MAX:
            break
        items.append((raw, content))
        peer.note_known(id_)
    for message in pushes(items):
        context.send(peer.link, message)
    return size


def _proven(
    context: Context, pending: Pending, stored: Mapping[bytes, ArtifactRow], id_: bytes
) -> bytes | None:
    """The bytes of an artifact that is here and whose signature was verified, now if it was not yet."""
    if (held := pending.open.get(id_)) is not None:
        return held.raw
    if id_ == context.common_id and context.founded:
        return context.ledger.genesis.raw
    if pending.beacon is not None and pending.beacon.id == id_:
        return pending.beacon.raw
    if (artifact := stored.get(id_)) is not None:
        raw, audited = artifact.raw, artifact.audited
    elif (row := context.store.snapshot(id_)) is not None:
        raw, audited = row.raw, context.ledger.audited_on(row.branch) >= row.height
    else:
        return None
    return None if not audited and context.verifier.failing([decode_artifact(raw)]) else raw


def serve_range(context: Context, request: GetRange) -> Range:
    """The answer to a `GetRange`: as many snapshots as fit, audited ones only."""
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
    contents: dict[bytes, None] = {}
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
            size += len(one.raw) + sum(map(len, proposals)) + _ITEM_BYTES * (2 + len(proposals))
            if items and size > RANGE_BYTES_MAX:
                break
            items.append(RangeItem(one.raw, proposals))
            # Contents go along while there is room: the rest is asked for by id.
            for proposal in proposals:
                content = _small_content(context, proposal)
                if content is None or content in contents or len(contents) == IDS_PER_MESSAGE_MAX:
                    continue
                if size + len(content) + _ITEM_BYTES <= RANGE_BYTES_MAX:
                    contents[content] = None
                    size += len(content) + _ITEM_BYTES
    return Range(request.request, first, tuple(items), tuple(contents))


def _small_content(context: Context, raw: bytes) -> bytes | None:
    """The content that goes with the proposal `raw`, if it is a put's, small, and here."""
    action = decode_as(Proposal, raw).statement.action
    if not isinstance(action, Put) or action.size > INLINE_CONTENT_BYTES_MAX:
        return None
    data = context.store.content(action.content)
    return data if data is not None and len(data) == action.size else None
