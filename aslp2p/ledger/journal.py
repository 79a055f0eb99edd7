"""What the signing journal says of a floor (F5a, F5b).

The journal keeps every promise for ever. Of them only those bind that stand on the floor: an endorsement
whose base contains it, a cosignature whose snapshot does. What cannot be told, as that snapshot or proposal
is not here, binds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Proposal, Succession
from aslp2p.ledger.finality import first_change
from aslp2p.ledger.floor import Floor, stands_on
from aslp2p.ledger.reader import JournalRow, Reader

ENDORSE, COSIGN, EMIT, ENDORSE_POLICY = "endorse", "cosign", "emit", "policy"
META_STALE = "stale-key"
PAGE = 256
"""Promises that are read at once."""


class Journal:
    """The promises of one journal that stand on a floor. It remembers the last answers: they are asked for at
    every step, and a key that has promised nothing above a new floor has a long journal below it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[tuple[Floor, JournalRow], JournalRow | None]] = {}

    def last_cosigned(self, floor: Floor) -> JournalRow | None:
        """The last snapshot on the floor that this key cosigned."""
        return self._remembered(COSIGN, floor, lambda rows: next(rows, None))

    def last_endorsed(self, floor: Floor) -> JournalRow | None:
        """The succession of the highest epoch that this key endorsed on the floor: the last one (S1), unless
        a person moved the floor aside."""
        return self._remembered(
            ENDORSE, floor, lambda rows: max(rows, key=lambda row: row.epoch, default=None)
        )

    def _remembered(
        self, kind: str, floor: Floor, choose: Callable[[Iterator[JournalRow]], JournalRow | None]
    ) -> JournalRow | None:
        newest = next(iter(self._reader.journal(kind)), None)
        if newest is None:
            return None
        known = self._known.get(kind)
        if known is None or known[0] != (floor, newest):
            found = choose(row for row in _every(self._reader, kind) if binds(self._reader, floor, row))
            self._known[kind] = known = (floor, newest), found
        return known[1]

    def took_part(self, floor: Floor) -> frozenset[Floor]:
        """The policy changes next above the floor, on any branch, at or above which this key cosigned (F5a).
        A key whose journal is in doubt (S11) took part in nothing that is known."""
        reader = self._reader
        if reader.meta(META_STALE) is not None:
            return frozenset()
        highest: dict[int, int] = {}
        for promise in _every(reader, COSIGN):
            row = reader.snapshot(promise.subject) if promise.height > floor.height else None
            if row is not None:
                highest[row.branch] = max(row.height, highest.get(row.branch, 0))
        changes = (
            first_change(reader, branch, floor.height, height)
            for branch, height in highest.items()
            if stands_on(reader, branch, height, floor)
        )
        return frozenset(change for change in changes if change is not None)


def binds(reader: Reader, floor: Floor, promise: JournalRow) -> bool:
    """F5b: whether a cosignature or an endorsement of a succession stands on the floor."""
    if floor.height == 0:
        return True
    subject = promise.subject
    if promise.kind == ENDORSE:
        raw = reader.artifact(subject)
        action = None if raw is None else decode_as(Proposal, raw).statement.action
        if not isinstance(action, Succession):
            return True
        subject = action.base_id
    row = reader.snapshot(subject)
    return row is None or stands_on(reader, row.branch, row.height, floor)


def _every(reader: Reader, kind: str) -> Iterator[JournalRow]:
    """The promises of `kind`, newest first; mostly the first one is all that is asked for."""
    read, size = 0, 1
    while page := reader.journal(kind, last=size, skip=read):
        yield from page
        read, size = read + len(page), PAGE
