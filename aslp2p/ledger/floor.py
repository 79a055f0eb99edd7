"""The floor of a node: the policy change below which it goes back for nobody (F5).

It is the snapshot that carries a policy change, the genesis at first. A line that leaves it out is never
adopted and counts for nothing, so that a quorum that has retired has no power. The floor is on disk before it
is acted upon; it is read when the node starts and never computed again.

A *given* floor is what an invite, a bundle or a person told before the first contact: nothing is adopted
until that snapshot is known.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.ledger.reader import PutMeta, Reader, Write
from aslp2p.limits import MIB

META_FLOOR = "floor"
META_FLOOR_MOVES = "floor-moves"
META_GIVEN_FLOOR = "floor-given"
FLOOR_BYTES_MAX = 64


FLOOR_MOVES_MAX = 256
"""Of which the log tells: the first ones and the last ones stay."""


class Floor(Struct, frozen=True, array_like=True):
    """A policy change, or the genesis: the snapshot that carries it."""

    height: int
    id: bytes

    def encode(self) -> bytes:
        """The canonical `[height, id]`."""
        return canonical.encode([self.height, self.id])

    @classmethod
    def decode(cls, data: bytes) -> Floor:
        """What `encode` made. Raises `ArtifactError` (A3, A4) for other bytes than canonical ones."""
        return msgspec.convert(canonical.decode(data, bytes_max=FLOOR_BYTES_MAX), cls, builtin_types=(bytes,))


def read_floor(reader: Reader) -> Floor | None:
    """The floor of this node; None before it has a genesis."""
    raw = reader.meta(META_FLOOR)
    return None if raw is None else Floor.decode(raw)


def read_given_floor(reader: Reader) -> Floor | None:
    """The floor that this node was given, if it was: it says nothing of whether that snapshot is here."""
    raw = reader.meta(META_GIVEN_FLOOR)
    return None if raw is None else Floor.decode(raw)


GENESIS_FLOOR = Floor(0, bytes(32))
"""What every line stands on, whatever its genesis."""


class FloorMove(Struct, frozen=True, array_like=True):
    """A person here moved the floor where the rules would not have."""

    old: Floor
    new: Floor
    at_ms: int
    """This machine's clock."""


def read_floor_moves(reader: Reader) -> list[FloorMove]:
    """Every move of the floor by a person, oldest first; kept for ever."""
    raw = reader.meta(META_FLOOR_MOVES)
    value = [] if raw is None else canonical.decode(raw, bytes_max=MIB)
    return msgspec.convert(value, list[FloorMove], builtin_types=(bytes,))


def log_floor_move(reader: Reader, move: FloorMove) -> Write:
    """What adds `move` to the log."""
    moves = [*read_floor_moves(reader), move]
    if len(moves) > FLOOR_MOVES_MAX:
        del moves[FLOOR_MOVES_MAX // 2]
    return PutMeta(META_FLOOR_MOVES, canonical.encode(msgspec.to_builtins(moves, builtin_types=(bytes,))))


def stands_on(reader: Reader, branch: int, height: int, floor: Floor) -> bool:
    """Whether the line to the snapshot at (branch, height) contains the floor (F5)."""
    if floor.height == 0 or height < floor.height:
        return floor.height == 0
    row = reader.snapshot_at(branch, floor.height)
    return row is not None and row.id == floor.id


def put_floor(floor: Floor) -> Write:
    """What makes `floor` this node's floor; only the ledger writes it."""
    return PutMeta(META_FLOOR, floor.encode())


def give_floor(floor: Floor) -> Write:
    """What an invite or a bundle made for joining leaves behind, before the first contact (section 11)."""
    return PutMeta(META_GIVEN_FLOOR, floor.encode())
