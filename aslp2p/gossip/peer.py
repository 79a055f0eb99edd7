"""What a node keeps about one link: a bounded record, forgotten when the link ends (G5).

**What is of no use.** Duplicates and what nobody asked for cost time, so a peer that sends too many is
dropped; an honest one never is. An honest peer sends a thing that we know already at most once for each thing
that came to be known here (it could not know that yet), and whatever we asked it for; so each of these is one
*allowance* for the peer, and only what goes beyond all of them draws on a budget that fills slowly. A peer
that gets more than its allowance and the budget sends what no honest peer sends."""

from __future__ import annotations

from collections import OrderedDict

from aslp2p.limits import KNOWN_IDS_MAX, USELESS_PER_SECOND, USELESS_TOKENS_MAX

ALLOWANCE_MAX = 100_000
"""What an honest peer may be behind with."""


class Peer:
    """A live link to one domain key."""

    def __init__(
        self, link: int, key: bytes, name: str, address: str, initiator: bool, now_ms: int, learned: int = 0
    ) -> None:
        self.process = b""
        self.link = link
        self.key = key
        self.name = name
        self.address = address
        self.initiator = initiator
        self.since_ms = now_ms
        self.head = b""
        self.height = -1
        self.epoch = 0
        self.neighbours: frozenset[bytes] = frozenset()
        self.heads_sent_ms = -1
        self.told_heads: object = None
        self.stands: tuple[bytes, bytes] = (b"", b"")
        """The head and the open digest that it told last."""
        self.reconciled_ms = -(10**9)
        self.served_open_ms = -(10**9)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._allowance = 0
        self._learned = learned
        self._useless = float(USELESS_TOKENS_MAX)
        self._useless_ms = now_ms

    def knows(self, id_: bytes) -> bool:
        """Whether the peer gave us this artifact or got it from us, as far as is remembered."""
        return id_ in self._known

    def note_known(self, id_: bytes) -> None:
        self._known[id_] = None
        if len(self._known) > KNOWN_IDS_MAX:
            self._known.popitem(last=False)

    def tell_head(self, head: bytes, height: int, epoch: int) -> None:
        """A snapshot that the peer sent says where it stands, if that is higher than what it said before."""
        if height > self.height:
            self.head, self.height, self.epoch = head, height, epoch

    def expect(self, count: int) -> None:
        """`count` things were asked of this peer: they may come, however late and useless by then."""
        self._allowance = min(ALLOWANCE_MAX, self._allowance + count)

    def useless(self, count: int, now_ms: int, learned: int) -> bool:
        """Take note of `count` things that were of no use; whether the peer has sent too many of them.

        `learned` is how many artifacts have come to be known here so far.
        """
        self.expect(learned - self._learned)
        self._learned = learned
        covered = min(count, self._allowance)
        self._allowance -= covered
        gone_ms = max(0, now_ms - self._useless_ms)
        self._useless_ms = now_ms
        refilled = min(USELESS_TOKENS_MAX, self._useless + gone_ms * USELESS_PER_SECOND / 1000)
        self._useless = refilled - (count - covered)
        return self._useless < 0
