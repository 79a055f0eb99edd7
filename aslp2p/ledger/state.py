"""The state of a Common: which paths hold what, who is a member, what is listed.

State is facts (`reader.py`): versioned by height, shared between branches. Keys are one byte of kind and the
rest:

    t PATH -> Entry          d FOLDER -> number of live children     u CONTENT -> Held (`erasure.py`)
    p PROPOSAL -> log index  h LEVEL NUMBER -> Merkle tile root      s -> Standing
    c KEY -> that authority's cosignature     a SNAPSHOT -> the takeover's proposal that abandons it (S9)
    m n f g i v: members, names, invites (`members.py`)

A `Draft` collects what a snapshot changes over the state at its parent; `actions.py` changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.errors import InvariantBroken, Rejected
from aslp2p.ledger.reader import Reader

ADMITTED, EXPELLED, REVOKED = "admitted", "expelled", "revoked"


class NotApplicable(Rejected):
    """A proposal whose action does not apply to the state it meets; `reason_code` is what a rejection
    carries."""

    def __init__(
        self, reason_code: str, message: str, *, rule: str = "V7", subject: bytes | None = None
    ) -> None:
        super().__init__(rule, message, subject=subject)
        self.reason_code = reason_code


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


Members = Mapping[bytes, Member]
T = TypeVar("T")


def pack(record: Any) -> bytes:
    """The canonical bytes of a fact's value."""
    return canonical.encode(msgspec.to_builtins(record, builtin_types=(bytes,)))


def unpack(record: type[T], data: bytes) -> T:
    """A fact's value that this node packed."""
    return msgspec.convert(canonical.decode(data, bytes_max=1 << 20), record, builtin_types=(bytes,))


def path_key(path: str) -> bytes:
    return b"t" + path.encode()


def folder_key(folder: str) -> bytes:
    return b"d" + folder.encode()


def tile_key(level: int, number: int) -> bytes:
    return b"h%02x%014x" % (level, number)


class FactSource(Protocol):
    """Where a draft looks up what it stands on: a `Reader`, or nothing at all above genesis."""

    def fact(self, branch: int, key: bytes, height: int, /) -> bytes | None: ...


class Draft:
    """Facts at one snapshot plus the changes that its child makes; `seal` hands those over and goes on above
    them."""

    def __init__(self, reader: FactSource, branch: int, height: int) -> None:
        self._reader = reader
        self._branch = branch
        self._height = height
        self._known: dict[bytes, bytes | None] = {}
        self._changes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._known[key]
        except KeyError:
            value = self._known[key] = self._reader.fact(self._branch, key, self._height)
            return value

    def set(self, key: bytes, value: bytes | None) -> None:
        self._known[key] = value
        self._changes[key] = value

    def seal(self) -> dict[bytes, bytes | None]:
        """The changes since the last seal."""
        changes, self._changes = self._changes, {}
        return changes

    def entry(self, path: str) -> Entry | None:
        data = self.get(path_key(path))
        return None if data is None else unpack(Entry, data)

    def children(self, folder: str) -> int:
        data = self.get(folder_key(folder))
        return 0 if data is None else int.from_bytes(data, "big")

    def count(self, folder: str, step: int) -> None:
        """Add or take a child of `folder`; a folder that comes to be, or ends, is a child of its own
        parent."""
        while folder:
            before = self.children(folder)
            after = before + step
            if after < 0:
                raise InvariantBroken(f"the folder {folder!r} has {after} children")
            self.set(folder_key(folder), after.to_bytes(4, "big") if after else None)
            if before and after:
                return
            folder = folder.rpartition("/")[0]


def load_members(reader: Reader, branch: int, height: int) -> dict[bytes, Member]:
    """Every key that was ever a member at (branch, height)."""
    return {key[1:]: unpack(Member, value) for key, value in every_fact(reader, branch, b"m", height)}


def every_fact(reader: Reader, branch: int, prefix: bytes, height: int) -> Iterator[tuple[bytes, bytes]]:
    """All live (key, value) with `prefix` at (branch, height), by key, read a page at a time."""
    after = b""
    while page := reader.facts(branch, prefix, height, after=after):
        yield from ((key, value) for key, value, _ in page)
        after = page[-1][0]


def is_admitted(members: Members, key: bytes) -> bool:
    """P6, V8: admitted, and neither expelled nor revoked."""
    member = members.get(key)
    return member is not None and member.status == ADMITTED


def revoked_keys(members: Members) -> frozenset[bytes]:
    return frozenset(key for key, member in members.items() if member.status == REVOKED)
