"""Who may do what at one snapshot: the small part of the state that judges the next snapshot.

Immutable; each snapshot that changes it writes a new one as a fact (`facts.py`). Members are facts of their
own, one a key, so that a join does not rewrite everybody.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.types import Policy
from aslp2p.limits import MIB

KEPT_MAX = 64


class Installed(Struct, frozen=True, array_like=True):
    """A policy in force and the id of the proposal, or genesis, that installed it."""

    id: bytes
    policy: Policy


class Standing(Struct, frozen=True, array_like=True, dict=True):
    epoch: int
    witness: bytes
    """Epoch and signer of the snapshot itself."""
    next_epoch: int
    next_witness: bytes
    """Those that it appoints: its own or, when it carries a rotation certificate, that certificate's."""
    installed: tuple[Installed, ...]
    """One policy, or two while a change is joint: the old one first (P4)."""
    change_height: int
    """Height of the snapshot that carries the unsettled change; 0 when there is none."""
    reign_height: int
    """The first height of the reign: one epoch, one signer, the same policies in force."""
    changed_height: int
    """Where the witness last changed (0: genesis), for `Note: witness rotated at common@43`."""
    changed_by: str
    """`genesis`, `witness-rotation`, `witness-recovery` or `witness-revocation`."""

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        return tuple(one.policy for one in self.installed)

    @property
    def joint(self) -> bool:
        return len(self.installed) > 1

    def authorities(self) -> frozenset[bytes]:
        """The keys of every authority of every policy in force."""
        return self._authorities

    @cached_property
    def _authorities(self) -> frozenset[bytes]:
        return frozenset(w.key for policy in self.policies for w in policy.witnesses)

    def encode(self) -> bytes:
        return canonical.encode(msgspec.to_builtins(self, builtin_types=(bytes,)))

    @classmethod
    def decode(cls, data: bytes) -> Standing:
        return _decode(data)


def settled(standing: Standing) -> Standing:
    """What `standing` is where its policy change is settled: the new policy alone is in force (P4)."""
    return msgspec.structs.replace(standing, installed=standing.installed[-1:], change_height=0)


@lru_cache(KEPT_MAX)
def _decode(data: bytes) -> Standing:
    """A Common goes through few standings, and asks for them at every cosignature."""
    return msgspec.convert(canonical.decode(data, bytes_max=MIB), Standing, builtin_types=(bytes,))
