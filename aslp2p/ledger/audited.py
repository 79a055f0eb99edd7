"""How far a line is audited (G4), from what its branches say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from aslp2p.ledger.reader import BranchRow


def audited_to(branches: Mapping[int, BranchRow], branch: int, height: int) -> int:
    """Every signature on the line to (branch, height) was verified up to the height that this returns."""
    row = branches[branch]
    if row.parent < 0:
        return min(row.audited_height, height)
    parts = [(row, height)]
    while row.parent >= 0:
        row, fork = branches[row.parent], row.fork_height
        parts.append((row, fork))
    for part, top in reversed(parts):
        if part.audited_height < top:
            return part.audited_height
    return height
