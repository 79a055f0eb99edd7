"""One real node among scripted neighbours, for the tests of what a node does.

A `Stage` holds a `NodeCore` over a store in memory. Its `Neighbour`s are scripts: they say what a test tells
them to, and answer what they are asked from the line of history that they hold, spoiled if the test wants.
Nothing is random, and time moves only when a test waits. Everything that is said and done stands in
`Stage.log`, one line each:

    ben > heads @5 of epoch 1            what a neighbour says
    ben < range? @1+64                   what the node says to it
    ben < closed, blamed: …              a link that the node ends
    * head @5                            what it tells the people of its machine
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

from aslp2p.artifacts.envelope import Signed, decode_artifact
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.core.effects import Close, Give, Publish, Send
from aslp2p.core.giving import messages_of
from aslp2p.core.inputs import Command, Input, LinkDown, LinkUp, Now, Received, Tick
from aslp2p.core.node import NodeCore
from aslp2p.errors import PeerFault
from aslp2p.gossip.messages import (
    Addresses,
    AnyMessage,
    GetRange,
    Have,
    Heads,
    Neighbours,
    OpenIds,
    Push,
    Range,
    RangeItem,
    Want,
    decode_message,
    encode_message,
)
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.limits import OPEN_DIGEST_BYTES, PROTOCOL_VERSION, RANGE_SNAPSHOTS_MAX
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import Key, Node, World, bad_signature

WALL_MS = 1_800_000_000_000
SECOND_MS = 1_000
TURNS_MAX = 500
"""Answers to answers: more are a circle."""


class Neighbour:
    """Whoever is at the other end of one of the node's links."""

    def __init__(self, stage: Stage, link: int, key: Key) -> None:
        self.stage = stage
        self.link = link
        self.name = key.name
        self.said: list[AnyMessage] = []
        """What the node said to it."""
        self.at_most = RANGE_SNAPSHOTS_MAX
        """Of snapshots in one answer."""
        self._line: list[Node] = []
        self._spoiled: frozenset[bytes] = frozenset()

    def holds(self, tip: Node, *, spoiled: Iterable[bytes] = ()) -> Neighbour:
        """From now on it answers from the line up to `tip`; of `spoiled` it has another, bad signature."""
        self._line, self._spoiled = tip.line(), frozenset(spoiled)
        return self

    def says(self, *messages: AnyMessage) -> list[str]:
        """Say these, and answer whatever the node asks then; returns what came into the log."""
        return self.stage.happen(*(Received(self.link, encode_message(one)) for one in messages))

    def telling(self, node: Node, *, height: int | None = None) -> Received:
        """That it tells of a head, by default at the height that it has."""
        at = node.height if height is None else height
        heads = Heads(PROTOCOL_VERSION, node.id, at, node.epoch, 0, bytes(OPEN_DIGEST_BYTES))
        return Received(self.link, encode_message(heads))

    def heads(self, node: Node, *, height: int | None = None) -> list[str]:
        return self.stage.happen(self.telling(node, height=height))

    def pushes(self, *signed: Signed[Any]) -> list[str]:
        return self.says(Push(tuple(one.raw for one in signed), ()))

    def leaves(self) -> list[str]:
        return self.stage.happen(LinkDown(self.link))

    def heard(self, kind: type[Any]) -> list[Any]:
        """All messages of a kind that the node said to it."""
        return [one for one in self.said if isinstance(one, kind)]

    def answer(self, message: AnyMessage) -> AnyMessage | None:
        """What it says to a question of the node."""
        if isinstance(message, GetRange) and self._line:
            return self._range(message)
        if isinstance(message, Want):
            mine: dict[bytes, Signed[Any]] = {}
            for node in self._line:
                mine[node.id] = node.snapshot
                mine.update((one.id, one) for one in node.proposals)
            raws = [self._raw(mine[id_]) for id_ in message.ids if id_ in mine]
            return Push(tuple(raws), ()) if raws else None
        return None

    def _range(self, asked: GetRange) -> Range:
        if asked.tip != self._line[-1].id:
            return Range(asked.request, asked.first, (), ())
        heights = {node.id: node.height for node in self._line}
        first = asked.first
        if asked.locators:
            first = 1 + max((heights[id_] for id_ in asked.locators if id_ in heights), default=0)
        count = min(asked.count, self.at_most)
        part = [node for node in self._line if first <= node.height < first + count]
        items = [RangeItem(self._raw(one.snapshot), tuple(map(self._raw, one.proposals))) for one in part]
        return Range(asked.request, first, tuple(items), ())

    def _raw(self, signed: Signed[Any]) -> bytes:
        return bad_signature(signed).raw if signed.id in self._spoiled else signed.raw


