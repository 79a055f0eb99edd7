"""What is final, what conflicts, and where the floor rests (F1, F5, F5a, S9): one function of the floor, of
what this key cosigned, and of what is known.

How it works. Of the lines that contain the floor each has its highest final. Where all of these lie on one
line, or only one of them on a line in whose policy change this key took part, the floor moves to the next
change that this line has below its final: one change at a time, and only to one that this key took part in,
if it took part in any other. Then everything is asked again, as fewer lines contain the new floor, until it
rests. In whatever order things came to be known, the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from aslp2p.ledger.abandonment import Abandonment, effective
from aslp2p.ledger.finality import final_on, first_change
from aslp2p.ledger.floor import Floor, stands_on
from aslp2p.ledger.journal import Journal
from aslp2p.ledger.reader import BranchRow, Reader, row_at


class Final(NamedTuple):
    """The highest snapshot of a line that is known to be final."""

    height: int
    id: bytes
    branch: int


class Outlook(Struct, frozen=True):
    """What follows from a floor."""

    floor: Floor
    """Where it rests."""
    finals: dict[int, Final]
    """By branch, of every line that contains the floor."""
    tips: tuple[Final, ...]
    """Those of them that no other contains, the highest first: more than one exclude each other (F1)."""


def look(
    reader: Reader,
    branches: Sequence[BranchRow],
    floor: Floor,
    given_up: Sequence[Abandonment],
    journal: Journal,
) -> Outlook:
    """What is known of the lines of `branches`, and where `floor` rests; nothing is written."""
    while True:
        on_floor = [row for row in branches if stands_on(reader, row.branch, row.tip_height, floor)]
        counting = effective(reader, floor, given_up)
        finals = {row.branch: _final(reader, row, floor, counting) for row in on_floor}
        tips = _tips(reader, finals.values())
        change = next_floor(reader, floor, tips, journal)
        if change is None:
            return Outlook(floor, finals, tips)
        floor = change


def _final(reader: Reader, row: BranchRow, floor: Floor, given_up: Sequence[Abandonment]) -> Final:
    height = max(floor.height, final_on(reader, (row.branch, row.tip_height), given_up))
    return Final(height, row_at(reader, row.branch, height).id, row.branch)


def _tips(reader: Reader, finals: Iterable[Final]) -> tuple[Final, ...]:
    """The finals that no other one contains, each once, the highest first."""
    tips: list[Final] = []
    for final in sorted(finals, key=lambda one: (one.height, one.id), reverse=True):
        if not any(_contains(reader, tip, final) for tip in tips):
            tips.append(final)
    return tuple(tips)


def _contains(reader: Reader, final: Final, other: Final | Floor) -> bool:
    return other.height <= final.height and row_at(reader, final.branch, other.height).id == other.id


def next_floor(reader: Reader, floor: Floor, tips: Sequence[Final], journal: Journal) -> Floor | None:
    """The policy change to which the floor moves next (F5, F5a); None where it rests."""
    mine: frozenset[Floor] | None = None
    if len(tips) != 1:
        mine = journal.took_part(floor)
        tips = [tip for tip in tips if any(_contains(reader, tip, change) for change in mine)]
        if len(tips) != 1:
            return None
    # A final at or above a change is one under both policies, or stands on its settlement (P2, P4).
    change = first_change(reader, tips[0].branch, floor.height, tips[0].height)
    if change is None:
        return None
    mine = journal.took_part(floor) if mine is None else mine
    return change if not mine or change in mine else None
