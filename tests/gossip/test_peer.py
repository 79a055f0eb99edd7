"""What is kept of a link is bounded; only who sends what no honest peer sends runs out of allowance (G5)."""

from __future__ import annotations

from aslp2p.gossip.peer import ALLOWANCE_MAX, Peer
from aslp2p.limits import KNOWN_IDS_MAX, USELESS_PER_SECOND, USELESS_TOKENS_MAX


def peer(learned: int = 0) -> Peer:
    return Peer(1, bytes(32), "ann", "here", True, 0, learned)


def test_only_the_newest_ids_are_remembered() -> None:
    one = peer()
    for number in range(KNOWN_IDS_MAX + 5):
        one.note_known(number.to_bytes(32, "big"))
    assert not one.knows((4).to_bytes(32, "big"))
    assert one.knows((5).to_bytes(32, "big")) and one.knows((KNOWN_IDS_MAX + 4).to_bytes(32, "big"))


def test_a_flood_empties_the_budget_and_time_fills_it() -> None:
    one = peer()
    assert not one.useless(USELESS_TOKENS_MAX, 0, 0)
    assert one.useless(1, 0, 0)
    other = peer()
    assert not other.useless(USELESS_TOKENS_MAX, 0, 0)
    assert not other.useless(USELESS_PER_SECOND, 1_000, 0)
    assert other.useless(1, 1_000, 0)


def test_a_duplicate_of_each_thing_learned_costs_nothing() -> None:
    """A peer cannot know what came to us a moment ago, so it may send each thing once."""
    one = peer(learned=10**6)
    for learned in range(1, 10 * USELESS_TOKENS_MAX, 100):
        assert not one.useless(100, 0, 10**6 + learned + 99)
    assert not one.useless(USELESS_TOKENS_MAX, 0, 10**6 + 10 * USELESS_TOKENS_MAX)
    assert one.useless(200, 0, 10**6 + 10 * USELESS_TOKENS_MAX)


def test_what_was_learned_before_the_link_is_no_allowance() -> None:
    one = peer(learned=10**6)
    assert one.useless(USELESS_TOKENS_MAX + 1, 0, 10**6)


def test_what_was_asked_of_it_may_come_too_late() -> None:
    one = peer()
    one.expect(5)
    assert not one.useless(USELESS_TOKENS_MAX + 5, 0, 0)
    assert one.useless(1, 0, 0)


def test_allowance_is_bounded() -> None:
    one = peer()
    one.expect(10 * ALLOWANCE_MAX)
    assert one.useless(ALLOWANCE_MAX + USELESS_TOKENS_MAX + 1, 0, 0)


def test_a_snapshot_tells_only_of_a_higher_head() -> None:
    one = peer()
    one.tell_head(b"a", 5, 1)
    one.tell_head(b"b", 5, 9)
    one.tell_head(b"c", 4, 9)
    assert (one.head, one.height, one.epoch) == (b"a", 5, 1)
