"""Who gets a link (G5).

Where links are few the most useful stay. Those in *office* are the witness and the authorities.

1. `PEERS_RESERVED` places are for those in office alone, and for them anybody else's is free as well.
2. Guests, who are no members, have a quarter of all at most.
3. Of members, whoever's account holds the most links gives one way, the newest, to somebody whose account
   would still hold fewer. So nothing is ever taken that would be given back: links do not flap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import IntEnum

from aslp2p.core.accounts import Accounts
from aslp2p.core.context import Context
from aslp2p.core.effects import Rank
from aslp2p.gossip.peer import Peer
from aslp2p.limits import PEERS_MAX, PEERS_RESERVED

GUESTS_MAX = PEERS_MAX // 4
"""Links of keys that are no members."""


class Worth(IntEnum):
    """What a key is here; the higher is the more useful to have a link to."""

    GUEST = 0
    MEMBER = 1
    OFFICE = 2


class Places:
    """Asks the head who is what."""

    def __init__(self, context: Context, accounts: Accounts, linked: Callable[[], list[Peer]]) -> None:
        self._context = context
        self._account = accounts.of
        self._linked = linked
        """Every link, those of guests too."""
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

    # --- links ------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Tell the driver on whose account each link works, where that is new."""
        told: dict[int, tuple[bytes, bool]] = {}
        for peer in self._linked():
            link = peer.link
            told[link] = self._account(peer.key), self.worth(peer.key) is Worth.OFFICE
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
        held = Counter(self._account(peer.key) for peer in members)
        most = max(held.values(), default=0)
        if worth is Worth.MEMBER and held[self._account(key)] + 1 >= most:
            return None
        victims = [peer for peer in members if held[self._account(peer.key)] == most]
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
