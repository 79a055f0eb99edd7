"""What peers may ask for: as much as is here, once; again and again only slowly (G5).

How it works. An honest node asks for each thing about once, however much there is: a joiner with a hundred
thousand snapshots and ten gigabytes to fetch asks for a lot, and for nothing twice. So history and content
that are asked for the first time cost nothing; what was asked before costs as many tokens as it takes of us:
one for each eight snapshots and each 64 KiB. Open artifacts, small talk (heads, neighbours, addresses) and
questions about what is not here always cost, and so do proposals that the witness has to refuse (`turns`).
Tokens are an account's, with all the keys that work on it (`accounts`), so many links and many keys have no
more of them than one. Whoever has less than half of them left is told so and slowed: until its next turn it
waits half as long as what it paid takes to come back. Whoever has none left is told that too, and dropped.

What was asked for is remembered as bits, not as ids: two things may fall on the same bit, which costs an
honest node a few tokens of its many.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from hashlib import blake2b

from aslp2p.limits import KIB, TOLL_PER_SECOND, TOLL_TOKENS_MAX

BITS = 2**21
ACCOUNTS_MAX = 32
"""At 256 KiB each."""
SNAPSHOTS_PER_TOKEN = 8
BYTES_PER_TOKEN = 64 * KIB


class Toll(Enum):
    """What came of a charge."""

    FREE = auto()
    PAID = auto()
    LOW = auto()
    """Paid, of less than half of all tokens."""
    FIRST_LOW = auto()
    """The same, and it was more before."""
    UNPAID = auto()


def pause_ms(tokens: int) -> int:
    """How long whoever paid so many tokens of the last half waits until its next turn."""
    return tokens * 1000 // (2 * TOLL_PER_SECOND)


def price(size: int) -> int:
    """What an answer of so many bytes takes."""
    return 1 + size // BYTES_PER_TOKEN


def blocks(first: int, count: int) -> list[bytes]:
    """What a range of history is about: a name for each `SNAPSHOTS_PER_TOKEN` heights."""
    last = first + count - 1
    return [
        blake2b(b"range" + block.to_bytes(8, "big"), digest_size=8).digest()
        for block in range(first // SNAPSHOTS_PER_TOKEN, last // SNAPSHOTS_PER_TOKEN + 1)
        if count
    ]


class _Account:
    """Of one key and those that rest on it."""

    __slots__ = ("_asked", "_bits", "_tokens", "_tokens_ms", "_told")

    def __init__(self, now_ms: int) -> None:
        self._bits = bytearray(BITS // 8)
        self._asked = 0
        self._tokens = float(TOLL_TOKENS_MAX)
        self._tokens_ms = now_ms
        self._told = False

    def is_new(self, what: bytes) -> bool:
        """Whether `what` (8 bytes or more, evenly spread) was not asked for yet; from now on it was."""
        place = int.from_bytes(what[:8], "big") % BITS
        byte, bit = place // 8, 1 << place % 8
        if self._bits[byte] & bit:
            return False
        if self._asked >= BITS // 2:
            self._bits = bytearray(BITS // 8)
            self._asked = 0
        self._bits[byte] |= bit
        self._asked += 1
        return True

    def left(self, now_ms: int) -> float:
        """How many tokens it has."""
        gone_ms = max(0, now_ms - self._tokens_ms)
        self._tokens_ms = now_ms
        self._tokens = min(TOLL_TOKENS_MAX, self._tokens + gone_ms * TOLL_PER_SECOND / 1000)
        return self._tokens

    def pay(self, tokens: int, now_ms: int) -> Toll:
        """Take so many, and say what that leaves."""
        self._tokens = self.left(now_ms) - tokens
        told, self._told = self._told, self._tokens < TOLL_TOKENS_MAX / 2
        if self._tokens < 0:
            return Toll.UNPAID
        if self._told:
            return Toll.LOW if told else Toll.FIRST_LOW
        return Toll.PAID


class Tolls:
    """The accounts; the one that was used longest ago goes where there are too many."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[bytes, _Account] = OrderedDict()

    def spares(self, account: bytes, tokens: int, now_ms: int) -> bool:
        """Whether that would still leave the account half of all tokens."""
        one = self._accounts.get(account)
        return one is None or one.left(now_ms) - tokens >= TOLL_TOKENS_MAX / 2

    def charge(self, account: bytes, what: bytes | None, tokens: int, now_ms: int) -> Toll:
        """Charge for an answer about `what`, nothing if that is new (None: it never is)."""
        one = self._accounts.pop(account, None) or _Account(now_ms)
        self._accounts[account] = one
        if len(self._accounts) > ACCOUNTS_MAX:
            self._accounts.popitem(last=False)
        if what is not None and one.is_new(what):
            return Toll.FREE
        return one.pay(tokens, now_ms)
