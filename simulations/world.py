"""A deterministic world: many `NodeCore`s, one event queue, one seed.

Time is virtual milliseconds. Every machine runs the driver that a daemon runs too (`aslp2p/core/driver.py`),
so batches, commits, what is held back, and what a fault undoes are the product's own. By default an input has
its turn at once; where machines are busy (`busy_ms`), all that comes meanwhile is one batch. A crash drops
what was not committed and what was not sent yet; a lit fuse (`Disk.fuse`) makes it happen before a commit,
after it, or between two effects. The world carries bytes, through the real codec; what the network does to
them is `network.py`, what the machine does to a node `machine.py`, `clock.py` and `disk.py`. Nothing here
reads a clock or draws entropy but from the seed, and nothing leaves the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Genesis, Named, Policy
from aslp2p.core.driver import Driver
from aslp2p.core.effects import Close, Effect, Give, Publish, Send
from aslp2p.core.giving import messages_of
from aslp2p.core.inputs import Command, Input, LinkDown, LinkUp, Now, Received
from aslp2p.core.jobs import Answer, Core, Inputs, Life, Mode, Note, Report
from aslp2p.errors import InvariantBroken
from aslp2p.gossip.messages import Heads, kind_of
from aslp2p.ledger.history import found_common
from simulations.clock import Clock
from simulations.disk import Disk, PowerFailed
from simulations.events import Action, EventLog, EventQueue
from simulations.exposure import Exposure
from simulations.keys import RememberingVerifier, SeededKey
from simulations.machine import Node, WatchedCore
from simulations.network import SILENCE_MS, Network, Pipe, Weather
from simulations.remembering import share_decoding

__all__ = ["Node", "Pipe", "RememberingVerifier", "SeededKey", "World"]

WALL_MS = 1_800_000_000_000
DIGEST_BYTES = 130
"""The open set's digest at the end of a `Heads`: it changes without the head."""


class Livelock(RuntimeError):
    """A node signs or wakes without end, so its driver's guard would stop it (S14)."""


class Stopped(Exception):
    """`World.stop_after` is reached."""


class Dialing(Protocol):
    """Whoever links machines: told of what becomes of them (`dialer.py`)."""

    def started(self, name: str) -> None: ...

    def lost(self, name: str, peer: str, lived_ms: int) -> None: ...

    def blamed(self, name: str, peer: str) -> None: ...

    def look_around(self) -> None: ...


