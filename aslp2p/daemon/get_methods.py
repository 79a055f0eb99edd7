"""Writing contents into a file that a client hands over open."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from aslp2p.daemon.asked import AskedNode
from aslp2p.daemon.control_descriptors import RECEIVED
from aslp2p.ledger.reader import Reader
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.content import read_chunk
from aslp2p.views.erased import told_if_erased
from aslp2p.views.view import View
from aslp2p.views.writing_out import Piece, begin, copy_files, pieces_of, write_piece

PIECES_AT_ONCE = 16
"""Written before a thread reports, and can be told to stop."""
WRITERS_MAX = 2


class GetMethods:
    """`node` finds a Common by its name."""

    def __init__(self, node: Callable[[str], AskedNode], view: Callable[[Reader], View]) -> None:
        self._node = node
        self._view = view
        self._writers = trio.CapacityLimiter(WRITERS_MAX)

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {"content.write": self.write}

    async def write(self, id: str, size: Uint, file: Uint, common: str = "") -> dict[str, Any]:
        """Write the content `id` of `size` bytes into the open `file`: the number of one that came with the
        line. What was in it is gone, whatever comes of this."""
        descriptor = RECEIVED.get().take(file)
        try:
            node = self._node(common)
            content = parse_id(id)

            def pieces(reader: Reader) -> list[Piece]:
                view = self._view(reader)
                return told_if_erased(view, content, lambda: pieces_of(reader, content, size))

            found = await node.query(pieces)
            await trio.to_thread.run_sync(begin, descriptor, size, limiter=self._writers)
            for at in range(0, len(found), PIECES_AT_ONCE):
                await self._write_some(node, found[at : at + PIECES_AT_ONCE], descriptor, content)
            return {"size": size}
        finally:
            os.close(descriptor)

    async def _write_some(
        self, node: AskedNode, pieces: list[Piece], descriptor: int, content: bytes
    ) -> None:
        rest = await trio.to_thread.run_sync(
            copy_files, node.bulk.stage, pieces, descriptor, limiter=self._writers
        )
        for one in rest:  # a row, damaged, or not here: the store says which

            def read(reader: Reader, one: Piece = one) -> bytes:
                view = self._view(reader)
                return told_if_erased(view, content, lambda: read_chunk(reader, one.id, one.size, 0))

            data = await node.query(read)
            await trio.to_thread.run_sync(write_piece, data, descriptor, one.at, limiter=self._writers)
