"""Whose messages the node's thread takes next (G5): in turn by account, by what each has cost so far.

How it works. The thread takes what is queued in order, so no more of peers is put there than it works off in
`AHEAD_S`, by what such messages have cost lately; the rest waits here, and the peers that send it are slowed
by TCP. Of what waits, the account that has used the least goes first: the thread's time, and bytes that were
sent. Those in office pay a quarter. So whoever floods takes what is left by the others, on however many
links, with however many keys on its account, and what somebody else sends waits for about one of its
requests. Commands of the person here do not wait at all.

Priority alone leaves a put waiting for what is under way, and a flood is always under way. So while somebody
else is at work (`core/accounts.py`), what an account that is not in office asks for has `SHARE` of the
thread's time, and waits as soon as it has used that up; while it is alone, all of it.

An account that was idle begins where the one is that went last: nobody saves up. One that the core has
slowed (`core/tolls.py`) waits so long before it stands in line at all, on each of its links.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import TypeVar

import trio
from msgspec import Struct

from aslp2p.core.jobs import Spent
from aslp2p.limits import COMPANY_MS, KIB, MIB

T = TypeVar("T")

AHEAD_S = 0.02
SHARE = 0.25
SHARE_AHEAD_S = 0.05
"""What an account may use of its share at once."""
ITEMS_MAX = 1024
BYTES_MAX = 8 * MIB
"""Of all accounts together, queued for the thread."""
OFFICE_SHARE = 0.25
SENT_BYTES_PER_S = 200e6
"""What sealing and sending take is not measured here; about so many bytes a second."""
FIRST_GUESS_S = {2: 0.0005, 4: 0.005, 6: 0.02, 8: 0.005}
"""By the kind of message, where none was measured yet: *push*, *want*, *get range*, *get content*."""
ASKS = {4, 6, 8}
"""Of those, what is asked for itself: pushes may be another's, whom the core slows (`core/intake.py`)."""
GUESS_S = 0.0002
WEIGHT = 0.2
"""Of the latest measurement in the guess."""
ACCOUNTS_MAX = 1024


class Load(Struct, frozen=True):
    """Messages that go into the queue together: all of one kind."""

    account: bytes
    office: bool
    kind: int
    items: int
    size: int


class Fair:
    """The turns. `take` waits for one; `give` says what it took."""

    def __init__(self) -> None:
        self._used: OrderedDict[bytes, float] = OrderedDict()
        """By account, in weighted seconds."""
        self._slowed: OrderedDict[bytes, float] = OrderedDict()
        """By account, until when."""
        self._at_work: OrderedDict[bytes, float] = OrderedDict()
        """By account, since when."""
        self._shares: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        """By account: seconds that are left of its share, and when that was so."""
        self._lines: dict[bytes, deque[tuple[Load, trio.Event]]] = {}
        self._each_s = dict(FIRST_GUESS_S)
        self._ahead_s = 0.0
        self._clock = 0.0
        """What the account had used that went last."""
        self.items = 0
        self.bytes = 0

    async def take(self, load: Load) -> float:
        """Wait until `load` may be queued; returns what it is guessed to take, for `give`."""
        if (until := self._slowed.get(load.account, 0.0)) > trio.current_time():
            await trio.sleep_until(until)
            return await self.take(load)  # it may have been slowed more meanwhile
        if load.account not in self._lines:
            self._used[load.account] = max(self._used.get(load.account, 0.0), self._clock)
        if not self._lines and self._fits(load):
            return self._enter(load)
        turn = trio.Event()
        line = self._lines.setdefault(load.account, deque())
        line.append((load, turn))
        self._admit()
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self.give(load, self._guess(load), Spent())
            else:
                line.remove((load, turn))
                if not line:
                    self._lines.pop(load.account, None)
                self._admit()
            raise
        return self._guess(load)

    def slow(self, account: bytes, seconds: float) -> None:
        """The next turn of `account` comes so much later than it would have come."""
        begins = max(self._slowed.get(account, 0.0), trio.current_time())
        _note(self._slowed, account, begins + seconds)

    def at_work(self, account: bytes) -> None:
        """`account` is at work: for a while others have their share and no more."""
        _note(self._at_work, account, trio.current_time())

    def _has_company(self, account: bytes) -> bool:
        since = trio.current_time() - COMPANY_MS / 1000
        return any(at >= since for other, at in self._at_work.items() if other != account)

    def _take_share(self, account: bytes, spent_s: float) -> None:
        now = trio.current_time()
        left, at = self._shares.get(account, (SHARE_AHEAD_S, now))
        left = min(SHARE_AHEAD_S, left + max(0.0, now - at) * SHARE) - spent_s
        pause = -left / SHARE if left < 0 and self._has_company(account) else 0.0
        if pause:
            self.slow(account, pause)
        _note(self._shares, account, (max(0.0, left), now + pause))

    def give(self, load: Load, guess: float, spent: Spent) -> None:
        """`load`, which was guessed to take so long, is done and took `spent`."""
        self._ahead_s = max(0.0, self._ahead_s - guess)
        self.items -= load.items
        self.bytes -= load.size
        if not self.items:
            self._ahead_s = 0.0
        spent_s = spent.seconds + spent.sent_bytes / SENT_BYTES_PER_S
        if load.kind in ASKS and not load.office:
            self._take_share(load.account, spent_s)
        weighted = spent_s * (OFFICE_SHARE if load.office else 1.0)
        _note(self._used, load.account, self._used.get(load.account, self._clock) + weighted)
        each = spent_s / self._units(load)
        before = self._each_s.get(load.kind, GUESS_S)
        self._each_s[load.kind] = before + WEIGHT * (each - before)
        self._admit()

    def _guess(self, load: Load) -> float:
        return self._each_s.get(load.kind, GUESS_S) * self._units(load)

    @staticmethod
    def _units(load: Load) -> int:
        """What a guess is for: a message, or a KiB of a long one."""
        return max(1, load.items, load.size // KIB)

    def _fits(self, load: Load) -> bool:
        if not self.items:
            return True
        room = self.items + load.items <= ITEMS_MAX and self.bytes + load.size <= BYTES_MAX
        return room and self._ahead_s + self._guess(load) <= AHEAD_S

    def _enter(self, load: Load) -> float:
        guess = self._guess(load)
        self._ahead_s += guess
        self.items += load.items
        self.bytes += load.size
        self._clock = max(self._clock, self._used.get(load.account, 0.0))
        return guess

    def _admit(self) -> None:
        while self._lines:
            account = min(self._lines, key=lambda one: self._used.get(one, 0.0))
            line = self._lines[account]
            load, turn = line[0]
            if not self._fits(load):
                return
            line.popleft()
            if not line:
                del self._lines[account]
            self._enter(load)
            turn.set()


def _note(kept: OrderedDict[bytes, T], account: bytes, value: T) -> None:
    """Keep that, and of all accounts the latest."""
    kept[account] = value
    kept.move_to_end(account)
    if len(kept) > ACCOUNTS_MAX:
        kept.popitem(last=False)


def by_kind(messages: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """`messages` in runs of one kind, in order; what asks for much stands alone."""
    runs: list[tuple[int, list[bytes]]] = []
    for message in messages:
        kind = message[1] if len(message) > 1 else 0
        if runs and runs[-1][0] == kind and kind not in FIRST_GUESS_S:
            runs[-1][1].append(message)
        else:
            runs.append((kind, [message]))
    return runs
