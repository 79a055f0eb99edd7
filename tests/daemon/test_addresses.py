"""Whom to dial and when: pure functions of time and chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.daemon.addresses import (
    BACKOFF_S_MAX,
    BACKOFF_S_MIN,
    DIAL_ALL_MAX,
    KNOWN_MAX,
    LIVED_S,
    OUTGOING,
    OWN_S,
    REMEMBERED_MAX,
    SHUT_OUT_S,
    STAGGER_S,
    Address,
    AddressBook,
    Remembered,
    Source,
    backoff_s,
    pack,
    parse_address,
    unpack,
)

A: Address = ("10.0.0.1", 4000)
B: Address = ("10.0.0.2", 4000)
KEY = b"k" * 32


def book(chance: float = 0.0) -> AddressBook:
    return AddressBook(lambda: chance)


def fail(book: AddressBook, address: Address, now: float) -> None:
    book.started(address, now)
    book.ended(address, now)


# --- back-off ---------------------------------------------------------------------------------------


def test_the_pause_doubles_from_the_least_to_the_most() -> None:
    pauses = [backoff_s(failures, 0.0) for failures in range(1, 12)]
    assert pauses[:9] == [BACKOFF_S_MIN * 2**n for n in range(9)]
    assert pauses[9:] == [BACKOFF_S_MAX] * 2


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_jitter_adds_at_most_half_and_never_shortens(failures: int, chance: float) -> None:
    plain = backoff_s(failures, 0.0)
    assert plain <= backoff_s(failures, chance) <= 1.5 * plain


def test_an_address_is_due_at_once_and_after_each_failure_later() -> None:
    one = book()
    one.learn(A, Source.PEER, 100.0)
    now = 100.0
    for failures in range(1, 5):
        assert one.choose(now, (), 0) == [A]
        fail(one, A, now)
        assert one.choose(now, (), 0) == []
        due = one.next_due(now, ())
        assert due is not None and due == pytest.approx(now + backoff_s(failures, 0.0))
        now = due
    assert one.choose(now, (), 0) == [A]


def test_a_link_that_lived_starts_the_count_anew_and_one_that_did_not_does_not() -> None:
    one = book()
    one.learn(A, Source.PEER, 0.0)
    for _ in range(5):
        fail(one, A, 0.0)
    one.started(A, 0.0)
    one.ended(A, 100.0, lived_s=LIVED_S / 2)
    assert one.next_due(100.0, ()) == pytest.approx(100.0 + backoff_s(6, 0.0))
    one.started(A, 0.0)
    one.ended(A, 200.0, lived_s=LIVED_S)
    assert one.next_due(200.0, ()) == pytest.approx(200.0 + BACKOFF_S_MIN)


def test_a_duplicate_is_no_failure_and_its_address_rests_while_the_machine_is_linked() -> None:
    one = book()
    one.learn(A, Source.PEER, 0.0)
    for _ in range(8):
        fail(one, A, 0.0)
    one.started(A, 0.0)
    one.linked(A, KEY, 5)
    one.ended(A, 50.0, duplicate=True)
    assert one.choose(1e6, {KEY}, 0) == []
    assert one.next_due(50.0, {KEY}) is None
    assert one.choose(51.0, (), 0) == [A], "once that link is gone, at once"


def test_a_fresh_announcement_makes_an_address_due_now_and_the_same_again_does_not() -> None:
    one = book()
    one.learn(A, Source.MDNS, 0.0, instance="a/1")
    for _ in range(9):
        fail(one, A, 0.0)
    one.learn(A, Source.MDNS, 10.0, instance="a/1")
    assert one.choose(10.0, (), 0) == []
    one.learn(A, Source.MDNS, 10.0, instance="a/2")
    assert one.choose(10.0, (), 0) == [A]
    fail(one, A, 10.0)
    assert one.next_due(10.0, ()) == pytest.approx(10.0 + BACKOFF_S_MIN)


def test_blame_keeps_an_address_back_longer_than_a_failure_would() -> None:
    one = book()
    one.learn(A, Source.STATIC, 0.0)
    one.started(A, 0.0)
    one.ended(A, 0.0, lived_s=3600.0, blamed_until=60.0)
    assert one.next_due(0.0, ()) == 60.0


def test_what_is_being_dialled_is_not_dialled_again() -> None:
    one = book()
    one.learn(A, Source.PEER, 0.0)
    one.started(A, 0.0)
    assert one.choose(100.0, (), 0) == []
    assert one.next_due(0.0, ()) is None


def test_the_addresses_of_one_machine_are_tried_one_after_the_other() -> None:
    one = book()
    for address in (A, B):
        one.learn(address, Source.MDNS, 0.0, instance="a/1")
    (first,) = one.choose(0.0, (), 0)
    one.started(first, 0.0)
    assert one.choose(0.0, (), 0) == []
    assert one.next_due(0.0, ()) == STAGGER_S
    (second,) = one.choose(STAGGER_S, (), 0)
    assert {first, second} == {A, B}
    one.ended(first, 0.1)
    assert one.choose(0.1, (), 0) == [second], "at once when the first has failed"
    one.started(second, 0.1)
    one.linked(second, KEY, 7)
    assert one.choose(1e6, {KEY}, 1) == [], "and not at all once the machine is linked"
    assert one.next_due(1.0, {KEY}) is None


def test_our_own_address_is_forgotten_quietly_and_may_be_anothers_later() -> None:
    one = book()
    one.learn(A, Source.MDNS, 0.0, instance="a/1")
    one.started(A, 0.0)
    one.is_ours(A, 0.0)
    one.ended(A, 0.0)
    one.learn(A, Source.PEER, 1.0)
    assert len(one) == 0
    one.learn(A, Source.PEER, OWN_S + 1)
    assert one.choose(OWN_S + 1, (), 0) == [A]


# --- how many ---------------------------------------------------------------------------------------


def places(count: int) -> list[Address]:
    return [(f"10.1.{number // 250}.{number % 250 + 1}", 4000) for number in range(count)]


def test_few_are_all_dialled() -> None:
    one = book()
    for address in places(DIAL_ALL_MAX):
        one.learn(address, Source.PEER, 0.0)
    assert sorted(one.choose(0.0, (), 0)) == sorted(places(DIAL_ALL_MAX))


def test_of_many_as_many_as_keep_our_own_links_and_refilled_when_one_goes() -> None:
    one = book()
    for address in places(100):
        one.learn(address, Source.PEER, 0.0)
    chosen = one.choose(0.0, (), 0)
    assert len(chosen) == OUTGOING
    for address in chosen:
        one.started(address, 0.0)
    assert one.choose(0.0, (), OUTGOING) == []
    one.ended(chosen[0], 0.0)
    assert len(one.choose(0.0, (), OUTGOING - 1)) == 1


def test_what_is_known_is_bounded_and_what_a_peer_says_never_pushes_out_what_is_worth_more() -> None:
    one = book()
    one.learn(A, Source.STATIC, 0.0)
    one.remember(Remembered(B, 7), 0.0)
    for address in places(3 * KNOWN_MAX):
        one.learn(address, Source.PEER, 0.0)
    assert len(one) == KNOWN_MAX
    assert one.worked() == [Remembered(B, 7)]
    for address in places(3 * KNOWN_MAX):
        one.started(address, 0.0)
    one.learn(("10.9.9.9", 1), Source.STATIC, 0.0)
    assert len(one) == KNOWN_MAX, "what is in use stays"


def test_a_lost_announcement_takes_with_it_what_never_worked() -> None:
    one = book()
    one.learn(A, Source.MDNS, 0.0, instance="a/1")
    one.learn(B, Source.MDNS, 0.0, instance="b/1")
    one.started(B, 0.0)
    one.linked(B, KEY, 9)
    one.ended(B, 1.0)
    one.lose("a/1")
    one.lose("b/1")
    assert one.choose(100.0, (), 0) == [B]


# --- text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:4000", ("10.0.0.1", 4000)),
        ("[fe80::1%3]:1", ("fe80::1%3", 1)),
        ("host.example:65535", ("host.example", 65535)),
        ("fe80::1:4000", None),
        ("10.0.0.1", None),
        ("10.0.0.1:0", None),
        ("10.0.0.1:65536", None),
        ("10.0.0.1:4²", None),
        (":4000", None),
        ("ho st:4000", None),
        ("h" * 256 + ":1", None),
    ],
)
def test_addresses_of_peers_are_read_strictly(text: str, address: Address | None) -> None:
    assert parse_address(text) == address


def test_remembered_addresses_survive_the_file_and_are_bounded() -> None:
    worked = [(address, 1000 + number) for number, address in enumerate(places(REMEMBERED_MAX + 9))]
    one = book()
    for address, at_ms in worked:
        one.remember(Remembered(address, at_ms), 0.0)
    kept = one.worked()
    assert len(kept) == REMEMBERED_MAX
    assert kept[0] == Remembered(*worked[-1]), "the newest first"
    assert unpack(pack(kept)) == kept
    assert unpack(pack([Remembered(("fe80::1%3", 9), 1)])) == [Remembered(("fe80::1%3", 9), 1)]
    assert unpack(pack([Remembered(A, 1, KEY)])) == [Remembered(A, 1, KEY)]
    assert unpack(b"10.0.0.1 4000 1\n10.0.0.2 4000 1 xy\n") == [Remembered(A, 1)], (
        "an older version's, and none"
    )


def authority(number: int) -> bytes:
    return bytes([number]) * 32


def test_of_many_those_of_authorities_are_all_dialled() -> None:
    """S2: they count silence only while they are linked with each other."""
    one = book(0.5)
    firsts = places(12)
    for number, address in enumerate(firsts):
        one.remember(Remembered(address, 1, authority(number)), 0.0)
    for number in range(100):
        one.learn((f"10.7.0.{number}", 1), Source.STATIC, 0.0)
    one.authorities = frozenset(map(authority, range(12)))
    assert set(one.choose(0.0, (), 0)) == set(firsts)
    for address in firsts:
        one.started(address, 0.0)
    assert one.choose(0.0, (), OUTGOING) == [], "no others above them"
    one.authorities = frozenset()
    assert one.choose(0.0, (), 0) == []


def test_where_an_authority_answered_is_pushed_out_by_nothing_and_remembered_first() -> None:
    one = book()
    one.remember(Remembered(A, 1, authority(1)), 0.0)
    one.authorities = frozenset({authority(1)})
    for address in places(2 * KNOWN_MAX):
        one.remember(Remembered(address, 1_000), 0.0)
    assert len(one) == KNOWN_MAX
    assert one.worked()[0] == Remembered(A, 1, authority(1))


def test_one_authority_with_many_addresses_keeps_one_place() -> None:
    """Each was proved in a handshake, so a hostile one can have as many as it likes."""
    one = book()
    for number, address in enumerate(places(KNOWN_MAX)):
        one.remember(Remembered(address, number + 1, authority(1)), 0.0)
    one.authorities = frozenset({authority(1)})
    newest = places(KNOWN_MAX)[-1]
    for number in range(KNOWN_MAX):
        one.learn((f"10.8.0.{number}", 1), Source.STATIC, 0.0)
    kept = {place.address for place in one.places()}
    assert newest in kept and len(kept & set(places(KNOWN_MAX))) == 1


def test_where_our_key_was_expelled_is_tried_rarely() -> None:
    one = book()
    one.learn(A, Source.MDNS, 0.0, instance="a/1")
    one.started(A, 0.0)
    one.ended(A, 10.0, shut_out=True)
    one.learn(A, Source.MDNS, 20.0, instance="a/2")
    assert one.choose(10.0 + SHUT_OUT_S - 1, (), 0) == [], "a fresh announcement changes nothing"
    assert one.choose(10.0 + SHUT_OUT_S, (), 0) == [A]
    one.started(A, 5_000.0)
    one.ended(A, 5_000.0, lived_s=LIVED_S)
    one.learn(A, Source.MDNS, 5_000.0, instance="a/3")
    assert one.choose(5_000.0, (), 0) == [A], "it was let in again"


@given(st.binary(max_size=400))
def test_a_damaged_file_of_addresses_gives_hints_or_nothing(data: bytes) -> None:
    for (host, port), at_ms, key in unpack(data):
        assert host and 1 <= port <= 65535 and at_ms >= 0 and len(key) in (0, 32)


@pytest.mark.parametrize("many", [False, True])
def test_whoever_joins_dials_where_the_invite_says_first(many: bool) -> None:
    """Announcements of strangers that know the network secret do not come before it, however many."""
    one = book()
    for number in range(DIAL_ALL_MAX + 1 if many else 20):
        one.learn((f"10.1.0.{number}", 4000), Source.MDNS, 0.0)
    one.learn(A, Source.INVITE, 0.0)
    assert one.choose(0.0, (), 0, joining=True)[0] == A
    assert one.choose(0.0, (), 0)[0] != A, "a member's invite is old"
