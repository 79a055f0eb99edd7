"""No content falls below its copies and none is lost, whatever happens while everybody lets things go."""

from __future__ import annotations

import pytest

from aslp2p.core.holding import Pledges
from tests.simulations.storms import Storm

STEPS = 16
WORLDS = 20
BLOCK = 250
LONG = 10_000


def storm(seed: int) -> Storm:
    made = Storm(seed, copies=1 + seed % 2, large=seed % 10 == 0)
    made.play(STEPS)
    made.calm()
    return made


def test_no_content_falls_below_its_copies_and_none_is_lost() -> None:
    let_go = sum(storm(seed).let_go for seed in range(WORLDS))
    assert let_go > 5 * WORLDS, "else nothing was at stake"


@pytest.mark.long
@pytest.mark.parametrize("first", range(WORLDS, WORLDS + LONG, BLOCK))
def test_the_same_in_many_more_worlds(first: int) -> None:
    for seed in range(first, first + BLOCK):
        storm(seed)


@pytest.mark.long
def test_without_pledges_copies_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the storm is one: machines that rely on each other at once let the last copies go."""
    monkeypatch.setattr(Pledges, "until_ms", lambda self, content: None)

    def some() -> None:
        for seed in range(BLOCK):
            storm(seed)

    with pytest.raises(AssertionError):
        some()
