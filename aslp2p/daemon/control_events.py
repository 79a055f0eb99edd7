"""Events for whoever subscribed on the control socket: publishing never waits and memory never grows.

An event is encoded once, when it is published and somebody wants it. Each subscriber has a queue of
`CONTROL_EVENTS_MAX` events. While it is full, events are dropped and counted; where they are missing the
subscriber then finds one `overflow` event with the count, so what comes after it is newer than what was lost.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Any

import trio

from aslp2p.control.protocol import OVERFLOW, encode
from aslp2p.limits import CONTROL_EVENT_BYTES_MAX, CONTROL_EVENTS_MAX

EVERYTHING = "*"

logger = logging.getLogger(__name__)


class EventSubscription:
    """One subscriber's queue. Made by `EventSource.subscribe`; `close` it when its reader goes."""

    def __init__(self, source: EventSource, topics: frozenset[str]) -> None:
        self._source = source
        self._topics = topics
        self._queue: deque[bytes] = deque()
        self._lost = 0
        self._filled = trio.Event()
        self._closed = False

    def wants(self, topic: str) -> bool:
        """Whether events of `topic` go to this subscriber."""
        return EVERYTHING in self._topics or topic in self._topics

    def offer(self, params: bytes) -> None:
        """Queues the JSON object `params` of one event, or counts it as lost."""
        if len(params) > CONTROL_EVENT_BYTES_MAX or len(self._queue) >= CONTROL_EVENTS_MAX:
            self._lost += 1
        else:
            self._tell_lost()
            self._queue.append(params)
        self._filled.set()

    async def take(self) -> list[bytes]:
        """Waits for events and returns all that are queued, oldest first: the JSON objects of their `params`.

        Nothing means that the subscription is closed.
        """
        while not self._queue and not self._lost and not self._closed:
            self._filled = trio.Event()
            await self._filled.wait()
        self._tell_lost()
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def close(self) -> None:
        """Ends the subscription, and `take` with it; what is queued is dropped. Closing twice is fine."""
        self._source.forget(self)
        self._queue.clear()
        self._lost = 0
        self._closed = True
        self._filled.set()

    def _tell_lost(self) -> None:
        if self._lost:
            self._queue.append(encode({"topic": OVERFLOW, "lost": self._lost})[:-1])
            self._lost = 0


class EventSource:
    """Where the daemon publishes and the control server subscribes. `topics` are all that there will be."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = frozenset(topics)
        self._subscriptions: list[EventSubscription] = []

    def publish(self, topic: str, **fields: Any) -> None:
        """Gives the event to every subscriber of `topic`; never waits.

        One that is longer than `CONTROL_EVENT_BYTES_MAX` is lost to them. Raises `ValueError` for a topic
        that was not announced and `ProtocolError` for fields that are no JSON.
        """
        if topic not in self.topics:
            raise ValueError(f"an event of the unknown topic {topic!r}")
        wanting = [subscription for subscription in self._subscriptions if subscription.wants(topic)]
        if not wanting:
            return
        params = encode({"topic": topic, **fields})[:-1]
        if len(params) > CONTROL_EVENT_BYTES_MAX:
            logger.warning("an event on %s has %d bytes: nobody gets it", topic, len(params))
        for subscription in wanting:
            subscription.offer(params)

    def subscribe(self, topics: Iterable[str]) -> EventSubscription:
        """A subscriber of `topics` (`"*"`: all) from now on. Raises `ValueError` naming an unknown one."""
        wanted = frozenset(topics)
        unknown = sorted(wanted - self.topics - {EVERYTHING})
        if unknown:
            raise ValueError(f"no topic {unknown[0]!r}; there are {', '.join(sorted(self.topics))} and *")
        subscription = EventSubscription(self, wanted)
        self._subscriptions.append(subscription)
        return subscription

    def forget(self, subscription: EventSubscription) -> None:
        """Publishes nothing more to `subscription`."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
