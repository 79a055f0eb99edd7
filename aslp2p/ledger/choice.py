"""Which branch to follow: F1 to F3, as one pure comparison over what is known about each line.

A *line* is genesis to the tip of one branch. Where a witness signed two histories in one epoch (F3), the tail
of a line in that epoch is cut: at the first of the conflicting snapshots, or where it is final; an authority
stays where it is. What is cut is kept, and counts as soon as a higher epoch, or finality, stands on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct


class Line(Struct, frozen=True):
    """One line up to the highest snapshot that may be adopted on it."""

    branch: int
    height: int
    id: bytes
    epoch: int
    final_height: int
    final_id: bytes


Place: TypeAlias = tuple[int, int]
"""(branch, height) of a line."""
IdAt: TypeAlias = Callable[[int, int], bytes | None]
"""The id at (branch, height) of a line."""


def common_height(one: Place, other: Place, id_at: IdAt) -> int:
    """Up to where the lines to two places, each a branch and a height on it, are the same."""
    low, high = 0, min(one[1], other[1]) + 1
    if one[0] == other[0]:
        return high - 1
    while high - low > 1:
        middle = (low + high) // 2
        if id_at(one[0], middle) == id_at(other[0], middle):
            low = middle
        else:
            high = middle
    return low


def _better(one: Line, other: Line, id_at: IdAt) -> Line:
    """Of two lines with equal epochs: the longer if it contains the other, else the smaller id at the
    fork."""
    fork = common_height((one.branch, one.height), (other.branch, other.height), id_at) + 1
    if fork > min(one.height, other.height):
        return one if one.height >= other.height else other
    left, right = id_at(one.branch, fork), id_at(other.branch, fork)
    return one if (left or b"") <= (right or b"") else other


def choose(lines: Sequence[Line], current: Line | None, stays: bool, id_at: IdAt) -> Line:
    """The line to follow: the highest final (F1), then the higher epoch (F2), then F3.

    `current` is where this node is now, cut like the others; `stays` says that this node is an authority,
    which does not move between histories of one epoch.
    """
    final = min(lines, key=lambda line: (-line.final_height, line.final_id))
    holding = [
        line
        for line in lines
        if line.height >= final.final_height and id_at(line.branch, final.final_height) == final.final_id
    ]
    epoch = max(line.epoch for line in holding)
    candidates = [line for line in holding if line.epoch == epoch]
    if stays and current is not None:
        for line in candidates:
            if line.height >= current.height and id_at(line.branch, current.height) == current.id:
                return line
    best = candidates[0]
    for line in candidates[1:]:
        best = _better(best, line, id_at)
    return best
