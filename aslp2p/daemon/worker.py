"""The thread of one Common: it owns the store and the core, and nothing else touches either.

How it works. Jobs come through a queue. The thread takes all that wait (at most `BATCH_INPUTS_MAX` inputs, or
`BATCH_BYTES_MAX` bytes in or out), runs `core.step` for each, commits once, and only then hands the effects
and the answers to the trio thread in one call: persist, then send. A batch in which no step says `durable` is
committed a moment later, with the next one that does; only answers wait. Questions are answered between
batches.

1. A `UserError` from a command answers that command; its step changed nothing, the batch goes on.
2. A `PeerFault` that escapes a step rolls the batch back and blames the link that it came over. The core
   turns what peers do wrong into effects, so this is a net below the net.
3. A `DiskFault` from a step or the commit rolls the batch back: its effects are dropped, its commands get the
   error, and the node is *read-only*. Questions are still answered. Every `PROBE_S` a write is tried; when it
   reaches the disk the node runs again.
4. `Damaged` rolls the batch back; the core starts again from the store, is told what is damaged (`Lost`: it
   asks peers for it), and the damage is reported. When it happens again soon, the node is read-only until the
   next probe, so that it does not turn in a circle; the same damage again makes each pause twice as long, up
   to `PAUSE_MAX` times, for what comes back so often is not mended by starting again.
5. Whatever else a step raises is a bug of ours, as is a node that signs or wakes without end (`Guard`, S14),
   and `JournalDamaged` is as grave: the batch is rolled back, the node is *stopped*. It answers questions and
   never signs again in this process; other Commons go on. A question that finds a broken invariant does the
   same.

After 2 to 5 the core is dropped, or made again from what the store holds; it knows of no links then. `era`
counts its lives: what belongs to a link of an earlier one is not given to the next, and the trio thread
closes those links when it hears of the new era.

What the disk does is logged once, however often it comes, until the core has lived for `CALM_S`; the
condition, and so `asl status`, tell it all the time.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from aslp2p.core.effects import Close, Send
from aslp2p.core.guard import Guard
from aslp2p.core.inputs import Input, LinkDown, LinkUp, Lost, Now, Received, Tick
from aslp2p.daemon.fair import SENT_BYTES_PER_S
from aslp2p.daemon.jobs import Condition, Core, Inputs, Job, Leave, Mode, Question, Report, read_clocks
from aslp2p.errors import (
    AslError,
    Damaged,
    DiskFault,
    InvariantBroken,
    JournalDamaged,
    NodeStopped,
    PeerFault,
    UserError,
)
from aslp2p.ledger.reader import PutMeta, Store
from aslp2p.limits import MIB

logger = logging.getLogger(__name__)

BATCH_INPUTS_MAX = 512
BATCH_BYTES_MAX = 4 * MIB
PROBE_S = 3.0
PROBE_BYTES = 65536
"""A full disk often still takes a few bytes."""
PAUSE_MAX = 100
"""How many times `probe_s` the pause before a core starts again over the same damage may become."""
CALM_S = 30.0
"""A core that has lived this long was well: what comes after that is told, and waited for, afresh."""
LAZY_COMMIT_S = 0.05
"""How long writes that may be lost (`Step.durable` is false) wait for others to be committed with."""
LIVE_SPACING_S = 0.25
"""How old what the core says of itself may be while it is busy; a question finds it at most `LIVE_FRESH_S`
old."""
LIVE_FRESH_S = 0.01

DAMAGED_MAX = 64
"""Ids of damaged artifacts that are reported."""

_PROBE = "daemon-probe"


class Worker:
    """Runs jobs in a thread of its own. `deliver` is called there, and must pass the report on at once."""

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
        self._make_core = make_core
        self._deliver = deliver
        self._clocks = clocks
        self._probe_s = self._retry_s = probe_s
        self._queue: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._held: deque[Job] = deque()
        self._core: Core | None = None
        self._guard = Guard()
        self._wake_at_ms: int | None = None
        self._condition = Condition(Mode.RUNNING, "", 0)
        self._fault: AslError = NodeStopped("this Common has not started yet", remedy="try again")
        self._lost: tuple[bytes, ...] = ()
        self._said: set[str] = set()
        self._started_at = self._probed_at = 0.0
        self._live_at = 0.0
        self._live_due = True
        self._durable = False
        self._uncommitted_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"common-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread; the first report tells how the node is."""
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job; never waits."""
        self._queue.put(job)

    def join(self) -> None:
        """Wait for the end of the thread, after a `Leave`."""
        self._thread.join()

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        self._send_report(self._start_core())
        while True:
            jobs = self._take()
            report = Report()
            inputs = [job for job in jobs if type(job) is Inputs]
            if inputs or self._tick_is_due():
                report = self._run_batch(inputs)
            elif self._probe_is_due():
                report = self._probe()
            if self._lazy_commit_is_due():
                self._send_report(report)
                report = self._commit_late()
            questions = [job for job in jobs if type(job) is Question]
            if questions and report.effects:
                self._send_report(report)
                report = Report()
            self._refresh_live(report, LIVE_FRESH_S if questions else LIVE_SPACING_S)
            for question in questions:
                self._answer(question, report)
            self._send_report(report)
            if any(type(job) is Leave for job in jobs):
                return self._leave()

    def _send_report(self, report: Report) -> None:
        if report.effects or report.answers or report.done or report.condition or report.live is not None:
            self._deliver(report)

    def _take(self) -> list[Job]:
        """All jobs that wait, within the bounds of a batch; none when it is time for something else."""
        jobs: list[Job] = []
        count = size = 0
        while count < BATCH_INPUTS_MAX and size < BATCH_BYTES_MAX:
            try:
                job = self._held.popleft() if self._held else self._next(wait=not jobs)
            except queue.Empty:
                break
            jobs.append(job)
            if type(job) is Inputs:
                count += len(job.inputs)
                size += job.size
        return jobs

    def _next(self, *, wait: bool) -> Job:
        if not wait:
            return self._queue.get_nowait()
        return self._queue.get(timeout=self._pause_s())

    def _pause_s(self) -> float | None:
        """How long the thread may sleep when nothing comes."""
        if self._core is None:
            return None if self._condition.mode is Mode.STOPPED else self._retry_s
        wake = self._wake_at_ms
        pause = None if wake is None else max(0.0, (wake - self._clocks().mono) / 1000)
        if self._uncommitted_since is not None:
            late = max(0.0, self._uncommitted_since + LAZY_COMMIT_S - time.monotonic())
            pause = late if pause is None else min(pause, late)
        if self._live_due:
            due = max(0.0, self._live_at + LIVE_SPACING_S - time.monotonic())
            pause = due if pause is None else min(pause, due)
        return pause

    def _tick_is_due(self) -> bool:
        if self._core is None or self._wake_at_ms is None:
            return False
        return self._wake_at_ms <= self._clocks().mono

    # --- a batch ----------------------------------------------------------------------------------

    def _run_batch(self, jobs: list[Inputs]) -> Report:
        report = Report()
        if self._core is None:
            self._refuse(report, jobs)
            return report
        culprit: Input | None = None
        try:
            self._durable = False
            self._tick(report)
            sent = 0
            for number, job in enumerate(jobs):
                for position, culprit in enumerate(job.inputs):
                    if sent > BATCH_BYTES_MAX:
                        jobs = self._hold_back(jobs, number, position)
                        break
                    sent += self._measured(job, culprit, report)
                if len(jobs) <= number + 1:
                    break
            culprit = None
            self._wake_at_ms = self._core.wake_at_ms
            self._tick(report)  # what the inputs made due goes into the same commit
            if report.answers and not self._durable:
                self._send_report(Report(effects=report.effects))
                report.effects = []
                self._durable = True
            self._commit_if_needed()
        except Exception as error:
            return self._failed(jobs, culprit, error)
        self._wake_at_ms = self._core.wake_at_ms
        self._live_due = True
        report.done = [job.done for job in jobs if job.done is not None]
        return report

    def _tick(self, report: Report) -> None:
        if self._core is not None and self._tick_is_due():
            due, now = self._wake_at_ms or 0, self._clocks()
            step = self._core.step(Tick(), now)
            self._guard.ticked(step, due, now.mono)
            self._durable |= step.durable
            report.effects += step.effects

    def _commit_if_needed(self) -> None:
        """Commit before anything leaves that must last; let the rest wait a moment for company."""
        if self._durable:
            self._commit()
        elif self._uncommitted_since is None:
            self._uncommitted_since = time.monotonic()

    def _commit(self) -> None:
        self._uncommitted_since = None
        self._store.commit()

    def _lazy_commit_is_due(self) -> bool:
        since = self._uncommitted_since
        return since is not None and time.monotonic() - since >= LAZY_COMMIT_S

    def _commit_late(self) -> Report:
        """Commit what could wait."""
        try:
            self._commit()
        except Exception as error:
            return self._failed([], None, error)
        return Report()

    def _hold_back(self, jobs: list[Inputs], number: int, position: int) -> list[Inputs]:
        """Keep the inputs from `position` of job `number` on for the next batch; returns those before."""
        self._held.extendleft(reversed(jobs[number + 1 :]))
        job = jobs[number]
        rest = Inputs(job.inputs[position:], 0, job.era, job.reply, job.done, job.spent)
        self._held.appendleft(rest)
        return [*jobs[:number], Inputs(job.inputs[:position], job.size, job.era, spent=job.spent)]

    def _measured(self, job: Inputs, event: Input, report: Report) -> int:
        """`_step`, and what it took noted where the job wants that."""
        if job.spent is None:
            return self._step(job, event, report)
        began = time.thread_time()
        sent = self._step(job, event, report)
        job.spent.seconds += time.thread_time() - began + sent / SENT_BYTES_PER_S
        return sent

    def _step(self, job: Inputs, event: Input, report: Report) -> int:
        """Run one step; returns how many bytes it sends."""
        assert self._core is not None  # noqa: S101 - `_run_batch` looked
        of_link = isinstance(event, LinkUp | LinkDown | Received)
        if of_link and job.era != self._condition.era:
            return 0
        try:
            now = self._clocks()
            step = self._core.step(event, now)
        except UserError as error:
            if job.reply is None:
                raise InvariantBroken(f"an event is refused like a command: {error}") from error
            report.answers.append((job.reply, None, error))
            return 0
        self._guard.took(step, now.mono)
        self._durable |= step.durable
        report.effects += step.effects
        if job.reply is not None:
            report.answers.append((job.reply, step.answer, None))
        return sum(len(effect.data) for effect in step.effects if type(effect) is Send)

    def _refuse(self, report: Report, jobs: list[Inputs]) -> None:
        for job in jobs:
            if job.reply is not None:
                report.answers.append((job.reply, None, self._fault))
            if job.done is not None:
                report.done.append(job.done)

    def _failed(self, jobs: list[Inputs], culprit: Input | None, error: Exception) -> Report:
        """Roll back after `error`, which `culprit` raised (None: the commit), and say what comes of it."""
        self._uncommitted_since = None
        try:
            self._store.rollback()
        except AslError as second:
            logger.error("rolling back failed too: %s", second)
        if isinstance(error, DiskFault) and not isinstance(error, JournalDamaged):
            report = self._disk_failed(error)
        elif isinstance(error, PeerFault) and isinstance(culprit, Received | LinkUp):
            logger.error("a peer's fault escaped from a step: %s", error, exc_info=error)
            self._fault = AslError("a peer's message made this Common start again", remedy="try again")
            report = self._start_core()
            report.effects.append(Close(culprit.link, str(error), True))
        else:
            report = self._stop(error)
        self._refuse(report, jobs)
        return report

    def _disk_failed(self, error: DiskFault) -> Report:
        lived_s = time.monotonic() - self._started_at if self._core is not None else 0.0
        if lived_s > CALM_S:
            self._said.clear()
        first = self._say_once(logging.ERROR, f"the disk refused: {error}")
        self._fault = error
        again = not first and isinstance(error, Damaged)
        self._retry_s = min(self._retry_s * 2, self._probe_s * PAUSE_MAX) if again else self._probe_s
        if not isinstance(error, Damaged):
            return self._drop_core(Mode.READ_ONLY, error)
        self._lost = tuple(dict.fromkeys((*self._lost, *error.ids)))[:DAMAGED_MAX]
        if lived_s > self._retry_s:
            return self._start_core(error.ids)
        return self._drop_core(Mode.READ_ONLY, error, error.ids)

    def _say_once(self, level: int, text: str) -> bool:
        """Log `text` unless that was done before; whether it was not."""
        if text in self._said:
            return False
        if len(self._said) >= DAMAGED_MAX:
            self._said.clear()
        self._said.add(text)
        logger.log(level, "%s", text)
        return True

    def _stop(self, error: Exception) -> Report:
        logger.critical("stopped, nothing is signed any more: %s", error, exc_info=error)
        self._fault = NodeStopped(
            f"this Common is stopped: {error}", remedy="see the daemon's log, then start `asl up` again"
        )
        return self._drop_core(Mode.STOPPED, error)

    # --- the core's lives -------------------------------------------------------------------------

    def _drop_core(self, mode: Mode, error: Exception, damaged: tuple[bytes, ...] = ()) -> Report:
        self._core = None
        self._probed_at = time.monotonic()
        return self._turn(mode, str(error) or type(error).__name__, damaged)

    def _turn(self, mode: Mode, reason: str, damaged: tuple[bytes, ...]) -> Report:
        known = tuple(dict.fromkeys((*self._condition.damaged, *damaged)))[:DAMAGED_MAX]
        self._condition = Condition(mode, reason, self._condition.era + 1, known)
        return Report(condition=self._condition)

    def _start_core(self, damaged: tuple[bytes, ...] = ()) -> Report:
        """A core made from what the store holds, and the report that says so, or why there is none."""
        self._started_at = time.monotonic()
        self._core = None
        try:
            core = self._make_core(self._store)
            if self._lost:
                core.step(Lost(self._lost), self._clocks())  # it has no links: nothing to send yet
            self._store.commit()
        except Exception as error:
            return self._failed([], None, error)
        self._core = core
        self._guard = Guard()
        self._lost = ()
        self._wake_at_ms = core.wake_at_ms
        self._live_due = True
        return self._turn(Mode.RUNNING, "", damaged)

    def _probe_is_due(self) -> bool:
        if self._condition.mode is not Mode.READ_ONLY:
            return False
        return time.monotonic() - self._probed_at >= self._retry_s * 0.9

    def _probe(self) -> Report:
        """Try to write; start the core again if that reaches the disk."""
        self._probed_at = time.monotonic()
        try:
            for value in (bytes(PROBE_BYTES), None):
                self._store.apply([PutMeta(_PROBE, value)])
                self._store.commit()
        except AslError as error:
            self._say_once(logging.INFO, f"still read-only: {error}")
            return Report()
        damaged = isinstance(self._fault, Damaged)
        report = self._start_core()
        if self._core is not None and not damaged:
            self._say_once(logging.WARNING, "the disk takes writes again")
        return report

    # --- questions --------------------------------------------------------------------------------

    def _answer(self, question: Question, report: Report) -> None:
        try:
            report.answers.append((question.reply, question.function(self._store), None))
        except InvariantBroken as error:
            report.condition = self._stop(error).condition
            report.answers.append((question.reply, None, self._fault))
        except Exception as error:
            report.answers.append((question.reply, None, error))

    def _refresh_live(self, report: Report, age_s: float) -> None:
        """Let the core tell about itself, unless what it told is still fresh enough."""
        if self._core is None or not self._live_due or time.monotonic() - self._live_at < age_s:
            return
        self._live_at = time.monotonic()
        self._live_due = False
        report.live = self._core.live()

    def _leave(self) -> None:
        self._core = None
        try:
            self._store.commit()
        except Exception as error:
            logger.error("the last commit: %s", error)
        try:
            self._store.close()
        except Exception as error:
            logger.error("closing the store: %s", error)
        for job in self._remaining():
            if isinstance(job, Question) or (isinstance(job, Inputs) and job.reply is not None):
                gone = UserError("this Common is closed here", remedy="start `asl up` again")
                assert job.reply is not None  # noqa: S101 - just seen
                self._deliver(Report(answers=[(job.reply, None, gone)]))

    def _remaining(self) -> list[Job]:
        jobs = list(self._held)
        while True:
            try:
                jobs.append(self._queue.get_nowait())
            except queue.Empty:
                return jobs
