"""Silence that is counted is kept (S2), however short the time for which machines are on."""

from __future__ import annotations

import pytest

from simulations.result import run
from simulations.scenario_file import parse

WEEKLY = """
scenario: weekly
about: A household that is on together for twenty minutes a week; its witness is gone.
machines: 4
policy: {authorities: 3, threshold: 2, grace_period: 20d}
lasts: 250d
heals: 1h
workload: none
steps:
  - {at: 10m, do: quit, on: first}
  - {every: 7d, from: 1h, do: OFF, on: all, for: 10060m}
expect: {takeovers: 1}
"""


@pytest.mark.parametrize("off", ["crash", "sleep"])
def test_a_household_that_meets_for_minutes_a_week_replaces_its_witness(off: str) -> None:
    """Each week off counts for a day of silence; losing power must not take it back."""
    result = run(parse(WEEKLY.replace("OFF", off)), 1)
    assert result.code == 0, result.problem


HEARD = """
scenario: heard-weekly
about: The same household with a witness that is well and heard every week.
machines: 3
policy: {authorities: 3, threshold: 2, grace_period: 10d}
lasts: 150d
heals: 1h
workload: {every: 4m..8m}
steps:
  - {every: 7d, from: 1h, do: crash, on: all, for: 10060m}
expect: {takeovers: 0, witness: first}
"""


def test_a_witness_that_is_heard_every_week_stays() -> None:
    """That it was heard is kept as well: else the weeks add up, and a household in its second year deposes a
    witness that has never missed a meeting (found by `ten-years`)."""
    result = run(parse(HEARD), 1)
    assert result.code == 0, result.problem
