"""Each mistake that is planted in the driver makes a test of the driver fail."""

from __future__ import annotations

import inspect

import pytest

from tests.core import test_driver
from tests.core.driven import Bench
from tests.simulations.mutants.driver_rules import MUTANTS
from tests.simulations.mutants.plant import Mutant, planted


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_in_the_driver_is_noticed(mutant: Mutant) -> None:
    with planted(mutant):
        assert _noticed()


def test_without_a_mistake_all_hold() -> None:
    assert _noticed() == []


def _noticed() -> list[str]:
    """The tests of the driver that fail, those with parameters left out."""
    failed = []
    for name, test in vars(test_driver).items():
        needs = list(inspect.signature(test).parameters) if name.startswith("test_") else None
        if needs is None or set(needs) - {"bench"}:
            continue
        bench = Bench(probe_ms=test_driver.PROBE_MS)
        bench.log.clear()
        try:
            test(*[bench for _ in needs])
        except Exception:  # what a mistake leads to may be anything
            failed.append(name)
    return failed
