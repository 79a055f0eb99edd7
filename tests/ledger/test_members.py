"""Members one by one: what an admit leaves behind, names, and what is never forgotten (section 3, P6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.types import Expel, Forget, Rename, RevokeInvite
from aslp2p.ledger.facts import load_members
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.members import name_fits, name_for, name_is_free, was_forgotten
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, FAY, GUS, Node, World, feed, policy


@pytest.fixture
def at() -> tuple[World, Ledger]:
    world = World()
    return world, world.ledger()


def members_of(ledger: Ledger) -> dict[str, str]:
    """Name to status, as the store has it, which is what the head says."""
    found = load_members(ledger._store, ledger.head.branch, ledger.head.height)
    assert found == ledger.head.members
    return {member.name: member.status for member in found.values()}


def test_a_token_used_in_two_places_admits_one(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    feed(ledger, tip := world.after(world.root, world.admit(EVE, CLEO, token=world.shown(EVE, DAN))))
    other = world.after(tip, world.admit(FAY, BEN, token=world.shown(FAY, DAN)))
    with pytest.raises(Exception, match="as often as it may be"):
        feed(ledger, other)
    assert "fay" not in members_of(ledger)


def test_a_use_stays_spent_whoever_is_forgotten(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    first = world.after(
        world.root,
        world.admit(EVE, CLEO, token=world.shown(EVE, ANN)),
        world.propose(Expel(EVE.key)),
        world.propose(Forget(EVE.key)),
    )
    feed(ledger, first)
    assert "eve" not in members_of(ledger)
    with pytest.raises(Exception, match="as often as it may be"):
        feed(ledger, world.after(first, world.admit(FAY, BEN, token=world.shown(FAY, ANN))))


def test_an_authority_can_undo_what_it_forgot_and_is_not_undone(at: tuple[World, Ledger]) -> None:
    """The token that let eve in is shown in the history; nobody brings her back with it but an authority."""
    world, ledger = at
    token = world.shown(EVE, ANN, uses=9)
    first = world.after(
        world.root,
        world.admit(EVE, DAN, token=token),
        world.propose(Expel(EVE.key), BEN),
    )
    feed(ledger, first)
    for gone in (first, world.after(first, world.propose(Forget(EVE.key), BEN))):
        if gone is not first:
            feed(ledger, gone)
        with pytest.raises(Exception, match="only an authority"):
            feed(ledger, world.after(gone, world.admit(EVE, DAN, token=token)))
    back = world.after(gone, world.admit(EVE, CLEO, token=token), world.put("x", EVE))
    feed(ledger, back)
    assert members_of(ledger)["eve"] == "admitted"
    feed(ledger, out := world.after(back, world.propose(Expel(EVE.key), BEN)))
    with pytest.raises(Exception, match="names that key"):
        feed(ledger, world.after(out, world.propose(Forget(EVE.key), BEN)))


def test_a_name_of_a_forgotten_member_waits_for_an_authority(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    gone = world.after(
        world.root,
        world.admit(EVE),
        world.propose(Expel(EVE.key)),
        world.propose(Forget(EVE.key)),
    )
    feed(ledger, gone)
    with pytest.raises(Exception, match="forgotten member"):
        feed(ledger, world.after(gone, world.admit(FAY, DAN, "eve")))
    feed(ledger, given := world.after(gone, world.propose(Rename(DAN.key, "eve"), CLEO)))
    feed(ledger, world.after(given, world.propose(Rename(DAN.key, "dan"), DAN), world.admit(FAY, DAN, "eve")))
    assert members_of(ledger) == dict.fromkeys(("ann", "ben", "cleo", "dan", "eve"), "admitted")


def test_a_name_that_somebody_has_by_now_is_not_reserved(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    feed(
        ledger,
        world.after(
            world.root,
            world.admit(EVE),
            world.propose(Expel(EVE.key)),
            world.admit(FAY, DAN, "eve"),
            world.propose(Forget(EVE.key)),
            world.propose(Rename(FAY.key, "fay"), FAY),
            world.admit(GUS, DAN, "eve"),
        ),
    )
    assert ledger.head.members[GUS.key].name == "eve"


def test_who_is_expelled_keeps_its_label_by_a_certificate_only_while_it_is_free(
    at: tuple[World, Ledger],
) -> None:
    world, ledger = at
    out = world.after(world.root, world.propose(Expel(DAN.key), BEN), world.admit(EVE, ANN, "dan"))
    feed(ledger, out, world.install(out, policy((ANN, BEN, DAN), 2)))
    assert members_of(ledger)[f"dan-{DAN.key.hex()[:16]}"] == "admitted"


def test_an_invite_ends_by_its_inviter_or_an_authority_and_by_nobody_else(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    invites = [world.invite(DAN, number=number)[0].id for number in (1, 2, 3)]
    tip = world.after(
        world.root,
        world.admit(EVE),
        world.propose(RevokeInvite(invites[0]), DAN),
        world.propose(RevokeInvite(invites[1]), CLEO),
        world.propose(RevokeInvite(invites[2]), EVE),
    )
    feed(ledger, tip)
    for number in (1, 2):
        token = world.shown(FAY, DAN, number=number)
        with pytest.raises(Exception, match="was revoked"):
            feed(ledger, world.after(tip, world.admit(FAY, ANN, token=token)))
    feed(ledger, world.after(tip, world.admit(FAY, ANN, token=world.shown(FAY, DAN, number=3))))


def test_what_names_a_key_keeps_it(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    kept = {member.name for member in ledger.head.members.values() if member.kept}
    assert kept == {"ann", "ben", "cleo"}, "authorities, and not every anchor"
    tip = world.after(world.root, world.admit(EVE, DAN), world.admit(FAY, ANN, token=world.shown(FAY, EVE)))
    feed(ledger, tip)
    kept = {member.name for member in ledger.head.members.values() if member.kept}
    assert kept == {"ann", "ben", "cleo", "dan", "eve"}, "an author, an inviter, and not who was let in"
    feed(ledger, world.rotate(tip, FAY))
    assert ledger.head.members[FAY.key].kept


def test_a_snapshot_of_puts_shares_its_parents_members(at: tuple[World, Ledger]) -> None:
    world, ledger = at
    before = ledger.head.members
    feed(ledger, first := world.puts(world.root, "a"))
    assert ledger.head.members is before
    feed(ledger, world.after(first, world.put("b", DAN)))
    assert ledger.head.members is not before
    assert not before[DAN.key].kept


@given(st.sampled_from(["dan", "x" * 64, "ü" * 32, "a" + "ü" * 31, "家" * 21, "x" * 46 + "ü"]))
def test_a_taken_label_gets_a_suffix_that_nobody_else_can_have(label: str) -> None:
    world = World()
    draft = world.ledger().draft()
    assert name_for(draft, label, DAN.key) == label
    draft.set(b"n" + label.encode(), ANN.key)
    name = name_for(draft, label, DAN.key)
    assert name.endswith(f"-{DAN.key.hex()[:16]}")
    assert name_problem(name) is None
    assert name_fits(name, DAN.key)
    assert not name_fits(name, EVE.key)
    assert name_for(draft, name, EVE.key).endswith(f"-{EVE.key.hex()[:16]}")
    assert name_fits(name.upper(), EVE.key) == (name.upper() != name), "digits are lower case"


def test_a_roll_back_forgets_uses_and_names(at: tuple[World, Ledger]) -> None:
    """Facts belong to a branch: what is listed on one says nothing on another."""
    world, ledger = at
    base = world.puts(world.root, "a")
    lost: Node = world.after(base, world.admit(EVE, CLEO, token=world.shown(EVE, DAN)))
    feed(ledger, base, lost, taken := world.recover(base, CLEO, BEN, CLEO))
    assert ledger.head.id == taken.id
    feed(ledger, world.after(taken, world.admit(FAY, CLEO, "eve", world.shown(FAY, DAN))))
    assert members_of(ledger)["eve"] == "admitted"


def test_what_whoever_proposes_an_admission_may_ask_before(at: tuple[World, Ledger]) -> None:
    """So that nobody is let in by a daemon whom only a person may, and no name is asked for in vain."""
    world, ledger = at
    gone = world.after(
        world.root,
        world.propose(Rename(DAN.key, "dan"), DAN),
        world.admit(EVE),
        world.propose(Expel(EVE.key)),
        world.propose(Forget(EVE.key)),
    )
    feed(ledger, gone)
    draft = ledger.draft()
    assert was_forgotten(draft, EVE.key) and not was_forgotten(draft, FAY.key)
    assert name_is_free(draft, "fay", FAY.key) and name_is_free(draft, "dan", DAN.key)
    for name in ("dan", "eve", f"x-{GUS.key.hex()[:16]}"):
        assert not name_is_free(draft, name, FAY.key)
