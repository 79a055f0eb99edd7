"""History: branches, which one is followed (F1 to F3), deferred runs and audits (G4), rolling back (V9)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.errors import ArtifactError, Incomplete, InvariantBroken, Rejected
from aslp2p.ledger import history
from aslp2p.ledger.facts import load_members, standing_at
from aslp2p.ledger.history import Ledger, head_tip, load_tip, read_abandoned, read_evidence, read_snapshot
from aslp2p.ledger.reader import PutMeta, Store
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    EVE,
    Key,
    Node,
    World,
    bad_signature,
    feed,
    policy,
    run_of,
    swap,
    unchecked,
)


def reopened(ledger: Ledger, own: Key | None = None) -> Ledger:
    """What a restart finds: it must be what was there."""
    ledger._store.commit()
    again = Ledger(ledger._store, own_key=own.key if own else b"")
    assert again.head.id == ledger.head.id
    assert again.head == ledger.head
    assert again.evidence == ledger.evidence
    assert again.branches() == ledger.branches()
    assert again.audited_height() == ledger.audited_height()
    return again


def cosign(ledger: Ledger, world: World, node: Node, *by: Key) -> None:
    for one in by:
        ledger.add_cosignature(world.cosignature(node, one))


# --- a store without a Common -------------------------------------------------------------------------


def test_nothing_is_opened_before_it_was_founded() -> None:
    store = MemoryStore()
    assert head_tip(store) is None
    assert history.read_genesis(store) is None
    assert read_evidence(store) == []
    assert read_abandoned(store) == []
    with pytest.raises(InvariantBroken):
        Ledger(store)
    with pytest.raises(LookupError):
        load_tip(store, 0, 0)
    with pytest.raises(LookupError):
        standing_at(store, 0, 0)


# --- one branch ---------------------------------------------------------------------------------------


def test_a_line_grows() -> None:
    world = World()
    ledger = world.ledger()
    assert ledger.head.id == world.id
    tip = world.chain(world.root, 5)
    for node in tip.line():
        accepted = ledger.accept(node.snapshot, node.proposals)
        assert accepted is not None
        judged, change = accepted
        assert judged.tip.id == node.id
        assert change is not None
        assert (change.old.height, change.new.height, change.fork_height) == (
            node.height - 1,
            node.height,
            node.height - 1,
        )
    assert [ledger.id_at(0, height) for height in range(6)] == [world.id, *(one.id for one in tip.line())]
    assert ledger.id_at(0, -1) is ledger.id_at(0, 6) is None
    assert ledger.contains(0, 3, tip.line()[2].id)
    assert not ledger.contains(0, 2, tip.line()[2].id)
    assert not ledger.contains(0, 5, bytes(32))
    assert ledger.conflict() is None
    found = head_tip(ledger._store)
    assert found == ledger.head
    row = ledger._store.snapshot(tip.id)
    assert row is not None
    assert read_snapshot(row) == tip.signed
    assert ledger.audited_height() == 5
    assert ledger.unaudited(10) == []
    reopened(ledger)


def test_what_is_tried_on_the_head_is_seen_by_nobody() -> None:
    world = World()
    ledger = world.ledger()
    feed(ledger, world.puts(world.root, "a"))
    draft = ledger.draft()
    assert draft.entry("a") is not None
    draft.set(b"ta", None)
    assert draft.entry("a") is None
    assert ledger.draft().entry("a") is not None


# --- branches -----------------------------------------------------------------------------------------


def test_a_higher_epoch_wins_and_what_is_left_behind_is_kept() -> None:
    """F2, F4: the takeover stands below what the old witness emitted meanwhile."""
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "a", "d/x")
    old = world.puts(world.puts(base, "old/1"), "old/2")
    taken = world.puts(world.recover(base, BEN), "new")
    feed(ledger, old)
    first = taken.line()[1]
    accepted = ledger.accept(first.snapshot, first.proposals)
    assert accepted is not None
    change = accepted[1]
    assert change is not None
    assert (change.old.id, change.new.id, change.fork_height) == (old.id, first.id, base.height)
    feed(ledger, taken)
    assert ledger.head.id == taken.id
    assert ledger.evidence == []
    assert ledger.draft().entry("old/1") is None
    assert ledger.draft().entry("a") is not None
    assert ledger.tip_at(0, old.height).id == old.id
    assert load_tip(ledger._store, 0, 2).height == 2
    again = reopened(ledger)
    more = world.puts(old, "old/3")
    feed(again, more)  # the superseded line may grow; nobody follows it
    assert again.head.id == taken.id
    assert again.tip_at(0, more.height).id == more.id


def test_the_other_order_ends_the_same() -> None:
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "a")
    taken = world.recover(base, BEN)
    old = world.chain(base, 3)
    feed(ledger, taken, old)
    assert ledger.head.id == taken.id


def test_a_branch_upon_a_branch() -> None:
    world = World()
    ledger = world.ledger()
    base = world.chain(world.root, 3)
    one = world.chain(world.recover(base.line()[1], BEN), 3, "b")
    two = world.chain(world.recover(one.line()[3], CLEO, epoch=2), 2, "e")
    feed(ledger, base, one, two)
    assert ledger.head.id == two.id
    rows = {row.branch: (row.parent, row.fork_height, row.tip_height) for row in ledger.branches()}
    assert rows == {0: (-1, -1, 3), 1: (0, 2, 6), 2: (1, 4, 7)}
    line = two.line()
    assert [ledger.id_at(2, one.height) for one in line] == [one.id for one in line]
    reopened(ledger)


def test_as_many_branches_as_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lying witness cannot fill the place of the takeover that ends its reign (A4)."""
    monkeypatch.setattr(history, "BRANCHES_MAX", 5)
    monkeypatch.setattr(history, "BRANCHES_BELOW_MAX", 1)
    monkeypatch.setattr(history, "BRANCHES_FOR_TAKEOVERS", 2)
    world = World()
    ledger = world.ledger()
    feed(ledger, world.chain(world.root, 2))
    feed(ledger, world.puts(world.root, "x1"))
    more = world.puts(world.root, "x2")
    with pytest.raises(Rejected) as caught:
        feed(ledger, more)
    assert caught.value.rule == "A4"
    feed(ledger, world.recover(world.root, BEN), world.recover(world.root, CLEO, epoch=2))
    with pytest.raises(Rejected):
        feed(ledger, world.recover(world.root, BEN, epoch=3))
    run = ledger.accept_run(run_of(world.recover(world.root, BEN, epoch=3)))
    assert isinstance(run.error, Rejected)
    assert run.accepted == ()
    reopened(ledger)


