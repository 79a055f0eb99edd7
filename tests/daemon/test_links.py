"""Links over real sockets: one for each machine, slow and greedy peers, faults of the disk (G2, G5)."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial

import pytest
import trio

from aslp2p.core.effects import Step
from aslp2p.core.inputs import Input, LinkUp, Lost, Now, Received
from aslp2p.daemon import handshake, link, links
from aslp2p.daemon.link import BACKLOG_BYTES_MAX, UNHANDLED_MESSAGES_MAX, Link
from aslp2p.daemon.links import WAITING_INPUTS_MAX
from aslp2p.errors import Damaged, DiskFault, SelfLink
from aslp2p.gossip.messages import NO_ROOM, encode_message
from aslp2p.ledger.reader import Reader, Store
from aslp2p.link.frames import frame
from tests.daemon.parties import Party, RawPeer, running, until
from tests.daemon.small import PATIENCE_S, SmallCore
from tests.link.links import ALICE, JAMES, Identity

SMALLER, GREATER = sorted((ALICE, JAMES), key=lambda identity: identity.key)
FULL = DiskFault("the disk is full", remedy="free some space")


async def test_a_link_carries_messages_to_the_core_and_back() -> None:
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.say(b"one", b"two")
        assert await peer.hear(2) == [b"echo one", b"echo two"]
        (up,) = (event for event in james.cores[0].seen if isinstance(event, LinkUp))
        assert (up.key, up.name, up.initiator) == (ALICE.key, "raw", False)
        (entry,) = james.node.live()["links"]
        assert entry["key"].endswith(ALICE.key.hex())
    assert james.store.closed


async def test_what_was_sent_before_a_close_arrives() -> None:
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.say(b"close")
        assert await peer.hear(2) == [b"bye"]
        assert peer.closed


async def test_stopping_ends_the_links() -> None:
    james = Party(JAMES)
    async with trio.open_nursery() as nursery, running(james):
        peer = await RawPeer.connect(james.port)
        await until(lambda: james.links)
        nursery.start_soon(peer.ended)


# --- who is no fellow -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\0\x30" + bytes(48), b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff"])
async def test_who_knows_no_secret_is_answered_nothing(data: bytes) -> None:
    james = Party(JAMES)
    async with running(james):
        stranger = await trio.open_tcp_stream("127.0.0.1", james.port)
        await stranger.send_all(data)
        assert await read_all(stranger) == b""
        assert not james.cores[0].seen


async def test_a_handshake_of_one_byte_at_a_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_S", 0.2)
    james = Party(JAMES)
    async with running(james) as nursery:
        slow = await trio.open_tcp_stream("127.0.0.1", james.port)
        nursery.start_soon(dribble, slow, b"\0\x30" + bytes(47), 0.1)
        assert await read_all(slow) == b""
        assert not len(james.transport.half_open)


async def test_half_open_connections_are_few_and_an_honest_peer_gets_in() -> None:
    james = Party(JAMES)
    async with running(james):
        held = []
        for _ in range(700):
            held.append(await trio.open_tcp_stream("127.0.0.1", james.port))
            assert len(james.transport.half_open) <= 64
        await until(lambda: james.transport.half_open.evicted >= 700 - 64)
        peer = await RawPeer.connect(james.port)
        await peer.say(b"hello")
        assert await peer.hear(1) == [b"echo hello"]
        for stream in held:
            await stream.aclose()


async def test_an_honest_peer_gets_in_while_connections_keep_coming() -> None:
    james = Party(JAMES)

    async def flood() -> None:
        held: list[trio.SocketStream] = []
        while True:
            held.append(await trio.open_tcp_stream("127.0.0.1", james.port))
            if len(held) > 200:
                await held.pop(0).aclose()

    async with running(james) as nursery:
        nursery.start_soon(flood)
        await until(lambda: james.transport.half_open.evicted > 100)
        peer = await RawPeer.connect(james.port)
        await peer.say(b"hello")
        assert await peer.hear(1) == [b"echo hello"]


# --- slow, silent and greedy fellows -----------------------------------------------------------------


async def test_a_peer_that_asks_and_does_not_read_is_closed_and_what_waits_for_it_is_bounded() -> None:
    james = Party(JAMES)
    most = 0
    async with running(james) as nursery:
        peer = await RawPeer.connect(james.port)
        await until(lambda: james.links)
        (greedy,) = james.links

        async def ask() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await peer.say(b"big")

        nursery.start_soon(ask)
        with trio.fail_after(PATIENCE_S):
            while greedy.open:
                most = max(most, greedy.backlog)
                await trio.lowlevel.checkpoint()
        assert greedy.reason == "it does not read what it asks for"
        assert not greedy.blame
        assert most <= BACKLOG_BYTES_MAX + (1 << 20)
        honest = await RawPeer.connect(james.port, Identity("honest"), process="honest")
        await honest.say(b"hello")
        assert await honest.hear(1) == [b"echo hello"]


async def test_a_slow_node_makes_a_fast_peer_wait_and_loses_nothing() -> None:
    go = threading.Event()

    class SlowCore(SmallCore):
        def step(self, event: Input, now: Now, /) -> Step:
            if isinstance(event, Received):
                assert go.wait(PATIENCE_S)
            return super().step(event, now)

    cores: list[SmallCore] = []

    def make(store: Store) -> SmallCore:
        cores.append(SlowCore(store))
        return cores[-1]

    james = Party(JAMES, make)
    said = 0
    async with running(james):
        peer = await RawPeer.connect(james.port)
        stuck = False
        while not stuck:
            peer.session.send(b"quiet %07d" % said + bytes(32_000))
            said += 1
            with trio.move_on_after(1.0) as patience:
                await peer.flush()
            stuck = patience.cancelled_caught
            (one,) = james.links
            assert one.unhandled.items <= UNHANDLED_MESSAGES_MAX
            assert james.node.links.room.items <= WAITING_INPUTS_MAX
            assert said < 10_000, "nothing slows the peer down"
        go.set()
        await until(lambda: sum(isinstance(event, Received) for event in cores[0].seen) >= said // 2)
        heard = [event.data[:13] for event in cores[0].seen if isinstance(event, Received)]
        assert heard == [b"quiet %07d" % number for number in range(len(heard))]


async def test_a_silent_link_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MESSAGE_S", 0.05)
    monkeypatch.setattr(link, "WATCH_S", 0.02)
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.ended()


async def test_a_message_that_never_ends_closes_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MESSAGE_S", 0.2)
    monkeypatch.setattr(link, "WATCH_S", 0.02)
    james = Party(JAMES)
    async with running(james) as nursery:
        peer = await RawPeer.connect(james.port)
        peer.session.send(bytes(1 << 20))
        nursery.start_soon(dribble, peer.stream, peer.session.take_output(), 0.01)
        await peer.ended()


async def test_a_frame_that_is_none_is_blamed_on_its_sender_who_is_left_alone_then() -> None:
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.stream.send_all(frame(bytes(64)))
        await peer.ended()
        again = await RawPeer.connect(james.port, number=1)
        await again.ended()
        other = await RawPeer.connect(james.port, Identity("honest"), process="honest")
        await other.say(b"hello")
        assert await other.hear(1) == [b"echo hello"]
        assert sum(isinstance(event, LinkUp) for event in james.cores[0].seen) == 2


async def test_a_peer_that_the_core_blames_is_left_alone_too() -> None:
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.say(b"blame")
        await peer.ended()
        await (await RawPeer.connect(james.port, number=1)).ended()
        await james.node.query(_first)  # what was queued before has been seen by now
        assert sum(isinstance(event, LinkUp) for event in james.cores[0].seen) == 1


# --- one link for each machine -----------------------------------------------------------------------


@pytest.mark.parametrize("first", [SMALLER, GREATER], ids=["smaller first", "greater first"])
async def test_two_that_dial_each_other_keep_the_link_of_the_smaller_key(first: Identity) -> None:
    second = GREATER if first is SMALLER else SMALLER
    one, other = Party(first), Party(second)
    async with running(one, other) as nursery:
        ended: list[Link] = []

        async def dial(party: Party, port: int) -> None:
            ended.append(await party.dial(port))

        nursery.start_soon(dial, one, other.port)
        nursery.start_soon(dial, other, one.port)
        await until(lambda: ended and len(one.links) == len(other.links) == 1)
        assert [loser.reason for loser in ended] == [links.DUPLICATE]
        for party in (one, other):
            (kept,) = party.links
            assert kept.initiator == (party.identity is SMALLER)
            core = party.cores[0]
            await until(partial(_knows_one_link, core))
            assert not party.node.links.blame.until(kept.key)


async def test_a_second_link_in_one_direction_ends_at_once_and_the_first_stays() -> None:
    one, other = Party(ALICE), Party(JAMES)
    async with running(one, other) as nursery:
        nursery.start_soon(one.dial, other.port)
        await until(lambda: one.links and other.links)
        first = one.links[0].number
        with trio.fail_after(PATIENCE_S):
            ended = await one.dial(other.port)
        assert ended.reason == links.DUPLICATE
        await until(lambda: len(other.links) == 1)
        assert [kept.number for kept in one.links] == [first]


async def test_a_link_that_its_machine_has_forgotten_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # It died with its cable: nothing was heard of its end.
    monkeypatch.setattr(links, "DUPLICATE_S", 0.05)
    james = Party(JAMES)
    async with running(james):
        dead = await RawPeer.connect(james.port, process="one")
        await until(lambda: james.links)
        alive = await RawPeer.connect(james.port, process="one")
        await dead.ended()
        await alive.say(b"hello")
        assert await alive.hear(1) == [b"echo hello"]


async def test_of_two_processes_with_one_key_both_keep_their_links_until_the_core_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One may be what the other was before it was started again, or a copy of it (S11)."""
    monkeypatch.setattr(links, "DUPLICATE_S", 0.0)
    james = Party(JAMES)
    async with running(james):
        one = await RawPeer.connect(james.port, process="one")
        other = await RawPeer.connect(james.port, process="other")
        for peer in (one, other, one, other):
            await peer.say(b"hello")
            assert set(await peer.hear(1)) == {b"echo hello"}
        ups = [event for event in james.cores[-1].seen if isinstance(event, LinkUp)]
        assert len({up.process for up in ups}) == 2 and all(len(up.process) == 32 for up in ups)


