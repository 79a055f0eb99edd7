"""fsck looks at everything, mends what can be, and says what will be fetched again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.errors import Damaged
from aslp2p.ledger.reader import (
    DropBranchAbove,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutSnapshot,
    SnapshotRow,
    Write,
)
from aslp2p.limits import CHUNK_BYTES
from aslp2p.store.fsck import fsck
from aslp2p.store.memory import MemoryStore
from aslp2p.store.sqlite import SqliteStore
from tests.store.workload import (
    YOU,
    content_of,
    digest,
    everything,
    fill,
    genesis,
    kept,
    line,
    proposal,
    snapshot,
)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(tmp_path / "store.db")
    fill(store)
    return store


def write(store: SqliteStore, *writes: Write) -> None:
    store.apply(writes)
    store.commit()


def execute(store: SqliteStore, sql: str, parameters: Sequence[object] = ()) -> None:
    """Damage that SQLite itself knows nothing of."""
    store.db.execute(sql, parameters)


def test_a_sound_home_has_no_findings_and_progress_is_told(store: SqliteStore) -> None:
    told: list[tuple[str, int, int]] = []
    assert list(fsck(store, progress=lambda *what: told.append(what))) == []
    assert {table: done for table, done, total in told if done == total} == {
        table: store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("snapshot", "fact", "artifact", "content", "content_file", "wanted")
    }


def test_damaged_content_is_dropped_and_wanted_again(store: SqliteStore) -> None:
    id_ = sha256(content_of(4)).digest()
    before = store.wanted(10)
    execute(store, "UPDATE content SET data = x'00' WHERE id = ?", (id_,))
    (finding,) = fsck(store)
    assert (finding.ids, finding.repaired) == ((id_,), False)
    assert "fetched again from a peer" in finding.remedy
    with pytest.raises(Damaged):
        store.content(id_)
    (finding,) = fsck(store, repair=True)
    assert (finding.ids, finding.repaired) == ((id_,), True)
    assert store.content(id_) is None
    assert store.wanted(10) == [*before, (id_, False)]
    assert list(fsck(store)) == []
    write(store, PutContent(id_, content_of(4)))
    assert store.wanted(10) == before


def test_a_damaged_manifest_is_wanted_as_a_manifest(store: SqliteStore) -> None:
    """What is put says how large it is, and above one chunk only a manifest can be."""
    manifest = b"a manifest"
    id_ = sha256(manifest).digest()
    action = Put("film.mp4", id_, CHUNK_BYTES + 1, "video/mp4", False, 0, None)
    put = sign_statement(Proposal(genesis().id, 1, bytes(8), action), YOU)
    write(store, PutArtifacts([put]), PutContent(id_, manifest))
    execute(store, "UPDATE content SET data = x'00' WHERE id = ?", (id_,))
    assert [finding.ids for finding in fsck(store, repair=True)] == [(id_,)]
    assert (id_, True) in store.wanted(10)


def test_content_whose_id_flipped_gets_it_back_from_its_hash(store: SqliteStore) -> None:
    id_ = sha256(content_of(4)).digest()
    execute(store, "UPDATE content SET id = ? WHERE id = ?", (bytes([id_[0] ^ 4]) + id_[1:], id_))
    assert store.content(id_) is None
    (finding,) = fsck(store, repair=True)
    assert (finding.ids, finding.repaired) == ((id_,), True)
    assert store.content(id_) == content_of(4)
    assert list(fsck(store)) == []


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("UPDATE artifact SET crc = 0 WHERE id = ?", "is damaged"),
        ("UPDATE artifact SET raw = x'c0' WHERE id = ?", "is damaged"),
    ],
)
def test_a_damaged_artifact_is_dropped(store: SqliteStore, sql: str, what: str) -> None:
    id_ = proposal(4).id
    execute(store, sql, (id_,))
    (finding,) = fsck(store, repair=True)
    assert finding.ids == (id_,)
    assert what in finding.what
    assert finding.repaired
    assert store.artifact(id_) is None
    assert list(fsck(store)) == []


def test_an_artifact_that_should_never_have_been_stored_is_found(store: SqliteStore) -> None:
    """Its checksum holds: only decoding, the id and the signature tell."""
    good = proposal(50)
    forged = good.raw[:-1] + bytes([good.raw[-1] ^ 1])
    write(
        store,
        PutArtifacts([kept(good.id, forged), kept(digest("x"), proposal(51).raw)]),
        PutArtifacts([kept(digest("y"), b"\xc0")]),
    )
    found = {finding.ids[0]: finding.what for finding in fsck(store, repair=True)}
    assert "A5: the signature" in found[good.id]
    assert "an id that is not its own" in found[digest("x")]
    assert "is no artifact (A3" in found[digest("y")]
    assert len(found) == 3
    assert store.artifacts(list(found)) == {}


def test_a_snapshot_out_of_place_is_found(store: SqliteStore) -> None:
    """Links, places and signatures are checked behind the checksum too."""
    other = snapshot(1, 10)
    forged = SnapshotRow(other.id, 1, 11, other.id, 7, other.signer, 11, other.raw)
    write(store, DropBranchAbove(1, 9), PutBranch(line(1, 9)), PutSnapshot(forged))
    (finding,) = fsck(store)
    assert (
        "does not follow the stored snapshot" in finding.what or "no stored snapshot 10 below" in finding.what
    )
    write(store, PutSnapshot(SnapshotRow(other.id, 1, 10, other.previous, 7, other.signer, 10, other.raw)))
    (finding,) = fsck(store)
    assert "in a place that is not its own" in finding.what
    write(store, PutSnapshot(SnapshotRow(other.id, 1, 10, other.previous, 1, digest(), 10, other.raw)))
    (finding,) = fsck(store)
    assert "as somebody else's" in finding.what
    write(store, PutSnapshot(SnapshotRow(other.id, 1, 10, digest(), 1, other.signer, 10, other.raw)))
    (finding,) = fsck(store)
    assert "does not follow the stored snapshot 9" in finding.what
    write(store, PutSnapshot(other))
    assert list(fsck(store)) == []


@pytest.mark.parametrize("place", [(0, 0), (0, 3), (0, 5), (1, 6), (1, 8), (1, 10)])
def test_a_snapshot_that_is_missing_is_found(store: SqliteStore, place: tuple[int, int]) -> None:
    execute(store, "DELETE FROM snapshot WHERE branch = ? AND height = ?", place)
    found = list(fsck(store))
    assert found
    assert all(finding.table in ("snapshot", "branch") for finding in found)
    if place == (1, 10):
        assert found[0].ids == (snapshot(1, 10).id,)
    else:
        assert f"no stored snapshot {place[1]} below it" in found[0].what


def test_indexes_are_built_again(store: SqliteStore, tmp_path: Path) -> None:
    """An index that lost an entry: what is stored cannot be found until it is mended."""
    memory = MemoryStore()
    fill(memory)
    store.close()
    path = tmp_path / "store.db"
    data = bytearray(path.read_bytes())
    with sqlite3.connect(path) as db:
        name = "sqlite_autoindex_content_1"
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    start = (page - 1) * size
    at = data.index(sha256(content_of(4)).digest(), start, start + size)
    data[at] ^= 1
    path.write_bytes(data)
    store = SqliteStore(path)
    assert store.content(sha256(content_of(4)).digest()) is None
    found = list(fsck(store, repair=True))
    assert {finding.table for finding in found} == {"file"}
    assert all(finding.repaired for finding in found)
    assert list(fsck(store)) == []
    assert everything(store) == everything(memory)


def test_a_damaged_fact_is_named_with_its_place(store: SqliteStore) -> None:
    write(store, PutFacts(1, 10, {b"own": b"value"}))
    execute(store, "UPDATE fact SET value = x'00' WHERE key = CAST('own' AS BLOB)")
    (finding,) = fsck(store)
    assert "b'own' of branch 1 at height 10" in finding.what
    assert "derived again" in finding.remedy
