"""One machine of a world: its key, its disk, its clocks, its links, and the node that runs on it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aslp2p.core.effects import Close, Publish
from aslp2p.core.guard import Guard
from aslp2p.core.inputs import Input
from aslp2p.core.node import NodeCore
from simulations.clock import Clock
from simulations.disk import Disk
from simulations.keys import SeededKey

PUBLISHED_MAX = 10_000


@dataclass
class Node:
    """The disk survives a crash; `core` is None while the machine is off or its disk refuses."""

    name: str
    signer: SeededKey
    store: Disk
    random: Random
    clock: Clock
    core: NodeCore | None = None
    token: bytes = b""
    inviter: str = ""
    """Whose invite it came with: its address is in there."""
    options: dict[str, Any] = field(default_factory=dict)
    """What `NodeCore` is made with besides store, key and entropy."""
    links: dict[int, int] = field(default_factory=dict)
    """Own link number to the number of the pipe."""
    peers: dict[str, int] = field(default_factory=dict)
    """Name of the other machine to the number of links with it."""
    published: deque[Publish] = field(default_factory=lambda: deque(maxlen=PUBLISHED_MAX))
    closed: deque[Close] = field(default_factory=lambda: deque(maxlen=PUBLISHED_MAX))
    ticked_for: int | None = None
    """The true time for which a tick is planned."""
    guard: Guard = field(default_factory=Guard)
    """What a daemon's driver watches over too (S14); a new one for each life of the core."""
    fuse: int | None = None
    """Points (before a commit, after it, after each effect) until the power fails."""
    stopped: bool = False
    """Asleep or stopped: nothing goes in; what comes waits in `inbox`."""
    read_only: bool = False
    """The disk has refused a write; a probe is planned."""
    unsynced: int | None = None
    """The number of the coming commit of writes that may be lost."""
    inbox: list[Input] = field(default_factory=list)
    sent: int = 0
    sent_bytes: int = 0
    inputs: int = 0
    started_ms: int = 0
    claimed: bytes = b""
    """The last `Heads` that it sent, without the digest of what is open."""

    @property
    def on(self) -> bool:
        """Whether it runs and is awake."""
        return self.core is not None and not self.stopped

    @property
    def key(self) -> bytes:
        return self.signer.key
