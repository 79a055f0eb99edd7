"""What the core may ask of a store, and what it may ask to be written.

Reading is synchronous and bounded; writing happens only through `Write` records, which the driver applies in
order inside one transaction and makes durable before any bytes that depend on them leave (persist, then
send).

**Facts.** The state of a Common is one versioned map: key to value, each change stamped with the height of
the snapshot that made it. A *branch* is a line of snapshots; a fork starts a new branch that shares its
parent branch up to and including `fork_height`. A fact at (branch, height) is the newest change at or below
that height on the branch, else the newest at or below `fork_height` on its parent, and so on to the root
branch 0, which holds genesis at height 0. So state at any height of any branch is a lookup, a change of
branch moves no rows, and nothing of the history has to be in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from aslp2p.artifacts.envelope import Signed, Verified


class BranchRow(Struct, frozen=True):
    """One line of snapshots: above `fork_height` its own, up to it its parent's (`parent` is -1 for branch
    0)."""

    branch: int
    parent: int
    fork_height: int
    tip_height: int
    tip_id: bytes
    audited_height: int
    """Every snapshot of this branch up to here had each of its signatures verified (G4)."""


class SnapshotRow(Struct, frozen=True):
    """A stored snapshot (or, at height 0 of branch 0, the genesis) and where it stands."""

    id: bytes
    branch: int
    height: int
    previous: bytes
    epoch: int
    signer: bytes
    log_size: int
    raw: bytes


class ArtifactRow(Struct, frozen=True):
    """A stored artifact other than a snapshot."""

    raw: bytes
    audited: bool
    """Whether its signature was verified before it was stored, or since (G4)."""


class JournalRow(Struct, frozen=True):
    """One promise of this node's key: kind is `endorse`, `cosign` or `emit`."""

    kind: str
    epoch: int
    height: int
    subject: bytes
    """The proposal endorsed, or the snapshot cosigned or emitted."""
    raw: bytes
    """The signed artifact itself, so that a crash after the promise can still send it."""


