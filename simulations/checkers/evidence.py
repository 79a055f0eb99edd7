"""What the checkers are given: images of disks, promises that left machines, what nodes claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simulations.checkers.artifacts import Artifact, Unreadable, read, read_message


@dataclass(frozen=True)
class Image:
    """The bytes on one machine's disk."""

    name: str
    key: bytes
    head: bytes
    snapshots: Mapping[bytes, bytes]
    """Every accepted snapshot and the genesis, by id."""
    artifacts: Mapping[bytes, bytes]
    """Every other artifact that is stored, by id."""
    open: frozenset[bytes]
    journal: tuple[bytes, ...]
    contents: frozenset[bytes]
    on: bool = True
    noted: frozenset[tuple[int, bytes]] = frozenset()
    """(epoch, witness) of what it has kept as evidence (F3)."""
    invited_by: bytes = b""
    """Whose invite it came with; empty: it was there from the beginning."""


@dataclass(frozen=True)
class Promise:
    """One promise that left a machine: `order` is that of signing."""

    order: int
    at_ms: int
    machine: str
    artifact: Artifact
    on_disk: bool


@dataclass(frozen=True)
class Claim:
    """What a node told its peers: where it stands and what it holds to be final."""

    at_ms: int
    machine: str
    head: bytes
    height: int
    final_height: int
    since_ms: int = 0
    """When the node was started."""
    epoch: int = 0
    """Of the head that it follows; `head` is how far it has audited that."""


@dataclass
class Evidence:
    """All of it. `trusted` are the machines that neither lied nor lost their journal."""

    common_id: bytes
    genesis: bytes
    images: dict[str, Image]
    promises: list[Promise]
    claims: list[Claim]
    trusted: frozenset[str]
    proposed: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    """Proposals that a machine acknowledged to its person: id to (machine, when)."""
    blamed: list[tuple[str, str, str]] = field(default_factory=list)
    """(who, whom, why) of links that were closed with blame."""
    unheld: list[tuple[str, bytes]] = field(default_factory=list)
    """(witness, content) of puts that it listed and did not hold."""
    stale: dict[str, int] = field(default_factory=dict)
    """Machines with an old journal, and from when on their key has to be quiet if others know better."""
    beside: list[tuple[str, bytes, tuple[bytes, ...]]] = field(default_factory=list)
    """(witness, snapshot, endorsements) of what lay open on its disk when it emitted that."""
    beacons: list[tuple[str, Artifact]] = field(default_factory=list)
    """(machine, beacon) in the order of signing."""
    halts: list[tuple[int, str]] = field(default_factory=list)
    """(when, machine) of each that was seen to sign nothing more, because finals exclude each other (F1)."""
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        raws = [raw for image in self.images.values() for raw in image.snapshots.values()]
        self.lines = Lines(self.genesis, raws, [one.artifact for one in self.promises])

    def trusted_images(self) -> list[Image]:
        return [image for name, image in self.images.items() if name in self.trusted]

    def trusted_promises(self) -> list[Promise]:
        return [one for one in self.promises if one.machine in self.trusted]


class Lines:
    """All snapshots that anybody has, as a tree."""

    def __init__(self, genesis: bytes, raws: Iterable[bytes], promised: Iterable[Artifact]) -> None:
        root = read(genesis)
        self.common_id = root.id
        self.parent: dict[bytes, bytes] = {}
        self.height: dict[bytes, int] = {root.id: 0}
        self.epoch: dict[bytes, int] = {root.id: 0}
        self.artifact: dict[bytes, Artifact] = {root.id: root}
        for raw in raws:
            try:
                self._keep(read(raw))
            except Unreadable:
                continue
        for artifact in promised:
            if artifact.type == "asl.common.snapshot/1":
                self._keep(artifact)

    def _keep(self, artifact: Artifact) -> None:
        if artifact.type == "asl.common.snapshot/1" and artifact.id not in self.artifact:
            self.artifact[artifact.id] = artifact
            self.parent[artifact.id] = artifact.body[2]
            self.height[artifact.id] = artifact.body[1]
            self.epoch[artifact.id] = artifact.body[3]

    def line(self, id_: bytes) -> list[bytes]:
        """From genesis to `id_`; what is missing below is left out."""
        found = []
        at: bytes | None = id_
        while at is not None and at in self.artifact:
            found.append(at)
            at = self.parent.get(at)
        return found[::-1]

    def contains(self, id_: bytes, ancestor: bytes) -> bool:
        """Whether `ancestor` is `id_` or below it."""
        floor = self.height.get(ancestor, -1)
        at: bytes | None = id_
        while at is not None and self.height.get(at, -1) > floor:
            at = self.parent.get(at)
        return at == ancestor

    def fork(self, one: bytes, other: bytes) -> bytes:
        """The highest snapshot that both stand on."""
        while one != other:
            if self.height.get(one, 0) >= self.height.get(other, 0):
                one = self.parent.get(one, self.common_id)
            else:
                other = self.parent.get(other, self.common_id)
        return one

    def at_height(self, id_: bytes, height: int) -> bytes | None:
        """The ancestor of `id_` at `height`."""
        at: bytes | None = id_
        while at is not None and self.height.get(at, -1) > height:
            at = self.parent.get(at)
        return at if at is not None and self.height.get(at) == height else None


def promise(order: int, at_ms: int, machine: str, key: bytes, message: bytes, on_disk: bool) -> Promise:
    """A promise from what was signed."""
    return Promise(order, at_ms, machine, read_message(message, key), on_disk)
