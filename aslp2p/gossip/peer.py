"""What a node keeps about one link: a bounded record, forgotten when the link ends (G5)."""

from __future__ import annotations

from collections import OrderedDict

from aslp2p.limits import KNOWN_IDS_MAX, USELESS_PER_SECOND, USELESS_TOKENS_MAX


class Peer:
    """A live link to one domain key."""

    def __init__(self, link: int, key: bytes, name: str, address: str, initiator: bool, now_ms: int) -> None:
        self.link = link
        self.key = key
        self.name = name
        self.address = address
        self.initiator = initiator
        self.since_ms = now_ms
        self.head = b""
        self.height = -1
        self.epoch = 0
        self.final_height = 0
        self.neighbours: frozenset[bytes] = frozenset()
        self.heads_sent_ms = -1
        self.told_heads: object = None
        self.reconciled_ms = -(10**9)
        self.contents_asked = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._useless = float(USELESS_TOKENS_MAX)
        self._useless_ms = now_ms

    def knows(self, id_: bytes) -> bool:
        """Whether the peer gave us this artifact or got it from us, as far as is remembered."""
        return id_ in self._known

    def note_known(self, id_: bytes) -> None:
        self._known[id_] = None
        if len(self._known) > KNOWN_IDS_MAX:
            self._known.popitem(last=False)

    def useless(self, count: int, now_ms: int) -> bool:
        """Take note of `count` things that were of no use; whether the peer has sent too many of them
        lately."""
        gone_ms = max(0, now_ms - self._useless_ms)
        self._useless_ms = now_ms
        self._useless = min(USELESS_TOKENS_MAX, self._useless + gone_ms * USELESS_PER_SECOND / 1000) - count
        return self._useless < 0
