"""S12: a renewal answers what came to nothing, and does not end what people are still asked about."""

from __future__ import annotations

from random import Random

from aslp2p.artifacts.types import Admit, Rotation
from aslp2p.core.inputs import Endorse, Propose, Recover, Revoke
from aslp2p.ledger.state import revoked_keys
from simulations.world import World
from tests.core.households import linked
from tests.model.network import Machine, Network, key, policy_of

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
    made.crash("james")
    made.command("you", Propose(Admit(bytes([1] * 32), "guest", None)))
    made.run(3 * HOUR_MS)
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    assert not revoked_keys(core.head.members)
    assert _rotations(made) >= 2, "renewed above the epoch of the revocation"
    assert core.live()["final_height"] == core.head.height, "also when nothing more is put"


def test_a_renewal_of_a_reign_that_is_over_does_not_stand_for_a_new_one() -> None:
    """Its author is a witness that is no authority, so it binds nobody: no attempt, and no answer to one."""
    home = Network(Random(1), policy_of("abc", 2), witness="d", honest="abcd")
    a, b, c, d = (home.machines[name] for name in "abcd")

    def elect(takeover: bytes, voice: Machine, elected: Machine) -> None:
        voice.see(home.about(takeover))
        voice.step(Endorse(takeover))
        elected.see(home.about(takeover))
        elected.tick()
        assert elected.is_witness

    d.step(Propose(home.next_put()))
    for _ in range(3):
        d.see(home.about(a.step(Recover("gone"))))
        d.tick()
    (vain,) = _rotations_of(d)
    elect(b.step(Recover("gone")), c, b)
    for machine in (c, d):
        machine.see(home.line(b.head.id))
    elect(c.step(Recover("it was here after all", key("d"))), b, d)
    for _ in range(2):
        d.tick()  # for a round nothing of its new reign becomes final
    assert [one.base_height for one in _rotations_of(d)] == [vain.base_height, d.head.height], (
        "a cosigns nothing without"
    )


def _rotations_of(machine: Machine) -> list[Rotation]:
    return [action for _, action in machine.core._certificates.open() if isinstance(action, Rotation)]
