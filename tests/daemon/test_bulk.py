"""Contents between two stores' files and a link: given in turn, taken in when awaited, and after all else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

from aslp2p.core.effects import Give
from aslp2p.core.inputs import Came, Received
from aslp2p.core.jobs import Inputs
from aslp2p.daemon.bulk import GIVEN_MAX, Bulk
from aslp2p.daemon.link import Link
from aslp2p.errors import Damaged
from aslp2p.gossip.messages import Content, Have, NoContent, decode_message, encode_message
from aslp2p.ledger.reader import PutContent, PutStaged, Reader
from aslp2p.limits import CHUNK_BYTES
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.stage import Stage
from tests.link.links import linked

T = TypeVar("T")
LARGE = [bytes([number]) * CHUNK_BYTES for number in range(24)]
SMALL = [b"small %d" % number for number in range(20)]


def id_of(data: bytes) -> bytes:
    return sha256(data).digest()


class Side:
    """A real store with its stage, one end of a link, and what came over it."""

    def __init__(self, folder: Path, link: Link) -> None:
        folder.mkdir()
        self.store = SqliteStore(folder / "store.db")
        self.link = link
        self.came: list[Came] = []
        self.messages: list[bytes] = []
        self.heard = trio.Event()
        self.bulk = Bulk(Stage(folder / "store.db"), self._put, self._query)
        self.bulk.era = 1

    def hold(self, *contents: bytes) -> None:
        self.store.apply([PutContent(id_of(data), data) for data in contents])
        self.store.commit()

    async def _query(self, function: Callable[[Reader], T], /) -> T:
        return function(self.store)

    def _put(self, inputs: Inputs) -> None:
        for one in inputs.inputs:
            if isinstance(one, Came):
                self.came.append(one)
                self.store.apply([PutStaged(staged) for staged in one.staged])
                self.store.commit()
            elif isinstance(one, Received):
                self.messages.append(one.data)
        if inputs.done is not None:
            inputs.done()
        self._hear()

    def _hear(self) -> None:
        self.heard.set()
        self.heard = trio.Event()

    async def ordinary(self, link: Link, era: int, messages: Sequence[bytes]) -> None:
        self.messages += messages
        link.unhandled.give(len(messages), sum(map(len, messages)))
        self._hear()

    async def run(self) -> None:
        async def handle(messages: Sequence[bytes]) -> None:
            rest = [one for one in messages if not self.bulk.takes(self.link, 1, one)]
            await self.ordinary(self.link, 1, rest)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.bulk.run, self.ordinary)
            nursery.start_soon(self.bulk.serve, self.link)
            await self.link.run((), handle)

    async def until(self, holds: Callable[[], bool]) -> None:
        with trio.fail_after(20):
            while not holds():
                await self.heard.wait()


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[Side, Side]]:
    sessions = linked()
    sockets = socket.socketpair()
    sides = []
    for number, (session, connection) in enumerate(zip(sessions, sockets, strict=True)):
        connection.setblocking(False)
        about: dict[str, Any] = {"name": "", "token": b"", "address": "", "initiator": not number}
        link = Link(7, connection, session, key=bytes([number]) * 32, **about)
        sides.append(Side(folder / str(number), link))
    async with trio.open_nursery() as nursery:
        for side in sides:
            nursery.start_soon(side.run)
        await trio.testing.wait_all_tasks_blocked()
        yield sides[0], sides[1]
        nursery.cancel_scope.cancel()
    for side, connection in zip(sides, sockets, strict=True):
        side.store.close()
        connection.close()


def given(*contents: bytes) -> Give:
    return Give(7, tuple((id_of(data), len(data)) for data in contents))


async def test_what_is_awaited_goes_from_file_to_file(tmp_path: Path) -> None:
    async with two(tmp_path) as (giver, taker):
        giver.hold(*LARGE)
        taker.bulk.awaits([id_of(data) for data in LARGE])
        giver.bulk.give(giver.link, given(*LARGE))
        await taker.until(lambda: taker.store.lacking_content(map(id_of, LARGE)) == [])
        assert [taker.store.content(id_of(data)) for data in LARGE] == LARGE
        assert taker.messages == [], "no piece of it went through the core"
        assert taker.link.unhandled.bytes == 0


async def test_what_is_not_awaited_goes_the_ordinary_way_and_is_not_written(tmp_path: Path) -> None:
    """G5: what nobody asked for is the core's to count, and costs no disk."""
    async with two(tmp_path) as (giver, taker):
        giver.hold(*LARGE[:3])
        taker.bulk.awaits([id_of(LARGE[1])])
        giver.bulk.give(giver.link, given(*LARGE[:3]))
        await taker.until(lambda: len(taker.messages) == 2 and len(taker.came) == 1)
        assert sorted(taker.messages) == sorted(encode_message(Content((LARGE[n],))) for n in (0, 2))
        assert [one.id for one in taker.came[0].staged] == [id_of(LARGE[1])]
        assert len(list((tmp_path / "1" / "store.contents").rglob("*"))) == 3, "new/, a folder and a file"
        assert taker.link.unhandled.bytes == 0


