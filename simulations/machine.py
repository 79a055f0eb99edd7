"""One machine of a world: its key, its disk, its clocks, its links, and the driver that runs its node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from aslp2p.core.driver import Driver
from aslp2p.core.effects import Close, Publish, Step
from aslp2p.core.inputs import Input, Now
from aslp2p.core.jobs import Mode
from aslp2p.core.node import NodeCore
from aslp2p.errors import UserError
from simulations.clock import Clock
from simulations.disk import Disk
from simulations.keys import SeededKey

PUBLISHED_MAX = 10_000


@dataclass
class Node:
    """The disk survives a crash; `driver` is None while the machine is off."""

    name: str
    signer: SeededKey
    store: Disk
    random: Random
    clock: Clock
    driver: Driver | None = None
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
    """The true time for which a turn of the driver is planned."""
    busy: bool = False
    """Its thread is at something else; what comes meanwhile is one batch."""
    stopped: bool = False
    """Asleep or stopped: nothing goes in; what comes waits in `inbox`."""
    inbox: list[Input] = field(default_factory=list)
    sent: int = 0
    sent_bytes: int = 0
    inputs: int = 0
    started_ms: int = 0
    claimed: bytes = b""
    """The last `Heads` that it sent, without the digest of what is open."""

    @property
    def core(self) -> NodeCore | None:
        """None while the machine is off or its disk refuses."""
        return cast(NodeCore | None, None if self.driver is None else self.driver.core)

    @property
    def read_only(self) -> bool:
        """Whether the disk has refused a write, and takes none yet."""
        return self.driver is not None and self.driver.condition.mode is Mode.READ_ONLY

    @property
    def on(self) -> bool:
        """Whether it runs and is awake."""
        return self.core is not None and not self.stopped

    @property
    def key(self) -> bytes:
        return self.signer.key


class WatchedCore(NodeCore):
    """A real core; `before` is told of each input, and a command that is refused may have written nothing."""

    def __init__(self, store: Disk, before: Callable[[Input], None], **options: Any) -> None:
        super().__init__(store, **options)
        self._disk = store
        self._before = before

    def step(self, input_: Input, now: Now) -> Step:
        self._before(input_)
        written = self._disk.written
        try:
            return super().step(input_, now)
        except UserError as refused:
            if self._disk.written != written:
                raise RuntimeError(f"a refused command has changed something: {refused}") from refused
            raise
