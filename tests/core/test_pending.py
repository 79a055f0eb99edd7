"""Bounds of what is open: nobody's proposals crowd out everybody else's (G5)."""

from __future__ import annotations

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Named, Policy, Proposal, Remove, Statement
from aslp2p.core.context import Context
from aslp2p.core.inputs import Endorse, Propose, Rotate
from aslp2p.core.pending import Pending
from aslp2p.limits import PENDING_MAX, PENDING_PER_AUTHOR_MAX
from simulations.world import World


def _context() -> Context:
    made = World(7)
    made.found("you", ["you"])
    made.start("you")
    core = made.nodes["you"].core
    assert core is not None
    return core._context


def _proposal(author: bytes, number: int) -> Verified[Statement]:
    id_ = number.to_bytes(4, "big") + author[:28]
    statement = Proposal(bytes(32), 0, number.to_bytes(8, "big"), Remove("a", None))
    return Verified(id_, id_, "asl.common.proposal/1", author, b"", bytes(64), statement)


def test_one_author_has_a_bound() -> None:
    pending = Pending(_context())
    author = bytes([1] * 32)
    pending.add(*(_proposal(author, number) for number in range(PENDING_PER_AUTHOR_MAX)))
    assert not pending.room_for(author)
    assert pending.room_for(bytes([2] * 32))


def test_however_many_fill_it_there_is_room_for_one_more_author() -> None:
    pending = Pending(_context())
    for one in range(1, 12):
        author = bytes([one] * 32)
        number = 0
        while pending.room_for(author):
            pending.add(_proposal(author, number))
            number += 1
        assert number >= PENDING_MAX // 2 ** (one + 1)
        assert pending.room_for(bytes([99] * 32))
    assert len(pending.proposals) < PENDING_MAX


def _open_types(made: World, name: str) -> list[str]:
    core = made.nodes[name].core
    assert core is not None
    return sorted(one.type.split(".")[2].partition("/")[0] for one in core._pending.open)


def test_what_has_come_to_pass_and_what_a_former_witness_refused_is_open_no_more() -> None:
    """G3: else whoever was away meanwhile would lack it, ask for it, and not take it, for ever."""
    made = World(7)
    names = ("you", "alice", "james")
    for name in names:
        made.add_node(name)
    policy = Policy(
        witnesses=tuple(Named(name, made.nodes[name].key) for name in names),
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=3_600_000,
        participants="invited",
        protocol=1,
    )
    made.found("you", names, policy)
    for name in names:
        made.start(name)
    made.mesh()
    made.run(5_000)
    made.command("alice", Propose(Remove("nothing/there", None)))
    made.run(5_000)
    assert "rejection" in _open_types(made, "james")
    made.command("you", Endorse(made.command("you", Rotate(made.nodes["alice"].key, "moving out"))))
    made.run(1_000)
    (paper,) = [one.id for one, _ in made.nodes["alice"].core._certificates.open()]  # type: ignore[union-attr]
    made.command("alice", Endorse(paper))
    made.run(60_000)
    for name in names:
        assert set(_open_types(made, name)) == {"cosignature"}, name


def test_what_is_told_too_soon_after_the_last_time_is_looked_at_when_it_may_be() -> None:
    """G3: behind a dead link each of three quick proposals arrives within seconds, by way of a third."""
    made = World(7)
    names = ("you", "alice", "james")
    made.found("you", names)
    for name in names:
        made.start(name)
    made.mesh()
    made.run(2_000)
    pipe = next(number for number, one in made.pipes.items() if set(one.ends) == {"you", "james"})
    dead = set(made.pipes[pipe].links)
    send = made._send
    made._send = lambda node, effect: None if effect.link in dead else send(node, effect)  # type: ignore[method-assign]
    for number in range(3):
        made.command("james", Propose(Remove(f"nothing/{number}", None)))
        made.run(700)
    made.run(10_000)
    for name in names:
        core = made.nodes[name].core
        assert core is not None and not core._pending.proposals, name
