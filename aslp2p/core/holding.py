"""What this node says when it is asked whether it holds a content and keeps it, and what that binds it to.

How it works. A member asks before it drops bytes, or since a person wants to know who has them. The answer is
one state for each content. Whoever says *holds and keeps* gives a pledge: whatever its owner decides, it does
not drop that content for `PLEDGE_MS`, which is longer than the other one may rely on it (`CONFIRMED_MS`). So
of machines that all want to drop a thing at once, each relying on the others, none can.

1. What it says it holds is on disk before it says so.
2. A machine that keeps everything remembers only when it last said so of anything; another one remembers of
   which, up to `PLEDGES_MAX`, and beyond that does as the first.
3. Pledges are in memory; that there are any is on disk. After a restart everything counts as pledged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from aslp2p.core.context import Context
from aslp2p.core.pieces import chunk_ids, is_large
from aslp2p.ledger.facts import Held, held_key, read_held
from aslp2p.ledger.keeping import META_PLEDGED
from aslp2p.ledger.reader import PutMeta
from aslp2p.limits import HOLDING_LOOKS_MAX, PLEDGE_MS

PLEDGES_MAX = 16_384


class State(IntEnum):
    """What a node says of a content."""

    LACKS = 0
    """Not here, or in part; or the history here does not name it."""
    HOLDS = 1
    """Here, whole, and it may go."""
    KEEPS = 2
    """Here, whole, and it stays."""
    ERASED = 3
    """Erased, and gone from here."""
    UNSEEN = 4
    """Not looked at: too much at once."""


class Pledges:
    """What this node has said lately that it keeps."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._given_ms: dict[bytes, int] = {}
        self._all_ms: int | None = None
        """When everything was pledged last."""
        self._noted = context.store.meta(META_PLEDGED) is not None

    def begin(self) -> None:
        """The node starts: who knows what it has said before?"""
        if self._noted:
            self._all_ms = self._context.now.mono

    def give(self, contents: Sequence[bytes], *, everything: bool) -> None:
        """For these; `everything`: this machine keeps all there is."""
        if not contents:
            return
        now = self._context.now.mono
        self._context.must_last()
        if not self._noted:
            self._noted = True
            self._context.store.apply([PutMeta(META_PLEDGED, b"1")])
        if everything or len(self._given_ms) + len(contents) > PLEDGES_MAX:
            self._all_ms = now
        else:
            self._given_ms.update(dict.fromkeys(contents, now))

    def until_ms(self, content: bytes) -> int | None:
        """Until when this one is not to be dropped, on the monotonic clock; None: it may be."""
        given = [at for at in (self._all_ms, self._given_ms.get(content)) if at is not None]
        until = max(given, default=-PLEDGE_MS) + PLEDGE_MS
        return until if until > self._context.now.mono else None

    def forget_what_is_over(self) -> None:
        """Those that bind no longer."""
        over = self._context.now.mono - PLEDGE_MS
        self._given_ms = {id_: at for id_, at in self._given_ms.items() if at > over}
        if self._all_ms is not None and self._all_ms <= over:
            self._all_ms = None
        if self._noted and not self._given_ms and self._all_ms is None:
            self._noted = False
            self._context.store.apply([PutMeta(META_PLEDGED, None)])


class Answering:
    """Looks up what peers ask. `keeps` says whether what is here stays."""

    def __init__(self, context: Context, keeps: Callable[[bytes, Held, int], bool]) -> None:
        self._context = context
        self._keeps = keeps

    def states(self, ids: Sequence[bytes]) -> tuple[bytes, int]:
        """A state for each of `ids`, and how many pieces were looked up for it."""
        states = bytearray()
        looks = 0
        for id_ in ids:
            if looks > HOLDING_LOOKS_MAX:
                states.append(State.UNSEEN)
                continue
            state, more = self._state(id_)
            states.append(state)
            looks += more
        return bytes(states), looks

    def _state(self, content: bytes) -> tuple[State, int]:
        context, head = self._context, self._context.ledger.head
        changes = context.store.fact_changes(head.branch, held_key(content), head.height, limit=1)
        held = read_held(changes[0][1]) if changes else None
        if held is None:
            return State.LACKS, 1
        here = context.store.content_size(content) is not None
        if held.erased:
            return State.LACKS if here else State.ERASED, 1
        chunks = chunk_ids(context, content) if here and is_large(held) else (content,)
        if not here or not chunks or context.store.lacking_content(chunks):
            return State.LACKS, 1 + len(chunks)
        keeps = self._keeps(content, held, changes[0][0])
        return State.KEEPS if keeps else State.HOLDS, 1 + len(chunks)
