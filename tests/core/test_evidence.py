"""F3: evidence reaches everybody, also who was away when it was found."""

from __future__ import annotations

from aslp2p.ledger.history import read_evidence
from simulations.world import World
from tests.core.households import founded, run_twice


def _two_histories() -> World:
    """3 of 4, whose witness `you` runs twice; `zoe` is off. Both histories have met."""
    made = founded(("you", "alice", "james", "zoe"), 3, 3_600_000)
    run_twice(made, [("you", "alice"), ("copy", "james")])
    made.connect("alice", "james")
    made.run(60_000)
    for name in ("you", "copy"):
        made.crash(name)
    return made


def _evidence(made: World, name: str) -> int:
    return len(read_evidence(made.nodes[name].store))


def test_who_was_away_hears_of_it() -> None:
    made = _two_histories()
    assert [_evidence(made, name) for name in ("alice", "james")] == [1, 1]
    made.start("zoe")
    made.connect("zoe", "alice")
    made.run(10_000)
    assert _evidence(made, "zoe") == 1
    assert made.heads()["zoe"] == made.heads()["alice"]


def test_who_hears_it_from_one_that_restarted_hears_of_it() -> None:
    made = _two_histories()
    for name in ("alice", "james"):
        made.crash(name)
    made.start("alice")
    made.start("zoe")
    made.connect("zoe", "alice")
    made.run(10_000)
    assert _evidence(made, "zoe") == 1


def test_open_sets_that_share_evidence_agree() -> None:
    """What cannot be told apart is not asked for again for ever."""
    made = _two_histories()
    made.start("zoe")
    made.mesh()
    made.run(10_000)
    before = made.messages
    made.run(600_000)
    assert made.messages - before < 3 * 2 * 15, "a quiet network says where it stands, and no more"
