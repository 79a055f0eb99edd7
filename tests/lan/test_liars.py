"""One of four authorities lies as far as its key can, 3 of 4, and is the witness too: all others end on one
head, and say what happened.

The others are real daemons on hosts of their own, found by mDNS. The liar (`tests.lan.liar`) is linked with
each of them by the key that the Common knows, after its own daemon was stopped.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Proposal, Recovery, Revocation
from tests.authorities import found_together, one_head, opened, put, status
from tests.lan.conftest import BuildHousehold
from tests.lan.liar import Liar
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until
from tests.lan.test_succession import agreed

pytestmark = pytest.mark.lan


def propose_each(liar: Liar, machines: Sequence[Machine]) -> None:
    """Everybody proposes a file of its own name, which the witness, a liar, keeps to itself."""
    for machine in machines:
        put(machine, f"from-{machine.name}", wait=False)
    for machine in machines:
        wait_until(lambda m=machine: liar.proposal_of(f"from-{m.name}"), PATIENCE_S, "the liar hears it")  # type: ignore[misc]


def test_a_witness_that_tells_each_another_history(build_household: BuildHousehold) -> None:
    """F3, S9, V8: three histories, all cosigned by the liar, of which each of the others has cosigned one; it
    shows each of them other evidence, and endorses whatever would keep it in."""
    lan, machines = build_household("mia", "alice", "james", "zoe")
    you, *others = machines
    alice, james, zoe = others
    invite = found_together(machines, threshold=3)
    put(alice, "before")
    agreed(machines, witness="mia")
    you.stop()
    with Liar(you, others, invite) as liar:
        propose_each(liar, others)
        lan.partition(*([other.host] for other in others))
        base = liar.ledger.head
        told = {}
        for other in others:
            mine = liar.proposal_of(f"from-{other.name}")
            assert mine is not None
            told[other.name] = liar.emit(base, mine)
        for other in others:
            liar.tell([other], told[other.name], liar.cosign(told[other.name]))
            wait_until(
                lambda m=other: {"mia", m.name} <= _cosigners(m),  # type: ignore[misc]
                PATIENCE_S,
                "each has cosigned what it was told",
            )
        assert len({other.head()[1] for other in others}) == 3

        # Other evidence for each, before they can compare; a fourth history, and two that part further up.
        fourth = liar.put("fourth")
        liar.tell([alice], fourth, liar.emit(base, fourth))
        for name in ("up", "higher"):
            above = liar.put(name)
            snapshot = liar.emit(liar.tip_of(told["james"]), above)
            liar.tell([james], above, snapshot, liar.cosign(snapshot))
        for other in others:
            liar.tell([other], *(liar.cosign(one) for one in told.values()))
        wait_until(lambda: alice.call("summary")["accused"], PATIENCE_S, "alice has evidence of her own")
        wait_until(lambda: james.call("summary")["accused"], PATIENCE_S, "james has evidence of his own")
        lan.heal_all()
        for other in others:
            wait_until(lambda m=other: m.call("summary")["accused"], PATIENCE_S, "all accuse")  # type: ignore[misc]
            assert any("mia HAS SIGNED TWO HISTORIES" in line for line in status(other))
            wait_until(
                lambda m=other: all(  # type: ignore[misc]
                    _knows(m, one.id) for one in told.values()
                ),
                PATIENCE_S,
                "everybody knows every history that somebody has cosigned",
            )

        given_up = [told[name].id.hex()[:12] for name in ("alice", "zoe")]
        wait_until(
            lambda: {one["id"][:12] for one in _evidence(james)["cosigned_beside"]} == {*given_up},
            PATIENCE_S,
            "james knows who has cosigned what",
        )
        asked = james.type(*shlex.split(_evidence(james)["command"])[1:], "--yes")
        assert asked.returncode == 0, asked.stderr
        assert all(f"@2 {id_}" in asked.stderr for id_ in given_up)

        # It wants alice instead, from where she stands, in the same epoch; and nothing of it is to be final.
        wait_until(lambda: liar.proposals(Revocation), PATIENCE_S, "the liar hears of its revocation")
        (revocation,) = liar.proposals(Revocation)
        action = revocation.statement.action
        assert isinstance(action, Revocation)
        rival = liar.propose(
            Recovery(action.epoch, 2, told["alice"].id, liar.key_of("alice"), "trust me", ())
        )
        liar.tell(others, rival, liar.endorse(rival), liar.endorse(revocation))
        for other in others:
            wait_until(lambda m=other: _knows(m, rival.id), PATIENCE_S, "the rival paper is everywhere")  # type: ignore[misc]
        for machine in (alice, zoe):
            machine.asl("endorse", opened(machine, "witness-revocation"))
        agreed(others, witness="james", files=["before", "from-alice", "from-james", "from-zoe"])
    for other in others:
        lines = status(other)
        assert lines[1].endswith("and the key of the one before was revoked"), lines
        assert not any("HAS SIGNED TWO HISTORIES" in line for line in lines)
    put(zoe, "after")
    head = agreed(others, witness="james", files=["after"])
    assert {id_[:12] for id_ in head["abandoned"]} == set(given_up)
    gone = f"ed25519:{liar.key.key.hex()}"
    assert all(gone not in other.links() for other in others), "V8: its links are refused"


def _cosigners(machine: Machine) -> set[str]:
    return {one["name"] for one in machine.call("show")["cosigned_by"]}


def _evidence(machine: Machine) -> dict[str, Any]:
    first: dict[str, Any] = machine.json("evidence")["evidence"][0]
    return first


def _knows(machine: Machine, id_: bytes) -> bool:
    return bool(machine.call("find", id=id_.hex()))


def of_one_epoch(liar: Liar, *askers: Machine) -> list[Verified[Proposal]]:
    """A recovery by each of `askers`, all for one epoch; none while there is no such epoch."""
    keys = [liar.key_of(asker.name) for asker in askers]
    asked: dict[int, dict[bytes, Verified[Proposal]]] = {}
    for one in liar.proposals(Recovery):
        asked.setdefault(one.statement.action.epoch, {})[one.key] = one  # type: ignore[union-attr]
    return next(([by[key] for key in keys] for by in asked.values() if by.keys() >= set(keys)), [])


def test_a_liar_that_endorses_two_successions_of_one_epoch(build_household: BuildHousehold) -> None:
    """S1, S7, V6: two ask for the silent witness's place at once, cut off from each other; the liar, which
    reaches all, endorses both, and shows each only the one that is its own."""
    lan, machines = build_household("mia", "alice", "james", "zoe")
    you, *others = machines
    alice, james, zoe = others
    invite = found_together(machines, threshold=3, grace="3s", mode="ask")
    put(alice, "before")
    agreed(machines, witness="mia")
    you.kill()
    with Liar(you, others, invite) as liar:
        propose_each(liar, others)
        lan.partition(*([other.host] for other in others))
        for machine in (alice, james):
            machine.asl("recover", "--yes")
        both = wait_until(lambda: of_one_epoch(liar, alice, james), PATIENCE_S, "both have asked")
        for one in both:
            asker = next(other for other in (alice, james) if liar.key_of(other.name) == one.key)
            liar.tell([asker], liar.endorse(one))
            liar.tell([zoe], one, liar.endorse(one))
        wait_until(
            lambda: sum(one["does"] == "witness-recovery" for one in zoe.call("summary")["papers"]) >= 2,
            PATIENCE_S,
            "zoe sees both",
        )
        theirs = next(one for one in both if one.key == liar.key_of("james"))
        zoe.asl("endorse", theirs.id.hex()[:8])
        refused = zoe.type("endorse", next(one for one in both if one is not theirs).id.hex()[:8])
        assert refused.returncode == 1 and "S1" in refused.stderr, refused.stderr

        # In the epoch that ends it goes on as if nothing were, cosigned by itself, for alice alone.
        stray = liar.put("stray")
        alone = liar.emit(liar.ledger.head, stray)
        liar.tell([alice], stray, alone, liar.cosign(alone), liar.beacon(liar.tip_of(alone)))
        lan.heal_all()
        head = one_head(others, lambda head: head["changed_height"] > 0)
        assert head["witness"]["name"] == "james"
        liar.tell(others, stray, alone, liar.cosign(alone), liar.beacon(liar.tip_of(alone)))
        late = liar.put("late")
        liar.tell(others, late, liar.emit(liar.tip_of(alone), late))
        put(zoe, "after")
        files = ["before", "from-alice", "from-james", "from-zoe", "after"]
        head = agreed(others, witness="james", files=files)
    trace = zoe.json("verify")["trace"]
    assert [step["by"] for step in trace] == ["genesis", "witness-recovery"], "one certificate an epoch"
    assert all(status(other)[1] == status(zoe)[1] for other in others)


def test_a_liar_that_is_not_the_witness_takes_nothing(build_household: BuildHousehold) -> None:
    """V3, V6, V9, S12: endorsed attempts of its own at ever higher epochs, from @0 too; an invented @999; a
    takeover with no endorsement but its own. What nobody else endorses renews nobody, and the history goes
    on."""
    _, machines = build_household("mia", "alice", "james", "zoe")
    zoe, others = machines[3], machines[:3]
    you, alice, _ = others
    invite = found_together(machines, threshold=3, grace="3s", mode="auto")
    put(alice, "before")
    agreed(machines, witness="mia")
    zoe.stop()
    with Liar(zoe, others, invite) as liar:
        head, me = liar.ledger.head, liar.key.key
        attempts = []
        for above in (1, 2, 9):
            for base in (head.height, head.id), (0, liar.ledger.common_id):
                epoch = head.standing.next_epoch + above
                attempts.append(liar.propose(Recovery(epoch, *base, me, "I am the one", ())))
                liar.tell(others, attempts[-1], liar.endorse(attempts[-1]))
        liar.tell(others, liar.invent(999))
        put(alice, "after", wait=False)
        wait_until(
            lambda: liar.linked() and "after" in alice.paths(),
            PATIENCE_S,
            "what nobody can show is passed by",
        )
        coup = attempts[-2]
        alone = (liar.endorse(coup).raw,)
        taken = liar.emit(head, coup, epoch=epoch, certificate=alone, heed=False)
        liar.tell(others, coup, taken, liar.cosign(taken))
        wait_until(lambda: not liar.linked(), PATIENCE_S, "V6: who sends such a thing is hung up on")
        put(you, "on it goes")
        agreed(others, witness="mia", files=["before", "after", "on it goes"])
        assert one_head(others, bool)["epoch"] == head.standing.epoch, "S12: nothing was renewed"
