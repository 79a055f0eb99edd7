"""Who gets a link where links are few, and what anybody may ask for again and again (G5).

`anna` founded the Common with `alice` as second authority; `ben` is a member and lets in keys of his own.
"""

from __future__ import annotations

import pytest

from aslp2p.artifacts.token import bear
from aslp2p.artifacts.types import Admit, Named, Policy
from aslp2p.core.effects import Close, Rank, Send, Slow
from aslp2p.core.inputs import LinkDown, LinkUp, MakeToken, Propose, Received
from aslp2p.core.jobs import Report
from aslp2p.core.places import GUESTS_MAX
from aslp2p.core.tolls import ACCOUNTS_MAX, BITS, Toll, Tolls, blocks, price
from aslp2p.gossip.messages import AnyMessage, GetRange, Refused, decode_message, encode_message
from aslp2p.limits import MIB, PEERS_MAX, PEERS_RESERVED, TOLL_PER_SECOND, TOLL_TOKENS_MAX
from simulations.keys import SeededKey
from simulations.machine import Node
from simulations.world import WALL_MS, World

SECOND_MS = 1_000
SYBILS = 60
TOKENS = 500
"""Fewer than there are, so that it takes less time to use them up."""


class House(World):
    def __init__(self) -> None:
        super().__init__(3)
        self.effects: list[object] = []
        for name in ("anna", "alice", "ben", "carol"):
            self.add_node(name)
        authorities = tuple(Named(name, self.nodes[name].key) for name in ("anna", "alice"))
        self.found(
            "anna",
            list(self.nodes),
            Policy(
                witnesses=authorities,
                threshold=2,
                rotation_allowed=True,
                grace_period_ms=10**6,
                participants="invited",
                protocol=1,
            ),
        )
        for name in self.nodes:
            self.start(name)
        self.mesh()
        self.run(2 * SECOND_MS)
        self.sybils = [SeededKey(f"sybil {number}") for number in range(SYBILS)]
        for number, key in enumerate(self.sybils):
            self.command("ben", Propose(Admit(key.key, f"sybil {number}", None)))
        self.run(5 * SECOND_MS)
        self.number = 1000

    def _carry_out(self, node: Node, report: Report) -> None:
        if node.name == "anna":
            self.effects += report.effects
        super()._carry_out(node, report)

    def link(self, key: bytes, token: bytes = b"") -> int:
        """A link to anna, by whoever holds `key`."""
        self.number += 1
        self._input(self.nodes["anna"], LinkUp(self.number, key, token, "", "10.0.0.9:1", False))
        return self.number

    def linked(self) -> list[bytes]:
        core = self.nodes["anna"].core
        assert core is not None
        return [peer["key"] for peer in core.live()["peers"]]

    def members(self) -> set[bytes]:
        core = self.nodes["anna"].core
        assert core is not None
        return {peer["key"] for peer in core.live()["peers"] if peer["member"]}

    def say(self, link: int, message: AnyMessage) -> None:
        self._input(self.nodes["anna"], Received(link, encode_message(message)))

    def told(self, link: int) -> list[Refused]:
        sent = [one.data for one in self.effects if isinstance(one, Send) and one.link == link]
        return [one for one in map(decode_message, sent) if isinstance(one, Refused)]

    def closed(self, link: int) -> list[bool]:
        """For each time that anna ended the link, whether she blames the other end."""
        return [one.blame for one in self.effects if isinstance(one, Close) and one.link == link]


@pytest.fixture
def house() -> House:
    return House()


def test_keys_of_one_member_keep_out_neither_authorities_nor_members(house: House) -> None:
    for name in ("alice", "ben", "carol"):
        house.disconnect("anna", name)
    house.run(SECOND_MS)
    links = [house.link(key.key) for key in house.sybils]
    assert len(house.linked()) == PEERS_MAX - PEERS_RESERVED
    carol, alice = house.link(house.nodes["carol"].key), house.link(house.nodes["alice"].key)
    assert {house.nodes["carol"].key, house.nodes["alice"].key} <= set(house.linked())
    assert not house.closed(carol) and not house.closed(alice)
    gone = [link for link in links if house.closed(link)]
    assert all(house.told(link)[0].code == "full" for link in gone), "each is told why"
    assert not any(blame for link in gone for blame in house.closed(link))


def test_links_do_not_flap(house: House) -> None:
    """Whoever had to go gives nobody's place up by coming again."""
    for key in house.sybils:
        house.link(key.key)
    house.link(house.nodes["carol"].key)
    before = set(house.linked())
    for key in house.sybils * 3:
        if key.key not in house.linked():
            house.link(key.key)
    assert set(house.linked()) == before


def test_every_authority_finds_a_place_among_members(house: House) -> None:
    for key in house.sybils:
        house.link(key.key)
    house.disconnect("anna", "alice")
    for _ in range(PEERS_MAX):
        house.link(house.nodes["alice"].key)
    assert len(house.linked()) == PEERS_MAX, "one key can fill what is reserved, if it is an authority's"


