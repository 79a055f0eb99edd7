"""What a step asks of its driver, in order, once everything it wrote is on disk."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field


class Send(Struct, frozen=True):
    """Put one message on a link; if the link is gone, nothing happens."""

    link: int
    data: bytes


class Give(Struct, frozen=True):
    """Send contents on a link (*content*), in order, as the link takes them: they are read when it does, and
    what is not here any more is told (*no content*)."""

    link: int
    contents: tuple[tuple[bytes, int], ...]
    """Id and size."""


class Await(Struct, frozen=True):
    """These contents were asked for: they may be taken in beside the store (`inputs.Came`)."""

    ids: tuple[bytes, ...]


class Close(Struct, frozen=True):
    """End a link. `blame` says that the peer sent what no honest peer sends: back off from it (G5)."""

    link: int
    reason: str
    blame: bool


class Rank(Struct, frozen=True):
    """A link works on the account of `account`, and comes first if it is to the witness or an authority."""

    link: int
    account: bytes
    office: bool


class Slow(Struct, frozen=True):
    """What works on the account of `account` has its next turn so much later: it asks for the same again and
    again (G5)."""

    account: bytes
    pause_ms: int


class AtWork(Struct, frozen=True):
    """Somebody proposed something on the account of `account`: whoever else takes much leaves room for it for
    a while (G5)."""

    account: bytes


class HeardCopy(Struct, frozen=True):
    """Another machine holds a copy of this machine's key: it stops in every Common that it follows (S11)."""


Topic: TypeAlias = Literal[
    "head", "final", "proposal", "paper", "witness", "members", "peers", "contents", "notice"
]
"""What a core publishes about; `docs/control.md` says what each event holds."""


class Publish(Struct, frozen=True):
    """Tell whoever listens on this machine."""

    topic: Topic
    data: dict[str, Any]


class Hints(Struct, frozen=True):
    """Addresses ("host:port") at which peers say that members of this Common can be dialled."""

    addresses: tuple[str, ...]


Effect: TypeAlias = Send | Give | Await | Close | Rank | Slow | AtWork | HeardCopy | Publish | Hints


class Step(Struct):
    """The effects of one step, and for a command its answer.

    `durable`: what the step wrote has to be on disk before any of its effects is carried out, for it holds a
    promise or a new head. Without it the driver may commit a little later, together with more: what is lost
    then (others' proposals, say) comes again by gossip. An answer waits for the disk whatever the step says:
    our own proposal may travel while it is synced, but nobody is told that it is kept before it is.

    `promises`: for each promise and proposal about succession that the step signed, how long a round is, in
    ms; `busy`: it got on with work that takes many ticks and has an end (an audit). The driver's guard counts
    both (S14).
    """

    effects: list[Effect] = field(default_factory=list)
    answer: Any = None
    durable: bool = True
    promises: list[int] = field(default_factory=list)
    busy: bool = False
