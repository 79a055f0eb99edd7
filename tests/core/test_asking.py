"""`recovery.mode: ask` (S7, S8): people are asked once for each authority, however long they take."""

from __future__ import annotations

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.types import Proposal, Recovery
from aslp2p.core.inputs import Endorse
from simulations.world import World
from tests.core.households import policy_of

GRACE_MS = 2_000


def attempts(world: World, at: str) -> list[tuple[str, bytes]]:
    """Who asks for whom at a machine: (new witness, proposal), in no order."""
    names = {node.key: name for name, node in world.nodes.items()}
    found = [decode_artifact(raw) for _, raw in world.nodes[at].store.open_artifacts()]
    return [
        (names[one.statement.action.new_witness], one.id)
        for one in found
        if isinstance(one.statement, Proposal) and isinstance(one.statement.action, Recovery)
    ]


def test_nobody_is_asked_for_the_same_twice() -> None:
    world = World(7)
    for name in ("you", "alice", "james"):
        world.add_node(name)
    world.found(
        "you",
        list(world.nodes),
        policy_of(world, world.nodes, 2, GRACE_MS),
    )
    for name in world.nodes:
        world.start(name)
    world.mesh()
    world.run(2_000)
    world.crash("you")
    world.run(40 * GRACE_MS)
    asked = sorted(attempts(world, "james"))
    assert [name for name, _ in asked] == ["alice", "james"], "each in its turn, and once"
    for name in ("alice", "james"):
        world.command(name, Endorse(asked[0][1]))
    world.run(2_000)
    assert world.heads()["alice"] == world.heads()["james"] and world.heads()["alice"][0] == 1
