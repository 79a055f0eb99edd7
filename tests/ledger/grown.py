"""A Common that has outgrown its founder, and what the founder's key can still sign.

    root - low - change - settled - moved - … - tip        1 of 1 of ann, then 2 of 3 of ben, cleo and dan

ann is the witness until `moved`, where ben takes over. From then on her key is worth nothing: whoever holds
it signs what it likes upon `low`, where it was a quorum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aslp2p.ledger.history import Ledger
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, feed, policy

NEW = policy((BEN, CLEO, DAN), 2)


@dataclass
class Grown:
    """The world and its honest line."""

    world: World = field(default_factory=lambda: World(policy((ANN,), 1), members=(ANN, BEN, CLEO, DAN, EVE)))

    def __post_init__(self) -> None:
        world = self.world
        self.low = world.puts(world.root, "low")
        self.change = world.install(self.low, NEW, ANN, BEN, CLEO)
        self.settled = world.after(self.change, settlement=world.settlement(self.change, ANN, BEN, CLEO))
        self.moved = world.rotate(self.settled, BEN, BEN, CLEO, epoch=1)
        self.tip = world.chain(self.moved, 4)

    def ledger(self, own: Key | None = None) -> Ledger:
        """Who lived through it all, and has heard that the tip is final."""
        ledger = self.world.ledger(own)
        feed(ledger, self.tip)
        cosign(ledger, self.world, self.tip, BEN, CLEO, DAN)
        return ledger

    def rival(self, *, epoch: int = 2, abandons: tuple[bytes, ...] = (), base: Node | None = None) -> Node:
        """A takeover by the retired key alone, and a snapshot upon it."""
        taken = self.world.recover(base or self.low, ANN, ANN, epoch=epoch, author=ANN, abandons=abandons)
        return self.world.puts(taken, "rival")


def cosign(ledger: Ledger, world: World, node: Node, *by: Key) -> None:
    """Let each of `by` cosign a node that the ledger has."""
    for one in by:
        ledger.add_cosignature(world.cosignature(node, one))


def store_of(ledger: Ledger) -> MemoryStore:
    store = ledger._store
    assert isinstance(store, MemoryStore)
    return store


def reopened(ledger: Ledger, own: Key | None = None) -> Ledger:
    """The ledger after a restart, with the answers that it had before."""
    store_of(ledger).commit()
    again = Ledger(ledger._store, own_key=own.key if own else b"")
    for name in ("head", "floor", "evidence", "waits_for_floor"):
        assert getattr(again, name) == getattr(ledger, name), name
    assert again.final_height() == ledger.final_height()
    assert again.conflict() == ledger.conflict()
    return again
