"""The branches of a Common, in memory, and which stretch of which branch a branch's history is made of.

There are few: one, and one more for every fork that anybody signed. What both stores do with facts across
stretches is here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aslp2p.errors import InvariantBroken
from aslp2p.ledger.reader import BranchRow

HEIGHT_MAX = 2**63 - 1


class Lineage:
    """Branch rows by branch."""

    def __init__(self) -> None:
        self.rows: dict[int, BranchRow] = {}

    def put(self, row: BranchRow) -> None:
        """Insert or replace; raises `InvariantBroken` if a parent is not older than its child."""
        if row.parent >= row.branch:
            raise InvariantBroken(f"branch {row.branch} cannot have branch {row.parent} as its parent")
        self.rows[row.branch] = row

    def copy(self) -> Lineage:
        new = Lineage()
        new.rows = self.rows.copy()
        return new

    def stretches(self, branch: int, height: int) -> list[tuple[int, int, int]]:
        """What the history of (branch, height) is made of, newest first: (branch, above this height, up to
        this one).

        Empty for a branch that is not known.
        """
        stretches: list[tuple[int, int, int]] = []
        row = self.rows.get(branch)
        while row is not None:
            if row.parent < 0:
                stretches.append((row.branch, -1, height))
                break
            if height > row.fork_height:
                stretches.append((row.branch, row.fork_height, height))
                height = row.fork_height
            row = self.rows.get(row.parent)
        return stretches


def end_of_prefix(prefix: bytes) -> bytes | None:
    """The least key above all that start with `prefix`, or None if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def newest_live(merged: Iterable[tuple[bytes, int, int, bytes | None]]) -> Iterator[tuple[bytes, bytes, int]]:
    """From (key, nearness, height, value) in order: (key, value, height) as the nearest stretch has it, ended
    keys left out."""
    last: bytes | None = None
    for key, _, height, value in merged:
        if key != last:
            last = key
            if value is not None:
                yield key, value, height
