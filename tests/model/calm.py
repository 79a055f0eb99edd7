"""After the storm: the liars are gone, everything that was ever said reaches everybody, and people talk.

What they do is what people are told to do, and nothing else: one authority asks for a recovery on its head,
all others endorse that one; if it comes to nothing the next asks, at last giving up what excludes it (S9).
Then everybody has to be on one head, and something new has to be on it.
"""

from __future__ import annotations

from aslp2p.artifacts.types import Cosignature
from aslp2p.core.inputs import Endorse, Propose, Recover
from aslp2p.ledger.facts import listed_at
from aslp2p.ledger.policy import satisfies_all
from aslp2p.limits import ABANDONS_MAX
from tests.model.network import Machine, Network


def quorum_is_up(network: Network) -> bool:
    """Whether honest people are a quorum of every policy in force, wherever they stand."""
    keys = {machine.signer.key for machine in network.machines.values()}
    return all(satisfies_all(machine.head.standing.policies, keys) for machine in network.machines.values())


def rounds_max(network: Network) -> int:
    """Every authority asks at most twice; at first, and at the end, it takes a round to see the result."""
    return 2 * len(network.machines) + 2


def settle_down(network: Network) -> int | None:
    """How many rounds it took until everybody was on one head with something new; None for too many."""
    put: bytes | None = None
    for count in range(1, rounds_max(network) + 1):
        _exchange(network)
        if put is not None and _all_hold(network, put):
            return count
        witness = _working_witness(network)
        if witness is not None:
            put = witness.step(Propose(network.next_put()))
            witness.tick()
        else:
            _take_over(network, count)
    return None


def _exchange(network: Network) -> None:
    """Everything reaches everybody, and whoever has something to do does it."""
    for machine in network.machines.values():
        machine.forget_certificates()
    for _ in range(2):
        for machine in network.machines.values():
            machine.take(machine.left())
            machine.tick()


def _all_hold(network: Network, put: bytes) -> bool:
    machines = list(network.machines.values())
    if len({machine.head.id for machine in machines}) > 1:
        return False
    head = machines[0].head
    return listed_at(machines[0].store, head.branch, head.height, put) is not None


def _working_witness(network: Network) -> Machine | None:
    """The witness that everybody is to follow, if it is there and may sign."""
    for machine in network.machines.values():
        followed = all(one.head.id == machine.head.id for one in network.machines.values())
        if followed and machine.is_witness and machine.core.live()["not_emitting_because"] is None:
            return machine
    return None


def _take_over(network: Network, count: int) -> None:
    asking = [machine for machine in network.machines.values() if machine.core.live()["is_authority"]]
    if not asking:
        return
    asks = asking[(count - 1) % len(asking)]
    excluded = _excluded(network, asks) if count > len(asking) else ()
    proposal = asks.step(Recover("", None, excluded))
    _exchange(network)
    if proposal is not None:
        for machine in network.machines.values():
            machine.step(Endorse(proposal))


def _excluded(network: Network, machine: Machine) -> tuple[bytes, ...]:
    """What somebody has cosigned that this machine's line leaves out."""
    head = machine.head
    cosigned = {
        item.signed.statement.snapshot
        for item in network.heap
        if isinstance(item.signed.statement, Cosignature) and item.by in network.machines
    }
    left_out = [one for one in cosigned if not machine.ledger.contains(head.branch, head.height, one)]
    return tuple(sorted(left_out)[:ABANDONS_MAX])
