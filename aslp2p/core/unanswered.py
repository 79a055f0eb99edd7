"""What the witness should have answered: what it could list and has neither listed nor rejected (S2).

A beacon says that the witness is there. It can be signed ahead, or by a witness that does nothing else; then
it hides a silence. So beacons stop counting as signs of life while something has waited here for a whole
grace period that this node would list itself: its content is here, and it applies. A witness that is still
fetching content from us is at work, and is waited for longer, up to `FETCHING_GRACES` grace periods.
"""

from __future__ import annotations

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.role import Roles
from aslp2p.ledger.actions import apply_action
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.state import NotApplicable
from aslp2p.limits import FETCHING_GRACES

LOOKED_AT_MAX = 16
"""Proposals that are tried at one beacon: the ones that have waited longest."""


class Unanswered:
    """Remembers since when each pending proposal could have been listed; in memory, so a restart is patient
    anew."""

    def __init__(self, context: Context, pending: Pending, contents: Contents, roles: Roles) -> None:
        self._context = context
        self._pending = pending
        self._contents = contents
        self._roles = roles
        self._since: dict[bytes, int] = {}
        self._incomplete: set[bytes] = set()
        """Puts that lacked content when `arrived` was `_incomplete_at`."""
        self._incomplete_at = 0

    def hides_a_silence(self) -> bool:
        """Whether a beacon heard now is no sign of life."""
        self._look()
        now, grace = self._context.now.mono, self._roles.now.grace_ms
        oldest = sorted((since, id_) for id_, since in self._since.items() if now - since >= grace)
        for since, id_ in oldest[:LOOKED_AT_MAX]:
            fetching = self._fetches() and now - since < FETCHING_GRACES * grace
            if not fetching and self._applies(self._pending.proposals[id_]):
                return True
        return False

    def _look(self) -> None:
        """Note what could be listed from now on, and forget what is answered."""
        if self._incomplete_at != self._contents.arrived:
            self._incomplete_at = self._contents.arrived
            self._incomplete.clear()
        proposals = self._pending.proposals
        self._incomplete.intersection_update(proposals)
        for id_ in [id_ for id_ in self._since if id_ not in proposals]:
            del self._since[id_]
        for id_, proposal in proposals.items():
            if id_ in self._since or id_ in self._incomplete:
                continue
            if isinstance(proposal.statement.action, AUTHORITY_ACTIONS):
                continue
            if self._is_whole(proposal):
                self._since[id_] = self._context.now.mono
            else:
                self._incomplete.add(id_)

    def _is_whole(self, proposal: Verified[Proposal]) -> bool:
        action = proposal.statement.action
        try:
            return not isinstance(action, Put) or self._contents.missing_of(action) is None
        except NotApplicable:
            return False

    def _applies(self, proposal: Verified[Proposal]) -> bool:
        """Whether this node would list it on its head; what it would not, the witness may never have heard
        of."""
        head = self._context.ledger.head
        try:
            apply_action(self._context.ledger.draft(), dict(head.members), head.standing, proposal)
        except NotApplicable:
            return False
        return True

    def _fetches(self) -> bool:
        """Whether the witness has asked this machine for content within the last grace period."""
        witness = self._context.ledger.head.standing.next_witness
        at = self._contents.served_ms.get(witness)
        return at is not None and self._context.now.mono - at <= self._roles.now.grace_ms