# --- equivocation -------------------------------------------------------------------------------------


def two_histories(world: World, base: Node, length: int = 3) -> tuple[Node, Node]:
    """Two lines on `base` by one witness; the first has the smaller id where they part."""
    one, other = world.puts(base, "one"), world.puts(base, "other")
    low, high = sorted((one, other), key=lambda node: node.id)
    return world.chain(low, length, "low"), world.chain(high, length, "high")


def test_two_snapshots_of_one_witness_are_evidence() -> None:
    """F3: other nodes take the smaller id at the fork, and nothing above it."""
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "a")
    low, high = two_histories(world, base)
    feed(ledger, high)
    assert ledger.evidence == []
    feed(ledger, low)
    a, b = low.line()[1], high.line()[1]
    assert len(ledger.evidence) == 1
    found = ledger.evidence[0]
    assert (found.epoch, found.witness, found.height) == (0, ANN.key, 2)
    assert (found.one, found.other, found.parent) == (a.id, b.id, base.id)
    assert ledger.equivocation_in(0, ANN.key) == found
    assert ledger.equivocation_in(1, ANN.key) is None
    assert ledger.head.id == a.id
    assert ledger.tip_at(ledger.head.branch, ledger.head.height) == ledger.head
    reopened(ledger)
    feed(ledger, world.puts(low, "further"))
    assert ledger.head.id == a.id  # nothing more of that witness in that epoch is adopted
    # it counts once a higher epoch stands on it
    feed(ledger, taken := world.recover(high, BEN))
    assert ledger.head.id == taken.id


