"""After the storm: the liars are gone, everything that was ever said reaches everybody, and people talk.

What they do is what people are told to do, and nothing else: one authority asks for a recovery on its head,
all others endorse that one; if it comes to nothing the next asks, at last giving up what excludes it (S9).
Then everybody has to be on one head, and something new has to be on it.
"""

from __future__ import annotations

from aslp2p.artifacts.types import Cosignature
from aslp2p.core.inputs import Endorse, Propose, Recover
from aslp2p.ledger.policy import satisfies_all
from aslp2p.limits import ABANDONS_MAX
from tests.model.town import Party, Town


def quorum_is_up(town: Town) -> bool:
    """Whether honest people are a quorum of every policy in force, wherever they stand."""
    keys = {party.signer.key for party in town.parties.values()}
    return all(satisfies_all(party.head.standing.policies, keys) for party in town.parties.values())


def rounds_max(town: Town) -> int:
    """Every authority asks at most twice; at first, and at the end, it takes a round to see the result."""
    return 2 * len(town.parties) + 2


def settle_down(town: Town) -> int | None:
    """How many rounds it took until everybody was on one head with something new; None for too many."""
    put: bytes | None = None
    for count in range(1, rounds_max(town) + 1):
        _exchange(town)
        if put is not None and _all_hold(town, put):
            return count
        witness = _working_witness(town)
        if witness is not None:
            put = witness.step(Propose(town.next_put()))
            witness.tick()
        else:
            _take_over(town, count)
    return None


def _exchange(town: Town) -> None:
    """Everything reaches everybody, and whoever has something to do does it."""
    for party in town.parties.values():
        party.forget_paper()
    for _ in range(2):
        for party in town.parties.values():
            party.take(party.left())
            party.tick()


def _all_hold(town: Town, put: bytes) -> bool:
    parties = list(town.parties.values())
    if len({party.head.id for party in parties}) > 1:
        return False
    head = parties[0].head
    return parties[0].store.fact(head.branch, b"p" + put, head.height) is not None


def _working_witness(town: Town) -> Party | None:
    """The witness that everybody is to follow, if it is there and may sign."""
    for party in town.parties.values():
        followed = all(one.head.id == party.head.id for one in town.parties.values())
        if followed and party.is_witness and party.core.live()["not_emitting_because"] is None:
            return party
    return None


def _take_over(town: Town, count: int) -> None:
    asking = [party for party in town.parties.values() if party.core.live()["is_authority"]]
    if not asking:
        return
    asks = asking[(count - 1) % len(asking)]
    excluded = _excluded(town, asks) if count > len(asking) else ()
    proposal = asks.step(Recover("", None, excluded))
    _exchange(town)
    if proposal is not None:
        for party in town.parties.values():
            party.step(Endorse(proposal))


def _excluded(town: Town, party: Party) -> tuple[bytes, ...]:
    """What somebody has cosigned that this party's line leaves out."""
    head = party.head
    cosigned = {
        item.signed.statement.snapshot
        for item in town.heap
        if isinstance(item.signed.statement, Cosignature) and item.by in town.parties
    }
    left_out = [one for one in cosigned if not party.ledger.contains(head.branch, head.height, one)]
    return tuple(sorted(left_out)[:ABANDONS_MAX])
