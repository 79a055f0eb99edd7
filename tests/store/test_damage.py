"""A flipped bit is found and named when it is read, never served; and fsck finds every one."""

from __future__ import annotations

import random
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from aslp2p.errors import AslError, Damaged, DiskFault, JournalDamaged, UserError
from aslp2p.ledger.reader import DropArtifacts, JournalRow, PutArtifacts, PutJournal, PutSnapshot
from aslp2p.store.fsck import fsck
from aslp2p.store.memory import MemoryStore
from aslp2p.store.sqlite import SqliteStore
from tests.store.workload import commits, content_of, digest, everything, fill, proposal, snapshot


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "store.db"
    store = SqliteStore(path)
    fill(store)
    assert list(fsck(store)) == []
    store.close()
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "store.db"))


def flip(path: Path, table: str, column: str, where: str) -> None:
    """One bit of one column, as a disk would: beside SQLite's back, so its indexes do not follow."""
    with sqlite3.connect(path) as db:
        db.text_factory = bytes
        (value,) = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
        if isinstance(value, int):
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value ^ 1,))
        else:
            changed = bytes([value[0] ^ 1]) + value[1:]
            kind = (
                "CAST(? AS TEXT)" if column in ("type", "kind") or (table, column) == ("meta", "key") else "?"
            )
            db.execute(f"UPDATE {table} SET {column} = {kind} WHERE {where}", (changed,))
    db.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("artifact", column) for column in ("type", "raw", "open", "audited", "crc")),
        *(("snapshot", column) for column in ("previous", "epoch", "signer", "log_size", "raw", "crc")),
        *(("fact", column) for column in ("value", "crc")),
        ("content", "data"),
        *(("wanted", column) for column in ("manifest", "crc", "id")),
    ],
)
def test_a_flipped_column_is_named_when_read_and_by_fsck(path: Path, table: str, column: str) -> None:
    old = snapshot(1, 6)
    where, ids = {
        "artifact": (f"id = x'{proposal(3).id.hex()}'", {proposal(3).id}),
        "snapshot": (f"id = x'{old.id.hex()}'", {old.id}),
        "fact": ("branch = 1 AND key = CAST('path/3' AS BLOB) AND height = 7", set()),
        "content": (f"id = x'{sha256(content_of(4)).hexdigest()}'", {sha256(content_of(4)).digest()}),
        "wanted": ("number = 1", set()),
    }[table]
    flip(path, table, column, where)
    store = SqliteStore(path)
    with pytest.raises(Damaged) as caught:
        everything(store)
    assert set(caught.value.ids) >= ids
    assert "asl fsck" in str(caught.value)
    found = [finding for finding in fsck(store) if finding.table == table]
    assert len(found) == 1
    assert set(found[0].ids) >= ids
    store.close()


@pytest.mark.parametrize("column", ["epoch", "height", "kind", "subject", "raw", "before", "crc"])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_damaged_journal_promises_nothing_more(path: Path, column: str, number: int) -> None:
    flip(path, "journal", column, f"number = {number}")
    store = SqliteStore(path)
    assert [finding.table for finding in store.opened_with] == ["journal"]
    for question in (
        lambda: store.journal("emit"),
        lambda: store.journal_holds("emit", b""),
        lambda: store.journal_at("emit", 0, 1),
        lambda: store.apply([PutJournal(JournalRow("emit", 9, 9, b"", b""))]),
    ):
        with pytest.raises(JournalDamaged, match=r"signing journal is damaged.*S11"):
            question()
    assert store.snapshot(snapshot(1, 6).id) == snapshot(1, 6)
    assert [finding.table for finding in fsck(store)] == ["journal"]


