"""Quorum arithmetic against a slow oracle that shares no code with it (P1 to P5)."""

from __future__ import annotations

import itertools
import random

import pytest

from aslp2p.artifacts.types import Named, Policy
from aslp2p.errors import Rejected
from aslp2p.ledger.policy import (
    authority_keys,
    policy_problem,
    require_policy,
    satisfies,
    satisfies_all,
    survival,
)
from aslp2p.limits import AUTHORITIES_MAX

KEYS = [bytes([number]) * 32 for number in range(40)]


def of(keys: list[int], threshold: int, protocol: int = 1) -> Policy:
    """t of the keys with these numbers, which may be listed twice."""
    listed = tuple(Named(f"n{place}", KEYS[number]) for place, number in enumerate(keys))
    return Policy(
        witnesses=listed,
        threshold=threshold,
        rotation_allowed=True,
        grace_period_ms=1000,
        participants="invited",
        protocol=protocol,
    )


def quorums(keys: list[int], threshold: int) -> list[set[int]]:
    """Every least set of listed keys that is a quorum, counted one by one."""
    return [set(some) for some in itertools.combinations(sorted(set(keys)), threshold)]


def may_stand(keys: list[int], threshold: int) -> bool:
    """P1 by its meaning: somebody can be a quorum, and no two quorums miss each other."""
    if not keys or len(set(keys)) != len(keys) or not 1 <= threshold <= len(keys):
        return False
    found = quorums(keys, threshold)
    return all(one & other for one in found for other in found)


def is_quorum(keys: list[int], threshold: int, signers: set[int]) -> bool:
    return any(some <= signers for some in quorums(keys, threshold))


def conflicting_finals(n: int, threshold: int, liars: int) -> bool:
    """Whether two quorums can have no honest member in common when the first `liars` lie."""
    found = quorums(list(range(n)), threshold)
    return any(one & other <= set(range(liars)) for one in found for other in found)


@pytest.mark.parametrize("n", range(8))
def test_every_policy_of_up_to_seven(n: int) -> None:
    for threshold in range(n + 2):
        keys = list(range(n))
        policy = of(keys, threshold)
        assert (policy_problem(policy) is None) == may_stand(keys, threshold), (threshold, n)
        if not may_stand(keys, threshold):
            with pytest.raises(Rejected, match=r"^P1"):
                require_policy(policy)
            continue
        require_policy(policy)
        for size in range(n + 1):
            for some in itertools.combinations(range(n), size):
                signers = frozenset(KEYS[number] for number in some)
                assert satisfies(policy, signers) == is_quorum(keys, threshold, set(some))


@pytest.mark.parametrize("n", range(1, 8))
def test_what_a_policy_survives(n: int) -> None:
    for threshold in range(n // 2 + 1, n + 1):
        found = survival(of(list(range(n)), threshold))
        silent = max(
            gone for gone in range(n + 1) if is_quorum(list(range(n)), threshold, set(range(gone, n)))
        )
        lying = max(liars for liars in range(n + 1) if not conflicting_finals(n, threshold, liars))
        assert (found.silent, found.lying) == (silent, lying)
        for place, (name, replaceable) in enumerate(found.replaceable):
            others = set(range(n)) - {place}
            assert (name, replaceable) == (f"n{place}", is_quorum(list(range(n)), threshold, others))


def test_every_pair_of_joint_policies_of_up_to_four() -> None:
    """P4: a set is a quorum while a change is joint exactly when it is one of both."""
    policies = [
        (list(keys), threshold)
        for n in range(1, 5)
        for keys in itertools.combinations(range(5), n)
        for threshold in range(n // 2 + 1, n + 1)
    ]
    signer_sets = [set(some) for size in range(6) for some in itertools.combinations(range(5), size)]
    for (a, s), (b, t) in itertools.product(policies, policies):
        both = (of(a, s), of(b, t))
        for some in signer_sets:
            expected = is_quorum(a, s, some) and is_quorum(b, t, some)
            assert satisfies_all(both, {KEYS[number] for number in some}) == expected


def test_every_joint_policy_of_up_to_seven_and_seven() -> None:
    """However many keys the two share, and however many of each kind sign; which ones they are is drawn."""
    rng = random.Random(2)
    sizes = [(n, threshold) for n in range(1, 8) for threshold in range(n // 2 + 1, n + 1)]
    checked = 0
    for (n, s), (m, t) in itertools.product(sizes, sizes):
        for shared in range(min(n, m) + 1):
            names = rng.sample(range(len(KEYS)), n + m - shared)
            old, new = names[:n], names[n - shared :]
            both = (of(rng.sample(old, n), s), of(rng.sample(new, m), t))
            kinds = names[: n - shared], names[n - shared : n], names[n:]
            needed = [set(some) for some in quorums(old, s)], [set(some) for some in quorums(new, t)]
            for numbers in itertools.product(*(range(len(kind) + 1) for kind in kinds)):
                signers = {one for kind, k in zip(kinds, numbers, strict=True) for one in rng.sample(kind, k)}
                expected = all(any(some <= signers for some in enough) for enough in needed)
                assert satisfies_all(both, {KEYS[one] for one in signers}) == expected
                checked += 1
    assert checked > 50_000


def random_policies(count: int) -> None:
    rng = random.Random(1)
    for _ in range(count):
        n = rng.randint(1, 12 if rng.random() < 0.9 else AUTHORITIES_MAX)
        keys = rng.choices(range(n + 8), k=n) if rng.random() < 0.3 else rng.sample(range(n + 8), n)
        threshold = rng.randint(0, n + 1)
        policy = of(keys, threshold)
        distinct = len(set(keys)) == n
        fits = distinct and 1 <= threshold <= n and threshold > n - threshold
        assert (policy_problem(policy) is None) == fits
        signers = {number for number in range(n + 8) if rng.random() < 0.6}
        count_ = 0
        for number in set(keys):  # P5: once, however often it is listed
            count_ += number in signers
        signing = {KEYS[number] for number in signers}
        assert satisfies(policy, signing) == (count_ >= threshold)
        others = rng.sample(range(n + 8), rng.randint(1, 8))
        least = rng.randint(1, len(others))
        counted = sum(number in signers for number in others)
        both = count_ >= threshold and counted >= least
        assert satisfies_all((policy, of(others, least)), signing) == both


def test_random_policies() -> None:
    random_policies(20_000)


@pytest.mark.long
def test_a_million_random_policies() -> None:
    random_policies(1_000_000)


def test_problems_in_words() -> None:
    words = {
        "a policy needs at least one authority": of([], 1),
        "two authorities have the same key": of([1, 1, 2], 2),
        "threshold 0 is not between 1 and 3": of([1, 2, 3], 0),
        "threshold 4 is not between 1 and 3": of([1, 2, 3], 4),
        "threshold 2 of 4: two disjoint quorums would be a fork; at least 3": of([1, 2, 3, 4], 2),
    }
    for problem, policy in words.items():
        assert policy_problem(policy) == problem
    twice = Policy(
        witnesses=(Named("x", KEYS[0]), Named("x", KEYS[1])),
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=1000,
        participants="invited",
        protocol=1,
    )
    assert policy_problem(twice) == "two authorities have the same name"
    with pytest.raises(Rejected) as caught:
        require_policy(of([1], 1, protocol=2))
    assert caught.value.rule == "A4"


def test_a_key_counts_once_however_often_it_is_listed() -> None:
    """P5, for whatever P1 would refuse as well."""
    assert authority_keys(of([1, 1, 2], 2)) == {KEYS[1], KEYS[2]}
    assert not satisfies(of([1, 1, 2], 2), {KEYS[1]})
