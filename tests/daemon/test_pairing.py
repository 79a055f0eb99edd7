"""What a stranger on the LAN can do to a code: one guess, bounded bytes, bounded time (`daemon/pairing.py`).

Real sockets on loopback; who calls is the test, byte by byte.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from aslp2p.daemon import pairing as module
from aslp2p.daemon.mdns import Found
from aslp2p.daemon.pairing import GONE, MAGIC, NO_CODE, TAKEN, Pairings
from aslp2p.daemon.transport import Transport, connect
from aslp2p.errors import UserError
from aslp2p.home.key import SecretKey
from aslp2p.limits import PAIRING_CODE_S, PAIRING_MESSAGE_BYTES_MAX, PAIRING_MESSAGES_MAX, PAIRING_OPEN_MAX
from aslp2p.link.frames import frame


class House:
    """A machine that offers codes, and where it listens."""

    def __init__(self, pairings: Pairings, transport: Transport, port: int) -> None:
        self.pairings = pairings
        self.transport = transport
        self.port = port

    async def call(self, number: int, *frames: bytes) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        await stream.send_all(MAGIC + bytes([number]) + frame(*frames))
        return stream

    async def offer(self) -> tuple[int, int]:
        id_ = await self.pairings.offer()
        return id_, self.pairings.get(id_).number


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    announced: list[None] = []
    pairings = Pairings(lambda: announced.append(None), connect)
    transport = Transport(SecretKey(bytes(32)), list)
    transport.pairings = pairings
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    async with trio.open_nursery() as nursery:
        await nursery.start(pairings.run)
        nursery.start_soon(transport.serve, [listener])
        yield House(pairings, transport, listener.getsockname()[1])
        nursery.cancel_scope.cancel()


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    with trio.fail_after(20), suppress(trio.BrokenResourceError):
        while more := await stream.receive_some(4096):
            data += more
    return data


async def test_messages_go_both_ways_and_the_end_is_told() -> None:
    async with house() as ann:
        theirs, number = await ann.offer()
        mine = await ann.pairings.call(number, ("127.0.0.1", ann.port))
        offered, called = ann.pairings.get(theirs), ann.pairings.get(mine)
        await called.send(b"first")
        assert await offered.next() == b"first" and offered.stream is not None
        await offered.send(b"second")
        assert await called.next() == b"second"
        await offered.send(b"last words")
        offered.end("the command was ended")
        assert await called.next() == b"last words", "what was sent before the end arrives"
        assert await called.next() is None and called.over == GONE


async def test_a_code_is_announced_until_its_first_call() -> None:
    async with house() as ann:
        _, number = await ann.offer()
        assert ann.pairings.numbers() == (number,)
        stranger = await ann.call(number, b"a guess")
        second = await ann.call(number, b"another")
        await second.send_eof()
        assert await read_all(second) == frame(TAKEN), "the second guess on one code is refused"
        assert ann.pairings.numbers() == ()
        await stranger.aclose()


async def test_the_person_is_told_of_a_guesser_that_leaves_and_its_code_is_over() -> None:
    async with house() as ann:
        id_, number = await ann.offer()
        stranger = await ann.call(number, b"a guess")
        assert await ann.pairings.get(id_).next() == b"a guess"
        await stranger.aclose()
        assert await ann.pairings.get(id_).next() is None and ann.pairings.get(id_).over == GONE
        again = await ann.call(number, b"a guess")
        await again.send_eof()
        assert await read_all(again) == frame(TAKEN)


async def test_a_number_that_nobody_offers_is_refused_and_costs_no_code() -> None:
    async with house() as ann:
        id_, number = await ann.offer()
        stranger = await ann.call(number % 9 + 1, b"a guess")
        await stranger.send_eof()
        assert await read_all(stranger) == frame(NO_CODE)
        assert ann.pairings.numbers() == (number,) and not ann.pairings.get(id_).over


@pytest.mark.parametrize("said", [b"", MAGIC[:3], MAGIC, b"ASLPAIR2\x01", b"AAAA", b"\x00\x30" + bytes(48)])
async def test_what_is_no_pairing_costs_no_code(said: bytes) -> None:
    async with house() as ann:
        _, number = await ann.offer()
        stream = await trio.open_tcp_stream("127.0.0.1", ann.port)
        await stream.send_all(said)
        with suppress(trio.BrokenResourceError):  # it is closed for what was said already
            await stream.send_eof()
        assert await read_all(stream) == b"", "and is answered nothing"
        assert ann.pairings.numbers() == (number,)


async def test_who_floods_a_pairing_is_cut_off() -> None:
    async with house() as ann:
        id_, number = await ann.offer()
        many = await ann.call(number, *[b"message"] * (PAIRING_MESSAGES_MAX + 1))
        with trio.fail_after(20):
            while not ann.pairings.get(id_).over:
                await ann.pairings.get(id_).next()
        await many.aclose()
        id_, number = await ann.offer()
        long = await ann.call(number)
        await long.send_all((PAIRING_MESSAGE_BYTES_MAX + 1).to_bytes(2, "big"))
        assert await ann.pairings.get(id_).next() is None
        assert ann.pairings.get(id_).over, "at its length, before its bytes are waited for"
        await long.aclose()


async def test_our_own_command_keeps_the_bounds_too() -> None:
    async with house() as ann:
        _, number = await ann.offer()
        called = ann.pairings.get(await ann.pairings.call(number, ("127.0.0.1", ann.port)))
        for wrong in (b"", b"x", bytes(PAIRING_MESSAGE_BYTES_MAX + 1)):
            with pytest.raises(UserError, match="more than a pairing takes"):
                await called.send(wrong)
        await called.send(b"the last of them")
        with pytest.raises(UserError, match="more than a pairing takes"):
            await called.send(b"one too many")
        waiting, _ = await ann.offer()
        with pytest.raises(UserError, match="nobody is there yet"):
            await ann.pairings.get(waiting).send(b"hello")


async def test_a_machine_has_so_many_pairings_and_no_more() -> None:
    async with house() as ann:
        numbers = {(await ann.offer())[1] for _ in range(PAIRING_OPEN_MAX)}
        assert len(numbers) == PAIRING_OPEN_MAX, "and no two of one number"
        with pytest.raises(UserError, match="under way here"):
            await ann.pairings.offer()
        with pytest.raises(UserError, match="under way here"):
            await ann.pairings.call(1, ("127.0.0.1", ann.port))
        with pytest.raises(UserError, match="that pairing is over"):
            ann.pairings.get(99)


async def test_a_code_ends_with_its_command(autojump_clock: trio.testing.MockClock) -> None:
    pairings = Pairings(lambda: None, connect)
    async with trio.open_nursery() as nursery:
        await nursery.start(pairings.run)
        id_ = await pairings.offer()
        with trio.move_on_after(1):
            await pairings.get(id_).next()  # its connection is gone: what it asked is cancelled
        assert pairings.get(id_).over == "the command was ended"
        unasked = pairings.get(await pairings.offer())
        await trio.sleep(module.LEASE_S + 2)
        assert unasked.over == "the command was ended"
        kept = pairings.get(await pairings.offer())
        begun = trio.current_time()
        while not kept.over:
            assert await kept.next() is None
        assert kept.over == "the code has expired" and trio.current_time() - begun < PAIRING_CODE_S + 20
        await trio.sleep(2 * module.LEASE_S)
        assert pairings.numbers() == ()
        with pytest.raises(UserError):
            pairings.get(id_)
        nursery.cancel_scope.cancel()


def announcement(port: int, *numbers: int) -> Found:
    return Found(("127.0.0.1",), port, bytes(16), (), numbers)


async def test_the_one_machine_that_announces_a_number_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGREE_S", 0.0)
    monkeypatch.setattr(module, "FIND_S", 0.2)
    async with house() as ann:
        _, number = await ann.offer()
        ann.pairings.hear("a", announcement(ann.port, number))
        ann.pairings.hear("b", announcement(1, number + 1))
        assert await ann.pairings.call(number, None)
        ann.pairings.hear("a", None)
        with pytest.raises(UserError, match="no machine on this network has code"):
            await ann.pairings.call(number, None)
        ann.pairings.hear("c", announcement(1, number))
        with pytest.raises(UserError, match="cannot be reached"):
            await ann.pairings.call(number, None)
        ann.pairings.hear("d", announcement(2, number))
        with pytest.raises(UserError, match="2 machines on this network say"):
            await ann.pairings.call(number, None)
        for at in range(2 * module.HEARD_MAX):
            ann.pairings.hear(f"flood {at}", announcement(3, 200))
        assert len(ann.pairings._heard) == module.HEARD_MAX
        ann.pairings.hear("c", announcement(1))
        assert "c" not in ann.pairings._heard, "who announces no code any more is forgotten"
