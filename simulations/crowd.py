"""A Common of many members at once, without playing how each of them joined.

A genesis admits at most `ANCHORS_MAX`; the founder, alone, admits the others by proposals of its own. A
bundle of what it then holds goes to one machine that has never signed anything, and every other one begins
with a copy of that machine's disk. All of it is the product's own work, done once and not for each machine.
"""

from __future__ import annotations

from aslp2p.artifacts.types import Admit, Named, Policy
from aslp2p.core.inputs import Propose
from aslp2p.limits import ANCHORS_MAX
from simulations.dialer import Dialer
from simulations.names import name_of
from simulations.people import everything
from simulations.scenario import DAY, SECOND
from simulations.world import World

BATCH = 400


def crowd(
    world: World,
    count: int,
    *,
    authorities: int = 3,
    threshold: int = 2,
    grace_period_ms: int = 30 * DAY,
    links: int = 8,
) -> list[str]:
    """`count` members of one Common, all on and looking for each other; their names, the founder first."""
    names = [name_of(place) for place in range(count)]
    for name in names:
        world.add_node(name)
    named = tuple(Named(name, world.nodes[name].key) for name in names[: min(authorities, count)])
    policy = Policy(
        witnesses=named,
        threshold=min(threshold, count),
        rotation_allowed=True,
        grace_period_ms=grace_period_ms,
        participants="invited",
        protocol=1,
    )
    found(world, names, policy)
    Dialer(world, links=links)
    for name in names:
        world.start(name)
    return names


def found(world: World, names: list[str], policy: Policy) -> None:
    """A Common of all of `names`, the first of which founds it, however many; all are off, before and
    after."""
    world.found(names[0], names[:ANCHORS_MAX], policy)
    if late := names[ANCHORS_MAX:]:
        _admit(world, names[0], late)


def _admit(world: World, founder: str, late: list[str]) -> None:
    world.start(founder)
    for first in range(0, len(late), BATCH):
        for name in late[first : first + BATCH]:
            world.command(founder, Propose(Admit(world.nodes[name].key, name, None)))
        world.run(SECOND)
    bundle = everything(world.nodes[founder])
    world.crash(founder)
    template = late[0]
    world.give_genesis(template)
    world.start(template)
    world.command(template, bundle)
    world.run(SECOND)
    world.crash(template)
    image = world.nodes[template].store
    for name, node in world.nodes.items():
        if name not in (founder, template):
            node.store = image.copy()
