"""Coming and going: invites that expire, invites that are used up, and members who are expelled (P6)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from aslp2p.artifacts.invite import Invite
from tests.lan.conftest import BuildHousehold
from tests.lan.machines import PATIENCE_S, Machine, found, wait_equal, wait_joined
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan


def attention(machine: Machine) -> str:
    """What `asl status` says when a person has to decide something, else nothing."""
    done = machine.type("status")
    return done.stdout if done.returncode == 4 else ""


def test_an_expired_invite_says_so_and_a_new_one_works(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    anna.asl("init", "home", "--name", "anna")
    anna.up()
    brief = anna.json("invite", "--expires", "20s")
    ben.asl("join", brief["invite"], "--name", "ben")
    wait_until(lambda: time.time() * 1000 > brief["expires_ms"], PATIENCE_S, "it has expired")
    assert "this invite has expired" in ben.type("join", brief["invite"]).stderr, "and is refused at once"
    ben.up()
    status = wait_until(lambda: attention(ben), PATIENCE_S, "ben is told")
    assert "the invite has expired; ask for a new one" in status
    assert ben.type("ls").returncode == 1, "nothing came"
    ben.stop()
    ben.asl("join", anna.json("invite")["invite"])
    ben.up()
    wait_joined(anna, ben)
    assert ben.type("status").returncode == 0


def test_a_joiner_that_can_only_be_dialled_is_let_in(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    anna.asl("init", "home", "--name", "anna")
    anna.up()
    invite = Invite.parse(anna.json("invite")["invite"])
    ben.asl("join", replace(invite, hints=()).encode(), "--name", "ben")
    ben.up("--no-mdns")
    anna.stop()
    anna.up("--no-mdns", "--peer", ben.address)
    wait_joined(anna, ben)


def test_an_invite_for_one_machine_lets_one_in(build_household: BuildHousehold) -> None:
    _, (anna, ben, cleo) = build_household("anna", "ben", "cleo")
    anna.asl("init", "home", "--name", "anna")
    anna.up()
    invite = anna.json("invite", "--uses", "1")["invite"]
    ben.asl("join", invite, "--name", "ben")
    ben.up()
    wait_joined(anna, ben)
    cleo.asl("join", invite, "--name", "cleo")
    cleo.up()
    assert "the invite was used already" in wait_until(lambda: attention(cleo), PATIENCE_S, "cleo is told")
    assert len(anna.call("members")["members"]) == 2


def test_who_is_expelled_gets_and_changes_nothing_more(build_household: BuildHousehold) -> None:
    _, (anna, ben, cleo) = build_household("anna", "ben", "cleo")
    found(anna, ben, cleo)
    key = cleo.key
    cleo.asl("put", "-", "before", stdin="still here\n")
    wait_equal([anna, ben, cleo])

    anna.asl("members", "expel", "cleo")
    status = wait_until(lambda: attention(cleo), PATIENCE_S, "cleo is told")
    assert "this key is no member any more" in status or "this key was expelled" in status
    wait_until(lambda: key not in anna.links() | ben.links(), PATIENCE_S, "her links have ended")
    anna.asl("put", "-", "after", stdin="not for cleo\n")
    late = cleo.type("put", "--no-wait", "-", "too-late", stdin="from cleo\n")
    assert late.returncode == 1 and "not listed: this key" in late.stderr
    wait_equal([anna, ben])

    # Her invite is still good, for somebody else. With a fresh start she tries everything that she knows.
    cleo.stop()
    cleo.up()
    status = wait_until(lambda: attention(cleo), PATIENCE_S, "she has tried again")
    assert "this key was expelled" in status
    height = wait_equal([anna, ben])
    anna.asl("put", "-", "later", stdin="and on it goes\n")
    wait_until(lambda: anna.head()[0] > height, PATIENCE_S, "it does")
    wait_equal([anna, ben])
    assert anna.paths() == {"before", "after", "later"}
    assert not {"after", "later"} & cleo.paths()
    assert [one["status"] for one in anna.call("members")["members"] if one["key"] == key] == ["expelled"]
    assert cleo.call("summary")["height"] < anna.call("summary")["height"]
