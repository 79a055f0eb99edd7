"""Catch-up by spans (G4): which heights of a line to ask of whom, and putting the answers in order.

Pure bookkeeping: the line from `base` to `tip` is cut into spans; a few are asked at once, of any peers that
have the tip; answers may come in any order and may be shorter than asked, the rest of a span is then asked
again. Answers that cannot be used yet wait, at most `RANGES_BUFFERED_MAX` of them.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from aslp2p.gossip.messages import Range
from aslp2p.limits import RANGE_SNAPSHOTS_MAX, RANGES_BUFFERED_MAX, RANGES_PER_PEER_MAX


class Span(Struct, frozen=True):
    first: int
    count: int


class Asked(Struct, frozen=True):
    span: Span
    link: int
    asked_ms: int


class Spans:
    """The catch-up of one line from the snapshot after `base` to `tip`."""

    def __init__(self, tip: bytes, base: int, height: int) -> None:
        self.tip = tip
        self.height = height
        self._first = base + 1
        self._next = base + 1
        self._planned = base + 1
        self._again: deque[Span] = deque()
        self._asked: dict[int, Asked] = {}
        self._buffer: dict[int, tuple[int, Range]] = {}

    @property
    def next_height(self) -> int:
        """The lowest height that is not handed out yet."""
        return self._next

    @property
    def received(self) -> int:
        """How many snapshots of the line came and were handed out."""
        return self._next - self._first

    @property
    def done(self) -> bool:
        return self._next > self.height

    def next_span(self, link: int) -> Span | None:
        """What to ask of `link` now, or None if it has enough to do or nothing is left to ask."""
        if sum(asked.link == link for asked in self._asked.values()) >= RANGES_PER_PEER_MAX:
            return None
        if self._again:
            return self._again.popleft()
        if len(self._asked) + len(self._buffer) >= RANGES_BUFFERED_MAX or self._planned > self.height:
            return None
        span = Span(self._planned, min(RANGE_SNAPSHOTS_MAX, self.height - self._planned + 1))
        self._planned += span.count
        return span

    def note_asked(self, request: int, span: Span, link: int, now_ms: int) -> None:
        self._asked[request] = Asked(span, link, now_ms)

    def take(self, link: int, answer: Range, now_ms: int) -> bool:
        """Keep an answer; whether it was asked of that link. An empty one puts its span back.

        Whoever has answered has its whole time again for what else it was asked: slow is not silent.
        """
        asked = self._asked.get(answer.request)
        if asked is None or asked.link != link or answer.first != asked.span.first:
            return False
        if len(answer.items) > asked.span.count:
            return False
        del self._asked[answer.request]
        for request, other in self._asked.items():
            if other.link == link:
                self._asked[request] = Asked(other.span, link, now_ms)
        got = len(answer.items)
        if got < asked.span.count:
            self._again.append(Span(asked.span.first + got, asked.span.count - got))
        if got:
            self._buffer[asked.span.first] = (link, answer)
        return True

    def ready(self) -> tuple[int, Range] | None:
        """The next answer in order, with the link that it came from."""
        found = self._buffer.pop(self._next, None)
        if found is not None:
            self._next += len(found[1].items)
        return found

    def forget_link(self, link: int) -> None:
        """Whatever was asked of `link` has to be asked again."""
        for request in [request for request, asked in self._asked.items() if asked.link == link]:
            self._again.append(self._asked.pop(request).span)

    def expire(self, before_ms: int) -> list[int]:
        """Put back what was asked before `before_ms`; the links that did not answer."""
        late = [request for request, asked in self._asked.items() if asked.asked_ms < before_ms]
        links = []
        for request in late:
            asked = self._asked.pop(request)
            self._again.append(asked.span)
            links.append(asked.link)
        return links

    @property
    def outstanding(self) -> int:
        """How many answers are due."""
        return len(self._asked)

    @property
    def oldest_ms(self) -> int | None:
        """Since when the oldest of them is waited for."""
        return min((asked.asked_ms for asked in self._asked.values()), default=None)
