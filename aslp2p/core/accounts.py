"""On whose account a key works, and who is at work (G5).

How it works. A key works on the account of whoever it rests on: of the member that let it in, and of whoever
let that one in, up to the first that an authority let in. So one member that admits a hundred keys of its own
has one account with all of them. Those in office, the witness and the authorities, have their own.

Whoever proposed something a moment ago, and has little waiting, is *at work*: whoever takes much leaves room
for that (`turns`, and the driver's queue).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from aslp2p.artifacts.envelope import Verified, decode_artifact, decode_as
from aslp2p.artifacts.types import Admit, InviteToken, Proposal
from aslp2p.core.context import Context
from aslp2p.core.effects import AtWork
from aslp2p.core.memo import Memo
from aslp2p.core.pending import Pending
from aslp2p.errors import ArtifactError
from aslp2p.ledger.facts import Member
from aslp2p.limits import COMPANY_MS, PENDING_MAX, PENDING_PER_AUTHOR_MAX

DEPTH_MAX = 64
"""Members that let each other in, one after the other."""
FEW = 32
"""Proposals of one account that wait."""
TURN_MS = 200
"""How often so many of an account's have their turn while somebody else is at work (`turns`)."""
AT_WORK_MAX = 16
"""Accounts that are remembered to be at work, the latest."""


class Accounts:
    """Asks the head, and remembers what it said as long as its members are the same."""

    def __init__(self, context: Context, pending: Pending) -> None:
        self._context = context
        self._pending = pending
        self._memo = Memo(context, pending)
        self._members: Mapping[bytes, Member] = {}
        self._accounts: dict[bytes, bytes] = {}
        self._at_work: OrderedDict[bytes, int] = OrderedDict()
        """When each proposed last."""
        self._told: dict[bytes, int] = {}

    def of(self, key: bytes) -> bytes:
        """The key on whose account `key` works: its own, or that of whom it rests on."""
        if not self._context.founded:
            return key
        members = self._context.ledger.head.members
        if members is not self._members:
            self._members = members
            self._accounts.clear()
        if key not in members:
            return key
        if key not in self._accounts:
            self._accounts[key] = self._rests_on(key)
        return self._accounts[key]

    def _rests_on(self, key: bytes) -> bytes:
        context = self._context
        named = context.ledger.genesis.statement.policy.witnesses
        office = context.ledger.head.standing.authorities() | {one.key for one in named}
        for _ in range(DEPTH_MAX):
            member = self._members.get(key)
            admitter = None if member is None or key in office else self._admitter(member.by)
            if admitter is None or admitter in office:
                break
            key = admitter
        return key

    def _admitter(self, proposal: bytes) -> bytes | None:
        """Who let somebody in with that proposal: the inviter, or without an invite its author."""
        raw = self._context.store.artifact(proposal)
        if raw is None:
            return None
        signed = decode_artifact(raw)
        action = signed.statement.action if isinstance(signed.statement, Proposal) else None
        if not isinstance(action, Admit):
            return None
        try:
            return signed.key if action.token is None else decode_as(InviteToken, action.token.invite).key
        except ArtifactError:
            return signed.key

    # --- how much waits ---------------------------------------------------------------------------

    def room(self, account: bytes) -> int:
        """How many more proposals may be pending on `account`, of all its keys together.

        Nobody has more of them than there is room left: however many write as fast as they can, there is as
        much left for one more."""
        free = PENDING_MAX - len(self._pending.proposals)
        return min(PENDING_PER_AUTHOR_MAX, free) - self.waiting(account)

    def waiting(self, account: bytes) -> int:
        """How many proposals are pending on `account`."""
        return self._memo.ask("waiting", self._count)[account]

    def _count(self) -> Counter[bytes]:
        waiting: Counter[bytes] = Counter()
        for key, count in self._pending.by_author():
            waiting[self.of(key)] += count
        return waiting

    # --- who is at work ---------------------------------------------------------------------------

    def proposed(self, proposals: Iterable[Verified[Proposal]]) -> None:
        """These have come, and are pending: whoever has little waiting is at work."""
        context = self._context
        now = context.now.mono
        accounts = {self.of(one.key): None for one in proposals}
        for account in [one for one in accounts if self.waiting(one) <= FEW]:
            self._at_work.pop(account, None)
            self._at_work[account] = now
            if now - self._told.get(account, -COMPANY_MS) >= COMPANY_MS // 4:
                self._told[account] = now
                context.out.effects.append(AtWork(account))
        while len(self._at_work) > AT_WORK_MAX:
            account, _ = self._at_work.popitem(last=False)
            self._told.pop(account, None)

    def has_company(self, account: bytes) -> bool:
        """Whether somebody else is at work, within `COMPANY_MS`."""
        since = self._context.now.mono - COMPANY_MS
        return any(at >= since for other, at in self._at_work.items() if other != account)
