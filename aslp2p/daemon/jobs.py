"""What goes into a node's thread and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct, field

from aslp2p.core.effects import Effect, Step
from aslp2p.core.inputs import Input, Now
from aslp2p.daemon.fair import Spent
from aslp2p.ledger.reader import Reader


class Core(Protocol):
    """What the worker needs of a `NodeCore`."""

    @property
    def wake_at_ms(self) -> int | None: ...

    def step(self, event: Input, now: Now, /) -> Step: ...

    def live(self) -> dict[str, Any]: ...


class Mode(Enum):
    RUNNING = "running"
    READ_ONLY = "read-only"
    STOPPED = "stopped"


class Condition(Struct, frozen=True):
    """How a node is, as its thread sees it."""

    mode: Mode
    reason: str
    era: int
    damaged: tuple[bytes, ...] = ()


class Reply(Protocol):
    """Where an answer goes, in the trio thread."""

    def succeed(self, value: Any) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class Inputs(Struct, frozen=True):
    """Events of one link, or one command (then `reply` is set)."""

    inputs: Sequence[Input]
    size: int
    """Bytes."""
    era: int
    """Which life of the core the link belongs to."""
    reply: Reply | None = None
    done: Callable[[], None] | None = None
    """Called in the trio thread when the inputs have had their turn, whatever came of them."""
    spent: Spent | None = None
    """What they take is added here."""


class Question(Struct, frozen=True):
    function: Callable[[Reader], Any]
    reply: Reply


class Leave(Struct, frozen=True):
    """Close the store and end the thread."""


Job = Inputs | Question | Leave


class Report(Struct):
    """What the trio thread is to do, in this order: `condition`, `effects`, answers, `done`."""

    effects: list[Effect] = field(default_factory=list)
    answers: list[tuple[Reply, Any, BaseException | None]] = field(default_factory=list)
    done: list[Callable[[], None]] = field(default_factory=list)
    condition: Condition | None = None
    live: dict[str, Any] | None = None


def read_clocks() -> Now:
    """Both clocks now. `CLOCK_MONOTONIC` stands still while a Linux machine sleeps (S2)."""
    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
