"""What every part of a node can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.ledger.history import HeadChange


class Part:
    """A part of the node. What it is not interested in it leaves as it is here."""

    @property
    def wake_at_ms(self) -> int | None:
        """When its next `Tick` is due, on the monotonic clock; None when nothing is."""
        return None

    def tick(self) -> None:
        """Time has come to `wake_at_ms`, or simply passed."""

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """`listed` are the proposals that the new line lists above the fork, in order."""

    def link_lost(self, link: int) -> None:
        """Nothing that was asked for over this link will be answered."""


class Upwards(Protocol):
    """What the way into the ledger has to say to the parts above it."""

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """As `Part.head_moved`."""

    def heard_own(self, snapshot: Signed[Snapshot]) -> None:
        """A snapshot of this node's own key was accepted: the journal has to know it (S11)."""
