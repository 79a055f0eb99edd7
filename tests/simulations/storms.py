"""A storm of machines that all want to let contents go: drops, partitions, crashes and returns.

Everything that may make two machines rely on each other happens at random: files are put, changed and
removed; owners change their minds about what they keep; links and machines come and go, some fall asleep and
some have clocks that are set. After every step the disks are looked at, from outside:

1. A content that any machine has ever let go is whole on at least as many other disks as it wants copies,
   from then on.
2. When everybody keeps everything again, everything is everywhere again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from aslp2p.artifacts.content import ContentBuilder
from aslp2p.artifacts.types import Named, Policy, Put, Remove
from aslp2p.core.inputs import AddContent, Command, DecideKeep, PinPaths, Propose, Prune
from aslp2p.errors import UserError
from aslp2p.ledger.keeping import KEEP_ALL, Keep, Pin
from aslp2p.limits import CHUNK_BYTES
from simulations.machine import Node
from simulations.world import World

MINUTE = 60_000
HOUR = 60 * MINUTE
SECOND = 1000
PAUSES = (0, 0, 4, 20, SECOND, SECOND, 20 * SECOND, 2 * MINUTE, 40 * MINUTE, 2 * HOUR)
MACHINES = "abcd"
PATHS = [f"{top}/{name}" for top in ("films", "letters") for name in "xyz"]
CURRENT = Keep(versions_ms=0)
KEEPS = (
    KEEP_ALL,
    CURRENT,
    CURRENT,
    Keep(versions_ms=2 * HOUR),
    Keep(excluded=("films/",)),
    Keep(versions_ms=0, only=("letters/",)),
)


class Storm:
    """One world. `copies`: how many everybody wants; `large`: some of the files have several pieces."""

    def __init__(self, seed: int, *, copies: int = 2, large: bool = False) -> None:
        self.random = Random(f"storm/{seed}")
        self.copies = copies
        self.large = large
        self.world = World(seed)
        for name in MACHINES:
            self.world.add_node(name)
        policy = Policy(
            witnesses=(Named("a", self.world.nodes["a"].key),),
            threshold=1,
            rotation_allowed=True,
            grace_period_ms=30 * 24 * HOUR,
            participants="invited",
            protocol=1,
        )
        self.world.found("a", list(MACHINES), policy)
        for name in MACHINES:
            self.world.start(name)
        self.world.mesh()
        self.world.run(5_000)
        self.put: dict[bytes, tuple[bytes, ...]] = {}
        """Every content that was put, and its pieces."""
        self.before: dict[str, frozenset[bytes]] = {}
        self.thinned: set[bytes] = set()
        self.let_go = 0
        self.story: list[str] = []
        self._serial = 0

    # --- looking --------------------------------------------------------------------------------------

    def look(self) -> None:
        """Asserts rule 1 of the disks as they are. What is not committed yet is on none: a power cut takes
        it, and nobody was told of it."""
        now = {name: self._on_disk(node) for name, node in self.world.nodes.items()}
        for content, pieces in self.put.items():
            holders = [name for name, here in now.items() if here.issuperset(pieces)]
            gone = [
                name
                for name, here in self.before.items()
                if here.issuperset(pieces) and not now[name].issuperset(pieces)
            ]
            if gone:
                self.let_go += len(gone)
                self.thinned.add(content)
                self.story.append(f"{self.world.now_ms}: {gone} let {content.hex()[:8]} go, has {holders}")
                assert not [piece for name in gone for piece in pieces if self._is_half(name, piece, now)]
            if content in self.thinned:
                assert len(holders) >= self.copies, (content.hex()[:8], holders, self.story)
        self.before = now

    def _on_disk(self, node: Node) -> frozenset[bytes]:
        here = node.store.every_content()
        return here & self.before.get(node.name, frozenset()) if node.store.dirty else here

    def _is_half(self, name: str, piece: bytes, now: dict[str, frozenset[bytes]]) -> bool:
        """Whether a piece stayed that nothing else is made of."""
        others = sum(piece in pieces for pieces in self.put.values())
        return piece in now[name] and others == 1

    def run(self, duration_ms: int) -> None:
        end = self.world.now_ms + duration_ms
        while self.world.now_ms < end:
            self.world.run(min(self.random.choice((5, 300, MINUTE, HOUR)), end - self.world.now_ms))
            self.look()

    # --- what happens ---------------------------------------------------------------------------------

    def command(self, node: Node, command: Command) -> None:
        if node.on:
            try:
                self.world.command(node.name, command)
            except UserError:
                self.story.append(f"{self.world.now_ms}: {node.name} refuses {type(command).__name__}")

    def any_node(self) -> Node:
        return self.world.nodes[self.random.choice(MACHINES)]

    def puts(self, path: str = "") -> None:
        node = self.any_node()
        self._serial += 1
        size = CHUNK_BYTES + 100 if self.large and self.random.random() < 0.3 else 9000
        data = b"%06d" % self._serial * (size // 6)
        if self.large and self.random.random() < 0.3 and len(data) > CHUNK_BYTES:
            data = bytes(CHUNK_BYTES) + data[:100]  # all of these share a chunk
        builder = ContentBuilder()
        first = builder.feed(data)
        made = builder.finish()
        pieces = [(piece.id, piece.data) for piece in (*first, *made.last)]
        action = Put(path or self.random.choice(PATHS), made.id, len(data), "", False, 0, None)
        if node.on:
            self.put[made.id] = tuple(id_ for id_, _ in pieces)
            self.command(node, AddContent(tuple(pieces)))
            self.command(node, Propose(action))

    def removes(self) -> None:
        self.command(self.any_node(), Propose(Remove(self.random.choice(PATHS), None)))

    def decide(self, node: Node, keep: Keep) -> None:
        self.story.append(f"{self.world.now_ms}: {node.name} decides {keep}")
        self.command(node, DecideKeep(replace(keep, copies=self.copies)))

    def decides(self) -> None:
        self.decide(self.any_node(), self.random.choice(KEEPS))

    def all_decide(self) -> None:
        """At once, as when all read the same advice."""
        keep = self.random.choice(KEEPS[1:])
        for node in self.world.nodes.values():
            self.decide(node, keep)

    def wavers(self) -> None:
        """Two rely on each other, one on what the other said before it let go: `first` lets go; then `one`
        hears from `other` only, which is too few, and keeps everything again; `other` lets go, since `one`
        keeps it; and at last `one` lets go where it does not hear `other` any more.
        """
        first, one, other, third = (self.world.nodes[name] for name in self.random.sample(MACHINES, 4))
        for node in (first, one, other, third):
            self.decide(node, KEEP_ALL)
        self.run(SECOND)
        self.decide(first, CURRENT)
        self.run(self.random.choice((SECOND, 2 * HOUR)))
        self.world.disconnect(one.name, third.name)
        self.run(20)
        self.decide(one, CURRENT)
        self.run(SECOND)
        self.decide(one, KEEP_ALL)
        self.world.mesh()
        self.run(SECOND)
        self.decide(other, CURRENT)
        self.run(SECOND)
        if self.random.random() < 0.3 and one.on:
            self.world.crash(one.name)
            self.world.start(one.name)
            self.world.mesh()
            self.run(SECOND)
        self.world.disconnect(one.name, other.name)
        self.run(20)
        self.decide(one, CURRENT)
        self.run(SECOND)
        self.world.mesh()

    def prunes(self) -> None:
        self.command(self.any_node(), Prune(dry=self.random.random() < 0.2))

    def pins(self) -> None:
        paths = self.random.sample(PATHS, 2)
        self.command(self.any_node(), PinPaths((Pin(paths[0], 0), Pin(paths[1], self.random.randint(1, 9)))))

    def cuts(self) -> None:
        one, other = self.random.sample(MACHINES, 2)
        self.world.network.cut(one, other)
        self.world.network.cut(other, one)
        self.world.network_changed()

    def heals(self) -> None:
        self.world.network.heal()
        self.world.network_changed()
        self.world.mesh()

    def crashes(self) -> None:
        node = self.any_node()
        if node.driver is not None:
            if self.random.random() < 0.5:
                node.store.fuse = self.random.randint(1, 6)
            else:
                self.world.crash(node.name)

    def returns(self) -> None:
        for node in self.world.nodes.values():
            if node.driver is None:
                if self.random.random() < 0.5:
                    node.clock.reboot(self.world.now_ms)
                self.world.start(node.name)
        self.world.mesh()

    def sleeps(self) -> None:
        self.world.pause(self.any_node().name, suspend=True)

    def wakes(self) -> None:
        for name in MACHINES:
            self.world.resume(name)
        self.world.mesh()

    def sets_clock(self) -> None:
        self.any_node().clock.jump(self.world.now_ms, self.random.choice((-5, -1, 1, 5)) * HOUR)

    def play(self, steps: int) -> None:
        happenings: list[tuple[Callable[[], None], int]] = [
            (self.puts, 4),
            (self.removes, 3),
            (self.decides, 8),
            (self.all_decide, 2),
            (self.wavers, 4),
            (self.prunes, 8),
            (self.pins, 1),
            (self.cuts, 2),
            (self.heals, 2),
            (self.crashes, 2),
            (self.returns, 3),
            (self.sleeps, 1),
            (self.wakes, 2),
            (self.sets_clock, 1),
        ]
        for _ in range(2):
            for path in PATHS:
                self.puts(path)
            self.world.run(SECOND)
        kinds, weights = zip(*happenings, strict=True)
        for happening in self.random.choices(kinds, weights, k=steps):
            happening()
            self.look()
            self.run(self.random.choice(PAUSES))

    def calm(self) -> None:
        """Everybody is there, and keeps everything: asserts rule 2."""
        for node in self.world.nodes.values():
            node.store.fuse = None
        self.wakes()
        self.returns()
        self.heals()
        self.run(5 * SECOND)
        for node in self.world.nodes.values():
            self.command(node, DecideKeep(KEEP_ALL))
            self.command(node, PinPaths(()))
        self.run(2 * MINUTE)
        heads = set(self.world.heads().values())
        assert len(heads) == 1, heads
        listed = self.put.keys() & self._named()
        for name, node in self.world.nodes.items():
            here = node.store.every_content()
            absent = [content.hex()[:8] for content in listed if not here.issuperset(self.put[content])]
            assert not absent, (name, absent, self.story)

    def _named(self) -> set[bytes]:
        node = self.world.nodes["a"]
        assert node.core is not None and node.core.head is not None
        rows = node.store.facts(node.core.head.branch, b"u", node.core.head.height, limit=10_000)
        return {key[1:] for key, _, _ in rows}