def test_a_journal_that_lost_its_end_promises_nothing_more(path: Path) -> None:
    """The chain alone would not show it: what is left is a good chain."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)")
    db.close()
    store = SqliteStore(path)
    with pytest.raises(JournalDamaged):
        store.journal("emit")


@pytest.mark.parametrize("column", ["number", "crc"])
def test_a_journal_whose_end_is_not_known_promises_nothing_more(path: Path, column: str) -> None:
    flip(path, "journal_head", column, "true")
    store = SqliteStore(path)
    with pytest.raises(JournalDamaged):
        store.apply([PutJournal(JournalRow("emit", 9, 9, b"", b""))])


def test_a_damaged_old_promise_is_found_when_read(path: Path) -> None:
    """Opening looks at the newest only, so it does not take longer with every promise."""
    store = SqliteStore(path)
    store.apply(PutJournal(JournalRow("cosign", 2, height, digest(height), b"c")) for height in range(100))
    store.commit()
    store.close()
    flip(path, "journal", "raw", "number = 3")
    store = SqliteStore(path)
    assert store.opened_with == ()
    assert store.journal("cosign") != []
    with pytest.raises(JournalDamaged):
        store.journal("emit", last=100)
    with pytest.raises(JournalDamaged):
        store.apply([PutJournal(JournalRow("emit", 9, 9, b"", b""))])
    assert [finding.table for finding in fsck(store)] == ["journal"]


@pytest.mark.parametrize("table", ["meta", "branch"])
def test_what_everything_stands_on_is_looked_at_when_opening(path: Path, table: str) -> None:
    flip(path, table, {"meta": "value", "branch": "fork_height"}[table], "true")
    with pytest.raises(Damaged, match=r"is damaged; run `asl fsck`"):
        SqliteStore(path)
    store = SqliteStore(path, salvage=True)
    assert table in {finding.table for finding in fsck(store)}


def test_opening_names_a_damaged_recent_snapshot(path: Path) -> None:
    flip(path, "snapshot", "id", f"id = x'{snapshot(1, 8).id.hex()}'")
    store = SqliteStore(path)
    assert [finding.ids for finding in store.opened_with] == [(snapshot(1, 8).id,)]
    with pytest.raises(Damaged) as caught:
        store.snapshots(1, 7, 3)
    assert snapshot(1, 8).id in caught.value.ids


@pytest.mark.parametrize("column", ["id", "raw", "height"])
def test_a_fresh_copy_takes_a_damaged_snapshot_s_place(path: Path, column: str) -> None:
    memory = MemoryStore()
    fill(memory)
    if column == "height":  # 10 ^ 1 is free
        flip(path, "snapshot", column, f"id = x'{snapshot(1, 10).id.hex()}'")
    else:
        flip(path, "snapshot", column, f"id = x'{snapshot(1, 8).id.hex()}'")
    store = SqliteStore(path)
    store.apply([PutSnapshot(snapshot(1, 8)), PutSnapshot(snapshot(1, 10))])
    store.commit()
    assert everything(store) == everything(memory)
    assert list(fsck(store)) == []


def test_a_damaged_artifact_is_dropped_and_put_again(path: Path) -> None:
    memory = MemoryStore()
    fill(memory)
    flip(path, "artifact", "raw", f"id = x'{proposal(3).id.hex()}'")
    store = SqliteStore(path)
    with pytest.raises(Damaged) as caught:
        store.artifact(proposal(3).id)
    store.apply([DropArtifacts(caught.value.ids)])
    assert store.artifact(proposal(3).id) is None
    store.apply([PutArtifacts([proposal(3)])])
    assert everything(store) == everything(memory)


@pytest.mark.parametrize("place", ["start", "schema"])
def test_a_file_that_is_no_database_any_more_says_so(path: Path, place: str) -> None:
    data = bytearray(path.read_bytes())
    at = 0 if place == "start" else data.index(b"fork_height")
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises((Damaged, UserError)):
        SqliteStore(path)


@pytest.mark.parametrize("seed", range(4))
def test_wherever_a_bit_flips_nothing_wrong_is_served_and_fsck_tells(
    filled: Path, tmp_path: Path, seed: int
) -> None:
    """Anywhere in the file: what is read is what was written, or missing, or an error of ours; and if any
    answer changed, fsck has something to say."""
    memory = MemoryStore()
    fill(memory)
    truth = everything(memory)
    written = filled.read_bytes()
    values = values_of(truth)
    random_ = random.Random(seed)
    changed = 0
    for _ in range(150):
        data = bytearray(written)
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        path = tmp_path / "flipped.db"
        path.write_bytes(data)
        try:
            store = SqliteStore(path)
        except (DiskFault, UserError):
            changed += 1
            continue
        try:
            answers = everything(store)
            wrong = answers != truth
            del answers["lacking"]  # says what is missing
            assert values_of(answers) <= values
        except AslError:
            wrong = True
        if wrong or store.opened_with:
            changed += 1
            assert list(fsck(store))
        store.close()
    assert changed > 20


def values_of(answers: object) -> set[bytes]:
    """Every byte string in `answers`, however deep."""
    if isinstance(answers, bytes):
        return {answers}
    if isinstance(answers, dict):
        return set().union(*map(values_of, answers.values()))
    if isinstance(answers, list | tuple):
        return set().union(*map(values_of, answers))
    fields = getattr(answers, "__struct_fields__", ())
    return set().union(*(values_of(getattr(answers, name)) for name in fields))


def test_the_workload_fills_every_table(filled: Path) -> None:
    with sqlite3.connect(filled) as db:
        for table in ("meta", "branch", "snapshot", "fact", "artifact", "content", "wanted", "journal"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
    assert commits()
