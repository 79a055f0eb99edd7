"""A witness that asks for one successor, and then for another."""

from __future__ import annotations

from aslp2p.core.inputs import Endorse, Rotate
from simulations.world import World
from tests.core.test_promises import world


def endorse(made: World, proposal: bytes, *names: str) -> None:
    for name in names:
        made.command(name, Endorse(proposal))
    made.run(2_000)


def test_the_latest_word_counts() -> None:
    """S4: emitting the first, the old witness would have cosigned nothing in the epoch of its successor."""
    made = world("you", "alice", "james", threshold=2)
    keys = {name: node.key for name, node in made.nodes.items()}
    first = made.command("you", Rotate(keys["james"], ""))
    second = made.command("you", Rotate(keys["alice"], ""))
    made.run(2_000)
    endorse(made, first, "alice", "james")
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    assert core.head.standing.next_witness == keys["you"]
    endorse(made, second, "alice", "james")
    assert core.head.standing.next_witness == keys["alice"]
