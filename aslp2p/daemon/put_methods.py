"""Putting files through the control socket: handed over open, or in base64 where a client cannot do that."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from aslp2p.artifacts.content import Content, ContentBuilder, Piece
from aslp2p.artifacts.types import Put, Remove
from aslp2p.control.protocol import error_data
from aslp2p.core.inputs import AddContent, AddStaged, Command, Propose
from aslp2p.daemon.bulk import Bulk
from aslp2p.daemon.control_descriptors import RECEIVED
from aslp2p.daemon.intake import Intake
from aslp2p.daemon.proposing import ExpectsText, expected, made, propose
from aslp2p.daemon.uploads import Uploads
from aslp2p.errors import AslError, UsageError, UserError
from aslp2p.home import Home
from aslp2p.home.seen import Seen
from aslp2p.ledger.facts import entry_at
from aslp2p.ledger.reader import Reader, Staged
from aslp2p.limits import CHUNK_BYTES, PUTS_AT_ONCE_MAX
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.content import missing
from aslp2p.views.view import View
from aslp2p.worktree.never import require_puttable

T = TypeVar("T")
SEEN_NAME = "seen.db"
STAGED_MAX = 32


class OnePut(Struct, forbid_unknown_fields=True):
    """One of `put.many`; its fields are `put`'s."""

    path: str
    data: str
    executable: bool = False
    media_type: str = ""
    modified_ms: Uint = 0
    expects: ExpectsText = None


class OneRemoval(Struct, forbid_unknown_fields=True):
    """One of `put.many`; its fields are `remove`'s."""

    path: str
    expects: ExpectsText = None


class PuttingNode(Protocol):
    """One Common in the running daemon, as far as putting goes."""

    @property
    def id(self) -> bytes: ...

    async def query(self, function: Callable[[Reader], T], /) -> T: ...

    @property
    def bulk(self) -> Bulk: ...

    async def command(self, command: Command, /) -> Any: ...

    async def commands(self, commands: Sequence[Command], /) -> list[Any]: ...


