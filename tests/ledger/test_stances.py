"""What one key may still promise: every stance times every ask, and the classification against a slow oracle.

The oracle walks the tree that a test has built, snapshot by snapshot; it knows no standings and no branches.
"""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from aslp2p.artifacts.types import Recovery, Revocation, Rotation
from aslp2p.errors import Rejected
from aslp2p.ledger.facts import STANDING
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.journal import COSIGN, EMIT, ENDORSE
from aslp2p.ledger.reader import JournalRow, PutFacts, PutJournal, SnapshotRow
from aslp2p.ledger.stances import (
    TABLE,
    WHY,
    WHY_FAR,
    Ask,
    Stance,
    classify_cosignature,
    classify_emission,
    classify_endorsement,
    decide,
    endorsed_epoch,
    last_cosigned,
    may_stand_on,
    passes,
    stance_of,
)
from tests.ledger.builder import ANN, BEN, CLEO, Node, World, feed
from tests.ledger.stances import CEILING, Cosigning, Emitting, Endorsing, Scene, expected

PAIRS = list(itertools.product(Stance, Ask))


def classified(scene: Scene, ask: Ask) -> Ask:
    match scene.asked(ask):
        case Endorsing(proposal=proposal) as asked:
            return classify_endorsement(scene.ledger, scene.store, proposal.id, asked.action, CEILING)
        case Cosigning(row=row):
            return classify_cosignature(scene.ledger, scene.store, row)
        case Emitting(epoch=epoch, parent=parent):
            return classify_emission(scene.ledger, scene.store, epoch, parent)


@pytest.mark.parametrize(("stance", "ask"), PAIRS, ids=lambda one: one.name)
def test_every_stance_times_every_ask(stance: Stance, ask: Ask) -> None:
    scene = Scene(stance)
    assert stance_of(scene.ledger, scene.store) is stance
    assert classified(scene, ask) is ask
    answer = expected(stance, ask)
    if isinstance(answer, Stance):
        assert decide(stance, ask) is answer
        return
    with pytest.raises(Rejected) as caught:
        decide(stance, ask)
    assert (caught.value.rule, caught.value.reason) == (
        answer,
        WHY_FAR if ask is Ask.ENDORSE_FAR and answer == "S1" else WHY[answer],
    )


def test_the_table_has_an_answer_for_everything_and_words_for_every_refusal() -> None:
    assert TABLE.keys() == set(PAIRS)
    assert {answer for answer in TABLE.values() if isinstance(answer, str)} == WHY.keys()


def test_a_key_that_has_promised_nothing() -> None:
    world = World()
    node = world.chain(world.root, 2)
    ledger = world.ledger(BEN)
    feed(ledger, node)
    store = ledger._store
    row = store.snapshot(node.id)
    assert row is not None
    assert stance_of(ledger, store) is Stance.FREE
    assert endorsed_epoch(ledger) == -1
    assert last_cosigned(ledger) is None
    action = world.recovery(world.root, BEN).statement.action
    assert isinstance(action, Recovery)
    assert classify_endorsement(ledger, store, b"", action, CEILING) is Ask.ENDORSE_HIGHER
    assert classify_cosignature(ledger, store, row) is Ask.COSIGN
    assert classify_emission(ledger, store, 0, row) is Ask.EMIT


def test_a_base_that_is_not_here_may_leave_out_anything() -> None:
    scene = Scene(Stance.FREE)
    action = Recovery(9, 3, bytes(32), BEN.key, "", ())
    assert classify_endorsement(scene.ledger, scene.store, b"", action, CEILING) is Ask.ENDORSE_BEHIND


def test_what_was_cosigned_and_rolled_back_holds_all_the_same() -> None:
    """S3, S5: a journal that names a snapshot that is gone allows nothing that could leave it out."""
    scene = Scene(Stance.FREE)
    gone = JournalRow(COSIGN, 6, 9, bytes(32), b"")
    scene.store.apply([PutJournal(gone)])
    c4 = scene.row(scene.c4)
    assert classify_cosignature(scene.ledger, scene.store, c4) is Ask.COSIGN_ASIDE
    action = scene.world.recovery(scene.c4, BEN, epoch=9).statement.action
    assert isinstance(action, Recovery)
    assert not may_stand_on(scene.ledger, scene.store, action, c4)


@pytest.mark.parametrize("kind", [Recovery, Revocation, Rotation])
def test_only_what_is_given_up_by_name_may_be_left_out(kind: type) -> None:
    """S9; a rotation gives nothing up."""
    scene = Scene(Stance.FREE)
    base, b3 = scene.row(scene.a3), scene.b3.id
    start = (9, 3, scene.a3.id, BEN.key, "")
    if kind is Rotation:
        assert not may_stand_on(scene.ledger, scene.store, Rotation(*start), base)
        return
    for abandons in ((), (scene.b2.id,), (b3,), (scene.b2.id, b3)):
        action = Recovery(*start, abandons) if kind is Recovery else Revocation(*start, abandons, ANN.key, ())
        assert may_stand_on(scene.ledger, scene.store, action, base) == (b3 in abandons)


