"""Open paper: what can still come to something, who has signed it, and when it is a certificate."""

from __future__ import annotations

from random import Random

import pytest

from aslp2p.artifacts.types import Recovery, Rotation, Takeover
from aslp2p.core.certificates import Certificates
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Recover, Revoke, Rotate
from aslp2p.ledger.certificate import Certified
from aslp2p.limits import EPOCH_MAX
from tests.model.liar import Liar
from tests.model.network import Machine, Network, key, policy_of


def network(threshold: int = 2, authorities: str = "abc", liars: str = "") -> Network:
    """Of whom a is the witness, or the first of `liars`."""
    honest = [name for name in authorities + "d" if name not in liars]
    policy = policy_of(authorities, threshold)
    return Network(Random(1), policy, witness=(liars or "a")[0], honest=honest, liars=tuple(liars))


def paper_of(machine: Machine) -> Certificates:
    return machine.core._certificates


def opened(machine: Machine, id_: bytes) -> Certified:
    return {one.id: action for one, action in paper_of(machine).open()}[id_]


def asked_for(machine: Machine, id_: bytes) -> Takeover:
    return {one.id: action for one, action in paper_of(machine).takeovers()}[id_]


def spread(home: Network) -> None:
    for _ in range(2):
        for machine in home.machines.values():
            machine.take(machine.left())
            machine.tick()


def test_what_is_no_succession_is_never_relevant() -> None:
    home = network()
    a = home.machines["a"]
    a.step(Propose(home.next_put()))
    a.tick()
    (put,) = home.proposals.values()
    assert not paper_of(a).is_relevant(put.statement, put.key)


def test_what_is_overtaken_is_closed_with_its_endorsements() -> None:
    """A takeover of a higher epoch ends what was asked for below it."""
    home = network()
    a, b, c = (home.machines[name] for name in "abc")
    rotation = a.step(Rotate(key("b"), "moving out"))
    change = a.step(ChangePolicy(policy_of("abd", 2)))
    for machine in (b, c):
        machine.see([*home.about(rotation), *home.about(change)])
        machine.tick()
        assert paper_of(machine).ready() is None, "it is the witness who carries these"
    assert set(paper_of(c).endorsements(rotation)) == {key("a")}
    recovery = b.step(Recover("gone"))
    c.see(home.about(recovery))
    assert c.step(Endorse(recovery)) is not None
    b.see(home.about(recovery))
    b.tick()
    c.see(home.line(home.snapshots[-1].id))
    assert c.head.standing.witness == key("b")
    assert [one.id for one, _ in paper_of(c).open()] == [change], (
        "the policy is still the one that it replaces"
    )
    assert not paper_of(c).endorsements(rotation)


def test_what_each_key_has_endorsed_and_proposed_is_known() -> None:
    """S1: a proposal says how far its author has come, also where its endorsement is withheld."""
    home = network(liars="a")
    liar, b = Liar(home, "a"), home.machines["b"]
    assert paper_of(b).endorsed_epochs() == paper_of(b).reached_epochs() == {}
    root = home.tip(home.genesis.id)
    rotation = liar.rotate(root, 7, key("b"))
    b.see(home.about(rotation.id))
    assert paper_of(b).endorsed_epochs() == {key("a"): 7}
    b.step(Endorse(rotation.id))
    assert paper_of(b).endorsed_epochs() == {key("a"): 7, key("b"): 7}
    higher = liar.rotate(root, EPOCH_MAX, key("d"))
    b.see(home.about(higher.id)[:1])
    assert paper_of(b).endorsed_epochs() == {key("a"): 7, key("b"): 7}
    assert paper_of(b).reached_epochs() == {key("a"): EPOCH_MAX, key("b"): 7}


@pytest.mark.parametrize("revoked", ["a", "c"])
def test_the_revoked_does_not_count_for_its_own_revocation(revoked: str) -> None:
    home = network(3, "abcd"[:4])
    b = home.machines["b"]
    asked = b.step(Revoke(key(revoked), "stolen"))
    for name in "acd":
        machine = home.machines[name]
        machine.see(home.about(asked))
        machine.step(Endorse(asked))
    proposal, action = home.proposals[asked], opened(b, asked)
    b.see(home.about(asked))
    head = b.head
    signers = paper_of(b).signers(proposal, action, head.members)
    assert signers == {key(name) for name in "abcd"} - {key(revoked)}
    assert paper_of(b).quorum(proposal, action, head.standing, head.members)


