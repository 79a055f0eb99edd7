"""Facts: how the state of a Common is kept, in which keys and encodings, and what is asked of it.

Facts (`reader.py`) are versioned by height and shared between branches. A key is one byte of kind and the
rest; nobody else puts one together or takes one apart.

    t PATH -> Entry                    d FOLDER -> how many live children it has
    u CONTENT -> Held                  p PROPOSAL -> its log index
    h LEVEL NUMBER -> Merkle tile root s -> Standing
    m KEY -> Member                    n NAME -> key of the living member; `RESERVED`: an authority gives it
    f KEY -> the proposal that forgot it       g KEY -> how many it has let in that rest on no authority
    i INVITE -> how often it was used          v INVITE, v INVITE KEY -> revoked, by an authority or by KEY
    a SNAPSHOT -> the takeover's proposal that abandons it (S9)
    c KEY -> that authority's newest cosignature, which follows the snapshot and is no part of what it makes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.ledger.reader import Reader, SnapshotRow
from aslp2p.ledger.standing import Standing

SEVERAL = b""
RESERVED = b"-"


class Entry(Struct, frozen=True, array_like=True):
    """What a path holds."""

    content: bytes
    size: int
    media_type: str
    executable: bool
    modified_ms: int
    """By its author's word; 0: not known."""
    proposal: bytes
    author: bytes
    created_ms: int


class Member(Struct, frozen=True, array_like=True):
    name: str
    status: str
    by: bytes
    """The proposal (or genesis) that made it so."""
    kept: bool
    """The history names this key: it proposed, invited, or was an authority or a witness."""


class Held(Struct, frozen=True, array_like=True):
    """What the history says of one content at a snapshot."""

    size: int
    """The largest that a put named."""
    by: bytes
    """Whose every put of it is; `SEVERAL` where there are more than one."""
    paths: int
    """How many paths hold it."""
    erased: bytes
    """The `erase` that nobody has revived it since; empty if none."""
    path: str = ""
    """Where it was put last; empty where that was not written down."""


Members = Mapping[bytes, Member]
T = TypeVar("T")


# --- keys ---------------------------------------------------------------------------------------------

PATH, FOLDER, CONTENT, PROPOSAL, TILE, STANDING = b"t", b"d", b"u", b"p", b"h", b"s"
MEMBER, NAME, FORGOTTEN, LET_IN, INVITE_USES, INVITE_REVOKED = b"m", b"n", b"f", b"g", b"i", b"v"
ABANDONED, COSIGNATURE = b"a", b"c"

_WORDS = {
    PATH: "path", FOLDER: "folder", MEMBER: "member", NAME: "name",
    PROPOSAL: "proposal", STANDING: "standing",
}  # fmt: skip


def path_key(path: str) -> bytes:
    return PATH + path.encode()


def folder_key(folder: str) -> bytes:
    return FOLDER + folder.encode()


def tile_key(level: int, number: int) -> bytes:
    return TILE + b"%02x%014x" % (level, number)


def held_key(content: bytes) -> bytes:
    return CONTENT + content


def proposal_key(proposal: bytes) -> bytes:
    """Also of the first bytes of an id: the prefix of the keys of all that begin so."""
    return PROPOSAL + proposal


def member_key(key: bytes) -> bytes:
    return MEMBER + key


def name_key(name: str) -> bytes:
    """Of any text that a person may have typed; one that is no name is nobody's."""
    return NAME + name.encode(errors="replace")


def forgotten_key(key: bytes) -> bytes:
    return FORGOTTEN + key


def let_in_key(key: bytes) -> bytes:
    return LET_IN + key


def invite_uses_key(invite: bytes) -> bytes:
    return INVITE_USES + invite


def invite_revoked_key(invite: bytes, by: bytes = b"") -> bytes:
    """`by` is whoever made it; without, the key of its revocation by an authority."""
    return INVITE_REVOKED + invite + by


def abandoned_key(snapshot: bytes) -> bytes:
    return ABANDONED + snapshot


def cosignature_key(key: bytes) -> bytes:
    return COSIGNATURE + key