class Keeping:
    """What is read of one file, on its way into the store: large pieces beside it, handed over together."""

    def __init__(self, node: PuttingNode) -> None:
        self._node = node
        self._staged: list[Staged] = []

    async def keep(self, pieces: tuple[Piece, ...]) -> None:
        """On disk when this returns; in the store with what is proposed."""
        if small := await self.stage(pieces):
            await self._node.command(AddContent(small))
        if len(self._staged) >= STAGED_MAX:
            await self._hand_over(AddStaged)

    async def stage(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """Puts the large ones on disk; returns the others."""
        bulk = self._node.bulk
        try:
            self._staged += await bulk.keep([one for one in pieces if bulk.is_large(one.data)])
        except OSError:  # the store meets the same, and says what is to be done
            return pieces
        return tuple(one for one in pieces if not bulk.is_large(one.data))

    async def propose(self, action: Put, last: tuple[Piece, ...]) -> dict[str, Any]:
        """Propose it, with what was kept and the `last` pieces."""
        small = await self.stage(last)
        id_: bytes = await self._hand_over(lambda staged: Propose(action, small, staged))
        return {"proposal": id_.hex()}

    async def _hand_over(self, command: Callable[[tuple[Staged, ...]], Command]) -> Any:
        """What is staged is the core's from here on: also where nobody waits for the answer any more."""
        staged, self._staged = tuple(self._staged), []
        try:
            return await self._node.command(command(staged))
        except AslError:  # nothing has changed, or nothing that was not on disk
            self._node.bulk.discard(staged)
            raise

    def close(self) -> None:
        """What was not handed over is no more."""
        self._node.bulk.discard(self._staged)


class PutMethods:
    """`node` finds a Common by its name."""

    def __init__(self, home: Home, node: Callable[[str], PuttingNode]) -> None:
        self._home = home
        self._node = node
        self._uploads = Uploads()
        self._intake: Intake | None = None

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {
            "put": self.put,
            "put.many": self.put_many,
            "put.file": self.put_file,
            "upload.begin": self.upload_begin,
            "upload.chunk": self.upload_chunk,
            "upload.put": self.upload_put,
        }

    async def put(
        self,
        path: str,
        data: str,
        common: str = "",
        executable: bool = False,
        media_type: str = "",
        modified_ms: Uint = 0,
        expects: ExpectsText = None,
        skip_same: bool = False,
    ) -> dict[str, Any]:
        """Put at most 1 MiB, in base64, at `path`; larger files are uploaded."""
        one = OnePut(path, data, executable, media_type, modified_ms, expects)
        return await _proposed(self._node(common), *_one_put(one), skip_same=skip_same)

    async def put_many(
        self, puts: list[OnePut], removals: list[OneRemoval], common: str = ""
    ) -> dict[str, Any]:
        """Propose small files and removals, each as `put` and `remove` do, on disk together. A refusal is an
        answer in its place, and nothing to the others."""
        if len(puts) + len(removals) > PUTS_AT_ONCE_MAX:
            raise UsageError(f"more than {PUTS_AT_ONCE_MAX} at once")
        node = self._node(common)
        commands = [*map(_proposal, puts), *map(_proposal, removals)]
        good = [one for one in commands if isinstance(one, Propose)]
        answers = iter(await node.commands(good))
        told = [_told(next(answers) if isinstance(one, Propose) else one) for one in commands]
        return {"puts": told[: len(puts)], "removals": told[len(puts) :]}

    async def put_file(
        self,
        path: str,
        file: Uint,
        common: str = "",
        executable: bool = False,
        media_type: str = "",
        modified_ms: Uint = 0,
        expects: ExpectsText = None,
        skip_same: bool = False,
        content: str = "",
    ) -> dict[str, Any]:
        """Put what the open `file` holds, from where it stands, at `path`: the number of one that came with
        the line. Nothing else than `content`, where that is given."""
        descriptor = RECEIVED.get().take(file)
        node = self._node(common)
        keeping = Keeping(node)
        try:
            taken = await self._taken_in(keeping, node, descriptor)
            if content and parse_id(content, "content") != taken.id:
                raise UserError("it has changed since it was looked at", remedy="put it again")
            action = _put(path, taken, executable, media_type, modified_ms, expects)
            about = {"content": taken.id.hex(), "size": taken.size}
            if skip_same and await node.query(lambda reader: _is_there(reader, action)):
                return {"proposal": None, **about}
            return {**await keeping.propose(action, taken.last), **about}
        finally:
            keeping.close()
            os.close(descriptor)

    async def _taken_in(self, keeping: Keeping, node: PuttingNode, descriptor: int) -> Content:
        async def is_here(id_: bytes, size: int) -> bool:
            return not await node.query(lambda reader: missing(reader, id_, size))

        if self._intake is None:
            self._intake = Intake(Seen(self._home.path / SEEN_NAME))
        return await self._intake.take(descriptor, keeping.keep, is_here)

    async def upload_begin(self, common: str = "") -> dict[str, Any]:
        return {"upload": self._uploads.begin(self._node(common).id)}

    async def upload_chunk(self, upload: int, offset: Uint, data: str) -> dict[str, Any]:
        """Add at most 1 MiB at `offset`, which is how much was uploaded before; the answer is how much is
        now.
        """
        raw = _unbase64(data)
        if len(raw) > CHUNK_BYTES:
            raise UsageError("data has more than 1 MiB", remedy="upload it in several chunks")
        async with self._uploads.using(upload) as taken:
            pieces = taken.feed(offset, raw)
            if pieces:
                await self._node(taken.common_id.hex()).command(AddContent(tuple(pieces)))
            return {"size": taken.size}

    async def upload_put(
        self,
        upload: int,
        path: str,
        executable: bool = False,
        media_type: str = "",
        modified_ms: Uint = 0,
        expects: ExpectsText = None,
        skip_same: bool = False,
    ) -> dict[str, Any]:
        """Put what was uploaded at `path`; the upload ends, whatever comes of it."""
        async with self._uploads.using(upload) as taken:
            self._uploads.end(upload)
            content = taken.builder.finish()
            action = _put(path, content, executable, media_type, modified_ms, expects)
            node = self._node(taken.common_id.hex())
            return await _proposed(node, action, content.last, skip_same=skip_same)


def _one_put(one: OnePut) -> tuple[Put, tuple[Piece, ...]]:
    """The put, and its content. Raises `UserError` for what is never put, and for what no put can be."""
    raw = _unbase64(one.data)
    if len(raw) > CHUNK_BYTES:
        raise UsageError("data has more than 1 MiB", remedy="use upload.begin, upload.chunk and upload.put")
    require_puttable(raw)
    builder = ContentBuilder()
    pieces = builder.feed(raw)
    content = builder.finish()
    action = _put(one.path, content, one.executable, one.media_type, one.modified_ms, one.expects)
    return action, (*pieces, *content.last)


def _proposal(one: OnePut | OneRemoval) -> Propose | UserError:
    """What proposes `one`, or why it cannot be."""
    try:
        if isinstance(one, OnePut):
            return Propose(*_one_put(one))
        return Propose(made(Remove, one.path, expected(one.expects)))
    except UserError as error:
        return error


def _told(answer: bytes | UserError) -> dict[str, Any]:
    """What `put.many` says of one: its proposal, or an error as the whole call would have it."""
    if isinstance(answer, UserError):
        return {"error": error_data(answer)}
    return {"proposal": answer.hex()}


def _put(
    path: str, content: Content, executable: bool, media_type: str, modified_ms: int, expects: ExpectsText
) -> Put:
    return made(Put, path, content.id, content.size, media_type, executable, modified_ms, expected(expects))


async def _proposed(
    node: PuttingNode, action: Put, pieces: tuple[Piece, ...], *, skip_same: bool
) -> dict[str, Any]:
    """Propose `action`, with `pieces` of its content; nothing where `skip_same` and it is there already."""
    about = {"content": action.content.hex(), "size": action.size}
    if skip_same and await node.query(lambda reader: _is_there(reader, action)):
        return {"proposal": None, **about}
    return {**await propose(node, action, pieces), **about}


def _is_there(reader: Reader, action: Put) -> bool:
    """Whether the head has exactly this at the path already."""
    view = View(reader)
    entry = entry_at(reader, view.branch, view.height, action.path)
    return entry is not None and (entry.content, entry.executable) == (action.content, action.executable)


def _unbase64(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("data is not base64") from None
