"""Every scenario that comes along holds, and so do the first seeds of the swarm; many more with `--long`."""

from __future__ import annotations

import pytest

from simulations import swarm
from simulations.result import Result, run
from simulations.scenario_file import load, names

LIGHT = [name for name in names() if not load(name).heavy]
HEAVY = [name for name in names() if load(name).heavy]
SLOW = {
    "bad-wifi",
    "disk-lost",
    "disk-restored",
    "disk-trouble",
    "founder-leaves",
    "join-storm",
    "liars-beyond-the-bound",
    "liars-within-the-bound",
    "partition-flapping",
    "partition-halves",
    "partition-minority",
    "partition-one-at-a-time",
    "sybils",
    "usb-couriers",
    "witness-restarts",
    "witness-slow",
    "wrong-clocks",
}
"""More than a few seconds each: with `--long` only."""
QUICK_SEEDS = (0, 1, 3)


def require_held(result: Result) -> None:
    assert result.code == 0, (
        f"{result.problem}\npython -m simulations replay {result.scenario} --seed {result.seed}"
    )


@pytest.mark.parametrize("name", [name for name in LIGHT if name not in SLOW])
def test_a_scenario_holds(name: str) -> None:
    require_held(run(load(name), 1))


@pytest.mark.parametrize("seed", QUICK_SEEDS)
def test_a_seed_of_the_swarm_holds(seed: int) -> None:
    require_held(run(swarm.draw(seed), seed))


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_scenario_holds(name: str) -> None:
    require_held(run(load(name), 1))


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", LIGHT)
def test_a_scenario_holds_for_many_seeds(name: str) -> None:
    for seed in range(1, 21):
        require_held(run(load(name), seed))


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("first", range(1_000, 2_000, 50))
def test_many_seeds_of_the_swarm_hold(first: int) -> None:
    for seed in range(first, first + 50):
        require_held(run(swarm.draw(seed), seed))
