"""The queue of what happens next, and the log of what happened, of which the hash is a run's fingerprint.

Two runs of one seed and one commit have the same hash, in any process. Everything that goes into a node and
everything that comes out of it goes into the hash; lines of text are made only for who wants to read them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TextIO

from aslp2p.core.effects import Close, Effect, Publish, Send
from aslp2p.core.inputs import Input, LinkDown, LinkUp, Received, Tick
from aslp2p.gossip.messages import decode_message

Action = Callable[..., None]


class EventQueue:
    """What is planned, by time and then by the order in which it was planned."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action, tuple[Any, ...]]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._heap)

    def plan(self, at_ms: int, action: Action, *arguments: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at_ms, self._order, action, arguments))

    @property
    def next_ms(self) -> int | None:
        """When something happens next; None if nothing is planned."""
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[int, Action, tuple[Any, ...]]:
        at_ms, _, action, arguments = heapq.heappop(self._heap)
        return at_ms, action, arguments


class EventLog:
    """The running hash, and the text when `file` is given."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._hash = blake2b(digest_size=16)
        self._file = file
        self.count = 0

    def digest(self) -> str:
        return self._hash.hexdigest()

    def input(self, now_ms: int, name: str, input_: Input) -> None:
        """`input_` goes into a node."""
        self.count += 1
        kind = type(input_)
        if kind is Received:
            self._hash.update(b"%d r %b %d " % (now_ms, name.encode(), input_.link) + input_.data)  # type: ignore[union-attr]
        elif kind is Tick:
            self._hash.update(b"%d t %b" % (now_ms, name.encode()))
        else:
            self._hash.update(b"%d i %b %b" % (now_ms, name.encode(), repr(input_).encode()))
        if self._file is not None:
            self._file.write(f"{now_ms:>12} {name:<10} < {shown(input_)}\n")

    def effect(self, now_ms: int, name: str, effect: Effect) -> None:
        """`effect` comes out of a node and is carried out."""
        if type(effect) is Send:
            self._hash.update(b"s%d" % effect.link + effect.data)
        else:
            self._hash.update(repr(effect).encode())
        if self._file is not None:
            self._file.write(f"{now_ms:>12} {name:<10} > {shown(effect)}\n")

    def note(self, now_ms: int, name: str, text: str) -> None:
        """Something was done to a node from outside."""
        self._hash.update(b"%d n %b %b" % (now_ms, name.encode(), text.encode()))
        if self._file is not None:
            self._file.write(f"{now_ms:>12} {name:<10} ! {text}\n")


def shown(thing: Input | Effect) -> str:
    """One line of text for an input or an effect."""
    match thing:
        case Received() | Send():
            return f"link {thing.link}: {_shown_message(thing.data)}"
        case Close():
            return f"close {thing.link}{' with blame' if thing.blame else ''}: {thing.reason}"
        case Publish():
            return f"{thing.topic} {thing.data}"
        case LinkUp():
            return f"link {thing.link} up with {thing.name}"
        case LinkDown():
            return f"link {thing.link} down"
        case _:
            return _short(repr(thing))


def _shown_message(data: bytes) -> str:
    try:
        return _short(repr(decode_message(data)))
    except Exception as error:  # a liar's bytes may be anything
        return f"{len(data)} bytes that are no message ({error})"


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:297]}..."
