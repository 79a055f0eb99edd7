"""Simulated households in which everybody is an authority, for the tests of what they promise each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aslp2p.artifacts.types import Admit, Named, Policy
from aslp2p.core.inputs import Propose
from simulations.world import World


def policy_of(made: World, names: Iterable[str], threshold: int, grace_ms: int) -> Policy:
    """The policy in which these machines of `made` are the authorities."""
    return Policy(
        witnesses=tuple(Named(name, made.nodes[name].key) for name in names),
        threshold=threshold,
        rotation_allowed=True,
        grace_period_ms=grace_ms,
        participants="invited",
        protocol=1,
    )


def founded(names: Sequence[str], threshold: int, grace_ms: int) -> World:
    """The first of `names` has founded a Common of them all; every machine is off."""
    made = World(7)
    for name in names:
        made.add_node(name)
    made.found(names[0], list(names), policy_of(made, names, threshold, grace_ms))
    return made


def linked(names: Sequence[str], threshold: int, grace_ms: int) -> World:
    """The same with every machine on, and linked with every other one."""
    made = founded(names, threshold, grace_ms)
    for name in names:
        made.start(name)
    made.mesh()
    made.run(5_000)
    return made


def run_twice(made: World, links: Sequence[tuple[str, str]]) -> None:
    """Its witness `you` runs a second time as `copy`; each machine is on that has one of `links`. What
    `alice` proposes is in one history, what `james` does in the other."""
    made.add_node("copy", signer=made.nodes["you"].signer)
    made.give_genesis("copy")
    for name in made.nodes:
        if any(name in pair for pair in links):
            made.start(name)
    for pair in links:
        made.connect(*pair)
    made.run(5_000)
    made.command("alice", Propose(Admit(bytes([8] * 32), "left", None)))
    made.command("james", Propose(Admit(bytes([9] * 32), "right", None)))
    made.run(5_000)
