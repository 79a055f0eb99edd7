"""The driver: persist, then send; what is held back; what a fault undoes; what works after it.

The rules cited are those of `core/driver.py` and `core/lives.py`. Each mistake in
`tests/simulations/mutants/driver_rules.py` makes a test here fail.
"""

from __future__ import annotations

import pytest

from aslp2p.core.driver import BATCH_BYTES_MAX, BATCH_INPUTS_MAX, LAZY_COMMIT_MS, LIVE_SPACING_MS
from aslp2p.core.inputs import Lost, Received
from aslp2p.core.jobs import Mode, Spent
from aslp2p.core.lives import CALM_MS, PAUSE_MAX
from aslp2p.errors import Damaged, DiskFault, InvariantBroken, JournalDamaged, PeerFault
from aslp2p.ledger.reader import Reader
from aslp2p.limits import PROMISES_GUARD_MAX
from tests.core.driven import Bench

FULL = DiskFault("the disk is full")
FLIPPED = Damaged("a flipped bit", (b"d" * 32,))
PROBE_MS = 3_000
RAISED = "refused NodeStopped: this Common is stopped: "


@pytest.fixture
def bench() -> Bench:
    made = Bench(probe_ms=PROBE_MS)
    made.log.clear()
    return made


# --- persist, then send -------------------------------------------------------------------------------


def test_effects_and_answers_leave_after_the_commit(bench: Bench) -> None:
    bench.says("a")
    bench.types("put")
    assert bench.turn() == ["commit", "send 1 echo a", "tell proposal", "answer put", "done"]


def test_a_batch_is_one_commit(bench: Bench) -> None:
    for number in range(5):
        bench.says(f"{number}")
    assert bench.turn().count("commit") == 1
    assert bench.store.words() == ["0", "1", "2", "3", "4"]


def test_what_need_not_last_leaves_first_and_is_committed_soon(bench: Bench) -> None:
    """Rule 1."""
    bench.says("lazy a")
    assert bench.turn() == ["send 1 echo lazy a", "done"]
    assert bench.driver.wake_at_ms == bench.now_ms + LAZY_COMMIT_MS
    assert bench.after(LAZY_COMMIT_MS - 1) == []
    assert bench.after(1) == ["commit"]
    assert bench.driver.wake_at_ms is None


def test_a_batch_lasts_when_any_of_its_steps_must(bench: Bench) -> None:
    bench.says("must", "lazy")
    assert bench.turn()[0] == "commit"


def test_more_of_what_need_not_last_does_not_put_the_commit_off(bench: Bench) -> None:
    """Rule 1."""
    bench.says("lazy a")
    bench.turn()
    bench.says("lazy b")
    assert "commit" not in bench.after(LAZY_COMMIT_MS - 1)
    assert bench.after(1) == ["commit"]


def test_what_need_not_last_goes_with_the_next_that_must(bench: Bench) -> None:
    """Rule 1: and nobody commits again for it."""
    bench.says("lazy a")
    bench.turn()
    bench.says("b")
    assert bench.turn() == ["commit", "send 1 echo b", "done"]
    assert bench.after(LAZY_COMMIT_MS) == []
    assert bench.driver.wake_at_ms is None


def test_an_answer_waits_for_the_disk_and_what_need_not_last_does_not(bench: Bench) -> None:
    """Rule 1."""
    bench.types("lazy put")
    assert bench.turn() == ["tell proposal", "commit", "answer lazy put"]


def test_a_machine_that_is_switched_off_commits_what_may_wait(bench: Bench) -> None:
    bench.says("lazy a")
    bench.turn()
    bench.carry_out(bench.driver.sync())
    assert bench.log[-1] == "commit"
    bench.carry_out(bench.driver.sync())
    assert bench.log.count("commit") == 1


def test_a_refused_command_is_answered_and_the_rest_of_its_batch_stands(bench: Bench) -> None:
    """Rule 2."""
    bench.says("before")
    bench.types("refuse")
    bench.says("after")
    assert "refused UserError: no" in bench.turn()
    assert bench.store.words() == ["before", "after"]
    assert bench.driver.condition.mode is Mode.RUNNING


def test_an_event_that_is_refused_like_a_command_is_a_bug(bench: Bench) -> None:
    bench.says("refuse")
    bench.turn()
    assert bench.driver.condition.mode is Mode.STOPPED


