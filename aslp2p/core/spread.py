"""Spreading what is new (G3).

New small artifacts are pushed at once to at most `FANOUT_MAX` peers; all others learn the ids and ask.
Whoever relays
leaves out the peers that the one it came from is linked to, for they get it from there: in a house where
everybody is linked to everybody an artifact crosses each link at most once. What a lost link or message
leaves out
is found by comparing heads and digests, which every node does on connect, after changes and on a timer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Statement
from aslp2p.core.context import Context
from aslp2p.gossip.messages import Have, Neighbours, Push
from aslp2p.gossip.peer import Peer
from aslp2p.limits import FANOUT_MAX, IDS_PER_MESSAGE_MAX, NEIGHBOURS_MAX, PUSH_BYTES_MAX


def pushes(artifacts: Sequence[bytes], contents: Sequence[bytes]) -> list[Push]:
    """Messages that carry all of these, none above the bounds."""
    messages: list[Push] = []
    batch: list[bytes] = []
    inline: list[bytes] = []
    size = 0
    for is_content, raw in [(True, raw) for raw in contents] + [(False, raw) for raw in artifacts]:
        if size + len(raw) > PUSH_BYTES_MAX or max(len(batch), len(inline)) >= IDS_PER_MESSAGE_MAX:
            messages.append(Push(tuple(batch), tuple(inline)))
            batch, inline, size = [], [], 0
        (inline if is_content else batch).append(raw)
        size += len(raw)
    if batch or inline:
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
        self._fresh.append((artifact, content, source))

    def flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return
        peers = list(self._context.peers.values())
        queues: dict[int, tuple[list[bytes], list[bytes], list[bytes]]] = {}
        turn = self._context.draw(len(peers)) if len(peers) > FANOUT_MAX else 0
        for artifact, content, source in fresh:
            targets = self._targets(peers, artifact.id, source)
            if len(targets) > FANOUT_MAX:
                start = turn % len(targets)
                targets = targets[start:] + targets[:start]
            for position, peer in enumerate(targets):
                raws, contents, ids = queues.setdefault(peer.link, ([], [], []))
                if position < FANOUT_MAX:
                    peer.note_known(artifact.id)
                    raws.append(artifact.raw)
                    if content is not None:
                        contents.append(content)
                else:
                    ids.append(artifact.id)
        for link, (raws, contents, ids) in queues.items():
            for message in pushes(raws, contents):
                self._context.send(link, message)
            for first in range(0, len(ids), IDS_PER_MESSAGE_MAX):
                self._context.send(link, Have(tuple(ids[first : first + IDS_PER_MESSAGE_MAX])))

    def _targets(self, peers: Iterable[Peer], id_: bytes, source: int | None) -> list[Peer]:
        origin = self._context.peers.get(source) if source is not None else None
        covered = origin.neighbours if origin is not None else frozenset[bytes]()
        return [
            peer
            for peer in peers
            if peer.link != source and peer.key[:8] not in covered and not peer.knows(id_)
        ]

    def tell_neighbours(self) -> None:
        """Tell every peer whom this node is linked to."""
        peers = list(self._context.peers.values())
        keys = tuple(sorted({peer.key[:8] for peer in peers}))[:NEIGHBOURS_MAX]
        for peer in peers:
            self._context.send(peer.link, Neighbours(keys))