def test_an_authority_stays_where_it_is() -> None:
    for own in (ANN, BEN, CLEO):
        world = World()
        base = world.puts(world.root, "a")
        low, high = two_histories(world, base)
        ledger = world.ledger(own)
        feed(ledger, high, low)
        assert ledger.head.id == high.id
        feed(ledger, world.puts(high, "more"), world.puts(low, "more"))
        assert ledger.head.id == high.id
        reopened(ledger, own)
        feed(ledger, taken := world.recover(low.line()[1], BEN))
        assert ledger.head.id == taken.id
    world = World()
    low, high = two_histories(world, world.root)
    member = world.ledger(DAN)
    feed(member, high, low)
    assert member.head.id == low.line()[0].id


def test_what_is_final_stays_final_where_the_line_is_cut_or_left_above_it() -> None:
    """F1, section 7: cosigning something cosigns what it contains, also where two histories part between."""
    for cosigned in (0, 1):
        world = World()
        ledger = world.ledger()
        base = world.chain(world.root, 3)
        both = two_histories(world, base)
        feed(ledger, both[cosigned])
        cosign(ledger, world, base.line()[1], ANN)
        cosign(ledger, world, both[cosigned], BEN)
        assert ledger.final_height() == 2
        feed(ledger, both[1 - cosigned])
        assert ledger.head.height == base.height + 1
        assert ledger.final_height() == 2, "the line is cut below what BEN cosigned"
        feed(ledger, taken := world.recover(both[1 - cosigned], CLEO))
        assert ledger.head.id == taken.id
        assert ledger.final_height() == 2, "another line is followed than the one that BEN cosigned"
        reopened(ledger)


def test_a_third_history_is_cut_off_like_the_other_two() -> None:
    world = World()
    base = world.puts(world.root, "a")
    tips = [world.chain(world.puts(base, name), 2, f"on-{name}") for name in ("x", "y", "z")]
    smallest = min((tip.line()[1] for tip in tips), key=lambda node: node.id)
    for order in itertools.permutations(tips):
        ledger = world.ledger()
        feed(ledger, *order)
        assert ledger.head.id == smallest.id


def test_histories_that_parted_before_the_witness_came_are_evidence_too() -> None:
    """ann parts, and hands both parts to ben with the same epoch: ben signs one height twice (S1, F3)."""
    world = World()
    one, other = sorted(
        (world.rotate(world.puts(world.root, name), BEN) for name in ("x", "y")), key=lambda node: node.id
    )
    first, second = world.chain(one, 2, "one"), world.chain(other, 2, "other")
    heads = set()
    for order, deferred in itertools.product(((first, second), (second, first)), (False, True)):
        ledger = world.ledger()
        for tip in order:
            if deferred:
                assert ledger.accept_run(run_of(tip)).error is None
            else:
                feed(ledger, tip)
        against = {(found.epoch, found.witness, found.height) for found in ledger.evidence}
        assert against == {(0, ANN.key, 1), (1, BEN.key, 3)}
        heads.add(ledger.head.id)
        reopened(ledger)
    assert heads <= {first.line()[2].id, second.line()[2].id}
    assert len(heads) == 1


def test_one_epoch_begun_at_two_heights() -> None:
    """Two takeovers in one epoch (authorities lied): caught at the first height that was signed twice."""
    world = World()
    low = world.puts(world.root, "a")
    high = world.puts(low, "b")
    one, other = world.recover(low, CLEO), world.recover(high, CLEO)
    first, second = world.chain(one, 3, "x"), world.chain(other, 3, "y")
    heads = set()
    for order in ((first, second), (second, first)):
        ledger = world.ledger()
        feed(ledger, *order)
        assert [found.height for found in ledger.evidence] == [3]
        heads.add(ledger.head.id)
    assert len(heads) == 1


