"""Detection power: planted mistakes are noticed, by the swarm or by a test of their place (`by_test`).

A few here; all of them with `--long`: each by its test, and of the others at least 95 % by the swarm.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aslp2p.ledger.policy import satisfies
from simulations import swarm
from simulations.result import run
from simulations.scenario_file import load
from tests.simulations.mutants import floor_rules, year_rules
from tests.simulations.mutants.by_test import NOTICED_BY
from tests.simulations.mutants.catalogue import ALL
from tests.simulations.mutants.hunt import SEEDS, hunt, hunt_all
from tests.simulations.mutants.plant import DoesNotApply, Edit, Mutant, planted

ROOT = Path(__file__).parents[3]


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


def test_the_tests_that_notice_them_are_there() -> None:
    """Of each mutant the list says how it is hunted: by a test of its place, or else by the swarm."""
    assert NOTICED_BY.keys() <= ALL.keys()
    for name, (file, test) in NOTICED_BY.items():
        source = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {test.partition('[')[0]}(" in source, name
    years = {one.name for one in (*year_rules.MUTANTS, *floor_rules.MUTANTS)}
    assert years <= NOTICED_BY.keys(), "no lifetime is played to notice one of these"


QUICK = (
    "own-part-forgotten",
    "abandons-unasked",
    "left-behind",
    "joint-ceiling-by-either",
    "members-fill-all",
)
"""Hunted whenever the tests are run; all of them with `--long`."""


@pytest.mark.parametrize(
    "names",
    [QUICK, pytest.param(tuple(NOTICED_BY), marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
    ids=len,
)
def test_each_is_noticed_by_the_test_of_its_place(names: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.simulations.mutants.by_test", *names]
    hunted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert hunted.returncode == 0, hunted.stdout + hunted.stderr


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


def test_a_stick_brings_what_links_drop() -> None:
    """V6: the staged kind notices what no lifetime does."""
    with planted(ALL["epochs-without-end"]):
        assert "authorization" in run(load("too-far"), 1).broken


@pytest.mark.parametrize(
    "seed", [*A_FEW_SEEDS, A_LIFETIME, *(pytest.param(seed, marks=pytest.mark.long) for seed in (5, 25))]
)
def test_the_same_seeds_hold_without_a_mistake(seed: int) -> None:
    result = run(swarm.draw(seed), seed)
    assert result.code == 0, result.problem


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_at_least_95_percent_are_noticed_within_100_seeds() -> None:
    names = [name for name in ALL if name not in NOTICED_BY]
    catches = hunt_all(names, range(SEEDS), workers=os.cpu_count() or 1)
    escaped = [catch.name for catch in catches if catch.seed is None]
    assert len(escaped) <= 0.05 * len(names), escaped
