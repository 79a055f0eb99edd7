"""Quorums that retire, walked through the real core (F5, S9, P4, section 11); see `years.py`.

Each rule that is taken out is found within few walks, so they would notice if the code did not hold to it.
"""

from __future__ import annotations

import pytest

from tests.model.checks import Violation
from tests.model.sabotage import YEARS, without
from tests.model.years import Years

WALKS, WALKS_LONG = 6, 2_000
FOUND_IN = {"F5": 0, "F5 moves": 0, "F5 given": 0, "S9": 0}
"""The walk that finds each: where it still does, no other is walked."""
SEARCHED = 40


def test_retired_quorums_move_and_halt_nobody() -> None:
    assert sum(Years(seed).run() for seed in range(WALKS)) >= 6 * WALKS


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_nor_do_they_in_many_more_walks() -> None:
    for seed in range(WALKS, WALKS + WALKS_LONG):
        Years(seed).run()


def test_every_rule_is_taken_out_once() -> None:
    assert FOUND_IN.keys() == YEARS.keys()


@pytest.mark.parametrize("rule", FOUND_IN)
def test_a_missing_rule_is_found(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(rule, monkeypatch)
    for seed in (FOUND_IN[rule], *range(SEARCHED)):
        try:
            Years(seed).run()
        except (Violation, LookupError) as found:  # a floor that a line does not have is looked for in vain
            print(f"without {rule}: {found} (walk {seed})")
            return
    pytest.fail(f"{SEARCHED} walks without {rule} found nothing")
