"""Paper that is wrong, brought to a node by a person: refused by its named rule, and nothing else changes.

ben's machine holds two snapshots of ann, and an open recovery by ben that nobody has endorsed yet. What is
bad comes alone or inside a snapshot; what is only too early waits (V9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aslp2p.artifacts.envelope import Signed, Verifier
from aslp2p.artifacts.types import Policy
from aslp2p.core.inputs import Import, Now
from aslp2p.core.intake import Imported
from aslp2p.core.node import NodeCore
from aslp2p.ledger.history import found_common
from aslp2p.limits import EPOCH_MAX
from simulations.disk import Disk
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    FAY,
    Key,
    Node,
    World,
    bad_signature,
    named,
    policy,
)


class Desk:
    """ben's machine, and what it has been given."""

    def __init__(self) -> None:
        self.world = World(policy((ANN, BEN, CLEO, FAY), 3), members=(ANN, BEN, CLEO, DAN, FAY))
        self.tip = self.world.chain(self.world.root, 2)
        self.asked = self.world.recovery(self.tip, BEN)
        self.store = Disk()
        found_common(self.store, self.world.genesis)
        self.store.commit()
        self.core = NodeCore(
            self.store, common_id=self.world.id, signer=BEN, entropy=bytes, verifier=Verifier()
        )
        for node in self.tip.line():
            self.bring(node)
        self.bring(self.asked)

    def bring(self, *things: Node | Signed[Any]) -> Imported:
        raws: list[bytes] = []
        for one in things:
            if isinstance(one, Node):
                raws += [one.signed.raw, *(proposal.raw for proposal in one.proposals)]
            else:
                raws.append(one.raw)
        self.store.commit()
        report: Imported = self.core.step(Import(tuple(raws), ()), Now(10**6, 10**12)).answer
        return report

    def state(self) -> tuple[object, ...]:
        """The head, what is open and who has endorsed it."""
        pending = self.core._pending
        endorsed = {id_: frozenset(found) for id_, found in pending.endorsements.items() if found}
        return self.core.head, pending.open.digest(), frozenset(pending.special), endorsed

    def takeover(self, certificate: tuple[bytes, ...]) -> Node:
        return self.world.after(
            self.tip, self.asked, signer=BEN, epoch=self.asked_epoch, certificate=certificate
        )

    @property
    def asked_epoch(self) -> int:
        return self.tip.next_epoch + 1

    def certificate(self, *by: Key) -> tuple[bytes, ...]:
        return self.world.certificate(self.asked, *by)

    def change(self, new: Policy) -> Node:
        return self.world.install(self.tip, new, ANN, BEN, CLEO, FAY)


Bad = Callable[[Desk], Node | Signed[Any]]


def _twice(desk: Desk) -> Node:
    """cleo's signature counts once, though there are two artifacts of it (P5)."""
    world, asked = desk.world, desk.asked
    doubled = [world.endorsement(asked, CLEO, created_ms=made).raw for made in (1, 2)]
    return desk.takeover(tuple(sorted([*desk.certificate(BEN), *doubled])))


def _one_bad_among_good(desk: Desk) -> Node:
    good = [desk.world.endorsement(desk.asked, one) for one in (ANN, BEN, CLEO, FAY)]
    spoiled = [bad_signature(one) if one.key == CLEO.key else one for one in good]
    return desk.takeover(tuple(one.raw for one in sorted(spoiled, key=lambda one: one.key)))


def _of_an_epoch_that_has_passed(desk: Desk) -> Node:
    """The head appoints epoch 2 already."""
    desk.tip = desk.world.rotate(desk.tip, ANN, ANN, BEN, CLEO, epoch=2)
    desk.bring(desk.tip)
    desk.asked = desk.world.recovery(desk.tip, BEN, epoch=3)
    desk.bring(desk.asked)
    return desk.world.recover(desk.tip, CLEO, ANN, BEN, CLEO, epoch=1)


