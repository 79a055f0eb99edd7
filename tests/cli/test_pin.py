"""`asl pin`: reading stays, the machine takes part as before (section 11)."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.ledger.history import load_tip
from aslp2p.ledger.joining import META_PIN
from aslp2p.ledger.reader import PutArtifacts, PutMeta
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from aslp2p.views.queries import QUERIES
from aslp2p.views.view import View
from tests.authorities import found_together, on_loopback, one_head, opened, put, status
from tests.cli.conftest import Asl
from tests.cli.running import running
from tests.ledger.builder import BEN, CLEO, feed
from tests.ledger.cases import plain
from tests.views.histories import History


def lines(asl: Asl) -> list[str]:
    return asl("ls").output.splitlines()


def test_reading_stays_until_unpinned(kept: Asl, tmp_path: Path) -> None:
    assert kept("pin", "@2").output.startswith("Reading stays at home@2 here:")
    assert lines(kept) == ["photos/cat.jpg", "readme"]
    assert kept("get", "readme").output == "read me\n"
    assert kept("log").output.startswith("@2 ") and "@5" not in kept("log").output
    assert "Version:   @2" in kept("show").output
    assert kept("diff").output.split() == ["+", "3", "B", "photos/cat.jpg"]
    done = kept("checkout", str(tmp_path / "out"))
    assert "home@2 in" in done.output and (tmp_path / "out" / "readme").exists()
    assert kept("ls", "@5").output.splitlines() == ["photos/cat.jpg", "run.sh"], "a version that is named"
    assert "@4" in kept("log", "--before", "@5").output
    assert kept("unpin").output == "Reading follows the newest version: home@5\n"
    assert lines(kept) == ["photos/cat.jpg", "run.sh"]
    assert "nothing was pinned" in kept("unpin").output


def test_status_says_so(kept: Asl) -> None:
    kept("pin", "@2")
    said = kept("status").output.splitlines()
    assert said[0] == "Common: home@5 (witness: ann)"
    assert "Pinned: reading stays at home@2; follow the newest again with: asl unpin" in said
    (one,) = json.loads(kept("status", "--json").output)["commons"]
    assert (one["pinned"]["height"], one["pinned"]["superseded"], one["height"]) == (2, False, 5)
    kept("unpin")
    assert json.loads(kept("status", "--json").output)["commons"][0]["pinned"] is None


def test_a_running_daemon_pins_and_goes_on(kept: Asl, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("new")
    with running(tmp_path / "kept"):
        assert kept("pin", "@2").exit_code == 0
        assert kept("put", str(file), "new").exit_code == 0
        assert lines(kept) == ["photos/cat.jpg", "readme"]
        assert kept("status").output.startswith("Common: home@6 (witness: ann)\n")
    assert lines(kept) == ["photos/cat.jpg", "readme"], "it lasts"
    with running(tmp_path / "kept"):
        assert lines(kept) == ["photos/cat.jpg", "readme"]
        kept("unpin")
        assert "new" in lines(kept)


def test_what_cannot_be_pinned(kept: Asl) -> None:
    assert "@9 does not exist yet" in kept("pin", "@9").output
    assert kept("pin", "readme").exit_code == 3, "a path is the daemon's to keep"
    assert kept("pin").output == "Nothing is pinned\n"
    assert json.loads(kept("status", "--json").output)["commons"][0]["pinned"] is None


def test_a_pinned_snapshot_that_the_history_left_behind_is_read_as_it_was() -> None:
    world, base = plain()
    ledger = world.ledger(BEN)
    old = world.puts(base, "old")
    new = world.puts(world.recover(base, CLEO, epoch=1), "new")
    store = ledger._store
    for node in (*old.line(), *new.line()):
        store.apply([PutArtifacts(VERIFIER.verify_all(node.proposals))])
    feed(ledger, old)
    store.apply([PutMeta(META_PIN, old.id)])
    feed(ledger, new)
    assert ledger.head.id == new.id and load_tip(store, ledger.head.branch, 3).height == 3
    pinned = QUERIES["summary"](View(store))["pinned"]
    assert pinned == {"id": old.id.hex(), "height": old.height, "superseded": True}
    for at in (None, old.height):
        assert [one["path"] for one in QUERIES["ls"](View(store), at=at)["entries"]][-1] == "old"
    assert [one["path"] for one in QUERIES["ls"](View(store), at=new.height)["entries"]][-1] == "new"
    log = QUERIES["log"](View(store))["snapshots"]
    assert log[0]["id"] == old.id.hex()
    store.apply([PutMeta(META_PIN, bytes(32))])
    assert QUERIES["summary"](View(store))["pinned"]["height"] is None


def test_a_snapshot_that_is_gone_says_what_to_type(kept: Asl, tmp_path: Path) -> None:
    (folder,) = (tmp_path / "kept" / "commons").iterdir()
    with closing(SqliteStore(folder / STORE_NAME)) as store:
        store.apply([PutMeta(META_PIN, bytes(32))])
        store.commit()
    done = kept("ls")
    assert done.exit_code == 1 and "type: asl unpin" in done.output
    assert "Pinned: to a version that is not here any more" in kept("status").output
    assert kept("unpin").exit_code == 0 and kept("ls").exit_code == 0


def test_the_others_notice_nothing(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "mia", "alice", "james") as machines:
        you, alice, _ = machines
        found_together(machines)
        put(you, "one")
        one_head(machines, lambda head: head["final"] == 1)
        alice.asl("pin", "@1")
        put(you, "two")
        one_head(machines, lambda head: head["final"] == 2)
        you.asl("rotate", "alice")
        alice.asl("endorse", opened(alice, "witness-rotation"))
        put(alice, "three")
        head = one_head(machines, lambda head: head["height"] == 4 and head["witness"]["name"] == "alice")
        assert alice.asl("ls") == "one\n"
        assert status(alice)[0] == f"Common: home@{head['height']} (witness: alice)"
        assert not any(line.startswith("Pinned") for line in status(you))
        alice.asl("unpin")
        assert alice.asl("ls") == "one\nthree\ntwo\n"


def test_a_history_in_memory_has_nothing_pinned() -> None:
    history = History()
    history.emit(history.put("a", b"a"))
    assert QUERIES["summary"](history.view())["pinned"] is None
