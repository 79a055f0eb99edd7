"""S2: signs of life do not hide that the witness does nothing; and one that is at work is not deposed."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Action, Admit, Proposal, Put, Remove
from aslp2p.core.inputs import Propose
from aslp2p.gossip.messages import NO_ROOM, GetContent, Push, encode_message
from aslp2p.limits import FETCHING_GRACES
from simulations.world import World
from tests.core.households import founded

NAMES = ("you", "alice", "james")
GRACE_MS = 2 * 60_000
GUEST = Admit(bytes([9] * 32), "guest", None)


def _household() -> World:
    """The witness is there, beacons, and emits nothing; the others' daemons endorse by themselves."""
    made = founded(NAMES, 2, GRACE_MS)
    for name in NAMES:
        made.nodes[name].options["auto"] = True
        made.start(name)
    made.mesh()
    made.run(5_000)
    core = made.nodes["you"].core
    assert core is not None
    core._witness._has_reason = lambda: False  # type: ignore[method-assign]
    return made


def _witness(made: World) -> bytes:
    core = made.nodes["alice"].core
    assert core is not None and core.head is not None
    return core.head.standing.next_witness


def _propose(made: World, action: Action) -> None:
    """By alice, whatever her own daemon thinks of it."""
    alice = made.nodes["alice"]
    proposal = sign_statement(Proposal(made.common_id, made.now_ms, bytes(8), action), alice.signer)
    for name in ("you", "james"):
        made.inject("alice", name, encode_message(Push((proposal.raw,), ())))


def test_beacons_do_not_hide_a_witness_that_answers_nothing() -> None:
    made = _household()
    made.command("alice", Propose(GUEST))
    made.run(GRACE_MS)
    assert _witness(made) == made.nodes["you"].key, "first it has to wait a whole grace period"
    made.run(2 * GRACE_MS)
    assert _witness(made) != made.nodes["you"].key
    core = made.nodes["james"].core
    assert core is not None and core.head is not None and GUEST.key in core.head.members


@pytest.mark.parametrize(
    "action",
    [None, Remove("nothing", None), Put("p", content_id(b"?"), 1, "", False, 0, None)],
    ids=["nothing waits", "what would be rejected", "what nobody holds"],
)
def test_a_witness_that_has_nothing_to_list_is_well(action: Action | None) -> None:
    made = _household()
    if action is not None:
        _propose(made, action)
    made.run(5 * GRACE_MS)
    assert _witness(made) == made.nodes["you"].key


def test_a_witness_that_fetches_from_us_is_waited_for_and_not_for_ever() -> None:
    made = _household()
    made.command("alice", Propose(GUEST))
    asking = encode_message(GetContent((bytes(32),)))
    halves = 0
    while _witness(made) == made.nodes["you"].key and halves < 4 * FETCHING_GRACES:
        for name in ("alice", "james"):
            made.inject("you", name, asking)
        made.run(GRACE_MS // 2)
        halves += 1
    assert halves // 2 in range(FETCHING_GRACES, FETCHING_GRACES + 3)


def test_a_snapshot_that_lists_nothing_is_no_more_than_a_beacon() -> None:
    """They can be signed ahead as well."""
    made = _household()
    made.command("alice", Propose(GUEST))
    you = made.nodes["you"]
    assert you.core is not None
    for _ in range(8):
        head = you.core.head
        if head is None or head.standing.next_witness != you.key:
            break
        you.core._witness._sign(head, head.standing.next_epoch, [])
        made.run(GRACE_MS // 2)
    assert _witness(made) != you.key


def _mute(made: World) -> None:
    """The witness says nothing by itself: no core does on a disk that takes no writes."""
    core = made.nodes["you"].core
    assert core is not None
    core._beacons._sends = lambda: False  # type: ignore[method-assign]


def _halves_until_replaced(made: World, *saying: str) -> int:
    """How many halves of a grace period pass while each of `saying` says that it has no room."""
    halves = 0
    while _witness(made) == made.nodes["you"].key and halves < 4 * FETCHING_GRACES:
        for name in saying:
            for other in ("alice", "james"):
                if other != name:
                    made.inject(name, other, encode_message(NO_ROOM))
        made.run(GRACE_MS // 2)
        halves += 1
    return halves


def test_a_witness_that_has_no_room_is_waited_for_and_not_for_ever() -> None:
    """Whether or not something waits for it: it lives, and can list nothing."""
    made = _household()
    _mute(made)
    made.command("alice", Propose(GUEST))
    halves = _halves_until_replaced(made, "you")
    assert halves // 2 in range(FETCHING_GRACES, FETCHING_GRACES + 3)


def test_nobody_else_says_so_for_it() -> None:
    made = _household()
    _mute(made)
    assert _halves_until_replaced(made, "james", "alice") <= 4


def test_another_sign_of_life_begins_the_ten_anew() -> None:
    made = _household()
    core = made.nodes["alice"].core
    assert core is not None
    for name in ("alice", "james"):
        made.inject("you", name, encode_message(NO_ROOM))
    made.run(10)
    assert core.live()["witness_no_room_mono_ms"] is not None
    made.run(GRACE_MS // 2)
    assert core.live()["witness_no_room_mono_ms"] is None, "it has sent beacons since, and nothing waits"


def test_beacons_do_not_begin_them_anew_while_something_waits() -> None:
    made = _household()
    made.command("alice", Propose(GUEST))
    halves = _halves_until_replaced(made, "you")
    assert halves // 2 in range(FETCHING_GRACES, FETCHING_GRACES + 4)


def test_what_is_said_at_every_dial_is_told_once() -> None:
    made = _household()
    _mute(made)
    james = made.nodes["james"]

    def told() -> int:
        return sum(one.topic == "notice" and one.data["code"] == NO_ROOM.code for one in james.published)

    for _ in range(5):
        made.inject("you", "james", encode_message(NO_ROOM))
        made.run(1_000)
    assert told() == 1
