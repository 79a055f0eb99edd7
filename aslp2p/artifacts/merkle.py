"""The Merkle log over all proposal ids since genesis: RFC 9162 (and 6962) tree hashes and inclusion proofs.

How it works. The tree over n leaves is a row of complete subtrees, one for each bit set in n, largest first:
their roots are the *peaks*. Peaks and size are all that is needed to go on appending, so that is what a
`Frontier` holds (at most 53 hashes, whatever the history). The root folds the peaks from the right.

Nodes are named (level, number): level 0 is the leaf hashes, node (l, i) covers leaves i * 2**l to (i + 1) *
2**l - 1, and exists once all of them do; from then on it never changes. A proof for leaf m consists of
complete nodes, and of folds of complete nodes at the right edge. Whoever keeps the nodes of level
`TILE_LEVEL` and above, which `Frontier.extend` reports as they complete (one for every 128 leaves), needs
besides them only the leaves of two tiles of 256: that of m, and the unfinished one at the right edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from aslp2p.errors import ArtifactError, InvariantBroken
from aslp2p.limits import LOG_SIZE_MAX, PROOF_NODES_MAX, TILE_LEVEL

HASH_BYTES = 32
SIZE_BYTES = 8
EMPTY_ROOT = sha256(b"").digest()

NodeSource = Callable[[int, int], bytes]
"""The hash of the complete node (level, number)."""


class TreeNode(NamedTuple):
    """A complete interior node: its level, its number on that level from 0, its hash."""

    level: int
    number: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data): the level 0 node of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def _fold(peaks: Sequence[bytes]) -> bytes:
    """The tree hash over complete subtrees, largest first; there is at least one."""
    result = peaks[-1]
    for position in range(len(peaks) - 2, -1, -1):
        result = node_hash(peaks[position], result)
    return result


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves as its peaks, largest first. Immutable: each branch of history has its own."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The frontier with one more leaf, for who wants no completed nodes."""
        node = sha256(b"\x00" + leaf).digest()
        peaks = self.peaks
        carries = (~self.size & (self.size + 1)).bit_length() - 1  # the ones at the low end of size
        for position in range(len(peaks) - 1, len(peaks) - carries - 1, -1):
            node = sha256(b"\x01" + peaks[position] + node).digest()
        return Frontier(self.size + 1, (*peaks[: len(peaks) - carries], node))

    def extend(self, leaves: Iterable[bytes]) -> tuple[Frontier, list[TreeNode]]:
        """The frontier with `leaves` appended, and the nodes at `TILE_LEVEL` and above that this completes.

        Those come by level, then number. Measured: 0.8 µs a leaf by the hundred, 3.6 µs for one alone.
        """
        sha = sha256
        nodes = [sha(b"\x00" + leaf).digest() for leaf in leaves]
        size = self.size + len(nodes)
        peaks = list(self.peaks)
        edge: list[bytes] = []  # the new peaks, smallest first
        completed: list[TreeNode] = []
        level = 0
        first = self.size  # the index, on this level, of nodes[0]
        while nodes:
            if level >= TILE_LEVEL:
                completed += [TreeNode(level, first + offset, node) for offset, node in enumerate(nodes)]
            if first & 1:  # the peak of this level finds its sibling
                nodes.insert(0, peaks.pop())
            if len(nodes) & 1:
                edge.append(nodes.pop())
            nodes = [
                sha(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=True)
            ]
            first >>= 1
            level += 1
        peaks.extend(reversed(edge))
        return Frontier(size, tuple(peaks)), completed

    def root(self) -> bytes:
        """The RFC 9162 tree hash: 32 bytes."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT

    def encode(self) -> bytes:
        """The size as 8 bytes, big-endian, and the peaks: 8 to 1,704 bytes."""
        return self.size.to_bytes(SIZE_BYTES, "big") + b"".join(self.peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """The frontier that `encode` wrote.

        Raises `ArtifactError` citing A3 (wrong length) or A4 (size above `LOG_SIZE_MAX`).
        """
        if len(data) < SIZE_BYTES:
            raise ArtifactError("A3", f"a Merkle frontier of {len(data)} bytes; it has at least {SIZE_BYTES}")
        size = int.from_bytes(data[:SIZE_BYTES], "big")
        if size > LOG_SIZE_MAX:
            raise ArtifactError("A4", f"a Merkle log of {size} leaves; at most {LOG_SIZE_MAX} are allowed")
        expected = SIZE_BYTES + HASH_BYTES * size.bit_count()
        if len(data) != expected:
            raise ArtifactError(
                "A3", f"a Merkle frontier of size {size} has {expected} bytes, not {len(data)}"
            )
        peaks = (data[start : start + HASH_BYTES] for start in range(SIZE_BYTES, expected, HASH_BYTES))
        return cls(size, tuple(peaks))


def _range_hash(start: int, stop: int, node: NodeSource) -> bytes:
    """The tree hash of leaves start to stop - 1; start is a multiple of a power of two ≥ stop - start."""
    peaks = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        peaks.append(node(level, start >> level))
        start += 1 << level
    return _fold(peaks)


def inclusion_proof(index: int, size: int, node: NodeSource) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 9162 section 2.1.3.1, nearest the leaf first; at most 53 hashes.

    Raises `InvariantBroken` if there is no such leaf, and what `node` raises.
    """
    if not 0 <= index < size <= LOG_SIZE_MAX:
        raise InvariantBroken(f"no proof for leaf {index} in a Merkle log of {size}")
    path = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)  # start + the largest power of two below
        if index < middle:
            path.append(_range_hash(middle, stop, node))
            stop = middle
        else:
            path.append(_range_hash(start, middle, node))
            start = middle
    path.reverse()
    return tuple(path)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that `leaf` (the data: a proposal id) is leaf `index` of the `size` under `root`.

    RFC 9162 section 2.1.3.2, for any input from anybody: out of bounds is not proved. Computes at most 65
    hashes. `size` and `root` must come from one snapshot: a root alone does not bind its size.
    """
    if not 0 <= index < size <= LOG_SIZE_MAX or len(path) > PROOF_NODES_MAX:
        return False
    fn, sn = index, size - 1
    result = leaf_hash(leaf)
    for sibling in path:
        if sn == 0 or len(sibling) != HASH_BYTES:  # of any other length, left and right could trade bytes
            return False
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            result = node_hash(result, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and result == root


@dataclass(frozen=True, slots=True)
class TiledNodes:
    """Any complete node, from the kept nodes of level `TILE_LEVEL` and above and the leaves: a `NodeSource`.

    `leaf_ids(start, stop)` gives the leaf data start to stop - 1; `stored(level, number)` a kept node, or
    None where it was not kept: then it is computed from those below, which reads all its leaves.
    """

    leaf_ids: Callable[[int, int], Sequence[bytes]]
    stored: Callable[[int, int], bytes | None]

    def __call__(self, level: int, number: int) -> bytes:
        """The hash of node (level, number). Raises `InvariantBroken` if the leaves are not all there."""
        if level < TILE_LEVEL:
            return self._from_leaves(level, number)
        if (kept := self.stored(level, number)) is not None:
            return kept
        if level == TILE_LEVEL:
            return self._from_leaves(level, number)
        return node_hash(self(level - 1, 2 * number), self(level - 1, 2 * number + 1))

    def _from_leaves(self, level: int, number: int) -> bytes:
        start, stop = number << level, (number + 1) << level
        leaves = self.leaf_ids(start, stop)
        if len(leaves) != stop - start:
            raise InvariantBroken(f"leaves {start} to {stop - 1} of the Merkle log are not all there")
        return Frontier().extend(leaves)[0].root()
