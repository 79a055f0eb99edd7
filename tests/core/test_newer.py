"""What only a later version knows (A4): the link ends without blame, and a person is told to update."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.canonical import decode, encode
from aslp2p.artifacts.envelope import pae, sign_statement
from aslp2p.artifacts.types import Endorsement, Named, Policy, PolicyChange, Proposal, Snapshot
from aslp2p.core.inputs import Received, Rotate
from aslp2p.errors import UserError
from aslp2p.gossip.messages import Heads, Push, encode_message
from aslp2p.limits import OPEN_DIGEST_BYTES, PROTOCOL_VERSION
from simulations.world import World
from tests.core.households import linked

NAMES = ("you", "alice", "james")


@pytest.fixture
def made() -> World:
    return linked(NAMES, 2, 3_600_000)


def artifact(made: World, type_: str, fields: list[object]) -> bytes:
    """By alice, of whatever type."""
    body = encode(fields)
    signer = made.nodes["alice"].signer
    return encode([type_, body, signer.key, signer.sign(pae(type_, body))])


def hear(made: World, data: bytes, name: str = "you") -> None:
    """What alice's link brings."""
    node = made.nodes[name]
    link = next(one for one, pipe in node.links.items() if set(made.pipes[pipe].ends) == {name, "alice"})
    made.inform(name, Received(link, data))


def vote(made: World) -> bytes:
    return artifact(made, "asl.common.proposal/1", [made.common_id, 1, bytes(8), ["vote", bytes(32)]])


def later_type(made: World) -> bytes:
    return artifact(made, "asl.common.poll/1", [made.common_id])


@pytest.mark.parametrize("what", ["kind", "protocol", "type", "action"])
def test_the_link_ends_without_blame(made: World, what: str) -> None:
    messages = {
        "kind": encode([99, b""]),
        "protocol": encode_message(Heads(PROTOCOL_VERSION + 1, bytes(32), 0, 0, 0, bytes(OPEN_DIGEST_BYTES))),
        "type": encode_message(Push((later_type(made),), ())),
        "action": encode_message(Push((vote(made),), ())),
    }
    hear(made, messages[what])
    (close,) = made.nodes["you"].closed
    assert not close.blame
    assert close.reason.endswith("is unknown to this version; update this machine")
    core = made.nodes["you"].core
    assert core is not None and core.live()["outdated"] is None, "nobody has decided anything"


def raising(made: World, *by: str) -> tuple[bytes, bytes]:
    """A snapshot by the witness that puts a policy of the next protocol in force, and its proposal."""
    named = tuple(Named(name, made.nodes[name].key) for name in NAMES)
    policy = Policy(
        witnesses=named,
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=3_600_000,
        participants="invited",
        protocol=PROTOCOL_VERSION + 1,
    )
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    head, you = core.head, made.nodes["you"].signer
    action = PolicyChange(policy, made.common_id)
    proposal = sign_statement(Proposal(made.common_id, 1, bytes(8), action), you)
    papers = [
        sign_statement(Endorsement(made.common_id, proposal.id, 0, 1), made.nodes[name].signer) for name in by
    ]
    frontier, _ = head.frontier.extend([proposal.id])
    statement = Snapshot(
        made.common_id,
        head.height + 1,
        head.id,
        0,
        1,
        (proposal.id,),
        frontier.size,
        frontier.root(),
        tuple(one.raw for one in sorted(papers, key=lambda one: one.key)),
        None,
    )
    return sign_statement(statement, you).raw, proposal.raw


def test_a_decided_protocol_stops_an_older_node_for_good(made: World) -> None:
    """It would take the witness for silent, and replace it: so it signs nothing, and says why."""
    snapshot, proposal = raising(made, "alice", "james")
    hear(made, encode_message(Push((snapshot, proposal), ())), "james")
    core = made.nodes["james"].core
    assert core is not None
    words = "protocol 2 is unknown to this version; update this machine"
    assert core.live()["outdated"] == words
    assert not any(close.blame for close in made.nodes["james"].closed)
    made.crash("you")
    made.start("james") if not made.nodes["james"].on else None
    made.run(20_000_000)
    assert core.live()["endorsed_epoch"] == -1, "however long the witness seems to be silent"
    made.crash("james")
    made.start("james")
    restarted = made.nodes["james"].core
    assert restarted is not None and restarted.live()["outdated"] == words


@pytest.mark.parametrize("by", [(), ("alice",), ("you",)])
def test_what_one_machine_says_of_a_protocol_stops_nobody(made: World, by: tuple[str, ...]) -> None:
    snapshot, proposal = raising(made, *by)
    hear(made, encode_message(Push((snapshot, proposal), ())), "james")
    core = made.nodes["james"].core
    assert core is not None and core.live()["outdated"] is None
    with pytest.raises(UserError):
        made.command("james", Rotate(made.nodes["james"].key, ""))
    assert decode(snapshot, bytes_max=1 << 17)
