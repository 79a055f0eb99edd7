"""Contents on their way between a store's files and links, without a trip through the core for each.

How it works. The core says what is awaited (`Await`) and what is to be given (`Give`), and hears what came
(`Came`). Reading, hashing and writing are done in threads, and what has come is synced in groups, beside the
store's transactions.

1. What comes and is not awaited, what is small, and what cannot be written takes the core's ordinary way.
2. A link's reader waits once `link.UNHANDLED_BYTES_MAX` of it are neither written nor in the core's hands.
3. What is given is read when the link has room for it. Links take turns by account, by what each was given
   (`fair`), so nobody gets more by asking on many links.
4. What waits to be given on one link is bounded; what goes beyond is told to be not here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Protocol, TypeVar

import trio

from aslp2p.artifacts.content import Piece
from aslp2p.core.effects import Give
from aslp2p.core.inputs import Came
from aslp2p.core.jobs import Inputs, Spent
from aslp2p.daemon.fair import Fair, Load
from aslp2p.daemon.link import Link
from aslp2p.errors import AslError, InvariantBroken
from aslp2p.gossip.messages import (
    CONTENT_TAG,
    Content,
    NoContent,
    content_header,
    encode_message,
    one_content,
)
from aslp2p.ledger.reader import Reader, Staged
from aslp2p.limits import CHUNK_BYTES, CONTENT_REQUESTS_PER_PEER_MAX, KIB, MIB

T = TypeVar("T")

AWAITED_MAX = 8192
"""Ids that are remembered as awaited; what comes of the others takes the ordinary way."""
WRITTEN_AT_ONCE = 8
"""Contents that a thread writes before it reports."""
SYNCED_AT_ONCE = 32
TOGETHER_S = 0.02
"""How long the first waits for others to be synced with."""
GIVEN_MAX = 4 * CONTENT_REQUESTS_PER_PEER_MAX
"""Of one link, waiting."""
GIVE_BYTES = 2 * MIB
"""Read ahead of what the link takes."""
ROWS_BYTES_MAX = 256 * KIB
"""Small contents that share a message."""


class Stage(Protocol):
    """`store.stage.Stage`, as far as this needs it."""

    small_bytes_max: int

    def write(self, id_: bytes, data: bytes | memoryview, /) -> Staged: ...

    def sync(self, staged: Sequence[Staged], /) -> list[Staged]: ...

    def discard(self, staged: Sequence[Staged], /) -> None: ...

    def read(self, id_: bytes, size: int, header: bytes, /) -> bytearray | None: ...

    def copy(self, id_: bytes, size: int, descriptor: int, at: int, /) -> bool: ...


class _Nowhere:
    """Of a store without files: everything is small."""

    small_bytes_max = CHUNK_BYTES

    def write(self, id_: bytes, data: bytes | memoryview, /) -> Staged:
        raise InvariantBroken("a store without files takes nothing in beside it")

    def sync(self, staged: Sequence[Staged], /) -> list[Staged]:
        return list(staged)

    def discard(self, staged: Sequence[Staged], /) -> None:
        """There is nothing."""

    def read(self, id_: bytes, size: int, header: bytes, /) -> bytearray | None:
        return None

    def copy(self, id_: bytes, size: int, descriptor: int, at: int, /) -> bool:
        return False


class Query(Protocol):
    """`CommonNode.query`."""

    async def __call__(self, function: Callable[[Reader], T], /) -> T: ...


Otherwise = Callable[[Link, int, Sequence[bytes]], Awaitable[None]]
"""Takes messages of a link, in a life of the core, the ordinary way."""


class _Coming:
    """A message of one content, on its way in."""

    __slots__ = ("content", "era", "link", "message")

    def __init__(self, link: Link, era: int, message: bytes, content: memoryview) -> None:
        self.link = link
        self.era = era
        self.message = message
        self.content = content


class Bulk:
    """Of one node. `run` it; `put` queues inputs for the node's thread."""

    def __init__(self, stage: Stage | None, put: Callable[[Inputs], None], query: Query) -> None:
        self.stage = stage or _Nowhere()
        self._put = put
        self._query = query
        self.era = -1
        """Which life of the core is running; -1: none."""
        self._awaited: OrderedDict[bytes, None] = OrderedDict()
        self._come: deque[_Coming] = deque()
        self._written: deque[tuple[int, int, Staged]] = deque()
        """Link, life of the core, and what came."""
        self._has_come = trio.Event()
        self._has_written = trio.Event()
        self._giving: dict[int, deque[tuple[bytes, int]]] = {}
        self._has_given: dict[int, trio.Event] = {}
        self.fair = Fair()

    async def run(self, otherwise: Otherwise) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sync_all)
            while True:
                await self._has_come.wait()
                self._has_come = trio.Event()
                while self._come:
                    for stray in await self._write_some():
                        nursery.start_soon(otherwise, stray.link, stray.era, [stray.message])

    # --- what comes -------------------------------------------------------------------------------

    def awaits(self, ids: Sequence[bytes]) -> None:
        """The core has asked for these."""
        for id_ in ids:
            self._awaited[id_] = None
        while len(self._awaited) > AWAITED_MAX:
            self._awaited.popitem(last=False)

    def takes(self, link: Link, era: int, message: bytes) -> bool:
        """Whether `message` is taken in here; its room on the link is given back when it is written."""
        if not self._awaited or message[1:2] != bytes([CONTENT_TAG]):
            return False
        content = one_content(message)
        if content is None or len(content) <= self.stage.small_bytes_max:
            return False
        self._come.append(_Coming(link, era, message, content))
        self._has_come.set()
        return True

    async def _write_some(self) -> list[_Coming]:
        """Returns those that have to go the ordinary way."""
        pieces = [self._come.popleft() for _ in range(min(len(self._come), WRITTEN_AT_ONCE))]
        staged = await trio.to_thread.run_sync(self._write, pieces)
        strays = []
        for piece, one in zip(pieces, staged, strict=True):
            if one is None:
                strays.append(piece)
                continue
            piece.link.unhandled.give(1, len(piece.message))
            self._awaited.pop(one.id, None)
            self._written.append((piece.link.number, piece.era, one))
            self._has_written.set()
        return strays

    def _write(self, pieces: Sequence[_Coming]) -> list[Staged | None]:
        """In a thread."""
        staged: list[Staged | None] = []
        for piece in pieces:
            id_ = sha256(piece.content).digest()
            try:
                staged.append(self.stage.write(id_, piece.content) if id_ in self._awaited else None)
            except OSError:
                staged.append(None)  # the store will meet the same, and say so
        return staged

    async def _sync_all(self) -> None:
        while True:
            await self._has_written.wait()
            await trio.sleep(TOGETHER_S)
            self._has_written = trio.Event()
            while self._written:
                some = [self._written.popleft() for _ in range(min(len(self._written), SYNCED_AT_ONCE))]
                synced = await trio.to_thread.run_sync(self.stage.sync, [one for _, _, one in some])
                groups: dict[tuple[int, int], list[Staged]] = {}
                for (link, era, _), one in zip(some, synced, strict=True):
                    groups.setdefault((link, era), []).append(one)
                for (link, era), staged in groups.items():
                    self._hand_over(link, era, staged)

    def _hand_over(self, link: int, era: int, staged: list[Staged]) -> None:
        def done() -> None:
            if self.era != era:  # nothing of a life that is over has happened
                self.stage.discard(staged)

        self._put(Inputs((Came(link, tuple(staged)),), 0, era, None, done))

    async def keep(self, pieces: Sequence[Piece]) -> list[Staged]:
        """Contents that a person brings, on disk and not in the store yet. Raises `OSError`, and nothing is
        left then."""

        def kept() -> list[Staged]:
            staged: list[Staged] = []
            try:
                staged += (self.stage.write(id_, data) for id_, data in pieces)
                synced = self.stage.sync(staged)
                for one in synced:
                    if one.fault is not None:
                        raise one.fault
            except OSError:
                self.stage.discard(staged)
                raise
            return synced

        return await trio.to_thread.run_sync(kept)

    def is_large(self, data: bytes) -> bool:
        """Whether `keep` is for contents like this."""
        return len(data) > self.stage.small_bytes_max

    def discard(self, staged: Sequence[Staged]) -> None:
        """Nobody wants these after all."""
        self.stage.discard(staged)

    # --- what is given ----------------------------------------------------------------------------

    def give(self, link: Link, give: Give) -> None:
        """Send these when their turn comes."""
        waiting = self._giving.get(link.number)
        if waiting is None:
            return
        room = GIVEN_MAX - len(waiting)
        waiting += give.contents[:room]
        self._has_given[link.number].set()
        if beyond := give.contents[room:]:
            link.send(encode_message(NoContent(tuple(id_ for id_, _ in beyond))))

    async def serve(self, link: Link) -> None:
        """Give on `link` until cancelled."""
        waiting = self._giving[link.number] = deque()
        try:
            while True:
                self._has_given[link.number] = trio.Event()
                while waiting:
                    await link.has_room_for_bulk(GIVE_BYTES)
                    some = self._next(waiting)
                    size = sum(size for _, size in some)
                    load = Load(link.account, link.office, CONTENT_TAG, len(some), size)
                    guess = await self.fair.take(load)
                    try:
                        await self._send(link, some)
                    finally:
                        self.fair.give(load, guess, Spent(0.0, size))
                await self._has_given[link.number].wait()
        finally:
            del self._giving[link.number], self._has_given[link.number]

    def _next(self, waiting: deque[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """One that is in a file, or as many as share a message."""
        some = [waiting.popleft()]
        total = some[0][1]
        while waiting and (total := total + waiting[0][1]) <= ROWS_BYTES_MAX:
            if waiting[0][1] > self.stage.small_bytes_max:
                break
            some.append(waiting.popleft())
        return some

    async def _send(self, link: Link, some: list[tuple[bytes, int]]) -> None:
        if len(some) == 1 and some[0][1] > self.stage.small_bytes_max:
            message = await trio.to_thread.run_sync(self._read, *some[0])
            if message is not None:
                link.send_bulk(message)
                link.flush()
                return
        try:
            found = await self._query(lambda reader: [reader.content(id_) for id_, _ in some])
        except AslError:  # damaged, and asked for by now; or this node serves nobody at the moment
            found = [None] * len(some)
        if here := tuple(data for data in found if data is not None):
            link.send_bulk(encode_message(Content(here)))
        if gone := tuple(id_ for (id_, _), data in zip(some, found, strict=True) if data is None):
            link.send(encode_message(NoContent(gone)))
        link.flush()

    def _read(self, id_: bytes, size: int) -> bytearray | None:
        """In a thread."""
        try:
            return self.stage.read(id_, size, content_header(size))
        except OSError:
            return None  # the store meets the same, and says so
