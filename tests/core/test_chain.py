"""Taking snapshots in one by one (V9), and what follows when the head moves (F4)."""

from __future__ import annotations

from typing import Any

import pytest

from aslp2p.artifacts.envelope import Signed, decode_artifact
from aslp2p.artifacts.types import Expel, Proposal
from aslp2p.gossip.messages import GetRange, Push, Want
from aslp2p.limits import REQUEST_TIMEOUT_MS, WAITING_SNAPSHOTS_MAX
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Node, World, bad_signature, swap


def linked(world: World) -> tuple[Stage, Neighbour]:
    stage = Stage(world, DAN)
    return stage, stage.link(ANN)


def push_of(node: Node) -> tuple[Signed[Any], ...]:
    return (*node.proposals, node.snapshot)


def pending(stage: Stage) -> int:
    return int(stage.core.live()["pending"])


def passed_on(neighbour: Neighbour) -> set[bytes]:
    """The ids of all artifacts that the node pushed to it."""
    return {decode_artifact(raw).id for push in neighbour.heard(Push) for raw in push.artifacts}


def test_a_snapshot_is_judged_shown_and_passed_on() -> None:
    world = World()
    stage, ann = linked(world)
    ben = stage.link(BEN)
    node = world.puts(world.root, "a")
    assert said(ann.pushes(*push_of(node)), "* head") == ["* head @1"]
    assert stage.head == node.id
    assert node.id in passed_on(ben) and node.id not in passed_on(ann)


def test_what_is_missing_is_asked_of_whoever_sent_it_and_the_snapshot_waits() -> None:
    world = World()
    stage, ann = linked(world)
    node = world.puts(world.root, "a", "b")
    ann.pushes(node.proposals[0], node.snapshot)
    assert stage.height == 0
    assert [one.ids for one in ann.heard(Want)] == [(node.proposals[1].id,)]
    stage.link(BEN).pushes(node.proposals[1])
    assert stage.head == node.id, "whoever brings it"


def test_what_stands_on_a_waiting_snapshot_waits_with_it() -> None:
    world = World()
    stage, ann = linked(world)
    first = world.puts(world.root, "a")
    second = world.puts(first, "b")
    ann.pushes(first.snapshot)
    ann.pushes(*push_of(second))
    assert stage.height == 0
    ann.pushes(*first.proposals)
    assert stage.head == second.id


def test_a_snapshot_whose_parent_is_not_here_is_a_reason_to_catch_up_and_no_fault() -> None:
    world = World()
    stage, ann = linked(world)
    ahead = world.chain(world.root, 3)
    ann.holds(ahead)
    log = ann.pushes(*push_of(ahead))
    assert ann.heard(GetRange)
    assert not said(log, "ann < closed")
    assert stage.head == ahead.id


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("signature", "the signature of"),
        ("signer", "its signer and epoch"),
        ("height", "it does not follow"),
        ("listed", "the signature of"),
    ],
)
def test_a_snapshot_that_no_honest_peer_would_send_is_blamed(what: str, says: str) -> None:
    """V9: honest nodes send on only what they have judged."""
    world = World()
    stage, ann = linked(world)
    good = world.puts(world.root, "a")
    bad = {
        "signature": swap(good, signed=bad_signature(good.snapshot)),
        "signer": world.puts(world.root, "a", signer=BEN),
        "height": world.puts(world.root, "a", height=2),
        "listed": swap(good, proposals=(bad_signature(good.proposals[0]),)),
    }[what]
    log = ann.pushes(*push_of(bad))
    (line,) = said(log, "ann < closed, blamed")
    assert says in line
    assert stage.height == 0
    stage.link(BEN).pushes(*push_of(good))
    assert stage.head == good.id, "the refused one is not in the way of the good one"


def test_a_forged_snapshot_waits_for_nothing_and_costs_its_sender_the_link() -> None:
    """Only what its signer has really signed may wait for its proposals."""
    world = World()
    stage, ann = linked(world)
    node = world.puts(world.root, "a")
    ann.pushes(bad_signature(node.snapshot))
    assert said(stage.log, "ann < closed, blamed")
    assert not ann.heard(Want)


