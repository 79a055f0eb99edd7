"""What can happen to a node: everything that `NodeCore.step` takes.

Events come from the driver; commands come from the person on this machine and are answered (`Step.answer`) or
refused with a `UserError`, in which case nothing has changed.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from aslp2p.artifacts.types import Action, Policy
from aslp2p.ledger.keeping import Keep, Pin
from aslp2p.ledger.reader import Staged


class Now(Struct, frozen=True):
    """Two clocks, in milliseconds: `mono` never goes back and stands still while the machine sleeps; `wall`
    is the calendar's, and may jump."""

    mono: int
    wall: int


# --- events ---------------------------------------------------------------------------------------


class LinkUp(Struct, frozen=True):
    """A link finished its handshake: the peer has proved `key` and knows the network secret. Admission is
    decided here. `link` is a number that the driver never uses twice in a process."""

    link: int
    key: bytes
    token: bytes
    name: str
    address: str
    initiator: bool
    process: bytes = b""
    """The key of the process at the other end (G2); empty where there is none."""


class LinkDown(Struct, frozen=True):
    link: int


class Received(Struct, frozen=True):
    """One message from an established link."""

    link: int
    data: bytes


class Came(Struct, frozen=True):
    """Contents that a link brought and that were taken in beside the store."""

    link: int
    staged: tuple[Staged, ...]


class Tick(Struct, frozen=True):
    """Time has come to `NodeCore.wake_at_ms`, or simply passed."""


class OwnAddresses(Struct, frozen=True):
    """Where this node can be dialled now ("host:port"), to be told to peers."""

    addresses: tuple[str, ...]


class MarkStale(Struct, frozen=True):
    """The driver has found that this key's journal may be old: the home was copied or restored (S11)."""

    reason: str


class Lost(Struct, frozen=True):
    """The driver found these damaged in the store: forget them and fetch them again."""

    ids: tuple[bytes, ...]


Event: TypeAlias = LinkUp | LinkDown | Received | Came | Tick | OwnAddresses | MarkStale | Lost


# --- commands -------------------------------------------------------------------------------------


class Propose(Struct, frozen=True):
    """Sign and spread a proposal; the answer is its id (bytes). `pieces` are content to keep with it, and so
    is what was taken in beside the store."""

    action: Action
    pieces: tuple[tuple[bytes, bytes], ...] = ()
    staged: tuple[Staged, ...] = ()


class AddStaged(Struct, frozen=True):
    """Keep contents for a put to come that were taken in beside the store."""

    staged: tuple[Staged, ...]


class AddContent(Struct, frozen=True):
    """Keep content before its put is proposed; the answer is None. `pieces` are (id, bytes)."""

    pieces: tuple[tuple[bytes, bytes], ...]


class MakeToken(Struct, frozen=True):
    """A token for an invite (bytes, see `artifacts.token`) that lets in as many keys as `uses`."""

    expires_ms: int
    uses: int


class Withdraw(Struct, frozen=True):
    """Stop offering one's own pending proposal; the answer is whether there was one. The witness takes a
    rotation back with one to itself above it (S12)."""

    proposal: bytes


class Endorse(Struct, frozen=True):
    """Endorse an open succession, policy change or erasure; the answer is the signed endorsement's bytes."""

    proposal: bytes


class Rotate(Struct, frozen=True):
    """The witness asks to hand over to `new_witness`; the answer is the proposal's id."""

    new_witness: bytes
    reason: str


class Recover(Struct, frozen=True):
    """An authority proposes, and endorses, a new witness (itself by default) before its daemon would.

    `abandons` names cosigned snapshots that are given up (S9). The answer is the proposal's id."""

    reason: str
    new_witness: bytes | None = None
    abandons: tuple[bytes, ...] = ()


class Revoke(Struct, frozen=True):
    """An authority proposes, and endorses, to end a key. The answer is the proposal's id."""

    revoked: bytes
    reason: str
    evidence: tuple[bytes, ...] = ()
    new_witness: bytes | None = None
    abandons: tuple[bytes, ...] = ()


class ChangePolicy(Struct, frozen=True):
    """Propose another policy, and endorse it if this key may; the answer is the proposal's id."""

    policy: Policy


class Vouch(Struct, frozen=True):
    """The owner of a 1-of-1 Common, alone in it, says that the journal is whole (S11)."""


class MoveFloor(Struct, frozen=True):
    """A person decides which policy change every line has to contain here (F5), by the id of the snapshot
    that carries it; it is logged for ever."""

    snapshot: bytes


class ReadAt(Struct, frozen=True):
    """Show this machine's people that snapshot until they say otherwise (None); nothing else changes (section
    11)."""

    snapshot: bytes | None


class Dismiss(Struct, frozen=True):
    """A person has read why these proposals were refused; they are not told of again."""

    proposals: tuple[bytes, ...]


class Import(Struct, frozen=True):
    """Take a bundle's artifacts and contents, all or none; the answer is an `Imported`.

    `manifests` are contents that are wanted as manifests: their chunks are wanted from now on."""

    artifacts: tuple[bytes, ...]
    contents: tuple[bytes, ...] = ()
    manifests: tuple[bytes, ...] = ()


class DecideKeep(Struct, frozen=True):
    """What this machine keeps of the Common from now on; None: what its configuration says."""

    keep: Keep | None


class PinPaths(Struct, frozen=True):
    """What this machine keeps for good, whatever else was decided: all pins, in the place of those before."""

    pins: tuple[Pin, ...]


class Prune(Struct, frozen=True):
    """Look now for what may go; `dry`: only to know."""

    dry: bool = False


class HowPruned(Struct, frozen=True):
    """How far the look for what may go is; the answer is as `Keeping.live` tells it, of this moment."""


class Fetch(Struct, frozen=True):
    """Fetch these contents, id and size of each, although they are not kept here; for some time they stay."""

    contents: tuple[tuple[bytes, int], ...]


class AskHolders(Struct, frozen=True):
    """Ask the members that are linked whether they hold a content."""

    content: bytes


class HeardHolders(Struct, frozen=True):
    """The answer is what `AskHolders` has brought: a dict from key to `holding.State`, and the keys of those
    that have not answered yet."""

    content: bytes


KeepCommand: TypeAlias = DecideKeep | PinPaths | Prune | HowPruned | Fetch | AskHolders | HeardHolders
Command: TypeAlias = (
    Propose
    | AddContent
    | AddStaged
    | MakeToken
    | Withdraw
    | Endorse
    | Rotate
    | Recover
    | Revoke
    | ChangePolicy
    | Vouch
    | MoveFloor
    | ReadAt
    | Dismiss
    | Import
    | KeepCommand
)
Input: TypeAlias = Event | Command
