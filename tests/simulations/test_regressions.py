"""What the swarm found, each as the smallest world that shows it.

The seeds that showed it first are named; they draw other scenarios since the swarm has learnt more.
"""

from __future__ import annotations

import pytest

from aslp2p.artifacts import canonical
from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import decode_as, sign_statement
from aslp2p.artifacts.types import Endorsement, Named, Policy, Proposal, Put, Recovery
from aslp2p.core.inputs import AddContent, Endorse, Propose, Recover, Revoke, Rotate
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.state import revoked_keys
from aslp2p.limits import SPECIAL_PER_AUTHOR_MAX
from simulations.keys import SeededKey
from simulations.machine import Node
from simulations.world import World

GRACE_MS = 60_000
ROUND_MS = GRACE_MS // 20


def household(authorities: list[str], threshold: int, *members: str, auto: bool = False) -> World:
    """Machines that are on and linked, the first authority being the witness."""
    world = World(7)
    names = [*authorities, *members]
    for name in names:
        world.add_node(name).options = {"auto": auto}
    keys = tuple(Named(name, world.nodes[name].key) for name in authorities)
    world.found(
        authorities[0],
        names,
        Policy(
            witnesses=keys,
            threshold=threshold,
            rotation_allowed=True,
            grace_period_ms=GRACE_MS,
            participants="invited",
            protocol=1,
        ),
    )
    for name in names:
        world.start(name)
    world.mesh()
    world.run(5_000)
    return world


def put(world: World, name: str, path: str) -> None:
    """`name` puts a small file."""
    data = path.encode()
    world.command(name, AddContent(((content_id(data), data),)))
    world.command(name, Propose(Put(path, content_id(data), len(data), "text/plain", False, 0, None)))


def recoveries(node: Node) -> list[Recovery]:
    """The open recoveries on a machine's disk, by author and epoch."""
    found = []
    for _, raw in node.store.open_artifacts():
        if raw.startswith(b"\x94\xb5asl.common.proposal/1"):
            proposal = decode_as(Proposal, raw)
            if isinstance(proposal.statement.action, Recovery):
                found.append((proposal.key, proposal.statement.action.epoch, proposal.statement.action))
    return [action for *_, action in sorted(found, key=lambda one: one[:2])]


def test_a_split_where_people_are_asked_is_proposed_again() -> None:
    """S7, seed 262 of an earlier swarm: everybody had endorsed another recovery of one epoch, and the daemons
    waited for ever for signatures that S1 forbids."""
    world = household(["alice", "bob", "carol"], 2)
    world.crash("alice")
    world.disconnect("bob", "carol")
    for name in ("bob", "carol"):
        world.command(name, Recover("the witness is gone"))
    assert {one.epoch for name in ("bob", "carol") for one in recoveries(world.nodes[name])} == {1}
    world.mesh()
    world.run(GRACE_MS + 4 * ROUND_MS)
    world.run(5_000)
    assert max(one.epoch for one in recoveries(world.nodes["bob"])) > 1


