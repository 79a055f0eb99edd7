"""What of the history `fsck` found damaged or missing, for the daemon to ask its peers for.

Whoever reads damage says so, and the node asks for it again; what is not there at all is read by nobody until
somebody judges the history again. So fsck leaves a list.
"""

from __future__ import annotations

from collections.abc import Iterator

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Snapshot
from aslp2p.errors import ArtifactError, Damaged
from aslp2p.ledger.reader import PutMeta, Reader
from aslp2p.limits import ID_BYTES
from aslp2p.store.sqlite import SqliteStore

META_LOST = "lost"
LOST_MAX = 4096
"""Ids kept: when those are here, fsck finds the next."""
_PAGE = 100


def keep_lost(store: SqliteStore, snapshots: list[bytes]) -> None:
    """Keep the ids of `snapshots`, which are damaged, and of all listed proposals that are not stored,
    durably."""
    ids = snapshots[:LOST_MAX]
    for id_ in _missing_proposals(store):
        if len(ids) >= LOST_MAX:
            break
        ids.append(id_)
    if ids or store.meta(META_LOST) is not None:
        store.apply([PutMeta(META_LOST, b"".join(ids) or None)])
        store.commit()


def read_lost(reader: Reader) -> list[bytes]:
    """What of that is still damaged or not here."""
    raw = reader.meta(META_LOST) or b""
    ids = [raw[at : at + ID_BYTES] for at in range(0, len(raw), ID_BYTES)]
    return [id_ for id_ in ids if not _is_whole(reader, id_)]


def _is_whole(reader: Reader, id_: bytes) -> bool:
    try:
        return reader.snapshot(id_) is not None or reader.artifact(id_) is not None
    except Damaged:
        return False


def _missing_proposals(store: SqliteStore) -> Iterator[bytes]:
    number = 0
    while rows := store.db.execute(
        "SELECT rowid, raw FROM snapshot WHERE height > 0 AND rowid > ? ORDER BY rowid LIMIT ?",
        (number, _PAGE),
    ).fetchall():
        number = rows[-1][0]
        for _, raw in rows:
            try:
                listed = decode_as(Snapshot, raw).statement.proposals
            except (ArtifactError, TypeError):
                continue  # damaged, and named as such
            here = store.artifacts(listed)
            yield from (id_ for id_ in listed if id_ not in here)
