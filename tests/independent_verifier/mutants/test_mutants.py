"""The vectors notice every one-line mistake that is planted in the independent verifier."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.independent_verifier.answers import MODULES
from tests.independent_verifier.mutants.catalogue import EQUIVALENT, MUTANTS
from tests.independent_verifier.mutants.plant import (
    COPY,
    DoesNotApply,
    Mutant,
    notices,
    planted,
    who_notices,
)


def name_of(mutant: Mutant) -> str:
    return f"{mutant.module}: {mutant.old} -> {mutant.new}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_a_vector_notices(mutant: Mutant) -> None:
    with planted(mutant) as reading:
        assert notices(reading, mutant.by)
    assert not [name for name in sys.modules if name.startswith(COPY)]


@pytest.mark.long
@pytest.mark.parametrize("mutant", EQUIVALENT, ids=name_of)
def test_nobody_can_notice(mutant: Mutant) -> None:
    """Each of these is listed with its reason; one that is noticed after all belongs to the others."""
    with planted(mutant) as reading:
        assert who_notices(reading) is None


def test_there_are_enough_of_them_in_every_module() -> None:
    assert len(MUTANTS) >= 80 and len(set(MUTANTS)) == len(MUTANTS)
    count = Counter(mutant.module for mutant in MUTANTS)
    assert all(count[module] >= 5 for module in MODULES), count
    assert all(mutant.by for mutant in EQUIVALENT), "each with its reason"


def test_a_mutant_that_does_not_fit_says_so() -> None:
    for old in ("no such text", "return"):
        with pytest.raises(DoesNotApply, match=r"\d+ times"), planted(Mutant("verifier", old, "")):
            pass
    with planted(MUTANTS[0]) as reading, pytest.raises(DoesNotApply, match="no vector"):
        notices(reading, "histories: of nothing")