def test_evidence_is_bounded_and_the_lowest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "EVIDENCE_PER_REIGN_MAX", 2)
    monkeypatch.setattr(history, "EVIDENCE_PAIRS_MAX", 2)
    world = World()
    ledger = world.ledger()
    line = world.chain(world.root, 4)
    feed(ledger, line)
    for height in (3, 2, 1):
        parent = line.line()[height - 1]
        feed(ledger, world.puts(parent, f"fork{height}"))
        assert min(found.height for found in ledger.evidence) == height + 1
        assert len(ledger.evidence) <= 2
    lowest = [found.height for found in ledger.evidence]
    assert sorted(lowest) == [2, 3]
    feed(ledger, world.puts(line.line()[3], "above"))  # on a line that is cut off below: nothing new
    assert [found.height for found in ledger.evidence] == lowest
    taken = world.recover(line.line()[0], BEN)
    feed(ledger, world.puts(taken, "p"), world.puts(taken, "q"))
    assert len(ledger.evidence) == 2  # full: another witness's is not taken in


def test_a_final_snapshot_outlives_the_cut() -> None:
    """F1 before F3: where a line is final, it is not cut below that."""
    world = World()
    base = world.puts(world.root, "a")
    low, high = two_histories(world, base)
    for own in (None, BEN):
        ledger = world.ledger(own)
        feed(ledger, low, high)
        cosign(ledger, world, high.line()[2], BEN, CLEO)
        assert ledger.head.id == high.line()[2].id
        assert ledger.final_height() == 3
        reopened(ledger, own)


# --- order does not matter ----------------------------------------------------------------------------


def tangle(seed: int) -> tuple[World, list[Node]]:
    """A random tree: a witness that lies, takeovers, rotations, on any base."""
    rng = random.Random(seed)
    world = World()
    nodes = [world.root]
    for number in range(rng.randint(3, 9)):
        parent = rng.choice(nodes)
        kind = rng.random()
        if kind < 0.6:
            node = world.puts(parent, f"p{number}")
        elif kind < 0.8:
            node = world.recover(
                parent, rng.choice((ANN, BEN, CLEO)), epoch=parent.next_epoch + rng.randint(1, 2)
            )
        else:
            node = world.rotate(parent, rng.choice((ANN, BEN, CLEO, DAN)))
        nodes.append(node)
    return world, nodes[1:]


def deliver(ledger: Ledger, nodes: Sequence[Node]) -> None:
    """In this order, however often; a snapshot whose parent is late is tried again when others came."""
    waiting = list(nodes)
    while waiting:
        late = []
        for node in waiting:
            try:
                ledger.accept(unchecked(node.snapshot), node.proposals)
            except Incomplete:
                late.append(node)
        assert len(late) < len(waiting)
        waiting = late


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_equal_knowledge_gives_equal_heads_in_whatever_order_it_came(seed: int, rng: random.Random) -> None:
    """F1 to F3, G5: any order, with duplicates, ends on one head, and so does a restart in between."""
    world, nodes = tangle(seed)
    heads = set()
    evidence = set()
    for _ in range(4):
        order = [*nodes, *rng.choices(nodes, k=3)]
        rng.shuffle(order)
        ledger = world.ledger()
        deliver(ledger, order)
        heads.add(ledger.head.id)
        evidence.add(frozenset((one.epoch, one.witness) for one in ledger.evidence))
        assert reopened(ledger)._choose() is None
    assert len(heads) == 1
    assert len(evidence) == 1


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_cosignatures_in_any_order_give_equal_heads(seed: int, rng: random.Random) -> None:
    world, nodes = tangle(seed)
    chosen = rng.choice(nodes)
    heads = set()
    for order in ([0, 1], [1, 0]):
        ledger = world.ledger()
        for step in order:
            if step:
                deliver(ledger, nodes)
            else:
                deliver(ledger, chosen.line())
                cosign(ledger, world, chosen, *rng.sample((ANN, BEN), 2))
        heads.add(ledger.head.id)
        assert ledger.contains(ledger.head.branch, ledger.head.height, chosen.id)
    assert len(heads) == 1


@given(st.integers(0, 10_000), st.integers(0, 3))
def test_a_deferred_run_ends_where_one_by_one_does(seed: int, cut: int) -> None:
    """G4: whatever a run accepts, `accept` accepts, with the same facts and the same head."""
    world, nodes = tangle(seed)
    one_by_one, by_run = world.ledger(), world.ledger()
    for node in sorted(nodes, key=lambda node: node.height):
        feed(one_by_one, node)
        line = run_of(node)
        for part in (line[:cut], line[cut:]):
            run = by_run.accept_run(part)
            assert run.error is None
    assert by_run.head.id == one_by_one.head.id
    assert {(e.epoch, e.witness, e.height) for e in by_run.evidence} == {
        (e.epoch, e.witness, e.height) for e in one_by_one.evidence
    }
    ours, theirs = one_by_one._store, by_run._store
    for node in nodes:
        mine, other = ours.snapshot(node.id), theirs.snapshot(node.id)
        assert mine is not None and other is not None
        assert facts(ours, mine.branch, node.height) == facts(theirs, other.branch, node.height)
    reopened(by_run)


