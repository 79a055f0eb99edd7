"""The one gate: a snapshot that passes `judge` is accepted, whatever brought it here (section 4, V1 to V9).

`judge` takes the accepted parent with all that is known at it, and the snapshot with its listed proposals; it reads
no clock and asks nobody. It either gives the next `Tip` and the facts that the snapshot changes, or raises
citing the first rule that fails, and then nothing has changed.

*Deferred* judging (G4) leaves out the signatures of ordinary snapshots and of their ordinary proposals: the caller
vouches for them with a later signature of the same witness in the same epoch, which the hash chain binds
to all before it. Everything else, and every signature in a certificate or settlement, is judged at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from msgspec import Struct

from aslp2p.artifacts.envelope import Signed, Verifier
from aslp2p.artifacts.merkle import Frontier, Node
from aslp2p.artifacts.types import PolicyChange, Proposal, Recovery, Revocation, Rotation, Snapshot
from aslp2p.errors import Incomplete, InvariantBroken, Rejected
from aslp2p.ledger.certificate import Parent, require_certificate, require_settlement
from aslp2p.ledger.standing import STANDING_KEY, Installed, Standing
from aslp2p.ledger.state import (
    ADMITTED,
    REVOKED,
    Draft,
    Member,
    Members,
    apply_action,
    require_admissible,
    revoked_keys,
    set_member,
    tile_key,
)


class Tip(Struct, frozen=True):
    """An accepted snapshot (or genesis) and everything that judges its child. `members` is never written to."""

    id: bytes
    branch: int
    height: int
    standing: Standing
    members: Members
    frontier: Frontier


class Judged(Struct, frozen=True):
    """What passed: the snapshot, its place, and the facts that it changes."""

    snapshot: Signed[Snapshot]
    tip: Tip
    changes: Mapping[bytes, bytes | None]
    endorsers: frozenset[bytes]
    settled_by: tuple[Signed[object], ...]  # type: ignore[type-var]
    """The cosignatures of its settlement."""


def genesis_problem(members: Members, standing: Standing) -> str | None:
    """Why a genesis cannot found a Common, or None: its signer and every authority are trust anchors (P6)."""
    if standing.witness not in members:
        return "its first witness is not among the trust anchors"
    if any(key not in members for key in standing.authorities()):
        return "an authority is not among the trust anchors"
    if len({member.name for member in members.values()}) != len(members):
        return "two trust anchors have the same name"
    return None