async def test_a_link_to_ourselves_is_known_for_what_it_is() -> None:
    james = Party(JAMES)
    async with running(james):
        with pytest.raises(SelfLink) as caught:
            await james.dial(james.port)
        assert caught.value.same_process
        assert james.transport.twin_at is None
        assert james.node.live()["twin_at"] is None


async def test_a_copy_of_our_key_elsewhere_is_reported() -> None:
    james, copy = Party(JAMES), Party(JAMES)
    async with running(james, copy):
        heard: list[Party] = []
        for party in (james, copy):
            party.transport.on_duplicate_key = lambda party=party: heard.append(party)  # type: ignore[misc]
        with pytest.raises(SelfLink):
            await copy.dial(james.port)
        await until(lambda: len(heard) == 2)
        for party in (james, copy):
            assert party.transport.twin_at is not None


# --- faults of the disk ------------------------------------------------------------------------------


async def test_a_full_disk_ends_links_keeps_questions_and_recovers() -> None:
    james = Party(JAMES)
    async with running(james):
        peer = await RawPeer.connect(james.port)
        await peer.say(b"kept")
        assert await peer.hear(1) == [b"echo kept"]
        james.store.refusal = FULL
        await peer.say(b"lost")
        await peer.ended()
        assert peer.messages == [encode_message(NO_ROOM)], "nothing leaves that is not on disk"
        assert "the disk is full" in james.node.live()["read_only"]
        assert await james.node.query(_first) == b"kept"
        assert not james.node.accepts_links
        for number in (1, 2):
            peer = await RawPeer.connect(james.port, number=number)
            await peer.say(b"lost too")
            assert await peer.hear(2) == [encode_message(NO_ROOM)], "S2: who links hears that it lives"
            assert peer.closed and james.links == ()
        james.store.refusal = None
        await until(lambda: james.node.accepts_links)
        assert james.node.live()["read_only"] is None
        peer = await RawPeer.connect(james.port, number=3)
        await peer.say(b"again")
        assert await peer.hear(1) == [b"echo again"]


