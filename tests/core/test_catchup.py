"""Catching up with a better line (G4): what is asked of whom, what is deferred, and who is believed."""

from __future__ import annotations

from aslp2p.gossip.messages import GetRange
from aslp2p.limits import DEFER_RUN_MIN, RANGE_SNAPSHOTS_MAX, RANGES_PER_PEER_MAX
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
