"""Replacing the witness by hand and by daemon, on real daemons on loopback: what people type and read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.authorities import (
    configure,
    found_together,
    on_loopback,
    one_head,
    opened,
    policy_text,
    put,
    status,
)
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until

Party = Callable[..., list[Machine]]


@pytest.fixture
def party(tmp_path: Path) -> Iterator[Party]:
    with ExitStack() as stack:
        yield lambda *names: stack.enter_context(on_loopback(tmp_path, *names))


def test_a_rotation_is_proposed_endorsed_accepted_and_emitted(party: Party) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines)
    put(you, "note")
    asked = you.asl("rotate", "james", "--reason", "moving out")
    assert "Proposed: mia hands the witness's office to james: moving out" in asked
    id_ = opened(alice, "witness-rotation")
    assert "missing alice or james; james has to accept" in asked and f"asl endorse {id_}" in asked
    attention = [line for line in status(alice) if line.startswith("Attention:")]
    assert attention == [
        "Attention: home: mia hands the witness's office to james: moving out "
        f"(1 of 2: mia; missing alice or james; james has to accept); asl endorse {id_}"
    ]
    shown = alice.asl("show", id_)
    assert "State:     1 of 2: mia; missing alice or james; james has to accept" in shown
    assert f"to endorse it: asl endorse {id_}" in shown
    assert "Endorsed: mia hands the" in alice.asl("endorse", id_)
    assert "Endorsed already: mia hands the" in alice.asl("endorse", id_)
    james.asl("endorse", opened(james, "witness-rotation"))
    head = one_head(machines, lambda head: head["witness"]["name"] == "james")
    at = head["changed_height"]
    for machine in machines:
        assert status(machine)[:2] == [
            f"Common: home@{head['height']} (witness: james)",
            f"Note: witness rotated at home@{at}",
        ]
    assert "Finality: waits for the first snapshot of james" in status(you)
    put(you, "more")
    wait_until(lambda: you.call("summary")["final"] > at, PATIENCE_S, "final again")
    assert "Finality:" not in "".join(status(alice))
    assert f"Note: this machine stepped down: the witness since home@{at} is james" in status(you)
    late = alice.type("endorse", id_)
    assert (late.returncode, late.stderr) == (
        1,
        f"asl: that is in the history since @{at}; see who endorsed it: asl show @{at}\n",
    )
    shown = james.asl("show", f"@{at}")
    assert "endorsed by" in shown and "Cosigned:" in shown
    assert f"@{at}" in james.asl("log") and "** the witness hands over **" in james.asl("log")
    you.stop()
    put(alice, "after")
    assert one_head([alice, james], lambda head: head["height"] > at)


def test_a_rotation_is_taken_back(party: Party) -> None:
    """S4: what the witness endorsed stops its cosignatures; the line that says so says what ends that."""
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines)
    asked = you.asl("rotate", "james", "--reason", "moving out")
    id_ = asked.partition("asl endorse ")[2].strip()
    (line,) = [line for line in status(you) if line.startswith("Finality:")]
    assert line == (
        "Finality: waits, as this machine has endorsed a succession that is still open "
        f"(1 of 2: mia; missing alice or james; james has to accept); to take it back: asl withdraw {id_}"
    )
    wrong = alice.type("withdraw", id_)
    assert (wrong.returncode, wrong.stderr) == (
        1,
        f"asl: no open proposal of this machine begins with {id_}; see what is open: asl proposals\n",
    )
    assert you.asl("withdraw", id_) == (
        "Withdrawn: mia hands the witness's office to james: moving out\n"
        "This machine stays the witness; the others' machines confirm that by themselves.\n"
    )
    put(you, "note")
    head = one_head(machines, lambda head: head["witness"]["name"] == "mia" and head["height"] >= 3)
    wait_until(lambda: you.call("summary")["final"] >= head["height"], PATIENCE_S, "final again")
    assert "Finality:" not in "".join(status(you))
    assert james.type("endorse", id_).returncode == 1


def test_a_killed_witness_is_replaced_by_the_daemons_and_steps_down_when_it_returns(party: Party) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines, grace="2s", mode="auto")
    put(james, "before")
    one_head(machines, lambda head: head["final"] == head["height"] == 1)
    you.kill()
    head = one_head([alice, james], lambda head: head["witness"]["name"] != "mia")
    new = head["witness"]["name"]
    assert (
        head["note"]
        == f"witness rotated at home@{head['changed_height']}, after the silence of the one before"
    )
    put(james, "meanwhile")
    you.up()
    one_head(machines, lambda head: head["height"] == 3 and head["final"] == 3)
    assert f"Note: this machine stepped down: the witness since home@{head['height']} is {new}" in status(you)
    put(you, "after")
    assert one_head(machines, lambda head: head["height"] == 4)["witness"]["name"] == new
    assert "** a new witness after silence **" in you.asl("log")
    assert you.asl("log", "--superseded") == "Nothing was left behind.\n"


def test_in_ask_mode_people_endorse_what_the_daemons_propose(party: Party) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines, grace="5s")
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    you.kill()
    id_ = opened(alice, "witness-recovery")
    # Alice's turn comes first (S7), but on a busy machine her daemon may be the later one.
    asked = next(one for one in alice.call("summary")["papers"] if one["id"].startswith(id_))
    successor = asked["author"]["name"]
    for machine in (alice, james):
        lines = status(machine)
        assert lines[0] == "Common: home@1 (witness: mia)"
        assert any(line.startswith("Silence: mia ") and "was not heard for" in line for line in lines), lines
        assert lines[-1].endswith(f"asl endorse {id_}"), lines
    alice.asl("endorse", id_)
    assert "1 of 2: alice; missing" in james.asl("proposals")
    james.asl("endorse", id_)
    head = one_head([alice, james], lambda head: head["witness"]["name"] == successor)
    other = james if successor == "alice" else alice
    home = f"Common: home@{head['height']} (witness: {successor})"
    assert status(other)[:2] == [home, f"Note: {head['note']}"]


def test_a_person_asks_for_recovery_before_the_daemons_would(party: Party) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines)
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    you.kill()
    nobody = james.type("recover")
    assert nobody.returncode == 2 and "say --yes if you mean it" in nobody.stderr
    assert "mia" in nobody.stderr and james.call("proposals")["proposals"] == []
    asked = james.asl("recover", "--yes", "--reason", "the laptop fell into the lake")
    assert "1 of 2: james; missing mia or alice" in asked
    alice.asl("endorse", opened(alice, "witness-recovery"))
    one_head([alice, james], lambda head: head["witness"]["name"] == "james")
    assert "the laptop fell into the lake" in alice.asl("show", "@2")


def test_a_stolen_key_is_revoked_and_its_place_given_to_a_new_one(party: Party) -> None:
    you, alice, james, spare = machines = party("mia", "alice", "james", "spare")
    found_together(machines, authorities=3)
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    assert "a revocation needs a ground" in alice.type("revoke", "james", "--yes").stderr
    for words in (("jamse", "--reason", "stolen"), ("james", "--because", "abcd")):
        wrong = alice.type("revoke", *words, "--yes")
        assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1, (
            "nothing is warned of that is not asked"
        )
    asked = alice.asl("revoke", "james", "--reason", "stolen", "--yes")
    assert "revokes the key of james, with mia as the witness from @" in asked
    you.asl("endorse", opened(you, "witness-revocation"))
    living = [you, alice, spare]
    one_head(living, lambda head: head["dead_authorities"])
    assert [one["status"] for one in you.call("members")["members"] if one["name"] == "james"] == ["revoked"]
    wait_until(lambda: all(james.key not in one.links() for one in living), PATIENCE_S, "its links end")
    assert any("asl authority replace james spare" in line for line in status(alice))
    asked = alice.asl("policy", "replace-key", "james", "--key", spare.key)
    assert "called spare" in asked or "called james" in asked
    you.asl("endorse", opened(you, "policy-change"))
    head = one_head(living, lambda head: not head["joint"] and not head["dead_authorities"])
    assert spare.call("summary")["roles"] == ["authority"] and head["witness"]["name"] == "mia"


def test_a_policy_change_says_what_it_does_runs_joint_and_settles(party: Party, tmp_path: Path) -> None:
    you, alice, _, zoe = machines = party("mia", "alice", "james", "zoe")
    found_together(machines, authorities=3)
    put(you, "note")
    named = [(machine.name, machine.key) for machine in machines]
    tight = tmp_path / "tight.yaml"
    tight.write_text(policy_text(named, 4, "7d"))
    refused = you.type("policy", "propose", str(tight))
    assert refused.returncode == 1 and "--risk one-loss-locks-out" in refused.stderr
    assert you.call("proposals")["proposals"] == []
    good = tmp_path / "good.yaml"
    good.write_text(policy_text(named, 3, "7d"))
    said = you.asl("policy", "propose", str(good))
    for words in (
        "adds zoe",
        "2 of 3 becomes 3 of 4",
        "the witness may be silent for 7d instead of 30d",
        "survives: 1 silent, 1 lying",
        "if mia is the witness and disappears: the others can replace it",
    ):
        assert f"  {words}\n" in said, said
    assert (
        "now: 1 of 2: mia; missing alice or james; then: 1 of 3: mia; missing 2 of alice, james, zoe" in said
    )
    twice = you.type("policy", "propose", str(good))
    assert twice.returncode == 1 and "that policy is proposed already, by mia" in twice.stderr
    id_ = opened(alice, "policy-change")
    asked = (
        "mia changes the policy: adds zoe, 2 of 3 becomes 3 of 4, the witness may be silent for 7d instead"
    )
    assert any(asked in line for line in status(alice)), status(alice)
    shown = alice.asl("show", id_)
    assert "           survives: 1 silent, 1 lying\n" in shown and shown.count("adds zoe") == 1
    for machine in (alice, zoe):
        machine.asl("endorse", opened(machine, "policy-change"))
    one_head(machines, lambda head: not head["joint"] and "3 of 4" in head["policy"][0])
    assert "** the policy changes **" in you.asl("log") and "** the policy change is settled **" in you.asl(
        "log"
    )
    assert "The witness there is mia, who founded it at @0" in you.asl("explain")
    again = you.type("policy", "propose", str(good))
    assert again.returncode == 1 and "that is the policy in force already" in again.stderr


def test_a_copied_home_signs_nothing_more_and_a_new_key_takes_its_place(party: Party, tmp_path: Path) -> None:
    you, alice, james = machines = party("mia", "alice", "james")
    found_together(machines)
    put(you, "note")
    one_head(machines, lambda head: head["final"] == head["height"])
    copy = Machine(james.host, tmp_path, "copy")
    shutil.copytree(james.home, copy.home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    copy.up("--port", "0")
    for machine in (james, copy):
        wait_until(lambda machine=machine: machine.call("summary")["stale"], PATIENCE_S, "found out")  # type: ignore[misc]
        assert any("(S11)" in line and "asl policy replace-key" in line for line in status(machine))
    copy.kill()
    fresh = Machine(james.host, tmp_path, "fresh")
    said = james.asl("policy", "replace-key", "--new-home", str(fresh.home))
    assert f"asl --home {fresh.home} up" in said
    for machine in (you, alice):
        machine.asl("endorse", opened(machine, "policy-change"))
    one_head(machines, lambda head: not head["joint"] and head["changed_height"] == 0 and head["height"] > 2)
    james.stop()
    configure(fresh, "[mdns]\nenabled = false")
    fresh.up("--listen", "127.0.0.1", "--peer", f"127.0.0.1:{you.port}", "--peer", f"127.0.0.1:{alice.port}")
    one_head([you, alice, fresh], lambda head: head["height"] > 2)
    assert fresh.call("summary")["roles"] == ["authority"]
    put(fresh, "again")
    wait_until(lambda: fresh.call("summary")["final"] == fresh.call("summary")["height"], PATIENCE_S, "final")
    cosigners = [one["key"] for one in fresh.call("show")["cosigned_by"]]
    wait_until(
        lambda: fresh.key in cosigners or len(fresh.call("show")["cosigned_by"]) == 3, PATIENCE_S, "cosigned"
    )


def test_alone_the_owner_vouches(party: Party) -> None:
    (you,) = party("mia")
    you.asl("init", "home")
    you.up()
    assert "nothing is in doubt" in you.type("vouch").stderr
    put(you, "note")
    copy = Machine(you.host, you.home.parent, "copy")
    shutil.copytree(you.home, copy.home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    copy.up("--port", "0")
    wait_until(lambda: you.call("summary")["stale"], PATIENCE_S, "found out")
    copy.kill()
    assert any("asl vouch" in line for line in status(you))
    put(you, "waits", wait=False)
    assert you.call("summary")["height"] == 1
    assert "signs again" in you.asl("vouch", "--yes")
    wait_until(lambda: you.call("summary")["height"] == 2, PATIENCE_S, "emitted")