# --- what is held back --------------------------------------------------------------------------------


def test_a_batch_ends_when_it_has_sent_much_and_goes_on_in_the_next(bench: Bench) -> None:
    count = 3 * (BATCH_BYTES_MAX >> 20)
    bench.says(*["big"] * count)
    bench.says("last")
    turns = [bench.turn() for _ in range(3)]
    assert [turn.count("send 1 a MiB") for turn in turns] == [5, 5, count - 10]
    assert [turn.count("done") for turn in turns] == [0, 0, 2], "a job is done when all of it is"
    assert turns[2][-3:] == ["send 1 echo last", "done", "done"]
    assert not bench.driver.waits and bench.turn() == []
    assert bench.store.words() == ["big"] * count + ["last"]


def test_a_command_that_was_held_back_is_answered_once(bench: Bench) -> None:
    bench.says(*["big"] * 5)
    bench.types("put")
    assert "answer put" not in bench.turn()
    assert bench.driver.waits
    assert bench.turn() == ["commit", "tell proposal", "answer put"]


def test_a_batch_takes_so_many_inputs_and_the_rest_waits(bench: Bench) -> None:
    for number in range(BATCH_INPUTS_MAX + 1):
        bench.says(f"{number}")
    assert bench.turn().count("done") == BATCH_INPUTS_MAX
    assert bench.turn() == ["commit", f"send 1 echo {BATCH_INPUTS_MAX}", "done"]


def test_who_pays_is_told_what_the_inputs_took(bench: Bench) -> None:
    spent = Spent()
    bench.says("a", "b", spent=spent)
    bench.turn()
    assert (spent.seconds, spent.sent_bytes) == (0.5, 12)


def test_what_is_held_back_is_paid_for_too(bench: Bench) -> None:
    spent = Spent()
    bench.says(*["big"] * 7, spent=spent)
    bench.turn()
    bench.turn()
    assert spent.sent_bytes == 7 << 20


# --- time ---------------------------------------------------------------------------------------------


def test_what_the_inputs_make_due_goes_into_the_same_commit(bench: Bench) -> None:
    bench.says("later")
    assert bench.turn() == ["commit", "send 1 echo later", "tell peers", "done"]
    assert bench.store.words() == ["later", "tick"]


def test_a_tick_comes_when_the_core_wants_one_and_not_before(bench: Bench) -> None:
    bench.cores[0].wake_at_ms = bench.now_ms + 100
    bench.says("a")
    bench.turn()
    assert bench.driver.wake_at_ms == bench.now_ms + 100
    assert bench.after(99) == []
    assert bench.after(1) == ["commit", "tell peers"]


def test_a_core_that_wakes_without_end_is_stopped(bench: Bench) -> None:
    """S14."""
    bench.cores[0].sleepless = True
    bench.says("later")
    for _ in range(20_000):
        if bench.driver.condition.mode is Mode.STOPPED:
            break
        bench.turn()
    assert bench.driver.condition.reason.startswith("S14: the node wakes without end")
    assert bench.driver.core is None and bench.driver.wake_at_ms is None


def test_a_core_that_signs_without_end_is_stopped_and_what_it_signed_last_is_not_kept(bench: Bench) -> None:
    """S14."""
    bench.promises = PROMISES_GUARD_MAX + 1
    bench.types("signs")
    assert bench.turn()[-1].startswith(RAISED + "S14")
    assert bench.store.words() == []


# --- faults -------------------------------------------------------------------------------------------


def test_a_failed_commit_undoes_the_batch_and_nothing_of_it_leaves(bench: Bench) -> None:
    """Rule 3."""
    bench.says("a", "b")
    bench.types("put")
    bench.store.refusal = FULL
    log, condition, *answers = bench.turn()
    assert (log, condition) == ("log: the disk refused: the disk is full", "read-only")
    assert answers == [f"refused DiskFault: {FULL}", "done"]
    assert bench.store.words() == []


def test_a_failed_write_undoes_the_inputs_before_it_too(bench: Bench) -> None:
    """Rule 3."""
    bench.says("a")
    bench.turn()
    bench.error = FULL
    bench.says("b", "raise", "c")
    assert [line for line in bench.turn() if line.startswith("send")] == []
    assert bench.store.words() == ["a"]