class Reader(Protocol):
    """Bounded synchronous reads. Any may raise `errors.Damaged` (stored bytes are not what was written)."""

    def meta(self, key: str) -> bytes | None: ...

    def branches(self) -> list[BranchRow]: ...

    def fact(self, branch: int, key: bytes, height: int) -> bytes | None:
        """The value of `key` at (branch, height), or None."""

    def facts(
        self, branch: int, prefix: bytes, height: int, *, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes, int]]:
        """Up to `limit` live (key, value, height of change) with `prefix`, by key, from the first key above
        `after`."""

    def fact_changes(
        self, branch: int, key: bytes, height: int, *, limit: int = 1000
    ) -> list[tuple[int, bytes | None]]:
        """The newest `limit` changes of `key` at or below `height`, newest first: (height, value or None)."""

    def snapshot(self, id_: bytes) -> SnapshotRow | None: ...

    def snapshot_at(self, branch: int, height: int) -> SnapshotRow | None:
        """The snapshot at `height` on `branch` or, below its fork, on its ancestors."""

    def snapshots(self, branch: int, first: int, count: int) -> list[SnapshotRow]:
        """Up to `count` consecutive snapshots of `branch` (ancestors included) from height `first` up."""

    def snapshot_holding(self, branch: int, log_index: int) -> SnapshotRow | None:
        """The snapshot of `branch` whose log range contains the leaf `log_index`."""

    def artifact(self, id_: bytes) -> bytes | None:
        """The raw bytes of a stored signed artifact other than a snapshot."""

    def artifacts(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The raw bytes of those of `ids` that are stored, to be shown or decoded: not to be relied on."""

    def artifact_rows(self, ids: Sequence[bytes]) -> dict[bytes, ArtifactRow]:
        """Those of `ids` that are stored, and whether they were audited."""

    def open_artifacts(self) -> list[tuple[bytes, bytes]]:
        """(id, raw) of all that is marked open: pending proposals, endorsements, cosignatures, rejections,
        evidence."""

    def content(self, id_: bytes) -> bytes | None:
        """Content or a manifest by id, re-hashed as it is read."""

    def content_size(self, id_: bytes) -> int | None:
        """How long a stored content or manifest is, without reading it; None if it is not here."""

    def lacking_content(self, ids: Iterable[bytes]) -> list[bytes]:
        """Those of `ids` that are not stored, in the order given."""

    def wanted(self, limit: int, skip: int = 0) -> list[tuple[bytes, bool]]:
        """At most `limit` content ids that are wanted and not here, oldest first, without the `skip` oldest:
        (id, whether it is a manifest)."""

    def is_wanted(self, id_: bytes) -> bool:
        """Whether that content is wanted and not here."""

    def journal(self, kind: str, *, last: int = 1, skip: int = 0) -> list[JournalRow]:
        """The newest `last` promises of `kind` but for the `skip` newest, newest first."""

    def journal_holds(self, kind: str, subject: bytes) -> bool: ...

    def journal_at(self, kind: str, epoch: int, height: int) -> JournalRow | None:
        """The promise of `kind` made for (epoch, height), if any."""


def row_at(reader: Reader, branch: int, height: int) -> SnapshotRow:
    """The snapshot at (branch, height), where there is one. Raises `LookupError`."""
    row = reader.snapshot_at(branch, height)
    if row is None:
        raise LookupError(f"no snapshot at {branch}:{height}")
    return row


# --- writes ---------------------------------------------------------------------------------------


class PutMeta(Struct, frozen=True):
    key: str
    value: bytes | None


class PutBranch(Struct, frozen=True):
    """Insert or replace a branch row."""

    row: BranchRow


class PutSnapshot(Struct, frozen=True):
    row: SnapshotRow


class DropBranchAbove(Struct, frozen=True):
    """Forget the snapshots and facts of `branch` above `height` (what nobody can prove is rolled back,
    G4)."""

    branch: int
    height: int


class PutFacts(Struct, frozen=True):
    """The changes that one snapshot makes; a None value ends a key."""

    branch: int
    height: int
    changes: Mapping[bytes, bytes | None]


class PutArtifacts(Struct, frozen=True):
    """Keep these, all open or all closed; they take the place of unaudited bytes. Storing one again changes
    only whether it is open."""

    artifacts: Sequence[Verified[Any]]
    open: bool = False


class PutUnaudited(Struct, frozen=True):
    """Keep these, whose signatures are to be verified later (G4); none is open, and what is stored already
    stays as it is."""

    artifacts: Sequence[Signed[Any]]


class CloseArtifacts(Struct, frozen=True):
    """These are no longer open (kept, but not offered or reloaded)."""

    ids: Sequence[bytes]


class DropArtifacts(Struct, frozen=True):
    """Forget artifacts that are of no use to anybody (refused, or damaged and to be fetched again)."""

    ids: Sequence[bytes]


class PutContent(Struct, frozen=True):
    """Store content or a manifest (its id is the SHA-256 of its bytes); it is wanted no longer."""

    id: bytes
    data: bytes


class Staged(Struct, frozen=True):
    """A content that was taken in beside the store: hashed, on disk, and named by nothing yet."""

    id: bytes
    size: int
    place: Any
    """Where, in the store's own words."""
    fault: OSError | None = None
    """Why it is not on disk after all: whoever puts it gets this."""


class PutStaged(Struct, frozen=True):
    """Store what was taken in; it is wanted no longer."""

    staged: Staged


class DropStaged(Struct, frozen=True):
    """Remove what was taken in for nothing."""

    staged: Staged


class DropContent(Struct, frozen=True):
    id: bytes


class EraseContents(Struct, frozen=True):
    """Forget contents, and leave their bytes nowhere in the store's files."""

    ids: Sequence[bytes]


class WantContents(Struct, frozen=True):
    """Fetch these contents: (id, whether it is a manifest). What is here already is not wanted."""

    items: Sequence[tuple[bytes, bool]]


class UnwantContents(Struct, frozen=True):
    ids: Sequence[bytes]


class PutJournal(Struct, frozen=True):
    """A promise. It is on disk, synced, before anything that follows it is sent (S1)."""

    row: JournalRow


Write: TypeAlias = (
    PutMeta
    | PutBranch
    | PutSnapshot
    | DropBranchAbove
    | PutFacts
    | PutArtifacts
    | PutUnaudited
    | CloseArtifacts
    | DropArtifacts
    | PutContent
    | PutStaged
    | DropStaged
    | DropContent
    | EraseContents
    | WantContents
    | UnwantContents
    | PutJournal
)


class Store(Reader, Protocol):
    """A `Reader` that also writes; one owner, one thread at a time."""

    def apply(self, writes: Iterable[Write]) -> None:
        """Apply in order inside the open transaction (opening one if needed); visible to reads at once."""

    def commit(self) -> None:
        """Make all that was applied durable, synced to disk. Raises `errors.DiskFault`; then nothing was
        written."""

    def rollback(self) -> None:
        """Forget what was applied since the last commit."""

    def close(self) -> None: ...
