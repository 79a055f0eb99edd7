"""S4, S12: whoever has endorsed what came to nothing is freed by a renewal, whatever became of the paper."""

from __future__ import annotations

from aslp2p.artifacts.types import Admit, Rotation
from aslp2p.core.inputs import Endorse, Propose, Recover
from simulations.world import World
from tests.core.households import linked

NAMES = ("you", "alice", "james", "zoe")
GRACE_MS = 2 * 60_000
LONG_MS = 10 * GRACE_MS


def _household() -> World:
    return linked(NAMES, 3, GRACE_MS)


def _asked_in_vain(made: World) -> bytes:
    """Two of the three who have to want alice as the witness do."""
    recovery: bytes = made.command("alice", Recover("slow"))
    made.run(2_000)
    made.command("james", Endorse(recovery))
    return recovery


def _mute(made: World, name: str, *, to: tuple[str, ...] = NAMES) -> None:
    for other in to:
        if other != name:
            made.network.clog(name, other)


def _rotations(made: World, name: str) -> list[bytes]:
    core = made.nodes[name].core
    assert core is not None
    return [one.id for one, action in core._certificates.open() if isinstance(action, Rotation)]


def _assert_all_final_after_peace(made: World, witness: str) -> None:
    made.network.heal()
    made.network_changed()
    made.run(LONG_MS)
    for name, node in made.nodes.items():
        if node.core is None:
            continue
        head = node.core.head
        assert head is not None and head.standing.next_witness == made.nodes[witness].key, name
        assert node.core.live()["final_height"] == head.height, name


def test_a_renewal_of_a_deposed_witness_binds_nobody_for_ever() -> None:
    """Two have endorsed a rotation of an epoch above the takeover that deposed its author."""
    made = _household()
    recovery = _asked_in_vain(made)
    made.run(2_000)
    _mute(made, "zoe")
    for name in ("alice", "james"):
        _mute(made, name, to=("you",))
    made.command("zoe", Endorse(recovery))
    made.command("you", Propose(Admit(bytes([1] * 32), "guest", None)))
    made.run(GRACE_MS // 4)
    (renewal,) = _rotations(made, "zoe")
    made.command("zoe", Endorse(renewal))
    _assert_all_final_after_peace(made, "alice")


def test_a_renewal_in_a_superseded_reign_does_not_stand_for_a_new_one() -> None:
    """Its author is the witness again, by a takeover beside that reign; one machine is gone for good."""
    made = _household()
    first = made.command("alice", Recover("slow"))
    made.run(2_000)
    _mute(made, "alice")
    for name in ("james", "zoe"):
        made.command(name, Endorse(first))
    made.run(2_000)
    alice = made.nodes["alice"]
    assert alice.core is not None and alice.core.head is not None and alice.core.head.height == 1
    second = made.command("james", Recover("still slow", alice.key))
    made.run(GRACE_MS // 4)
    assert _rotations(made, "alice"), "it asks for itself above the second recovery"
    for name in ("you", "zoe"):
        made.command(name, Endorse(second))
    made.run(2_000)
    made.crash("zoe")
    _assert_all_final_after_peace(made, "alice")


def test_what_people_wanted_in_vain_does_not_stop_finality_for_ever() -> None:
    """S3: too many have cosigned beyond its base. Until people have had a grace period, it waits."""
    made = _household()
    _asked_in_vain(made)
    _mute(made, "zoe", to=("alice", "james"))  # its yes to the renewal is no answer to them
    for number in range(3):
        made.command("you", Propose(Admit(bytes([number + 1] * 32), f"guest{number}", None)))
        made.run(5_000)
    made.run(GRACE_MS // 2)
    core = made.nodes["alice"].core
    assert core is not None and core.live()["final_height"] == 0
    made.run(LONG_MS)
    _assert_all_final_after_peace(made, "you")


def test_a_witness_that_restarts_renews_itself_all_the_same() -> None:
    """S12: what was open before it went off counts from when it came back, and not from now on for ever."""
    made = _household()
    _asked_in_vain(made)
    made.crash("zoe")
    made.run(2_000)
    for name in ("you", "alice", "james"):
        made.crash(name)
        made.start(name)
    made.mesh()
    made.command("you", Propose(Admit(bytes([1] * 32), "guest", None)))
    _assert_all_final_after_peace(made, "you")
