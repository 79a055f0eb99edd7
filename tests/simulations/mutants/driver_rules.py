"""Mistakes in the driver: in persist-then-send, in what is held back, in what a fault undoes, in the probe.

The swarm sees most of them as well; what hunts them is `tests/core/test_driver.py`, in seconds.
"""

from __future__ import annotations

from tests.simulations.mutants.plant import Edit, Mutant

DRIVER = "aslp2p.core.driver:Driver"
LIVES = "aslp2p.core.lives:Lives"
RULE = "persist, then send"

MUTANTS = (
    Mutant(
        "effects-before-commit",
        RULE,
        "the effects of a batch leave before it is committed",
        (Edit(f"{DRIVER}._run_batch", "if report.answers and not self._durable:", "if report.effects:"),),
    ),
    Mutant(
        "commits-nothing",
        RULE,
        "a batch that must last is not committed",
        (Edit(f"{DRIVER}._commit_if_needed", "self._store.commit()", "pass"),),
    ),
    Mutant(
        "forgets-that-it-must-last",
        RULE,
        "of a batch only the last step says whether it must last",
        (Edit(f"{DRIVER}._step", "self._durable |= step.durable", "self._durable = step.durable"),),
    ),
    Mutant(
        "answers-early",
        RULE,
        "a person is told that it is kept before it is on disk",
        (Edit(f"{DRIVER}._run_batch", "                self._durable = True\n", ""),),
    ),
    Mutant(
        "lazy-for-ever",
        RULE,
        "each batch that need not last puts off the commit of those before it",
        (Edit(f"{DRIVER}._commit_if_needed", "elif self._unsynced_since is None:", "else:"),),
    ),
    Mutant(
        "nothing-undone",
        RULE,
        "what was written before a fault is committed later",
        (Edit(f"{LIVES}._roll_back", "self._store.rollback()", "pass"),),
    ),
    Mutant(
        "effects-of-what-failed",
        RULE,
        "the effects of a batch leave though its commit failed",
        (
            Edit(
                f"{DRIVER}._run_batch",
                "return self._failed(jobs, error)",
                "failed = self._failed(jobs, error); failed.effects[:0] = report.effects; return failed",
            ),
        ),
    ),
    Mutant(
        "old-core-goes-on",
        RULE,
        "after a failed commit the core goes on, with what it remembers of the batch",
        (Edit(f"{LIVES}._drop", "self.core = None", "pass"),),
    ),
    Mutant(
        "hold-back-lost",
        "G5",
        "what is held back is dropped",
        (Edit(f"{DRIVER}._hold_back", "self._queue.appendleft(", "id("),),
    ),
    Mutant(
        "hold-back-behind",
        "G5",
        "what is held back comes after what came later",
        (Edit(f"{DRIVER}._hold_back", "self._queue.appendleft(", "self._queue.append("),),
    ),
    Mutant(
        "hold-back-done",
        "G5",
        "a job has had its turn when the first part of it had",
        (
            Edit(
                f"{DRIVER}._hold_back",
                "Inputs(job.inputs[:position], job.size, job.era)]",
                "Inputs(job.inputs[:position], job.size, job.era, None, job.done)]",
            ),
        ),
    ),
    Mutant(
        "batch-without-end",
        "G5",
        "a batch sends as much as it is asked for",
        (Edit(f"{DRIVER}._step_all", "if sent > BATCH_BYTES_MAX:", "if False:"),),
    ),
    Mutant(
        "probe-never-ends",
        RULE,
        "a read-only node stays so though its disk takes writes again",
        (Edit(f"{LIVES}.probe", "report = self.begin()", "report = Report()"),),
    ),
    Mutant(
        "probe-not-tried",
        RULE,
        "the pause before a probe begins anew each time that somebody looks",
        (Edit(f"{LIVES}.probe_at_ms", "self._probed_ms", "self._clocks().mono"),),
    ),
    Mutant(
        "probe-leaves-its-bytes",
        RULE,
        "what a probe wrote stays on the disk",
        (Edit(f"{LIVES}.probe", "(bytes(PROBE_BYTES), None)", "(bytes(PROBE_BYTES),)"),),
    ),
    Mutant(
        "stopped-is-read-only",
        "S14",
        "a stopped node starts again after a probe",
        (Edit(f"{LIVES}.end", "if self.condition.mode is Mode.STOPPED:", "if False:"),),
    ),
    Mutant(
        "journal-like-any-disk",
        "S11",
        "a node whose journal is damaged signs again when the disk takes writes",
        (Edit(f"{LIVES}.end", " and not isinstance(error, JournalDamaged)", ""),),
    ),
    Mutant(
        "links-of-another-life",
        "G5",
        "messages of a link that the core does not know are given to it",
        (Edit(f"{DRIVER}._step", "job.era != self.condition.era", "False"),),
    ),
    Mutant(
        "damage-untold",
        "G4",
        "the core that starts again after damage does not ask for what is lost",
        (Edit(f"{LIVES}.begin", "if self._lost:", "if False:"),),
    ),
    Mutant(
        "damage-in-a-circle",
        RULE,
        "the same damage is met again and again without a pause",
        (Edit(f"{LIVES}._disk_failed", "self._pause_ms * 2", "self._pause_ms"),),
    ),
    Mutant(
        "guard-asleep",
        "S14",
        "nobody counts what a node signs",
        (Edit(f"{DRIVER}._step", "self._guard.took(step, now.mono)", "pass"),),
    ),
    Mutant(
        "late-tick",
        RULE,
        "what the inputs of a batch made due waits for the next commit",
        (Edit(f"{DRIVER}._run_batch", "self._tick(core, report)  # what", "pass  # what"),),
    ),
)