class Stage:
    """A node of `world` with the key `own`, its neighbours, and the log of what happens."""

    def __init__(
        self, world: World, own: Key, *, store: MemoryStore | None = None, auto: bool = False
    ) -> None:
        self.world = world
        self.own = own
        self.auto = auto
        self.log: list[str] = []
        self.told: Counter[str] = Counter()
        """How often something was published about each topic."""
        self.store = store or MemoryStore()
        if store is None:
            found_common(self.store, world.genesis)
            self.store.commit()
        self.answered: Any = None
        """What the last step answered that answered anything."""
        self._now = 1_000
        self._neighbours: dict[int, Neighbour] = {}
        self._links = 0
        self.core = self._start()

    def _start(self) -> NodeCore:
        return NodeCore(self.store, common_id=self.world.id, signer=self.own, entropy=bytes, auto=self.auto)

    def restart(self) -> None:
        """The same home after a crash: what was not committed is gone, and so are the links."""
        self.store.crash()
        self._neighbours.clear()
        self.core = self._start()

    def link(self, key: Key, process: bytes = b"") -> Neighbour:
        """A neighbour who has proved `key`, from that process."""
        self._links += 1
        self._neighbours[self._links] = neighbour = Neighbour(self, self._links, key)
        self.happen(LinkUp(self._links, key.key, b"", key.name, "", False, process))
        return neighbour

    def happen(self, *inputs: Input) -> list[str]:
        """Let these happen, and then whatever the neighbours answer; returns what came into the log."""
        start = len(self.log)
        waiting = deque(inputs)
        for _ in range(TURNS_MAX):
            if not waiting:
                return self.log[start:]
            waiting.extend(self._step(waiting.popleft()))
        raise AssertionError("they turn in a circle:\n" + "\n".join(self.log[-40:]))

    def does(self, command: Command) -> Any:
        """What the node answers to a command of its owner."""
        self.happen(command)
        return self.answered

    def wait(self, ms: int) -> list[str]:
        """Let time pass, with a tick whenever the node wants one and one at the end."""
        start, end = len(self.log), self._now + ms
        for _ in range(TURNS_MAX):
            wake = self.core.wake_at_ms
            self._now = min(end, max(self._now, wake)) if wake is not None else end
            self.happen(Tick())
            if self._now == end:
                return self.log[start:]
            self._now += 1 if wake is not None and wake < self._now else 0
        raise AssertionError("it wants a tick without end:\n" + "\n".join(self.log[-40:]))

    def _step(self, input_: Input) -> list[Input]:
        """One step and its commit; returns what the neighbours answer."""
        if isinstance(input_, Received):
            neighbour = self._neighbours.get(input_.link)
            if neighbour is None:
                return []
            self._note(neighbour.name, ">", input_.data)
        step = self.core.step(input_, Now(self._now, WALL_MS + self._now))
        self.store.commit()
        if step.answer is not None:
            self.answered = step.answer
        answers: list[Input] = []
        for effect in step.effects:
            match effect:
                case Send():
                    answers += self._sent(effect.link, effect.data)
                case Give():
                    for data in messages_of(self.store, effect):
                        answers += self._sent(effect.link, data)
                case Close():
                    name = self._neighbours.pop(effect.link).name
                    answers.append(LinkDown(effect.link))
                    self.log.append(f"{name} < closed{', blamed' if effect.blame else ''}: {effect.reason}")
                case Publish():
                    self._publish(effect)
        return answers

    def _sent(self, link: int, data: bytes) -> list[Input]:
        neighbour = self._neighbours[link]
        message = decode_message(data)
        neighbour.said.append(message)
        self._note(neighbour.name, "<", data)
        answer = neighbour.answer(message)
        return [] if answer is None else [Received(link, encode_message(answer))]

    def _publish(self, effect: Publish) -> None:
        data = effect.data
        self.told[effect.topic] += 1
        if effect.topic == "head":
            self.log.append(f"* head @{data['height']}")
        elif effect.topic == "final":
            self.log.append(f"* final @{data['height']}")
        elif effect.topic == "notice":
            self.log.append(f"* notice {data['code']}: {data['text']}")
        elif effect.topic == "proposal":
            self.log.append(f"* proposal {data['state']}")

    def _note(self, name: str, arrow: str, data: bytes) -> None:
        try:
            message = decode_message(data)
            if not isinstance(message, Neighbours | Addresses | OpenIds):
                self.log.append(f"{name} {arrow} {describe(message)}")
        except PeerFault:
            self.log.append(f"{name} {arrow} what makes no sense")

    # --- questions ----------------------------------------------------------------------------------

    @property
    def head(self) -> bytes:
        assert self.core.head is not None
        return self.core.head.id

    @property
    def height(self) -> int:
        assert self.core.head is not None
        return self.core.head.height

    def ledger(self) -> Ledger:
        """What another process would make of the node's store."""
        return Ledger(self.store, own_key=self.own.key)

    def promised(self, kind: str) -> list[bytes]:
        """What the node's key has promised, newest first: subjects of its journal."""
        return [row.subject for row in self.store.journal(kind, last=100)]


def describe(message: AnyMessage) -> str:
    """One line of the log."""
    match message:
        case Heads():
            return f"heads @{message.height} of epoch {message.epoch}"
        case Push():
            return "push " + ", ".join(map(_what, message.artifacts))
        case GetRange():
            return f"range? {'past ours' if message.locators else f'@{message.first}'}+{message.count}"
        case Range():
            return f"range @{message.first}+{len(message.items)}"
        case Have() | Want():
            return f"{type(message).__name__.lower()} {len(message.ids)}"
        case _:
            return type(message).__name__.lower()


def _what(raw: bytes) -> str:
    signed = decode_artifact(raw)
    statement = signed.statement
    if isinstance(statement, Snapshot):
        return f"snapshot @{statement.height}"
    if isinstance(statement, Proposal):
        return str(statement.action.__struct_config__.tag)
    return signed.type.split(".")[-1].split("/")[0]


def said(log: Sequence[str], start: str) -> list[str]:
    """The lines of `log` that begin with `start`."""
    return [line for line in log if line.startswith(start)]
