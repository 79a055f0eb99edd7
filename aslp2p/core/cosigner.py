"""How an authority's node cosigns heads in the background (section 7), in its own time."""

from __future__ import annotations

from aslp2p.core.audit import Audit
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.core.promises import Promises
from aslp2p.core.role import Roles
from aslp2p.core.votes import Votes
from aslp2p.limits import COSIGN_SPACING_MS


class Cosigner(Part):
    """Cosigns the head when it may; each is tried once."""

    def __init__(
        self, context: Context, promises: Promises, audit: Audit, votes: Votes, roles: Roles
    ) -> None:
        self._context = context
        self._promises = promises
        self._audit = audit
        self._votes = votes
        self._roles = roles
        self._cosigned_ms = -(10**9)
        self._tried: tuple[object, ...] = ()

    @property
    def wake_at_ms(self) -> int | None:
        return max(self._context.now.mono, self._due_ms()) if self._would_cosign() else None

    def tick(self) -> None:
        """Cosign the head, at most so often, unless a promise says otherwise."""
        context = self._context
        now = context.now.mono
        if not self._would_cosign() or now < self._due_ms():
            return
        self._tried = self._state()
        head = context.ledger.head
        row = context.store.snapshot(head.id)
        last = self._promises.last_cosigned()
        if (
            row is None
            or (last is not None and last.subject == head.id)
            or not self._promises.may_cosign(row)
        ):
            return
        self._cosigned_ms = now
        self._votes.take_cosignature(self._promises.cosign(row), None)

    def _due_ms(self) -> int:
        return self._cosigned_ms + COSIGN_SPACING_MS

    def _would_cosign(self) -> bool:
        if not self._context.founded or not self._roles.now.is_authority or not self._audit.done:
            return False
        return self._context.ledger.head.height > 0 and self._tried != self._state()

    def _state(self) -> tuple[object, ...]:
        return (self._context.ledger.head.id, self._promises.endorsed_epoch())