def test_a_witness_that_sees_a_complete_takeover_knows_its_successor() -> None:
    """S10: it stops, though the takeover itself has not come yet."""
    home = network()
    a, b, c = (home.machines[name] for name in "abc")
    recovery = b.step(Recover("gone"))
    assert isinstance(opened(b, recovery), Recovery)
    c.see(home.about(recovery))
    c.step(Endorse(recovery))
    assert paper_of(a).superseded_by() is None
    a.see(home.about(recovery))
    assert paper_of(a).superseded_by() == key("b")
    count = len(home.snapshots)
    a.step(Propose(home.next_put()))
    a.tick()
    assert len(home.snapshots) == count


def test_an_incoming_witness_has_to_agree() -> None:
    """V4."""
    home = network()
    a, b, c, d = (home.machines[name] for name in "abcd")
    asked = a.step(Rotate(key("d"), "moving out"))
    for machine in (b, c):
        machine.see(home.about(asked))
        machine.step(Endorse(asked))
    a.see(home.about(asked))
    proposal, action = home.proposals[asked], opened(a, asked)
    assert isinstance(action, Rotation)
    assert not paper_of(a).quorum(proposal, action, a.head.standing, a.head.members)
    d.see(home.about(asked))
    d.step(Endorse(asked))
    a.see(home.about(asked))
    a.tick()
    spread(home)
    assert {machine.head.standing.next_witness for machine in home.machines.values()} == {key("d")}


def test_who_has_signed_another_attempt_of_the_epoch_is_not_free_for_this_one() -> None:
    """S1, S7: two attempts of one epoch share the voices, and one of them may be past its quorum."""
    home = network(3, "abcd")
    b, c, d = (home.machines[name] for name in "bcd")
    first, second = b.step(Recover("gone")), c.step(Recover("gone"))
    d.see([*home.about(first), *home.about(second)])
    paper = paper_of(d)
    for asked in (first, second):
        assert not paper.can_get_there(home.proposals[asked], asked_for(d, asked)), (
            "a is gone; b, d or c, d are two"
        )
    third = d.step(Recover("gone"))
    assert paper.can_get_there(home.proposals[third], asked_for(d, third))


def test_nobody_waits_for_a_revoked_key_and_a_policy_is_no_attempt() -> None:
    """S7, V8."""
    home = network(3, "abcd")
    b, c = home.machines["b"], home.machines["c"]
    b.step(ChangePolicy(policy_of("abc", 2)))
    asked = b.step(Revoke(key("d"), "stolen"))
    proposal, action = home.proposals[asked], asked_for(b, asked)
    assert not paper_of(b).can_get_there(proposal, action), "without a, whom it may be about too, and d"
    c.see(home.about(asked))
    recovery = b.step(Recover("gone"))
    assert paper_of(b).can_get_there(home.proposals[recovery], asked_for(b, recovery))


def test_who_has_cosigned_beyond_its_base_is_not_free_for_it() -> None:
    """S3: of a, b, c and d, a is the witness and d has cosigned what b's recovery would leave out."""
    home = network(3, "abcd")
    a, b, d = (home.machines[name] for name in "abd")
    asked = b.step(Recover("gone"))
    assert paper_of(b).can_get_there(home.proposals[asked], asked_for(b, asked))
    a.step(Propose(home.next_put()))
    a.tick()
    d.see(home.line(home.snapshots[-1].id))
    d.tick()
    b.see(b.left())
    assert b.head.height == 1
    assert not paper_of(b).can_get_there(home.proposals[asked], asked_for(b, asked))
    again = b.step(Recover("gone"))
    assert paper_of(b).can_get_there(home.proposals[again], asked_for(b, again)), "its base is the new head"


def test_a_takeover_on_what_is_not_here_is_not_carried_out() -> None:
    """V9: whoever is appointed waits for the base."""
    home = network()
    a, b, c = (home.machines[name] for name in "abc")
    a.step(Propose(home.next_put()))
    a.tick()
    b.see(home.line(home.snapshots[-1].id))
    asked = b.step(Recover("gone", key("c")))
    a.see(home.about(asked))
    a.step(Endorse(asked))
    c.see(home.about(asked))
    assert paper_of(c).ready() is None
    c.see(home.line(home.snapshots[-1].id))
    c.forget_certificates()
    spread(home)
    assert {machine.head.standing.witness for machine in home.machines.values()} == {key("c")}
