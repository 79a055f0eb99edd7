"""A machine's disk: the store in memory, with what can happen to a disk.

Power cuts lose what was not committed (`rollback`); a lit `fuse` makes the power fail before a commit or
right after it. A full disk refuses every commit that writes; a failing one refuses the n-th operation from
now, in the middle of a step or at its commit. `copy` is a disk image:
put back later it is a restored backup, put into another machine a copied key (S11). Faults are of the level
of transactions; torn bytes belong to the tests of the real store.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from aslp2p.errors import DiskFault
from aslp2p.ledger.reader import PutJournal, Write
from aslp2p.store.memory import MemoryStore


class PowerFailed(BaseException):
    """The machine is off from here on; no part of it can do anything about that."""


class Disk(MemoryStore):
    """A `MemoryStore` that can be full, fail, lose power, and be copied with its faults left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.fails_in: int | None = None
        """Operations until one fails; it and all after it fail until this is None again."""
        self.fuse: int | None = None
        """Points (before a commit, after it, after each effect) until the power fails."""
        self.dirty = False
        """Whether something was written that is not committed."""
        self.written = 0
        """How often something was written."""
        self._promising: list[bytes] = []
        self._signatures: set[bytes] = set()

    def apply(self, writes: Iterable[Write]) -> None:
        writes = list(writes)
        if not writes:
            return
        self._operate()
        self.dirty = True
        self.written += 1
        super().apply(writes)
        self._promising += [write.row.raw[-64:] for write in writes if type(write) is PutJournal]

    def commit(self) -> None:
        """Raises `DiskFault` when the disk is full or fails; then the caller rolls back. Raises
        `PowerFailed`."""
        self.burn()
        if self.dirty:
            self._operate()
            if self.full:
                raise DiskFault("the disk is full")
            self.dirty = False
            self._signatures.update(self._promising)
            self._promising.clear()
            super().commit()
        self.burn()

    def burn(self) -> None:
        """One point nearer to the end of the fuse, if one is lit. Raises `PowerFailed` at its end."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.fuse = None
                raise PowerFailed

    def rollback(self) -> None:
        self.dirty = False
        self._promising.clear()
        super().rollback()

    def _operate(self) -> None:
        if self.fails_in is not None:
            if self.fails_in <= 0:
                raise DiskFault("the disk does not answer")
            self.fails_in -= 1

    def repair(self) -> None:
        """Make room, plug the cable in again."""
        self.full = False
        self.fails_in = None

    def copy(self) -> Disk:
        """An independent disk that holds what is committed here."""
        image = Disk()
        vars(image).update(vars(self.clone()))
        image._signatures = self._signatures.copy()
        return image

    # --- for who looks from outside -------------------------------------------------------------------

    def every_artifact(self) -> list[bytes]:
        """The raw bytes of every stored artifact that is no snapshot, in order of arrival."""
        return [row.raw for _, row in self._artifacts.values()]

    def every_snapshot(self) -> list[bytes]:
        """The raw bytes of every accepted snapshot, the genesis among them."""
        return [row.raw for row in self._snapshots.values()]

    def every_content(self) -> frozenset[bytes]:
        """The ids of all contents here."""
        return frozenset(self._content)

    @property
    def signatures(self) -> Set[bytes]:
        """The signatures of all promises that a power cut would leave in the journal."""
        return self._signatures

    def every_promise(self) -> list[bytes]:
        """The raw bytes of the signing journal."""
        return [row.raw for rows in self._journal.values() for row in rows]
