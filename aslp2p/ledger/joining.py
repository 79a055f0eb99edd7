"""What a store keeps about belonging to a Common, besides its history: written by `init` and `join`, read by
all.

These are settings of this node (`meta`), not facts of the history: the network secret (G2), and until the
first peer has been found what the invite said (section 11).
"""

from __future__ import annotations

from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.invite import GivenFloor, Hint, Invite
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.floor import Floor, give_floor
from aslp2p.ledger.history import read_genesis
from aslp2p.ledger.reader import PutMeta, Reader, Write
from aslp2p.limits import INVITE_BYTES_MAX

META_COMMON_ID = "common-id"
META_NETWORK_SECRET = "network-secret"
META_INVITED_AS = "name"
"""What the invite calls the Common; its genesis has the last word."""
META_TOKEN = "invite-token"
META_HINTS = "hints"
META_LINKED = "linked"
"""There once this machine has been linked with another one: then others may know what it does not (S10)."""
META_OWN_NAME = "own-name"
"""What this machine asks to be called."""
META_PIN = "pin"
"""The snapshot that people here read instead of the head (section 11)."""
META_DISMISSED = "dismissed"
"""The ids of refused proposals that people here have read about, one after the other."""
META_PROTOCOL = "protocol"
"""The protocol of a policy that quorums put in force and this version could not judge (A4)."""
META_ERASING = "erasing"
"""The ids of contents whose erasure the history lists and that waits to be carried out here."""
META_ERASED = "erased"
"""The ids of what was erased here, chunks too: nothing that comes unasked brings it back."""
META_ERASED_BY = "erased-by:"
"""And, in hexadecimal digits, the id of an `erase`: the keys of members that said that it is gone there."""
META_NAME_CHOSEN = "own-name-chosen"
"""There when the owner chose the name that the history has for this machine."""


class Belonging(Struct, frozen=True):
    """Which Common a store belongs to, and how to get to it."""

    common_id: bytes
    name: str
    founded: bool
    """Whether its genesis is here."""
    network_secret: bytes
    token: bytes
    """The invite's as this key shows it on links until it is admitted; empty where there is none."""
    hints: tuple[Hint, ...]
    own_name: str


def founding(common_id: bytes, network_secret: bytes, own_name: str, *, name_chosen: bool) -> list[Write]:
    """What `init` writes besides the genesis."""
    return _own(common_id, network_secret, own_name, name_chosen)


def joining(
    invite: Invite, key: bytes, own_name: str, *, name_chosen: bool, floor: Floor | None = None
) -> list[Write]:
    """What `join` writes for the domain `key`; a new invite for a Common that is here renews token and hints.

    The floor is the invite's, or `floor` where a person was told a higher one; it is on disk before the first
    contact (F5). Raises `UsageError` for an invite whose token is none.
    """
    hints = canonical.encode([list(hint) for hint in invite.hints])
    return [
        *_own(invite.common_id, invite.network_secret, own_name, name_chosen),
        PutMeta(META_INVITED_AS, invite.name.encode()),
        PutMeta(META_TOKEN, invite.shown_by(key)),
        PutMeta(META_HINTS, hints),
        *_giving(invite.floor, floor),
    ]


def _giving(*floors: GivenFloor | Floor | None) -> list[Write]:
    """The highest of them, unless there is none but the genesis."""
    given = [Floor(one.height, one.id) for one in floors if one is not None]
    return [give_floor(max(given, key=lambda one: one.height))] if given else []


def on_paper(
    common_id: bytes,
    network_secret: bytes,
    called: str,
    own_name: str,
    *,
    name_chosen: bool,
    floor: GivenFloor | None = None,
) -> list[Write]:
    """What following a Common by bundles alone writes: a network secret of its own, so of a network with
    nobody else in it, until an invite brings the real one; and the floor that the first bundle gives.
    """
    invited_as = PutMeta(META_INVITED_AS, called.encode())
    return [*_own(common_id, network_secret, own_name, name_chosen), invited_as, *_giving(floor)]


def read_belonging(reader: Reader) -> Belonging | None:
    """Which Common the store belongs to; None for an empty one. Raises `InvariantBroken` for half a
    belonging.
    """
    common_id = reader.meta(META_COMMON_ID)
    if common_id is None:
        return None
    genesis = read_genesis(reader)
    if genesis is not None and genesis.id != common_id:
        raise InvariantBroken("the store holds another Common's genesis")
    secret = reader.meta(META_NETWORK_SECRET)
    if secret is None:
        raise InvariantBroken("the store has no network secret")
    hints = canonical.decode(reader.meta(META_HINTS) or b"\x90", bytes_max=INVITE_BYTES_MAX)
    invited_as = (reader.meta(META_INVITED_AS) or b"").decode()
    return Belonging(
        common_id,
        invited_as if genesis is None else genesis.statement.name,
        genesis is not None,
        secret,
        reader.meta(META_TOKEN) or b"",
        tuple(Hint(*hint) for hint in hints),
        (reader.meta(META_OWN_NAME) or b"").decode(),
    )


def _own(common_id: bytes, network_secret: bytes, own_name: str, name_chosen: bool) -> list[Write]:
    return [
        PutMeta(META_COMMON_ID, common_id),
        PutMeta(META_NETWORK_SECRET, network_secret),
        PutMeta(META_OWN_NAME, own_name.encode()),
        PutMeta(META_NAME_CHOSEN, b"1" if name_chosen else None),
    ]