def test_what_could_wait_is_undone_with_the_batch(bench: Bench) -> None:
    """Rule 3: else a later commit would keep what the core does not know of."""
    bench.says("lazy a")
    bench.turn()
    bench.error = FULL
    bench.types("raise")
    bench.turn()
    assert bench.store.words() == []
    assert "commit" not in bench.after(LAZY_COMMIT_MS)


def test_when_the_late_commit_fails_the_node_is_read_only(bench: Bench) -> None:
    bench.says("lazy a")
    bench.turn()
    bench.store.refusal = FULL
    assert bench.after(LAZY_COMMIT_MS) == ["log: the disk refused: the disk is full", "read-only"]
    assert bench.store.words() == []


def test_a_read_only_node_answers_questions_and_refuses_commands(bench: Bench) -> None:
    """Rule 4."""
    bench.says("kept")
    bench.turn()
    bench.store.refusal = FULL
    bench.says("lost")
    bench.turn()
    bench.types("put")
    bench.says("more")
    bench.asks(lambda reader: reader.meta("w0"))
    assert bench.turn() == [f"refused DiskFault: {FULL}", "answer b'kept'", "done"]


def test_a_probe_ends_read_only_mode_when_it_reaches_the_disk(bench: Bench) -> None:
    """Rule 2 of the lives: as often as that, and its bytes are gone again."""
    bench.store.refusal = FULL
    bench.says("lost")
    bench.turn()
    assert bench.driver.wake_at_ms == bench.now_ms + PROBE_MS
    assert bench.after(PROBE_MS - 1) == []
    assert bench.after(1) == ["log: still read-only: the disk is full"]
    assert bench.after(PROBE_MS) == [], "it is said once"
    bench.store.refusal = None
    assert bench.after(PROBE_MS - 1) == []
    assert bench.after(1) == ["commit", "commit", "log: the disk takes writes again", "running"]
    assert bench.store.meta("daemon-probe") is None
    bench.says("new")
    assert bench.turn() == ["commit", "send 1 echo new", "done"]
    assert bench.after(PROBE_MS) == []


@pytest.mark.parametrize("at_write", [False, True], ids=["at its commit", "at its write"])
def test_a_probe_that_fails_leaves_nothing(bench: Bench, at_write: bool) -> None:
    bench.store.refusal = FULL
    bench.says("lost")
    bench.turn()
    bench.store.refuse_writes = at_write
    bench.after(PROBE_MS)
    bench.store.refusal = None
    assert bench.store.meta("daemon-probe") is None


def test_what_belongs_to_links_of_an_earlier_life_is_dropped(bench: Bench) -> None:
    """Rule 5: its room is given back all the same."""
    old = bench.driver.condition.era
    bench.error = PeerFault("nonsense")
    bench.says("raise")
    bench.turn()
    bench.says("late", era=old)
    bench.links(2, era=old)
    assert bench.turn() == ["done"]
    bench.says("new")
    bench.turn()
    assert bench.cores[1].seen == [Received(1, b"new")]


def test_a_peers_fault_that_escapes_is_undone_and_blamed_on_its_link(bench: Bench) -> None:
    """Rule 1 of the lives."""
    bench.error = PeerFault("nonsense")
    bench.says("fine", link=3)
    bench.says("raise", link=7)
    told = bench.turn()
    assert told[1:] == ["running", "close 7, blamed: nonsense", "done", "done"]
    assert bench.store.words() == [] and len(bench.cores) == 2


def test_a_peers_fault_from_a_command_is_our_bug(bench: Bench) -> None:
    bench.error = PeerFault("nonsense")
    bench.types("raise")
    bench.turn()
    assert bench.driver.condition.mode is Mode.STOPPED


def test_a_bug_or_a_damaged_journal_stops_the_node_for_good() -> None:
    """Rule 4 of the lives: no probe starts it again."""
    for error in (ZeroDivisionError("a bug"), InvariantBroken("two heads"), JournalDamaged("one is gone")):
        bench = Bench()
        bench.error = error
        bench.types("raise")
        assert bench.turn()[-1].startswith(RAISED)
        bench.types("again")
        assert bench.after(10 * PROBE_MS)[-1].startswith(RAISED)
        assert (len(bench.cores), bench.driver.wake_at_ms) == (1, None)


