"""Replacing the witness on real machines, by mDNS alone: whatever breaks, all end on one head and say so.

Each test ends with `agreed`: equal heads everywhere, and the lines of `asl status` that tell who the witness
is and how that came to be.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import found_together, one_head, opened, put, status
from tests.lan.conftest import BuildHousehold
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan

GRACE = "3s"


def agreed(machines: Sequence[Machine], *, witness: str = "", files: Sequence[str] = ()) -> dict[str, Any]:
    """Wait for one head with nothing pending, all final and `files` in it; the lines of status say it."""
    head = one_head(
        machines,
        lambda head: (
            not head["pending"]
            and head["final"] == head["height"]
            and head["witness"]["name"] == (witness or head["witness"]["name"])
        ),
    )
    for machine in machines:
        lines = status(machine)
        assert lines[0] == f"Common: home@{head['height']} (witness: {head['witness']['name']})"
        if head["changed_height"]:
            assert lines[1].startswith(f"Note: witness rotated at home@{head['changed_height']}")
        assert machine.paths() >= set(files)
        assert machine.json("verify")["failure"] is None
    return head


def replaced(machines: Sequence[Machine]) -> str:
    """Wait until these machines have another witness than the first of all; its name."""
    head = one_head(machines, lambda head: head["changed_height"] > 0)
    return str(head["witness"]["name"])


def test_rotation_and_the_founder_leaves(build_household: BuildHousehold) -> None:
    _, machines = build_household("mia", "alice", "james", "zoe")
    you, alice, james, zoe = machines
    found_together(machines, authorities=3)
    put(zoe, "before")
    you.asl("rotate", "james", "--reason", "moving out")
    alice.asl("endorse", opened(alice, "witness-rotation"))
    james.asl("endorse", opened(james, "witness-rotation"))
    one_head(machines, lambda head: head["witness"]["name"] == "james")
    you.stop()
    put(zoe, "after")
    head = agreed([alice, james, zoe], witness="james", files=["before", "after"])
    assert status(zoe)[1] == f"Note: witness rotated at home@{head['changed_height']}"


def test_a_witness_killed(build_household: BuildHousehold) -> None:
    _, machines = build_household("mia", "alice", "james", "zoe", "ben")
    you, *others = machines
    found_together(machines, authorities=5, threshold=3, grace=GRACE, mode="auto")
    put(others[0], "before")
    agreed(machines, witness="mia")
    you.kill()
    put(others[1], "meanwhile", wait=False)
    new = replaced(others)
    assert new != "mia"
    agreed(others, witness=new, files=["before", "meanwhile"])


def test_a_witness_cut_off_from_all_returns_with_snapshots_nobody_saw(
    build_household: BuildHousehold,
) -> None:
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines, grace=GRACE, mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    lan.cut(you.host)
    put(you, "unseen")
    assert you.head()[0] == 2
    new = replaced([alice, james])
    put(james, "meanwhile")
    lan.heal(you.host)
    agreed(machines, witness=new, files=["before", "unseen", "meanwhile"])
    said = status(you)
    left = you.json("log", "--superseded")["superseded"]
    # It may have listed `meanwhile` as well, if that reached it before the news did.
    assert [one["height"] for one in left] in ([2], [3, 2])
    count = "1 snapshot" if len(left) == 1 else "2 snapshots"
    assert any(
        line.startswith("Note: this machine stepped down") and f"{count} of its own superseded" in line
        for line in said
    ), said
    listed = [one["height"] is not None for snapshot in left for one in snapshot["proposals"]]
    assert listed == [True] * len(left), "F4: it is in the history"


def test_a_witness_cut_off_from_a_minority_stays(build_household: BuildHousehold) -> None:
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines, grace=GRACE, mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    lan.partition([you.host], [james.host])
    for number in range(3):  # relayed by alice, as are the beacons, long before the link is known to be dead
        put(james, f"over-alice-{number}")
    head = one_head(machines, lambda head: not head["pending"])
    assert head["witness"]["name"] == "mia" and head["changed_height"] == 0
    lan.heal_all()
    agreed(machines, witness="mia", files=["before", "over-alice-2"])


@pytest.mark.parametrize("is_heard", [False, True], ids=["hears", "is-heard"])
def test_a_witness_cut_off_one_way(build_household: BuildHousehold, is_heard: bool) -> None:
    """It hears the others and is not heard, or the other way round."""
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines, grace=GRACE, mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    for other in (alice, james):
        lan.cut_one_way(*((other.host, you.host) if is_heard else (you.host, other.host)))
    put(you, "unheard", wait=False)
    new = replaced([alice, james])
    lan.heal_all()
    agreed(machines, witness=new, files=["before", "unheard"])
    assert any(line.startswith("Note: this machine stepped down") for line in status(you))


def test_two_authorities_propose_themselves_at_once(build_household: BuildHousehold) -> None:
    _, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines, grace=GRACE, mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    you.kill()
    both = [threading.Thread(target=one.asl, args=("recover", "--yes")) for one in (alice, james)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    new = replaced([alice, james])
    put(james if new == "alice" else alice, "after")
    you.up()
    agreed(machines, witness=new, files=["before", "after"])


def test_recovery_keeps_a_cosigned_head_that_only_one_of_them_knows(build_household: BuildHousehold) -> None:
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines, grace=GRACE, mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    lan.cut(james.host)
    put(you, "seen-by-alice")
    wait_until(lambda: alice.call("summary")["final"] == 2, PATIENCE_S, "mia and alice have cosigned it")
    assert james.head()[0] == 1
    you.kill()
    lan.heal(james.host)
    new = replaced([alice, james])
    head = agreed([alice, james], witness=new, files=["before", "seen-by-alice"])
    assert head["changed_height"] == 3, "the takeover stands on what was final"


def test_who_joins_after_many_rotations_verifies_them_all(build_household: BuildHousehold) -> None:
    _, machines = build_household("mia", "alice", "james", "zoe")
    you, alice, james, zoe = machines
    invite = found_together([you, alice, james])
    present = [you, alice, james]
    for number in range(9):
        giver, taker = present[number % 3], present[(number + 1) % 3]
        put(giver, f"file-{number}")
        giver.call("rotate", member=taker.name)
        taker.call("endorse", id=opened(taker, "witness-rotation"))
        one_head(present, lambda head: head["witness"]["name"] == taker.name)  # noqa: B023 - called at once
    invite = str(you.json("invite")["invite"])
    zoe.asl("join", invite, "--name", "zoe")
    zoe.up()
    wait_until(lambda: zoe.call("summary")["standing"] == "admitted", PATIENCE_S, "zoe is in")
    put(zoe, "hello")
    head = agreed(machines, witness="mia", files=["file-0", "file-8", "hello"])
    trace = zoe.json("verify")["trace"]
    assert [step["by"] for step in trace] == ["genesis"] + 9 * ["witness-rotation"]
    assert head["epoch"] == 9


def test_a_copied_disk_on_another_machine_stops_both(build_household: BuildHousehold, tmp_path: Path) -> None:
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines)
    put(alice, "before")
    agreed(machines, witness="mia")
    copy = Machine(lan.add_host(), tmp_path, "copy")
    shutil.copytree(james.home, copy.home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    copy.up()
    for machine in (james, copy):
        wait_until(lambda machine=machine: machine.call("summary")["stale"], PATIENCE_S, "found out")  # type: ignore[misc]
        assert any(
            line.startswith("Attention:") and "(S11)" in line and "asl policy replace-key" in line
            for line in status(machine)
        )
    put(you, "after")
    agreed([you, alice], witness="mia", files=["before", "after"])
    cosigners = {one["name"] for one in you.call("show")["cosigned_by"]}
    assert cosigners == {"mia", "alice"}, "neither of the two signs any more"
    copy.stop()
    one_head(machines, lambda head: head["height"] == 2)


def test_copies_that_only_a_third_machine_hears_stop_both(
    build_household: BuildHousehold, tmp_path: Path
) -> None:
    lan, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines)
    put(alice, "before")
    agreed(machines, witness="mia")
    copy = Machine(lan.add_host(), tmp_path, "copy")
    shutil.copytree(james.home, copy.home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    lan.partition([james.host, alice.host], [copy.host])
    lan.partition([james.host], [alice.host])
    copy.up()
    for machine in (james, copy):
        wait_until(lambda machine=machine: machine.call("summary")["stale"], PATIENCE_S, "found out")  # type: ignore[misc]
        assert any("(S11)" in line and "asl policy replace-key" in line for line in status(machine))
    lines = wait_until(
        lambda: [line for line in status(you) if "two machines speak with the key of james" in line],
        PATIENCE_S,
        "its person is told",
    )
    assert lines[0].startswith("Attention:")

    def links() -> set[str]:
        return {one["address"] for one in you.call("peers")["peers"] if one["name"] == "james"}

    before = links()
    put(you, "after")
    agreed([you, alice], witness="mia", files=["before", "after"])
    assert {one["name"] for one in you.call("show")["cosigned_by"]} == {"mia", "alice"}
    assert links() == before and len(before) == 2, "no link has flapped"


def test_a_restored_backup_signs_nothing_more(build_household: BuildHousehold, tmp_path: Path) -> None:
    _, machines = build_household("mia", "alice", "james")
    you, alice, james = machines
    found_together(machines)
    put(alice, "before")
    agreed(machines, witness="mia")
    james.stop()
    shutil.copytree(james.home, tmp_path / "backup")
    james.up()
    put(james, "since")
    wait_until(lambda: len(you.call("show")["cosigned_by"]) == 3, PATIENCE_S, "james cosigned it too")
    james.kill()
    shutil.rmtree(james.home)
    shutil.copytree(tmp_path / "backup", james.home)
    james.up()
    wait_until(lambda: james.call("summary")["stale"], PATIENCE_S, "found out")
    assert any("(S11)" in line and "asl policy replace-key" in line for line in status(james))
    put(james, "it may still propose")
    agreed(machines, witness="mia", files=["before", "since", "it may still propose"])
    assert {one["name"] for one in you.call("show")["cosigned_by"]} == {"mia", "alice"}


def test_a_witness_that_signs_two_histories_is_revoked(
    build_household: BuildHousehold, tmp_path: Path
) -> None:
    """F3, S9, V8: 3 of 4; the witness's home runs twice, on the two sides of a cut."""
    lan, machines = build_household("mia", "alice", "james", "zoe")
    you, alice, james, zoe = machines
    found_together(machines, threshold=3)
    put(alice, "before")
    agreed(machines, witness="mia")
    you.stop()
    copy = Machine(lan.add_host(), tmp_path, "copy")
    shutil.copytree(you.home, copy.home)
    lan.partition([you.host, alice.host], [copy.host, james.host, zoe.host])
    you.up()
    copy.up()
    put(alice, "left")
    put(james, "right")
    one_head([james, zoe], lambda head: head["final"] == 2)
    left = alice.head()[1]
    wait_until(lambda: "alice" in _cosigners(alice), PATIENCE_S, "alice has cosigned the other one")
    assert left != james.head()[1]
    lan.heal_all()

    others = [alice, james, zoe]
    one_head(others, lambda head: head["accused"] and head["final"] == 2)
    for machine in others:
        assert any("mia HAS SIGNED TWO HISTORIES" in line for line in status(machine))
    (found,) = alice.json("evidence")["evidence"]
    assert sorted(found["snapshots"]) == sorted({left, james.head()[1]})
    assert f"asl revoke 'mia' --because {found['id'][:8]}" in alice.asl("evidence")

    asked = james.type("revoke", "mia", "--because", found["id"][:8], "--abandon", left[:12], "--yes")
    assert asked.returncode == 0, asked.stderr
    assert "THIS GIVES UP FOR EVER" in asked.stderr and f"@2 {left[:12]}" in asked.stderr
    for machine in (alice, zoe):
        machine.asl("endorse", opened(machine, "witness-revocation"))
    head = agreed(others, witness="james", files=["before", "left", "right"])
    assert status(alice)[1].endswith("and the key of the one before was revoked")
    assert not head["accused"] and head["abandoned"] == [left]
    assert "GIVEN UP" in alice.asl("log", "--superseded")
    gone = found["witness"]["key"]
    wait_until(lambda: all(gone not in one.links() for one in others), PATIENCE_S, "nobody links with it")


def _cosigners(machine: Machine) -> set[str]:
    return {one["name"] for one in machine.call("show")["cosigned_by"]}
