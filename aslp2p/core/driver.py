"""What drives a core: batches of inputs, commits, what leaves after them, and what a fault undoes.

It has no thread, no clock and no file of its own: whoever has them puts jobs in, asks for a `turn`, and
carries out each report before it asks for the next. So a daemon, a simulated machine, a desk without a
network and a test all go through the same code.

How it works. A turn takes all that waits (at most `BATCH_INPUTS_MAX` inputs, or `BATCH_BYTES_MAX` bytes in or
out; the rest is held back for the next turn), runs `core.step` for each, commits once, and only then gives
the effects and the answers away: persist, then send.

1. A batch in which no step says `durable` gives its effects away at once and is committed a moment later, at
   most `LAZY_COMMIT_MS`, or with the next that has one. An answer waits for the disk in any case.
2. A `UserError` from a command answers that command; its step changed nothing, the batch goes on.
3. Whatever else a step or the commit raises rolls back all that is not committed: the effects of the batch
   are dropped, its commands get the error, and `Lives` says what becomes of the core.
4. Questions are answered between batches, by a node without a core too. One that finds a broken invariant
   stops the node.
5. What belongs to a link of an earlier life of the core is dropped.

No fault is raised to the shell: a report tells of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias

from aslp2p.core.effects import Send
from aslp2p.core.guard import Guard
from aslp2p.core.inputs import Came, Input, LinkDown, LinkUp, Now, Received, Tick
from aslp2p.core.jobs import Core, Inputs, Job, Life, Question, Report
from aslp2p.core.lives import PROBE_MS, Lives
from aslp2p.errors import AslError, InvariantBroken, UserError
from aslp2p.ledger.reader import Store
from aslp2p.limits import MIB

BATCH_INPUTS_MAX = 512
BATCH_BYTES_MAX = 4 * MIB
LAZY_COMMIT_MS = 50
"""How long writes that may be lost (`Step.durable` is false) wait for others to be committed with."""
LIVE_SPACING_MS = 250
"""How old what the core says of itself may be while it is busy; a question finds it at most `LIVE_FRESH_MS`
old."""
LIVE_FRESH_MS = 10

Reports: TypeAlias = Generator[Report, None, Report]
"""Reports to carry out at once, and one that may wait for company."""


class Driver:
    """Drives the cores that `make_core` makes on `store`, one after the other.

    `meter` reads what the inputs of a job take (`Spent`); with `tells`, reports say what the core tells of
    itself (`Core.live`).
    """

    def __init__(
        self,
        store: Store,
        make_core: Callable[[Store], Core],
        clocks: Callable[[], Now],
        *,
        probe_ms: int = PROBE_MS,
        meter: Callable[[], float] = lambda: 0.0,
        tells: bool = False,
    ) -> None:
        self._store = store
        self._clocks = clocks
        self._meter = meter
        self._tells = tells
        self._lives = Lives(store, make_core, clocks, probe_ms=probe_ms)
        self._queue: deque[Job] = deque()
        self._wake_at_ms: int | None = None
        self._culprit: Input | None = None
        """The input whose step is running."""
        self._durable = False
        """Whether the batch has to be on disk before its effects leave."""
        self._unsynced_since: int | None = None
        self._live_ms: int | None = None
        self._live_due = False

    @property
    def core(self) -> Core | None:
        """None while the node is read-only or stopped."""
        return self._lives.core

    @property
    def fault(self) -> AslError:
        """What commands are told while there is no core."""
        return self._lives.fault

    @property
    def condition(self) -> Life:
        return self._lives.condition

    @property
    def waits(self) -> bool:
        """Whether there are jobs that had no turn yet."""
        return bool(self._queue)

    @property
    def wake_at_ms(self) -> int | None:
        """When it wants a turn though no job comes, on the monotonic clock; None: never."""
        if self.core is None:
            return self._lives.probe_at_ms
        first = self._wake_at_ms
        if self._unsynced_since is not None:
            first = _earlier(first, self._unsynced_since + LAZY_COMMIT_MS)
        if self._live_due:
            first = _earlier(first, 0 if self._live_ms is None else self._live_ms + LIVE_SPACING_MS)
        return first

    def start(self) -> Report:
        """Make the first core; how the node is stands in the report."""
        return self._began(self._lives.begin())

    def put(self, job: Job) -> None:
        """Queue a job for the coming turns."""
        self._queue.append(job)

    def turn(self) -> Iterator[Report]:
        """One batch of what waits, or what time has made due. Each report is carried out before the next."""
        return (report for report in self._turn() if not report.is_empty())

    def sync(self) -> Report:
        """Commit now what may wait."""
        if self._unsynced_since is None:
            return Report()
        self._unsynced_since = None
        try:
            self._store.commit()
        except Exception as error:
            return self._failed([], error)
        return Report()

    def abandoned(self) -> list[Job]:
        """The jobs that never had a turn; forgets them."""
        jobs = list(self._queue)
        self._queue.clear()
        return jobs

    # --- a turn -----------------------------------------------------------------------------------

    def _turn(self) -> Iterator[Report]:
        jobs = self._take()
        inputs = [job for job in jobs if type(job) is Inputs]
        questions = [job for job in jobs if type(job) is Question]
        report = Report()
        if inputs or self._is_due(self._wake_at_ms):
            report = yield from self._run_batch(inputs)
        elif self._is_due(self._lives.probe_at_ms):
            report = self._began(self._lives.probe())
        if self._unsynced_since is not None and self._is_due(self._unsynced_since + LAZY_COMMIT_MS):
            yield report
            report = self.sync()
        if questions and report.effects:
            yield report
            report = Report()
        self._refresh_live(report, LIVE_FRESH_MS if questions else LIVE_SPACING_MS)
        for question in questions:
            self._answer(question, report)
        yield report

    def _take(self) -> list[Job]:
        """All jobs that wait, within the bounds of a batch."""
        jobs: list[Job] = []
        count = size = 0
        while self._queue and count < BATCH_INPUTS_MAX and size < BATCH_BYTES_MAX:
            job = self._queue.popleft()
            jobs.append(job)
            if type(job) is Inputs:
                count += len(job.inputs)
                size += job.size
        return jobs

    def _is_due(self, at_ms: int | None) -> bool:
        return at_ms is not None and at_ms <= self._clocks().mono

    # --- a batch ----------------------------------------------------------------------------------

    def _run_batch(self, jobs: list[Inputs]) -> Reports:
        report = Report()
        core = self.core
        if core is None:
            self._refuse(report, jobs)
            return report
        self._durable = False
        try:
            self._tick(core, report)
            jobs = self._step_all(core, jobs, report)
            self._culprit = None
            self._wake_at_ms = core.wake_at_ms
            self._tick(core, report)  # what the inputs made due goes into the same commit
            if report.answers and not self._durable:
                early, report.effects = report.effects, []
                yield Report(effects=early)
                self._durable = True
            self._commit_if_needed()
        except Exception as error:
            return self._failed(jobs, error)
        self._live_due = self._tells
        report.done = [job.done for job in jobs if job.done is not None]
        return report

    def _tick(self, core: Core, report: Report) -> None:
        due = self._wake_at_ms
        if due is None or due > (now := self._clocks()).mono:
            return
        step = core.step(Tick(), now)
        self._guard.ticked(step, due, now.mono)
        self._durable |= step.durable
        report.effects += step.effects
        self._wake_at_ms = core.wake_at_ms

    def _commit_if_needed(self) -> None:
        """Commit before anything leaves that must last; let the rest wait a moment for company."""
        if self._durable:
            self._unsynced_since = None
            self._store.commit()
        elif self._unsynced_since is None:
            self._unsynced_since = self._clocks().mono

    def _step_all(self, core: Core, jobs: list[Inputs], report: Report) -> list[Inputs]:
        """Run the inputs in order; returns the jobs without what is held back."""
        sent = 0
        for number, job in enumerate(jobs):
            for position, input_ in enumerate(job.inputs):
                if sent > BATCH_BYTES_MAX:
                    return self._hold_back(jobs, number, position)
                self._culprit = input_
                sent += self._step(core, job, input_, report)
        return jobs

    def _hold_back(self, jobs: list[Inputs], number: int, position: int) -> list[Inputs]:
        """Keep the inputs from `position` of job `number` on for the next batch; returns those before."""
        self._queue.extendleft(reversed(jobs[number + 1 :]))
        job = jobs[number]
        self._queue.appendleft(Inputs(job.inputs[position:], 0, job.era, job.reply, job.done, job.spent))
        return [*jobs[:number], Inputs(job.inputs[:position], job.size, job.era)]

    def _step(self, core: Core, job: Inputs, input_: Input, report: Report) -> int:
        """Run one step; returns how many bytes it sends."""
        if isinstance(input_, LinkUp | LinkDown | Received | Came) and job.era != self.condition.era:
            return 0
        began = self._meter() if job.spent is not None else 0.0
        try:
            now = self._clocks()
            step = core.step(input_, now)
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
        sent = sum(len(effect.data) for effect in step.effects if type(effect) is Send)
        if job.spent is not None:
            job.spent.seconds += self._meter() - began
            job.spent.sent_bytes += sent
        return sent

    @property
    def _guard(self) -> Guard:
        return self._lives.guard

    # --- faults -----------------------------------------------------------------------------------

    def _failed(self, jobs: list[Inputs], error: Exception) -> Report:
        """Nothing since the last commit has happened."""
        culprit, self._culprit = self._culprit, None
        self._unsynced_since = None
        report = self._began(self._lives.end(error, culprit))
        self._refuse(report, jobs)
        return report

    def _refuse(self, report: Report, jobs: list[Inputs]) -> None:
        for job in jobs:
            if job.reply is not None:
                report.answers.append((job.reply, None, self._lives.fault))
            if job.done is not None:
                report.done.append(job.done)

    def _began(self, report: Report) -> Report:
        """The same report, of a core that may have been made anew."""
        core = self.core
        self._wake_at_ms = None if core is None else core.wake_at_ms
        self._live_due = self._tells and core is not None
        return report

    # --- questions --------------------------------------------------------------------------------

    def _answer(self, question: Question, report: Report) -> None:
        try:
            report.answers.append((question.reply, question.function(self._store), None))
        except InvariantBroken as error:
            stopped = self._began(self._lives.stop(error))
            report.condition = stopped.condition
            report.notes += stopped.notes
            report.answers.append((question.reply, None, self._lives.fault))
        except Exception as error:
            report.answers.append((question.reply, None, error))

    def _refresh_live(self, report: Report, age_ms: int) -> None:
        """Let the core tell about itself, unless what it told is still fresh enough."""
        if self.core is None or not self._live_due:
            return
        now_ms = self._clocks().mono
        if self._live_ms is None or now_ms - self._live_ms >= age_ms:
            self._live_ms = now_ms
            self._live_due = False
            report.live = self.core.live()


def _earlier(one: int | None, other: int) -> int:
    return other if one is None or other < one else one
