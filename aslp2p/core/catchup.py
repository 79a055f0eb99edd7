"""Catching up with a longer or better line (G4).

One catch-up at a time. The line is the best head that any peer has told; its spans are asked of every peer
that
serves it (`gossip/spans.py`) and taken in order. A long run is shown after one signature a reign; `audit.py`
then
verifies all others in the background.

A head is a claim, which anybody who is let in can make. So a claim holds up the rest of the node
(`holds_up`) only while nothing speaks against it: the first one of a key, for as long as an answer may take,
and as long as what comes is new and verifies. Keys whose claims came to nothing are tried after all others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from aslp2p.artifacts.envelope import Signed, decode_as
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.core.chain import Chain
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.errors import ArtifactError
from aslp2p.gossip.messages import GetRange, Range, RangeItem
from aslp2p.gossip.peer import Peer
from aslp2p.gossip.spans import Span, Spans
from aslp2p.limits import (
    DEFER_RUN_MIN,
    INLINE_CONTENT_BYTES_MAX,
    LOCATORS_MAX,
    RANGE_SNAPSHOTS_MAX,
    REQUEST_TIMEOUT_MS,
)


class Catchup:
    """The one catch-up under way."""

    def __init__(self, context: Context, chain: Chain, contents: Contents) -> None:
        self._context = context
        self._chain = chain
        self._contents = contents
        self._spans: Spans | None = None
        self._locating: tuple[int, int, bytes, int, int] | None = None
        """(request, link, tip, height, when): where the line parts from ours is not known yet."""
        self._useless_links: set[int] = set()
        self._fruitless: dict[bytes, int] = {}
        """By key: how often its claims were followed since they last led to something."""
        self._hold_until_ms = 0
        self._request = 0
        self.relays: deque[tuple[int, int, int]] = deque(maxlen=1024)
        """(first height, last height, link) of deferred runs, so that a bad signature finds its relay."""

    @property
    def running(self) -> bool:
        return self._spans is not None or self._locating is not None

    @property
    def holds_up(self) -> bool:
        """Whether to wait for the catch-up under way before signing anything, or comparing what is open."""
        return self.running and self._context.now.mono < self._hold_until_ms

    @property
    def target_height(self) -> int | None:
        """The height that the catch-up under way leads to."""
        if self._spans is not None:
            return self._spans.height
        return self._locating[3] if self._locating is not None else None

    @property
    def wake_at_ms(self) -> int | None:
        return self._context.now.mono + REQUEST_TIMEOUT_MS // 4 if self.running else None

    # --- asking -----------------------------------------------------------------------------------

    def consider(self) -> None:
        """Start a catch-up if some peer has told a head that may be better than ours and is not here."""
        if self.running or not self._context.founded:
            return
        best: Peer | None = None
        for peer in self._context.peers.values():
            # Who has told nothing is at -1; a claim at 0 is genesis, or who has not even that.
            if peer.link in self._useless_links or peer.height < 1 or not self._may_be_better(peer):
                continue
            if best is None or self._rank(peer) > self._rank(best):
                best = peer
        if best is None:
            return
        tries = self._fruitless.get(best.key, 0)
        self._fruitless[best.key] = tries + 1
        if not tries:
            self._hold()
        self._request += 1
        self._locating = (self._request, best.link, best.head, best.height, self._context.now.mono)
        request = GetRange(self._request, best.head, self._locators(), 0, RANGE_SNAPSHOTS_MAX)
        self._context.send(best.link, request)

    def _rank(self, peer: Peer) -> tuple[int, int, int]:
        return -self._fruitless.get(peer.key, 0), peer.epoch, peer.height

    def _hold(self) -> None:
        self._hold_until_ms = self._context.now.mono + REQUEST_TIMEOUT_MS

    def _came_true(self, link: int) -> None:
        """What that peer claims has led to something."""
        if (peer := self._context.peers.get(link)) is not None:
            self._fruitless.pop(peer.key, None)
        self._hold()

    def _may_be_better(self, peer: Peer) -> bool:
        head = self._context.ledger.head
        return peer.head != head.id and self._context.store.snapshot(peer.head) is None

    def _locators(self) -> tuple[bytes, ...]:
        """Ids of our line, dense near the head and ever sparser below; genesis is the last."""
        ledger = self._context.ledger
        head = ledger.head
        found: list[bytes] = []
        height, step = head.height, 1
        while height > 0 and len(found) < LOCATORS_MAX - 1:
            id_ = ledger.id_at(head.branch, height)
            if id_ is not None:
                found.append(id_)
            if len(found) >= 4:
                step *= 2
            height -= step
        return (*found, self._context.common_id)

    def poll(self) -> None:
        """Ask for further spans, of every peer that may serve them."""
        spans = self._spans
        if spans is None:
            return
        for peer in self._context.peers.values():
            if peer.link in self._useless_links or peer.height < spans.next_height:
                continue
            while (span := spans.next_span(peer.link)) is not None:
                self._ask(spans, span, peer.link)
        if not spans.outstanding and not spans.done:
            self._stop()

    def _ask(self, spans: Spans, span: Span, link: int) -> None:
        self._request += 1
        spans.note_asked(self._request, span, link, self._context.now.mono)
        self._context.send(link, GetRange(self._request, spans.tip, (), span.first, span.count))

    def _stop(self) -> None:
        self._spans = None
        self._locating = None

    # --- answers ----------------------------------------------------------------------------------

    def take(self, peer: Peer, answer: Range) -> bool:
        """Use an answer; whether it was asked for."""
        if self._locating is not None and (answer.request, peer.link) == self._locating[:2]:
            self._located(peer, answer)
            return True
        if self._spans is None or not self._spans.take(peer.link, answer):
            return False
        if not answer.items:
            self._useless_links.add(peer.link)
        self._advance()
        return True

    def _located(self, peer: Peer, answer: Range) -> None:
        assert self._locating is not None  # noqa: S101 - the caller has just compared it
        _, _, tip, height, _ = self._locating
        self._locating = None
        if not answer.items or answer.first < 1 or answer.first > height:
            self._useless_links.add(peer.link)
            self.consider()
            return
        spans = Spans(tip, answer.first - 1, height)
        span = spans.next_span(peer.link)
        if span is None:
            return
        spans.note_asked(answer.request, span, peer.link, self._context.now.mono)
        self._spans = spans
        if not spans.take(peer.link, answer):
            self._stop()
            self._context.close(peer.link, "a range that was not asked for", blame=True)
            return
        self._advance()

    def _advance(self) -> None:
        while self._spans is not None and (ready := self._spans.ready()) is not None:
            link, answer = ready
            if not self._apply(link, answer, self._spans):
                self._stop()
                self._context.close(link, "a range that does not verify", blame=True)
        if self._spans is not None and self._spans.done:
            self._stop()
            self.consider()
        else:
            self.poll()

    def _apply(self, link: int, answer: Range, spans: Spans) -> bool:
        """Accept one answer; whether it was good."""
        try:
            run = [self._decode(item) for item in answer.items]
        except ArtifactError:
            return False
        for data in answer.contents:
            if len(data) <= INLINE_CONTENT_BYTES_MAX:
                self._contents.keep(data)
        accepted = {snapshot.id: (snapshot, proposals) for snapshot, proposals in run}
        ledger = self._context.ledger
        if len(run) >= DEFER_RUN_MIN or spans.height - ledger.head.height >= DEFER_RUN_MIN:
            result = ledger.accept_run(run)
            if result.accepted:
                first, last = result.accepted[0].tip.height, result.accepted[-1].tip.height
                self.relays.append((first, last, link))
                self._chain.settle(result.accepted, result.change, accepted)
                self._came_true(link)
            return result.error is None
        for snapshot, _ in run:
            # What waits for its proposals is not here yet, and the range brings them.
            if self._context.store.snapshot(snapshot.id) is None:
                if not self._chain.take_in(snapshot, accepted):
                    return False
                self._came_true(link)
        return True

    @staticmethod
    def _decode(item: RangeItem) -> tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]:
        return decode_as(Snapshot, item.snapshot), [decode_as(Proposal, raw) for raw in item.proposals]

    def forget_link(self, link: int) -> None:
        self._useless_links.discard(link)
        if self._locating is not None and self._locating[1] == link:
            self._locating = None
        if self._spans is not None:
            self._spans.forget_link(link)

    def expire(self) -> None:
        """Ask others for what did not come in time, and let silent links be asked again later."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        if self._locating is not None and self._locating[4] < before:
            self._useless_links.add(self._locating[1])
            self._locating = None
        if self._spans is not None:
            self._useless_links.update(self._spans.expire(before))
            self.poll()
        if not self.running:
            self._useless_links.clear()
            self.consider()
