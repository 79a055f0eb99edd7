"""What certificates give up (S9), and from which snapshots that takes their finality.

A certificate's `abandons` counts where its endorsers could have made final themselves: at each snapshot by
itself, they have to satisfy every policy in force there. So whoever is no authority any more gives up nothing
of those who came after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Endorsement, Policy, Snapshot
from aslp2p.ledger.facts import ABANDONED, every_fact, member_at, subject_of
from aslp2p.ledger.floor import Floor, stands_on
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import Reader, row_at
from aslp2p.ledger.state import REVOKED


class Abandonment(Struct, frozen=True):
    """One id that one certificate gives up."""

    given_up: bytes
    branch: int
    height: int
    """Where the snapshot stands that carries the certificate."""
    endorsers: frozenset[bytes]
    """Who endorsed it, without the keys that were revoked there."""


def read_abandonments(reader: Reader) -> list[Abandonment]:
    """What the certificates of any branch give up, by id and place."""
    places: set[tuple[bytes, int, int]] = set()
    for row in reader.branches():
        for key, _ in every_fact(reader, row.branch, ABANDONED, row.tip_height):
            for height, _ in reader.fact_changes(row.branch, key, row.tip_height):
                at = row_at(reader, row.branch, height)
                places.add((subject_of(key), at.branch, height))
    return [
        Abandonment(given_up, branch, height, _endorsers(reader, branch, height))
        for given_up, branch, height in sorted(places)
    ]


def _endorsers(reader: Reader, branch: int, height: int) -> frozenset[bytes]:
    certificate = decode_as(Snapshot, row_at(reader, branch, height).raw).statement.certificate or ()
    keys = [decode_as(Endorsement, raw).key for raw in certificate]
    return _without_revoked(reader, branch, height, keys)


def _without_revoked(reader: Reader, branch: int, height: int, keys: Iterable[bytes]) -> frozenset[bytes]:
    members = ((key, member_at(reader, branch, height, key)) for key in keys)
    return frozenset(key for key, member in members if member is None or member.status != REVOKED)


def effective(reader: Reader, floor: Floor, every: Sequence[Abandonment]) -> list[Abandonment]:
    """Those of `every` that stand on the floor (F5)."""
    return [one for one in every if stands_on(reader, one.branch, one.height, floor)]


def given_up_on(
    reader: Reader, branch: int, height: int, every: Sequence[Abandonment]
) -> Iterator[tuple[int, Abandonment]]:
    """Those of `every` that give up a snapshot of this line up to `height`, with that one's height."""
    for one in every:
        row = reader.snapshot(one.given_up)
        if row is not None and row.height <= height and reader.snapshot_at(branch, row.height) == row:
            yield row.height, one


def takes_finality(
    reader: Reader, one: Abandonment, branch: int, height: int, policies: Sequence[Policy]
) -> bool:
    """S9: whether its endorsers, without the keys that are revoked at the snapshot at `height`, satisfy the
    policies in force there."""
    return satisfies_all(policies, _without_revoked(reader, branch, height, one.endorsers))
