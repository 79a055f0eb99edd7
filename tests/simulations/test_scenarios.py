"""Every scenario that comes along holds, and so do the first seeds of the swarm; many more with `--long`."""

from __future__ import annotations

import pytest

from simulations import swarm
from simulations.result import Result, run
from simulations.scenario_file import load, names, parse

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
QUICK_SEEDS = (0, 1, 3, 45)


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


COPIED_WITNESS = """
machines: 4
policy: {authorities: 4, threshold: 3, grace_period: 5m}
people: 1m..10m
network: {delay: 20ms..400ms}
lasts: 450s
workload: {every: 2857ms..57142ms, by: any, kinds: put, bytes: 50}
steps:
  - {do: cut, on: any, every: 90001ms..450001ms, for: 150001ms..15m, way: in}
  - {do: copy, on: first, at: 11s}
expect: {final: true}
"""


def test_people_give_up_what_one_of_them_cosigned_beside() -> None:
    """S3, S9, seeds 8466 and 14214: three of four must sign, the witness runs twice, and one of the others
    cosigned what the rest leave behind. No daemon may end that; status asks people to (F3)."""
    scenario = parse(COPIED_WITNESS)
    for seed in range(4, 40):  # one of ten comes to that
        result = run(scenario, seed)
        require_held(result)
        if any(by == "witness-revocation" for _, by, _ in result.takeovers):
            return
    raise AssertionError("it never came to that")


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
