"""Files that a client hands over open: read, hashed and cut in a thread, a few chunks at a time.

1. A file is the one that it was when reading began, or it is read again (`TRIES`); then it is refused, and
   nothing is proposed. Its status before and after says so.
2. What was read before and is unchanged costs no reading (`Seen`), if all of it is here.
3. A pipe, socket or terminal is read until it ends, once.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from aslp2p.artifacts.content import Content, ContentBuilder, Piece
from aslp2p.errors import UsageError, UserError
from aslp2p.home.seen import Seen, Stamp
from aslp2p.limits import CHUNK_BYTES, KIB, UPLOADS_MAX
from aslp2p.worktree.never import require_puttable

T = TypeVar("T")
PART_CHUNKS = 4
"""Read at once; as many are being kept meanwhile."""
TRIES = 2
SEEN_BYTES_MIN = 64 * KIB
"""A smaller file is read as fast as it is looked up."""
READERS_MAX = 2
"""Files read at once; more would only share the disk."""
_POLL_MS = 200
"""How soon a stream that is silent notices that nobody waits for it any more."""

Keep = Callable[[tuple[Piece, ...]], Awaitable[object]]
"""Stores pieces; they are on disk when it returns."""
IsHere = Callable[[bytes, int], Awaitable[bool]]
"""Whether all of the content with this id and size is here."""


class Intake:
    """Takes in files that are handed over open."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._files = trio.CapacityLimiter(READERS_MAX)
        self._streams = trio.CapacityLimiter(UPLOADS_MAX)

    async def take(self, descriptor: int, keep: Keep, is_here: IsHere) -> Content:
        """The content of the open file; what `last` of it holds is not kept yet.

        Raises `UserError` when it cannot be read, is never put (`never`), or changes while it is read.
        """
        status = _status(descriptor)
        if not stat.S_ISREG(status.st_mode):
            if stat.S_ISDIR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                raise UsageError("only files and streams can be put")
            return await self._read(_Reading(descriptor, stream=True), keep, self._streams)
        start = _position(descriptor)
        for _ in range(TRIES):
            stamp = Stamp.of(_status(descriptor))
            if not start and (known := await self._known(stamp, is_here)) is not None:
                return known
            began_ns = time.time_ns()
            os.lseek(descriptor, start, os.SEEK_SET)
            content = await self._read(_Reading(descriptor, stream=False), keep, self._files)
            if Stamp.of(_status(descriptor)) == stamp and content.size == max(0, stamp.size - start):
                if not start and stamp.size >= SEEN_BYTES_MIN and stamp.settled(began_ns):
                    await trio.to_thread.run_sync(self._seen.note, stamp, content.id)
                return content
        raise UserError(
            "it changed while it was read, each time", remedy="put it when whoever writes it is done"
        )

    async def _known(self, stamp: Stamp, is_here: IsHere) -> Content | None:
        if stamp.size < SEEN_BYTES_MIN:
            return None
        id_ = await trio.to_thread.run_sync(self._seen.find, stamp)
        return Content(id_, stamp.size, ()) if id_ is not None and await is_here(id_, stamp.size) else None

    async def _read(self, reading: _Reading, keep: Keep, limiter: trio.CapacityLimiter) -> Content:
        """Reads on while what was read before is being kept. Raises what either of the two raises."""
        try:
            async with trio.open_nursery() as nursery:
                kept = trio.Event()
                kept.set()
                while not reading.ended:
                    pieces = await trio.to_thread.run_sync(reading.part, limiter=limiter)
                    await kept.wait()
                    if pieces:
                        kept = trio.Event()
                        nursery.start_soon(_keep, keep, tuple(pieces), kept)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return await trio.to_thread.run_sync(reading.finish, limiter=limiter)


async def _keep(keep: Keep, pieces: tuple[Piece, ...], kept: trio.Event) -> None:
    await keep(pieces)
    kept.set()


class _Reading:
    """One reading of a file, in a thread."""

    def __init__(self, descriptor: int, *, stream: bool) -> None:
        self._descriptor = descriptor
        self._wait = select.poll() if stream else None
        if self._wait is not None:
            self._wait.register(descriptor, select.POLLIN)
        self._builder = ContentBuilder()
        self._head: bytearray | None = bytearray()
        self.ended = False

    def part(self) -> list[Piece]:
        """The next few chunks; fewer, and perhaps none, where the file ends or a stream is silent."""
        pieces: list[Piece] = []
        while len(pieces) < PART_CHUNKS and not self.ended:
            if self._wait is not None and not self._wait.poll(_POLL_MS):
                break
            data = _refusing(partial(os.read, self._descriptor, CHUNK_BYTES))
            self.ended = not data
            pieces += self._builder.feed(self._looked_at(data))
        return pieces

    def _looked_at(self, data: bytes) -> bytes:
        """`data`; nothing until there is enough to see what it is."""
        if self._head is None:
            return data
        self._head += data
        if len(self._head) < CHUNK_BYTES and not self.ended:
            return b""
        whole, self._head = bytes(self._head), None
        require_puttable(whole[:CHUNK_BYTES])
        return whole

    def finish(self) -> Content:
        return self._builder.finish()


def _status(descriptor: int) -> os.stat_result:
    return _refusing(partial(os.fstat, descriptor))


def _position(descriptor: int) -> int:
    return _refusing(partial(os.lseek, descriptor, 0, os.SEEK_CUR))


def _refusing(call: Callable[[], T]) -> T:
    try:
        return call()
    except OSError as error:
        raise UserError(
            f"it cannot be read ({error.strerror})", remedy="see that it is there, and whose it is"
        ) from None
