"""The Merkle log read back from the store: the same frontier, and proofs that anybody can check (V7)."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.merkle import verify_inclusion
from aslp2p.artifacts.types import Snapshot
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.facts import tile_key
from aslp2p.ledger.history import Ledger, load_tip
from aslp2p.ledger.tree import leaf_ids, load_frontier, prove_inclusion
from tests.ledger.builder import BEN, Node, World, feed


def grow(world: World, node: Node, count: int, prefix: str) -> Node:
    return world.after(node, *(world.put(f"{prefix}/{number}") for number in range(count)))


@pytest.fixture(scope="module")
def grown() -> tuple[World, Ledger, Node]:
    """Three full tiles of 256 and a bit, over snapshots of many sizes, one of none."""
    world = World()
    node = world.root
    for number, count in enumerate((1, 200, 0, 70, 3, 300, 250, 1)):
        node = grow(world, node, count, f"d{number}")
    ledger = world.ledger()
    feed(ledger, node)
    return world, ledger, node


def test_the_frontier_comes_back_at_every_height(grown: tuple[World, Ledger, Node]) -> None:
    _, ledger, tip = grown
    for node in tip.line():
        row = ledger._store.snapshot(node.id)
        assert row is not None
        assert load_frontier(ledger._store, 0, row) == node.frontier
        assert load_tip(ledger._store, 0, node.height).frontier == node.frontier


def test_every_proposal_is_proved_under_the_root_that_is_signed(grown: tuple[World, Ledger, Node]) -> None:
    _, ledger, tip = grown
    ids = [proposal.id for node in tip.line() for proposal in node.proposals]
    assert list(leaf_ids(ledger._store, 0, 0, len(ids))) == ids
    row = ledger._store.snapshot(tip.id)
    assert row is not None
    statement = decode_as(Snapshot, row.raw).statement
    assert statement.log_size == len(ids)
    for index in (0, 1, 200, 201, 255, 256, 511, 512, 767, 768, len(ids) - 1):
        path = prove_inclusion(ledger._store, 0, row, index)
        assert verify_inclusion(ids[index], index, statement.log_size, path, statement.log_root)
        assert not verify_inclusion(ids[index - 1], index, statement.log_size, path, statement.log_root)


def test_tiles_are_kept_as_facts(grown: tuple[World, Ledger, Node]) -> None:
    _, ledger, tip = grown
    kept = {key for key, _, _ in ledger._store.facts(0, b"h", tip.height)}
    assert kept == {tile_key(8, 0), tile_key(8, 1), tile_key(8, 2), tile_key(9, 0)}


def test_many_small_snapshots_and_a_branch() -> None:
    world = World()
    base = world.chain(world.root, 150)
    taken = world.chain(world.recover(base.line()[99], BEN), 80, "b")
    ledger = world.ledger()
    feed(ledger, base, taken)
    for branch, tip in ((0, base), (1, taken)):
        ids = [proposal.id for node in tip.line() for proposal in node.proposals]
        row = ledger._store.snapshot(tip.id)
        assert row is not None and row.branch == branch
        assert list(leaf_ids(ledger._store, branch, 0, len(ids))) == ids
        assert list(leaf_ids(ledger._store, branch, 90, 130)) == ids[90:130]
        assert load_frontier(ledger._store, branch, row) == tip.frontier


def test_a_log_that_ends_too_early_is_a_bug(grown: tuple[World, Ledger, Node]) -> None:
    _, ledger, tip = grown
    assert leaf_ids(ledger._store, 0, 5, 5) == []
    for start, stop in ((0, tip.frontier.size + 1), (tip.frontier.size, tip.frontier.size + 1)):
        with pytest.raises(InvariantBroken):
            leaf_ids(ledger._store, 0, start, stop)
