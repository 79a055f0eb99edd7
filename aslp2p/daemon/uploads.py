"""Files that come in over the control socket in chunks: few, in order, and forgotten when nobody goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from aslp2p.artifacts.content import ContentBuilder, Piece
from aslp2p.errors import UserError
from aslp2p.limits import UPLOAD_IDLE_S, UPLOADS_MAX
from aslp2p.worktree.never import require_puttable


class Upload:
    """One file under way; `size` is what has come of it, in bytes."""

    def __init__(self, common_id: bytes) -> None:
        self.common_id = common_id
        self.builder = ContentBuilder()
        self.size = 0
        self.lock = trio.Lock()
        self.used_at = trio.current_time()

    def feed(self, offset: int, data: bytes) -> list[Piece]:
        """The pieces that `data` completes. Raises `UserError` unless it begins where the last one ended,
        and for what is never put."""
        if offset != self.size:
            raise UserError(
                f"a chunk at {offset} where {self.size} bytes have come", remedy="upload it again"
            )
        if not offset:
            require_puttable(data)
        pieces = self.builder.feed(data)
        self.size += len(data)
        return pieces


class Uploads:
    """All that are under way, by number."""

    def __init__(self) -> None:
        self._uploads: dict[int, Upload] = {}
        self._last = 0

    def begin(self, common_id: bytes) -> int:
        """The number of a new upload. Raises `UserError` when there are `UPLOADS_MAX` that are not idle."""
        now = trio.current_time()
        idle = [
            n
            for n, one in self._uploads.items()
            if now - one.used_at > UPLOAD_IDLE_S and not one.lock.locked()
        ]
        for number in idle:
            del self._uploads[number]
        if len(self._uploads) >= UPLOADS_MAX:
            raise UserError(f"{UPLOADS_MAX} uploads are under way", remedy="wait for one of them to end")
        self._last += 1
        self._uploads[self._last] = Upload(common_id)
        return self._last

    @asynccontextmanager
    async def using(self, number: int) -> AsyncIterator[Upload]:
        """The upload `number`, for one at a time. Raises `UserError` when there is none (any more)."""
        upload = self._there(number)
        async with upload.lock:
            self._there(number)  # it may have ended while we waited
            upload.used_at = trio.current_time()
            yield upload
            upload.used_at = trio.current_time()

    def _there(self, number: int) -> Upload:
        if number not in self._uploads:
            raise UserError(f"there is no upload {number} (any more)", remedy="upload it again")
        return self._uploads[number]

    def end(self, number: int) -> None:
        """Forget the upload `number`."""
        self._uploads.pop(number, None)
