"""What one bad member may not do to all others (G5): each test is a way in which it once could."""

from __future__ import annotations

from random import Random

import pytest

from aslp2p.artifacts.content import ContentBuilder, content_id
from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.token import bear
from aslp2p.artifacts.types import Action, Admit, Expel, Named, Policy, Proposal, Put
from aslp2p.core.inputs import AddContent, LinkUp, MakeToken, Propose, Received
from aslp2p.gossip.messages import AnyMessage, GetContent, Heads, Push, decode_message, encode_message
from aslp2p.limits import (
    CONTENT_RETRY_MS_MAX,
    INLINE_CONTENT_BYTES_MAX,
    MIB,
    OPEN_DIGEST_BYTES,
    PENDING_PER_AUTHOR_MAX,
    PROTOCOL_VERSION,
    REQUEST_TIMEOUT_MS,
)
from aslp2p.recovery import round_ms
from simulations.keys import SeededKey
from simulations.machine import Node
from simulations.world import WALL_MS, World

SECOND_MS = 1_000


class Household(World):
    """`you` founded the Common; `ben` and `mallory` are members. Her node is mute, and tests speak for it."""

    def __init__(self) -> None:
        super().__init__(5)
        for name in ("you", "ben", "mallory"):
            self.add_node(name)
        authority = Named("you", self.nodes["you"].key)
        self.found(
            "you",
            list(self.nodes),
            Policy(
                witnesses=(authority,),
                threshold=1,
                rotation_allowed=True,
                grace_period_ms=10**6,
                participants="invited",
                protocol=1,
            ),
        )
        for name in self.nodes:
            self.start(name)
        self.mesh()
        self.run(5 * SECOND_MS)
        self.chance = Random(1)
        self.on_send = lambda node, data: None if node.name == "mallory" else data

    def say(self, message: AnyMessage) -> None:
        assert self.inject("mallory", "you", encode_message(message))

    def claim(self) -> None:
        """To be far ahead."""
        head = self.chance.randbytes(32)
        self.say(Heads(PROTOCOL_VERSION, head, 10**6, 10**3, 0, bytes(OPEN_DIGEST_BYTES)))

    def put_holes(self) -> None:
        """As many well signed puts of what nobody has as may be pending."""
        mallory = self.nodes["mallory"].signer
        raws = []
        for number in range(PENDING_PER_AUTHOR_MAX):
            action: Action = Put(f"hole/{number}", self.chance.randbytes(32), 10_000, "", False, 0, None)
            proposal = Proposal(self.common_id, WALL_MS, self.chance.randbytes(8), action)
            raws.append(sign_statement(proposal, mallory).raw)
        for first in range(0, len(raws), 256):
            self.say(Push(tuple(raws[first : first + 256]), ()))

    def put(self, name: str, path: str, data: bytes) -> None:
        id_ = content_id(data)
        self.command(name, AddContent(((id_, data),)))
        self.command(name, Propose(Put(path, id_, len(data), "", False, 0, None)))

    def height(self, name: str) -> int:
        return self.heads()[name][0]

    def pending(self, name: str) -> int:
        core = self.nodes[name].core
        assert core is not None
        return int(core.live()["pending"])


@pytest.fixture
def household() -> Household:
    return Household()


