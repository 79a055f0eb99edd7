"""Dialling over real sockets: after a restart, from memory, by word of a peer, and not ourselves."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from aslp2p.core.inputs import LinkUp
from aslp2p.daemon.addresses import SHUT_OUT_S, Source, unpack
from aslp2p.daemon.announcement import Announcement, make_tag
from aslp2p.daemon.dialer import BOOK_NAME, Dialer
from aslp2p.errors import DiskFault
from tests.daemon.parties import Party, running, until
from tests.daemon.small import SmallCore
from tests.link.links import ALICE, HOME, JAMES, Identity

NONCE = bytes(16)


@asynccontextmanager
async def dialing(party: Party, folder: Path) -> AsyncIterator[Dialer]:
    dialer = Dialer(party.node, party.transport, folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dialer.run)
        yield dialer
        nursery.cancel_scope.cancel()


async def test_a_static_peer_is_dialled_by_name_and_again_after_its_restart(tmp_path: Path) -> None:
    alice, james = Party(ALICE), Party(JAMES)
    async with running(alice), dialing(alice, tmp_path) as dialer:
        async with running(james):
            dialer.add([("localhost", james.port)], Source.STATIC)
            await until(lambda: alice.links and james.links)
        await until(lambda: not alice.links)
        again = Party(JAMES)
        async with running(again):
            dialer.add([("127.0.0.1", again.port)], Source.STATIC)
            await until(lambda: alice.links and again.links)


async def test_what_worked_is_remembered_without_mdns(tmp_path: Path) -> None:
    james = Party(JAMES)
    async with running(james):
        alice = Party(ALICE)
        async with running(alice), dialing(alice, tmp_path) as dialer:
            dialer.add([("127.0.0.1", james.port)], Source.PEER)
            await until(lambda: alice.links)
        ((address, at_ms, key),) = unpack((tmp_path / BOOK_NAME).read_bytes())
        assert address == ("127.0.0.1", james.port) and at_ms > 0 and key == james.identity.key
        await until(lambda: not james.links)
        alice = Party(ALICE)
        async with running(alice), dialing(alice, tmp_path):
            await until(lambda: alice.links and james.links)


@pytest.mark.parametrize("by", ["word of a peer", "announcement"])
async def test_hints_are_dialled(tmp_path: Path, by: str) -> None:
    alice, james = Party(ALICE), Party(JAMES)
    async with running(alice, james), dialing(alice, tmp_path) as dialer:
        if by == "announcement":
            tag = make_tag(HOME.psk, NONCE)
            dialer.on_announcement(Announcement("127.0.0.1", james.port, (tag,), NONCE, "0" * 16))
        else:
            alice.node.on_hints([f"127.0.0.1:{james.port}"])
        await until(lambda: alice.links and james.links)


async def test_a_peer_does_not_decide_which_names_are_looked_up_nor_sends_us_to_ourselves(
    tmp_path: Path,
) -> None:
    alice = Party(ALICE)
    async with running(alice), dialing(alice, tmp_path) as dialer:
        alice.node.tell_addresses([f"127.0.0.1:{alice.port}"])
        alice.node.on_hints(["evil.example:80", "localhost:22", "nonsense", f"127.0.0.1:{alice.port}"])
        assert len(dialer.book) == 0


async def test_our_own_announcement_is_found_out_and_forgotten(tmp_path: Path) -> None:
    alice = Party(ALICE)
    async with running(alice), dialing(alice, tmp_path) as dialer:
        dialer.add([("127.0.0.1", alice.port)], Source.MDNS)
        await until(lambda: len(dialer.book) == 0)
        assert not any(isinstance(event, LinkUp) for event in alice.cores[0].seen)


async def test_two_that_know_each_other_settle_on_one_link(tmp_path: Path) -> None:
    alice, james = Party(ALICE), Party(JAMES)
    (tmp_path / "a").mkdir()
    (tmp_path / "j").mkdir()
    async with (
        running(alice, james),
        dialing(alice, tmp_path / "a") as one,
        dialing(james, tmp_path / "j") as other,
    ):
        for _ in range(5):
            one.add([("127.0.0.1", james.port), ("localhost", james.port)], Source.STATIC)
            other.add([("127.0.0.1", alice.port), ("localhost", alice.port)], Source.STATIC)
            await until(lambda: len(alice.links) == len(james.links) == 1)
        ups = sum(isinstance(event, LinkUp) for event in alice.cores[0].seen)
        await until(lambda: one.book.choose(trio.current_time(), {JAMES.key}, 0) == [])
        assert ups <= 8, "they do not dial each other over and over"


async def test_a_read_only_node_dials_again_when_the_disk_takes_writes(tmp_path: Path) -> None:
    alice, james = Party(ALICE), Party(JAMES)
    async with running(alice, james), dialing(alice, tmp_path) as dialer:
        dialer.add([("127.0.0.1", james.port)], Source.STATIC)
        await until(lambda: alice.links)
        alice.store.refusal = DiskFault("full")
        james.links[0].send(b"x")
        james.links[0].flush()
        await until(lambda: not alice.node.accepts_links)
        await until(lambda: not james.links)
        alice.store.refusal = None
        await until(lambda: alice.links and james.links)


class PutOut(SmallCore):
    """It was told that its key is no member's any more."""

    def live(self) -> dict[str, Any]:
        return {**super().live(), "refusals": {"expelled": "this key is no member any more"}}


async def test_whoever_was_expelled_tries_rarely_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice, james = Party(ALICE, PutOut), Party(JAMES)
    caplog.set_level(logging.INFO)
    async with running(alice, james), dialing(alice, tmp_path) as dialer:
        dialer.add([("127.0.0.1", james.port)], Source.PEER)
        for _ in range(3):  # what the core says is known a moment after the first link has ended
            await until(lambda: james.links or dialer.book.places()[0].shut_out)
            for link in james.links:
                link.close("expelled")
            await until(lambda: not james.links and not dialer.book.places()[0].busy)
        (place,) = dialer.book.places()
        assert place.shut_out and place.due > trio.current_time() + SHUT_OUT_S - 60
    said = [record.message for record in caplog.records if "each is tried every 60 min now" in record.message]
    assert len(said) == 1, said


async def test_a_stranger_at_a_known_address_is_tried_later_and_nobody_else_suffers(tmp_path: Path) -> None:
    alice, honest = Party(ALICE), Party(Identity("honest"))
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    tried = 0

    async def hang_up(stream: trio.SocketStream) -> None:
        nonlocal tried
        tried += 1
        await stream.send_all(b"SSH-2.0-OpenSSH\r\n")
        await stream.aclose()

    async with running(alice, honest) as nursery, dialing(alice, tmp_path) as dialer:
        nursery.start_soon(trio.serve_listeners, hang_up, listeners)
        dialer.add([("127.0.0.1", port)], Source.PEER)
        await until(lambda: tried >= 2)
        dialer.add([("127.0.0.1", honest.port)], Source.PEER)
        await until(lambda: alice.links and honest.links)