def test_a_rotation_may_stand_below_what_was_cosigned_in_its_reign_only() -> None:
    """S3: signatures can be collected for weeks while the witness goes on."""
    scene = Scene(Stance.FREE)
    for node, may in ((scene.b3, True), (scene.b2, True), (scene.a1, False)):
        rotation = Rotation(9, node.height, node.id, CLEO.key, "")
        assert may_stand_on(scene.ledger, scene.store, rotation, scene.row(node)) is may
        recovery = Recovery(9, node.height, node.id, CLEO.key, "", ())
        assert may_stand_on(scene.ledger, scene.store, recovery, scene.row(node)) == (node is scene.b3)


def test_the_newest_promise_of_each_kind_counts() -> None:
    scene = Scene(Stance.FREE)
    world, c4 = scene.world, scene.c4
    later = world.recovery(c4, BEN, epoch=9)
    scene.store.apply(
        [
            PutJournal(JournalRow(ENDORSE, 9, 0, later.id, world.endorsement(later, BEN).raw)),
            PutJournal(JournalRow(COSIGN, 6, 4, c4.id, world.cosignature(c4, BEN).raw)),
            PutJournal(JournalRow(EMIT, 6, 5, b"x" * 32, b"")),
        ]
    )
    assert stance_of(scene.ledger, scene.store) is Stance.PROMISED
    assert endorsed_epoch(scene.ledger) == 9
    last = last_cosigned(scene.ledger)
    assert last is not None and last.subject == c4.id
    assert classify_emission(scene.ledger, scene.store, 6, scene.row(c4)) is Ask.EMIT_OTHER


def test_a_standing_that_was_taken_back_is_no_succession() -> None:
    scene = Scene(Stance.FREE)
    a3, c4 = scene.row(scene.a3), scene.row(scene.c4)
    scene.store.apply([PutFacts(c4.branch, c4.height + 1, {STANDING: None})])
    above = msgspec.structs.replace(c4, height=c4.height + 1)
    assert passes(scene.store, a3, above)


def test_a_line_of_very_many_successions_is_judged_by_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs only grow, so what is looked at no more could only say the same."""
    scene = Scene(Stance.FREE)
    looked_through = scene.store.fact_changes
    monkeypatch.setattr(
        scene.store, "fact_changes", lambda *where, limit=2: looked_through(*where, limit=limit)
    )
    assert passes(scene.store, scene.row(scene.a3), scene.row(scene.c4))


# --- against an oracle --------------------------------------------------------------------------------


def slow_passes(old: Node, new: Node) -> bool:
    """S5, looked for one by one: a succession above the fork whose epoch is higher than `old`'s, and that is
    no rotation out of the reign of `old`."""
    shared = {one.id for one in (*old.line(), *_root(old))}
    for one in new.line():
        if one.id in shared or one.parent is None:
            continue
        takeover = (one.epoch, one.signer) != (one.parent.next_epoch, one.parent.next_signer)
        if takeover and one.epoch > old.epoch:
            return True
        handed_over = one.next_epoch != one.epoch and not takeover
        own = (one.epoch, one.signer) == (old.epoch, old.signer)
        if handed_over and one.next_epoch > old.epoch and not own:
            return True
    return False


def _root(node: Node) -> list[Node]:
    while node.parent is not None:
        node = node.parent
    return [node]


def random_tree(world: World, rng: random.Random) -> list[Node]:
    """Snapshots of all kinds, on each other and beside each other."""
    nodes = [world.root]
    for number in range(rng.randint(6, 14)):
        parent = rng.choice(nodes[-4:])
        kind, to = rng.random(), rng.choice((ANN, BEN, CLEO))
        epoch = parent.next_epoch + rng.randint(1, 3)
        if kind < 0.3:
            nodes.append(world.rotate(parent, to, ANN, BEN, CLEO, epoch=epoch))
        elif kind < 0.5:
            nodes.append(world.recover(parent, to, epoch=epoch))
        else:
            nodes.append(world.puts(parent, f"n{number}"))
    return nodes


def _rows(ledger: Ledger, nodes: list[Node]) -> list[tuple[Node, SnapshotRow]]:
    found = []
    for node in nodes:
        row = ledger._store.snapshot(node.id)
        assert row is not None
        found.append((node, row))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_passing_is_what_walking_the_tree_finds(seed: int) -> None:
    world = World()
    nodes = random_tree(world, random.Random(seed))
    ledger = world.ledger()
    feed(ledger, *nodes)
    rows = _rows(ledger, [node for node in nodes if node.parent is not None])
    for (old, old_row), (new, new_row) in itertools.product(rows, rows):
        if old in new.line() or new in old.line():
            continue  # contained, or below: nobody asks
        assert passes(ledger._store, old_row, new_row) == slow_passes(old, new), (old, new)
