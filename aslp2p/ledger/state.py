"""The state of a Common: which paths hold what, who is a member, what is listed.

`facts.py` has how it is kept. A `Draft` collects what a snapshot changes over the state at its parent;
`actions.py` changes it.
"""

from __future__ import annotations

from typing import Protocol

from aslp2p.errors import InvariantBroken, Rejected
from aslp2p.ledger import facts
from aslp2p.ledger.facts import Entry, Members

ADMITTED, EXPELLED, REVOKED = "admitted", "expelled", "revoked"


class NotApplicable(Rejected):
    """A proposal whose action does not apply to the state it meets; `reason_code` is what a rejection
    carries."""

    def __init__(
        self, reason_code: str, message: str, *, rule: str = "V7", subject: bytes | None = None
    ) -> None:
        super().__init__(rule, message, subject=subject)
        self.reason_code = reason_code


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
        data = self.get(facts.path_key(path))
        return None if data is None else facts.unpack(Entry, data)

    def children(self, folder: str) -> int:
        return facts.number(self.get(facts.folder_key(folder)))

    def count(self, folder: str, step: int) -> None:
        """Add or take a child of `folder`; a folder that comes to be, or ends, is a child of its own
        parent."""
        while folder:
            before = self.children(folder)
            after = before + step
            if after < 0:
                raise InvariantBroken(f"the folder {folder!r} has {after} children")
            self.set(facts.folder_key(folder), facts.packed_children(after))
            if before and after:
                return
            folder = folder.rpartition("/")[0]


def is_admitted(members: Members, key: bytes) -> bool:
    """P6, V8: admitted, and neither expelled nor revoked."""
    member = members.get(key)
    return member is not None and member.status == ADMITTED


def revoked_keys(members: Members) -> frozenset[bytes]:
    return frozenset(key for key, member in members.items() if member.status == REVOKED)
