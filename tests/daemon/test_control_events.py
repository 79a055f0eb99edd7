"""Events: in order, bounded, and what is lost is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.control.client import Client, NoAnswer, Subscription
from aslp2p.control.protocol import OVERFLOW, ProtocolError, RemoteError
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_server import serve_control
from aslp2p.errors import NoDaemon
from aslp2p.limits import CONTROL_EVENT_BYTES_MAX, CONTROL_EVENTS_MAX, CONTROL_SUBSCRIPTIONS_MAX

TIMEOUT_S = 30


class Running:
    """A server with nothing but events; `async with` it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "control.sock")
        self.events = EventSource(("head", "peer"))

    async def __aenter__(self) -> Running:
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        await self._nursery.start(serve_control, self.path, {}, self.events)
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(*error)

    async def subscribe(self, *topics: str) -> Subscription:
        def run() -> Subscription:
            with Client(self.path) as client:
                return client.subscribe(topics, timeout_s=TIMEOUT_S)

        return await trio.to_thread.run_sync(run)


async def take(subscription: Subscription) -> dict[str, Any]:
    return await trio.to_thread.run_sync(lambda: next(subscription))


async def test_what_happens_after_subscribing_arrives_in_order(tmp_path: Path) -> None:
    async with Running(tmp_path) as server:
        server.events.publish("head", height=0)  # nobody is there yet
        with await server.subscribe("head") as heads, await server.subscribe("*") as all_:
            for height in (1, 2, 3):
                server.events.publish("head", height=height)
                server.events.publish("peer", name="é\udce9")
            assert [await take(heads) for _ in range(3)] == [
                {"subscription": 1, "topic": "head", "height": height} for height in (1, 2, 3)
            ]
            topics = [(await take(all_))["topic"] for _ in range(6)]
            assert topics == ["head", "peer"] * 3


async def test_the_answer_comes_before_the_first_event(tmp_path: Path) -> None:
    async with Running(tmp_path) as server, await trio.open_unix_socket(server.path) as stream:
        async with trio.open_nursery() as nursery:

            async def publish() -> None:
                while True:
                    server.events.publish("head", height=1)
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(publish)
            await stream.send_all(
                b'{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"topics":["head"]}}\n'
            )
            first = (await stream.receive_some()).split(b"\n")[0]
            nursery.cancel_scope.cancel()
        assert json.loads(first) == {"jsonrpc": "2.0", "id": 1, "result": {"subscription": 1}}


async def test_unsubscribing_ends_one_subscription(tmp_path: Path) -> None:
    async with Running(tmp_path) as server, await trio.open_unix_socket(server.path) as stream:
        buffer = b""

        async def ask(method: str, params: dict[str, Any]) -> Any:
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            await stream.send_all(json.dumps(message).encode() + b"\n")
            return await line()

        async def line() -> Any:
            nonlocal buffer
            while b"\n" not in buffer:
                buffer += await stream.receive_some()
            found, buffer = buffer.split(b"\n", 1)
            return json.loads(found)

        for number in range(1, CONTROL_SUBSCRIPTIONS_MAX + 1):
            assert (await ask("subscribe", {"topics": ["peer"]}))["result"] == {"subscription": number}
        assert "at most" in (await ask("subscribe", {"topics": ["peer"]}))["error"]["message"]
        for number in range(1, CONTROL_SUBSCRIPTIONS_MAX):
            assert (await ask("unsubscribe", {"subscription": number}))["result"] == {}
        server.events.publish("peer", n=1)
        assert (await line())["params"] == {
            "subscription": CONTROL_SUBSCRIPTIONS_MAX,
            "topic": "peer",
            "n": 1,
        }
        for wrong in ({"subscription": 1}, {"subscription": "16"}, {}):
            assert (await ask("unsubscribe", wrong))["error"]["code"] == -32602
        assert (await ask("unsubscribe", {"subscription": CONTROL_SUBSCRIPTIONS_MAX}))["result"] == {}


