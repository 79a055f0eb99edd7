"""From a control method's parameters to a proposal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from aslp2p.artifacts.types import Action
from aslp2p.core.inputs import Command, Propose
from aslp2p.errors import UsageError
from aslp2p.views.actions import parse_id

T = TypeVar("T")
ExpectsText = str | None
"""null: anything may be there; "": nothing may; else the id that must be there."""


class Proposing(Protocol):
    """One Common in the running daemon, as far as proposing goes."""

    async def command(self, command: Command, /) -> Any: ...


async def propose(
    node: Proposing, action: Action, pieces: tuple[tuple[bytes, bytes], ...] = ()
) -> dict[str, Any]:
    """The answer that names the proposal. Raises `UserError`."""
    id_: bytes = await node.command(Propose(action, pieces))
    return {"proposal": id_.hex()}


def made(record: Callable[..., T], *fields: Any) -> T:
    """An action from a user's parameters; what it refuses is the user's fault."""
    try:
        return record(*fields)
    except ValueError as error:
        raise UsageError(f"this cannot be proposed: it is {error}") from None


def expected(text: ExpectsText) -> bytes | None:
    """What a put or removal expects to be there."""
    return parse_id(text, "expects") if text else None if text is None else b""