def facts(store: Store, branch: int, height: int) -> list[tuple[bytes, bytes, int]]:
    found = store.facts(branch, b"", height)
    assert len(found) < 1000
    return found


# --- deferred runs ------------------------------------------------------------------------------------


def test_a_run_is_taken_unaudited() -> None:
    world = World()
    ledger = world.ledger()
    feed(ledger, base := world.chain(world.root, 2))
    tip = world.chain(world.rotate(base, BEN), 4, "b")
    run = ledger.accept_run(run_of(tip))
    assert [one.snapshot.id for one in run.accepted] == [one.id for one in tip.line()[2:]]
    assert run.error is None
    assert run.change is not None
    assert (run.change.old.height, run.change.new.id, run.change.fork_height) == (2, tip.id, 2)
    assert ledger.head.id == tip.id
    assert ledger.audited_height() == 2
    rows = ledger.unaudited(3)
    assert [row.height for row in rows] == [3, 4, 5]
    line = tip.line()
    ledger.mark_audited(line[3].snapshot)
    ledger.mark_audited(line[2].snapshot)  # what was audited stays so
    assert ledger.audited_height() == 4
    feed(ledger, more := world.puts(tip, "z"))
    assert ledger.audited_height() == 4  # verified itself, but not what it stands on
    assert [row.height for row in ledger.unaudited(9)] == [5, 6, 7, 8]
    ledger.mark_audited(more.snapshot)
    assert ledger.audited_height() == more.height
    assert ledger.accept_run(run_of(tip)) == history.Run((), None, None)
    reopened(ledger)


def test_of_each_reign_the_last_signature_is_verified_and_paper_always() -> None:
    """G4: what a run lets through is what the witness's later signature vouches for, and nothing else."""
    world = World()
    first = world.chain(world.root, 2)
    second = world.chain(world.rotate(first, BEN), 2, "b")
    good = run_of(second)
    for position, accepted_before in [(1, None), (2, 0), (3, None), (4, 3)]:
        run = list(good)
        snapshot, proposals = run[position]
        run[position] = (bad_signature(snapshot), proposals)
        result = world.ledger().accept_run(run)
        if accepted_before is None:
            # in the middle of a reign: a later signature vouches for the statement
            assert (result.error is None) == (position in (1, 3)), position
        else:
            assert isinstance(result.error, ArtifactError)
            assert result.error.rule == "A5"
            assert len(result.accepted) == accepted_before
    forged = list(good)
    snapshot, proposals = forged[0]
    forged[0] = (snapshot, [bad_signature(one) for one in proposals])
    assert world.ledger().accept_run(forged).error is None  # the audit finds this one
    forged = list(good)
    snapshot, proposals = forged[2]
    forged[2] = (snapshot, [bad_signature(one) for one in proposals])
    result = world.ledger().accept_run(forged)
    assert isinstance(result.error, ArtifactError)  # the certificate's proposal is paper
    assert len(result.accepted) == 2


def test_a_run_that_stops_keeps_what_was_good() -> None:
    world = World()
    good = world.chain(world.root, 3)
    bad = world.puts(good, "c/0/x")  # c/0 is a file
    run = world.ledger()
    result = run.accept_run(run_of(world.puts(bad, "y")))
    assert isinstance(result.error, Rejected)
    assert result.error.rule == "V7"
    assert len(result.accepted) == 3
    assert run.head.id == good.id
    reopened(run)
    broken = world.ledger()
    line = run_of(good)
    result = broken.accept_run([line[0], line[2]])
    assert isinstance(result.error, Rejected)
    assert result.error.rule == "V2"
    assert result.accepted == ()
    lost = world.ledger().accept_run(line[1:])
    assert isinstance(lost.error, Incomplete)
    missing = list(line)
    missing[1] = (line[1][0], [])
    stopped = world.ledger().accept_run(missing)
    assert isinstance(stopped.error, Incomplete)
    assert len(stopped.accepted) == 1


