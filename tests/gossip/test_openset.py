"""The open set and its digest (G3): equal sets have equal digests, and what differs is found by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from aslp2p.gossip.openset import OpenSet
from aslp2p.limits import OPEN_BUCKETS, OPEN_DIGEST_BYTES

ids = st.integers(0, 999).map(lambda number: sha256(b"%d" % number).digest())
ODD = bytes([7]) * 32


@dataclass(frozen=True)
class Thing:
    """As much of an artifact as the set looks at."""

    id: bytes


def set_of(*members: bytes) -> OpenSet:
    made = OpenSet()
    for member in members:
        made.add(cast(Any, Thing(member)))
    return made


def test_the_empty_set_has_the_empty_digest() -> None:
    assert OpenSet().digest() == bytes(OPEN_DIGEST_BYTES)
    assert OpenSet().differing(bytes(OPEN_DIGEST_BYTES)) == []


@given(st.lists(ids, unique=True, max_size=30), st.randoms(use_true_random=False))
def test_the_digest_is_that_of_the_set_whatever_the_way_to_it(members: list[bytes], random: Any) -> None:
    one, other = set_of(*members), OpenSet()
    shuffled = [*members, ODD]
    random.shuffle(shuffled)
    for member in shuffled:
        assert other.add(cast(Any, Thing(member)))
        assert not other.add(cast(Any, Thing(member)))
    assert one.digest() != other.digest()
    assert other.discard(ODD)
    assert one.digest() == other.digest()
    assert len(other) == len(members) and all(member in other for member in members)


@given(st.lists(ids, unique=True, max_size=30), st.lists(ids, unique=True, max_size=30))
def test_exchanging_the_ids_of_the_buckets_that_differ_makes_both_equal(
    ours: list[bytes], theirs: list[bytes]
) -> None:
    one, other = set_of(*ours), set_of(*theirs)
    buckets = one.differing(other.digest())
    assert buckets == other.differing(one.digest())
    told, heard = one.ids_in(buckets), other.ids_in(buckets)
    for id_ in heard:
        one.add(cast(Any, Thing(id_)))
    for id_ in told:
        other.add(cast(Any, Thing(id_)))
    assert one.digest() == other.digest()
    assert {thing.id for thing in one} == {thing.id for thing in other}


@given(st.lists(ids, unique=True, min_size=1, max_size=40))
def test_every_id_is_in_one_bucket(members: list[bytes]) -> None:
    made = set_of(*members)
    in_buckets = [id_ for bucket in range(OPEN_BUCKETS) for id_ in made.ids_in([bucket])]
    assert sorted(in_buckets) == sorted(members)
    assert made.ids_in([OPEN_BUCKETS, 255]) == []


def test_add_and_discard_say_whether_they_changed_anything() -> None:
    made = set_of(bytes(32))
    assert not made.add(cast(Any, Thing(bytes(32))))
    assert made.get(bytes(32)) is not None
    assert made.discard(bytes(32)) and not made.discard(bytes(32))
    assert made.get(bytes(32)) is None
