"""Erasing what others have put too: proposed, endorsed by people, listed with its certificate (section 3).

The journal keeps what each key said; the epoch is 0, outside S1, as for a policy change.
"""

from __future__ import annotations

from random import Random

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.types import Erase, Expel, Put, Rejection, Remove
from aslp2p.core.inputs import ChangePolicy, Endorse, MarkStale, Now, Propose, Recover, Withdraw
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.journal import ENDORSE, ENDORSE_POLICY
from aslp2p.views.pending import open_artifacts, open_certified
from aslp2p.views.summary import summary
from aslp2p.views.view import View
from tests.model.network import WALL_MS, Machine, Network, key, policy_of

SECRET = b"the same secret " * 5
ID = content_id(SECRET)
ERASE = Erase(ID, "it has a password in it")


def put(path: str) -> Propose:
    return Propose(Put(path, ID, len(SECRET), "", False, 0, None), ((ID, SECRET),))


def spread(home: Network) -> None:
    for _ in range(2):
        for machine in home.machines.values():
            machine.take(machine.left())
            machine.tick()


@pytest.fixture
def home() -> Network:
    """2 of a, b and c, of whom a is the witness, and d. a and d have put one content, which no path holds."""
    made = Network(Random(1), policy_of("abc", 2), witness="a", honest="abcd", liars="")
    a, d = made.machines["a"], made.machines["d"]
    a.step(put("x"))
    d.step(put("y"))
    spread(made)
    a.step(Propose(Remove("x", None)))
    a.step(Propose(Remove("y", None)))
    spread(made)
    assert held(d) == (b"", 0)
    return made


def held(machine: Machine) -> tuple[bytes, int]:
    """What erased the content where this party stands, and how many paths hold it."""
    found = held_at(machine.store, machine.head.branch, machine.head.height, ID)
    assert found is not None
    return found.erased, found.paths


def rejections(home: Network) -> list[str]:
    return [one.signed.statement.code for one in home.heap if isinstance(one.signed.statement, Rejection)]


def papers(machine: Machine) -> list[dict[str, object]]:
    view = View(machine.store, own_key=machine.signer.key)
    return [one["paper"] for one in open_certified(view, open_artifacts(view))]


def test_a_member_asks_people_endorse_and_the_witness_lists_it(home: Network) -> None:
    a, b, c, d = (home.machines[name] for name in "abcd")
    asked = d.step(Propose(ERASE))
    spread(home)
    assert not rejections(home), "it waits for its endorsements"
    (paper,) = papers(b)
    assert (paper["progress"], paper["may_endorse"]) == ("0 of 2; missing 2 of a, you, c", True)
    assert papers(d)[0]["may_endorse"] is False
    told = summary(View(b.store, own_key=b.signer.key))
    assert told["offers"] == [asked.hex()] and told["pending"] == 0, "people are asked"
    assert b.step(Endorse(asked)) is not None
    spread(home)
    assert held(d) == (b"", 0)
    assert c.step(Endorse(asked)) is not None
    spread(home)
    assert [held(one) for one in (a, b, c, d)] == [(asked, 0)] * 4
    assert home.snapshots[-1].statement.certificate is not None
    assert d.head.standing.epoch == d.head.standing.next_epoch == 0, "it moves no authority"
    assert not papers(b)
    for machine in (b, c):
        assert [row.epoch for row in machine.store.journal(ENDORSE_POLICY, last=9)] == [0]
        assert not machine.store.journal(ENDORSE), "outside S1"


def test_endorsements_of_whoever_is_no_authority_are_none(home: Network) -> None:
    b, d = home.machines["b"], home.machines["d"]
    asked = b.step(Propose(ERASE))
    spread(home)
    assert d.step(Endorse(asked)) is None
    assert "no authority" in d.refused[-1].message


def test_a_policy_change_and_a_takeover_go_on_beside_it(home: Network) -> None:
    """It is nobody's succession: it binds no epoch and takes no place of a succession."""
    a, b, c, d = (home.machines[name] for name in "abcd")
    asked = d.step(Propose(ERASE))
    change = a.step(ChangePolicy(policy_of("abd", 2)))
    spread(home)
    for machine in (b, d):
        assert machine.step(Endorse(change)) is not None
    spread(home)
    assert b.head.standing.policies == (policy_of("abd", 2),)
    taken = b.step(Recover("gone"))
    spread(home)
    assert d.step(Endorse(taken)) is not None
    spread(home)
    assert c.head.standing.next_witness == key("b")
    for machine in (a, d):
        assert machine.step(Endorse(asked)) is not None, "by those in force now"
    spread(home)
    assert held(c) == (asked, 0)


def test_its_own_author_erases_alone_and_what_a_path_holds_is_refused_in_words(home: Network) -> None:
    d = home.machines["d"]
    d.step(put("again"))
    asked = d.step(Propose(ERASE))
    spread(home)
    assert rejections(home) == ["still-there"]
    other = b"only mine, and long enough to be erased by nobody else but me, the author"
    id_ = content_id(other)
    home.machines["a"].step(Propose(Put("z", id_, len(other), "", False, 0, None), ((id_, other),)))
    home.machines["a"].step(Propose(Remove("z", None)))
    spread(home)
    mine = home.machines["a"].step(Propose(Erase(id_, "")))
    assert not papers(home.machines["a"]), "nobody is asked"
    spread(home)
    found = held_at(d.store, d.head.branch, d.head.height, id_)
    assert found is not None and found.erased == mine != asked


def test_who_is_in_doubt_endorses_no_erasure(home: Network) -> None:
    """S11"""
    b = home.machines["b"]
    asked = home.machines["d"].step(Propose(ERASE))
    spread(home)
    b.core.step(MarkStale("restored"), Now(10**9, WALL_MS + 10**9))
    b.store.commit()
    assert b.step(Endorse(asked)) is None
    assert "in doubt" in b.refused[-1].message or b.refused[-1].remedy


def test_one_may_be_taken_back_and_one_of_the_expelled_is_forgotten(home: Network) -> None:
    a, b, d = (home.machines[name] for name in "abd")
    asked = d.step(Propose(ERASE))
    spread(home)
    assert d.step(Withdraw(asked))
    assert not papers(d) and papers(b)
    a.step(Propose(Expel(key("d"))))
    spread(home)
    assert not papers(b) and not papers(a)


def test_every_machine_drops_the_bytes_once_that_is_final_and_not_before(home: Network) -> None:
    a, b, c, d = (home.machines[name] for name in "abcd")
    asked = d.step(Propose(ERASE))
    spread(home)
    assert b.step(Endorse(asked)) is not None and c.step(Endorse(asked)) is not None
    for _ in range(20):
        for machine in (a, d):  # who put it
            final = machine.core.live()["final_height"]
            erased = held_at(machine.store, machine.head.branch, final, ID)
            assert (machine.store.content(ID) is None) == bool(erased and erased.erased)
        spread(home)
    assert all(machine.store.content(ID) is None for machine in (a, b, c, d))
    assert not any(machine.store.is_wanted(ID) for machine in (a, b, c, d))


def test_who_puts_it_again_has_it_again(home: Network) -> None:
    test_every_machine_drops_the_bytes_once_that_is_final_and_not_before(home)
    home.machines["a"].step(put("z"))
    spread(home)
    assert held(home.machines["d"]) == (b"", 1)
    assert home.machines["a"].store.content(ID) == SECRET
