"""The control methods that take a bundle in: it is sent in chunks, kept in a file without a name, and
imported once it is whole.

A stick that is pulled out half-way, a client that dies, a daemon that is killed: the file is gone by itself
and nothing has changed. Reading it and waiting for the disk happen in a thread, the import itself in the
node's.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO, TYPE_CHECKING, Any

import trio

from aslp2p.core.inputs import Import
from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home
from aslp2p.limits import BUNDLES_UNDER_WAY_MAX, CHUNK_BYTES, UPLOAD_IDLE_S
from aslp2p.transfer.incoming import Question, Steps, taking
from aslp2p.views.actions import Uint

if TYPE_CHECKING:
    from aslp2p.daemon.asked import AskedNode


class _Coming:
    """A bundle under way."""

    def __init__(self, node: AskedNode, file: IO[bytes]) -> None:
        self.node = node
        self.file = file
        self.size = 0
        self.used_at = trio.current_time()
        self.lock = trio.Lock()


class BundleMethods:
    """`node_of` finds the Common that a caller means."""

    def __init__(self, home: Home, node_of: Callable[[str], AskedNode]) -> None:
        self._home = home
        self._node_of = node_of
        self._coming: dict[int, _Coming] = {}
        self._last = 0

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {"bundle.begin": self.begin, "bundle.chunk": self.chunk, "bundle.import": self.take}

    async def begin(self, common: str = "") -> dict[str, Any]:
        """The number of a new bundle, for the Common that is meant."""
        node = self._node_of(common)
        for number, one in list(self._coming.items()):
            if trio.current_time() - one.used_at > UPLOAD_IDLE_S and not one.lock.locked():
                self._end(number)
        if len(self._coming) >= BUNDLES_UNDER_WAY_MAX:
            raise UserError(
                f"{BUNDLES_UNDER_WAY_MAX} bundles are on their way", remedy="wait for one of them"
            )
        self._last += 1
        number = self._last
        folder = self._home.common_folder(node.id)
        try:
            self._coming[number] = _Coming(node, tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        except OSError as error:
            raise UserError(f"cannot write in {folder} ({error.strerror})", remedy="make room") from None
        return {"bundle": number}

    async def chunk(self, bundle: int, offset: Uint, data: str) -> dict[str, Any]:
        """Add at most 1 MiB at `offset`, which is how much has come before; the answer: how much has now."""
        one = self._there(bundle)
        try:
            raw = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise UsageError("data is not base64") from None
        if len(raw) > CHUNK_BYTES:
            raise UsageError("data has more than 1 MiB")
        async with one.lock:
            if offset != one.size:
                raise UserError(
                    f"a chunk at {offset} where {one.size} bytes have come", remedy="send it again"
                )
            one.used_at = trio.current_time()
            try:
                await trio.to_thread.run_sync(one.file.write, raw)
            except OSError as error:
                self._end(bundle)
                raise UserError(f"there is no room for it ({error.strerror})", remedy="make room") from None
            one.size += len(raw)
        return {"size": one.size}

    async def take(self, bundle: int) -> dict[str, Any]:
        """Import what was sent; it is forgotten then, whatever comes of it."""
        one = self._there(bundle)
        async with one.lock:
            self._coming.pop(bundle, None)
            with one.file as file:
                steps = taking(file, self._home.common_folder(one.node.id), one.node.id)
                return await driven(steps, one.node)

    def _there(self, number: int) -> _Coming:
        if number not in self._coming:
            raise UserError(f"there is no bundle {number} on its way (any more)", remedy="send it again")
        return self._coming[number]

    def _end(self, number: int) -> None:
        self._coming.pop(number).file.close()


async def driven(steps: Steps, node: AskedNode) -> dict[str, Any]:
    """Carry out an import on a running node, one at a time: each rewrites what waits. Raises `UserError`."""
    async with node.importing:
        return await _driven(steps, node)


async def _driven(steps: Steps, node: AskedNode) -> dict[str, Any]:
    report: dict[str, Any] = {}

    def go_on(answer: Any) -> Import | Question | None:
        try:
            return steps.send(answer)
        except StopIteration as done:
            report.update(done.value)
            return None

    wanted = await trio.to_thread.run_sync(go_on, None)
    while wanted is not None:
        answer = await node.command(wanted) if isinstance(wanted, Import) else await node.query(wanted)
        wanted = await trio.to_thread.run_sync(go_on, answer)
    return report