def test_who_claims_to_be_ahead_and_shows_nothing_silences_no_witness(household: Household) -> None:
    household.claim()
    household.run(SECOND_MS)
    for number in range(3):
        before = household.height("you")
        household.put("ben", f"letter/{number}", b"hello")
        for _ in range(REQUEST_TIMEOUT_MS // SECOND_MS + 5):
            household.claim()
            household.run(SECOND_MS)
        assert household.height("you") == household.height("ben") == before + 1
    before = household.height("you")
    household.claim()
    household.run(SECOND_MS)
    household.put("ben", "at-once", b"hello")
    household.claim()
    household.run(SECOND_MS)
    assert household.height("you") == before + 1, "a claim that came to nothing before holds up nobody"


def test_the_words_of_many_keys_hold_up_nobody_longer_than_one_s(household: Household) -> None:
    """Each of twelve members claims a head of its own, one after the other: a round for all together."""
    keys = [SeededKey(f"sybil {number}") for number in range(12)]
    for number, key in enumerate(keys):
        household.command("you", Propose(Admit(key.key, f"sybil {number}", None)))
    household.run(5 * SECOND_MS)
    before = household.height("you")
    household.put("ben", "letter", b"hello")
    for number, key in enumerate(keys):
        link = 10_000 + number
        household._input(household.nodes["you"], LinkUp(link, key.key, b"", "", "10.0.0.9:1", False))
        head = Heads(PROTOCOL_VERSION, bytes([number]) * 32, 2**50, 10**3, 0, bytes(OPEN_DIGEST_BYTES))
        household._input(household.nodes["you"], Received(link, encode_message(head)))
    household.run(min(round_ms(10**6), REQUEST_TIMEOUT_MS) + 2 * SECOND_MS)
    assert household.height("you") == before + 1
    household.put("ben", "at once", b"hello")
    household.run(SECOND_MS)
    assert household.height("you") == before + 2, "the round of all is over"


def guest_claims(household: Household, inviter: str) -> None:
    """A guest says to `you` that it is far ahead. Its inviter, who is off, cannot propose it yet."""
    token = household.command(inviter, MakeToken(WALL_MS + 10**9, 9))
    household.crash(inviter)
    household.run(100)
    guest = SeededKey("guest")
    up = LinkUp(10_000, guest.key, bear(token, guest.key), "guest", "10.0.0.9:1", False)
    head = Heads(PROTOCOL_VERSION, bytes(32), 2**50, 10**3, 0, bytes(OPEN_DIGEST_BYTES))
    for told in (up, Received(10_000, encode_message(head))):
        household._input(household.nodes["you"], told)


def test_the_word_of_a_guest_holds_up_nobody(household: Household) -> None:
    before = household.height("you")
    guest_claims(household, "mallory")
    household.put("ben", "at once", b"hello")
    household.run(SECOND_MS)
    assert household.height("you") == before + 1


def test_nor_does_it_where_nobody_else_can_be_listened_to(household: Household) -> None:
    """G3: it is asked for what it tells of, as it may know a history that no member here does; and nothing
    waits for the answer."""
    before = household.height("you")
    household.crash("mallory")
    guest_claims(household, "ben")
    household.put("you", "at once", b"hello")
    household.run(SECOND_MS)
    assert household.height("you") == before + 1


def test_who_claims_to_be_ahead_keeps_nobody_from_catching_up(household: Household) -> None:
    household.pause("ben")
    for number in range(40):
        household.put("you", f"letter/{number}", b"hello")
        household.run(SECOND_MS)
    household.disconnect("you", "ben")
    household.resume("ben")
    household.connect("mallory", "ben")
    head = Heads(PROTOCOL_VERSION, bytes([7]) * 32, 10**6, 10**3, 0, bytes(OPEN_DIGEST_BYTES))
    household.inject("mallory", "ben", encode_message(head))
    household.run(SECOND_MS)
    household.connect("you", "ben")
    for _ in range(2 * REQUEST_TIMEOUT_MS // SECOND_MS):
        household.inject("mallory", "ben", encode_message(head))
        household.run(SECOND_MS)
    assert household.height("ben") == household.height("you") == 40


def test_puts_of_what_nobody_has_keep_no_other_put_waiting(household: Household) -> None:
    """G6 makes them wait; neither those behind them nor the machine's processor wait with them."""
    household.put_holes()
    household.run(SECOND_MS)
    assert household.pending("you") == PENDING_PER_AUTHOR_MAX
    big = household.chance.randbytes(INLINE_CONTENT_BYTES_MAX + 1)
    household.put("ben", "big", big)
    household.run(2 * SECOND_MS)
    assert household.height("you") == household.height("ben") == 1
    store = household.nodes["you"].store
    assert store.content(content_id(big)) == big

    household.run(10 * CONTENT_RETRY_MS_MAX)
    you, ben = household.nodes["you"], household.nodes["ben"]
    inputs, sent = you.inputs, you.sent + ben.sent
    household.run(60 * SECOND_MS)
    assert you.inputs - inputs < 3_000, "it does not turn in a circle"
    assert you.sent + ben.sent - sent < 6_000, "peers are asked ever more rarely for what none of them has"
    inputs = you.inputs
    household.run(3600 * SECOND_MS)
    assert you.inputs - inputs < 3600, "idle is idle: at a millisecond a wake-up less than 0.1 % of a core"


def test_what_an_expelled_author_left_open_is_answered(household: Household) -> None:
    household.put_holes()
    household.run(SECOND_MS)
    household.command("you", Propose(Expel(household.nodes["mallory"].key)))
    household.run(30 * SECOND_MS)
    assert household.pending("you") == household.pending("ben") == 0


def contents_asked(household: Household, duration_ms: int) -> int:
    """How many contents honest machines ask for meanwhile."""
    asked: list[bytes] = []

    def hear(node: Node, data: bytes) -> bytes | None:
        if node.name == "mallory":
            return None
        if isinstance(message := decode_message(data), GetContent):
            asked.extend(message.ids)
        return data

    household.on_send = hear
    household.run(duration_ms)
    return len(asked)


def test_wants_end_with_the_expulsion_of_their_author(household: Household) -> None:
    """Here, and after a restart; before it they are looked for ever more rarely."""
    household.put_holes()
    assert contents_asked(household, 60 * SECOND_MS) > PENDING_PER_AUTHOR_MAX
    household.run(2 * CONTENT_RETRY_MS_MAX)
    rounds = contents_asked(household, 2 * CONTENT_RETRY_MS_MAX) / PENDING_PER_AUTHOR_MAX
    assert rounds <= 12, "each asks each of two peers, twice or three times an hour"
    household.command("you", Propose(Expel(household.nodes["mallory"].key)))
    household.run(60 * SECOND_MS)
    assert contents_asked(household, 2 * CONTENT_RETRY_MS_MAX) == 0
    for name in ("you", "ben"):
        assert household.nodes[name].store.wanted(1) == []
        household.crash(name)
        household.start(name)
    household.mesh()
    assert contents_asked(household, 60 * SECOND_MS) == 0


def test_wants_end_with_the_rejection_of_their_proposal(household: Household) -> None:
    household.put("you", "here", b"hello")
    household.run(SECOND_MS)
    expects = bytes(32)
    action = Put("here", household.chance.randbytes(32), 10_000, "", False, 0, expects)
    proposal = Proposal(household.common_id, WALL_MS, household.chance.randbytes(8), action)
    raw = sign_statement(proposal, household.nodes["mallory"].signer).raw
    household.say(Push((raw,), ()))
    household.run(SECOND_MS)
    assert household.pending("ben") == 1, "it waits for its content first (G6)"
    household.command("you", Propose(Expel(household.nodes["mallory"].key)))
    household.run(60 * SECOND_MS)
    assert household.pending("ben") == 0
    assert contents_asked(household, 2 * CONTENT_RETRY_MS_MAX) == 0


@pytest.mark.parametrize("size", [INLINE_CONTENT_BYTES_MAX + 1, 3 * MIB])
def test_whoever_comes_to_hold_what_nobody_had_is_asked(household: Household, size: int) -> None:
    """However long it was looked for in vain: at once when it links, and in a while when it was linked."""
    built = ContentBuilder()
    data = household.chance.randbytes(size)
    pieces = built.feed(data)
    content = built.finish()
    mallory = household.nodes["mallory"].signer
    action = Put("late", content.id, content.size, "", False, 0, None)
    proposal = Proposal(household.common_id, WALL_MS, household.chance.randbytes(8), action)
    household.pause("ben")
    household.say(Push((sign_statement(proposal, mallory).raw,), ()))
    household.put_holes()
    household.run(4 * CONTENT_RETRY_MS_MAX)
    assert household.height("you") == 0
    household.resume("ben")
    household.run(10 * SECOND_MS)
    household.disconnect("you", "ben")
    household.run(CONTENT_RETRY_MS_MAX)
    household.command("ben", AddContent((*pieces, *content.last)))
    household.connect("you", "ben")
    household.run(30 * SECOND_MS)
    assert household.height("you") == household.height("ben") == 1


def test_no_invite_brings_the_expelled_back(household: Household) -> None:
    """P6: least of all the one with which it came."""
    mallory = household.nodes["mallory"]
    household.on_send = None
    household.command("you", Propose(Expel(mallory.key)))
    household.run(5 * SECOND_MS)
    height = household.height("you")
    mallory.token = bear(household.command("you", MakeToken(WALL_MS + 10**9, 1)), mallory.key)
    household.connect("mallory", "you")
    household.connect("ben", "mallory")
    household.run(5 * SECOND_MS)
    assert household.height("you") == height
    for name in ("you", "ben"):
        assert "this key was expelled" in {close.reason for close in household.nodes[name].closed}
        assert not household.nodes[name].peers.get("mallory")