def subject_of(key: bytes) -> bytes:
    """What the fact is about: the key without its kind."""
    return key[1:]


def is_abandoned(key: bytes) -> bool:
    """Whether this is the key of a snapshot that is given up."""
    return key.startswith(ABANDONED)


def shown(key: bytes) -> str:
    """The key in words, for whoever reads of a fact that is damaged."""
    kind, subject = key[:1], subject_of(key)
    named = subject.decode(errors="replace") if kind in (PATH, FOLDER, NAME) else subject.hex()[:12]
    return f"{_WORDS.get(kind, 'key')} {named!r}" if subject else _WORDS.get(kind, repr(kind))


# --- encodings ----------------------------------------------------------------------------------------


def pack(record: Any) -> bytes:
    """The canonical bytes of a fact's value."""
    return canonical.encode(msgspec.to_builtins(record, builtin_types=(bytes,)))


def unpack(record: type[T], data: bytes) -> T:
    """A fact's value that this node packed."""
    return msgspec.convert(canonical.decode(data, bytes_max=1 << 20), record, builtin_types=(bytes,))


def packed_index(index: int) -> bytes:
    """A log index."""
    return index.to_bytes(8, "big")


def packed_children(count: int) -> bytes | None:
    """How many children a folder has; None: there is no such folder."""
    return count.to_bytes(4, "big") if count else None


def packed_count(count: int) -> bytes:
    """How often something was used, or has happened."""
    return count.to_bytes(2, "big")


def number(data: bytes | None) -> int:
    """What one of the three packed; 0 where there is none."""
    return int.from_bytes(data or b"", "big")


def read_held(data: bytes | None) -> Held | None:
    """The fact's value, if there is one."""
    return None if data is None else unpack(Held, data)


def _read_member(data: bytes | None) -> Member | None:
    return None if data is None else unpack(Member, data)


# --- questions ----------------------------------------------------------------------------------------


def every_fact(reader: Reader, branch: int, prefix: bytes, height: int) -> Iterator[tuple[bytes, bytes]]:
    """All live (key, value) with `prefix` at (branch, height), by key, read a page at a time."""
    after = b""
    while page := reader.facts(branch, prefix, height, after=after):
        yield from ((key, value) for key, value, _ in page)
        after = page[-1][0]


def listed_at(reader: Reader, branch: int, height: int, proposal: bytes) -> int | None:
    """The log index of `proposal` at (branch, height); None where it is not listed."""
    data = reader.fact(branch, proposal_key(proposal), height)
    return None if data is None else number(data)


def snapshot_listing(reader: Reader, branch: int, height: int, proposal: bytes) -> SnapshotRow | None:
    """The snapshot at or below (branch, height) that lists `proposal`, if one does."""
    index = listed_at(reader, branch, height, proposal)
    return None if index is None else reader.snapshot_holding(branch, index)


def listed_with(reader: Reader, branch: int, height: int, first: bytes, limit: int) -> set[bytes]:
    """Up to `limit` ids of proposals that begin with the bytes `first` and are listed at (branch, height)."""
    facts = reader.facts(branch, proposal_key(first), height, limit=limit)
    return {subject_of(key) for key, _, _ in facts}


def entry_at(reader: Reader, branch: int, height: int, path: str) -> Entry | None:
    """What `path` holds at (branch, height)."""
    data = reader.fact(branch, path_key(path), height)
    return None if data is None else unpack(Entry, data)


def path_changes(
    reader: Reader, branch: int, height: int, path: str, limit: int = 1000
) -> list[tuple[int, bool]]:
    """The newest `limit` heights at or below `height` that changed exactly `path`, newest first, and whether
    anything was there from then on."""
    changes = reader.fact_changes(branch, path_key(path), height, limit=limit)
    return [(at, data is not None) for at, data in changes]


def is_folder(reader: Reader, branch: int, height: int, path: str) -> bool:
    """Whether anything is below `path` at (branch, height)."""
    return bool(reader.facts(branch, path_key(f"{path.rstrip('/')}/"), height, limit=1))


