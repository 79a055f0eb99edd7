"""Catching up with a better line (G4): what is asked of whom, what is deferred, and who is believed."""

from __future__ import annotations

from aslp2p.artifacts.types import Remove
from aslp2p.core.catchup import DOUBT_MS_MAX
from aslp2p.gossip.messages import GetRange, Range, RangeItem
from aslp2p.limits import DEFER_RUN_MIN, RANGE_SNAPSHOTS_MAX, RANGES_PER_PEER_MAX, REQUEST_TIMEOUT_MS
from tests.core.scripted import SECOND_MS, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, World


def test_a_height_that_a_peer_claims_defers_nothing() -> None:
    """Each signature of a short run is verified before anything of it is stored, however long the peer says
    that it goes on."""
    world = World()
    short = world.chain(world.root, DEFER_RUN_MIN - 1, "short")
    bad = short.line()[-1].proposals[0]
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(short, spoiled={bad.id})
    assert said(ann.heads(short, height=10**6), "ann < closed") == [
        "ann < closed, blamed: a range that does not verify: "
        f"A5: the signature of asl.common.proposal/1 {bad.id.hex()[:12]} does not verify"
    ]
    assert stage.height == short.height - 1
    assert stage.ledger().audited_height() == stage.height, "without a tick"
    assert stage.store.artifact(bad.id) is None


def test_a_long_run_is_shown_at_once_and_audited_then() -> None:
    """One signature of a reign and it is shown; all others are verified before anything is signed on it."""
    world = World()
    long = world.chain(world.root, DEFER_RUN_MIN, "long")
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(long)
    ann.heads(long)
    assert stage.head == long.id
    assert stage.ledger().audited_height() == 0 and stage.promised("cosign") == []
    stage.wait(5 * SECOND_MS)
    assert stage.ledger().audited_height() == long.height and stage.promised("cosign") == [long.id]


def test_what_comes_in_small_answers_is_deferred_once_much_of_it_came() -> None:
    """An answer ends where it is full: a history of large snapshots is long all the same."""
    world = World()
    long = world.chain(world.root, 2 * DEFER_RUN_MIN, "long")
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(long)
    ann.at_most = 5
    ann.heads(long)
    assert stage.head == long.id
    verified = stage.ledger().audited_height()
    assert 0 < verified < DEFER_RUN_MIN


def test_a_line_is_asked_of_every_peer_that_may_have_it() -> None:
    world = World()
    long = world.chain(world.root, 6 * RANGE_SNAPSHOTS_MAX, "long")
    stage = Stage(world, CLEO)
    neighbours = [stage.link(key).holds(long) for key in (ANN, BEN, DAN)]
    stage.happen(*(one.telling(long) for one in neighbours))
    assert stage.head == long.id
    asked = [len(one.heard(GetRange)) for one in neighbours]
    assert asked == [1 + RANGES_PER_PEER_MAX, RANGES_PER_PEER_MAX, 1]


def test_a_higher_epoch_is_followed_before_a_longer_line() -> None:
    """F2: it wins whatever its height; so it is worth more to know."""
    world = World()
    longer = world.chain(world.root, 9, "longer")
    taken = world.recover(world.root, BEN)
    stage = Stage(world, DAN)
    silent = stage.link(CLEO)
    silent.heads(world.chain(world.root, 2, "silent"))
    ann, ben = stage.link(ANN).holds(longer), stage.link(BEN).holds(taken)
    stage.happen(ann.telling(longer), ben.telling(taken))
    assert stage.height == 0, "one catch-up at a time"
    silent.leaves()
    (first,) = said(stage.log, "* head")[:1]
    assert first == "* head @1" and stage.head == taken.id
    assert not said(stage.log, "* notice superseded")


def test_whose_word_comes_to_nothing_is_asked_ever_more_rarely() -> None:
    """Nothing is asked again in a tight loop, whoever claims to be ahead and shows nothing."""
    world = World()
    ahead = world.chain(world.root, 3)
    stage = Stage(world, CLEO)
    ann = stage.link(ANN)
    for _ in range(600):
        ann.heads(ahead)
        stage.wait(SECOND_MS)
    asked = len(ann.heard(GetRange))
    assert 5 <= asked <= 20
    ann.holds(ahead)
    stage.wait(2 * DOUBT_MS_MAX)
    assert stage.head == ahead.id, "its word is not worth nothing for ever"


def test_whoever_does_not_know_the_line_is_not_doubted_for_it() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ahead = world.chain(world.root, 3)
    ann, ben = stage.link(ANN).holds(ahead), stage.link(BEN)
    ben.holds(world.chain(world.root, 2, "other"))
    stage.happen(ann.telling(ahead), ben.telling(ahead))
    assert stage.head == ahead.id
    later = world.chain(ahead, 1, "later")
    ben.holds(later).heads(later)
    assert stage.head == later.id


def test_an_answer_that_nobody_asked_for_is_of_no_use() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ann = stage.link(ANN)
    node = world.puts(world.root, "a")
    items = (RangeItem(node.snapshot.raw, tuple(one.raw for one in node.proposals)),)
    ann.says(Range(1, 1, items, ()))
    assert stage.height == 0 and not said(stage.log, "ann < closed")


def test_what_was_asked_of_a_link_that_ended_is_asked_of_another() -> None:
    world = World()
    ahead = world.chain(world.root, 3)
    stage = Stage(world, CLEO)
    ann, ben = stage.link(ANN), stage.link(BEN).holds(ahead)
    stage.happen(ann.telling(ahead), ben.telling(ahead))
    assert stage.height == 0, "ann was asked first and is silent"
    ann.leaves()
    assert stage.head == ahead.id


def test_whoever_claims_to_be_ahead_holds_a_witness_up_once_and_not_for_ever() -> None:
    """A witness waits for what may have replaced it; nobody can make it wait by claiming again."""
    world = World()
    stage = Stage(world, ANN)
    ben, dan = stage.link(BEN), stage.link(DAN)
    ben.heads(world.root)
    claim = world.recover(world.chain(world.root, 3, "claimed"), BEN)
    dan.heads(claim)
    admit = world.propose(Remove("nothing", None), CLEO)
    ben.pushes(admit)
    stage.wait(SECOND_MS)
    assert stage.core.live()["pending"] == 1, "it may have been replaced"
    for _ in range(REQUEST_TIMEOUT_MS // SECOND_MS + 1):
        dan.heads(claim)
        stage.wait(SECOND_MS)
    assert stage.core.live()["pending"] == 0, "answered"
    dan.heads(world.chain(claim, 1, "claimed again"))
    ben.pushes(world.propose(Remove("nothing else", None), CLEO))
    stage.wait(SECOND_MS)
    assert stage.core.live()["pending"] == 0, "at once, since its word came to nothing before"