def test_a_run_over_several_branches_is_followed_like_its_parts() -> None:
    world = World()
    base = world.puts(world.root, "a")
    taken = world.recover(base, BEN)
    old = world.chain(base, 2, "old")
    ledger = world.ledger()
    feed(ledger, base)
    result = ledger.accept_run([*run_of(taken, 1), *run_of(old, 1)])
    assert result.error is None
    assert ledger.head.id == taken.id


def test_a_run_with_a_settlement_and_a_takeover() -> None:
    world = World()
    joint = world.install(world.puts(world.root, "a"), policy((ANN, BEN, DAN), 2))
    more = world.puts(joint, "b")
    settled = world.after(more, settlement=world.settlement(more, ANN, BEN))
    tip = world.chain(world.recover(settled, DAN, BEN, DAN), 2)
    ledger = world.ledger()
    result = ledger.accept_run(run_of(tip))
    assert result.error is None
    assert ledger.head.id == tip.id
    assert ledger.final_height() == more.height
    assert not ledger.head.standing.joint
    reopened(ledger)


# --- audits and rolling back --------------------------------------------------------------------------


def test_audits_on_branches() -> None:
    world = World()
    base = world.chain(world.root, 4)
    taken = world.chain(world.recover(base.line()[2], BEN), 2, "b")
    ledger = world.ledger()
    ledger.accept_run(run_of(base))
    ledger.accept_run(run_of(taken, 3))
    assert ledger.head.id == taken.id
    assert ledger.audited_height() == 0
    rows = ledger.unaudited(10)
    assert [(row.branch, row.height) for row in rows] == [(0, 1), (0, 2), (0, 3)]
    ledger.mark_audited(base.line()[2].snapshot)
    assert ledger.audited_height() == 3
    rows = ledger.unaudited(10)
    assert [(row.branch, row.height) for row in rows] == [(1, 4), (1, 5), (1, 6)]
    ledger.mark_audited(taken.snapshot)
    assert ledger.audited_height() == 6
    assert ledger.audited_on(0) == 3
    feed(ledger, world.recover(base, CLEO, epoch=7))  # a new branch upon what is not audited
    assert ledger.audited_height() == 3


def test_what_was_audited_is_stored() -> None:
    world = World()
    ledger = world.ledger()
    with pytest.raises(InvariantBroken):
        ledger.mark_audited(world.puts(world.root, "a").snapshot)


def test_a_sound_copy_takes_the_place_of_a_bad_one_on_its_branch() -> None:
    """G4: and what no branch has a place for stays out."""
    world = World()
    base = world.chain(world.root, 3)
    taken = world.chain(world.recover(base.line()[0], BEN), 2, "b")
    ledger = world.ledger()
    spoiled = [
        (bad_signature(one), proposals) if one.statement.height == 3 else (one, proposals)
        for one, proposals in [*run_of(base), *run_of(world.puts(base, "d"), 3)]
    ]
    assert ledger.accept_run(spoiled).error is None
    feed(ledger, taken)
    good = base.snapshot
    (row,) = ledger._store.snapshots(0, 3, 1)
    assert row.raw != good.raw
    ledger.put_back(good)
    assert ledger._store.snapshots(0, 3, 1) == [msgspec.structs.replace(row, raw=good.raw)]
    ledger.put_back(taken.line()[2].snapshot)
    assert ledger._store.snapshots(1, 3, 1)[0].raw == taken.line()[2].snapshot.raw
    before = [ledger._store.snapshots(branch, 1, 9) for branch in (0, 1)]
    ledger.put_back(world.chain(base, 2, "not here").snapshot)
    ledger.put_back(world.puts(world.puts(world.root, "aside"), "aside too").snapshot)
    assert [ledger._store.snapshots(branch, 1, 9) for branch in (0, 1)] == before
    reopened(ledger)


