"""Who may be linked to a node, and how many (G2, G5); and a node whose journal is damaged (S11)."""

from __future__ import annotations

import pytest

from aslp2p.core.inputs import Now, Received
from aslp2p.core.node import doubt_journal
from aslp2p.core.places import GUESTS_MAX
from aslp2p.errors import Damaged
from aslp2p.limits import PEERS_MAX
from tests.core.scripted import Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, World


def links(stage: Stage) -> int:
    return len(stage.core.live()["peers"])


def test_members_are_let_in_and_nobody_else_is() -> None:
    stage = Stage(World(), CLEO)
    stage.link(BEN)
    stage.link(EVE)
    assert said(stage.log, "eve < closed") == [
        "eve < closed: this key is no member; ask a member for an invite"
    ]
    assert links(stage) == 1


def test_there_are_so_many_links_and_no_more() -> None:
    """Whatever keys they are of: each costs memory, and time at every step."""
    stage = Stage(World(), CLEO)
    for number in range(PEERS_MAX):
        stage.link((ANN, BEN, DAN)[number % 3])
    assert links(stage) == PEERS_MAX
    stage.link(BEN)
    assert links(stage) == PEERS_MAX
    closed = [line for line in stage.log if " < closed" in line]
    assert closed == ["dan < closed: too many links"], "a member's gives way to an authority's, without blame"


def test_guests_leave_most_of_the_room_to_members() -> None:
    """A joiner cannot judge who is a member, and neither can who is none yet."""
    world = World()
    stage = Stage(world, EVE)
    for _ in range(GUESTS_MAX + 2):
        stage.link(EVE)
    assert links(stage) == GUESTS_MAX
    stage.link(BEN)
    assert links(stage) == GUESTS_MAX + 1


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x90", b"\x91\x01", b"\x91\xa1a"], ids=repr)
def test_what_is_no_message_costs_the_link(data: bytes) -> None:
    stage = Stage(World(), CLEO)
    ben = stage.link(BEN)
    log = stage.happen(Received(ben.link, data))
    assert len(said(log, "ben < closed, blamed: not a message")) == 1


def test_a_message_that_only_a_later_version_knows_ends_the_link_without_blame() -> None:
    """A4: who has not been updated cannot judge who has; its person is told what to do."""
    stage = Stage(World(), CLEO)
    ben = stage.link(BEN)
    log = stage.happen(Received(ben.link, b"\x91\x63"))
    assert [line.partition(":")[0] for line in said(log, "ben < closed")] == ["ben < closed"]
    assert len(said(log, "* notice update")) == 1


def test_with_a_damaged_journal_nothing_is_promised() -> None:
    """S11: it cannot know what it promised."""
    stage = Stage(World(), BEN)
    doubt_journal(stage.core, None, Now(1, 1))
    assert stage.core.live()["stale_reason"] is None
    doubt_journal(stage.core, Damaged("a flipped bit"), Now(1, 1))
    assert stage.core.live()["stale_reason"] == "its signing journal is damaged: a flipped bit"
