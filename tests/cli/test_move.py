"""`asl move`, `backup`, `restore`: the journal goes with its key, or the key signs no promise again (S11)."""

from __future__ import annotations

import json
from pathlib import Path

from aslp2p.home import Home
from aslp2p.home.key import load_public_key
from tests.authorities import found_together, on_loopback, one_head, put, status
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until


def test_a_moved_witness_goes_on_where_it_was(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "mia", "alice", "james") as machines:
        you, alice, _ = machines
        found_together(machines)
        put(you, "before")
        one_head(machines, lambda head: head["final"] == head["height"] == 1)
        stick = tmp_path / "stick"
        refused = you.type("move", "out", stick)
        assert refused.returncode == 1 and "already running" in refused.stderr and not stick.exists()
        you.stop()
        assert "This one signs nothing any more" in you.asl("move", "out", stick)
        refused = you.type("up")
        assert refused.returncode == 4
        assert "its key signs nothing here any more; start the home that took that file in" in refused.stderr
        said = status(you)
        assert said[0] == "Common: home@1 (witness: mia)" and said[-1].startswith(
            "Retired: this home was moved"
        )
        assert you.asl("ls") == "before\n"

        you.home = tmp_path / "new machine"  # the same person, with another computer
        assert "Start it with: asl up" in you.asl("move", "in", stick)
        assert not stick.exists()
        you.up()
        put(alice, "after")
        head = one_head(machines, lambda head: head["height"] == head["final"] == 2)
        assert head["witness"]["name"] == "mia" and not any(one.call("summary")["stale"] for one in machines)


def test_a_restored_witness_signs_nothing_and_is_replaced(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "mia", "alice", "james") as machines:
        you, alice, james = machines
        found_together(machines)
        put(you, "before")
        one_head(machines, lambda head: head["final"] == head["height"] == 1)
        file = tmp_path / "backup"
        said = you.asl("backup", file)  # while its daemon runs
        assert "never again endorse, cosign or emit (S11)" in said and file.stat().st_mode & 0o777 == 0o600
        put(you, "after")
        one_head(machines, lambda head: head["final"] == head["height"] == 2)
        you.stop()
        you.home.rename(tmp_path / "burnt")
        assert "Its key may propose, but never again endorse" in you.asl("restore", file)
        you.up()
        put(alice, "later", wait=False)
        one_head(machines, lambda head: head["height"] == 2)
        wanting = [line for line in status(you) if line.startswith("Attention:")]
        assert any("it was restored from the backup of" in line for line in wanting), wanting
        assert any("asl policy replace-key" in line for line in wanting)
        asked = alice.asl("recover", "--yes")
        assert "1 of 2: alice" in asked
        id_ = wait_until(
            lambda: (james.call("summary")["offers"] or [""])[0][:8], PATIENCE_S, "the recovery is open"
        )
        refused = you.type("endorse", id_)
        assert refused.returncode != 0 and "journal of this key may be old" in refused.stderr
        james.asl("endorse", id_)
        one_head(machines, lambda head: head["witness"]["name"] == "alice" and head["height"] >= 4)


def test_alone_the_owner_vouches_for_a_restored_key(kept: Asl, tmp_path: Path) -> None:
    file, new = tmp_path / "backup", tmp_path / "new"
    said = json.loads(kept("backup", str(file), "--json").output)
    assert said["commons"] == 1 and said["key"].endswith(load_public_key(Home(tmp_path / "kept")).hex())
    assert kept("backup", str(file)).exit_code == 1, "nothing is overwritten"
    assert run_asl(new, "restore", str(file)).exit_code == 0
    assert run_asl(new, "status").exit_code == 4
    note = tmp_path / "note"
    note.write_text("x")
    with running(new):
        assert run_asl(new, "put", str(note), "note", "--no-wait").exit_code == 0
        assert run_asl(new, "ls").output.splitlines() == ["photos/cat.jpg", "run.sh"]
        assert run_asl(new, "vouch", "--yes").exit_code == 0
        wait_until(lambda: "note" in run_asl(new, "ls").output, PATIENCE_S, "it is witnessed")


def test_what_is_typed_wrongly(kept: Asl, tmp_path: Path) -> None:
    assert "there is no home" in run_asl(tmp_path / "none", "move", "out", str(tmp_path / "x")).output
    (tmp_path / "x").write_text("this is no home at all")
    refused = run_asl(tmp_path / "none", "move", "in", str(tmp_path / "x"))
    assert refused.exit_code == 1 and "is not the file of a home" in refused.output
    assert kept("move", "in", str(tmp_path / "x")).exit_code == 1
    assert kept("move", "out").exit_code == 2


def test_init_from_a_retired_home_signs_nothing(kept: Asl, tmp_path: Path) -> None:
    assert kept("move", "out", str(tmp_path / "stick")).exit_code == 0
    refused = kept("init", "another")
    assert refused.exit_code == 4 and "was moved away" in refused.output
    assert json.loads(kept("status", "--json").output)["commons"][0]["name"] == "home"


def test_a_new_common_names_its_predecessor(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    old = json.loads(asl("show", "@0", "--json").output)["id"]
    assert asl("init", "home2", "--succeeds", "home").exit_code == 0
    asl("common", "trust", "home2")
    assert f"Note: this Common succeeds {old[:12]}, its predecessor" in asl("status").output
    assert f"Succeeds:  {old}" in asl("show", "@0").output
    assert f"in the place of the Common {old}" in asl("explain").output
    elsewhere = tmp_path / "elsewhere"
    assert run_asl(elsewhere, "init", "home3", "--succeeds", old[:8]).exit_code != 0, "not followed there"
    assert run_asl(elsewhere, "init", "home3", "--succeeds", old).exit_code == 0
    (one,) = json.loads(run_asl(elsewhere, "status", "--json").output)["commons"]
    assert one["predecessor"] == old
