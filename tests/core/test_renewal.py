"""S12: a renewal answers what came to nothing, and does not end what people are still asked about."""

from __future__ import annotations

from aslp2p.core.inputs import Endorse, Revoke
from aslp2p.ledger.state import revoked_keys
from simulations.world import World
from tests.core.households import linked

HOUR_MS = 3_600_000


def _household() -> World:
    return linked(("you", "alice", "james"), 2, HOUR_MS)


def _rotations(made: World) -> int:
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    return core.head.standing.next_epoch


def test_a_revocation_waits_for_people() -> None:
    """The witness ends another's key; the second authority answers after most of an hour."""
    made = _household()
    proposal = made.command("you", Revoke(made.nodes["james"].key, "stolen"))
    made.crash("james")
    made.run(HOUR_MS * 9 // 10)
    made.command("alice", Endorse(proposal))
    made.run(60_000)
    core = made.nodes["alice"].core
    assert core is not None and core.head is not None
    assert made.nodes["james"].key in revoked_keys(core.head.members)


def test_a_revocation_that_nobody_answers_does_not_stop_finality_for_ever() -> None:
    made = _household()
    made.command("you", Revoke(made.nodes["james"].key, "stolen"))
    made.run(3 * HOUR_MS)
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    assert not revoked_keys(core.head.members)
    assert _rotations(made) >= 2, "renewed above the epoch of the revocation"
    assert core.live()["final_height"] == core.head.height, "also when nothing more is put"
