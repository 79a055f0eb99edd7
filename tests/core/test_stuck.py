"""Where a promise once went wrong: each test is a way in which a node was stuck."""

from __future__ import annotations

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.types import Admit, Beacon, Named, Policy
from aslp2p.core.inputs import ChangePolicy, Endorse, MarkStale, Propose, Vouch
from aslp2p.gossip.messages import Heads, Push, Range, decode_message, encode_message
from aslp2p.limits import OPEN_DIGEST_BYTES, PROTOCOL_VERSION
from simulations.world import Node, World
from tests.core.households import policy_of


def world(*names: str, threshold: int = 1) -> World:
    """Running machines that are linked, all of them authorities; the first founded the Common."""
    made = World(7)
    for name in names:
        made.add_node(name)
    policy = Policy(
        witnesses=tuple(Named(name, made.nodes[name].key) for name in names),
        threshold=threshold,
        rotation_allowed=True,
        grace_period_ms=3_600_000,
        participants="invited",
        protocol=1,
    )
    made.found(names[0], names, policy)
    for name in names:
        made.start(name)
    made.mesh()
    made.run(5_000)
    return made


def height(made: World, name: str) -> int:
    return made.heads()[name][0]


def test_a_witness_that_was_gone_before_the_others_met_is_missed() -> None:
    """S2: who hears where the other stands after the link came up counts from then on."""
    made = World(7)
    for name in ("you", "alice", "james"):
        made.add_node(name).options["auto"] = True
    made.found(
        "you",
        list(made.nodes),
        policy_of(made, made.nodes, 2, 2_000),
    )
    made.start("alice")
    made.start("james")
    made.mesh()
    made.run(100)
    for name in ("alice", "james"):
        core = made.nodes[name].core
        assert core is not None and core.live()["watching"]
    made.run(10_000)
    assert made.heads()["alice"] == made.heads()["james"]
    assert height(made, "alice") == 1, "one of them is the witness now"


def test_a_restored_home_that_cosigns_the_same_again_is_found_out() -> None:
    """S11: the others hold another signature by this key than its journal does."""
    made = world("you", "alice", "james", threshold=2)
    made.crash("james")
    backup = made.nodes["james"].store.copy()
    made.start("james")
    made.mesh()
    made.command("you", Propose(Admit(bytes([9] * 32), "zoe", None)))
    made.run(5_000)
    made.crash("james")
    made.nodes["james"].store = backup
    made.start("james")
    made.mesh()
    made.run(30_000)
    core = made.nodes["james"].core
    assert core is not None and core.live()["stale_reason"] is not None
    assert made.heads()["james"] == made.heads()["you"]


def test_two_lines_that_one_liar_cosigned_end_as_one() -> None:
    """F1: whoever heard the liar's other cosignature first learns what is final all the same."""
    made = World(7)
    names = ("you", "alice", "james", "zoe")
    for name in names:
        made.add_node(name)
    policy = Policy(
        witnesses=tuple(Named(name, made.nodes[name].key) for name in names),
        threshold=3,
        rotation_allowed=True,
        grace_period_ms=3_600_000,
        participants="invited",
        protocol=1,
    )
    made.found("you", names, policy)
    copy = made.add_node("copy", signer=made.nodes["you"].signer)
    made.give_genesis("copy")
    sides = ("you", "alice"), ("copy", "james", "zoe")
    for name in (*names, "copy"):
        made.start(name)
    for side in sides:
        for one in side:
            for other in side[side.index(one) + 1 :]:
                made.connect(one, other)
    made.run(5_000)
    made.command("alice", Propose(Admit(bytes([8] * 32), "left", None)))
    made.command("james", Propose(Admit(bytes([9] * 32), "right", None)))
    made.run(5_000)
    heads = made.heads()
    assert heads["you"] == heads["alice"] != heads["james"] == heads["zoe"] == heads["copy"]
    made.mesh()
    made.run(60_000)
    for name in names:
        core = made.nodes[name].core
        assert core is not None and core.live()["final_height"] == 1
        assert made.heads()[name] == heads["james"]
    assert copy.core is not None


def test_who_has_nothing_yet_does_not_keep_a_witness_from_its_beacons() -> None:
    """A joiner says that it stands at 0, on nothing: no history is asked of it, and nothing waits for it."""
    made = world("you", "alice", "james", threshold=2)
    made.command("you", Propose(Admit(bytes([9] * 32), "zoe", None)))
    made.run(2_000)
    nothing = Heads(PROTOCOL_VERSION, bytes(32), 0, 0, 0, bytes(OPEN_DIGEST_BYTES))
    made.on_send = lambda _, data: None if isinstance(decode_message(data), Range) else data  # a dead link
    assert made.inject("alice", "you", encode_message(nothing))
    made.run(10)
    core = made.nodes["you"].core
    assert core is not None
    assert core.live()["catching_up_to"] is None and core.live()["not_emitting_because"] is None


def test_beacons_are_relayed_to_who_should_have_them_already() -> None:
    """Section 8: a link that is dead and does not know it yet makes nobody silent."""
    made = world("you", "alice", "james", threshold=2)
    relayed: set[str] = set()

    def note(node: Node, data: bytes) -> bytes:
        message = decode_message(data)
        if isinstance(message, Push):
            statements = [decode_artifact(raw) for raw in message.artifacts]
            if any(isinstance(one.statement, Beacon) and one.key != node.key for one in statements):
                relayed.add(node.name)
        return data

    made.on_send = note
    made.run(3_600_000)
    assert relayed


def test_a_vouched_key_emits_what_waited_meanwhile() -> None:
    """S11: the owner's word is a reason to look again at what is pending."""
    made = world("you")
    made.inform("you", MarkStale("restored"))
    made.command("you", Propose(Admit(bytes([9] * 32), "zoe", None)))
    made.run(5_000)
    assert height(made, "you") == 0
    made.command("you", Vouch())
    made.run(5_000)
    assert height(made, "you") == 1


def test_a_policy_that_gives_a_new_key_a_name_that_is_taken_is_carried_out_all_the_same() -> None:
    """Section 3: a name that somebody sits on stops nothing; the key is called by the label and a suffix."""
    made = world("you", "alice", "james", threshold=2)
    zoe = made.add_node("zoe").key
    named = tuple(Named(name, made.nodes[name].key) for name in ("you", "alice"))
    proposal = made.command(
        "you",
        ChangePolicy(
            Policy(
                witnesses=(*named, Named("zoe", zoe)),
                threshold=2,
                rotation_allowed=True,
                grace_period_ms=3_600_000,
                participants="invited",
                protocol=1,
            )
        ),
    )
    made.command("you", Propose(Admit(bytes([9] * 32), "zoe", None)))  # the name is taken meanwhile
    made.run(5_000)
    made.command("alice", Endorse(proposal))
    made.run(5_000)
    for name in ("you", "alice", "james"):
        core = made.nodes[name].core
        assert core is not None and core.head is not None
        assert core.head.members[zoe].name == f"zoe-{zoe.hex()[:16]}"