@pytest.mark.parametrize("topics", [["heads"], ["head", "nothing"], "head", [1], None])
async def test_an_unknown_topic_is_refused_with_what_there_is(tmp_path: Path, topics: Any) -> None:
    def use() -> None:
        with Client(server.path) as client:
            with pytest.raises(RemoteError, match="topics") as caught:
                client.call("subscribe", topics=topics)
            assert caught.value.exit_code == 2

    async with Running(tmp_path) as server:
        await trio.to_thread.run_sync(use)


async def test_a_subscriber_that_does_not_read_loses_events_and_learns_how_many(tmp_path: Path) -> None:
    """Published: far more than the queue and the kernel's buffers hold. Told: every one, or its absence."""
    count = 20_000
    async with Running(tmp_path) as server:
        with await server.subscribe("head") as slow, await server.subscribe("peer") as other:
            for height in range(count):
                server.events.publish("head", height=height, filler="x" * 500)
                if height % 50 == 0:
                    await trio.lowlevel.checkpoint()
            queues = [len(subscription._queue) for subscription in server.events._subscriptions]
            assert max(queues) <= CONTROL_EVENTS_MAX + 1
            server.events.publish("peer", n=1)  # the others are served meanwhile
            assert (await take(other))["n"] == 1
            seen = lost = 0
            overflows = 0
            expected = 0
            while seen + lost < count:
                event = await take(slow)
                if event["topic"] == OVERFLOW:
                    lost += event["lost"]
                    expected += event["lost"]
                    overflows += 1
                else:
                    assert event["height"] == expected  # what is missing is missing where it says so
                    expected += 1
                    seen += 1
            assert overflows and lost and seen >= CONTROL_EVENTS_MAX
            server.events.publish("head", height=count)
            assert (await take(slow))["height"] == count


async def test_a_subscriber_that_leaves_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Running(tmp_path) as server:
        (await server.subscribe("head")).close()
        with trio.fail_after(20):
            while server.events._subscriptions:
                await trio.testing.wait_all_tasks_blocked(0.01)
        server.events.publish("head", height=1)


async def test_a_stopping_daemon_ends_the_iteration(tmp_path: Path) -> None:
    async with Running(tmp_path) as server:
        subscription = await server.subscribe("head")
    with subscription, pytest.raises(NoDaemon):
        await take(subscription)


async def test_waiting_for_an_event_is_bounded_and_may_go_on(tmp_path: Path) -> None:
    async with Running(tmp_path) as server:
        with await server.subscribe("head") as subscription:
            subscription._event_s = 0.05
            with pytest.raises(NoAnswer):
                await take(subscription)
            server.events.publish("head", height=1)
            subscription._event_s = TIMEOUT_S
            assert (await take(subscription))["height"] == 1


async def test_an_event_too_long_for_anybody_counts_as_lost() -> None:
    events = EventSource(("head",))
    subscription = events.subscribe(["head"])
    events.publish("head", n=1)
    events.publish("head", filler="x" * CONTROL_EVENT_BYTES_MAX)
    events.publish("head", n=2)
    taken = [json.loads(event) for event in await subscription.take()]
    assert taken == [{"topic": "head", "n": 1}, {"topic": OVERFLOW, "lost": 1}, {"topic": "head", "n": 2}]


def test_what_cannot_be_published_is_a_bug_that_shows() -> None:
    events = EventSource(("head",))
    events.subscribe(["*"])
    with pytest.raises(ValueError, match="unknown topic"):
        events.publish("heads")
    with pytest.raises(ProtocolError):
        events.publish("head", id=b"bytes")


@given(st.lists(st.integers(1, 400), max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_every_event_is_seen_or_counted_once(bursts: list[int], reads: list[bool]) -> None:
    async def run() -> None:
        events = EventSource(("head",))
        subscription = events.subscribe(["head"])
        number = expected = 0
        for burst, read in zip([*bursts, 1], [*reads[: len(bursts)], True], strict=True):
            for _ in range(burst):
                events.publish("head", n=number)
                number += 1
            if read:
                for event in map(json.loads, await subscription.take()):
                    if event["topic"] == OVERFLOW:
                        expected += event["lost"]
                    else:
                        assert event["n"] == expected
                        expected += 1
        assert expected == number

    trio.run(run)
