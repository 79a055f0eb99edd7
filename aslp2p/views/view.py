"""One Common, read at one moment, by somebody: the branch of the head, versions, and names for keys."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.keys import key_text, short_key
from aslp2p.artifacts.types import Genesis
from aslp2p.errors import InvariantBroken, UsageError, UserError
from aslp2p.ledger.facts import Member, member_at, standing_at
from aslp2p.ledger.finality import read_final
from aslp2p.ledger.history import META_HEAD
from aslp2p.ledger.joining import META_NAME_CHOSEN, META_PIN
from aslp2p.ledger.reader import Reader, SnapshotRow
from aslp2p.ledger.standing import Standing

YOU = "you"


class NothingHere(UserError):
    """The Common was joined and nothing of its history has come yet."""

    code = "nothing-here"


class View:
    """A `Reader` with its head, for one asker. Good for one transaction: make a new one for each question.

    Raises `NothingHere` when the store has no genesis yet.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        own_key: bytes | None = None,
        name_chosen: bool = False,
        head: SnapshotRow | None = None,
    ) -> None:
        """`head` is another snapshot that is to count as the newest."""
        self.reader = reader
        self.own_key = own_key
        self.head = head or head_row(reader)
        self.branch = self.head.branch
        self._name_chosen = name_chosen or reader.meta(META_NAME_CHOSEN) is not None
        self._members: dict[bytes, Member | None] = {}

    @property
    def height(self) -> int:
        """The head's."""
        return self.head.height

    def newest(self) -> View:
        """The view of the head, whatever this one is pinned to."""
        row = head_row(self.reader)
        if row.id == self.head.id:
            return self
        return View(self.reader, own_key=self.own_key, name_chosen=self._name_chosen, head=row)

    def reading(self, version: int | None) -> View:
        """The view for somebody who reads `@version`: while reading is pinned, that of the pinned snapshot
        unless they name a higher one. Raises `UserError` when the pinned snapshot is not here any more.
        """
        pinned = self.reader.meta(META_PIN)
        if pinned is None:
            return self
        row = self.reader.snapshot(pinned)
        if row is None:
            raise UserError(
                "the version that reading is pinned to is not here any more", remedy="type: asl unpin"
            )
        if version is not None and version > row.height:
            return self
        return View(self.reader, own_key=self.own_key, name_chosen=self._name_chosen, head=row)

    def genesis(self) -> Genesis:
        """What founded this Common."""
        row = self.reader.snapshot_at(self.branch, 0)
        if row is None:
            raise InvariantBroken("a history without its genesis")
        return decode_as(Genesis, row.raw).statement

    def at(self, version: int | None) -> int:
        """The height that `@version` means; None: the head's. Raises `UserError` if it is not there (yet)."""
        if version is None:
            return self.height
        if version < 0:
            raise UsageError(f"@{version} is no version", remedy="versions begin at @0")
        if version > self.height:
            raise UserError(
                f"@{version} does not exist yet: the newest here is @{self.height}",
                remedy="wait for it, or ask for an older one",
            )
        return version

    def row(self, version: int | None) -> SnapshotRow:
        """The snapshot (at 0 the genesis) that `@version` means; raises as `at`."""
        row = self.reader.snapshot_at(self.branch, self.at(version))
        if row is None:
            raise InvariantBroken(f"@{version} is missing below the head")
        return row

    def standing(self, height: int) -> Standing:
        """Who may do what at `height`."""
        try:
            return standing_at(self.reader, self.branch, height)
        except LookupError as error:
            raise InvariantBroken(str(error)) from None

    def member(self, key: bytes) -> Member | None:
        """What the history has about `key` at the head."""
        if key not in self._members:
            self._members[key] = member_at(self.reader, self.branch, self.height, key)
        return self._members[key]

    def final_height(self) -> int:
        """The highest height on the head's line that is known to be final."""
        return read_final(self.reader, (self.branch, self.height))

    def label(self, key: bytes) -> str:
        """The name that the history has for `key`, else the first digits of it."""
        member = self.member(key)
        return short_key(key) if member is None else member.name

    def who(self, key: bytes) -> str:
        """How to call `key` to the asker: their own machine is `you` unless they chose a name for it."""
        if key == self.own_key and not self._name_chosen:
            return YOU
        return self.label(key)

    def party(self, key: bytes) -> dict[str, Any]:
        """`key` for a JSON answer: the key, its name in the history, how to show it, whether it is the
        asker's.
        """
        return {
            "key": key_text(key),
            "name": self.label(key),
            "shown": self.who(key),
            "self": key == self.own_key,
        }


def head_row(reader: Reader) -> SnapshotRow:
    """The head snapshot. Raises `NothingHere` before there is a genesis."""
    head = reader.meta(META_HEAD)
    row = None if head is None else reader.snapshot(head)
    if row is None:
        if head is not None:
            raise InvariantBroken("the head is not among the snapshots")
        raise NothingHere(
            "nothing of this Common has arrived yet",
            remedy="start `asl up` here, and see that a machine that has it is running",
        )
    return row
