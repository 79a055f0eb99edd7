"""How fast this key makes promises about succession (S14): a few a round are all that any rule needs.

A round knows at most one attempt of each authority (S7) and one renewal of the witness (S12). So a daemon
endorses by itself two successions of one author in a round and no more, and proposes two; what people ask
comes on top, up to a bound that nobody meets who types. Whatever peers send, a node signs no faster.
"""

from __future__ import annotations

from collections import deque

from aslp2p.core.context import Context
from aslp2p.errors import Rejected
from aslp2p.limits import PROMISES_PER_AUTHOR_MAX, PROMISES_PER_ROUND_MAX
from aslp2p.recovery import grace_ms, round_ms


class Pace:
    """What this process promised lately; a restart begins anew. Each promise counts for the round that it was
    made in, whatever a policy change makes of rounds later."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._endorsed: deque[tuple[int, bytes]] = deque()
        """(until when it counts, author of what was endorsed), in the order made."""
        self._proposed: deque[int] = deque()
        self._held_until: int | None = None

    def _round_ms(self) -> int:
        return round_ms(grace_ms(self._context.ledger.head.standing.policies))

    def _of(self, author: bytes) -> list[int]:
        now = self._context.now.mono
        return [until for until, one in self._endorsed if one == author and until > now]

    # --- questions --------------------------------------------------------------------------------

    def may_endorse(self, author: bytes) -> bool:
        """Whether this daemon may endorse one more succession of `author` by itself. Said once a round to
        whoever listens, if not."""
        own = self._of(author)
        if len(own) < PROMISES_PER_AUTHOR_MAX:
            return True
        self._hold(min(own), f"of {self._context.name_of(author)}")
        return False

    def proposes_at(self) -> int:
        """From when on this daemon may propose by itself."""
        now = self._context.now.mono
        lately = [until for until in self._proposed if until > now]
        return min(lately) if len(lately) >= PROMISES_PER_AUTHOR_MAX else now

    def require_room(self) -> None:
        """Raises `Rejected` (S14) for a key that has endorsed as many in this round as anybody could need."""
        now = self._context.now.mono
        lately = [until for until, _ in self._endorsed if until > now]
        if len(lately) >= PROMISES_PER_ROUND_MAX:
            self._hold(min(lately), "of all authors")
            raise Rejected("S14", f"this key has endorsed {len(lately)} successions in this round already")

    @property
    def held_until(self) -> int | None:
        """Until when something waits that this daemon would endorse by itself; None if nothing does."""
        return self._held_until

    def held_back(self) -> str | None:
        """What status says while something waits."""
        if self._held_until is None:
            return None
        return "it has endorsed as many successions in this round as any rule needs (S14)"

    # --- what was promised ------------------------------------------------------------------------

    def note_endorsed(self, author: bytes) -> None:
        now = self._context.now.mono
        while self._endorsed and self._endorsed[0][0] <= now:
            self._endorsed.popleft()
        self._endorsed.append((now + self._round_ms(), author))
        self._context.out.promises.append(self._round_ms())

    def note_proposed(self) -> None:
        now = self._context.now.mono
        while self._proposed and self._proposed[0] <= now:
            self._proposed.popleft()
        self._proposed.append(now + self._round_ms())
        self._context.out.promises.append(self._round_ms())

    def resumes(self) -> bool:
        """Whether what was held back may be looked at again now; asked once."""
        if self._held_until is None or self._held_until > self._context.now.mono:
            return False
        self._held_until = None
        return True

    def _hold(self, until: int, of: str) -> None:
        if self._held_until is None:
            text = f"S14: enough successions {of} are endorsed for one round; more of them wait for the next"
            self._context.publish("notice", code="held-back", text=text)
        self._held_until = until if self._held_until is None else min(until, self._held_until)
