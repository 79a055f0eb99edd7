"""A deterministic world: many `NodeCore`s, one event queue, one seed.

Time is virtual milliseconds; a message is delivered after a drawn delay on its link unless the link is cut. Each
input is followed by a commit and then by its effects (persist, then send); a crash drops what was not
committed and what was not sent yet. The world carries bytes, through the real codec.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from nacl.signing import SigningKey

from aslp2p.artifacts.envelope import Verifier, sign_statement
from aslp2p.artifacts.types import Genesis, Named, Policy
from aslp2p.core.effects import Close, Effect, Publish, Send
from aslp2p.core.inputs import Command, Input, LinkDown, LinkUp, Now, Received, Tick
from aslp2p.core.node import NodeCore
from aslp2p.ledger.history import found_common
from aslp2p.store.memory import MemoryStore


class SeededKey:
    """A domain key made from a name."""

    def __init__(self, name: str) -> None:
        self._key = SigningKey(name.encode().ljust(32, b"\0")[:32])
        self.key = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


class RememberingVerifier(Verifier):
    """Verification is a pure function of the bytes, so nodes of one world share its results."""

    def __init__(self, bound: int = 200_000) -> None:
        self._known: dict[tuple[bytes, bytes, bytes], bool] = {}
        self._bound = bound

    def holds(self, items: Any) -> list[bool]:
        answers = []
        for item in items:
            known = self._known.get(item)
            if known is None:
                known = super().holds([item])[0]
                if len(self._known) >= self._bound:
                    self._known.clear()
                self._known[item] = known
            answers.append(known)
        return answers


@dataclass
class Node:
    """One machine: its disk survives it."""

    name: str
    signer: SeededKey
    store: MemoryStore
    random: Random
    core: NodeCore | None = None
    token: bytes = b""
    links: dict[int, int] = field(default_factory=dict)
    """Own link number to the number of the pipe."""
    published: list[Publish] = field(default_factory=list)
    closed: list[Close] = field(default_factory=list)
    ticked_for: int | None = None


@dataclass
class Pipe:
    """A two-way link between two nodes; `alive` ends for both at once, the news travels like a message."""

    ends: tuple[str, str]
    links: tuple[int, int]
    alive: bool = True
    last_ms: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(order=True)
class _Event:
    at_ms: int
    order: int
    run: Callable[[], None] = field(compare=False)


class World:
    """Nodes, pipes and the queue of what happens next."""

    def __init__(
        self, seed: int, *, delay_ms: tuple[int, int] = (1, 5), wall_ms: int = 1_800_000_000_000
    ) -> None:
        self.random = Random(seed)
        self.now_ms = 1_000
        self.wall_ms = wall_ms
        self.delay_ms = delay_ms
        self.nodes: dict[str, Node] = {}
        self.pipes: dict[int, Pipe] = {}
        self.verifier = RememberingVerifier()
        self.messages = 0
        self.message_bytes = 0
        self.drop: Callable[[str, str], bool] = lambda _source, _target: False
        """Asked for each message: whether it is lost, which ends its pipe (a link is a TCP connection)."""
        self._queue: list[_Event] = []
        self._order = 0
        self._numbers = 0
        self.common_id = b""

    # --- making -----------------------------------------------------------------------------------

    def add_node(self, name: str) -> Node:
        node = Node(name, SeededKey(name), MemoryStore(), Random(self.random.getrandbits(64)))
        self.nodes[name] = node
        return node

    def found(self, founder: str, members: list[str], policy: Policy | None = None) -> bytes:
        """`common@0` by `founder`, with everybody in `members` an anchor that holds it already."""
        for name in members:
            if name not in self.nodes:
                self.add_node(name)
        anchors = tuple(Named(name, self.nodes[name].signer.key) for name in members)
        policy = policy or Policy(anchors[:1], 1, True, 3_600_000, "invited", 1)
        statement = Genesis("common", policy, anchors, None, self.wall_ms, bytes(32))
        genesis = sign_statement(statement, self.nodes[founder].signer)
        self.common_id = genesis.id
        for name in members:
            store = self.nodes[name].store
            found_common(store, genesis)
            store.commit()
        return genesis.id

    def start(self, name: str) -> None:
        """Switch a machine on; its state is what its disk holds."""
        node = self.nodes[name]
        node.core = NodeCore(
            node.store,
            common_id=self.common_id,
            signer=node.signer,
            entropy=node.random.randbytes,
            verifier=self.verifier,
        )
        node.ticked_for = None
        self._plan_tick(node)

    def crash(self, name: str) -> None:
        """Switch a machine off: what was not committed is gone, its links end."""
        node = self.nodes[name]
        node.core = None
        node.store.rollback()
        for link in list(node.links):
            self._end(node.links[link])

    def connect(self, one: str, other: str) -> int | None:
        """Link two running nodes; the number of the pipe, or None if one is off."""
        ends = (self.nodes[one], self.nodes[other])
        if any(node.core is None for node in ends):
            return None
        number = self._number()
        links = (self._number(), self._number())
        self.pipes[number] = Pipe((one, other), links)
        for side in (0, 1):
            node, peer, link = ends[side], ends[1 - side], links[side]
            node.links[link] = number
            up = LinkUp(link, peer.signer.key, peer.token, peer.name, peer.name, side == 0)
            self._later(1, lambda node=node, up=up: self._input_if_on(node, up))  # type: ignore[misc]
        return number

    def mesh(self) -> None:
        """Link every running node to every other that it is not linked to."""
        names = [name for name, node in self.nodes.items() if node.core is not None]
        linked = {frozenset(pipe.ends) for pipe in self.pipes.values() if pipe.alive}
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                if frozenset((one, other)) not in linked:
                    self.connect(one, other)

    def disconnect(self, one: str, other: str) -> None:
        for number, pipe in list(self.pipes.items()):
            if set(pipe.ends) == {one, other}:
                self._end(number)

    # --- running ----------------------------------------------------------------------------------

    def command(self, name: str, command: Command) -> Any:
        """A person's command on a machine that is on; its answer. Raises `UserError`."""
        return self._input(self.nodes[name], command)

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        self.run_until(lambda: False, duration_ms)

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> bool:
        """Run until `done`, at most `limit_ms`; whether it came to that."""
        end = self.now_ms + limit_ms
        while not done():
            if not self._queue or self._queue[0].at_ms > end:
                self.now_ms = end
                return done()
            event = heapq.heappop(self._queue)
            self.now_ms = max(self.now_ms, event.at_ms)
            event.run()
        return True

    def heads(self) -> dict[str, tuple[int, bytes]]:
        """Height and id of the head of each running node that has one."""
        found = {}
        for name, node in self.nodes.items():
            if node.core is not None and node.core.head is not None:
                found[name] = (node.core.head.height, node.core.head.id)
        return found

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _later(self, delay_ms: int, run: Callable[[], None], at_ms: int | None = None) -> None:
        self._order += 1
        heapq.heappush(self._queue, _Event(at_ms or self.now_ms + delay_ms, self._order, run))

    def _input_if_on(self, node: Node, input_: Input) -> None:
        link = getattr(input_, "link", None)
        if node.core is not None and (link is None or link in node.links or isinstance(input_, LinkDown)):
            self._input(node, input_)

    def _input(self, node: Node, input_: Input) -> Any:
        if node.core is None:
            raise RuntimeError(f"{node.name} is off")
        step = node.core.step(input_, Now(self.now_ms, self.wall_ms + self.now_ms))
        node.store.commit()
        for effect in step.effects:
            self._perform(node, effect)
        self._plan_tick(node)
        return step.answer

    def _perform(self, node: Node, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._send(node, effect)
        elif isinstance(effect, Close):
            node.closed.append(effect)
            if effect.link in node.links:
                self._end(node.links[effect.link])
        elif isinstance(effect, Publish):
            node.published.append(effect)

    def _send(self, node: Node, effect: Send) -> None:
        number = node.links.get(effect.link)
        if number is None:
            return
        pipe = self.pipes[number]
        side = pipe.ends.index(node.name)
        target = pipe.ends[1 - side]
        self.messages += 1
        self.message_bytes += len(effect.data)
        if self.drop(node.name, target):
            self._end(number)
            return
        # A link is a stream: what is sent later does not arrive earlier.
        at = max(self.now_ms + self.random.randint(*self.delay_ms), pipe.last_ms[side])
        pipe.last_ms[side] = at
        received = Received(pipe.links[1 - side], effect.data)
        self._later(0, lambda: self._input_if_on(self.nodes[target], received), at)

    def _end(self, number: int) -> None:
        pipe = self.pipes.pop(number, None)
        if pipe is None:
            return
        pipe.alive = False
        for name, link in zip(pipe.ends, pipe.links, strict=True):
            node = self.nodes[name]
            node.links.pop(link, None)
            self._later(1, lambda node=node, link=link: self._input_if_on(node, LinkDown(link)))  # type: ignore[misc]

    def _plan_tick(self, node: Node) -> None:
        if node.core is None:
            return
        at = node.core.wake_at_ms
        if at is None or (node.ticked_for is not None and self.now_ms < node.ticked_for <= at):
            return
        at = max(at, self.now_ms)
        node.ticked_for = at
        core = node.core

        def tick() -> None:
            if node.core is core and node.ticked_for == at:
                node.ticked_for = None
                self._input(node, Tick())

        self._later(0, tick, at)
