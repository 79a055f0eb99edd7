"""The Merkle log against RFC 9162's own recursive definitions, written literally, and published vectors."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.merkle import (
    EMPTY_ROOT,
    Frontier,
    TiledNodes,
    TreeNode,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_inclusion,
)
from aslp2p.errors import ArtifactError, InvariantBroken
from aslp2p.limits import LOG_SIZE_MAX, TILE_LEVEL

TILE = 2**TILE_LEVEL


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word by word."""
    n = len(leaves)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(n)
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def rfc_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1, word by word."""
    n = len(leaves)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*rfc_path(m, leaves[:k]), mth(leaves[k:])]
    return [*rfc_path(m - k, leaves[k:]), mth(leaves[:k])]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def some_leaves(count: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(32) for _ in range(count)]


class Log:
    """Leaves and the kept nodes, as a store would have them; counts what is read."""

    def __init__(self, leaves: Sequence[bytes], kept: Sequence[TreeNode]) -> None:
        self.leaves = leaves
        self.kept = {(node.level, node.number): node.hash for node in kept}
        self.leaves_read = 0

    def leaf_ids(self, start: int, stop: int) -> Sequence[bytes]:
        self.leaves_read += stop - start
        return self.leaves[start:stop]

    def stored(self, level: int, index: int) -> bytes | None:
        return self.kept.get((level, index))

    def nodes(self) -> TiledNodes:
        return TiledNodes(self.leaf_ids, self.stored)


REFERENCE_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
REFERENCE_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
REFERENCE_PATH_0_OF_8 = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_certificate_transparency_reference_leaves(size: int) -> None:
    frontier, _ = Frontier().extend(REFERENCE_LEAVES[:size])
    assert frontier.root().hex() == REFERENCE_ROOTS[size]


def test_a_path_of_the_certificate_transparency_reference_leaves() -> None:
    log = Log(REFERENCE_LEAVES, [])
    path = inclusion_proof(0, 8, log.nodes())
    assert tuple(node.hex() for node in path) == REFERENCE_PATH_0_OF_8


@pytest.mark.parametrize("size", range(71))
def test_every_small_tree_is_the_one_of_the_rfc(size: int) -> None:
    leaves = some_leaves(size)
    one_by_one = Frontier()
    for leaf in leaves:
        one_by_one = one_by_one.append(leaf)
    at_once, completed = Frontier().extend(leaves)
    root = mth(leaves)
    assert one_by_one == at_once
    assert at_once.size == size
    assert at_once.root() == root
    assert completed == []  # nothing reaches a tile's root yet
    nodes = Log(leaves, []).nodes()
    for index, leaf in enumerate(leaves):
        path = inclusion_proof(index, size, nodes)
        assert list(path) == rfc_path(index, leaves)
        assert verify_inclusion(leaf, index, size, path, root)


def test_the_empty_tree() -> None:
    assert Frontier().root() == EMPTY_ROOT == mth([])
    assert Frontier().extend([]) == (Frontier(), [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=9), st.integers(0, 2**32), st.data())
def test_any_way_of_extending_gives_the_rfc_tree(batches: list[int], seed: int, data: st.DataObject) -> None:
    leaves = some_leaves(sum(batches), seed)
    frontier, kept, done = Frontier(), [], 0
    for count in batches:
        frontier, completed = frontier.extend(leaves[done : done + count])
        assert completed == sorted(completed)
        kept += completed
        done += count
    size = len(leaves)
    assert frontier == Frontier().extend(leaves)[0]
    assert frontier.root() == mth(leaves)
    assert Frontier.decode(frontier.encode()) == frontier
    every = {(level, index) for level in range(TILE_LEVEL, 14) for index in range(size >> level)}
    assert len(kept) == len(every)  # each once
    assert {node[:2] for node in kept} == every
    for level, index, node in kept:
        assert node == mth(leaves[index << level : (index + 1) << level])
    if size:
        index = data.draw(st.integers(0, size - 1))
        log = Log(leaves, kept)
        path = inclusion_proof(index, size, log.nodes())
        assert list(path) == rfc_path(index, leaves)
        assert verify_inclusion(leaves[index], index, size, path, frontier.root())
        assert log.leaves_read < 2 * TILE


def test_append_goes_on_from_a_large_tree_without_its_leaves() -> None:
    leaves = some_leaves(5000)
    frontier = Frontier.decode(Frontier().extend(leaves[:4095])[0].encode())
    for leaf in leaves[4095:]:
        frontier = frontier.append(leaf)
    assert frontier.root() == mth(leaves)


def test_an_older_frontier_is_untouched_by_what_is_built_on_it() -> None:
    leaves = some_leaves(12)
    base, _ = Frontier().extend(leaves[:7])
    one, _ = base.extend(leaves[7:])
    other = base.append(leaves[11])
    assert base.root() == mth(leaves[:7])
    assert one.root() == mth(leaves)
    assert other.root() == mth([*leaves[:7], leaves[11]])


def test_a_node_that_was_not_kept_is_computed_from_those_below() -> None:
    leaves = some_leaves(5 * TILE)
    frontier, kept = Frontier().extend(leaves)
    log = Log(leaves, [node for node in kept if node.number != 0])
    path = inclusion_proof(4 * TILE, len(leaves), log.nodes())
    assert list(path) == rfc_path(4 * TILE, leaves)
    assert verify_inclusion(leaves[4 * TILE], 4 * TILE, len(leaves), path, frontier.root())


def test_missing_leaves_give_no_proof() -> None:
    with pytest.raises(InvariantBroken, match="not all there"):
        inclusion_proof(0, 9, Log(some_leaves(8), []).nodes())


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 4), (4, 4), (0, LOG_SIZE_MAX + 1)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(InvariantBroken, match="no proof"):
        inclusion_proof(index, size, Log(some_leaves(4), []).nodes())
    assert not verify_inclusion(b"", index, size, (), EMPTY_ROOT)


@pytest.mark.parametrize("size", range(1, 34))
def test_any_change_breaks_the_proof(size: int) -> None:
    leaves = some_leaves(size)
    root = mth(leaves)
    for index, leaf in enumerate(leaves):
        path = rfc_path(index, leaves)
        assert verify_inclusion(leaf, index, size, path, root)
        assert not verify_inclusion(flip(leaf), index, size, path, root)
        assert not verify_inclusion(leaf, index, size, path, flip(root))
        assert not verify_inclusion(leaf_hash(leaf), index, size, path, root)
        for other in range(-1, size + 2):
            assert verify_inclusion(leaf, other, size, path, root) == (other == index)
        for position in range(len(path)):
            changed = [*path[:position], flip(path[position]), *path[position + 1 :]]
            assert not verify_inclusion(leaf, index, size, changed, root)
            assert not verify_inclusion(leaf, index, size, [*path[:position], *path[position + 1 :]], root)
        assert not verify_inclusion(leaf, index, size, [*path, path[-1] if path else root], root)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_proof_does_not_carry_over_to_another_tree(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path = rfc_path(index, leaves)
    other = data.draw(st.integers(1, 600).filter(lambda value: value != size))
    assert not verify_inclusion(leaves[index], index, other, path, mth(some_leaves(other)))


def test_a_leaf_and_an_interior_node_cannot_trade_places() -> None:
    leaves = some_leaves(2)
    left, right = map(leaf_hash, leaves)
    assert not verify_inclusion(left + right, 0, 1, (), mth(leaves))
    # Were siblings of any length taken, this would be a proof: the same bytes, cut elsewhere.
    assert node_hash(left, right) == node_hash(left + right[:1], right[1:])
    assert not verify_inclusion(leaves[0], 0, 2, (right, b""), mth(leaves))
    assert not verify_inclusion(leaves[0], 0, 2, (right[:-1],), node_hash(left, right[:-1]))


def test_a_path_above_the_bound_is_not_looked_at() -> None:
    class Unread(tuple[bytes, ...]):
        def __iter__(self) -> None:  # type: ignore[override]
            raise AssertionError("looked at")

    assert not verify_inclusion(bytes(32), 0, LOG_SIZE_MAX, Unread([bytes(32)] * 65), bytes(32))


def test_the_largest_tree_is_proved_within_the_bound() -> None:
    leaf, size = bytes(32), LOG_SIZE_MAX
    path = inclusion_proof(size - 1, size, lambda level, index: sha256(b"%d %d" % (level, index)).digest())
    root = leaf_hash(leaf)
    for node in path:  # every sibling of the last leaf of 2**53 - 1 is to its left
        root = node_hash(node, root)
    assert len(path) == 52
    assert verify_inclusion(leaf, size - 1, size, path, root)


def test_a_frontier_of_the_wrong_length_is_refused() -> None:
    good = Frontier().extend(some_leaves(11))[0].encode()
    for bad in (b"", good[:7], good[:-1], good + b"\x00", good[:-32], good + bytes(32), bytes(8) + bytes(32)):
        with pytest.raises(ArtifactError) as caught:
            Frontier.decode(bad)
        assert caught.value.rule == "A3"
    with pytest.raises(ArtifactError) as caught:
        Frontier.decode((LOG_SIZE_MAX + 1).to_bytes(8, "big") + bytes(32))
    assert caught.value.rule == "A4"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_frontier_or_a_named_error(data: bytes) -> None:
    try:
        frontier = Frontier.decode(data)
    except ArtifactError:
        return
    assert frontier.encode() == data


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
