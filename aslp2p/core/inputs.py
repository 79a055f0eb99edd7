"""What can happen to a node: everything that `NodeCore.step` takes.

Events come from the driver; commands come from the person on this machine and are answered (`Step.answer`) or
refused with a `UserError`, in which case nothing has changed.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from aslp2p.artifacts.types import Action


class Now(Struct, frozen=True):
    """Two clocks, in milliseconds: `mono` never goes back and stands still while the machine sleeps; `wall`
    is the
    calendar's, and may jump."""

    mono: int
    wall: int


# --- events ---------------------------------------------------------------------------------------


class LinkUp(Struct, frozen=True):
    """A link finished its handshake: the peer has proved `key` and knows the network secret. Admission is
    decided
    here. `link` is a number that the driver never uses twice in a process."""

    link: int
    key: bytes
    token: bytes
    name: str
    address: str
    initiator: bool


class LinkDown(Struct, frozen=True):
    link: int


class Received(Struct, frozen=True):
    """One message from an established link."""

    link: int
    data: bytes


class Tick(Struct, frozen=True):
    """Time has come to `NodeCore.wake_at_ms`, or simply passed."""


class OwnAddresses(Struct, frozen=True):
    """Where this node can be dialled now ("host:port"), to be told to peers."""

    addresses: tuple[str, ...]


Event: TypeAlias = LinkUp | LinkDown | Received | Tick | OwnAddresses


# --- commands -------------------------------------------------------------------------------------


class Propose(Struct, frozen=True):
    """Sign and spread a proposal; the answer is its id (bytes)."""

    action: Action


class AddContent(Struct, frozen=True):
    """Keep content before its put is proposed; the answer is None. `pieces` are (id, bytes)."""

    pieces: tuple[tuple[bytes, bytes], ...]


class MakeToken(Struct, frozen=True):
    """A token for an invite; the answer is the signed artifact's bytes. `uses` 0 means any number."""

    expires_ms: int
    uses: int


class Withdraw(Struct, frozen=True):
    """Stop offering one's own pending proposal; the answer is whether there was one."""

    proposal: bytes


Command: TypeAlias = Propose | AddContent | MakeToken | Withdraw
Input: TypeAlias = Event | Command
