"""Detection power: planted mistakes are noticed. A few here; all of them with `--long`, at least 95 %."""

from __future__ import annotations

import os

import pytest

from aslp2p.ledger.policy import satisfies
from simulations import swarm
from simulations.result import run
from tests.simulations.mutants.catalogue import ALL
from tests.simulations.mutants.hunt import SEEDS, hunt, hunt_all
from tests.simulations.mutants.plant import DoesNotApply, Edit, Mutant, planted


def test_there_are_enough_of_them_and_each_rule_family_has_some() -> None:
    assert len(ALL) >= 45
    families = {mutant.rule[0] for mutant in ALL.values()}
    assert families >= set("APVFSG") and "persist, then send" in {mutant.rule for mutant in ALL.values()}


@pytest.mark.parametrize("name", ALL)
def test_every_mutant_applies_and_leaves_no_trace(name: str) -> None:
    """Where the product was rewritten, the mutant has to be written again: it must not change nothing."""
    before = satisfies.__code__
    with planted(ALL[name]):
        pass
    assert satisfies.__code__ is before


def test_a_mutant_that_does_not_fit_says_so() -> None:
    missing = Mutant("x", "P1", "", (Edit("aslp2p.ledger.policy:satisfies", "no such text", ""),))
    with pytest.raises(DoesNotApply, match="0 times"), planted(missing):
        pass
    gone = Mutant("x", "P1", "", (Edit("aslp2p.ledger.policy:none", "a", "b"),))
    with pytest.raises(KeyError), planted(gone):
        pass


A_FEW_SEEDS = (58, 1, 73, 94, 91, 36, 0, 80)
"""Quick ones of the default sweep, with forgers, a revocation and lost clocks among them."""
KNOWN = [
    ("any-signer", "authorization"),
    ("certificate-unsigned", "authorization"),
    ("counted-twice", "authorization"),
    ("deaf-to-beacons", "successor"),
    ("endorses-downwards", "promises"),
    ("forgets-its-counter", "counters"),
    ("goes-on", "deposed"),
    ("no-journal", "progress"),
    ("proposal-unsigned", "authorization"),
]


@pytest.mark.parametrize(("name", "check"), KNOWN)
def test_some_are_noticed_within_a_few_seeds(name: str, check: str) -> None:
    catch = hunt(name, A_FEW_SEEDS)
    assert check in catch.broken, catch


A_LIFETIME = 10
"""Five policies, each of which waits for its settlement while those whom it leaves behind lie."""
KNOWN_IN_YEARS = [
    ("floor-waits-for-settlement", A_LIFETIME, "floor"),
    ("retired-count", A_LIFETIME, "crash"),
    ("proof-in-vain", A_LIFETIME, "crash"),
    pytest.param("no-floor", A_LIFETIME, "floor", marks=pytest.mark.long),
    pytest.param("retired-paper", A_LIFETIME, "authorization", marks=pytest.mark.long),
    pytest.param("anybody-abandons", 5, "quorum", marks=pytest.mark.long),
    pytest.param("signs-without-end", 25, "calm", marks=pytest.mark.long),
    pytest.param("any-number-of-guests", 25, "authorization", marks=pytest.mark.long),
    pytest.param("used-again", 25, "authorization", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("name", "seed", "check"), KNOWN_IN_YEARS)
def test_years_notice_what_only_they_can_notice(name: str, seed: int, check: str) -> None:
    catch = hunt(name, [seed])
    assert check in catch.broken, catch


@pytest.mark.parametrize(
    "seed", [*A_FEW_SEEDS, A_LIFETIME, *(pytest.param(seed, marks=pytest.mark.long) for seed in (5, 25))]
)
def test_the_same_seeds_hold_without_a_mistake(seed: int) -> None:
    result = run(swarm.draw(seed), seed)
    assert result.code == 0, result.problem


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_at_least_95_percent_are_noticed_within_100_seeds() -> None:
    catches = hunt_all(list(ALL), range(SEEDS), workers=os.cpu_count() or 1)
    escaped = [catch.name for catch in catches if catch.seed is None]
    assert len(escaped) <= 0.05 * len(ALL), escaped
