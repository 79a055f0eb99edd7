"""What this node's key is at the head, worked out once a head: it is asked at every step."""

from __future__ import annotations

from msgspec import Struct

from aslp2p.core.context import Context
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.policy import authority_keys
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import is_admitted, revoked_keys
from aslp2p.recovery import grace_ms, turn_of


class Role(Struct, frozen=True):
    head: Tip
    deciding: Standing
    """What judges a takeover on it (P4)."""
    is_authority: bool
    """Whether the key is a usable authority."""
    is_witness: bool
    grace_ms: int
    turn: int | None
    """Its place in the order of succession; None if it has none (S7)."""
    replaceable: bool
    """Whether the other authorities could replace the witness, in every policy in force."""
    others: frozenset[bytes]
    """The keys of the other authorities."""
    gone: frozenset[bytes]
    """Revoked keys."""


def role_at(head: Tip, deciding: Standing, key: bytes) -> Role:
    """The role of `key` at `head`, where `deciding` judges takeovers."""
    standing = head.standing
    gone = revoked_keys(head.members)
    authorities = standing.authorities()
    return Role(
        head,
        deciding,
        key in authorities and is_admitted(head.members, key),
        standing.next_witness == key,
        grace_ms(standing.policies),
        turn_of(deciding.policies, standing.next_witness, key, gone),
        all(
            len(authority_keys(policy) - gone - {standing.next_witness}) >= policy.threshold
            for policy in deciding.policies
        ),
        authorities - {key},
        gone,
    )


class Roles:
    """Remembers the role at the newest head."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._role: Role | None = None
        self._revision = -1
        """Of the ledger, when the role was looked at."""

    @property
    def now(self) -> Role:
        """The role at the head; the node has a genesis."""
        ledger = self._context.ledger
        role, head = self._role, ledger.head
        if role is not None and role.head is head and self._revision == ledger.revision:
            return role
        self._revision = ledger.revision
        deciding, _ = ledger.deciding(head)
        if role is None or role.head is not head or role.deciding != deciding:
            self._role = role = role_at(head, deciding, self._context.key)
        return role
