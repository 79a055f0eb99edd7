"""Guided random walks over the rules, played by the real core; and what they find where a rule is missing.

Each walk is one Common in which honest people lose power, look at things late and in any order, hand over,
recover and change policies, while as many keys as P1 allows lie as far as a key can. `checks.py` judges it
from the bytes alone; then it becomes calm, and everybody has to end on one head. The same walks find harm
once any one of the rules is taken out, so they would notice if the code did not hold to it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec import Struct

from tests.model.checks import Violation, harm, places_of, require_own_promises
from tests.model.leanings import FORKS, LAGGING, LIARS, MIXED, OUTNUMBERED, POLICIES
from tests.model.sabotage import ELSEWHERE, RULES, without
from tests.model.walk import Leaning, Outcome, Walk
from tests.simulations.mutants.by_test import NOTICED_BY
from tests.simulations.mutants.catalogue import ALL

OTHERS = (MIXED, FORKS, MIXED, LIARS, LAGGING)
CYCLE = tuple(leaning for other in OTHERS for leaning in (other, POLICIES))
"""Policy changes in the same measure as all others: they make the histories in which most rules meet."""
ONCE_WRONG = ((POLICIES, (2012, 2061, 2186, 2244, 2317)),)
"""Walks in which the code did not hold to a rule once: a daemon endorsed, as its person had wanted, on a base
where its key was no authority, and was blamed (V6)."""
WALKS, WALKS_LONG = 60, 20_000
OUTNUMBERED_WALKS = 150


def survey(seeds: Iterable[int], leaning: Leaning | None = None) -> list[Outcome]:
    """Walk with each seed, of `leaning` or of each in turn; raises `Violation` that says which."""
    outcomes = []
    for seed in seeds:
        walk = Walk(seed, leaning or CYCLE[seed % len(CYCLE)])
        try:
            outcomes.append(walk.run())
        except Violation as broken:
            raise Violation(f"{broken} (walk {seed})") from broken
        assert not harm(walk.network), f"walk {seed}"
    return outcomes


def require_wide(outcomes: list[Outcome]) -> None:
    """What was walked is worth something: the histories in which rules matter come up, and are counted."""
    walks = len(outcomes)
    settled = sum(one.settled for one in outcomes)
    taken_over = sum(one.taken_over_after for one in outcomes)
    print(f"{walks} walks; {settled} settle a policy change, {taken_over} are taken over afterwards")
    for name in ("snapshots", "takeovers", "rotations", "equivocations", "final"):
        total = sum(getattr(one, name) for one in outcomes)
        print(f"  {name}: {total}")
        assert total > walks // 4, name
    calmed = [one.rounds for one in outcomes if one.rounds]
    print(f"  on one head in {sum(calmed) / len(calmed):.1f} rounds, at most {max(calmed)}")
    assert taken_over >= walks / 10
    assert len(calmed) >= walks * 3 / 4


def test_the_rules_hold_whatever_happens() -> None:
    """F1, S1, S13, V3, V6, G5 in every walk; and liveness once it is calm."""
    require_wide(survey(range(WALKS)))


def test_what_went_wrong_once_holds() -> None:
    for leaning, seeds in ONCE_WRONG:
        survey(seeds, leaning)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_the_rules_hold_in_many_more_walks() -> None:
    require_wide(survey(range(WALKS, WALKS + WALKS_LONG)))


def test_ones_own_promises_hold_however_many_lie() -> None:
    """S1, S13: with more liars than P1 allows finality is gone, but nothing is signed twice."""
    for seed in range(OUTNUMBERED_WALKS):
        walk = Walk(seed, OUTNUMBERED)
        walk.walk()
        require_own_promises(walk.network, places_of(walk.network))


class Sabotage(Struct, frozen=True):
    """Where a missing rule shows: what comes to harm, in walks of which leaning, and within how many."""

    leaning: Leaning
    harms: str
    first: int = 0
    """A walk that finds it: where it still does, no other is walked."""
    walks: int = 300


SABOTAGES = {
    "S1": Sabotage(LAGGING, "certificates", 4),
    "S1 steps": Sabotage(LIARS, "epochs"),
    "S3": Sabotage(LAGGING, "finals", 5),
    "S4": Sabotage(LAGGING, "finals", 1),
    "S5": Sabotage(FORKS, "finals", 50),
    "S5 rotation": Sabotage(FORKS, "finals", 50),
    "S13": Sabotage(OUTNUMBERED, "promises", 11),
    "V4 reign": Sabotage(FORKS, "finals", 15),
    "V6 distinct": Sabotage(LIARS, "certificates"),
    "P4 joint": Sabotage(POLICIES, "finals", 26),
    "P4 settlement": Sabotage(POLICIES, "finals", 21),
}


def test_every_rule_is_taken_out_once() -> None:
    assert SABOTAGES.keys() == RULES.keys()


def test_what_no_walk_can_show_is_taken_out_elsewhere() -> None:
    assert not ELSEWHERE.keys() & SABOTAGES.keys()
    for rule, mutants in ELSEWHERE.items():
        assert all(name in NOTICED_BY and ALL[name].rule == rule for name in mutants), rule


@pytest.mark.parametrize("rule", SABOTAGES)
def test_a_missing_rule_is_found(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SABOTAGES[rule]
    without(rule, monkeypatch)
    for seed in (expected.first, *range(expected.walks)):
        walk = Walk(seed, expected.leaning)
        walk.walk()
        if expected.harms in harm(walk.network):
            print(f"without {rule}: {expected.harms} come to harm in walk {seed + 1}")
            return
    pytest.fail(f"{expected.walks} walks without {rule} found nothing")