def entries_below(
    reader: Reader, branch: int, height: int, folder: str, after: str = ""
) -> Iterator[tuple[str, Entry, int]]:
    """(path, entry, height of its last change) of all below `folder` ("": everything), in the order of the
    bytes of the paths, from the first above `after`."""
    start = path_key(after) if after else b""
    below = path_key(f"{folder}/" if folder else "")
    while page := reader.facts(branch, below, height, after=start):
        for key, value, changed in page:
            yield subject_of(key).decode(), unpack(Entry, value), changed
        start = page[-1][0]


def contents_held(
    reader: Reader, branch: int, height: int, after: bytes, limit: int
) -> list[tuple[bytes, Held, int]]:
    """Up to `limit` contents that the history names, from the first id above `after`: what it says of each,
    and the height at which that changed last."""
    start = held_key(after) if after else b""
    rows = reader.facts(branch, CONTENT, height, after=start, limit=limit)
    return [(subject_of(key), unpack(Held, value), at) for key, value, at in rows]


def held_changes(reader: Reader, branch: int, height: int, content: bytes) -> list[tuple[int, Held | None]]:
    """What the history said of `content` up to `height`, newest first."""
    return [(at, read_held(data)) for at, data in reader.fact_changes(branch, held_key(content), height)]


def held_at(reader: Reader, branch: int, height: int, content: bytes) -> Held | None:
    """What the history says of `content` at (branch, height)."""
    return read_held(reader.fact(branch, held_key(content), height))


def member_at(reader: Reader, branch: int, height: int, key: bytes) -> Member | None:
    """What the history has about `key` at (branch, height); None: it was never a member, or is forgotten."""
    return _read_member(reader.fact(branch, member_key(key), height))


def member_changes(reader: Reader, branch: int, height: int, key: bytes) -> list[Member]:
    """As whom the history has known `key` up to `height`, newest first."""
    changes = reader.fact_changes(branch, member_key(key), height)
    return [unpack(Member, data) for _, data in changes if data is not None]


def load_members(reader: Reader, branch: int, height: int) -> dict[bytes, Member]:
    """Every key that was ever a member at (branch, height)."""
    facts = every_fact(reader, branch, MEMBER, height)
    return {subject_of(key): unpack(Member, value) for key, value in facts}


def key_named(reader: Reader, branch: int, height: int, name: str) -> bytes | None:
    """Whose name it is at (branch, height): a living member's key."""
    key = reader.fact(branch, name_key(name), height)
    return None if key == RESERVED else key


def invite_uses(reader: Reader, branch: int, height: int, invite: bytes) -> int:
    """How often an invite was used."""
    return number(reader.fact(branch, invite_uses_key(invite), height))


def is_invite_revoked(reader: Reader, branch: int, height: int, invite: bytes, by: Sequence[bytes]) -> bool:
    """Whether an authority has revoked an invite, or one of `by`."""
    keys = [invite_revoked_key(invite), *(invite_revoked_key(invite, one) for one in by)]
    return any(reader.fact(branch, key, height) is not None for key in keys)


def standing_at(reader: Reader, branch: int, height: int) -> Standing:
    """The standing at a snapshot that is stored."""
    data = reader.fact(branch, STANDING, height)
    if data is None:
        raise LookupError(f"no standing at {branch}:{height}")
    return Standing.decode(data)


def standing_changes(reader: Reader, branch: int, above: int, height: int) -> Iterator[tuple[int, Standing]]:
    """The standings that a line changed to at heights above `above` and up to `height`, highest first."""
    while changes := reader.fact_changes(branch, STANDING, height):
        for at, data in changes:
            if at <= above:
                return
            if data is not None:  # a standing is replaced, never ended
                yield at, Standing.decode(data)
        height = changes[-1][0] - 1


def cosignatures_on(reader: Reader, branch: int, height: int) -> dict[bytes, tuple[int, bytes]]:
    """Each key's newest cosignature on the line up to `height`: key to (height cosigned, raw artifact)."""
    rows = reader.facts(branch, COSIGNATURE, height)
    return {subject_of(key): (at, raw) for key, raw, at in rows}
