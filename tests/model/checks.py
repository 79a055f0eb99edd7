"""What must hold at the end of every walk, judged from what lies on the heap and in the machines' stores.

Nothing of `aslp2p.ledger` decides here: policies in force, revocations and finality are worked out again from
the statements, one snapshot after the other.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict

from msgspec import Struct

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Policy,
    PolicyChange,
    Recovery,
    Revocation,
    Rotation,
    Snapshot,
)
from aslp2p.errors import Incomplete, Rejected
from tests.model.network import Machine, Network, key


class Violation(AssertionError):
    """A rule of the protocol was broken; the message begins with which promise."""


class Place(Struct, frozen=True):
    """One snapshot, worked out from its parent."""

    id: bytes
    line: tuple[bytes, ...]
    """Genesis first, itself last."""
    epoch: int
    signer: bytes
    appoints: tuple[int, bytes]
    policies: tuple[Policy, ...]
    gone: frozenset[bytes]
    abandoned: frozenset[bytes]
    change_height: int
    settles: bool
    takeover: bool

    @property
    def height(self) -> int:
        return len(self.line) - 1


def places_of(network: Network) -> dict[bytes, Place]:
    """Every snapshot on the heap by id; raises `Violation` where an epoch comes back (V3)."""
    genesis = network.genesis
    root = Place(
        genesis.id, (genesis.id,), 0, genesis.key, (0, genesis.key), (genesis.statement.policy,),
        frozenset(), frozenset(), 0, False, False,
    )  # fmt: skip
    places = {genesis.id: root}
    for snapshot in network.snapshots:
        places[snapshot.id] = _place(network, snapshot, places[snapshot.statement.previous])
    return places


def _place(network: Network, snapshot: Verified[Snapshot], parent: Place) -> Place:
    statement = snapshot.statement
    action = None
    if statement.certificate is not None:
        action = network.proposals[statement.proposals[0]].statement.action
    takeover = isinstance(action, Recovery | Revocation)
    if takeover and statement.epoch <= parent.appoints[0]:
        raise Violation("V6: a takeover whose epoch is not above that of its parent")
    if not takeover and (statement.epoch, snapshot.key) != parent.appoints:
        raise Violation("V3: something of an old epoch stands beyond a succession")
    appoints = (statement.epoch, snapshot.key)
    if isinstance(action, Rotation):
        appoints = (action.epoch, action.new_witness)
    policies, change_height = parent.policies, parent.change_height
    if isinstance(action, PolicyChange):
        policies, change_height = (*policies, action.policy), len(parent.line)
    elif statement.settlement is not None:
        policies, change_height = policies[-1:], 0
    gone = parent.gone | ({action.revoked} if isinstance(action, Revocation) else set())
    left = parent.abandoned | (set(action.abandons) if isinstance(action, Recovery | Revocation) else set())
    line = (*parent.line, snapshot.id)
    return Place(
        snapshot.id, line, statement.epoch, snapshot.key, appoints, policies, gone, left, change_height,
        statement.settlement is not None, takeover,
    )  # fmt: skip


def keys_of(policy: Policy) -> frozenset[bytes]:
    return frozenset(one.key for one in policy.witnesses)


def finals(network: Network, places: dict[bytes, Place]) -> list[Place]:
    """Every snapshot that somebody could know to be final, given all cosignatures on the heap (P2)."""
    cosigned: dict[bytes, set[bytes]] = defaultdict(set)
    for item in network.heap:
        at = item.signed.statement
        if not isinstance(at, Cosignature) or at.snapshot not in places:
            continue
        place = places[at.snapshot]
        usable = frozenset[bytes]().union(*map(keys_of, place.policies)) - place.gone
        if (at.epoch, at.height) == (place.epoch, place.height) and item.signed.key in usable:
            for id_ in place.line:
                cosigned[id_].add(item.signed.key)
    found = []
    for place in places.values():
        keys = cosigned[place.id]
        if all(len(keys_of(policy) & keys) >= policy.threshold for policy in place.policies):
            found.append(place)
    return found


def conflicting_finals(network: Network, places: dict[bytes, Place]) -> tuple[Place, Place] | None:
    """Two final snapshots neither of which contains the other, S9 apart."""
    final = finals(network, places)
    for one in final:
        for other in final:
            if one.id in other.line or other.id in one.line:
                continue
            given_up = any(id_ in other.abandoned for id_ in one.line) or any(
                id_ in one.abandoned for id_ in other.line
            )
            if not given_up:
                return one, other
    return None


def require_sound(network: Network) -> dict[bytes, Place]:
    """Raises `Violation` for the first promise that is broken; the places of all snapshots otherwise."""
    places = places_of(network)
    if (pair := conflicting_finals(network, places)) is not None:
        text = ", ".join(f"@{one.height} of epoch {one.epoch}" for one in pair)
        raise Violation(f"F1: two finals exclude each other: {text}")
    _require_one_certificate_an_epoch(network, places)
    require_own_promises(network, places)
    for machine in network.machines.values():
        _require_honest_memory(network, machine, places)
    for who, item, why in network.refusals:
        if item.by in network.machines:
            raise Violation(f"G5: {who} blames {item.by}, who is honest: {why}")
    return places


def harm(network: Network) -> set[str]:
    """What came to harm, for walks in which a rule is missing: `finals`, `certificates`, `promises`,
    `epochs`.

    Finality is what the rules in force say (the oracle's, with all cosignatures), so a missing rule about
    policies shows too.
    """
    found = set()
    for item in network.heap:
        if isinstance(item.signed.statement, Cosignature):
            with contextlib.suppress(Rejected, Incomplete):
                network.oracle.add_cosignature(item.signed)  # type: ignore[arg-type]
    if network.oracle.conflict() is not None or any(
        one.ledger.conflict() for one in network.machines.values()
    ):
        found.add("finals")
    try:
        _require_one_certificate_an_epoch(network, places_of(network))
    except Violation:
        found.add("certificates")
    try:
        require_own_promises(network, places_of(network))
    except Violation:
        found.add("promises")
    if _epochs_are_used_up(network):
        found.add("epochs")
    return found


def _epochs_are_used_up(network: Network) -> bool:
    """S1: whether an honest key was led further up than its own and other honest keys' steps go together."""
    liars = {key(name) for name in network.liars}
    signed = [(item.signed.key, item.signed.statement) for item in network.heap]
    honest = [one.epoch for by, one in signed if by not in liars and isinstance(one, Endorsement)]
    return max(honest, default=0) > 2**19 * (len(honest) + 1)


def _base(network: Network, proposal: bytes) -> bytes:
    return getattr(network.proposals[proposal].statement.action, "base_id", b"")


def _changes(places: dict[bytes, Place], id_: bytes) -> set[bytes]:
    """The policy changes that a line contains."""
    line = places[id_].line if id_ in places else ()
    return {one for one in line if places[one].height and places[one].change_height == places[one].height}


def _below_the_other(places: dict[bytes, Place], earlier: bytes, later: bytes) -> bool:
    """F5b: whether `later` contains a policy change that `earlier` leaves out, so that what was promised on
    `earlier` binds no more there."""
    return not _changes(places, later) <= _changes(places, earlier)


def _require_one_certificate_an_epoch(network: Network, places: dict[bytes, Place]) -> None:
    """But for lines that part at a policy change: there one leaves out the floor of the other (F5)."""
    found: dict[int, Verified[Snapshot]] = {}
    for snapshot in network.snapshots:
        if snapshot.statement.certificate is None:
            continue
        id_ = snapshot.statement.proposals[0]
        epoch = getattr(network.proposals[id_].statement.action, "epoch", None)
        if epoch is None:
            continue
        other = found.setdefault(epoch, snapshot)
        lines = (other.statement.previous, snapshot.statement.previous)
        parted = _below_the_other(places, *lines) or _below_the_other(places, *lines[::-1])
        if other.statement.proposals[0] != id_ and not parted:
            raise Violation(f"S1: two certificates of epoch {epoch}")


def require_own_promises(network: Network, places: dict[bytes, Place]) -> None:
    """No honest key has signed two things where it promised one (S1, S13)."""
    honest = {machine.signer.key for machine in network.machines.values()}
    endorsed: dict[tuple[bytes, int], bytes] = {}
    emitted: dict[tuple[bytes, int, int], bytes] = {}
    lines: dict[tuple[bytes, int], Place] = {}
    for item in network.heap:
        by, at = item.signed.key, item.signed.statement
        if by not in honest:
            continue
        if isinstance(at, Endorsement) and at.epoch:
            before = endorsed.get((by, at.epoch), at.proposal)
            bases = [
                getattr(network.proposals[one].statement.action, "base_id", b"")
                for one in (before, at.proposal)
            ]
            if before != at.proposal and not _below_the_other(places, *bases):
                raise Violation("S1: two endorsements of one key for one epoch")
            endorsed[by, at.epoch] = at.proposal
        elif isinstance(at, Snapshot):
            if emitted.setdefault((by, at.epoch, at.height), item.signed.id) != item.signed.id:
                raise Violation("S1: two snapshots of one key for one epoch and height")
            place = places[item.signed.id]
            last = lines.setdefault((by, at.epoch), place)
            if last.id not in place.line:
                raise Violation("S13: one key signed along two branches of one epoch")
            lines[by, at.epoch] = place


def _require_honest_memory(network: Network, machine: Machine, places: dict[bytes, Place]) -> None:
    """A machine never frames an honest witness, never doubts its own journal, and never sees two finals."""
    honest = {one.signer.key for one in network.machines.values()}
    if any(evidence.witness in honest for evidence in machine.ledger.evidence):
        raise Violation("S1: evidence against an honest witness (F3)")
    if (reason := machine.core.live()["stale_reason"]) is not None:
        raise Violation(f"S11: {machine.name} signs no more: {reason}")
    if machine.ledger.conflict() is not None:
        raise Violation("F1: a node knows two finals that exclude each other")
    here = places[machine.head.id]
    standing = machine.head.standing
    if (here.epoch, here.signer) != (standing.epoch, standing.witness):
        raise Violation("V3: a standing that its line does not give")
    if (here.policies, here.change_height) != (standing.policies, standing.change_height):
        raise Violation("P2: policies in force that its line does not give")