REFUSED: dict[str, tuple[str, Bad]] = {
    "an endorsement by somebody who is no authority": (
        "V6",
        lambda desk: desk.world.endorsement(desk.asked, DAN),
    ),
    "an endorsement for another Common": (
        "V1",
        lambda desk: desk.world.endorsement(desk.asked, CLEO, common_id=bytes(32)),
    ),
    "an endorsement for an old epoch": ("V6", lambda desk: desk.world.endorsement(desk.asked, CLEO, epoch=0)),
    "an endorsement whose signature is bad": (
        "A5",
        lambda desk: bad_signature(desk.world.endorsement(desk.asked, CLEO)),
    ),
    "a certificate that is one short": ("V6", lambda desk: desk.takeover(desk.certificate(BEN, CLEO))),
    "a certificate with a doubled signer": ("V6", _twice),
    "a certificate with one bad signature among good ones": ("A5", _one_bad_among_good),
    "an epoch beyond the bound": (
        "V6",
        lambda desk: desk.world.recover(desk.tip, CLEO, ANN, BEN, CLEO, FAY, epoch=EPOCH_MAX + 1),
    ),
    "an epoch that has passed": ("V6", _of_an_epoch_that_has_passed),
    "another Common's proposal": ("V7", lambda desk: World(name="else").put("b")),
    "a policy of none": ("P1", lambda desk: desk.change(policy((ANN, BEN, CLEO), 0))),
    "a policy with two disjoint quorums": ("P1", lambda desk: desk.change(policy((ANN, BEN, CLEO, FAY), 2))),
    "a policy with a doubled key": ("P1", lambda desk: desk.change(policy((ANN, ANN, BEN), 2))),
    "a policy with a doubled name": (
        "P1",
        lambda desk: desk.change(policy((), 2, witnesses=(*named((ANN, BEN)), named((ANN,))[0]))),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_bad_is_refused_by_its_rule_and_changes_nothing(name: str) -> None:
    rule, build = REFUSED[name]
    desk = Desk()
    bad = build(desk)
    before = desk.state()
    report = desk.bring(bad)
    assert [one.rule for one in report.refused if one.id == bad.id] == [rule], report
    assert report.new <= len(bad.proposals if isinstance(bad, Node) else ())
    if not isinstance(bad, Node):
        assert not desk.store.dirty, "nothing was written"
        assert desk.state() == before
    assert desk.core.head == before[0]
    assert desk.store.snapshot(bad.id) is None
    good = desk.takeover(desk.certificate(BEN, CLEO, FAY))
    desk.bring(good)
    assert desk.core.head is not None and desk.core.head.id == good.id, "what is good is taken all the same"


def test_a_second_endorsement_by_one_key_counts_for_nothing() -> None:
    """A2, P5: the same one, and another artifact that says the same."""
    desk = Desk()
    first = desk.world.endorsement(desk.asked, CLEO)
    assert desk.bring(first).new == 1
    before = desk.state()
    assert desk.bring(first).known == 1
    again = desk.bring(desk.world.endorsement(desk.asked, CLEO, created_ms=9))
    assert (again.new, again.useless, again.refused) == (0, 1, [])
    assert desk.state() == before
    assert not desk.store.dirty


def test_a_takeover_whose_base_is_unknown_waits_and_is_blamed_on_nobody() -> None:
    """V9: incomplete, not invalid; it is taken as soon as its base is here."""
    desk = Desk()
    base = desk.world.puts(desk.tip, "later")
    takeover = desk.world.recover(base, CLEO, BEN, CLEO, FAY)
    head = desk.core.head
    report = desk.bring(takeover.signed, *takeover.proposals)
    assert takeover.id in report.waiting
    assert not report.refused
    assert desk.core.head == head
    desk.bring(base, takeover)
    assert desk.core.head is not None and desk.core.head.id == takeover.id
