"""What is stored, judged again: the same state at every height, and the rule that fails where it is not."""

from __future__ import annotations

import msgspec
import pytest

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.errors import Rejected
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.reader import PutArtifacts, SnapshotRow
from aslp2p.ledger.rejudge import judge_stored
from tests.ledger.builder import CLEO, Node, World, feed
from tests.ledger.cases import ACCEPTED, Case


def stored(ledger: Ledger, id_: bytes) -> SnapshotRow:
    row = ledger._store.snapshot(id_)
    assert row is not None
    return row


def hold(ledger: Ledger, *tips: Node) -> None:
    """Accept these lines, and keep what they list as a node does."""
    feed(ledger, *tips)
    listed = {one.id: one for tip in tips for node in tip.line() for one in node.proposals}
    ledger._store.apply([PutArtifacts(VERIFIER.verify_all(listed.values()))])


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_was_accepted_is_accepted_again_with_the_same_state(case: Case) -> None:
    world, base, node = case.build()
    ledger = world.ledger()
    hold(ledger, base, node)
    store = ledger._store
    tip, changes = judge_stored(store, stored(ledger, world.id), None, world.id)
    assert tip == ledger.tip_at(0, 0)
    assert changes
    for one in node.line():
        row = stored(ledger, one.id)
        tip, changes = judge_stored(store, row, tip, world.id)
        assert tip == ledger.tip_at(row.branch, row.height)
        for key, value in changes.items():
            assert store.fact(row.branch, key, row.height) == value


def beside() -> tuple[Ledger, World, Node, Node]:
    """Two lines from one parent: the second has a branch of its own."""
    world = World()
    parent = world.chain(world.root, 2)
    one, other = world.puts(parent, "one"), world.recover(parent, CLEO)
    ledger = world.ledger()
    hold(ledger, one, other)
    return ledger, world, one, other


def test_what_is_stored_under_another_id_is_found() -> None:
    ledger, world, one, other = beside()
    genesis = msgspec.structs.replace(stored(ledger, world.id), id=bytes(32))
    parent = stored(ledger, one.parent.id if one.parent else b"")
    tip = ledger.tip_at(parent.branch, parent.height)
    swapped = msgspec.structs.replace(stored(ledger, one.id), raw=other.snapshot.raw)
    for row, at in ((genesis, None), (swapped, tip)):
        with pytest.raises(Rejected) as caught:
            judge_stored(ledger._store, row, at, world.id)
        assert caught.value.rule == "A2"


def test_each_line_is_judged_on_its_own_parent() -> None:
    ledger, world, one, other = beside()
    for node, wrong in ((one, other), (other, one)):
        row, foreign = stored(ledger, node.id), stored(ledger, wrong.id)
        with pytest.raises(Rejected) as caught:
            judge_stored(ledger._store, row, ledger.tip_at(foreign.branch, foreign.height), world.id)
        assert caught.value.rule == "V2"
