"""What each `Write` is in SQL: statements with their rows, each of one table.

Tables do not depend on each other, so writes to different tables may be done in any order, and those to one
table in bulk while their statement stays the same. (`content`, `content_file` and `wanted` count as one: what
is here is not wanted.) `PutJournal` is not here: its rows are chained, see `sqlite`.
"""

# ruff: noqa: S608 - what is composed into SQL here are constants of this package and question marks

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from aslp2p.ledger.reader import (
    CloseArtifacts,
    DropArtifacts,
    DropBranchAbove,
    DropContent,
    EraseContents,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutMeta,
    PutSnapshot,
    PutUnaudited,
    UnwantContents,
    WantContents,
)
from aslp2p.store.rows import (
    OPEN,
    artifact_sum,
    branch_sum,
    content_file_sum,
    fact_sum,
    meta_sum,
    snapshot_sum,
    wanted_sum,
)

Statement: TypeAlias = tuple[str, str, Iterable[tuple[Any, ...]]]
"""(table, SQL, rows of parameters)."""

META_PUT = (
    "INSERT INTO meta VALUES (?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, crc = excluded.crc"
)
META_DROP = "DELETE FROM meta WHERE key = ?"
BRANCH_PUT = (
    "INSERT INTO branch VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (branch) DO UPDATE SET"
    " parent = excluded.parent, fork_height = excluded.fork_height, tip_height = excluded.tip_height,"
    " tip_id = excluded.tip_id, audited_height = excluded.audited_height, crc = excluded.crc"
)
SNAPSHOT_PUT = (
    "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " branch = excluded.branch, height = excluded.height, previous = excluded.previous,"
    " epoch = excluded.epoch, signer = excluded.signer, log_size = excluded.log_size, raw = excluded.raw,"
    " crc = excluded.crc"
)
SNAPSHOT_DROP = "DELETE FROM snapshot WHERE branch = ? AND height > ?"
FACT_PUT = (
    "INSERT INTO fact VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (branch, key, height) DO UPDATE SET value = excluded.value, crc = excluded.crc"
)
FACT_DROP = "DELETE FROM fact WHERE branch = ? AND height > ?"
ARTIFACT_PUT = (
    "INSERT INTO artifact (id, type, raw, open, audited, crc) VALUES (?, ?, ?, ?, 1, ?)"
    " ON CONFLICT (id) DO UPDATE SET open = excluded.open, audited = 1,"
    " raw = iif(audited, raw, excluded.raw),"
    f" crc = iif(audited, (crc & ~{OPEN}) + {OPEN} * excluded.open, excluded.crc)"
)
ARTIFACT_DEFER = (
    "INSERT INTO artifact (id, type, raw, open, audited, crc) VALUES (?, ?, ?, 0, 0, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
ARTIFACT_CLOSE = f"UPDATE artifact SET open = 0, crc = crc & ~{OPEN} WHERE id = ? AND open = 1"
ARTIFACT_DROP = "DELETE FROM artifact WHERE id = ?"
CONTENT_PUT = (
    "INSERT INTO content (id, data) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data"
)
CONTENT_DROP = "DELETE FROM content WHERE id = ?"
CONTENT_FILE_PUT = (
    "INSERT INTO content_file VALUES (?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET size = excluded.size, crc = excluded.crc"
)
CONTENT_FILE_DROP = "DELETE FROM content_file WHERE id = ?"
WANT = (
    "INSERT INTO wanted (id, manifest, crc)"
    " SELECT id, manifest, crc FROM (SELECT ? AS id, ? AS manifest, ? AS crc) AS new"
    " WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.id = new.id)"
    " AND NOT EXISTS (SELECT 1 FROM content_file WHERE content_file.id = new.id)"
    " ON CONFLICT (id) DO NOTHING"
)
UNWANT = "DELETE FROM wanted WHERE id = ?"


def _put_meta(write: PutMeta) -> tuple[Statement, ...]:
    key, value = write.key, write.value
    if value is None:
        return (("meta", META_DROP, ((key,),)),)
    return (("meta", META_PUT, ((key, value, meta_sum(key.encode(), value)),)),)


def _put_branch(write: PutBranch) -> tuple[Statement, ...]:
    row = write.row
    values = (row.branch, row.parent, row.fork_height, row.tip_height, row.tip_id, row.audited_height)
    return (("branch", BRANCH_PUT, ((*values, branch_sum(*values)),)),)


def _put_snapshot(write: PutSnapshot) -> tuple[Statement, ...]:
    row = write.row
    values = (row.id, row.branch, row.height, row.previous, row.epoch, row.signer, row.log_size, row.raw)
    return (("snapshot", SNAPSHOT_PUT, ((*values, snapshot_sum(*values)),)),)


def _drop_branch_above(write: DropBranchAbove) -> tuple[Statement, ...]:
    above = ((write.branch, write.height),)
    return ("snapshot", SNAPSHOT_DROP, above), ("fact", FACT_DROP, above)


def _put_facts(write: PutFacts) -> tuple[Statement, ...]:
    branch, height = write.branch, write.height
    rows = (
        (branch, key, height, value, fact_sum(branch, key, height, value))
        for key, value in write.changes.items()
    )
    return (("fact", FACT_PUT, rows),)


def _put_artifacts(write: PutArtifacts) -> tuple[Statement, ...]:
    open_ = int(write.open)
    rows = (
        (one.id, one.type, one.raw, open_, artifact_sum(one.id, one.type.encode(), one.raw, open_, True))
        for one in write.artifacts
    )
    return (("artifact", ARTIFACT_PUT, rows),)


def _put_unaudited(write: PutUnaudited) -> tuple[Statement, ...]:
    rows = (
        (one.id, one.type, one.raw, artifact_sum(one.id, one.type.encode(), one.raw, False, False))
        for one in write.artifacts
    )
    return (("artifact", ARTIFACT_DEFER, rows),)


def _close_artifacts(write: CloseArtifacts) -> tuple[Statement, ...]:
    return (("artifact", ARTIFACT_CLOSE, ((id_,) for id_ in write.ids)),)


def _drop_artifacts(write: DropArtifacts) -> tuple[Statement, ...]:
    return (("artifact", ARTIFACT_DROP, ((id_,) for id_ in write.ids)),)


def _put_content(write: PutContent) -> tuple[Statement, ...]:
    return ("content", CONTENT_PUT, ((write.id, write.data),)), ("content", UNWANT, ((write.id,),))


def put_content_file(id_: bytes, size: int) -> tuple[Statement, ...]:
    """A content whose bytes are in a file."""
    row = (id_, size, content_file_sum(id_, size))
    return ("content", CONTENT_FILE_PUT, (row,)), ("content", UNWANT, ((id_,),))


def _drop_content(write: DropContent) -> tuple[Statement, ...]:
    return (
        ("content", CONTENT_DROP, ((write.id,),)),
        ("content", CONTENT_FILE_DROP, ((write.id,),)),
    )


def _erase_contents(write: EraseContents) -> tuple[Statement, ...]:
    ids = tuple((id_,) for id_ in write.ids)
    return ("content", CONTENT_DROP, ids), ("content", CONTENT_FILE_DROP, ids)


def _want(write: WantContents) -> tuple[Statement, ...]:
    rows = ((id_, int(manifest), wanted_sum(id_, manifest)) for id_, manifest in write.items)
    return (("content", WANT, rows),)


def _unwant(write: UnwantContents) -> tuple[Statement, ...]:
    return (("content", UNWANT, ((id_,) for id_ in write.ids)),)


STATEMENTS_OF: dict[type, Callable[[Any], tuple[Statement, ...]]] = {
    PutMeta: _put_meta,
    PutBranch: _put_branch,
    PutSnapshot: _put_snapshot,
    DropBranchAbove: _drop_branch_above,
    PutFacts: _put_facts,
    PutArtifacts: _put_artifacts,
    PutUnaudited: _put_unaudited,
    CloseArtifacts: _close_artifacts,
    DropArtifacts: _drop_artifacts,
    PutContent: _put_content,
    DropContent: _drop_content,
    EraseContents: _erase_contents,
    WantContents: _want,
    UnwantContents: _unwant,
}
