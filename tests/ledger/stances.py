"""One Common in which ben can be asked everything that a key can be asked, in each stance it can have.

    root - a1 - a2 - a3                        epoch 0, ann
             \\ b2 - b3 - c4                    epoch 1, ben; c4: a takeover by cleo, epoch 6
                  \\ r3 - r4                    r3: ben hands over to cleo, epoch 5

The floor is a1, so the genesis leaves it out. ben has emitted b2 and b3, cosigned b3, and endorsed a
succession of epoch 5. Nothing decides here: what is
written to the journal is written by hand.
"""

from __future__ import annotations

from msgspec import Struct

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import PolicyChange, Proposal, Succession
from aslp2p.ledger.floor import Floor, give_floor, put_floor
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.journal import COSIGN, EMIT, ENDORSE, META_STALE
from aslp2p.ledger.reader import JournalRow, PutJournal, PutMeta, SnapshotRow
from aslp2p.ledger.stances import Ask, Stance
from aslp2p.limits import EPOCH_STRIDE
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Node, World, feed, policy

ENDORSED_EPOCH = 5
CEILING = ENDORSED_EPOCH + 1 + EPOCH_STRIDE
"""Above what c4 appoints. Where ben follows another line, his own promise makes it one less."""


class Endorsing(Struct, frozen=True):
    proposal: Verified[Proposal]

    @property
    def action(self) -> Succession | PolicyChange:
        action = self.proposal.statement.action
        assert isinstance(action, Succession | PolicyChange)
        return action


class Cosigning(Struct, frozen=True):
    row: SnapshotRow


class Emitting(Struct, frozen=True):
    epoch: int
    parent: SnapshotRow


class Scene:
    """ben's ledger and journal, in a stance."""

    def __init__(self, stance: Stance) -> None:
        self.world = world = World()
        self.a1 = world.puts(world.root, "a1")
        self.a3 = world.chain(self.a1, 2, "a")
        self.b2 = world.recover(self.a1, BEN)
        self.b3 = world.puts(self.b2, "b3")
        self.c4 = world.recover(self.b3, CLEO, CLEO, ANN, epoch=6, author=ANN)
        self.r3 = world.rotate(self.b2, CLEO, epoch=5)
        self.r4 = world.puts(self.r3, "r4")
        self.ledger = world.ledger(BEN)
        for tip in (self.a3, self.c4, self.r4):
            feed(self.ledger, tip)
        self.store.apply([put_floor(Floor(self.a1.height, self.a1.id))])
        if stance is Stance.WAITING:
            self.store.apply([give_floor(Floor(99, bytes(32)))])
        self.ledger = Ledger(self.store, own_key=BEN.key)
        self.endorsed = world.recovery(self.b3, BEN, epoch=ENDORSED_EPOCH)
        self.store.apply(
            [
                self._wrote(
                    ENDORSE, ENDORSED_EPOCH, 0, self.endorsed.id, world.endorsement(self.endorsed, BEN).raw
                ),
                self._wrote(COSIGN, 1, 3, self.b3.id, world.cosignature(self.b3, BEN).raw),
                self._wrote(EMIT, 1, 2, self.b2.id, self.b2.snapshot.raw),
                self._wrote(EMIT, 1, 3, self.b3.id, self.b3.snapshot.raw),
            ]
        )
        if stance in (Stance.PROMISED, Stance.HALTED):
            self._cosigned(self.a3)  # F1 leads back to epoch 0, below what ben has endorsed
        if stance is Stance.HALTED:
            self._cosigned(self.c4)
        if stance is Stance.STALE:
            self.store.apply([PutMeta(META_STALE, b"restored from a backup")])
        self.store.commit()

    @property
    def store(self) -> MemoryStore:
        store = self.ledger._store
        assert isinstance(store, MemoryStore)
        return store

    @staticmethod
    def _wrote(kind: str, epoch: int, height: int, subject: bytes, raw: bytes) -> PutJournal:
        return PutJournal(JournalRow(kind, epoch, height, subject, raw))

    def _cosigned(self, node: Node) -> None:
        for one in (ANN, CLEO):
            self.ledger.add_cosignature(self.world.cosignature(node, one))

    def row(self, node: Node) -> SnapshotRow:
        row = self.store.snapshot(node.id)
        assert row is not None
        return row

    def asked(self, ask: Ask) -> Endorsing | Cosigning | Emitting:
        """What ben is to sign, of which the ledger should find that it is `ask`."""
        world = self.world
        match ask:
            case Ask.ENDORSE_HIGHER:
                return Endorsing(world.recovery(self.c4, BEN, epoch=CEILING - 1))
            case Ask.ENDORSE_SAME:
                return Endorsing(self.endorsed)
            case Ask.ENDORSE_OTHER:
                return Endorsing(world.recovery(self.c4, BEN, epoch=ENDORSED_EPOCH))
            case Ask.ENDORSE_FAR:
                return Endorsing(world.recovery(self.c4, BEN, epoch=CEILING + 1))
            case Ask.ENDORSE_BEHIND:
                return Endorsing(world.recovery(self.a1, BEN, epoch=9))
            case Ask.ENDORSE_POLICY:
                return Endorsing(world.change(policy((ANN, BEN, DAN), 2)))
            case Ask.ENDORSE_OFF:
                return Endorsing(world.recovery(world.root, BEN, epoch=9))
            case Ask.COSIGN_OFF:
                return Cosigning(self.row(world.root))
            case Ask.EMIT_OFF:
                return Emitting(6, self.row(world.root))
            case Ask.COSIGN:
                return Cosigning(self.row(self.c4))
            case Ask.COSIGN_BELOW:
                return Cosigning(self.row(self.b2))
            case Ask.COSIGN_ASIDE:
                return Cosigning(self.row(self.r4))
            case Ask.EMIT:
                return Emitting(6, self.row(self.c4))
            case Ask.EMIT_OTHER:
                return Emitting(1, self.row(self.b2))
            case Ask.EMIT_ASIDE:
                return Emitting(1, self.row(self.r3))


_REFUSED_AS = {
    Ask.ENDORSE_OTHER: "S1",
    Ask.ENDORSE_FAR: "S1",
    Ask.ENDORSE_BEHIND: "S3",
    Ask.COSIGN_BELOW: "S4",
    Ask.COSIGN_ASIDE: "S5",
    Ask.ENDORSE_OFF: "F5",
    Ask.COSIGN_OFF: "F5",
    Ask.EMIT_OFF: "F5",
    Ask.EMIT_OTHER: "S1",
    Ask.EMIT_ASIDE: "S13",
}


def expected(stance: Stance, ask: Ask) -> Stance | str:
    """The stance that follows, or the rule that refuses, as docs/spec.md has it."""
    if stance is Stance.STALE:
        return "S11"
    if stance in (Stance.HALTED, Stance.WAITING):
        return stance if ask is Ask.ENDORSE_SAME else {Stance.HALTED: "F1", Stance.WAITING: "F5"}[stance]
    if ask in _REFUSED_AS:
        return _REFUSED_AS[ask]
    return Stance.PROMISED if ask is Ask.ENDORSE_HIGHER else stance
