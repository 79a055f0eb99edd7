"""fsck holds the state against the signed history, and makes it anew from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aslp2p.artifacts.envelope import VERIFIER, decode_artifact, verify_signature
from aslp2p.ledger.facts import path_key
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.joining import founding
from aslp2p.ledger.reader import BranchRow, PutArtifacts, PutFacts, PutSnapshot
from aslp2p.store.check import Finding
from aslp2p.store.fsck import fsck
from aslp2p.store.lost import read_lost
from aslp2p.store.sqlite import SqliteStore
from tests.ledger.builder import ANN, BEN, CLEO, Node, World, feed

STANDING = b"s"
COSIGNATURE = b"c" + BEN.key
FOLLOWS = "substr(key, 1, 1) <> x'63'"


class History:
    """Two branches: ann handed over to ben, whom cleo replaced below his last snapshots; ben cosigned one."""

    def __init__(self, path: Path) -> None:
        world = World()
        common = world.chain(world.root, 3)
        handed = world.chain(world.rotate(common, BEN), 120, "long")
        other = world.chain(world.recover(common, CLEO, epoch=2), 2, "other")
        self.path = path
        self.store = SqliteStore(path)
        found_common(self.store, world.genesis)
        self.store.apply(founding(world.id, bytes(32), "ann", name_chosen=True))
        for tip in (handed, other):
            for node in tip.line():
                self.keep_proposals(node)
        ledger = Ledger(self.store, own_key=ANN.key)
        feed(ledger, handed, other)
        ledger.add_cosignature(world.cosignature(common, BEN))
        self.store.commit()
        self.sound = self.everything()
        self.proposal = common.proposals[0].id

    def keep_proposals(self, node: Node) -> None:
        self.store.apply([PutArtifacts(VERIFIER.verify_all(node.proposals))])

    def everything(self) -> list[Any]:
        read = "SELECT * FROM {} ORDER BY 1, 2, 3"
        return [self.store.db.execute(read.format(name)).fetchall() for name in ("meta", "branch", "fact")]

    def harm(self, sql: str, *parameters: object) -> None:
        assert self.store.db.execute(sql, parameters).rowcount

    def look(self, *, repair: bool = False) -> list[Finding]:
        """What fsck finds, opened as it opens a store."""
        self.store.close()
        self.store = SqliteStore(self.path, salvage=True)
        return list(fsck(self.store, repair=repair))

    def mends(self, *says: str) -> None:
        """A look names the damage and changes nothing; with repair all is as it was."""
        harmed = self.everything()
        found = self.look()
        assert found and not any(one.repaired for one in found) and self.everything() == harmed
        for words in says:
            assert any(words in one.what for one in found), found
        found = self.look(repair=True)
        assert found and all(one.repaired for one in found), found
        assert self.look() == []
        assert self.everything() == self.sound


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "store.db")


def test_a_sound_state_follows_from_its_history(history: History) -> None:
    told: list[tuple[str, int, int]] = []
    assert list(fsck(history.store, progress=lambda *what: told.append(what))) == []
    assert [one for one in told if one[0] == "state"][-1] == ("state", 128, 128)
    assert history.everything() == history.sound


def test_a_fact_with_another_value_is_named(history: History) -> None:
    """Its checksum holds: only the history tells."""
    history.store.apply([PutFacts(0, 2, {path_key("c/1"): b"something else"})])
    history.store.commit()
    history.mends("the state of branch 0 at @2, path 'c/1', is not what the history makes it")


def test_a_wrong_standing_which_would_judge_all_that_follows(history: History) -> None:
    later = history.store.fact(0, STANDING, 4)
    history.store.apply([PutFacts(0, 0, {STANDING: later})])
    history.store.commit()
    history.mends("the state of branch 0 at @0, standing")


@pytest.mark.parametrize("height", [0, 3, 4])
def test_damaged_and_missing_facts(history: History, height: int) -> None:
    history.harm("UPDATE fact SET value = x'00' WHERE key = ? AND height = ?", STANDING, 0)
    history.mends("the fact b's' of branch 0 at height 0 is damaged")
    history.harm(f"DELETE FROM fact WHERE branch = 0 AND height = ? AND {FOLLOWS}", height)
    history.mends("branch 0")


def test_a_fact_too_many(history: History) -> None:
    history.store.apply([PutFacts(1, 5, {path_key("nobody/put/it"): b"x"})])
    history.store.commit()
    history.mends("branch 1 has")


def test_all_facts_lost(history: History) -> None:
    """But cosignatures, which do not follow from the history."""
    history.harm(f"DELETE FROM fact WHERE {FOLLOWS}")
    history.mends("branch 0", "branch 1")


def test_a_damaged_cosignature_is_dropped_for_a_fresh_one(history: History) -> None:
    history.harm("UPDATE fact SET value = x'00' WHERE key = ?", COSIGNATURE)
    (found,) = history.look(repair=True)
    assert found.repaired and history.look() == []
    assert history.store.fact(0, COSIGNATURE, 3) is None


def test_what_the_history_lacks_is_fetched_first(history: History) -> None:
    """And nothing is taken apart that cannot be put together again."""
    history.harm("UPDATE fact SET value = x'00' WHERE key = ? AND height = 0", STANDING)
    history.harm("DELETE FROM artifact WHERE id = ?", history.proposal)
    harmed = history.everything()
    found = history.look(repair=True)
    assert not any(one.repaired for one in found)
    assert (found[-1].ids, history.everything()[1:]) == ((history.proposal,), harmed[1:])
    assert "fetched again from a peer" in found[-1].remedy


def test_what_the_history_lacks_is_left_for_the_daemon_to_fetch(history: History) -> None:
    snapshot = history.store.snapshot_at(0, 2)
    proposal = history.store.artifact(history.proposal)
    assert snapshot is not None and proposal is not None and read_lost(history.store) == []
    history.harm("UPDATE snapshot SET crc = crc + 1 WHERE id = ?", snapshot.id)
    history.harm("UPDATE artifact SET raw = x'00' WHERE id = ?", history.proposal)
    history.look()
    assert read_lost(history.store) == []
    history.look(repair=True)
    assert read_lost(history.store) == [snapshot.id, history.proposal]
    history.store.apply([PutSnapshot(snapshot)])
    assert read_lost(history.store) == [history.proposal]
    history.store.apply([PutArtifacts([verify_signature(decode_artifact(proposal))])])
    history.store.commit()
    assert read_lost(history.store) == [] and history.look(repair=True) == []
    assert history.everything() == history.sound


def test_rows_of_branches_are_made_from_their_snapshots(history: History) -> None:
    """With the audit to be done again, which only fsck has just done."""
    rows = {row.branch: row for row in history.store.branches()}
    history.harm("UPDATE branch SET tip_height = 7")
    found = history.look()
    assert [one.what for one in found[:2]] == [f"the row of branch {n} is damaged" for n in (0, 1)]
    assert all(one.repaired for one in history.look(repair=True))
    assert history.look() == []
    made = {row.branch: row for row in history.store.branches()}
    assert made == {
        0: BranchRow(0, -1, -1, rows[0].tip_height, rows[0].tip_id, 0),
        1: BranchRow(1, 0, 3, rows[1].tip_height, rows[1].tip_id, 3),
    }


def test_settings_that_follow_from_the_history(history: History) -> None:
    history.harm("UPDATE meta SET value = x'00' WHERE key IN ('genesis', 'head', 'common-id')")
    history.mends("b'genesis'", "b'head'", "b'common-id'")
    history.harm("UPDATE meta SET value = x'00' WHERE key = 'network-secret'")
    (found,) = history.look(repair=True)
    assert not found.repaired and "join it again" in found.remedy
