"""S1: how far an authority goes in one step, whoever pushes it, and whom it follows."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.types import Policy
from aslp2p.ledger.epochs import ceiling, liars_counted, reached_by_others
from aslp2p.limits import EPOCH_MAX, EPOCH_STRIDE
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, policy

A, B, C, D, E = (one.key for one in (ANN, BEN, CLEO, DAN, EVE))
HIGH = 2**40


def of(*keys: bytes, threshold: int) -> Policy:
    people = {one.key: one for one in (ANN, BEN, CLEO, DAN, EVE)}
    return policy(tuple(people[key] for key in keys), threshold)


@pytest.mark.parametrize(
    ("n", "t", "liars"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 1), (3, 3, 2), (4, 3, 1), (5, 4, 2), (5, 5, 4), (5, 3, 1)],
)
def test_one_liar_at_least_is_not_listened_to(n: int, t: int, liars: int) -> None:
    """2 of 3 survives none for safety (P1), and still one must not use epochs up."""
    assert liars_counted(of(*(A, B, C, D, E)[:n], threshold=t)) == liars


def test_a_liar_lifts_nobody() -> None:
    two = of(A, B, C, threshold=2)
    assert reached_by_others(two, {C: HIGH}, ()) == 0
    assert ceiling(3, -1, (two,), {C: HIGH, A: 4}, ()) == 4 + EPOCH_STRIDE


def test_who_is_pushed_leaves_nobody_behind() -> None:
    """Two keys, of whom one at least is honest, have gone there: everybody may follow."""
    two = of(A, B, C, threshold=2)
    assert ceiling(0, -1, (two,), {C: HIGH, B: HIGH}, ()) == HIGH + EPOCH_STRIDE
    five = of(A, B, C, D, E, threshold=4)
    assert ceiling(0, -1, (five,), {C: HIGH, B: HIGH}, ()) == EPOCH_STRIDE, "both may lie"
    assert ceiling(0, -1, (five,), {C: HIGH, B: HIGH, A: HIGH - 1}, ()) == HIGH - 1 + EPOCH_STRIDE


@pytest.mark.parametrize("highest", ["appointed", "own", "others"])
def test_the_highest_of_three_counts(highest: str) -> None:
    two = of(A, B, C, threshold=2)
    at = {"appointed": 10, "own": 10, "others": 10, highest: 11}
    heard = {A: at["others"], B: at["others"]}
    assert ceiling(at["appointed"], at["own"], (two,), heard, ()) == 11 + EPOCH_STRIDE


def test_who_is_revoked_or_retired_counts_for_nothing() -> None:
    """Otherwise one retired key beside one liar would lift everybody."""
    two = of(A, B, C, threshold=2)
    assert reached_by_others(two, {C: HIGH, B: HIGH}, (B,)) == 0
    assert reached_by_others(two, {C: HIGH, D: HIGH}, ()) == 0
    assert reached_by_others(two, {C: HIGH}, (A, B)) == HIGH, "where one is left it is itself"
    assert reached_by_others(two, {C: HIGH}, (A, B, C)) == 0


def test_of_two_policies_the_least_counts() -> None:
    """While a change is joint, keys of the old policy alone lift nobody."""
    old, new = of(A, B, C, threshold=2), of(C, D, E, threshold=2)
    assert ceiling(0, -1, (old, new), {A: HIGH, B: HIGH}, ()) == EPOCH_STRIDE
    assert ceiling(0, -1, (old, new), {A: HIGH, B: HIGH, D: 7, E: 9}, ()) == 7 + EPOCH_STRIDE


def test_nobody_goes_beyond_the_last_epoch() -> None:
    alone = of(A, threshold=1)
    assert ceiling(EPOCH_MAX - 5, -1, (alone,), {}, ()) == EPOCH_MAX
