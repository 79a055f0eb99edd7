"""Spans (G4): whatever the answers, in whatever order, every height is handed out once, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from aslp2p.gossip.messages import Range, RangeItem
from aslp2p.gossip.spans import Span, Spans
from aslp2p.limits import RANGE_SNAPSHOTS_MAX, RANGES_BUFFERED_MAX, RANGES_PER_PEER_MAX

TIP = bytes(32)


def answer(request: int, first: int, count: int) -> Range:
    """As many snapshots, each a stand-in that names its height."""
    items = [RangeItem(b"%d" % height, ()) for height in range(first, first + count)]
    return Range(request, first, tuple(items), ())


def heights(taken: Range) -> list[int]:
    return [int(item.snapshot) for item in taken.items]


class Asker:
    """Asks and takes like a catch-up does."""

    def __init__(self, base: int, height: int) -> None:
        self.spans = Spans(TIP, base, height)
        self.asked: dict[int, tuple[Span, int]] = {}
        self.handed_out: list[int] = []
        self.requests = 0

    def ask(self, link: int) -> bool:
        span = self.spans.next_span(link)
        if span is None:
            return False
        self.requests += 1
        self.spans.note_asked(self.requests, span, link, self.requests)
        self.asked[self.requests] = (span, link)
        return True

    def take(self, link: int, got: Range) -> bool:
        taken = self.spans.take(link, got, self.requests)
        while (ready := self.spans.ready()) is not None:
            self.handed_out += heights(ready[1])
        return taken


def test_spans_are_of_bounded_size_and_number() -> None:
    asker = Asker(0, 10**6)
    assert [asker.ask(1) for _ in range(RANGES_PER_PEER_MAX + 1)] == [True] * RANGES_PER_PEER_MAX + [False]
    links = range(2, 20)
    count = sum(asker.ask(link) for link in links for _ in range(RANGES_PER_PEER_MAX))
    assert count + RANGES_PER_PEER_MAX == RANGES_BUFFERED_MAX
    assert all(span.count <= RANGE_SNAPSHOTS_MAX for span, _ in asker.asked.values())


def test_answers_wait_for_their_turn() -> None:
    asker = Asker(0, 2 * RANGE_SNAPSHOTS_MAX)
    asker.ask(1)
    asker.ask(2)
    assert asker.take(2, answer(2, RANGE_SNAPSHOTS_MAX + 1, RANGE_SNAPSHOTS_MAX))
    assert asker.handed_out == []
    assert asker.take(1, answer(1, 1, RANGE_SNAPSHOTS_MAX))
    assert asker.handed_out == list(range(1, 2 * RANGE_SNAPSHOTS_MAX + 1))
    assert asker.spans.done


def test_what_was_not_asked_is_not_taken() -> None:
    asker = Asker(10, 20)
    asker.ask(1)
    assert not asker.take(2, answer(1, 11, 10)), "of another link"
    assert not asker.take(1, answer(2, 11, 10)), "another number"
    assert not asker.take(1, answer(1, 12, 9)), "from another height"
    assert not asker.take(1, answer(1, 11, 11)), "more than asked"
    assert asker.take(1, answer(1, 11, 10))
    assert not asker.take(1, answer(1, 11, 10)), "again"
    assert asker.handed_out == list(range(11, 21))


def test_a_link_that_ends_or_stays_silent_gives_its_spans_back() -> None:
    asker = Asker(0, 3 * RANGE_SNAPSHOTS_MAX)
    for link in (1, 1, 2):
        asker.ask(link)
    asker.spans.forget_link(1)
    assert asker.spans.outstanding == 1
    assert asker.spans.expire(asker.requests) == [] and asker.spans.expire(asker.requests + 1) == [2]
    assert asker.spans.oldest_ms is None
    assert not asker.take(2, answer(3, 2 * RANGE_SNAPSHOTS_MAX + 1, 1)), "too late"
    while asker.ask(3):
        request = asker.requests
        span, _ = asker.asked[request]
        assert asker.take(3, answer(request, span.first, span.count))
    assert asker.handed_out == list(range(1, 3 * RANGE_SNAPSHOTS_MAX + 1))


def test_whoever_answers_slowly_is_not_silent() -> None:
    spans = Spans(TIP, 0, 3 * RANGE_SNAPSHOTS_MAX)
    for request in (1, 2):
        span = spans.next_span(7)
        assert span is not None
        spans.note_asked(request, span, 7, 0)
    assert spans.take(7, answer(1, 1, 1), 90)
    assert spans.oldest_ms == 90
    assert spans.expire(90) == []


@given(st.integers(0, 50), st.integers(1, 2000), st.data())
def test_every_height_is_handed_out_once_and_in_order(base: int, count: int, data: DataObject) -> None:
    asker = Asker(base, base + count)
    links = [1, 2, 3]
    for _ in range(400):
        if asker.spans.done:
            break
        for link in links:
            while asker.ask(link):
                pass
        request = data.draw(st.sampled_from(sorted(asker.asked)))
        span, link = asker.asked.pop(request)
        what = data.draw(
            st.sampled_from(("whole", "whole", "short", "empty", "gone", "late", "other", "twice"))
        )
        if what == "gone":
            asker.spans.forget_link(link)
            asker.asked = {number: one for number, one in asker.asked.items() if one[1] != link}
        elif what == "late":
            assert link in asker.spans.expire(asker.requests + 1)
            asker.asked = {}
            assert asker.spans.outstanding == 0
        elif what == "other":
            assert not asker.take(9, answer(request, span.first, span.count))
            asker.asked[request] = (span, link)
        else:
            got = {"empty": 0, "short": data.draw(st.integers(0, span.count))}.get(what, span.count)
            assert asker.take(link, answer(request, span.first, got))
            assert not asker.take(link, answer(request, span.first, got))
    else:
        while not asker.spans.done:  # from here on everybody answers
            assert asker.asked or any(asker.ask(link) for link in links)
            for request, (span, link) in sorted(asker.asked.items()):
                asker.take(link, answer(request, span.first, span.count))
            asker.asked = {}
    assert asker.handed_out == list(range(base + 1, base + count + 1))
    assert asker.spans.next_height == base + count + 1
