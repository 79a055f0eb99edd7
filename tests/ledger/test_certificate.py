"""What a certificate may say, signatures apart, and what endorsing it would meet (V6, V8, P3, S9)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Expel, Named, PolicyChange, Proposal, Recovery, Revocation, Rotation
from aslp2p.errors import NewerProtocol, Rejected
from aslp2p.ledger import members
from aslp2p.ledger.certificate import Parent, require_applicable
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.history import Ledger
from aslp2p.limits import EPOCH_MAX
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    EVE,
    FAY,
    Key,
    Node,
    World,
    feed,
    named,
    policy,
    swap,
)


def parent_of(ledger: Ledger) -> Parent:
    """The head as what a certificate is judged against."""
    head = ledger.head
    return Parent(
        head.id,
        head.height,
        head.standing,
        head.members,
        lambda height: ledger.id_at(head.branch, height),
        lambda id_: ledger.contains(head.branch, head.height, id_),
        lambda content: held_at(ledger._store, head.branch, head.height, content),
    )


def answer(ledger: Ledger, proposal: Proposal) -> str | None:
    """The rule that refuses, if one does."""
    action = proposal.action
    assert isinstance(action, PolicyChange | Rotation | Recovery | Revocation)
    try:
        require_applicable(action, parent_of(ledger), subject=bytes(32))
    except Rejected as refused:
        return refused.rule
    return None


@pytest.fixture
def at() -> tuple[World, Ledger, Node]:
    world = World(members=(ANN, BEN, CLEO, DAN))
    ledger = world.ledger()
    tip = world.after(world.root, world.put("a"), world.admit(EVE), world.propose(Expel(EVE.key), BEN))
    feed(ledger, tip)
    return world, ledger, tip


def test_epochs_grow_up_to_the_last_one(at: tuple[World, Ledger, Node]) -> None:
    world, ledger, tip = at
    tip = world.rotate(tip, BEN, epoch=10)
    feed(ledger, tip)
    for epoch, rule in [(1, "V6"), (10, "V6"), (11, None), (2**20 + 11, None), (EPOCH_MAX, None)]:
        assert answer(ledger, world.recovery(tip, CLEO, epoch).statement) == rule
        assert answer(ledger, world.rotation(tip, CLEO, epoch).statement) == rule
    assert answer(ledger, world.recovery(tip, CLEO, EPOCH_MAX + 1).statement) == "V6"


def test_who_may_be_appointed(at: tuple[World, Ledger, Node]) -> None:
    """A member, authority or not, also one that was expelled; no stranger, nobody revoked (V7)."""
    world, ledger, tip = at
    for who, rule in [(DAN, None), (BEN, None), (EVE, None), (FAY, "V7")]:
        assert answer(ledger, world.recovery(tip, who).statement) == rule
        assert answer(ledger, world.rotation(tip, who).statement) == rule
    feed(ledger, revoked := world.revoke(tip, CLEO, DAN))
    assert answer(ledger, world.recovery(revoked, DAN, 2).statement) == "V7"


def test_what_may_be_revoked(at: tuple[World, Ledger, Node]) -> None:
    world, ledger, tip = at
    for who, rule in [(ANN, None), (DAN, None), (EVE, None), (CLEO, "V8")]:
        assert answer(ledger, world.revocation(tip, CLEO, who).statement) == rule
    feed(ledger, gone := world.revoke(tip, CLEO, ANN))
    assert (
        answer(ledger, world.revocation(gone, CLEO, BEN, 2).statement) == "V8"
    )  # one of three would be left
    assert answer(ledger, world.revocation(gone, CLEO, ANN, 2).statement) == "V8"
    assert answer(ledger, world.revocation(gone, CLEO, DAN, 2).statement) is None


def test_a_revocation_must_leave_a_quorum_of_both_policies() -> None:
    world = World(members=(ANN, BEN, CLEO, DAN))
    ledger = world.ledger()
    feed(ledger, joint := world.install(world.root, policy((CLEO, DAN), 2), ANN, CLEO, DAN))
    assert answer(ledger, world.revocation(joint, BEN, DAN).statement) == "V8"
    assert answer(ledger, world.revocation(joint, BEN, ANN).statement) is None


def test_which_policies_may_follow(at: tuple[World, Ledger, Node]) -> None:
    world, ledger, tip = at
    for new, rule in [
        (policy((ANN, BEN), 2), None),
        (policy((ANN, BEN), 1), "P1"),
        (policy((ANN, EVE), 2), None),  # a quorum outranks whoever expelled eve
        (policy((ANN,), 1, protocol=2), "A4"),
    ]:
        assert answer(ledger, world.change(new).statement) == rule
    assert answer(ledger, world.change(policy((ANN,), 1), tip.id).statement) == "P3"
    feed(ledger, world.revoke(tip, CLEO, DAN))
    assert answer(ledger, world.change(policy((ANN, BEN, DAN), 2)).statement) == "P3"


def test_what_may_be_abandoned(at: tuple[World, Ledger, Node]) -> None:
    world, ledger, tip = at
    feed(ledger, tip := world.puts(tip, "b"))
    for abandons, rule in [
        ((bytes(32),), None),
        ((tip.id,), "S9"),
        ((bytes(32), world.id), "S9"),
        ((world.puts(tip, "other").id,), None),
    ]:
        assert answer(ledger, world.recovery(tip, CLEO, abandons=abandons).statement) == rule
        assert answer(ledger, world.revocation(tip, CLEO, ANN, abandons=abandons).statement) == rule


def test_new_authorities_need_room_and_no_free_name(
    at: tuple[World, Ledger, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anybody endorses what could not be listed (A4); a squatted name stops nothing."""
    world, ledger, tip = at
    labelled = policy((ANN, BEN), 2, witnesses=(*named((ANN, BEN)), Named("dan", FAY.key)))
    assert answer(ledger, world.change(labelled).statement) is None
    freed = policy((ANN, BEN), 2, witnesses=(*named((ANN, BEN)), Named("eve", FAY.key)))
    assert answer(ledger, world.change(freed).statement) is None  # the expelled one's name is free
    other = policy((ANN, BEN), 2, witnesses=(*named((ANN, BEN)), Named("ann2", DAN.key)))
    assert answer(ledger, world.change(other).statement) is None  # a member keeps its own name
    monkeypatch.setattr(members, "MEMBERS_MAX", len(ledger.head.members))
    assert answer(ledger, world.change(freed).statement) == "A4"
    assert answer(ledger, world.change(other).statement) is None
    assert tip.height == ledger.head.height


@pytest.mark.parametrize(("by", "decided"), [((ANN, BEN), True), ((ANN,), False), ((ANN, DAN), False)])
def test_a_later_protocol_is_decided_once_the_quorums_want_it(by: tuple[Key, ...], decided: bool) -> None:
    """A4: this version cannot follow, and has to know whether others do."""
    world = World()
    ledger = world.ledger()
    node = world.install(world.root, policy((ANN, BEN), 2, protocol=2), *by)
    with pytest.raises(NewerProtocol, match="update this machine") as caught:
        feed(ledger, node)
    assert (caught.value.rule, caught.value.protocol, caught.value.decided) == ("A4", 2, decided)
    if decided:
        broken = swap(node, signed=sign_statement(replace(node.snapshot.statement, certificate=(b"x",)), ANN))
        with pytest.raises(NewerProtocol) as again:
            feed(ledger, broken)
        assert not again.value.decided
