"""A node's thread: persist, then send; what a fault undoes; what works after it (docs/architecture.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from aslp2p.core.driver import BATCH_BYTES_MAX
from aslp2p.core.effects import Close, Publish, Send
from aslp2p.core.inputs import LinkDown, LinkUp, Lost, Received, Tick, Withdraw
from aslp2p.core.jobs import Inputs, Mode, Question, Report
from aslp2p.core.lives import PROBE_BYTES
from aslp2p.daemon.worker import Leave
from aslp2p.errors import (
    Damaged,
    DiskFault,
    InvariantBroken,
    JournalDamaged,
    NodeStopped,
    PeerFault,
    UserError,
)
from aslp2p.ledger.reader import Store
from aslp2p.limits import PROMISES_GUARD_MAX
from tests.daemon.small import PATIENCE_S, Bench, Slot, SmallCore

FULL = DiskFault("the disk is full", remedy="free some space")


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.worker.start()
    assert made.next(lambda report: report.condition).condition is not None
    yield made
    made.worker.put(Leave())
    made.worker.join()


def up(link: int, era: int = 1) -> Inputs:
    return Inputs((LinkUp(link, bytes(32), b"", "peer", "10.0.0.1:1", True),), 0, era)


def say(link: int, *messages: bytes, era: int = 1, done: list[str] | None = None) -> Inputs:
    finished = None if done is None else lambda: done.append("done")
    return Inputs([Received(link, data) for data in messages], sum(map(len, messages)), era, None, finished)


def command(text: bytes) -> tuple[Inputs, Slot]:
    slot = Slot()
    return Inputs((Withdraw(text),), 0, 1, slot), slot


def answer_of(bench: Bench, slot: Slot) -> tuple[object, BaseException | None]:
    report = bench.next(lambda report: any(reply is slot for reply, _, _ in report.answers))
    return next((value, error) for reply, value, error in report.answers if reply is slot)


def sends(report: Report) -> list[Send]:
    return [effect for effect in report.effects if isinstance(effect, Send)]


# --- persist, then send -----------------------------------------------------------------------------


def test_effects_and_answers_leave_only_when_what_they_stand_on_is_committed(bench: Bench) -> None:
    bench.worker.put(up(1))
    slots = []
    for number in range(50):
        bench.worker.put(say(1, b"one %d" % number, b"two %d" % number))
        job, slot = command(b"put %d" % number)
        bench.worker.put(job)
        slots.append(slot)
    assert answer_of(bench, slots[-1]) == (b"put 49", None)
    assert bench.dirty_deliveries == 0
    assert bench.store.meta("count") == b"150"


def test_a_batch_is_one_commit(bench: Bench) -> None:
    commits = bench.store.commits
    bench.worker.put(up(1))
    bench.worker.put(say(1, *[b"m%d" % number for number in range(64)]))
    report = bench.next(sends)
    assert [send.data for send in sends(report)] == [b"echo m%d" % number for number in range(64)]
    assert bench.store.commits == commits + 1


def test_what_need_not_last_leaves_at_once_and_is_committed_with_the_next_that_must(bench: Bench) -> None:
    commits = bench.store.commits
    bench.worker.put(Inputs((*up(1).inputs, *say(1, b"gossip one", b"two").inputs), 0, 1))
    report = bench.next(sends)
    assert [send.data for send in sends(report)] == [b"echo gossip one", b"echo two"]
    assert (bench.store.commits, bench.dirty_deliveries) == (commits + 1, 0)


def test_what_need_not_last_is_committed_soon_without_company(bench: Bench) -> None:
    bench.worker.put(up(1))
    commits = bench.store.commits
    bench.worker.put(say(1, b"gossip"))
    bench.next(sends)
    assert bench.store.committed.wait(PATIENCE_S)
    assert bench.store.commits == commits + 1


def test_an_answer_waits_for_the_disk_and_what_need_not_last_does_not(bench: Bench) -> None:
    job, slot = command(b"gossip")
    bench.worker.put(job)
    told = bench.next(lambda report: Publish("proposal", {}) in report.effects)
    assert not told.answers
    assert answer_of(bench, slot) == (b"gossip", None)
    assert bench.store.commits == 1


def test_what_could_wait_is_on_disk_when_the_node_stops() -> None:
    bench = Bench()
    bench.worker.start()
    bench.worker.put(Inputs((*up(1).inputs, *say(1, b"gossip").inputs), 0, 1))
    bench.worker.put(Leave())
    bench.worker.join()
    assert not bench.store.dirty
    assert bench.store.meta("count") == b"1"


def test_when_the_late_commit_fails_the_node_is_read_only_like_after_any_other(bench: Bench) -> None:
    bench.store.refusal = FULL
    bench.worker.put(Inputs((*up(1).inputs, *say(1, b"gossip").inputs), 0, 1))
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.READ_ONLY
    assert bench.store.meta("count") is None


def test_effects_come_in_the_order_of_the_inputs(bench: Bench) -> None:
    bench.worker.put(Inputs((*up(1).inputs, *say(1, b"a", b"close", b"b").inputs), 0, 1))
    report = bench.next(sends)
    assert report.effects == [
        Publish("peers", {"count": 1}),
        Send(1, b"echo a"),
        Send(1, b"bye"),
        Close(1, "told to", False),
        Send(1, b"echo b"),
    ]


def test_a_refused_command_is_answered_and_the_rest_of_its_batch_stands(bench: Bench) -> None:
    refused, slot = command(b"refuse this")
    bench.worker.put(up(1))
    bench.worker.put(say(1, b"before"))
    bench.worker.put(refused)
    bench.worker.put(say(1, b"after"))
    value, error = answer_of(bench, slot)
    assert value is None
    assert type(error) is UserError
    job, slot = command(b"last")
    bench.worker.put(job)
    answer_of(bench, slot)
    assert [bench.store.meta(f"m{number}") for number in range(3)] == [b"before", b"after", b"last"]


def test_a_batch_ends_when_it_would_send_too_much_and_goes_on_in_the_next(bench: Bench) -> None:
    done: list[str] = []
    bench.worker.put(up(1))
    bench.worker.put(say(1, *[b"big"] * 20, done=done))
    counts: list[int] = []
    while sum(counts) < 20:
        report = bench.next(sends)
        counts.append(len(sends(report)))
        assert len(report.done) == (sum(counts) == 20), "the room is free when all of the job is done"
    assert max(counts) <= (BATCH_BYTES_MAX >> 20) + 1


def test_a_tick_comes_when_the_core_wants_one(bench: Bench) -> None:
    bench.cores[0].wake_at_ms = 0
    job, slot = command(b"x")
    bench.worker.put(job)  # the worker looks at what the core wants after each batch
    answer_of(bench, slot)
    job, slot = command(b"y")
    bench.worker.put(job)
    answer_of(bench, slot)
    assert Tick() in bench.cores[0].seen


def test_a_core_that_wakes_without_end_is_stopped(bench: Bench) -> None:
    """S14: nothing more is signed; the reason names the rule."""
    core = bench.cores[0]
    core.sleepless = True
    core.wake_at_ms = 0
    job, slot = command(b"x")
    bench.worker.put(job)
    answer_of(bench, slot)
    condition = bench.next(lambda report: report.condition).condition
    assert condition is not None and condition.mode is Mode.STOPPED
    assert condition.reason.startswith("S14: the node wakes without end")
    job, slot = command(b"y")
    bench.worker.put(job)
    assert isinstance(answer_of(bench, slot)[1], NodeStopped)


def test_a_core_that_signs_without_end_is_stopped(bench: Bench) -> None:
    """S14: and what it signed last is not kept."""
    bench.cores[0].promises = PROMISES_GUARD_MAX + 1
    job, slot = command(b"x")
    bench.worker.put(job)
    assert isinstance(answer_of(bench, slot)[1], NodeStopped)
    slot = Slot()
    bench.worker.put(Question(lambda reader: reader.meta("m0"), slot))
    assert answer_of(bench, slot) == (None, None)


def test_a_question_is_answered_between_batches_and_sees_what_was_committed(bench: Bench) -> None:
    job, _ = command(b"put")
    slot = Slot()
    bench.worker.put(job)
    bench.worker.put(Question(lambda reader: reader.meta("m0"), slot))
    assert answer_of(bench, slot) == (b"put", None)


def test_what_a_question_raises_goes_to_who_asked(bench: Bench) -> None:
    slot = Slot()
    error = UserError("no such thing")
    bench.worker.put(Question(lambda reader: _raise(error), slot))
    assert answer_of(bench, slot) == (None, error)


def test_the_core_tells_about_itself_after_a_change_before_a_question_is_answered(bench: Bench) -> None:
    bench.worker.put(up(1))
    bench.next(lambda report: report.live and report.live["audited_height"] == 1)


# --- faults -----------------------------------------------------------------------------------------


def test_a_failed_commit_undoes_the_batch_and_nothing_of_it_leaves(bench: Bench) -> None:
    bench.worker.put(up(1))
    bench.next(lambda report: report.effects)
    bench.store.refusal = FULL
    job, slot = command(b"put")
    bench.worker.put(job)
    assert answer_of(bench, slot) == (None, FULL)
    assert bench.store.meta("m0") is None
    assert bench.dirty_deliveries == 0


@pytest.mark.parametrize("at_apply", [False, True], ids=["at the commit", "at a write"])
def test_a_full_disk_makes_the_node_read_only_until_a_write_succeeds(at_apply: bool) -> None:
    bench = Bench()
    bench.worker.start()
    bench.next(lambda report: report.condition)
    done: list[str] = []
    bench.worker.put(up(1))
    bench.next(lambda report: report.effects)
    bench.store.refuse_apply = at_apply
    bench.store.refusal = FULL
    bench.worker.put(say(1, b"lost", done=done))
    report = bench.next(lambda report: report.condition)
    assert report.effects == [] and len(report.done) == 1
    assert report.condition is not None and report.condition.mode is Mode.READ_ONLY
    assert "the disk is full" in report.condition.reason

    asked = Slot()
    bench.worker.put(Question(lambda reader: reader.meta("m0"), asked))
    assert answer_of(bench, asked) == (None, None), "questions are still answered"
    job, slot = command(b"put")
    bench.worker.put(job)
    assert answer_of(bench, slot) == (None, FULL), "commands say why not, and what to do"

    bench.store.refusal = None
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.RUNNING
    assert len(bench.cores) == 2, "the core was made again from what the store holds"
    job, slot = command(b"put")
    bench.worker.put(job)
    assert answer_of(bench, slot) == (b"put", None)
    assert bench.store.meta("m0") == b"put"
    assert bench.store.meta("daemon-probe") is None, f"the {PROBE_BYTES} bytes of the probe are gone again"
    bench.worker.put(Leave())
    bench.worker.join()


def test_what_belongs_to_links_of_an_earlier_life_is_not_given_to_the_new_core(bench: Bench) -> None:
    bench.worker.put(up(1))
    bench.next(lambda report: report.effects)
    bench.store.refusal = FULL
    bench.worker.put(say(1, b"lost"))
    bench.next(lambda report: report.condition)
    bench.store.refusal = None
    era = bench.next(lambda report: report.condition and report.condition.mode is Mode.RUNNING).condition
    assert era is not None
    done: list[str] = []
    bench.worker.put(say(1, b"late", done=done))
    bench.worker.put(Inputs((LinkDown(1),), 0, 1))
    assert bench.next(lambda report: report.done).done, "its room is given back"
    bench.worker.put(up(2, era.era))
    bench.worker.put(say(2, b"new", era=era.era))
    bench.next(sends)
    assert bench.cores[1].seen == [*up(2).inputs, Received(2, b"new")]


def test_a_bug_stops_the_node_before_it_signs_again_and_questions_go_on(bench: Bench) -> None:
    bench.errors.append(ZeroDivisionError("a bug"))
    bench.worker.put(up(1))
    bench.worker.put(say(1, b"good"))
    bench.next(sends)
    culprit, _ = command(b"raise")
    bench.worker.put(culprit)
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.STOPPED
    assert report.effects == []
    assert [type(error) for _, _, error in report.answers] == [NodeStopped]
    assert bench.store.meta("count") == b"1", "the batch was rolled back"
    job, slot = command(b"put")
    bench.worker.put(job)
    assert type(answer_of(bench, slot)[1]) is NodeStopped
    asked = Slot()
    bench.worker.put(Question(lambda reader: reader.meta("m0"), asked))
    assert answer_of(bench, asked) == (b"good", None)
    assert len(bench.cores) == 1, "it does not start again by itself"


@pytest.mark.parametrize("error", [InvariantBroken("two snapshots"), JournalDamaged("a promise is gone")])
def test_a_broken_invariant_or_journal_stops_the_node(bench: Bench, error: Exception) -> None:
    bench.errors.append(error)
    job, slot = command(b"raise")
    bench.worker.put(job)
    assert type(answer_of(bench, slot)[1]) is NodeStopped, "an InvariantBroken would end the whole daemon"


def test_a_question_that_finds_a_broken_invariant_stops_the_node(bench: Bench) -> None:
    slot = Slot()
    bench.worker.put(Question(lambda reader: _raise(InvariantBroken("no standing")), slot))
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.STOPPED
    assert type(report.answers[0][2]) is NodeStopped


def test_a_peers_fault_that_escapes_is_undone_and_blamed_on_its_link(bench: Bench) -> None:
    bench.errors.append(PeerFault("nonsense"))
    bench.worker.put(up(7))
    bench.next(lambda report: report.effects)
    bench.worker.put(say(7, b"raise"))
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.RUNNING
    assert report.effects == [Close(7, "nonsense", True)]
    assert bench.store.meta("count") is None
    assert len(bench.cores) == 2


def flip_a_bit(bench: Bench) -> Report:
    """The report that follows when a step of its core meets damage."""
    bench.worker.start()
    bench.next(lambda report: report.condition)
    bench.errors.append(Damaged("a flipped bit", (b"d" * 32,)))
    job, _ = command(b"raise")
    bench.worker.put(job)
    return bench.next(lambda report: report.condition)


def test_damage_is_reported_and_the_core_starts_again_from_the_store() -> None:
    bench = Bench(probe_s=0.0)
    report = flip_a_bit(bench)
    assert report.condition is not None and report.condition.mode is Mode.RUNNING
    assert report.condition.damaged == (b"d" * 32,)
    assert len(bench.cores) == 2
    assert bench.cores[1].seen[0] == Lost((b"d" * 32,)), "the new core fetches it again"
    bench.worker.put(Leave())
    bench.worker.join()


def test_damage_that_comes_again_at_once_does_not_turn_in_a_circle() -> None:
    bench = Bench(probe_s=3600.0)
    report = flip_a_bit(bench)
    assert report.condition is not None and report.condition.mode is Mode.READ_ONLY
    bench.worker.put(Leave())
    bench.worker.join()


def test_damage_that_stays_is_logged_once_and_waited_for_longer_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[float] = []

    def fail(store: Store) -> SmallCore:
        starts.append(time.monotonic())
        raise Damaged("a flipped bit", (b"d" * 32,))

    probe_s = 0.01
    bench = Bench(fail, probe_s=probe_s)
    bench.worker.start()
    for _ in range(6):
        report = bench.next(lambda report: report.condition)
        assert report.condition is not None and report.condition.mode is Mode.READ_ONLY
    bench.worker.put(Leave())
    bench.worker.join()
    told = [record.getMessage() for record in caplog.records if record.name == "aslp2p.daemon.worker"]
    assert told == ["the disk refused: a flipped bit"]
    for number, (before, after) in enumerate(pairwise(starts)):
        assert after - before >= 0.9 * probe_s * 2**number


def test_a_full_disk_is_logged_once_while_it_stays_full_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.worker.start()
    bench.next(lambda report: report.condition)
    with caplog.at_level(logging.INFO):
        bench.store.refusal = FULL
        bench.worker.put(command(b"put")[0])
        bench.next(lambda report: report.condition)
        assert bench.store.refused_often.wait(PATIENCE_S)
        bench.store.refusal = None
        bench.next(lambda report: report.condition and report.condition.mode is Mode.RUNNING)
        bench.worker.put(Leave())
        bench.worker.join()
    told = [record.getMessage() for record in caplog.records if record.name == "aslp2p.daemon.worker"]
    assert told == [f"the disk refused: {FULL}", f"still read-only: {FULL}", "the disk takes writes again"]


def test_a_core_that_cannot_start_leaves_a_node_that_answers_questions() -> None:
    def fail(store: Store) -> SmallCore:
        raise InvariantBroken("a history without its genesis")

    bench = Bench(fail)
    bench.worker.start()
    report = bench.next(lambda report: report.condition)
    assert report.condition is not None and report.condition.mode is Mode.STOPPED
    slot = Slot()
    bench.worker.put(Question(lambda reader: reader.meta("x"), slot))
    assert answer_of(bench, slot) == (None, None)
    bench.worker.put(Leave())
    bench.worker.join()


def test_leaving_closes_the_store_and_answers_who_still_waits() -> None:
    bench = Bench()
    bench.worker.start()
    bench.next(lambda report: report.condition)
    job, slot = command(b"in time")
    bench.worker.put(job)
    bench.worker.put(Leave())
    assert answer_of(bench, slot) == (b"in time", None)
    bench.worker.join()
    assert bench.store.closed


def _raise(error: Exception) -> None:
    raise error
