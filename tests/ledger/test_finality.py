"""Finality against an oracle that counts snapshot by snapshot (section 7, P2, P4, V8)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aslp2p.errors import Rejected
from aslp2p.ledger.facts import cosignatures_on
from aslp2p.ledger.finality import cosigners, counting_on, final_height
from aslp2p.ledger.history import Ledger
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, feed, policy

PEOPLE = (ANN, BEN, CLEO, DAN, EVE)


def slow_final_height(ledger: Ledger, tip: Node, cosigned: list[tuple[Node, Key]]) -> int:
    """The highest snapshot below which every policy in force at it has a quorum of those who cosigned it or
    something above it, looked for one by one."""
    for node in reversed(tip.line()):
        row = ledger._store.snapshot(node.id)
        assert row is not None
        policies = ledger.tip_at(row.branch, node.height).standing.policies
        enough = True
        for one in policies:
            count = 0
            for witness in one.witnesses:
                count += any(at.height >= node.height and by.key == witness.key for at, by in cosigned)
            enough = enough and count >= one.threshold
        if enough:
            return node.height
    return 0


def random_line(world: World, rng: random.Random) -> tuple[Node, list[tuple[Node, Key]]]:
    """Puts, perhaps a policy change, and perhaps its settlement: the tip, and what was cosigned for that."""
    node = world.puts(world.root, "first")
    change: Node | None = None
    everybody: dict[bytes, Key] = {}
    for number in range(rng.randint(3, 10)):
        kind = rng.random()
        if kind < 0.2 and change is None:
            people = rng.sample(PEOPLE, 3)
            everybody = {one.key: one for one in (*PEOPLE[:3], *people)}
            node = change = world.install(node, policy(people, 2), *everybody.values())
        elif kind < 0.35 and change is not None and node.height > change.height:
            settled = world.after(node, settlement=world.settlement(node, *everybody.values()))
            return settled, [(node, one) for one in everybody.values()]
        else:
            node = world.puts(node, f"n{number}")
    return node, []


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_finality_is_what_counting_one_by_one_finds(seed: int, rng: random.Random) -> None:
    world = World()
    tip, cosigned = random_line(world, random.Random(seed))
    ledger = world.ledger()
    feed(ledger, tip)
    for _ in range(rng.randint(0, 8)):
        node, by = rng.choice(tip.line()), rng.choice(PEOPLE)
        try:
            ledger.add_cosignature(world.cosignature(node, by))
        except Rejected:
            continue
        cosigned.append((node, by))
    assert ledger.final_height() == slow_final_height(ledger, tip, cosigned)


def test_genesis_is_final_and_nothing_else_of_itself() -> None:
    world = World()
    ledger = world.ledger()
    feed(ledger, world.chain(world.root, 2))
    assert ledger.final_height() == 0


def test_cosigning_a_snapshot_cosigns_what_it_contains() -> None:
    world = World()
    ledger = world.ledger()
    tip = world.chain(world.root, 4)
    feed(ledger, tip)
    line = tip.line()
    assert ledger.add_cosignature(world.cosignature(line[3], ANN)) is None
    assert ledger.final_height() == 0
    ledger.add_cosignature(world.cosignature(line[1], BEN))
    assert ledger.final_height() == 2
    ledger.add_cosignature(world.cosignature(line[0], BEN))  # late, and lower: it takes nothing back
    assert ledger.final_height() == 2
    store = ledger._store
    assert final_height(store, 0, 1) == 0  # as it was known by the paper on snapshots up to there
    assert set(cosigners(store, 0, 2, 4)) == {ANN.key, BEN.key}
    assert set(cosigners(store, 0, 3, 4)) == {ANN.key}
    assert {key: at for key, (at, _) in cosignatures_on(store, 0, 4).items()} == {ANN.key: 4, BEN.key: 2}
    assert counting_on(store, world.cosignature(line[0], CLEO)) == 0
    assert counting_on(store, world.cosignature(line[0], DAN)) is None


def test_what_the_old_policy_makes_final_below_an_unsettled_change() -> None:
    """Both policies are asked only from the change on (P2, P4)."""
    world = World()
    ledger = world.ledger()
    base = world.chain(world.root, 2)
    joint = world.install(base, policy((CLEO, DAN, EVE), 3), ANN, BEN, CLEO, DAN, EVE)
    tip = world.puts(joint, "x")
    feed(ledger, tip)
    ledger.add_cosignature(world.cosignature(tip, ANN))
    ledger.add_cosignature(world.cosignature(tip, BEN))
    assert ledger.final_height() == base.height
    ledger.add_cosignature(world.cosignature(joint, DAN))
    ledger.add_cosignature(world.cosignature(joint, EVE))
    ledger.add_cosignature(world.cosignature(tip, CLEO))
    assert ledger.final_height() == joint.height


def test_a_one_of_one() -> None:
    world = World(policy((ANN,), 1), members=(ANN, DAN))
    ledger = world.ledger()
    tip = world.chain(world.root, 3)
    feed(ledger, tip)
    ledger.add_cosignature(world.cosignature(tip, ANN))
    assert ledger.final_height() == 3