def test_no_link_crowds_out_what_others_wait_for() -> None:
    """As many as may wait; what gives way came over the link that takes most of the room."""
    world = World()
    stage, ann = linked(world)
    ben = stage.link(BEN)
    node = world.puts(world.root, "from ben")
    ben.pushes(node.snapshot)
    for number in range(WAITING_SNAPSHOTS_MAX + 5):
        ann.pushes(world.puts(world.root, f"flood/{number}").snapshot)
    ben.pushes(*node.proposals)
    assert stage.head == node.id


def test_what_nobody_sends_is_given_up_and_can_come_again() -> None:
    world = World()
    stage, ann = linked(world)
    node = world.puts(world.root, "a")
    ann.pushes(node.snapshot)
    stage.wait(REQUEST_TIMEOUT_MS + SECOND_MS)
    stage.link(BEN).pushes(*push_of(node))
    assert stage.head == node.id


def test_a_listed_proposal_is_pending_no_more() -> None:
    world = World()
    stage, ann = linked(world)
    node = world.puts(world.root, "a", "b")
    other = world.put("c")
    ann.pushes(*node.proposals, other)
    assert pending(stage) == 3
    ann.pushes(node.snapshot)
    assert pending(stage) == 1
    stage.restart()
    assert pending(stage) == 1 and stage.head == node.id


def test_what_was_superseded_is_pending_again_until_the_new_line_lists_it() -> None:
    """F4: and only proposals of members, that the new line does not list."""
    world = World(members=(ANN, BEN, CLEO, DAN, EVE))
    stage, ann = linked(world)
    kept, both = world.put("kept", EVE), world.put("both", ANN)
    left = world.after(world.root, kept, both, world.put("third"))
    ann.pushes(*push_of(left))
    assert pending(stage) == 0
    taken = world.recover(world.root, BEN, also=(both,))
    log = stage.link(BEN).pushes(*push_of(taken))
    assert stage.head == taken.id
    assert said(log, "* notice superseded") == [
        "* notice superseded: snapshots @1 to @1 were superseded; 2 of their proposals are pending again"
    ]
    assert pending(stage) == 2
    again = world.after(taken, kept)
    stage.link(CLEO).pushes(*push_of(again))
    assert stage.head == again.id and pending(stage) == 1


def test_what_an_expelled_author_had_listed_does_not_come_back() -> None:
    world = World(members=(ANN, BEN, CLEO, DAN, EVE))
    stage, ann = linked(world)
    theirs = world.put("eve's", EVE)
    left = world.after(world.root, theirs)
    ann.pushes(*push_of(left))
    expelled = world.recover(world.root, BEN, also=(world.propose(Expel(EVE.key), BEN),))
    stage.link(BEN).pushes(*push_of(expelled))
    assert stage.head == expelled.id and pending(stage) == 0


def test_a_snapshot_beside_our_line_brings_its_proposals() -> None:
    """F4: what only it lists is pending here, for who knows whether anybody follows it."""
    world = World()
    stage, ann = linked(world)
    taken = world.recover(world.root, BEN)
    ann.pushes(*push_of(taken))
    beside: Signed[Proposal] = world.put("beside", CLEO)
    stage.link(BEN).pushes(*push_of(world.after(world.root, beside)))
    assert stage.head == taken.id and pending(stage) == 1


def test_two_histories_of_one_witness_are_kept_open_for_who_comes_later() -> None:
    """F3: whoever was away finds no rival on the line that it catches up with."""
    world = World()
    stage, ann = linked(world)
    one, other = world.puts(world.root, "one"), world.puts(world.root, "other")
    ann.pushes(*push_of(one))
    stage.link(BEN).pushes(*push_of(other))
    cleo = stage.link(CLEO)
    cleo.says(Want((one.id, other.id)))
    assert {one.id, other.id} <= passed_on(cleo)
    assert stage.ledger().equivocation_in(0, ANN.key) is not None