def test_guests_have_a_quarter_and_give_way_first(house: House) -> None:
    token = house.command("anna", MakeToken(WALL_MS + 10**9, 900))
    guests = [SeededKey(f"guest {number}") for number in range(2 * GUESTS_MAX)]
    links = [house.link(guest.key, bear(token, guest.key)) for guest in guests]
    # anna, the witness, lists the first in the same batch: it is a guest no more.
    waiting = [link for link, guest in zip(links, guests, strict=True) if guest.key not in house.members()]
    assert len(waiting) >= 2 * GUESTS_MAX - 1
    assert sum(not house.closed(link) for link in waiting) <= GUESTS_MAX
    for key in house.sybils:
        house.link(key.key)
    house.link(house.nodes["carol"].key)
    assert house.nodes["carol"].key in house.linked()


def test_all_keys_of_one_member_work_on_his_account(house: House) -> None:
    links = [house.link(key.key) for key in house.sybils[:3]]
    accounts = {one.account for one in house.effects if isinstance(one, Rank) and one.link in links}
    assert accounts == {house.nodes["ben"].key}
    alice = house.link(house.nodes["alice"].key)
    (rank,) = (one for one in house.effects if isinstance(one, Rank) and one.link == alice)
    assert (rank.account, rank.office) == (house.nodes["alice"].key, True)


@pytest.mark.parametrize("count", [1, 4])
def test_a_range_asked_for_without_end_is_answered_told_and_ended(
    house: House, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """On one link or on several, of one key or of several on one account."""
    monkeypatch.setattr("aslp2p.core.tolls.TOLL_TOKENS_MAX", TOKENS)
    links = [house.link(key.key) for key in house.sybils[:count]]
    head = house.heads()["anna"][1]
    for number in range(TOKENS + 10):
        link = links[number % count]
        if house.closed(link):
            break
        house.say(link, GetRange(number, head, (), 1, 256))
    else:
        raise AssertionError("it goes on for ever")
    assert house.closed(link) == [True]
    told = [one.code for each in links for one in house.told(each) if one.code != "flood"]
    assert [one.code for one in house.told(link)][-1] == "flood"
    assert told == ["slow"], "the account is told once before"
    slowed = [one for one in house.effects if isinstance(one, Slow)]
    assert {one.account for one in slowed} == {house.nodes["ben"].key}
    assert sum(one.pause_ms for one in slowed) >= 1000 * (TOKENS / 2 - 10) / (2 * TOLL_PER_SECOND)
    carol = house.link(house.nodes["carol"].key)
    house.say(carol, GetRange(1, head, (), 1, 256))
    assert not house.closed(carol), "nobody else pays for it"


@pytest.mark.parametrize("height", [100_000])
def test_a_joiner_that_fetches_everything_once_pays_next_to_nothing(height: int) -> None:
    """100,000 snapshots, and 10 GB of files: from a peer that serves all of it, without a pause."""
    tolls = Tolls()
    joiner = bytes(32)
    paid = [Toll.FREE]
    for first in range(1, height, 256):
        paid += [tolls.charge(joiner, block, price(64 * 1024), 0) for block in blocks(first, 256)]
    chunks = [SeededKey(f"chunk {number}").key for number in range(10 * 1024)]
    paid += [tolls.charge(joiner, chunk, price(MIB), 0) for chunk in chunks]
    assert set(paid) <= {Toll.FREE, Toll.PAID}, "it is not even slowed"
    again = (tolls.charge(joiner, chunk, price(MIB), 0) for chunk in chunks * 9)
    refused = next(number for number, toll in enumerate(again) if toll is Toll.UNPAID)
    assert refused < TOLL_TOKENS_MAX // 16, "it may not do so again and again"
    assert tolls.charge(bytes([1]) * 32, None, 1, 0) is Toll.PAID, "others have their own"


def test_whoever_stops_asking_is_slowed_no_more_and_told_again_the_next_time() -> None:
    tolls, key = Tolls(), bytes(32)
    half = TOLL_TOKENS_MAX // 2
    assert [tolls.charge(key, None, count, 0) for count in (half, 1, 1)] == [
        Toll.PAID,
        Toll.FIRST_LOW,
        Toll.LOW,
    ]
    later_ms = 1000 * half // TOLL_PER_SECOND
    assert tolls.charge(key, None, 1, later_ms) is Toll.PAID
    assert tolls.charge(key, None, half, later_ms) is Toll.FIRST_LOW
    assert tolls.charge(key, b"never asked for before", half, later_ms) is Toll.FREE
    assert tolls.charge(key, None, half, later_ms) is Toll.UNPAID


def test_what_is_remembered_of_an_account_is_bounded() -> None:
    tolls = Tolls()
    for number in range(1000):
        tolls.charge(bytes(32), number.to_bytes(8, "big"), 0, 0)
    (account,) = tolls._accounts.values()
    assert len(account._bits) == BITS // 8
    for number in range(1000):
        tolls.charge(number.to_bytes(32, "big"), None, 0, 0)
    assert len(tolls._accounts) == ACCOUNTS_MAX


def test_a_link_that_ends_frees_its_place(house: House) -> None:
    links = [house.link(key.key) for key in house.sybils]
    house._input(house.nodes["anna"], LinkDown(links[0]))
    again = house.link(house.sybils[-1].key)
    assert not house.closed(again)
