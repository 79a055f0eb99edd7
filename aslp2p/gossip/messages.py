"""What two nodes of a Common say to each other over a link: canonical arrays whose first item is the kind.

Every message stands alone: losing, repeating or reordering them costs time and nothing else (G5).
`docs/gossip.md` has the table.
"""

from __future__ import annotations

import struct
from typing import Annotated, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.types import Embedded, Hash, Uint
from aslp2p.errors import ArtifactError, NewerPeer, PeerFault
from aslp2p.limits import (
    ADDRESSES_PER_MESSAGE_MAX,
    CHUNK_BYTES,
    HOLDING_IDS_MAX,
    ID_BYTES,
    IDS_PER_MESSAGE_MAX,
    LOCATORS_MAX,
    MESSAGE_BYTES_MAX,
    NEIGHBOURS_MAX,
    OPEN_DIGEST_BYTES,
    PROPOSALS_PER_SNAPSHOT_MAX,
    RANGE_SNAPSHOTS_MAX,
    SIGNATURE_BYTES,
    TEXT_BYTES_MAX,
)

Ids: TypeAlias = Annotated[tuple[Hash, ...], Meta(max_length=IDS_PER_MESSAGE_MAX)]
Raws: TypeAlias = Annotated[tuple[Embedded, ...], Meta(max_length=IDS_PER_MESSAGE_MAX)]
Contents: TypeAlias = Annotated[
    tuple[Annotated[bytes, Meta(max_length=CHUNK_BYTES)], ...], Meta(max_length=IDS_PER_MESSAGE_MAX)
]

CONTENT_TAG = 9


class Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of every message."""


class Heads(Message, frozen=True, tag=1):
    """Where the sender stands, and a digest of what is open at it (G3). Sent on connect, on change, on a
    timer."""

    protocol: Uint
    head: Hash
    height: Uint
    epoch: Uint
    final_height: Uint
    open_digest: Annotated[bytes, Meta(min_length=OPEN_DIGEST_BYTES, max_length=OPEN_DIGEST_BYTES)]


class Push(Message, frozen=True, tag=2):
    """New small artifacts, and small contents that go with them; also the answer to `Want`."""

    artifacts: Raws
    contents: Contents


class Have(Message, frozen=True, tag=3):
    """The sender holds these artifacts; ask with `Want`."""

    ids: Ids


class Want(Message, frozen=True, tag=4):
    ids: Ids


class OpenIds(Message, frozen=True, tag=5):
    """All open ids of the sender in these buckets of its digest; the receiver asks for and gives what
    differs."""

    buckets: Annotated[tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(max_length=256)]
    ids: Ids


class GetRange(Message, frozen=True, tag=6):
    """Snapshots on the line of `tip`: from the one after the highest of `locators` on that line or, when
    there are none, from height `first`."""

    request: Uint
    tip: Hash
    locators: Annotated[tuple[Hash, ...], Meta(max_length=LOCATORS_MAX)]
    first: Uint
    count: Annotated[int, Meta(ge=1, le=RANGE_SNAPSHOTS_MAX)]


class RangeItem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    snapshot: Embedded
    proposals: Annotated[tuple[Embedded, ...], Meta(max_length=PROPOSALS_PER_SNAPSHOT_MAX)]


class Range(Message, frozen=True, tag=7):
    """The answer: consecutive snapshots with their proposals and small contents; none if the tip is not
    known."""

    request: Uint
    first: Uint
    items: Annotated[tuple[RangeItem, ...], Meta(max_length=RANGE_SNAPSHOTS_MAX)]
    contents: Contents


class GetContent(Message, frozen=True, tag=8):
    ids: Ids


class Content(Message, frozen=True, tag=CONTENT_TAG):
    """Asked-for contents; each is addressed by its hash."""

    contents: Contents


class NoContent(Message, frozen=True, tag=10):
    """The sender does not hold these."""

    ids: Ids


class Neighbours(Message, frozen=True, tag=11):
    """Whom the sender has links to (first 8 bytes of their keys), so that nobody relays what they get
    anyway."""

    keys: Annotated[
        tuple[Annotated[bytes, Meta(min_length=8, max_length=8)], ...], Meta(max_length=NEIGHBOURS_MAX)
    ]


class Addresses(Message, frozen=True, tag=12):
    """Where members can be dialled ("host:port"); hints, nothing more (G1)."""

    addresses: Annotated[
        tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=ADDRESSES_PER_MESSAGE_MAX)
    ]


class Refused(Message, frozen=True, tag=13):
    """Why the sender is about to close the link, for the person on the other side."""

    code: Annotated[str, Meta(max_length=32)]
    text: Annotated[str, Meta(max_length=TEXT_BYTES_MAX)]


NO_ROOM = Refused("no-room", "its disk takes no writes, so it signs nothing for now")
"""What a machine says that lives and can do no more: of a witness it is a sign of life (S2)."""


class DuplicateKey(Message, frozen=True, tag=14):
    """A step of showing two processes of one key that both are there (S11): see `core/duplicate_keys.py`."""

    step: Annotated[int, Meta(ge=0, le=3)]
    number: Annotated[bytes, Meta(max_length=ID_BYTES)]
    proof: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES)]


class AskHolding(Message, frozen=True, tag=15):
    """Which of these contents the receiver holds, whole, and keeps."""

    request: Uint
    ids: Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=HOLDING_IDS_MAX)]


class Holding(Message, frozen=True, tag=16):
    """The answer: a state for each id, in order; one that is not known is read as 0."""

    request: Uint
    states: Annotated[bytes, Meta(max_length=HOLDING_IDS_MAX)]


AnyMessage: TypeAlias = (
    Heads
    | Push
    | Have
    | Want
    | OpenIds
    | GetRange
    | Range
    | GetContent
    | Content
    | NoContent
    | Neighbours
    | Addresses
    | Refused
    | DuplicateKey
    | AskHolding
    | Holding
)


_BY_TAG: dict[int, type[AnyMessage]] = {one.__struct_config__.tag: one for one in get_args(AnyMessage)}
"""Faster than to let msgspec find the type: it would look at all of them for each message."""


def kind_of(data: bytes) -> type[AnyMessage] | None:
    """Which message the bytes begin like, without a look at the rest; None for none that is known."""
    return _BY_TAG.get(data[1]) if len(data) > 1 else None


_ONE_CONTENT = struct.Struct(">BBBBI")
_ONE = (0x92, CONTENT_TAG, 0x91, 0xC6)
"""An array of two: the kind, and an array of one byte string of more than 65,535 bytes."""


def content_header(size: int) -> bytes:
    """What a message of one content begins with, whose `size` is above 65,535; it follows."""
    return _ONE_CONTENT.pack(*_ONE, size)


def one_content(message: bytes) -> memoryview | None:
    """The content in a message of one that is longer than 65,535 bytes, as `content_header` begins it; None
    for any other message, also one that is none."""
    if len(message) < _ONE_CONTENT.size:
        return None
    *one, size = _ONE_CONTENT.unpack_from(message)
    if tuple(one) != _ONE or not 2**16 <= size <= CHUNK_BYTES or len(message) != _ONE_CONTENT.size + size:
        return None
    return memoryview(message)[_ONE_CONTENT.size :]


def encode_message(message: AnyMessage) -> bytes:
    """The bytes of a message for a link."""
    return canonical.encode(msgspec.to_builtins(message, builtin_types=(bytes,)))


def decode_message(data: bytes) -> AnyMessage:
    """The message that `data` encodes; raises `PeerFault` for anything else, whatever the bytes."""
    try:
        value = canonical.decode(data, bytes_max=MESSAGE_BYTES_MAX)
        tag = value[0] if type(value) is list and value else None
        if type(tag) is not int:
            raise PeerFault("not a message: it has no tag")
        if tag not in _BY_TAG:
            raise NewerPeer(f"a message of kind {tag}")
        return msgspec.convert(value, _BY_TAG[tag], builtin_types=(bytes,))
    except ArtifactError as error:
        raise PeerFault(f"not a message: {error.message}") from None
    except msgspec.ValidationError as error:
        raise PeerFault(f"not a message: {error}") from None
