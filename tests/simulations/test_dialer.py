"""The simulated dialer links machines as the daemon's does."""

from __future__ import annotations

from aslp2p.daemon import addresses
from simulations import dialer, play
from simulations.result import run
from simulations.scenario_file import parse
from simulations.world import World

TEAM = """
scenario: team
machines: 18
policy: {authorities: 3, threshold: 2, grace_period: 20s}
lasts: 50s
heals: 2m
workload: {every: 10s}
steps:
  - {at: 5s, do: quit, on: first}
expect: {takeovers: 1, within: 40s}
"""


def linked(machines: int, links: int, all_up_to: int = 0) -> dict[str, int]:
    world = World(1)
    made = dialer.Dialer(world, links=links, all_up_to=all_up_to)
    assert world.dialer is made
    names = [f"m{number}" for number in range(machines)]
    world.found("m0", names)
    for name in names:
        world.start(name)
    world.run(300_000)
    return {name: len(world.nodes[name].peers) for name in names}


def test_it_dials_as_many_as_the_daemon() -> None:
    assert play.DIAL_ALL_MAX == addresses.DIAL_ALL_MAX
    assert dialer.LINKS == addresses.OUTGOING


def test_all_link_with_all_in_a_small_common() -> None:
    assert set(linked(12, links=3, all_up_to=11).values()) == {11}


def test_above_that_each_has_some_and_nobody_too_many() -> None:
    found = linked(30, links=3)
    assert min(found.values()) >= 3 and max(found.values()) <= 7, found


def test_authorities_of_a_team_find_each_other_and_miss_a_silent_witness() -> None:
    """S2: who is linked to no other authority counts no silence; eight links of seventeen are too few."""
    result = run(parse(TEAM), 7)
    assert result.code == 0, result.problem
