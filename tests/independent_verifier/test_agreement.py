"""The stranger and the ledger answer alike to random histories, good and broken (sections 2 to 4).

A walk grows one tree: each step builds a snapshot on a random accepted one, good or with one thing changed in
it (then signed again), and both judge it. Both must accept, or both name the same rule; what they then know
must be the same.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aslp2p.artifacts.envelope import (
    Signed,
    decode_artifact,
    decode_as,
    sign_statement,
    verify_signature,
)
from aslp2p.artifacts.types import (
    Action,
    Admit,
    Erase,
    Expel,
    Forget,
    Policy,
    Proposal,
    Put,
    Remove,
    Rename,
    RevokeInvite,
    Shown,
    Snapshot,
)
from aslp2p.errors import ArtifactError, Incomplete, Rejected
from aslp2p.ledger.facts import Entry, path_key, read_held, unpack
from aslp2p.ledger.history import Ledger, load_tip
from tests.independent_verifier import records
from tests.independent_verifier.encoding import Refused
from tests.independent_verifier.verifier import After, Common
from tests.independent_verifier.verifier import Incomplete as Lacking
from tests.ledger.builder import ANN, Key, Node, World, bad_signature, embed, person, policy

PEOPLE = [person(name) for name in ("ann", "ben", "cleo", "dan", "eve", "fay")]
BY_KEY = {one.key: one for one in PEOPLE}
PATHS = ["a", "a/b", "a/b/c", "d", "d/e", "f"]
TALLY: Counter[str] = Counter()


class Walk:
    """One Common, known to both."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        people = rng.sample(PEOPLE[:4], rng.randint(1, 4))
        self.world = World(
            self.policy_of(people),
            witness=rng.choice(people) if rng.random() < 0.8 else ANN,
            members=PEOPLE[:4],
        )
        self.ledger = self.world.ledger()
        self.stranger = Common(self.world.genesis.raw)
        self.nodes = [self.world.root]
        self.paper: list[Signed[Proposal]] = []

    def policy_of(self, people: list[Key]) -> Policy:
        n = len(people)
        return policy(
            people,
            self.rng.randint(n // 2 + 1, n),
            rotation_allowed=self.rng.random() < 0.8,
            participants=self.rng.choice(["invited", "invited", "authorities"]),
        )

    def known(self, node: Node) -> After:
        return self.stranger.accepted[node.id]

    # --- building ---------------------------------------------------------------------------------

    def somebody(self) -> Key:
        return self.rng.choice(PEOPLE)

    def authority(self, node: Node) -> Key:
        return BY_KEY[self.rng.choice(sorted(self.known(node).authorities()))]

    def endorsers(self, node: Node, *also: Key) -> list[Key]:
        """Everybody who may be asked, or most of them."""
        asked = {*(BY_KEY[key] for key in self.known(node).authorities()), *also}
        return [one for one in PEOPLE if one in asked and self.rng.random() < 0.9]

    def action(self) -> Action:
        rng = self.rng
        path = rng.choice(PATHS)
        expects = rng.choice([None, None, b"", bytes(32), b"\x01" * 32])
        kind = rng.random()
        if kind < 0.45:
            size = rng.choice([1, 64])
            return Put(path, rng.choice([bytes(32), b"\x01" * 32]), size, "", False, 0, expects)
        if kind < 0.6:
            return Remove(path, expects)
        who = self.somebody()
        name = who.name if rng.random() < 0.8 else self.somebody().name
        if kind < 0.72:
            return Admit(who.key, name, self.token(who) if rng.random() < 0.6 else None)
        if kind < 0.76:
            return Rename(who.key, name)
        if kind < 0.8:
            return RevokeInvite(self.world.invite(self.somebody(), rng.choice([1, 2]))[0].id)
        if kind < 0.85:
            return Erase(rng.choice([bytes(32), b"\x01" * 32]), "")
        return Forget(who.key) if kind < 0.9 else Expel(who.key)

    def token(self, who: Key) -> Shown:
        """What `who`, or sometimes somebody else, shows of one of everybody's two invites."""
        rng = self.rng
        bearer = who if rng.random() < 0.9 else self.somebody()
        return self.world.shown(bearer, self.somebody(), uses=rng.choice([1, 2]))

    def ordinary(self, node: Node) -> Node:
        listed: list[Signed[Proposal]] = []
        for _ in range(self.rng.randint(0, 3)):
            listed.append(self.world.propose(self.action(), self.somebody()))
        if listed and self.rng.random() < 0.05:
            listed.append(self.rng.choice(listed))
        if node.proposals and self.rng.random() < 0.05:
            listed.append(decode_as(Proposal, self.rng.choice(node.proposals).raw))
        return self.world.after(node, *listed)

    def good(self, node: Node) -> Node:
        """One put that applies, as often as not the only way to go on from a state that refuses much."""
        put = self.world.put(f"w{self.world._salt}", node.next_signer)
        return self.world.after(node, put)

    def epoch(self, node: Node, *above: int) -> int:
        """One near the node's own, or at the end of all epochs (V6)."""
        return self.rng.choice([*[node.next_epoch + more for more in above], 2**52, 2**52 + 1])

    def rotation(self, node: Node) -> Node:
        rng, world = self.rng, self.world
        to, epoch = self.somebody(), self.epoch(node, 1, 1, 1, 2, 0)
        base = rng.choice([node, node, *node.line(), self.world.root])
        author = node.next_signer if rng.random() < 0.9 else self.somebody()
        proposal = world.rotation(base, to, max(1, epoch), author)
        by = self.endorsers(node, to)
        return world.after(
            node, proposal, certificate=world.certificate(proposal, *by), appoints=(max(1, epoch), to)
        )

    def takeover(self, node: Node) -> Node:
        rng, world = self.rng, self.world
        to, epoch = self.somebody(), self.epoch(node, 1, 1, 1, 2)
        author = self.authority(node) if rng.random() < 0.9 else self.somebody()
        base = node if rng.random() < 0.9 else rng.choice(self.nodes)
        abandons = (rng.choice(self.nodes).id,) if rng.random() < 0.3 else ()
        if rng.random() < 0.6:
            proposal = world.recovery(base, to, epoch, author, abandons)
        else:
            proposal = world.revocation(base, to, self.somebody(), epoch, author, abandons)
        by = self.endorsers(node)
        beside = [world.propose(self.action(), self.somebody())] if rng.random() < 0.2 else []
        return world.after(
            node,
            proposal,
            *beside,
            signer=to if rng.random() < 0.95 else self.somebody(),
            epoch=epoch if rng.random() < 0.95 else epoch + 1,
            certificate=world.certificate(proposal, *by),
        )

    def change(self, node: Node) -> Node:
        rng, world = self.rng, self.world
        people = rng.sample(PEOPLE, rng.randint(1, 4))
        new = self.policy_of(people)
        if rng.random() < 0.1:
            broken: list[dict[str, Any]] = [{"threshold": 0}, {"protocol": 2}, {"witnesses": ()}]
            new = replace(new, **rng.choice(broken))
        replaces = self.known(node).installed[-1].id if rng.random() < 0.9 else self.world.id
        proposal = world.change(new, replaces, self.somebody())
        by = self.endorsers(node, *people)
        beside = [world.propose(self.action(), self.somebody())] if rng.random() < 0.2 else []
        return world.after(node, proposal, *beside, certificate=world.certificate(proposal, *by))

    def erasure(self, node: Node) -> Node:
        """Of a content by a certificate, after whoever holds it has removed it, as often as not."""
        world, known = self.world, self.known(node)
        content = self.rng.choice([bytes(32), b"\x01" * 32])
        if self.rng.random() < 0.5:
            holding = [path for path, held in known.files.items() if held == content]
            if holding:
                return world.after(
                    node, *(world.propose(Remove(one, None), node.next_signer) for one in holding)
                )
        proposal = world.propose(Erase(content, ""), self.somebody())
        by = self.endorsers(node)
        return world.after(node, proposal, certificate=world.certificate(proposal, *by))

    def settlement(self, node: Node) -> Node:
        known = self.known(node)
        line = node.line()
        if self.rng.random() < 0.9:
            line = [one for one in line if one.height >= known.change_height]
        signers = self.endorsers(node) if line else []
        paper = [self.world.cosignature(self.rng.choice(line), one) for one in signers]
        listed = [self.world.put(f"s{self.world._salt}", node.next_signer)] if self.rng.random() < 0.5 else []
        return self.world.after(node, *listed, settlement=embed(paper))

    # --- breaking ---------------------------------------------------------------------------------

    def broken(self, node: Node) -> tuple[bytes, list[bytes]]:
        """`node` with one thing changed, signed again where that is of use to a liar."""
        rng, statement = self.rng, node.snapshot.statement
        proposals = [one.raw for one in node.proposals]
        changes: list[Callable[[], dict[str, Any]]] = [
            lambda: {"common_id": bytes(32)},
            lambda: {"height": statement.height + rng.choice([1, 2])},
            lambda: {"previous": rng.choice([bytes(32), *(one.id for one in self.nodes)])},
            lambda: {"epoch": statement.epoch + 1},
            lambda: {"log_size": statement.log_size + 1},
            lambda: {"log_root": bytes(32)},
            lambda: {"certificate": None if statement.certificate else ()},
            lambda: {"settlement": None if statement.settlement else ()},
            lambda: {"proposals": statement.proposals[:-1]},
            lambda: {"proposals": statement.proposals[::-1]},
            lambda: {"proposals": (*statement.proposals, *statement.proposals[:1])},
        ]
        if statement.certificate:
            papers = statement.certificate
            changes += [
                lambda: {"certificate": papers[1:]},
                lambda: {"certificate": papers[::-1]},
                lambda: {"certificate": (*papers, papers[-1])},
                lambda: {"certificate": (bad_signature(decode_artifact(papers[0])).raw, *papers[1:])},
                lambda: {"certificate": (papers[0][:-1], *papers[1:])},
                lambda: {"certificate": (node.snapshot.raw, *papers[1:])},
            ]
        if statement.settlement:
            cosigned = statement.settlement
            changes += [
                lambda: {"settlement": cosigned[1:]},
                lambda: {"settlement": cosigned[::-1]},
                lambda: {"settlement": (bad_signature(decode_artifact(cosigned[0])).raw, *cosigned[1:])},
            ]
        choice = rng.randrange(len(changes) + 4)
        if choice < len(changes):
            signer = node.signer if rng.random() < 0.9 else self.somebody()
            return sign_statement(replace(statement, **changes[choice]()), signer).raw, proposals
        if choice == len(changes):
            return sign_statement(statement, self.somebody()).raw, proposals
        if choice == len(changes) + 1:
            return bad_signature(node.snapshot).raw, proposals
        if choice == len(changes) + 2 and node.proposals:
            place = rng.randrange(len(proposals))
            proposals[place] = bad_signature(node.proposals[place]).raw
        return node.snapshot.raw, proposals[: rng.randint(0, len(proposals))]

    # --- judging ----------------------------------------------------------------------------------

    def step(self) -> None:
        rng = self.rng
        node = rng.choice(self.nodes[-3:] if rng.random() < 0.8 else self.nodes)
        joint = len(self.known(node).installed) == 2
        make = rng.choices(
            [
                *(self.ordinary, self.good, self.rotation, self.takeover),
                *(self.change, self.settlement, self.erasure),
            ],
            [4, 3, 3, 3, 2, 4 if joint else 0.3, 1],
        )[0]
        child = make(node)
        if rng.random() < 0.4:
            self.judge(*self.broken(child), None)
        self.judge(child.snapshot.raw, [one.raw for one in child.proposals], child)

    def judge(self, snapshot: bytes, proposals: list[bytes], node: Node | None) -> None:
        found = decode_as(Snapshot, snapshot)
        if self.ledger._store.snapshot(found.id) is not None:
            return
        ours = our_answer(self.ledger, found, [decode_as(Proposal, raw) for raw in proposals])
        theirs = their_answer(self.stranger, snapshot, proposals)
        assert ours == theirs
        TALLY[ours] += 1
        if ours == "accepted":
            if node is not None:
                self.nodes.append(node)
            self.compare(found.id)

    def compare(self, id_: bytes) -> None:
        """What both know after an accepted snapshot."""
        row = self.ledger._store.snapshot(id_)
        assert row is not None
        tip, known = load_tip(self.ledger._store, row.branch, row.height), self.stranger.accepted[id_]
        standing = tip.standing
        assert (standing.next_epoch, standing.next_witness) == known.appoints
        assert [one.id for one in standing.installed] == [one.id for one in known.installed]
        assert standing.change_height == known.change_height
        assert standing.reign_height == known.reign()[-1].height
        assert {key: (one.name, one.status) for key, one in tip.members.items()} == known.members
        named = {key for key, one in tip.members.items() if one.kept}
        assert named == known.said.named & known.members.keys()
        held = {
            key[1:]: read_held(value)
            for key, value, _ in self.ledger._store.facts(row.branch, b"u", row.height)
        }
        assert {content for content, one in held.items() if one and one.erased} == known.said.erased
        assert (tip.frontier.size, row.log_size) == (len(known.log), len(known.log))
        facts = self.ledger._store.facts(row.branch, b"t", row.height)
        assert {key: unpack(Entry, value).content for key, value, _ in facts} == {
            path_key(path): content for path, content in known.files.items()
        }


def our_answer(ledger: Ledger, snapshot: Signed[Snapshot], proposals: list[Signed[Proposal]]) -> str:
    try:
        ledger.accept(snapshot, proposals)
    except (Rejected, ArtifactError) as refused:
        return refused.rule
    except Incomplete:
        return "incomplete"
    return "accepted"


def their_answer(stranger: Common, snapshot: bytes, proposals: list[bytes]) -> str:
    try:
        stranger.accept(snapshot, proposals)
    except Refused as refused:
        return refused.rule
    except Lacking:
        return "incomplete"
    return "accepted"


def walks(seeds: range, steps: int) -> None:
    TALLY.clear()
    for seed in seeds:
        walk = Walk(seed)
        for _ in range(steps):
            walk.step()
    wanted = {"accepted", "incomplete", "A3", "A5", "P1", "P3", "P4", "P6", "S9"}
    wanted |= {f"V{number}" for number in range(1, 9)}
    assert wanted <= TALLY.keys(), TALLY
    assert TALLY["accepted"] > sum(TALLY.values()) / 5


def test_random_histories() -> None:
    walks(range(40), 40)


@pytest.mark.long
def test_many_random_histories() -> None:
    walks(range(1000, 3000), 60)


def reading(raw: bytes) -> str:
    try:
        verify_signature(decode_artifact(raw))
    except ArtifactError as refused:
        return refused.rule
    return "good"


def their_reading(raw: bytes) -> str:
    try:
        records.read(raw).verify()
    except Refused as refused:
        return refused.rule
    return "good"


SAMPLES = [
    (world := World()).genesis.raw,
    world.put("a/b").raw,
    world.revocation(world.root, ANN, ANN, abandons=(bytes(32),)).raw,
    world.rotate(world.root, PEOPLE[1]).signed.raw,
    world.admit(PEOPLE[4], token=world.shown(PEOPLE[4])).raw,
    world.invite()[0].raw,
    world.cosignature(world.puts(world.root, "x"), ANN).raw,
]


@given(st.sampled_from(SAMPLES), st.data())
def test_changed_bytes_are_read_alike(good: bytes, data: st.DataObject) -> None:
    """Bytes that break A3 and A4 at once may be refused with either; all else must be the same."""
    raw = bytearray(good)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place]
    ours, theirs = reading(bytes(raw)), their_reading(bytes(raw))
    assert ours == theirs or {ours, theirs} == {"A3", "A4"}
