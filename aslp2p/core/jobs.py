"""What goes into the driver of a core, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol, TypeAlias

from msgspec import Struct, field

from aslp2p.core.effects import Effect, Step
from aslp2p.core.inputs import Input, Now
from aslp2p.gossip.messages import NO_ROOM, encode_message
from aslp2p.ledger.reader import Reader


class Core(Protocol):
    """What a driver needs of a `NodeCore`."""

    @property
    def wake_at_ms(self) -> int | None: ...

    def step(self, event: Input, now: Now, /) -> Step: ...

    def live(self) -> dict[str, Any]: ...


class Mode(Enum):
    RUNNING = "running"
    READ_ONLY = "read-only"
    STOPPED = "stopped"


class Life(Struct, frozen=True):
    """How a life of a core is, as its driver sees it; `era` numbers them."""

    mode: Mode
    reason: str
    era: int
    damaged: tuple[bytes, ...] = ()

    @property
    def farewell(self) -> bytes | None:
        """What every peer is told before its link ends, and whoever links meanwhile; None: nothing, or links
        go on. A disk that takes no writes has no core that could say it (S2)."""
        return encode_message(NO_ROOM) if self.mode is Mode.READ_ONLY else None


class Reply(Protocol):
    """Where an answer goes."""

    def succeed(self, value: Any) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class Answer:
    """A `Reply` for whoever drives the core by itself and looks afterwards."""

    def __init__(self) -> None:
        self._value: Any = None
        self._error: BaseException | None = None

    def succeed(self, value: Any) -> None:
        self._value = value

    def fail(self, error: BaseException) -> None:
        self._error = error

    def value(self) -> Any:
        """What came; None when nothing did. Raises the error that came instead."""
        if self._error is not None:
            raise self._error
        return self._value


class Spent(Struct):
    """What the inputs of a job took; the driver adds to it."""

    seconds: float = 0.0
    """By the driver's meter."""
    sent_bytes: int = 0


class Inputs(Struct, frozen=True):
    """Events of one link, or one command (then `reply` is set)."""

    inputs: Sequence[Input]
    size: int
    """Bytes."""
    era: int
    """Which life of the core the link belongs to."""
    reply: Reply | None = None
    done: Callable[[], None] | None = None
    """Called when the inputs have had their turn, whatever came of them."""
    spent: Spent | None = None
    """What they take is added here."""


class Question(Struct, frozen=True):
    """Answered from the store, between two batches."""

    function: Callable[[Reader], Any]
    reply: Reply


Job: TypeAlias = Inputs | Question


class Note(Struct, frozen=True):
    """A line for the log; `level` is one of `logging`'s, `error` what was met."""

    level: int
    text: str
    error: Exception | None = None


class Report(Struct):
    """What the shell is to do, in this order: `notes`, `condition`, `effects`, answers, `done`."""

    effects: list[Effect] = field(default_factory=list)
    answers: list[tuple[Reply, Any, BaseException | None]] = field(default_factory=list)
    done: list[Callable[[], None]] = field(default_factory=list)
    condition: Life | None = None
    live: dict[str, Any] | None = None
    notes: list[Note] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        told = self.effects or self.answers or self.done or self.notes
        return not told and self.condition is None and self.live is None

    def answer(self) -> None:
        """Give everybody the answer that has come, and the room back."""
        for reply, value, error in self.answers:
            if error is None:
                reply.succeed(value)
            else:
                reply.fail(error)
        for done in self.done:
            done()
