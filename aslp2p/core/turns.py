"""What the witness looks at before it signs the next snapshot (G5).

How it works. Whoever has many proposals waiting waits for those with few.

1. While somebody else is at work, or waits with few, an account has at most `FEW` of its proposals looked at
   each `TURN_MS`. So a flood of good ones leaves most of everybody's time to the others; alone, it has all.
2. Refusing a proposal takes a signature here and the work of everybody who hears of it. So each costs its
   account tokens (`tolls`), and an account that has only half of them left is held to its turns, and answered
   no faster than they come back.

What is left waits and is looked at again when the next turn is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Proposal
from aslp2p.core.accounts import FEW, TURN_MS, Accounts
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.tolls import Tolls
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.limits import TOLL_REJECTION


class Turns:
    """Says what has its turn, and when the next one is."""

    def __init__(self, context: Context, pending: Pending, accounts: Accounts, tolls: Tolls) -> None:
        self._context = context
        self._pending = pending
        self._accounts = accounts
        self._tolls = tolls
        self._turn_ms = -(10**9)
        self.next_ms: int | None = None
        """When somebody who waits for a turn has the next; None while nobody does."""

    def is_due(self) -> bool:
        return self.next_ms is not None and self._context.now.mono >= self.next_ms

    def take(self, incomplete: Container[bytes]) -> list[Verified[Proposal]]:
        """What is looked at now, in order; `incomplete` are those that cost nothing."""
        waiting = [
            one
            for one in self._pending.proposals.values()
            if not isinstance(one.statement.action, AUTHORITY_ACTIONS)
        ]
        counts = Counter(self._accounts.of(one.key) for one in waiting if one.id not in incomplete)
        held = self._held(counts)
        if not held:
            self.next_ms = None
            return waiting
        now = self._context.now.mono
        has_turn = now >= self._turn_ms + TURN_MS
        if has_turn:
            self._turn_ms = now
        self.next_ms = self._turn_ms + TURN_MS
        taken: Counter[bytes] = Counter()
        turn: list[Verified[Proposal]] = []
        for one in waiting:
            account = self._accounts.of(one.key)
            taken[account] += one.id not in incomplete
            if account not in held or (has_turn and taken[account] <= FEW):
                turn.append(one)
        return turn

    def _held(self, counts: Counter[bytes]) -> set[bytes]:
        """The accounts that are held to their turns."""
        least = min(counts.values(), default=0)
        return {
            account
            for account, count in counts.items()
            if (count > FEW and (least <= FEW or self._accounts.has_company(account)))
            or not self._tolls.spares(account, TOLL_REJECTION, self._context.now.mono)
        }

    def may_refuse(self, proposal: Verified[Proposal]) -> bool:
        """Whether its account has the tokens that an answer costs; then they are taken."""
        account, now = self._accounts.of(proposal.key), self._context.now.mono
        if not self._tolls.spares(account, TOLL_REJECTION, now):
            self.next_ms = self._turn_ms + TURN_MS if self.next_ms is None else self.next_ms
            return False
        self._tolls.charge(account, None, TOLL_REJECTION, now)
        return True