class World:
    """Machines, links, and the queue of what happens next."""

    def __init__(
        self,
        seed: int,
        *,
        delay_ms: tuple[int, int] = (1, 5),
        wall_ms: int = WALL_MS,
        weather: Weather | None = None,
        log: EventLog | None = None,
        busy_ms: tuple[int, int] = (0, 0),
    ) -> None:
        share_decoding()
        self.random = Random(seed)
        self._busy_ms = busy_ms
        """How long a machine's thread is at something else when an input comes; drawn apart from the rest."""
        self._busy_random = Random(f"busy/{seed}")
        self.now_ms = 1_000
        self.wall_ms = wall_ms
        self.network = Network(weather or Weather(delay_ms))
        self.nodes: dict[str, Node] = {}
        self.pipes: dict[int, Pipe] = {}
        self.verifier = RememberingVerifier()
        self.log = log or EventLog()
        self.exposure = Exposure()
        self.dialer: Dialing | None = None
        self.messages = 0
        self.message_bytes = 0
        self.stop_after: int | None = None
        """Events after which `Stopped` is raised: who replays a run wants to look there."""
        self.drop: Callable[[str, str], bool] | None = None
        """Asked for each message: whether it is lost, which ends its pipe (a link is a TCP connection)."""
        self.listeners: list[Callable[[Node, Effect], None]] = []
        """Told of every effect but sends, as it is carried out."""
        self.blamed: list[tuple[str, str, str]] = []
        """(who, whom, why) of links closed with blame."""
        self.claims: list[tuple[int, str, bytes, int]] = []
        """What each node told its peers about where it stands, whenever that changed; and its start."""
        self.on_send: Callable[[Node, bytes], bytes | None] | None = None
        """May change what a machine sends (a liar), or swallow it (None)."""
        self._queue = EventQueue()
        self._numbers = 0
        self.common_id = b""
        self.genesis: Verified[Genesis] | None = None

    # --- making -----------------------------------------------------------------------------------

    def add_node(self, name: str, *, signer: SeededKey | None = None) -> Node:
        """A machine with an empty disk; `signer` gives it somebody else's key (a copy)."""
        random = Random(self.random.getrandbits(64))
        node = Node(name, signer or SeededKey(name), Disk(), random, Clock(self.wall_ms))
        self.nodes[name] = node
        return node

    def found(self, founder: str, members: Sequence[str], policy: Policy | None = None) -> bytes:
        """`common@0` by `founder`, with everybody in `members` an anchor that holds it already."""
        for name in members:
            if name not in self.nodes:
                self.add_node(name)
        anchors = tuple(Named(name, self.nodes[name].key) for name in members)
        policy = policy or Policy(
            witnesses=anchors[:1],
            threshold=1,
            rotation_allowed=True,
            grace_period_ms=3_600_000,
            participants="invited",
            protocol=1,
        )
        statement = Genesis("common", policy, anchors, None, self.wall_ms, bytes(32))
        self.genesis = genesis = sign_statement(statement, self.nodes[founder].signer)
        self.common_id = genesis.id
        for name in members:
            self.give_genesis(name)
        return genesis.id

    def give_genesis(self, name: str) -> None:
        """Put `common@0` on a machine's disk, as `init` or an invite with its genesis does."""
        assert self.genesis is not None
        store = self.nodes[name].store
        found_common(store, self.genesis)
        store.commit()

    def start(self, name: str) -> None:
        """Switch a machine on; its state is what its disk holds."""
        node = self.nodes[name]

        def noted(input_: Input) -> None:
            node.inputs += 1
            self.log.input(self.now_ms, name, input_)

        def make_core(store: Any) -> Core:
            return WatchedCore(
                store,
                noted,
                common_id=self.common_id,
                signer=node.signer,
                entropy=node.random.randbytes,
                verifier=self.verifier,
                **node.options,
            )

        def clocks() -> Now:
            return node.clock.now(self.now_ms)

        node.driver = Driver(node.store, make_core, clocks)
        node.ticked_for = None
        node.busy = node.stopped = False
        node.inbox.clear()
        try:
            self._carry_out(node, node.driver.start())
        except PowerFailed:
            self.crash(name)
            return
        self._plan_turn(node)

    def crash(self, name: str) -> None:
        """Switch a machine off: what was not committed is gone, its links end."""
        node = self.nodes[name]
        self.log.note(self.now_ms, name, "crashes")
        if node.clock.asleep:
            node.clock.wake(self.now_ms)
        node.stopped = False
        node.driver = None
        node.signer.signed.clear()
        node.store.fuse = None
        node.store.rollback()
        self._cut_off(node)

    def _cut_off(self, node: Node) -> None:
        """What came over its links, and they, end with the life of the core."""
        node.inbox.clear()
        for link in list(node.links):
            self._end(node.links[link])

    def pause(self, name: str, *, suspend: bool = False) -> None:
        """Stop a machine (`suspend`: its monotonic clock too); its links die if it takes too long."""
        node = self.nodes[name]
        if node.core is None or node.stopped:
            return
        self.log.note(self.now_ms, name, "falls asleep" if suspend else "is stopped")
        node.stopped = True
        if suspend:
            node.clock.sleep(self.now_ms)
        for number in set(node.links.values()):
            self._doom(self.pipes[number])

    def resume(self, name: str) -> None:
        """The end of `pause`: what came meanwhile is handled now."""
        node = self.nodes[name]
        if not node.stopped:
            return
        self.log.note(self.now_ms, name, "goes on")
        node.stopped = False
        if node.clock.asleep:
            node.clock.wake(self.now_ms)
        inbox, node.inbox = node.inbox, []
        for input_ in inbox:
            self.plan(0, self._input_if_on, node, input_)
        if node.driver is not None and node.driver.waits:
            self.plan(0, self._free, node, node.driver)
        node.ticked_for = None
        self._plan_turn(node)
        if self.dialer is not None:
            self.dialer.started(name)

    def connect(self, one: str, other: str) -> int | None:
        """Link two running machines; the number of the pipe, or None if one is off."""
        ends = (self.nodes[one], self.nodes[other])
        if not (ends[0].on and ends[1].on) or ends[0].key == ends[1].key:
            return None
        number = self._number()
        links = (self._number(), self._number())
        self.pipes[number] = Pipe((one, other), links, number, self.now_ms)
        for side in (0, 1):
            node, peer, link = ends[side], ends[1 - side], links[side]
            node.links[link] = number
            node.peers[peer.name] = node.peers.get(peer.name, 0) + 1
            up = LinkUp(link, peer.key, peer.token, peer.name, peer.name, side == 0)
            self.plan(1, self._input_if_on, node, up)
        return number

    def mesh(self) -> None:
        """Link every running node to every other that it is not linked to."""
        names = [name for name, node in self.nodes.items() if node.on]
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                if other not in self.nodes[one].peers:
                    self.connect(one, other)

    def disconnect(self, one: str, other: str) -> None:
        for number, pipe in list(self.pipes.items()):
            if set(pipe.ends) == {one, other}:
                self._end(number)

    @property
    def delay_ms(self) -> tuple[int, int]:
        """How long a message takes, at least and at most."""
        return self.network.weather.delay_ms

    @delay_ms.setter
    def delay_ms(self, delay_ms: tuple[int, int]) -> None:
        self.network.weather = replace(self.network.weather, delay_ms=delay_ms)

    # --- running ----------------------------------------------------------------------------------

    def command(self, name: str, command: Command) -> Any:
        """A person's command on a machine that is on; its answer. Raises `UserError`, or `DiskFault`."""
        node = self.nodes[name]
        if not node.on:
            raise RuntimeError(f"{name} is off")
        return self._input(node, command)

    def inform(self, name: str, event: Input) -> None:
        """The driver of a machine has found something out; nothing if the machine is off."""
        self._input_if_on(self.nodes[name], event)

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        self.run_until(_never, duration_ms)

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> bool:
        """Run until `done`, at most `limit_ms`; whether it came to that."""
        end = self.now_ms + limit_ms
        queue = self._queue
        while not done():
            at = queue.next_ms
            if at is None or at > end:
                self.now_ms = end
                return done()
            _, action, arguments = queue.pop()
            if at > self.now_ms:
                self.now_ms = at
            action(*arguments)
        return True

    def plan(self, delay_ms: int, action: Action, *arguments: Any) -> None:
        """Do something later."""
        self._queue.plan(self.now_ms + delay_ms, action, *arguments)

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

    # --- a node's turns ---------------------------------------------------------------------------

    def _input_if_on(self, node: Node, input_: Input) -> None:
        if node.stopped:
            node.inbox.append(input_)
            return
        driver = node.driver
        if driver is None or driver.core is None:
            return
        link = getattr(input_, "link", None)
        if link is not None and link not in node.links and type(input_) is not LinkDown:
            return
        if not self._busy_ms[1]:
            self._input(node, input_)
            return
        self._put(driver, input_)
        if not node.busy:
            node.busy = True
            self.plan(self._busy_random.randint(*self._busy_ms), self._free, node, driver)

    def _free(self, node: Node, driver: Driver) -> None:
        if node.driver is driver:
            node.busy = False
            if not node.stopped:
                self._drive(node, driver)

    def _input(self, node: Node, input_: Input) -> Any:
        driver = node.driver
        if driver is None:
            raise RuntimeError(f"{node.name} is off")
        answer = self._put(driver, input_)
        self._drive(node, driver)
        return answer.value()

    def _put(self, driver: Driver, input_: Input) -> Answer:
        answer = Answer()
        size = len(input_.data) if type(input_) is Received else 0
        reply = answer if isinstance(input_, Command) else None
        driver.put(Inputs((input_,), size, driver.condition.era, reply))
        return answer

    def _drive(self, node: Node, driver: Driver) -> None:
        """Let a driver have its turns, and do what it says."""
        if self.stop_after is not None and self.log.count >= self.stop_after:
            raise Stopped
        try:
            while True:
                for report in driver.turn():
                    self._carry_out(node, report)
                if not driver.waits or node.driver is not driver:
                    break
        except PowerFailed:
            self.crash(node.name)
        else:
            self._plan_turn(node)

    def sync(self, name: str) -> None:
        """Commit now what may wait, as a machine does that is switched off in order."""
        node = self.nodes[name]
        if node.driver is not None:
            self._carry_out(node, node.driver.sync())
            self._plan_turn(node)

    def _carry_out(self, node: Node, report: Report) -> None:
        """As the shell of a daemon does. Raises what a driver takes for a bug, and `PowerFailed`."""
        for note in report.notes:
            self._judge(node, note)
        if report.condition is not None:
            self._turn(node, report.condition)
        elif node.signer.signed:
            for message, signature in node.signer.signed:
                self.verifier.learn(node.signer.key, message, signature)
            self.exposure.collect(node.name, node.signer)
        node.store.burn()
        for effect in report.effects:
            self._perform(node, effect)
            node.store.burn()
        report.answer()

    def _judge(self, node: Node, note: Note) -> None:
        if note.error is None:
            return
        if isinstance(note.error, InvariantBroken) and note.error.message.startswith("S14"):
            raise Livelock(f"{node.name} at {self.now_ms} ms: {note.error}") from note.error
        raise note.error

    def _turn(self, node: Node, condition: Life) -> None:
        """Another life of the core has begun, or none: nothing of the batch before has happened."""
        node.signer.signed.clear()
        self._cut_off(node)
        if condition.mode is not Mode.RUNNING:
            self.log.note(self.now_ms, node.name, "cannot write")
            return
        node.started_ms = self.now_ms
        self.log.note(self.now_ms, node.name, "starts")
        if self.dialer is not None:
            self.dialer.started(node.name)

    def _perform(self, node: Node, effect: Effect) -> None:
        self.log.effect(self.now_ms, node.name, effect)
        if type(effect) is Send:
            self._send(node, effect)
            return
        if type(effect) is Give:
            for data in messages_of(node.store, effect):
                self._send(node, Send(effect.link, data))
            return
        if type(effect) is Close:
            node.closed.append(effect)
            number = node.links.get(effect.link)
            if number is not None:
                if effect.blame:
                    pipe = self.pipes[number]
                    peer = pipe.ends[1 - pipe.links.index(effect.link)]
                    self.blamed.append((node.name, peer, effect.reason))
                    if self.dialer is not None:
                        self.dialer.blamed(node.name, peer)
                self._end(number)
        elif type(effect) is Publish:
            node.published.append(effect)
        for listener in self.listeners:
            listener(node, effect)

    def _plan_turn(self, node: Node) -> None:
        driver = node.driver
        if driver is None or node.stopped:
            return
        wake = driver.wake_at_ms
        if wake is None:
            return
        at = max(node.clock.true_at(wake), self.now_ms)
        if node.ticked_for is not None and self.now_ms <= node.ticked_for <= at:
            return
        node.ticked_for = at
        self._queue.plan(at, self._wake, node, driver, at)

    def _wake(self, node: Node, driver: Driver, at: int) -> None:
        if node.driver is driver and node.ticked_for == at:
            node.ticked_for = None
            if not node.stopped:
                self._drive(node, driver)

    # --- links ------------------------------------------------------------------------------------

    def _send(self, node: Node, effect: Send) -> None:
        number = node.links.get(effect.link)
        if number is None:
            return
        data: bytes | None = effect.data
        if self.on_send is not None:
            data = self.on_send(node, effect.data)
            if data is None:
                return
        assert data is not None
        if self.exposure.is_waiting(node.name):
            self.exposure.sent(self.now_ms, node.name, node.key, data, node.store.signatures)
        if kind_of(data) is Heads and data[:-DIGEST_BYTES] != node.claimed:
            node.claimed = data[:-DIGEST_BYTES]
            self.claims.append((self.now_ms, node.name, data, node.started_ms))
        pipe = self.pipes[number]
        side = 0 if pipe.links[0] == effect.link else 1
        self.messages += 1
        self.message_bytes += len(data)
        node.sent += 1
        node.sent_bytes += len(data)
        if self.drop is not None and self.drop(node.name, pipe.ends[1 - side]):
            self._end(number)
            return
        if pipe.stalled[side] or not self.network.flows(node.name, pipe.ends[1 - side]):
            pipe.stalled[side].append(data)
            if not self.network.open(node.name, pipe.ends[1 - side]):
                self._doom(pipe)
            return
        self._deliver(pipe, side, data)

    def _deliver(self, pipe: Pipe, side: int, data: bytes) -> None:
        times = self.network.arrivals(pipe, side, self.now_ms, self.random)
        if not times:
            self._end(pipe.number)
            return
        target = self.nodes[pipe.ends[1 - side]]
        received = Received(pipe.links[1 - side], data)
        for at in times:
            self._queue.plan(at, self._input_if_on, target, received)

    def inject(self, source: str, target: str, data: bytes) -> bool:
        """A liar's bytes over a link that it has with `target`; whether there is one."""
        for pipe in self.pipes.values():
            if set(pipe.ends) == {source, target}:
                self._deliver(pipe, pipe.ends.index(source), data)
                return True
        return False

    def network_changed(self) -> None:
        """Ways were opened or closed: what stalled goes on where it can; machines look around."""
        for pipe in list(self.pipes.values()):
            for side in (0, 1):
                if pipe.stalled[side] and self.network.flows(pipe.ends[side], pipe.ends[1 - side]):
                    waiting = list(pipe.stalled[side])
                    pipe.stalled[side].clear()
                    for data in waiting:
                        if pipe.alive:
                            self._deliver(pipe, side, data)
            if not (self.network.open(*pipe.ends) and self.network.open(*pipe.ends[::-1])):
                self._doom(pipe)
        if self.dialer is not None:
            self.dialer.look_around()

    def _doom(self, pipe: Pipe) -> None:
        """Nothing gets through: the link dies unless that changes in time."""
        if not pipe.dying:
            pipe.dying = True
            self.plan(SILENCE_MS, self._expire, pipe)

    def _expire(self, pipe: Pipe) -> None:
        pipe.dying = False
        one, other = pipe.ends
        if not pipe.alive:
            return
        stopped = self.nodes[one].stopped or self.nodes[other].stopped
        if stopped or not (self.network.open(one, other) and self.network.open(other, one)):
            self._end(pipe.number)

    def _end(self, number: int) -> None:
        pipe = self.pipes.pop(number, None)
        if pipe is None:
            return
        pipe.alive = False
        for side in (0, 1):
            node, link, peer = self.nodes[pipe.ends[side]], pipe.links[side], pipe.ends[1 - side]
            if node.links.pop(link, None) is None:
                continue
            node.peers[peer] -= 1
            if not node.peers[peer]:
                del node.peers[peer]
            self.plan(1, self._input_if_on, node, LinkDown(link))
            if self.dialer is not None:
                self.dialer.lost(node.name, peer, self.now_ms - pipe.since_ms)


def _never() -> bool:
    return False