async def test_what_a_question_finds_damaged_is_fetched_again() -> None:
    def look(reader: Reader) -> None:
        raise Damaged("a flipped bit", (b"d" * 32,))

    james = Party(JAMES)
    async with running(james):
        with pytest.raises(Damaged):
            await james.node.query(look)
        await james.node.query(_first)
        assert Lost((b"d" * 32,)) in james.cores[0].seen


async def test_a_bug_stops_one_common_and_the_process_goes_on() -> None:
    james, alice = Party(JAMES), Party(ALICE)
    james.errors.append(ZeroDivisionError("a bug"))
    async with running(james, alice):
        peer = await RawPeer.connect(james.port)
        await peer.say(b"raise")
        await peer.ended()
        assert "a bug" in james.node.live()["stopped"]
        assert not james.node.accepts_links
        other = await RawPeer.connect(alice.port, JAMES)
        await other.say(b"hello")
        assert await other.hear(1) == [b"echo hello"]


def _first(reader: Reader) -> bytes | None:
    return reader.meta("m0")


def _knows_one_link(core: SmallCore) -> bool:
    return len(core.links) == 1


async def read_all(stream: trio.SocketStream) -> bytes:
    """What comes until the other side closes."""
    data = b""
    with trio.fail_after(PATIENCE_S), suppress(trio.BrokenResourceError):
        async for part in stream:
            data += part
    return data


async def dribble(stream: trio.SocketStream, data: bytes, pause_s: float) -> None:
    """Send a byte at a time."""
    with suppress(trio.BrokenResourceError):
        for number in range(len(data)):
            await stream.send_all(data[number : number + 1])
            await trio.sleep(pause_s)
