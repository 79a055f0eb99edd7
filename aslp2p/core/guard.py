"""What the driver of a core watches over, so that no bug makes a node sign or wake without bound (S14).

The core keeps to a pace by itself (`pace.py`); this net below it counts anew, from the outside, and knows
nothing of why. It is asked after every step, before anything of the step is on disk or on a wire.
"""

from __future__ import annotations

from collections import deque

from aslp2p.core.effects import Step
from aslp2p.errors import InvariantBroken
from aslp2p.limits import PROMISES_GUARD_MAX, TICKS_AT_ONCE_MAX


class Guard:
    """Watches one life of a core. Raises `InvariantBroken` (S14)."""

    def __init__(self) -> None:
        self._promises: deque[int] = deque()
        """Until when each counts."""
        self._ticked_ms: int | None = None
        self._at_once = 0

    def took(self, step: Step, mono_ms: int) -> None:
        """An input other than a tick was taken."""
        self._at_once = 0
        self._count(step, mono_ms)

    def ticked(self, step: Step, due_ms: int, mono_ms: int) -> None:
        """A tick that the core wanted at `due_ms` was taken at `mono_ms`."""
        again = self._ticked_ms is not None and due_ms <= self._ticked_ms and not step.busy
        self._at_once = self._at_once + 1 if again else 0
        self._ticked_ms = mono_ms
        if self._at_once > TICKS_AT_ONCE_MAX:
            raise InvariantBroken(f"S14: the node wakes without end ({self._at_once} times at once)")
        self._count(step, mono_ms)

    def _count(self, step: Step, mono_ms: int) -> None:
        if not step.promises:
            return
        while self._promises and self._promises[0] <= mono_ms:
            self._promises.popleft()
        self._promises.extend(mono_ms + round_ms for round_ms in step.promises)
        if len(self._promises) > PROMISES_GUARD_MAX:
            raise InvariantBroken(f"S14: the node signs without end ({len(self._promises)} in a round)")
