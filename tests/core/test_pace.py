"""S14: whatever peers send, a node signs a few successions a round; its driver stops one that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Proposal, Recovery
from aslp2p.core import auto_succession
from aslp2p.core.effects import Step
from aslp2p.core.guard import Guard
from aslp2p.core.pace import Pace
from aslp2p.errors import InvariantBroken, Rejected
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.reader import JournalRow
from aslp2p.limits import (
    PROMISES_GUARD_MAX,
    PROMISES_PER_AUTHOR_MAX,
    PROMISES_PER_ROUND_MAX,
    TICKS_AT_ONCE_MAX,
)
from aslp2p.recovery import round_ms
from simulations.world import Livelock, World
from tests.core.households import founded

NAMES = ("you", "alice", "james", "zoe")
GRACE_MS = 2 * 60_000


def _household() -> World:
    """The witness is off for good; two daemons endorse by themselves, which is one too few."""
    made = founded(NAMES, 3, GRACE_MS)
    for name in NAMES[1:]:
        made.nodes[name].options["auto"] = name != "zoe"
        made.start(name)
    made.mesh()
    return made


def _attempt(made: World, liar: str, epoch: int) -> Verified[Proposal]:
    head = made.nodes[liar].core.head  # type: ignore[union-attr]
    assert head is not None
    action = Recovery(epoch, head.height, head.id, made.nodes[liar].key, "mine", ())
    statement = Proposal(made.common_id, made.now_ms, epoch.to_bytes(8, "big"), action)
    return sign_statement(statement, made.nodes[liar].signer)


def _endorsed(made: World, name: str) -> list[JournalRow]:
    return list(made.nodes[name].store.journal("endorse", last=1000))


def test_one_author_gets_two_endorsements_a_round() -> None:
    made = _household()
    made.run(GRACE_MS - 1_000)
    attempts = tuple(_attempt(made, "zoe", epoch).raw for epoch in range(1, 13))
    made.inject("zoe", "alice", encode_message(Push(attempts, ())))
    made.run(1_000 + round_ms(GRACE_MS) // 4)
    assert len(_endorsed(made, "alice")) == PROMISES_PER_AUTHOR_MAX
    alice = made.nodes["alice"]
    assert alice.core is not None and "S14" in (alice.core.live()["held_back"] or "")
    notices = [one.data["text"] for one in alice.published if one.data.get("code") == "held-back"]
    assert notices and notices[0].startswith("S14: enough successions of zoe")
    made.run(round_ms(GRACE_MS))
    assert PROMISES_PER_AUTHOR_MAX < len(_endorsed(made, "alice")) <= 2 * PROMISES_PER_AUTHOR_MAX + 2


def test_a_key_endorses_no_more_than_anybody_could_need() -> None:
    """Also by people's hands: the same round, whoever asks."""
    made = _household()
    core = made.nodes["alice"].core
    assert core is not None
    pace = core._promises.pace
    made.run(1_000)
    for _ in range(PROMISES_PER_ROUND_MAX):
        pace.require_room()
        pace.note_endorsed(made.nodes["zoe"].key)
    with pytest.raises(Rejected, match="S14"):
        pace.require_room()


@pytest.mark.parametrize(
    ("at", "spoil", "found"),
    [
        ("signs", lambda one: one.setattr(Pace, "may_endorse", lambda *_: True), "signs"),
        (
            "wakes",
            lambda one: one.setattr(auto_succession.AutoSuccession, "wake_at_ms", property(lambda _: 0)),
            "wakes",
        ),
    ],
    ids=["signs", "wakes"],
)
def test_a_node_without_bounds_is_stopped(
    at: str, spoil: Callable[[pytest.MonkeyPatch], None], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The world's driver has the daemon's guard, and the simulations look for what it stops."""
    made = _household()
    if at == "signs":  # a renewal without end, as a witness once made that saw an attempt out of its reach
        monkeypatch.setattr(Pace, "require_room", lambda _: None)

        def renew(part: auto_succession.AutoSuccession) -> None:
            part.propose(Recovery(1, 0, made.common_id, made.nodes["you"].key, "", ()))

        monkeypatch.setattr(auto_succession.AutoSuccession, "_propose_recovery", renew)
        monkeypatch.setattr(
            auto_succession.AutoSuccession, "wake_at_ms", property(lambda one: one._context.now.mono + 1)
        )
    spoil(monkeypatch)
    with pytest.raises(Livelock, match=f"S14: the node {found} without end"):
        made.run(60_000)


def test_what_takes_many_ticks_and_has_an_end_is_no_livelock() -> None:
    guard = Guard()
    for _ in range(TICKS_AT_ONCE_MAX * 3):
        guard.ticked(Step(busy=True), 5, 5)
    for _ in range(TICKS_AT_ONCE_MAX - 1):
        guard.ticked(Step(), 5, 5)
    guard.took(Step(), 5)
    for _ in range(TICKS_AT_ONCE_MAX):
        guard.ticked(Step(), 5, 5)
    with pytest.raises(InvariantBroken, match="S14"):
        guard.ticked(Step(), 5, 5)


def test_promises_are_counted_for_the_round_that_they_were_made_in() -> None:
    guard = Guard()
    for at in range(10):
        guard.took(Step(promises=[250] * PROMISES_GUARD_MAX), at * 250)
    with pytest.raises(InvariantBroken, match="S14"):
        guard.took(Step(promises=[250]), 9 * 250 + 249)
