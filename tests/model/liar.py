"""One key in the wrong hands: it signs whatever a ledger somewhere could take, and has seen everything.

Only what is of use to a liar is tried: a snapshot that no ledger takes, or an endorsement of what nobody
proposed, moves nobody. What it may not do is sign for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    PolicyChange,
    Proposal,
    Recovery,
    Revocation,
    Rotation,
    Snapshot,
    Succession,
)
from aslp2p.ledger.gate import Tip
from tests.model.network import KEYS, WALL_MS, Network, key

FAR = 2**40
"""How far above what is appointed it asks at times, to use epochs up (S1)."""


class Liar:
    """Signs for `name`, by no rule."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._random = network.random
        self.name = name
        self.signer = KEYS[name]

    # --- paper ------------------------------------------------------------------------------------

    def endorse(self) -> None:
        """Any succession or policy change, however often and in whatever order."""
        special = self._special()
        if special:
            self.endorse_this(self._random.choice(special))

    def endorse_this(self, proposal: Verified[Proposal]) -> None:
        """Once, or in two artifacts that say the same."""
        epoch = getattr(proposal.statement.action, "epoch", 0)
        for made in range(WALL_MS, WALL_MS + self._random.randint(1, 2)):
            statement = Endorsement(self._network.genesis.id, proposal.id, epoch, made)
            self._network.lie(self.name, sign_statement(statement, self.signer))

    def cosign(self, id_: bytes) -> None:
        """Any snapshot, however much it excludes what was cosigned."""
        self._network.lie(self.name, self._cosignature(self._network.tip(id_)))

    def _cosignature(self, at: Tip) -> Verified[Cosignature]:
        statement = Cosignature(self._network.genesis.id, at.standing.epoch, at.height, at.id, WALL_MS)
        return sign_statement(statement, self.signer)

    def propose(self) -> None:
        """A rotation, or a recovery, on any base."""
        parent = self._anywhere()
        above = self._random.randint(1, 3) if self._random.random() < 0.8 else FAR
        epoch = parent.standing.next_epoch + above
        to = key(self._random.choice([*self._network.machines, *self._network.liars]))
        action: Succession
        if self._random.random() < 0.6:
            to = self.signer.key if self._random.random() < 0.5 else to
            action = Rotation(epoch, parent.height, parent.id, to, "")
        else:
            action = Recovery(epoch, parent.height, parent.id, to, "", ())
        self._propose(action)

    def rotate(self, base: Tip, epoch: int, to: bytes) -> Verified[Proposal]:
        """Ask for a rotation on a base of its choice."""
        return self._propose(Rotation(epoch, base.height, base.id, to, ""))

    def _propose(self, action: Succession | PolicyChange) -> Verified[Proposal]:
        statement = Proposal(self._network.genesis.id, WALL_MS, self._random.randbytes(8), action)
        proposal = sign_statement(statement, self.signer)
        self._network.lie(self.name, proposal)
        self.endorse_this(proposal)
        return proposal

    def _special(self) -> list[Verified[Proposal]]:
        kinds = Rotation | Recovery | Revocation | PolicyChange
        return [one for one in self._network.proposals.values() if isinstance(one.statement.action, kinds)]

    def _anywhere(self) -> Tip:
        ids = [self._network.genesis.id, *(one.id for one in self._network.snapshots[-12:])]
        return self._network.tip(self._random.choice(ids))

    # --- snapshots --------------------------------------------------------------------------------

    def equivocate(self) -> bool:
        """A snapshot on any of those that appoint this key; whether there is one."""
        parents = list(self.appointing())
        if not parents:
            return False
        return self.go_on_from(self._random.choice(parents[: self._random.randint(1, 6)]))

    def go_on_from(self, parent: Tip, many: int = 1) -> bool:
        """Ordinary snapshots, one upon the other; whether one may stand there."""
        for _ in range(many):
            put = Proposal(
                self._network.genesis.id, WALL_MS, self._random.randbytes(8), self._network.next_put()
            )
            if not self._emit(parent, parent.standing.next_epoch, [sign_statement(put, self.signer)]):
                return False
            parent = self._network.tip(self._network.snapshots[-1].id)
        return True

    def use_paper(self) -> bool:
        """Put the first certificate or settlement that fits somewhere into a snapshot; whether one did."""
        ways: list[Callable[[], bool]] = [self._takeover, self._transition, self.settle]
        self._random.shuffle(ways)
        return any(way() for way in ways)

    def hand_over(self, parent: Tip, after: int, rotation: Verified[Proposal]) -> None:
        """Carry out a rotation so many ordinary snapshots above `parent`."""
        self.go_on_from(parent, after)
        if after and self._network.snapshots:
            parent = self._network.tip(self._network.snapshots[-1].id)
        self._transit(rotation, [parent])

    def carry(self, rotations: Sequence[bytes]) -> None:
        """Carry out these rotations, each on the one before or on any snapshot that appoints this key."""
        parent: Tip | None = None
        for id_ in rotations:
            parents = [parent] if parent is not None and self._random.random() < 0.7 else self._parents()
            parent = self._transit(self._network.proposals[id_], parents)

    def _parents(self) -> list[Tip]:
        """The newest snapshots that this key may go on from, in any order."""
        parents = list(self.appointing())[:8]
        self._random.shuffle(parents)
        return parents

    def appointing(self) -> Iterator[Tip]:
        """Everything that a snapshot of this key may stand on, the newest first."""
        ids = [self._network.genesis.id, *(one.id for one in self._network.snapshots)]
        for id_ in reversed(ids):
            tip = self._network.tip(id_)
            if tip.standing.next_witness == self.signer.key:
                yield tip

    def _certificate(self, proposal: Verified[Proposal], allowed: frozenset[bytes]) -> tuple[bytes, ...]:
        """Every endorsement that there is; one a key, or now and then all that this key has signed."""
        found = [
            item.signed
            for item in self._network.heap
            if isinstance(item.signed.statement, Endorsement)
            and item.signed.statement.proposal == proposal.id
            and item.signed.key in allowed
        ]
        if self._random.random() < 0.7:
            found = list({one.key: one for one in found}.values())
        return tuple(one.raw for one in sorted(found, key=lambda one: one.key))

    def _takeover(self) -> bool:
        special = self._special()
        self._random.shuffle(special)
        for proposal in special:
            action = proposal.statement.action
            if not isinstance(action, Recovery | Revocation) or action.new_witness != self.signer.key:
                continue
            if self._network.oracle_store.snapshot(action.base_id) is None:
                continue
            parent = self._network.tip(action.base_id)
            certificate = self._certificate(proposal, parent.standing.authorities())
            if self._emit(parent, action.epoch, [proposal], certificate=certificate):
                return True
        return False

    def _transition(self) -> bool:
        special = self._special()
        self._random.shuffle(special)
        parents = self._parents()
        return any(self._transit(proposal, parents) is not None for proposal in special)

    def _transit(self, proposal: Verified[Proposal], parents: Sequence[Tip]) -> Tip | None:
        """Carry a rotation or a policy change on the first of `parents` that takes it; what then stands."""
        action = proposal.statement.action
        for parent in parents:
            allowed = parent.standing.authorities()
            if isinstance(action, Rotation) and proposal.key == self.signer.key:
                allowed |= {action.new_witness}
            elif isinstance(action, PolicyChange):
                allowed |= {witness.key for witness in action.policy.witnesses}
            else:
                return None
            certificate = self._certificate(proposal, allowed)
            if self._emit(parent, parent.standing.next_epoch, [proposal], certificate=certificate):
                return self._network.tip(self._network.snapshots[-1].id)
        return None

    def settle(self) -> bool:
        """Settle a policy change with what there is, be it enough or not."""
        for parent in list(self.appointing())[:8]:
            if not parent.standing.joint:
                continue
            found: dict[bytes, bytes] = {}
            for item in self._network.heap:
                at = item.signed.statement
                if not isinstance(at, Cosignature) or item.signed.key not in parent.standing.authorities():
                    continue
                if (
                    parent.standing.change_height <= at.height <= parent.height
                    and self._network.oracle.contains(parent.branch, parent.height, at.snapshot)
                ):
                    found[item.signed.key] = item.signed.raw
            if self.signer.key in parent.standing.authorities() and parent.id != self._network.genesis.id:
                found[self.signer.key] = self._cosignature(parent).raw
            settlement = tuple(found[one] for one in sorted(found))
            if self._emit(parent, parent.standing.next_epoch, [], settlement=settlement):
                return True
        return False

    def _emit(
        self,
        parent: Tip,
        epoch: int,
        listed: Sequence[Verified[Proposal]],
        *,
        certificate: tuple[bytes, ...] | None = None,
        settlement: tuple[bytes, ...] | None = None,
    ) -> bool:
        ids = tuple(one.id for one in listed)
        frontier, _ = parent.frontier.extend(ids)
        statement = Snapshot(
            common_id=self._network.genesis.id,
            height=parent.height + 1,
            previous=parent.id,
            epoch=epoch,
            created_ms=WALL_MS,
            proposals=ids,
            log_size=frontier.size,
            log_root=frontier.root(),
            certificate=certificate,
            settlement=settlement,
        )
        return self._network.lie(self.name, sign_statement(statement, self.signer), listed)
