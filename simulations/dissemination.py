"""How a snapshot gets to everybody: coverage over time, and how often it crosses a link too many.

A crowd of members is linked at random, as their daemons would be. The witness emits snapshots, a while apart;
for each it is noted when every machine has it as its head, how many copies were pushed, and how often the id
was told instead. Beside it stands the textbook's push gossip, in which whoever has just heard pushes to
`FANOUT_MAX` others picked at random, once: its mean field, by rounds of the mean delay of a link, and
Pittel's rounds until all know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.types import Put
from aslp2p.core.effects import Effect, Publish
from aslp2p.core.inputs import AddContent, Propose
from aslp2p.gossip.messages import Have, Heads, Push, decode_message, kind_of
from aslp2p.limits import FANOUT_MAX
from simulations.crowd import crowd
from simulations.machine import Node
from simulations.scenario import MINUTE, SECOND
from simulations.world import World

DELAY_MS = (1, 20)
SNAPSHOTS = 10
LIMIT_MS = 5 * MINUTE


@dataclass
class Spread:
    """What was seen: times of all (snapshot, machine) pairs in ms after the emission, sorted."""

    nodes: int
    times_ms: list[float] = field(default_factory=list)
    missing: int = 0
    """Pairs that never came within `LIMIT_MS`."""
    pushes: int = 0
    """Copies of a snapshot sent; one for each other machine is the least possible."""
    tells: int = 0
    """Times that an id was told instead."""
    snapshots: int = 0
    links: float = 0.0
    """Mean number of links of a machine."""

    @property
    def redundancy(self) -> float:
        """Copies that a machine received, on average: 1 is none too many."""
        return self.pushes / max(1, self.snapshots * (self.nodes - 1))

    def until(self, share: float) -> float:
        """When so large a share of all machines had it, in ms; infinite if never."""
        place = max(0, ceil(share * (len(self.times_ms) + self.missing) - 1e-9) - 1)
        return self.times_ms[place] if place < len(self.times_ms) else float("inf")


def spread(nodes: int, seed: int, *, snapshots: int = SNAPSHOTS) -> Spread:
    """Play it with `nodes` machines."""
    world = World(seed, delay_ms=DELAY_MS)
    names = crowd(world, nodes)
    world.run(MINUTE)
    found = Spread(nodes)
    found.links = sum(len(node.links) for node in world.nodes.values()) / nodes
    witness = world.nodes[names[0]]
    reached: dict[str, int] = {}
    target = [-1]
    sent: list[bytes] = []

    def hear(node: Node, effect: Effect) -> None:
        if isinstance(effect, Publish) and effect.topic == "head" and effect.data["height"] >= target[0]:
            reached.setdefault(node.name, world.now_ms)

    def note(_node: Node, data: bytes) -> bytes:
        if kind_of(data) is not Heads:
            sent.append(data)
        return data

    world.listeners.append(hear)
    world.on_send = note
    for number in range(snapshots):
        assert witness.core is not None and witness.core.head is not None
        target[0] = witness.core.head.height + 1
        reached.clear()
        sent.clear()
        _put(world, names[0], number)
        world.run_until(lambda: names[0] in reached, MINUTE)
        head = witness.core.head
        assert head is not None
        row = witness.store.snapshot(head.id)
        assert row is not None
        world.run_until(lambda: len(reached) == nodes, LIMIT_MS)
        begin = reached[names[0]]
        found.times_ms += [float(at - begin) for at in reached.values()]
        found.missing += nodes - len(reached)
        found.snapshots += 1
        _count(found, sent, row.raw, head.id)
        world.run(10 * SECOND)
    found.times_ms.sort()
    return found


def _put(world: World, name: str, number: int) -> None:
    data = f"snapshot {number}".encode()
    id_ = content_id(data)
    world.command(name, AddContent(((id_, data),)))
    world.command(name, Propose(Put(f"spread/{number}", id_, len(data), "text/plain", False, 0, None)))


def _count(found: Spread, sent: list[bytes], raw: bytes, id_: bytes) -> None:
    """Count what was sent of one snapshot."""
    for data in sent:
        if raw in data or id_ in data:
            match decode_message(data):
                case Push(artifacts=artifacts) if raw in artifacts:
                    found.pushes += 1
                case Have(ids=ids) if id_ in ids:
                    found.tells += 1
                case _:
                    pass


def mean_field(nodes: int, fanout: int) -> list[float]:
    """The share that knows after each round, from 0 on: who has just heard pushes to `fanout` others."""
    known, fresh = 1 / nodes, 1 / nodes
    shares = [known]
    while fresh * nodes > 1e-3 and len(shares) < 100:
        fresh = (1 - known) * (1 - exp(-fanout * fresh))
        known += fresh
        shares.append(known)
    return shares


def rounds_until_all(nodes: int, fanout: int) -> float:
    """Pittel's rounds of push gossip: the logarithm of `nodes` to the base fanout + 1, and ln over fanout."""
    return log(nodes) / log(fanout + 1) + log(nodes) / fanout


def mean_delay_ms() -> float:
    """How long one hop takes on average."""
    return sum(DELAY_MS) / 2


def bound(nodes: int) -> tuple[Sequence[float], float]:
    """The mean field's shares by round, and the milliseconds until all know, for the product's fanout."""
    fanout = min(FANOUT_MAX, nodes - 1)
    return mean_field(nodes, fanout), rounds_until_all(nodes, fanout) * mean_delay_ms()
