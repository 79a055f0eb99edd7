"""Catching up with a longer or better line (G4).

How it works. One catch-up at a time. The line is the best head that any peer has told: it is *located* (where
does it part from ours?), then its spans are asked of every peer that serves it (`gossip/spans.py`) and taken
in order. Once a long run of it was received, what follows is shown after one signature a reign; `audit.py`
then verifies all others in the background. How high a peer says that its line is defers nothing.

What a peer tells of its head is its word and nothing else, and anybody who is let in can give it. So:

1. A key whose word was not made good (silence, nothing of the line that it told) is *doubted*: for a second,
   then twice as long each time, up to `DOUBT_MS_MAX`, its head starts no catch-up and it is asked for
   nothing. So nothing is ever asked again in a tight loop.
2. Keys whose words came to nothing so far are tried after all others.
3. A catch-up holds up the rest of the node (`holds_up`) as long as what comes is new and verifies. A mere
   word of a member does so for as long as one answer may take, and a round at most, all words together, until
   something comes of one; a guest's never.
4. A peer that does not know a line that another told is not asked for that line again, and not doubted.
5. Bytes that do not verify are blamed on the relay that sent them. What is merely incomplete never is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, decode_as
from aslp2p.artifacts.types import Proposal, Put, Snapshot
from aslp2p.core.chain import Chain, is_fault, is_newer
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.errors import ArtifactError, AslError
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
from aslp2p.recovery import grace_ms, round_ms

DOUBT_MS_MIN = 1_000
DOUBT_MS_MAX = 60_000
KEYS_MAX = 1024
"""Of which it is remembered how their words were made good."""
RELAYS_MAX = 1024

T = TypeVar("T")


class _Locating(Struct, frozen=True):
    """Where the line to `tip` parts from ours was asked of `link`."""

    request: int
    link: int
    tip: bytes
    height: int
    asked_ms: int


class _Doubt(Struct, frozen=True):
    until_ms: int
    pause_ms: int


class Relay(Struct, frozen=True):
    """Over which link a deferred run of a branch came, so that a bad signature finds its relay."""

    branch: int
    first: int
    last: int
    link: int


class Catchup(Part):
    """The one catch-up under way."""

    def __init__(self, context: Context, chain: Chain, contents: Contents) -> None:
        self._context = context
        self._chain = chain
        self._contents = contents
        self._locating: _Locating | None = None
        self._spans: Spans | None = None
        self._source = -1
        """Whose head the spans lead to."""
        self._declined: set[int] = set()
        """Links that do not know the line under way."""
        self._doubts: dict[bytes, _Doubt] = {}
        """By key, so that a new link is no new word."""
        self._fruitless: dict[bytes, int] = {}
        """By key: how often its word was followed since it last led to something."""
        self._hold_until_ms = 0
        self._held_from_ms: int | None = None
        """Since when a mere word has held this node up; None: none does."""
        self._claims_held_ms = 0
        """How long words have done that since something last came of one."""
        self._request = 0
        self.relays: deque[Relay] = deque(maxlen=RELAYS_MAX)

    @property
    def running(self) -> bool:
        return self._spans is not None or self._locating is not None

    @property
    def holds_up(self) -> bool:
        """Whether to wait for the catch-up under way before signing anything, or comparing what is open."""
        return self.running and self._context.now.mono < self._hold_until_ms

    @property
    def target_height(self) -> int | None:
        """The height that the catch-up under way is said to lead to."""
        if self._spans is not None:
            return self._spans.height
        return self._locating.height if self._locating is not None else None

    @property
    def wake_at_ms(self) -> int | None:
        """When an answer is overdue, what waits may go on, or a doubted peer may be asked again."""
        if self._locating is not None:
            overdue = self._locating.asked_ms + REQUEST_TIMEOUT_MS + 1
            return min(overdue, self._hold_until_ms) if self.holds_up else overdue
        if self._spans is not None:
            oldest = self._spans.oldest_ms
            return self._context.now.mono if oldest is None else oldest + REQUEST_TIMEOUT_MS + 1
        if not self._doubts or not self._context.founded:
            return None
        again = [
            self._doubts[peer.key].until_ms
            for peer in self._context.peers.values()
            if peer.key in self._doubts and self._may_be_better(peer)
        ]
        return min(again, default=None)

    # --- asking -----------------------------------------------------------------------------------

    def consider(self) -> None:
        """Start a catch-up if some peer has told a head that may be better than ours and is not here."""
        if self.running or not self._context.founded:
            return
        self._hold_ends()
        best: Peer | None = None
        for peer in self._context.peers.values():
            if self._doubted(peer) or not self._may_be_better(peer):
                continue
            if best is None or self._rank(peer) > self._rank(best):
                best = peer
        if best is None:
            return
        if not self._context.is_guest(best.key):
            self._held_from_ms = self._context.now.mono
            self._hold_until_ms = self._held_from_ms + self._claims_left_ms()
        self._remember(self._fruitless, best.key, self._fruitless.get(best.key, 0) + 1)
        self._request += 1
        self._locating = _Locating(self._request, best.link, best.head, best.height, self._context.now.mono)
        request = GetRange(self._request, best.head, self._locators(), 0, RANGE_SNAPSHOTS_MAX)
        best.expect(RANGE_SNAPSHOTS_MAX + 1)
        self._context.send(best.link, request)

    def _may_be_better(self, peer: Peer) -> bool:
        """Whether its head is unknown here. Genesis (height 0) everybody has who has anything."""
        return peer.height > 0 and self._chain.wants(peer.head)

    def _rank(self, peer: Peer) -> tuple[int, int, int]:
        return -self._fruitless.get(peer.key, 0), peer.epoch, peer.height

    def _doubted(self, peer: Peer) -> bool:
        doubt = self._doubts.get(peer.key)
        return doubt is not None and self._context.now.mono < doubt.until_ms

    def _doubt(self, link: int) -> None:
        peer = self._context.peers.get(link)
        if peer is not None and not self._doubted(peer):
            before = self._doubts.get(peer.key)
            pause = DOUBT_MS_MIN if before is None else min(DOUBT_MS_MAX, 2 * before.pause_ms)
            self._remember(self._doubts, peer.key, _Doubt(self._context.now.mono + pause, pause))

    def _came_true(self, link: int) -> None:
        """What that peer tells has led to something: it holds up the others again while it goes on."""
        peer = self._context.peers.get(link)
        if peer is None or not self._context.is_guest(peer.key):
            self._held_from_ms, self._claims_held_ms = None, 0
            self._hold_until_ms = self._context.now.mono + REQUEST_TIMEOUT_MS
        if peer is not None:
            self._fruitless.pop(peer.key, None)

    def _trust(self, link: int) -> None:
        """It made its word good: half the doubt, so that lies between truths are still found out."""
        peer = self._context.peers.get(link)
        doubt = self._doubts.pop(peer.key, None) if peer is not None else None
        if peer is not None and doubt is not None and doubt.pause_ms >= 2 * DOUBT_MS_MIN:
            self._doubts[peer.key] = _Doubt(self._context.now.mono, doubt.pause_ms // 2)

    @staticmethod
    def _remember(table: dict[bytes, T], key: bytes, value: T) -> None:
        table.pop(key, None)
        table[key] = value
        if len(table) > KEYS_MAX:
            del table[next(iter(table))]

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
        """Ask for further spans, of every peer that may serve them; give up where nobody does."""
        spans = self._spans
        if spans is None:
            return
        for peer in self._context.peers.values():
            link = peer.link
            if link in self._declined or self._doubted(peer) or peer.height < spans.next_height:
                continue
            while (span := spans.next_span(link)) is not None:
                self._ask(spans, span, peer)
        if not spans.outstanding and not spans.done:
            self._give_up()

    def _ask(self, spans: Spans, span: Span, peer: Peer) -> None:
        self._request += 1
        spans.note_asked(self._request, span, peer.link, self._context.now.mono)
        peer.expect(span.count + 1)
        self._context.send(peer.link, GetRange(self._request, spans.tip, (), span.first, span.count))

    def _claims_left_ms(self) -> int:
        """How long words that nothing has come of may still hold up this node: all together as long as one
        answer may take, and a round at most."""
        a_round = round_ms(grace_ms(self._context.ledger.head.standing.policies))
        return max(0, min(a_round, REQUEST_TIMEOUT_MS) - self._claims_held_ms)

    def _hold_ends(self) -> None:
        """Nothing runs: a word that held this node up until now has used so much of the round."""
        if self._held_from_ms is not None:
            self._claims_held_ms += min(self._context.now.mono, self._hold_until_ms) - self._held_from_ms
            self._held_from_ms = None
        self._hold_until_ms = 0

    def _stop(self) -> None:
        self._spans = None
        self._locating = None
        self._declined.clear()

    def _give_up(self) -> None:
        """Nobody has the line, whoever told of it; look for another."""
        source = self._source
        self._stop()
        self._doubt(source)
        self.consider()

    # --- answers ----------------------------------------------------------------------------------

    def take(self, peer: Peer, answer: Range) -> bool:
        """Use an answer; whether it was asked for."""
        locating = self._locating
        if locating is not None and (answer.request, peer.link) == (locating.request, locating.link):
            self._located(peer, answer, locating)
            return True
        now = self._context.now.mono
        if self._spans is None or not self._spans.take(peer.link, answer, now):
            return False
        if not answer.items:
            self._declined.add(peer.link)
        self._advance()
        return True

    def _located(self, peer: Peer, answer: Range, locating: _Locating) -> None:
        self._locating = None
        if not answer.items or not 1 <= answer.first <= locating.height:
            self._doubt(peer.link)
            self.consider()
            return
        spans = Spans(locating.tip, answer.first - 1, locating.height)
        span = spans.next_span(peer.link)
        if span is None:
            return
        spans.note_asked(answer.request, span, peer.link, self._context.now.mono)
        if not spans.take(peer.link, answer, self._context.now.mono):
            self._context.close(peer.link, "a range that was not asked for", blame=True)
            self.consider()
            return
        self._spans, self._source = spans, peer.link
        self._advance()

    def _advance(self) -> None:
        while self._spans is not None and (ready := self._spans.ready()) is not None:
            link, answer = ready
            error = self._apply(link, answer, self._spans)
            if error is None:
                continue
            self._stop()
            if is_fault(error) or is_newer(error):
                self._context.fault(link, f"a range that does not verify: {error.message}", error)
            else:
                self._doubt(link)
            self.consider()
            return
        if self._spans is not None and self._spans.done:
            self._trust(self._source)
            self._stop()
            self.consider()
        else:
            self.poll()

    def _apply(self, link: int, answer: Range, spans: Spans) -> AslError | None:
        """Accept one answer; what was wrong with it."""
        try:
            run = [self._decode(item) for item in answer.items]
        except ArtifactError as error:
            return error
        self._keep_contents(answer.contents, [one for _, proposals in run for one in proposals])
        ledger = self._context.ledger
        if spans.received >= DEFER_RUN_MIN:
            result = ledger.accept_run(run)
            if result.accepted:
                self._note_relay(
                    Relay(
                        result.accepted[-1].tip.branch,
                        result.accepted[0].tip.height,
                        result.accepted[-1].tip.height,
                        link,
                    )
                )
                self._chain.settle(result.accepted, result.change)
                self._came_true(link)
            return result.error
        for snapshot, proposals in run:
            # What waits for its proposals is not here yet, and the range brings them.
            new = self._context.store.snapshot(snapshot.id) is None
            if (problem := self._chain.take_in(snapshot, proposals)) is not None:
                return problem
            if new:
                self._came_true(link)
        return None

    def _keep_contents(self, contents: Sequence[bytes], proposals: Sequence[Signed[Proposal]]) -> None:
        """Small contents come along; only what the proposals name is kept."""
        if not contents:
            return
        actions = (proposal.statement.action for proposal in proposals)
        named = {action.content for action in actions if isinstance(action, Put)}
        for data in contents:
            if len(data) <= INLINE_CONTENT_BYTES_MAX and content_id(data) in named:
                self._contents.keep(data)

    def _note_relay(self, new: Relay) -> None:
        last = self.relays[-1] if self.relays else None
        if last is not None and (last.branch, last.link, last.last + 1) == (new.branch, new.link, new.first):
            self.relays[-1] = Relay(new.branch, last.first, new.last, new.link)
        else:
            self.relays.append(new)

    def relays_of(self, branch: int, height: int) -> list[int]:
        """The links over which the snapshot at `height` of `branch` came in a deferred run."""
        return [
            relay.link
            for relay in self.relays
            if relay.branch == branch and relay.first <= height <= relay.last
        ]

    def forget_relays(self, branch: int, height: int) -> None:
        """What `branch` held from `height` up was rolled back; its number may be used again."""
        kept = [relay for relay in self.relays if relay.branch != branch or relay.last < height]
        self.relays = deque(kept, maxlen=RELAYS_MAX)

    @staticmethod
    def _decode(item: RangeItem) -> tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]:
        return decode_as(Snapshot, item.snapshot), [decode_as(Proposal, raw) for raw in item.proposals]

    def link_lost(self, link: int) -> None:
        """The link has ended: what was asked of it is asked of others."""
        self._declined.discard(link)
        if self._locating is not None and self._locating.link == link:
            self._locating = None
        if self._spans is not None:
            self._spans.forget_link(link)
            self.poll()
        self.consider()

    def tick(self) -> None:
        """Doubt whoever does not answer, and ask others."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        if self._locating is not None and self._locating.asked_ms < before:
            self._doubt(self._locating.link)
            self._locating = None
        if self._spans is not None:
            for link in dict.fromkeys(self._spans.expire(before)):
                self._doubt(link)
            self.poll()
        self.consider()
