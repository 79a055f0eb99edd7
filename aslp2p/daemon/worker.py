"""The thread of one Common: it owns the store and the core, and nothing else touches either.

Jobs come through a queue and go to the driver (`core/driver.py`), whose reports are handed to the trio thread
one by one: the effects of a batch leave when the thread has committed it. Between two turns the thread sleeps
until a job comes, or until the driver wants to be woken.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from aslp2p.core.driver import Driver
from aslp2p.core.inputs import Now
from aslp2p.core.jobs import Core, Inputs, Job, Report
from aslp2p.core.lives import PROBE_MS
from aslp2p.errors import UserError
from aslp2p.ledger.reader import Store

logger = logging.getLogger(__name__)

PROBE_S = PROBE_MS / 1000


class Leave:
    """Close the store and end the thread."""


def read_clocks() -> Now:
    """Both clocks now. `CLOCK_MONOTONIC` stands still while a Linux machine sleeps (S2)."""
    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


class Worker:
    """Runs a driver in a thread of its own. `deliver` is called there, and must pass the report on at
    once."""

    def __init__(
        self,
        name: str,
        store: Store,
        make_core: Callable[[Store], Core],
        deliver: Callable[[Report], None],
        *,
        clocks: Callable[[], Now] = read_clocks,
        probe_s: float = PROBE_S,
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._clocks = clocks
        self._queue: queue.SimpleQueue[Job | Leave] = queue.SimpleQueue()
        self._driver = Driver(
            store, make_core, clocks, probe_ms=int(probe_s * 1000), meter=time.perf_counter, tells=True
        )
        self._thread = threading.Thread(target=self._run, name=f"common-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread; the first report tells how the node is."""
        self._thread.start()

    def put(self, job: Job | Leave) -> None:
        """Queue a job; never waits."""
        self._queue.put(job)

    def join(self) -> None:
        """Wait for the end of the thread, after a `Leave`."""
        self._thread.join()

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        self._tell(self._driver.start())
        staying = True
        while staying or self._driver.waits:
            staying = staying and self._fetch()
            for report in self._driver.turn():
                self._tell(report)
        self._tell(self._driver.sync())
        try:
            self._store.close()
        except Exception as error:
            logger.error("closing the store: %s", error)
        self._dismiss_the_rest()

    def _fetch(self) -> bool:
        """Give the driver all jobs that wait, or the first that comes before it wants to be woken; whether to
        stay."""
        try:
            job = self._queue.get(timeout=self._pause_s())
            while not isinstance(job, Leave):
                self._driver.put(job)
                job = self._queue.get_nowait()
        except queue.Empty:
            return True
        return False

    def _pause_s(self) -> float | None:
        """How long the thread may sleep when nothing comes."""
        if self._driver.waits:
            return 0.0
        wake_ms = self._driver.wake_at_ms
        return None if wake_ms is None else max(0, wake_ms - self._clocks().mono) / 1000

    def _tell(self, report: Report) -> None:
        for note in report.notes:
            logger.log(note.level, "%s", note.text, exc_info=note.error)
        self._deliver(report)

    def _dismiss_the_rest(self) -> None:
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if not isinstance(job, Leave) and job.reply is not None:
                gone = UserError("this Common is closed here", remedy="start `asl up` again")
                self._deliver(Report(answers=[(job.reply, None, gone)]))
            if isinstance(job, Inputs) and job.done is not None:
                self._deliver(Report(done=[job.done]))
