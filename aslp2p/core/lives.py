"""The lives of a core: what ends one, what is rolled back then, and when the next begins.

1. A `PeerFault` that escapes a step is blamed on the link that it came over, and the core starts again. The
   core turns what peers do wrong into effects, so this is a net below the net.
2. After a `DiskFault` the node is *read-only*. Every `probe_ms` a write is tried; when it reaches the disk
   the node runs again.
3. After `Damaged` the core starts again from the store and is told what is damaged (`Lost`: it asks peers for
   it). When it happens again soon, the node is read-only until the next probe, so that it does not turn in a
   circle; the same damage again makes each pause twice as long, up to `PAUSE_MAX` times, for what comes back
   so often is not mended by starting again.
4. Whatever else a step raises is a bug of ours, as is a node that signs or wakes without end (`Guard`, S14),
   and `JournalDamaged` is as grave: the node is *stopped*. It never signs again in this process.

After each of these the core is gone, or made again from what the store holds; it knows of no links then.
`Life.era` counts its lives: what belongs to a link of an earlier one is not given to the next.

What the disk does is told once, however often it comes, until the core has lived for `CALM_MS`; the condition
tells it all the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from aslp2p.core.effects import Close
from aslp2p.core.guard import Guard
from aslp2p.core.inputs import Input, LinkUp, Lost, Now, Received
from aslp2p.core.jobs import Core, Life, Mode, Note, Report
from aslp2p.errors import AslError, Damaged, DiskFault, JournalDamaged, NodeStopped, PeerFault
from aslp2p.ledger.reader import PutMeta, Store

PROBE_MS = 3_000
PROBE_BYTES = 65_536
"""A full disk often still takes a few bytes."""
PAUSE_MAX = 100
"""How many times `probe_ms` the pause before a core starts again over the same damage may become."""
CALM_MS = 30_000
"""A core that has lived this long was well: what comes after that is told, and waited for, afresh."""
DAMAGED_MAX = 64
"""Ids of damaged artifacts that are reported."""

_PROBE = "daemon-probe"


class Lives:
    """Makes the core and ends it. `core` is None while there is none, and `fault` says to commands why."""

    def __init__(
        self, store: Store, make_core: Callable[[Store], Core], clocks: Callable[[], Now], *, probe_ms: int
    ) -> None:
        self._store = store
        self._make_core = make_core
        self._clocks = clocks
        self._probe_ms = self._pause_ms = probe_ms
        self._lost: tuple[bytes, ...] = ()
        self._said: set[str] = set()
        self._began_ms = 0
        self._probed_ms = 0
        self.core: Core | None = None
        self.guard = Guard()
        self.condition = Life(Mode.RUNNING, "", 0)
        self.fault: AslError = NodeStopped("this Common has not started yet", remedy="try again")

    def begin(self, damaged: tuple[bytes, ...] = ()) -> Report:
        """A core made from what the store holds, and the report that says so, or why there is none."""
        self._began_ms = self._clocks().mono
        self.core = None
        try:
            core = self._make_core(self._store)
            if self._lost:
                core.step(Lost(self._lost), self._clocks())  # it has no links: nothing to send yet
            self._store.commit()
        except Exception as error:
            return self.end(error, None)
        self.core = core
        self.guard = Guard()
        self._lost = ()
        return self._turn(Mode.RUNNING, "", damaged)

    def end(self, error: Exception, culprit: Input | None) -> Report:
        """Roll back after `error`, which `culprit` raised (None: the commit), and say what comes of it."""
        notes = self._roll_back()
        if self.condition.mode is Mode.STOPPED:
            report = Report(notes=self._once(logging.ERROR, f"stopped, and the disk refused: {error}"))
        elif isinstance(error, DiskFault) and not isinstance(error, JournalDamaged):
            report = self._disk_failed(error)
        elif isinstance(error, PeerFault) and isinstance(culprit, Received | LinkUp):
            notes.append(Note(logging.ERROR, f"a peer's fault escaped from a step: {error}", error))
            self.fault = AslError("a peer's message made this Common start again", remedy="try again")
            report = self.begin()
            report.effects.append(Close(culprit.link, str(error), True))
        else:
            report = self.stop(error)
        report.notes[:0] = notes
        return report

    def stop(self, error: Exception) -> Report:
        """Nothing is signed any more in this process."""
        self.fault = NodeStopped(
            f"this Common is stopped: {error}", remedy="see the daemon's log, then start `asl up` again"
        )
        report = self._drop(Mode.STOPPED, error)
        report.notes.append(Note(logging.CRITICAL, f"stopped, nothing is signed any more: {error}", error))
        return report

    @property
    def probe_at_ms(self) -> int | None:
        """When a write is tried next; None unless the node is read-only."""
        return self._probed_ms + self._pause_ms if self.condition.mode is Mode.READ_ONLY else None

    def probe(self) -> Report:
        """Try to write; begin again if that reaches the disk."""
        self._probed_ms = self._clocks().mono
        try:
            for value in (bytes(PROBE_BYTES), None):
                self._store.apply([PutMeta(_PROBE, value)])
                self._store.commit()
        except AslError as error:
            return Report(notes=[*self._roll_back(), *self._once(logging.INFO, f"still read-only: {error}")])
        damaged = isinstance(self.fault, Damaged)
        report = self.begin()
        if self.core is not None and not damaged:
            report.notes += self._once(logging.WARNING, "the disk takes writes again")
        return report

    def _roll_back(self) -> list[Note]:
        try:
            self._store.rollback()
        except AslError as error:
            return [Note(logging.ERROR, f"rolling back failed too: {error}")]
        return []

    def _disk_failed(self, error: DiskFault) -> Report:
        lived_ms = self._clocks().mono - self._began_ms if self.core is not None else None
        if lived_ms is not None and lived_ms > CALM_MS:
            self._said.clear()
        notes = self._once(logging.ERROR, f"the disk refused: {error}")
        self.fault = error
        again = not notes and isinstance(error, Damaged)
        self._pause_ms = min(self._pause_ms * 2, self._probe_ms * PAUSE_MAX) if again else self._probe_ms
        if not isinstance(error, Damaged):
            report = self._drop(Mode.READ_ONLY, error)
        else:
            self._lost = tuple(dict.fromkeys((*self._lost, *error.ids)))[:DAMAGED_MAX]
            if lived_ms is not None and lived_ms >= self._pause_ms:
                report = self.begin(error.ids)
            else:
                report = self._drop(Mode.READ_ONLY, error, error.ids)
        report.notes[:0] = notes
        return report

    def _once(self, level: int, text: str) -> list[Note]:
        """`text` for the log, unless it was said before."""
        if text in self._said:
            return []
        if len(self._said) >= DAMAGED_MAX:
            self._said.clear()
        self._said.add(text)
        return [Note(level, text)]

    def _drop(self, mode: Mode, error: Exception, damaged: tuple[bytes, ...] = ()) -> Report:
        self.core = None
        self._probed_ms = self._clocks().mono
        return self._turn(mode, str(error) or type(error).__name__, damaged)

    def _turn(self, mode: Mode, reason: str, damaged: tuple[bytes, ...]) -> Report:
        known = tuple(dict.fromkeys((*self.condition.damaged, *damaged)))[:DAMAGED_MAX]
        self.condition = Life(mode, reason, self.condition.era + 1, known)
        return Report(condition=self.condition)
