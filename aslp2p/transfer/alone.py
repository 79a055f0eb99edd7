"""A core on a store with nobody beside it: a command at a time through the daemon's driver, and no thread.

Whatever ends the core is raised: here nobody tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aslp2p.core.driver import Driver
from aslp2p.core.inputs import Command, Now
from aslp2p.core.jobs import Answer, Inputs, Report
from aslp2p.core.node import NodeCore
from aslp2p.ledger.reader import Store


class Alone:
    """Drives the core that `make_core` makes on `store`. Raises what the store raises."""

    def __init__(
        self, store: Store, make_core: Callable[[Store], NodeCore], clocks: Callable[[], Now]
    ) -> None:
        self._driver = Driver(store, make_core, clocks)
        self._heed(self._driver.start())

    @property
    def wake_at_ms(self) -> int | None:
        """When the core wants a turn, on the monotonic clock; None: never."""
        return self._driver.wake_at_ms

    def command(self, command: Command) -> Any:
        """The core's answer, once all that it wrote is on disk. Raises `UserError`: nothing has changed."""
        answer = Answer()
        self._driver.put(Inputs((command,), 0, self._driver.condition.era, answer))
        self.turn()
        self.sync()
        return answer.value()

    def turn(self) -> None:
        """What waits, or what time has made due."""
        for report in self._driver.turn():
            self._heed(report)

    def sync(self) -> None:
        """All that was written is on disk afterwards."""
        self._heed(self._driver.sync())

    def _heed(self, report: Report) -> None:
        report.answer()
        for note in report.notes:
            if note.error is not None:
                raise note.error
        if self._driver.core is None:
            raise self._driver.fault
