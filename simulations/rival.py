"""Another history, that begins on an old snapshot: built by keys that were authorities there.

What is built is flawless: whoever judges it from genesis, and knows nothing else, has to take it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aslp2p.artifacts.envelope import Signed, Verified, sign_statement
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Policy,
    PolicyChange,
    Proposal,
    Recovery,
    Snapshot,
)
from aslp2p.ledger.policy import authority_keys
from simulations.keys import SeededKey

if TYPE_CHECKING:
    from aslp2p.ledger.gate import Tip
    from simulations.stage import Stage


class Rival:
    """A line on `base`, signed with `keys`; `raws` is all of it, in order."""

    def __init__(self, play: Stage, base: Tip, keys: Mapping[bytes, SeededKey]) -> None:
        self._play = play
        self._keys = keys
        self._common_id = play.world.common_id
        standing = base.standing
        self.height, self.id, self._frontier = base.height, base.id, base.frontier
        self.epoch, self.witness = standing.next_epoch, standing.next_witness
        self.policies = standing.policies
        self._installed = standing.installed[-1].id
        self._change: bytes | None = None
        self.raws: list[bytes] = []

    def _wall_ms(self) -> int:
        return self._play.world.wall_ms + self._play.world.now_ms

    def proposal(self, action: Any, by: bytes) -> Verified[Proposal]:
        statement = Proposal(self._common_id, self._wall_ms(), self._play.random.randbytes(8), action)
        return sign_statement(statement, self._keys[by])

    def voices(self, policies: Sequence[Policy]) -> list[bytes]:
        """Whose keys it has among the authorities of `policies`, in the order of a certificate."""
        named = frozenset[bytes]().union(*map(authority_keys, policies))
        return sorted(named & self._keys.keys())

    def endorsements(self, proposal: Signed[Proposal], epoch: int, by: Sequence[bytes]) -> tuple[bytes, ...]:
        statement = Endorsement(self._common_id, proposal.id, epoch, self._wall_ms())
        return tuple(sign_statement(statement, self._keys[key]).raw for key in by)

    def take_over(self, epoch: int, abandons: tuple[bytes, ...] = ()) -> None:
        """Another witness than the one that was, by the quorum of `keys`."""
        voices = self.voices(self.policies)
        witness = self._play.random.choice(voices)
        action = Recovery(epoch, self.height, self.id, witness, "", abandons)
        proposal = self.proposal(action, voices[0])
        self.epoch, self.witness = epoch, witness
        self._append([proposal], certificate=self.endorsements(proposal, epoch, voices))

    def change(self, policy: Policy) -> None:
        """Another policy, endorsed by both."""
        proposal = self.proposal(PolicyChange(policy, self._installed), self.voices(self.policies)[0])
        by = self.voices([*self.policies, policy])
        self._append([proposal], certificate=self.endorsements(proposal, 0, by))
        self._installed, self._change = proposal.id, self.id
        self.policies = (*self.policies, policy)

    def settle(self) -> None:
        """The change is final by cosignatures of its own, and the new policy stands alone."""
        cosignatures = tuple(self.cosignatures())
        self.policies = self.policies[-1:]
        self._append([], settlement=cosignatures)

    def emit(self, *listed: Signed[Proposal]) -> None:
        self._append(listed)

    def cosignatures(self) -> list[bytes]:
        """Of the newest snapshot, by everybody who has a say there."""
        statement = Cosignature(self._common_id, self.epoch, self.height, self.id, self._wall_ms())
        return [sign_statement(statement, self._keys[key]).raw for key in self.voices(self.policies)]

    def cosign(self) -> None:
        self.raws += self.cosignatures()

    def _append(
        self,
        listed: Sequence[Signed[Proposal]],
        *,
        certificate: tuple[bytes, ...] | None = None,
        settlement: tuple[bytes, ...] | None = None,
    ) -> None:
        ids = tuple(one.id for one in listed)
        self._frontier, _ = self._frontier.extend(ids)
        self.height += 1
        statement = Snapshot(
            self._common_id, self.height, self.id, self.epoch, self._wall_ms(), ids, self._frontier.size,
            self._frontier.root(), certificate, settlement,
        )  # fmt: skip
        snapshot = sign_statement(statement, self._keys[self.witness])
        self.id = snapshot.id
        self.raws += [*(one.raw for one in listed), snapshot.raw]
