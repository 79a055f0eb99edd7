"""Telling peers where this node stands, and finding out what is open there and not here, or the other way
round (G3, docs/gossip.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from aslp2p.core.catchup import Catchup
from aslp2p.core.chain import Chain
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.core.pending import Pending
from aslp2p.core.serve import serve_artifacts
from aslp2p.core.witness import Witness
from aslp2p.errors import NewerPeer
from aslp2p.gossip.messages import Have, Heads, OpenIds, Want
from aslp2p.gossip.peer import Peer
from aslp2p.limits import (
    HEADS_AGREED_MS,
    HEADS_INTERVAL_MS,
    HEADS_SPACING_MS,
    IDS_PER_MESSAGE_MAX,
    OPEN_DIGEST_BYTES,
    PROTOCOL_VERSION,
    RECONCILE_SPACING_MS,
)

_Stand: TypeAlias = tuple[bytes, bytes, int, int]
"""Head, open digest, audited height, final height: what `Heads` says."""


class Reconciler(Part):
    """Heads, digests, and the ids of what is open."""

    def __init__(
        self, context: Context, pending: Pending, chain: Chain, catchup: Catchup, witness: Witness
    ) -> None:
        self._context = context
        self._pending = pending
        self._chain = chain
        self._catchup = catchup
        self._witness = witness
        self._due_ms: int | None = None
        self._compares: dict[int, int] = {}
        """Link to when its open digest is looked at again."""
        self._stood: _Stand | None = None
        """Where we stood when `_due_ms` was worked out; None when it has to be again."""

    # --- saying where we stand --------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        due = [*self._compares.values()] if self._due_ms is None else [self._due_ms, *self._compares.values()]
        return min(due, default=None)

    def tell_all(self) -> None:
        """Tell where we stand to those who have not been told lately. When it is due for one, it is told to
        all for whom it soon is: so a quiet node wakes once in an interval, however many links it has."""
        context = self._context
        if self._compares:
            self._compare_due()
        if not context.peers:
            self._due_ms = self._stood = None
            return
        now, stand = context.now.mono, self._stand()
        if stand != self._stood:
            self._due_ms, self._stood = self._heads_at_ms(stand), stand
        if self._due_ms is None or now < self._due_ms:
            return
        message = self._heads()
        for peer in context.peers.values():
            spacing = self._spacing(peer, stand)
            if context.is_guest(peer.key):
                peer.heads_sent_ms, peer.told_heads = now, stand
            elif now >= peer.heads_sent_ms + (spacing // 2 if peer.told_heads == stand else spacing):
                peer.heads_sent_ms, peer.told_heads = now, stand
                context.send(peer.link, message)
        self._due_ms = self._heads_at_ms(stand)

    def tell(self, peer: Peer) -> None:
        """Tell a peer where we stand, now."""
        self._stood = None
        peer.heads_sent_ms, peer.told_heads = self._context.now.mono, self._stand()
        self._context.send(peer.link, self._heads())

    def _heads(self) -> Heads:
        """Where this node stands, as far as it can prove it to others (audited)."""
        context = self._context
        digest = self._pending.open.digest()
        if not context.founded:
            return Heads(PROTOCOL_VERSION, bytes(32), 0, 0, 0, bytes(OPEN_DIGEST_BYTES))
        ledger = context.ledger
        head = ledger.head
        height = ledger.audited_height()
        id_ = head.id if height == head.height else ledger.id_at(head.branch, height) or head.id
        epoch = head.standing.epoch
        return Heads(PROTOCOL_VERSION, id_, height, epoch, ledger.final_height(), digest)

    def _stand(self) -> _Stand:
        """Changes whenever `_heads` would."""
        context = self._context
        if not context.founded:
            return (b"", b"", 0, 0)
        ledger = context.ledger
        return (ledger.head.id, self._pending.open.digest(), ledger.audited_height(), ledger.final_height())

    def _heads_at_ms(self, stand: _Stand) -> int:
        return min(peer.heads_sent_ms + self._spacing(peer, stand) for peer in self._context.peers.values())

    @staticmethod
    def _spacing(peer: Peer, stand: _Stand) -> int:
        if peer.told_heads != stand:
            return HEADS_SPACING_MS
        return HEADS_AGREED_MS if peer.stands == stand[:2] else HEADS_INTERVAL_MS

    # --- hearing where others stand ---------------------------------------------------------------

    def heard_heads(self, peer: Peer, heads: Heads) -> None:
        """Ask for a better history, and compare what is open. Raises `PeerFault`."""
        context = self._context
        if heads.protocol != PROTOCOL_VERSION:
            raise NewerPeer(f"protocol {heads.protocol}")
        if context.founded and peer.key in context.ledger.head.standing.authorities():
            self._witness.heard_authority()
        peer.head, peer.height, peer.epoch = heads.head, heads.height, heads.epoch
        peer.stands = (heads.head, heads.open_digest)
        self._stood = None
        self._catchup.consider()
        if not context.founded or self._catchup.holds_up:
            return
        due = peer.reconciled_ms + RECONCILE_SPACING_MS
        if context.now.mono < due:
            self._compares[peer.link] = due  # its next word may be a minute away
        else:
            self._compare(peer)

    def _compare_due(self) -> None:
        """Compare with those whose word came too soon after the last time."""
        context = self._context
        for link in [link for link, due in self._compares.items() if context.now.mono >= due]:
            del self._compares[link]
            peer = context.peers.get(link)
            if peer is not None and context.founded and not self._catchup.holds_up:
                self._compare(peer)

    def _compare(self, peer: Peer) -> None:
        """Ask for what the peer has open and we lack, by the digest that it told last."""
        context = self._context
        if context.is_guest(peer.key):
            return
        buckets = self._pending.open.differing(peer.stands[1])
        if buckets:
            peer.reconciled_ms = context.now.mono
            ids = self._pending.open.ids_in(buckets)
            while len(ids) > IDS_PER_MESSAGE_MAX and len(buckets) > 1:
                buckets = buckets[: len(buckets) // 2]
                ids = self._pending.open.ids_in(buckets)
            if len(ids) > IDS_PER_MESSAGE_MAX:  # another part of them each time
                start = context.draw(len(ids))
                ids = ids[start:] + ids[:start]
            peer.expect(IDS_PER_MESSAGE_MAX)
            context.send(peer.link, OpenIds(tuple(buckets), tuple(ids[:IDS_PER_MESSAGE_MAX])))

    def heard_open_ids(self, peer: Peer, message: OpenIds) -> int:
        """Ask for what only the peer has open, give what only we have; returns how useless the question was.

        What crossed this link before is not given again unasked: it is on its way, or was of no use there.
        """
        context = self._context
        now = context.now.mono
        if not context.founded or context.is_guest(peer.key):
            return 0
        if now < peer.served_open_ms + RECONCILE_SPACING_MS // 2:
            return 1 + len(message.ids) // 8
        peer.served_open_ms = now
        theirs = set(message.ids)
        missing = [id_ for id_ in message.ids if id_ not in self._pending.open]
        closed = context.proven(missing)
        closed -= self._chain.unanswered(list(closed))
        self._ask_for(peer, [id_ for id_ in missing if id_ not in closed and self._chain.wants(id_)])
        if len(message.ids) < IDS_PER_MESSAGE_MAX:
            ours = self._pending.open.ids_in(message.buckets)
            new = [id_ for id_ in ours if id_ not in theirs and not peer.knows(id_)]
            serve_artifacts(context, self._pending, peer, new[:IDS_PER_MESSAGE_MAX])
        return 0

    def heard_have(self, peer: Peer, message: Have) -> int:
        """Ask for what is not here; returns how many were of no use."""
        context = self._context
        for id_ in message.ids:
            peer.note_known(id_)
        missing = [id_ for id_ in message.ids if id_ not in self._pending.open]
        stored = context.proven(missing)
        wanted = [id_ for id_ in missing if id_ not in stored and self._chain.wants(id_)]
        if not context.founded:
            return 0
        self._ask_for(peer, wanted)
        return len(message.ids) - len(wanted)

    def _ask_for(self, peer: Peer, ids: Sequence[bytes]) -> None:
        if ids:
            peer.expect(len(ids))
            self._context.send(peer.link, Want(tuple(ids)))