def test_rolling_back_takes_what_stands_on_it_too() -> None:
    world = World()
    base = world.chain(world.root, 4)
    one = world.chain(world.recover(base.line()[2], BEN), 3, "b")
    two = world.chain(world.recover(one.line()[4], CLEO, epoch=2), 2, "e")
    ledger = world.ledger()
    feed(ledger, base, one, two)
    change = ledger.roll_back(1, 4)
    assert change is not None
    assert (change.old.id, change.new.id, change.fork_height) == (two.id, one.line()[3].id, 4)
    assert [row.branch for row in ledger.branches()] == [0, 1]
    again = reopened(ledger)
    for gone in (*one.line()[4:], *two.line()[5:]):
        assert again._store.snapshot(gone.id) is None
    feed(again, two)
    assert again.head.id == two.id
    reopened(again)


def test_rolling_back_a_whole_branch() -> None:
    world = World()
    base = world.chain(world.root, 3)
    one = world.chain(world.recover(base.line()[1], BEN), 2, "b")
    two = world.recover(one, CLEO, epoch=2)
    ledger = world.ledger()
    feed(ledger, base, one)
    feed(ledger, world.recover(one.line()[3], CLEO, epoch=2))
    assert ledger.doomed(1, 2) == {1: 2, 2: 4}  # with the height at which each parts
    assert ledger.doomed(1, 4) == {1: 4}
    assert [ledger.tip_height(branch) for branch in (1, 2)] == [one.height, 5]
    change = ledger.roll_back(1, 2)
    assert change is not None
    assert change.new.id == base.id  # the other line is followed again, from where both part
    assert change.fork_height == 2
    assert [row.branch for row in ledger.branches()] == [0]
    again = reopened(ledger)
    feed(again, two)  # the number is used again
    assert again.head.id == two.id
    assert [(row.branch, row.parent) for row in again.branches()] == [(0, -1), (1, 0)]
    reopened(again)


def test_rolling_back_what_is_not_followed_moves_nothing() -> None:
    world = World()
    old = world.chain(world.root, 4)
    taken = world.recover(old.line()[0], BEN)
    ledger = world.ledger()
    feed(ledger, old, taken)
    assert ledger.roll_back(0, 2) is None
    assert ledger.head.id == taken.id
    assert ledger.tip_at(0, 2).id == old.line()[1].id
    with pytest.raises(InvariantBroken):
        ledger.roll_back(1, 0)
    with pytest.raises(InvariantBroken):
        ledger.roll_back(0, 9)
    reopened(ledger)


def test_rolling_back_forgets_evidence_and_abandonments_with_their_snapshots() -> None:
    world = World()
    base = world.puts(world.root, "a")
    low, high = two_histories(world, base)
    ledger = world.ledger()
    feed(ledger, low, high)
    cosign(ledger, world, high, BEN, CLEO)
    taken = world.recover(low, BEN, abandons=(high.line()[2].id,))
    feed(ledger, taken)
    assert ledger.head.id == taken.id
    assert read_abandoned(ledger._store) == [high.line()[2].id]
    row = ledger._store.snapshot(low.line()[2].id)
    assert row is not None
    change = ledger.roll_back(row.branch, row.height - 1)
    assert change is not None
    assert read_abandoned(ledger._store) == []
    assert len(ledger.evidence) == 1
    assert ledger.head.id == high.id  # final again
    other = ledger._store.snapshot(low.line()[1].id)
    assert other is not None
    assert ledger.roll_back(other.branch, 1) is None
    assert ledger.evidence == []
    assert [row.tip_id for row in ledger.branches()] == [base.id, high.id]
    reopened(ledger)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_what_was_rolled_back_can_come_again(seed: int, rng: random.Random) -> None:
    """After any roll back and delivery of everything, all is as if nothing had happened."""
    world, nodes = tangle(seed)
    ledger, expected = world.ledger(), world.ledger()
    deliver(ledger, nodes)
    deliver(expected, nodes)
    row = ledger._store.snapshot(rng.choice(nodes).id)
    assert row is not None
    ledger.roll_back(row.branch, row.height - 1)
    assert ledger._choose() is None
    ledger = reopened(ledger)
    deliver(ledger, nodes)
    assert ledger.head.id == expected.head.id
    for node in nodes:
        mine, other = ledger._store.snapshot(node.id), expected._store.snapshot(node.id)
        assert mine is not None and other is not None
        assert facts(ledger._store, mine.branch, node.height) == facts(
            expected._store, other.branch, node.height
        )
    reopened(ledger)


