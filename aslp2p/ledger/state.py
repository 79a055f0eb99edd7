"""The state of a Common: which paths hold what, who is a member, what is listed; and how an action changes
it.

State is facts (`reader.py`): versioned by height, shared between branches. Keys are one byte of kind and the
rest:

    t PATH -> Entry          d FOLDER -> number of live children     m KEY -> Member     n NAME -> key of the
    living member
    p PROPOSAL -> log index  h LEVEL NUMBER -> Merkle tile root      s -> Standing       c KEY -> that
    authority's cosignature  a SNAPSHOT -> the takeover's proposal that abandons it (S9)

A `Draft` collects what a snapshot changes over the state at its parent. An action first checks everything and
then changes the draft, so an action that does not apply has changed nothing (V7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Admit, Expel, Proposal, Put, Remove
from aslp2p.errors import InvariantBroken, Rejected
from aslp2p.ledger.reader import Reader
from aslp2p.ledger.standing import Standing
from aslp2p.limits import MEMBERS_MAX

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


def _require_expected(expects: bytes | None, entry: Entry | None, path: str) -> None:
    if expects is None:
        return
    there = b"" if entry is None else entry.content
    if there != expects:
        now = "nothing is there" if entry is None else f"it is {there.hex()[:12]}"
        raise NotApplicable("changed-meanwhile", f"{path} is not what its author expected: {now} now")


def _require_room(draft: Draft, path: str) -> None:
    """A path is a file or a folder, never both."""
    if draft.children(path):
        raise NotApplicable("path-conflict", f"{path} is a folder")
    folder = path.rpartition("/")[0]
    while folder and not draft.children(folder):
        if draft.get(path_key(folder)) is not None:
            raise NotApplicable("path-conflict", f"{folder} is a file, so nothing can be inside it")
        folder = folder.rpartition("/")[0]


def _put(draft: Draft, action: Put, proposal: Signed[Proposal]) -> None:
    entry = draft.entry(action.path)
    _require_expected(action.expects, entry, action.path)
    if entry is None:
        _require_room(draft, action.path)
        draft.count(action.path.rpartition("/")[0], 1)
    new = Entry(
        action.content,
        action.size,
        action.media_type,
        action.executable,
        action.modified_ms,
        proposal.id,
        proposal.key,
        proposal.statement.created_ms,
    )
    draft.set(path_key(action.path), pack(new))


def _remove(draft: Draft, action: Remove) -> None:
    entry = draft.entry(action.path)
    if entry is None:
        raise NotApplicable("nothing-there", f"{action.path} is not there")
    _require_expected(action.expects, entry, action.path)
    draft.set(path_key(action.path), None)
    draft.count(action.path.rpartition("/")[0], -1)


def set_member(
    draft: Draft, members: dict[bytes, Member], key: bytes, name: str, status: str, by: bytes
) -> None:
    """Record `key` as a member; a name belongs to the living member that has it."""
    member = Member(name, status, by)
    members[key] = member
    draft.set(b"m" + key, pack(member))
    name_key = b"n" + name.encode()
    if status == ADMITTED:
        draft.set(name_key, key)
    elif draft.get(name_key) == key:
        draft.set(name_key, None)


def require_admissible(draft: Draft, members: Members, key: bytes, name: str) -> None:
    """Raises `NotApplicable` unless `key` may become a member called `name`."""
    if key in members and members[key].status == REVOKED:
        raise NotApplicable(
            "revoked", "that key was revoked; a revoked key is never admitted again", rule="V8"
        )
    if len(members) >= MEMBERS_MAX and key not in members:
        raise NotApplicable("full", f"a Common has at most {MEMBERS_MAX} members", rule="A4")
    if draft.get(b"n" + name.encode()) not in (None, key):
        raise NotApplicable("name-taken", f"another member is called {name!r}")


def _admit(
    draft: Draft, members: dict[bytes, Member], standing: Standing, action: Admit, author: bytes, id_: bytes
) -> None:
    known = members.get(action.key)
    if known is not None and known.status == ADMITTED:
        raise NotApplicable("already-admitted", f"that key is a member already, called {known.name!r}")
    by_authority = author in standing.authorities()
    if any(policy.participants == "authorities" for policy in standing.policies) and not by_authority:
        raise NotApplicable("not-authority", "only authorities may admit members here", rule="P6")
    if known is not None and known.status == EXPELLED and not by_authority:
        raise NotApplicable("expelled", "only an authority may admit an expelled key again", rule="P6")
    require_admissible(draft, members, action.key, action.name)
    set_member(draft, members, action.key, action.name, ADMITTED, id_)


def _expel(
    draft: Draft,
    members: dict[bytes, Member],
    standing: Standing,
    action: Expel,
    author: bytes,
    id_: bytes,
    appointed: frozenset[bytes],
) -> None:
    if author not in standing.authorities():
        raise NotApplicable("not-authority", "only an authority may expel", rule="P6")
    if action.key in standing.authorities() | appointed:
        raise NotApplicable(
            "is-authority", "an authority leaves by policy change or revocation, not by expulsion", rule="P6"
        )
    if action.key in (standing.witness, standing.next_witness):
        raise NotApplicable("is-witness", "the witness is replaced before it is expelled", rule="P6")
    member = members.get(action.key)
    if member is None or member.status != ADMITTED:
        raise NotApplicable("not-a-member", "that key is no member", rule="P6")
    set_member(draft, members, action.key, member.name, EXPELLED, id_)


def apply_action(
    draft: Draft,
    members: dict[bytes, Member],
    standing: Standing,
    proposal: Signed[Proposal],
    appointed: frozenset[bytes] = frozenset(),
) -> None:
    """Apply a proposal's ordinary action to `draft` and `members` (V7).

    `appointed` are the keys that a certificate of the same snapshot makes witness or authority: they cannot
    be expelled beside it (P6). Raises `NotApplicable`, with nothing changed, if its author may not or the
    state does not fit. Successions and policy changes are not applied here: they ride on a certificate
    (`gate.py`).
    """
    if not is_admitted(members, proposal.key):
        raise NotApplicable("not-admitted", "its author is not an admitted member", subject=proposal.id)
    if draft.get(b"p" + proposal.id) is not None:
        raise NotApplicable("listed-already", "it is listed already on this branch", subject=proposal.id)
    action = proposal.statement.action
    match action:
        case Put():
            _put(draft, action, proposal)
        case Remove():
            _remove(draft, action)
        case Admit():
            _admit(draft, members, standing, action, proposal.key, proposal.id)
        case Expel():
            _expel(draft, members, standing, action, proposal.key, proposal.id, appointed)
        case _:
            raise NotApplicable(
                "no-certificate", "a succession or policy change is listed with its certificate only"
            )