async def test_small_contents_share_messages_and_what_is_gone_is_told(tmp_path: Path) -> None:
    async with two(tmp_path) as (giver, taker):
        giver.hold(*SMALL)
        giver.bulk.give(giver.link, given(*SMALL, b"never here", LARGE[0]))
        await taker.until(lambda: len(taker.messages) == 3)
        messages = [decode_message(one) for one in taker.messages]
        assert Content(tuple(SMALL)) in messages
        assert [one for one in messages if isinstance(one, NoContent)] == [
            NoContent((id_of(b"never here"),)),
            NoContent((id_of(LARGE[0]),)),
        ]


async def test_what_is_damaged_is_not_given(tmp_path: Path) -> None:
    async with two(tmp_path) as (giver, taker):
        giver.hold(LARGE[0])
        giver.store.files.place(id_of(LARGE[0])).write_bytes(LARGE[1])
        with pytest.raises(Damaged):
            giver.store.content(id_of(LARGE[0]))
        taker.bulk.awaits([id_of(LARGE[0]), id_of(LARGE[1])])
        giver.bulk.give(giver.link, given(LARGE[0]))
        await taker.until(lambda: len(taker.messages) == 1)
        assert taker.messages == [encode_message(NoContent((id_of(LARGE[0]),)))]


async def test_all_else_overtakes_contents(tmp_path: Path) -> None:
    """By the order on the wire: what is said while megabytes wait goes before the next piece of them."""
    async with two(tmp_path) as (giver, taker):
        order: list[str] = []
        takes = taker.bulk.takes

        def noted(link: Link, era: int, message: bytes) -> bool:
            order.append("content" if len(message) > CHUNK_BYTES else "talk")
            return takes(link, era, message)

        taker.bulk.takes = noted  # type: ignore[method-assign]
        giver.hold(*LARGE)
        for data in LARGE:
            giver.link.send_bulk(encode_message(Content((data,))))
        giver.link.send(encode_message(Have((id_of(b""),))))
        giver.link.flush()
        await taker.until(lambda: len(taker.messages) == len(LARGE) + 1)
        assert order.index("talk") <= 1 and order.count("content") == len(LARGE)


async def test_nothing_is_read_ahead_of_a_link_that_takes_nothing(tmp_path: Path) -> None:
    """Memory stays bounded, however much somebody asks for and does not read."""
    async with two(tmp_path) as (giver, taker):
        await taker.link.unhandled.take(1, CHUNK_BYTES * 8)  # it reads no more
        giver.hold(*LARGE)
        for _ in range(GIVEN_MAX // len(LARGE) + 2):
            giver.bulk.give(giver.link, given(*LARGE))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert giver.link._bulk_bytes < 4 * CHUNK_BYTES
        assert len(giver.bulk._giving[7]) <= GIVEN_MAX
        taker.link.unhandled.give(1, CHUNK_BYTES * 8)
        await taker.until(lambda: any(type(decode_message(one)) is NoContent for one in taker.messages))


async def test_what_comes_for_a_life_of_the_core_that_is_over_is_removed(tmp_path: Path) -> None:
    async with two(tmp_path) as (giver, taker):
        giver.hold(LARGE[0])
        taker.bulk.era = 2
        taker.store.apply = lambda writes: None  # type: ignore[method-assign]
        taker.bulk.awaits([id_of(LARGE[0])])
        giver.bulk.give(giver.link, given(LARGE[0]))
        await taker.until(lambda: len(taker.came) == 1)
        assert list((tmp_path / "1" / "store.contents" / "new").iterdir()) == []
