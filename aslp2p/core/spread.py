"""Spreading what is new (G3).

New small artifacts are pushed at once to at most `FANOUT_MAX` peers; all others learn the ids and ask.
Whoever relays leaves out the peers that the one it came from is linked to, for they get it from there: in a
house where everybody is linked to everybody an artifact crosses each link at most once. What a lost link or
message leaves out is found by comparing heads and digests, which every node does on connect, after changes
and on a timer. Beacons are relayed to them all the same: a link may be dead for a while before anybody knows,
and what does not come in time is silence (S2).
"""

from __future__ import annotations

from collections.abc import Iterable

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Beacon, Statement
from aslp2p.core.context import Context
from aslp2p.gossip.messages import Have, Neighbours, Push
from aslp2p.gossip.peer import Peer
from aslp2p.limits import FANOUT_MAX, IDS_PER_MESSAGE_MAX, NEIGHBOURS_MAX, PUSH_BYTES_MAX


def pushes(items: Iterable[tuple[bytes, bytes | None]]) -> list[Push]:
    """Messages that carry all of these artifacts, each beside the small content that goes with it; none above
    the bounds."""
    messages: list[Push] = []
    batch: list[bytes] = []
    inline: dict[bytes, None] = {}
    size = 0
    for raw, content in items:
        more = len(raw) + (len(content) if content is not None and content not in inline else 0)
        if batch and (size + more > PUSH_BYTES_MAX or len(batch) >= IDS_PER_MESSAGE_MAX):
            messages.append(Push(tuple(batch), tuple(inline)))
            batch, inline, size = [], {}, 0
        batch.append(raw)
        if content is not None:
            inline[content] = None
        size += more
    if batch:
        messages.append(Push(tuple(batch), tuple(inline)))
    return messages


class Spreader:
    """Collects what is new in a step and sends it at the step's end, one push a peer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._fresh: list[tuple[Verified[Statement], bytes | None, int | None]] = []

    def add(
        self, artifact: Verified[Statement], *, content: bytes | None = None, source: int | None = None
    ) -> None:
        """`artifact` is new here, with a small content that goes with it; it came over the link `source`, or
        from us."""
        self._context.learned += 1
        self._fresh.append((artifact, content, source))

    def flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return
        peers = self._context.told()
        queues: dict[int, tuple[list[tuple[bytes, bytes | None]], list[bytes]]] = {}
        turn = self._context.draw(len(peers)) if len(peers) > FANOUT_MAX else 0
        witness = self._witness()
        for artifact, content, source in fresh:
            targets = self._targets(peers, artifact, source)
            if len(targets) > FANOUT_MAX:
                start = turn % len(targets)
                targets = targets[start:] + targets[:start]
            targets.sort(key=lambda peer: peer.key != witness)
            for position, peer in enumerate(targets):
                items, ids = queues.setdefault(peer.link, ([], []))
                if position < FANOUT_MAX:
                    peer.note_known(artifact.id)
                    items.append((artifact.raw, content))
                else:
                    ids.append(artifact.id)
        for link, (items, ids) in queues.items():
            for message in pushes(items):
                self._context.send(link, message)
            for first in range(0, len(ids), IDS_PER_MESSAGE_MAX):
                self._context.send(link, Have(tuple(ids[first : first + IDS_PER_MESSAGE_MAX])))

    def _witness(self) -> bytes:
        """Who everything new is told first: nothing happens before it knows."""
        context = self._context
        return context.ledger.head.standing.next_witness if context.founded else b""

    def _targets(
        self, peers: Iterable[Peer], artifact: Verified[Statement], source: int | None
    ) -> list[Peer]:
        origin = self._context.peers.get(source) if source is not None else None
        covered = origin.neighbours | {origin.key[:8]} if origin is not None else frozenset[bytes]()
        if isinstance(artifact.statement, Beacon):
            covered = frozenset()
        return [
            peer
            for peer in peers
            if peer.link != source and peer.key[:8] not in covered and not peer.knows(artifact.id)
        ]

    def tell_neighbours(self) -> None:
        """Tell every peer whom this node is linked to."""
        peers = self._context.told()
        keys = tuple(sorted({peer.key[:8] for peer in peers}))[:NEIGHBOURS_MAX]
        for peer in peers:
            self._context.send(peer.link, Neighbours(keys))
