"""Who gets a link, and on whose account a peer works (G5).

How it works. A key works on the account of whoever it rests on: of the member that let it in, and of whoever
let that one in, up to the first that an authority let in. So one member that admits a hundred keys of its own
has one account with all of them. Those in *office*, the witness and the authorities, have their own.

Where links are few the most useful stay:

1. `PEERS_RESERVED` places are for those in office alone, and for them anybody else's is free as well.
2. Guests, who are no members, have a quarter of all at most.
3. Of members, whoever's account holds the most links gives one way, the newest, to somebody whose account
   would still hold fewer. So nothing is ever taken that would be given back: links do not flap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import IntEnum

from aslp2p.artifacts.envelope import decode_artifact, decode_as
from aslp2p.artifacts.types import Admit, InviteToken, Proposal
from aslp2p.core.context import Context
from aslp2p.core.effects import Rank
from aslp2p.errors import ArtifactError
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.state import Member
from aslp2p.limits import PEERS_MAX, PEERS_RESERVED

GUESTS_MAX = PEERS_MAX // 4
"""Links of keys that are no members."""
DEPTH_MAX = 64
"""Members that let each other in, one after the other."""


class Worth(IntEnum):
    """What a key is here; the higher is the more useful to have a link to."""

    GUEST = 0
    MEMBER = 1
    OFFICE = 2


class Places:
    """Asks the head, and remembers what it said as long as its members are the same."""

    def __init__(self, context: Context, linked: Callable[[], list[Peer]]) -> None:
        self._context = context
        self._linked = linked
        """Every link, those of guests too."""
        self._members: Mapping[bytes, Member] = {}
        self._accounts: dict[bytes, bytes] = {}
        self._told: dict[int, tuple[bytes, bool]] = {}

    def worth(self, key: bytes) -> Worth:
        """What `key` is at the head; before there is one, everybody is a member."""
        context = self._context
        if not context.founded:
            return Worth.MEMBER
        standing = context.ledger.head.standing
        if key == standing.next_witness or key in standing.authorities():
            return Worth.OFFICE
        return Worth.MEMBER if context.is_member(key) else Worth.GUEST

    def account(self, key: bytes) -> bytes:
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

    # --- links ------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Tell the driver on whose account each link works, where that is new."""
        told: dict[int, tuple[bytes, bool]] = {}
        for peer in self._linked():
            link = peer.link
            told[link] = self.account(peer.key), self.worth(peer.key) is Worth.OFFICE
            if self._told.get(link) != told[link]:
                self._context.out.effects.append(Rank(link, *told[link]))
        self._told = told

    def is_full_for(self, key: bytes) -> bool:
        """Whether a link to `key` has no place, not even another's."""
        return self._lacks_place(key) and self.gives_way_to(key) is None

    def gives_way_to(self, key: bytes) -> Peer | None:
        """Whose link ends for one to `key`; None where there is a place, or nobody is less useful."""
        if not self._lacks_place(key):
            return None
        worth = self.worth(key)
        peers = self._linked()
        guests = [peer for peer in peers if self.worth(peer.key) is Worth.GUEST]
        members = [peer for peer in peers if self.worth(peer.key) is Worth.MEMBER]
        if worth is Worth.GUEST:
            return None
        if guests:
            return guests[-1]
        held = Counter(self.account(peer.key) for peer in members)
        most = max(held.values(), default=0)
        if worth is Worth.MEMBER and held[self.account(key)] + 1 >= most:
            return None
        victims = [peer for peer in members if held[self.account(peer.key)] == most]
        return victims[-1] if victims else None

    def _lacks_place(self, key: bytes) -> bool:
        worth = self.worth(key)
        worths = Counter(self.worth(peer.key) for peer in self._linked())
        others = worths[Worth.GUEST] + worths[Worth.MEMBER]
        if worth is Worth.OFFICE:
            return worths.total() >= PEERS_MAX
        if worth is Worth.GUEST and worths[Worth.GUEST] >= GUESTS_MAX:
            return True
        reserved = PEERS_RESERVED if self._context.founded else 0
        return others >= PEERS_MAX - reserved or worths.total() >= PEERS_MAX