def test_an_attempt_that_can_still_get_there_is_left_alone_for_a_grace_period() -> None:
    """S7: where people are asked, one open recovery that others may still endorse is not replaced at once."""
    world = household(["alice", "bob", "carol"], 2)
    world.crash("alice")
    world.run(GRACE_MS + 3 * ROUND_MS)
    first = recoveries(world.nodes["carol"])
    assert len(first) == 1
    world.run(GRACE_MS // 2)
    assert recoveries(world.nodes["carol"]) == first


def test_new_attempts_overtake_the_oldest_of_their_author() -> None:
    """S7, G5, seed 247 of an earlier swarm: what a daemon proposed piled up without bound at home, and its
    peers, full of old attempts, never heard of the new ones."""
    world = household(["alice", "bob", "carol", "dave"], 3, auto=True)
    world.crash("alice")
    world.crash("dave")
    world.run(GRACE_MS + 10 * SPECIAL_PER_AUTHOR_MAX * ROUND_MS)
    here, there = recoveries(world.nodes["bob"]), recoveries(world.nodes["carol"])
    assert max(one.epoch for one in here) > 2 * SPECIAL_PER_AUTHOR_MAX
    assert len(here) <= 2 * SPECIAL_PER_AUTHOR_MAX
    assert [one.epoch for one in here] == [one.epoch for one in there]


def test_a_witness_finds_its_own_snapshots_in_a_range() -> None:
    """S11: a witness that is no authority, back from an old backup, is told of what it signed since by a
    catch-up only, and signs no more."""
    world = household(["alice"], 1, "bob")
    rotation = world.command("alice", Rotate(world.nodes["bob"].key, "moving out"))
    world.run(5_000)
    world.command("bob", Endorse(rotation))
    world.run(5_000)
    image = world.nodes["bob"].store.copy()
    for place in range(3):
        put(world, "alice", f"since/{place}")
        world.run(5_000)
    before = world.heads()["alice"]
    world.crash("bob")
    world.nodes["bob"].store = image
    world.start("bob")
    world.mesh()
    world.run(10_000)
    core = world.nodes["bob"].core
    assert core is not None and core.live()["stale_reason"] is not None
    put(world, "alice", "after")
    world.run(10_000)
    assert world.heads()["alice"] == before


@pytest.mark.parametrize("proposal", [bytes(32), None])
def test_a_forged_endorsement_is_refused_before_it_waits(proposal: bytes | None) -> None:
    """A5, V9, seed 56 of an earlier swarm: it waited for its proposal unverified. When that came it was found
    out in the middle of something else: an honest peer was blamed, and a catch-up never ended."""
    world = household(["alice", "bob"], 2, "carol")
    statement = Endorsement(world.common_id, proposal or bytes([1] * 32), 1, 0)
    mine = sign_statement(statement, SeededKey("a forger's own"))
    forged = canonical.encode([mine.type, mine.body, world.nodes["bob"].key, bytes(64)])
    assert world.inject("carol", "alice", encode_message(Push((forged,), ())))
    world.run(1_000)
    assert [close.blame for close in world.nodes["alice"].closed] == [True]
    assert world.blamed == [("alice", "carol", world.nodes["alice"].closed[0].reason)]


def test_a_revocation_gets_its_quorum_though_the_common_is_busy() -> None:
    """S3, S7, seeds 29 and 41 of an earlier swarm: whoever answered late had cosigned what the base left out,
    was refused, and nobody proposed it again."""
    world = household(["alice", "bob", "carol", "dave"], 3)
    thief = world.nodes["dave"].key
    asked = world.command("bob", Revoke(thief, "stolen"))
    for minute, (late, name) in enumerate([("alice", "bob"), ("carol", "carol")]):
        put(world, name, f"busy/{minute}")
        world.run(20_000)
        world.command(late, Endorse(asked))
        world.run(20_000)
    for name in ("alice", "bob", "carol"):
        core = world.nodes[name].core
        assert core is not None and core.head is not None and thief in revoked_keys(core.head.members)


def test_a_witness_that_stopped_for_a_successor_who_never_comes_helps_to_replace_it() -> None:
    """S2, S10, seed 41290: four of five must sign. The one who was appointed is gone, the witness has
    stopped, and without its endorsement nobody else could take over."""
    world = household(["alice", "bob", "carol", "dave", "erin"], 4, auto=True)
    others = ("bob", "dave", "erin")
    asked = world.command("carol", Recover("the witness is slow"))
    world.run(1_000)
    world.crash("carol")
    for name in others:
        world.command(name, Endorse(asked))
    world.run(1_000)
    alice = world.nodes["alice"].core
    assert alice is not None
    assert "carol is appointed" in (alice.live()["not_emitting_because"] or "")
    world.run(GRACE_MS - 5_000)
    assert alice.live()["endorsed_epoch"] == -1, "not before a grace period"
    world.run(10 * ROUND_MS)
    assert alice.head is not None and alice.head.standing.next_witness in {
        world.nodes[name].key for name in others
    }