def test_a_stopped_node_stays_stopped_when_the_disk_refuses_too(bench: Bench) -> None:
    """Rule 4 of the lives: read-only mode would end with a core that signs again."""
    bench.says("lazy a")
    bench.turn()
    bench.asks(_breaks)
    bench.store.refusal = FULL
    bench.turn()
    bench.after(LAZY_COMMIT_MS)
    bench.store.refusal = None
    bench.after(10 * PROBE_MS)
    assert bench.driver.condition.mode is Mode.STOPPED and len(bench.cores) == 1


def test_a_question_that_finds_a_broken_invariant_stops_the_node(bench: Bench) -> None:
    """Rule 4."""
    bench.asks(_breaks)
    assert bench.turn()[1:] == ["stopped", bench.log[-1]]
    assert bench.log[-1].startswith(RAISED + "no standing")


def test_what_a_question_raises_goes_to_who_asked(bench: Bench) -> None:
    bench.asks(lambda reader: 1 // 0)
    assert bench.turn() == ["refused ZeroDivisionError: integer division or modulo by zero"]


def test_a_question_sees_the_batch_before_it_and_waits_for_its_effects(bench: Bench) -> None:
    bench.asks(lambda reader: reader.meta("w0"))
    bench.says("a")
    assert bench.turn() == ["commit", "send 1 echo a", "done", "answer b'a'"]


# --- damage -------------------------------------------------------------------------------------------


def test_after_damage_the_core_starts_again_and_is_told_what_is_lost(bench: Bench) -> None:
    """Rule 3 of the lives."""
    bench.error = FLIPPED
    bench.now_ms += PROBE_MS
    bench.types("raise")
    bench.turn()
    assert bench.driver.condition.mode is Mode.RUNNING
    assert bench.driver.condition.damaged == FLIPPED.ids
    assert bench.cores[1].seen == [Lost(FLIPPED.ids)]
    assert bench.store.words() == ["lost"], "what it wrote about that is on disk"


def test_damage_that_comes_again_at_once_does_not_turn_in_a_circle(bench: Bench) -> None:
    """Rule 3 of the lives: each pause is twice as long, and it is said once."""
    bench.error = bench.fails_to_start = FLIPPED
    bench.now_ms += PROBE_MS
    bench.types("raise")
    assert bench.turn().count("read-only") == 1
    pause = 2 * PROBE_MS
    for _ in range(12):
        assert bench.driver.wake_at_ms == bench.now_ms + pause
        assert bench.after(pause)[-1] == "read-only"
        pause = min(2 * pause, PROBE_MS * PAUSE_MAX)
    assert sum(line.startswith("log: the disk refused") for line in bench.log) == 1


def test_a_core_that_lived_long_enough_was_well(bench: Bench) -> None:
    """The next fault is told of again, and waited for as at first."""
    for _ in range(2):
        bench.now_ms += CALM_MS + 1
        bench.error = FLIPPED
        bench.types("raise")
        assert "log: the disk refused: a flipped bit" in bench.turn()
        assert bench.driver.condition.mode is Mode.RUNNING


def test_a_core_that_cannot_start_leaves_a_node_that_answers_questions() -> None:
    bench = Bench()
    bench.fails_to_start = InvariantBroken("a history without its genesis")
    bench.error = PeerFault("nonsense")
    bench.says("raise")
    bench.asks(lambda reader: 7)
    told = [line for line in bench.turn() if not line.startswith("log")]
    assert told == ["stopped", "close 1, blamed: nonsense", "done", "answer 7"]


# --- what the core tells of itself --------------------------------------------------------------------


def test_the_core_tells_of_itself_after_a_change_and_not_too_often() -> None:
    bench = Bench(tells=True)
    bench.turn()
    bench.says("a")
    bench.turn()
    assert bench.lives == [{"seen": 0}]
    assert bench.driver.wake_at_ms == bench.now_ms + LIVE_SPACING_MS
    bench.after(LIVE_SPACING_MS)
    assert bench.lives == [{"seen": 0}, {"seen": 1}]
    assert bench.driver.wake_at_ms is None


def test_a_question_finds_what_the_core_says_now() -> None:
    bench = Bench(tells=True)
    bench.turn()
    bench.says("a")
    bench.now_ms += LIVE_SPACING_MS // 2
    bench.asks(lambda reader: None)
    bench.turn()
    assert bench.lives[-1] == {"seen": 1}


def _breaks(reader: Reader) -> None:
    raise InvariantBroken("no standing")