# --- finality and the choice --------------------------------------------------------------------------


def test_cosignatures_that_do_not_count() -> None:
    world = World()
    ledger = world.ledger()
    tip = world.puts(world.root, "a")
    feed(ledger, tip)
    unknown = world.puts(tip, "b")
    with pytest.raises(Incomplete) as late:
        ledger.add_cosignature(world.cosignature(unknown, BEN))
    assert late.value.missing == (unknown.id,)
    refused: list[tuple[Node, Key, dict[str, Any], str]] = [
        (tip, DAN, {}, "P2"),
        (tip, EVE, {}, "P2"),
        (tip, BEN, {"epoch": 1}, "P2"),
        (tip, BEN, {"height": 2}, "P2"),
        (unknown, BEN, {"common_id": bytes(32)}, "V1"),
    ]
    for node, by, changes, rule in refused:
        with pytest.raises(Rejected) as caught:
            ledger.add_cosignature(world.cosignature(node, by, **changes))
        assert caught.value.rule == rule
    assert ledger.final_height() == 0
    revoked = world.revoke(tip, CLEO, ANN)
    feed(ledger, revoked)
    with pytest.raises(Rejected):
        ledger.add_cosignature(world.cosignature(revoked, ANN))
    ledger.add_cosignature(world.cosignature(tip, ANN))  # below its revocation it still counts (V8)
    ledger.add_cosignature(world.cosignature(revoked, BEN))
    assert ledger.final_height() == tip.height


def test_two_finals_that_exclude_each_other_are_seen() -> None:
    """F1: more authorities lied than P1 allows; the node knows and says so."""
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "a")
    low, high = two_histories(world, base)
    feed(ledger, low, high)
    cosign(ledger, world, high, BEN, CLEO)
    assert ledger.head.id == high.id
    assert ledger.conflict() is None
    cosign(ledger, world, low.line()[2], ANN, CLEO)
    pair = ledger.conflict()
    assert pair is not None
    assert set(pair) == {high.id, low.line()[2].id}
    assert ledger.head.id == high.id
    # what a quorum gives up is not final any more (S9), and there is nothing in conflict
    feed(ledger, taken := world.recover(low, CLEO, abandons=(high.line()[1].id,)))
    assert ledger.conflict() is None
    assert ledger.head.id == taken.id
    assert ledger.final_height() == low.line()[2].height
    reopened(ledger)


def test_finality_of_lines_that_are_not_followed() -> None:
    world = World()
    ledger = world.ledger()
    base = world.chain(world.root, 3)
    feed(ledger, base, world.recover(base.line()[1], BEN))
    cosign(ledger, world, base.line()[0], ANN, BEN)
    assert ledger.final_height() == ledger.final_height() == 1, "asked again, it is remembered"


def test_a_store_that_lost_a_tip_stops_the_choice() -> None:
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "a")
    feed(ledger, world.puts(base, "b"), world.recover(base, BEN))
    del ledger._store._snapshots[ledger.branches()[0].tip_id]  # type: ignore[attr-defined]
    with pytest.raises(InvariantBroken):
        ledger._lines()


def test_members_and_settings_are_read_page_by_page() -> None:
    world = World()
    ledger = world.ledger()
    feed(ledger, world.after(world.root, world.admit(EVE)))
    store = ledger._store
    whole = load_members(store, 0, 1)
    assert set(whole) == {one.key for one in (ANN, BEN, CLEO, DAN, EVE)}
    assert set(load_members(store, 0, 0)) == set(whole) - {EVE.key}
    store.apply([PutMeta("head", b"\x07" * 32)])
    assert head_tip(store) is None


def test_a_swapped_proposal_is_another_artifact() -> None:
    world = World()
    ledger = world.ledger()
    node = world.puts(world.root, "a")
    with pytest.raises(Incomplete):
        feed(ledger, swap(node, proposals=(world.put("b"),)))
