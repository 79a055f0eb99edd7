"""A quorum that has retired has no power (F5, F5a, F5b, S9): its keys move nobody and halt nobody."""

from __future__ import annotations

import itertools

import pytest

from aslp2p.artifacts.types import Expel, Recovery
from aslp2p.errors import Incomplete, Rejected
from aslp2p.ledger import history
from aslp2p.ledger.abandonment import read_abandonments
from aslp2p.ledger.finality import first_change, read_final
from aslp2p.ledger.floor import Floor, FloorMove, give_floor, read_floor, read_floor_moves
from aslp2p.ledger.history import Ledger, read_abandoned
from aslp2p.ledger.journal import COSIGN, ENDORSE, META_STALE
from aslp2p.ledger.reader import JournalRow, PutArtifacts, PutJournal, PutMeta
from aslp2p.ledger.stances import (
    Ask,
    Stance,
    classify_cosignature,
    classify_endorsement,
    endorsed_epoch,
    last_cosigned,
    stance_of,
)
from aslp2p.ledger.standing import settled
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, FAY, GUS, Key, Node, World, feed, policy, run_of
from tests.ledger.grown import NEW, Grown, cosign, reopened

OWNERS = (None, ANN, BEN, CLEO, DAN, EVE)


def stands(ledger: Ledger, grown: Grown) -> None:
    """Nothing has moved and nothing has stopped."""
    assert ledger.head.id == grown.tip.id
    assert ledger.final_height() == grown.tip.height
    assert ledger.conflict() is None
    assert ledger.evidence == []
    assert ledger.floor == Floor(grown.change.height, grown.change.id)
    place = (ledger.head.branch, ledger.head.height)
    assert read_final(ledger._store, place) == grown.tip.height


# --- what retired keys sign ---------------------------------------------------------------------------


@pytest.mark.parametrize("own", OWNERS, ids=str)
def test_an_abandons_of_retired_keys_gives_up_nothing(own: Key | None) -> None:
    """S9, F5: not the change, not a later snapshot, not everything at once."""
    for above in ([0], [5], [0, 1, 2, 3, 4, 5]):
        grown = Grown()
        ledger = grown.ledger(own)
        honest = grown.tip.line()[1:]
        rival = grown.rival(abandons=tuple(sorted(honest[at].id for at in above)))
        feed(ledger, rival)
        cosign(ledger, grown.world, rival, ANN)
        stands(ledger, grown)
        assert len(read_abandonments(ledger._store)) == len(above)
        assert read_abandoned(ledger._store) == []
        stands(reopened(ledger, own), grown)


@pytest.mark.parametrize("own", OWNERS, ids=str)
def test_a_takeover_that_retired_keys_cosign_is_no_conflict(own: Key | None) -> None:
    """F1, F5."""
    grown = Grown()
    ledger = grown.ledger(own)
    rival = grown.rival()
    feed(ledger, rival)
    cosign(ledger, grown.world, rival, ANN)
    stands(ledger, grown)
    stands(reopened(ledger, own), grown)


def test_the_old_witness_signs_a_second_history_without_any_certificate() -> None:
    """F3, F5: it is no evidence, and cuts off nothing."""
    grown = Grown()
    ledger = grown.ledger(CLEO)
    rival = grown.world.puts(grown.low, "rival")
    feed(ledger, rival)
    cosign(ledger, grown.world, rival, ANN)
    stands(ledger, grown)
    feed(ledger, grown.world.chain(rival, 40))
    stands(ledger, grown)


def test_a_ladder_of_epochs_outbids_nobody() -> None:
    """F2, F5: the next honest takeover is of whatever epoch comes next."""
    grown = Grown()
    ledger = grown.ledger(BEN)
    node = grown.low
    for number in range(1, 6):
        node = grown.world.recover(node, ANN, ANN, epoch=number * 1_000_000, author=ANN)
        feed(ledger, node)
    stands(ledger, grown)
    taken = grown.world.recover(grown.tip, CLEO, CLEO, DAN, epoch=2, author=CLEO)
    feed(ledger, taken)
    assert ledger.head.id == taken.id


def test_retired_keys_settle_changes_of_their_own() -> None:
    """Counting changes says nothing: theirs are no worse than ours, and stand on another floor."""
    grown = Grown()
    world = grown.world
    ledger = grown.ledger(DAN)
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    settled = world.after(theirs, settlement=world.settlement(theirs, ANN, EVE))
    again = world.install(settled, policy((EVE,), 1), ANN, EVE, replaces=theirs.proposals[0].id)
    settled = world.after(again, settlement=world.settlement(again, ANN, EVE))
    tip = world.chain(settled, 20)
    feed(ledger, tip)
    cosign(ledger, world, tip, EVE)
    stands(ledger, grown)


def test_bundles_in_any_order() -> None:
    """Whatever else comes first, whoever was given the floor ends where the present quorum is."""
    grown = Grown()
    rival, other = grown.rival(abandons=(grown.change.id,)), grown.rival(epoch=9)
    parts: list[tuple[Node, tuple[Key, ...]]] = [
        (rival, ()),
        (other, ()),
        (grown.tip, ()),
        (rival, (ANN,)),
        (grown.tip, (BEN, DAN)),
    ]
    for order in itertools.permutations(parts):
        ledger = given(grown)
        known: set[bytes] = set()
        waiting: list[tuple[Node, tuple[Key, ...]]] = []
        for node, by in order:
            if not by:
                feed(ledger, node)
                known.add(node.id)
            elif node.id in known:
                cosign(ledger, grown.world, node, *by)
            else:
                waiting.append((node, by))
        for node, by in waiting:
            cosign(ledger, grown.world, node, *by)
        stands(ledger, grown)
        stands(reopened(ledger, EVE), grown)


# --- how the floor moves ------------------------------------------------------------------------------


def test_the_floor_moves_when_the_change_is_known_to_be_final_under_both() -> None:
    """F5: not when the new policy is carried, and not as late as when it is settled."""
    grown = Grown()
    ledger = grown.world.ledger()
    joint = grown.world.chain(grown.change, 2)
    feed(ledger, joint)
    change = Floor(grown.change.height, grown.change.id)
    for one, floor in ((ANN, Floor(0, grown.world.id)), (BEN, Floor(0, grown.world.id)), (CLEO, change)):
        cosign(ledger, grown.world, joint, one)
        assert ledger.floor == read_floor(ledger._store) == floor
    rival = grown.rival(abandons=(grown.change.id,))
    feed(ledger, rival)
    cosign(ledger, grown.world, rival, ANN)
    assert ledger.head.id == joint.id
    assert ledger.conflict() is None
    reopened(ledger)


def test_a_settlement_moves_the_floor_too() -> None:
    grown = Grown()
    for own in OWNERS:
        ledger = grown.world.ledger(own)
        feed(ledger, grown.change)
        assert ledger.floor.height == 0
        feed(ledger, grown.settled)
        assert ledger.floor.id == grown.change.id
        reopened(ledger, own)


def several_changes() -> tuple[World, list[Node], Node]:
    """1 of 1 of ann, 2 of 3 of ben, cleo and dan, 2 of 2 of eve and fay, 1 of 1 of gus: the changes, and the
    tip."""
    world = World(policy((ANN,), 1), members=(ANN, BEN, CLEO, DAN, EVE, FAY, GUS))
    node, changes = world.puts(world.root, "a"), []
    old, replaces = [ANN], world.id
    for people, threshold in (((BEN, CLEO, DAN), 2), ((EVE, FAY), 2), ((GUS,), 1)):
        change = world.install(node, policy(people, threshold), *old, *people[:threshold], replaces=replaces)
        changes.append(change)
        both = {one.key: one for one in (*old, *people[:threshold])}.values()
        node = world.after(change, settlement=world.settlement(change, *both))
        node = world.rotate(node, people[0], *people[:threshold])
        node = world.chain(node, 2, f"after-{len(changes)}")
        old, replaces = list(people[:threshold]), change.proposals[0].id
    return world, changes, node


def test_several_changes_in_a_row() -> None:
    """Every retired quorum by itself, and all together; the floor is the last change, however they came."""
    for deferred in (False, True):
        world, changes, tip = several_changes()
        ledger = world.ledger()
        if deferred:
            assert ledger.accept_run(run_of(tip)).error is None
        else:
            feed(ledger, tip)
        assert ledger.floor.id == changes[-1].id
        cosign(ledger, world, tip, GUS)
        for change, keys in zip(changes, ((ANN,), (BEN, CLEO), (EVE, FAY)), strict=True):
            base = change.parent
            assert base is not None
            rival = world.recover(base, keys[0], *keys, epoch=50, author=keys[0], abandons=(change.id,))
            feed(ledger, rival)
            cosign(ledger, world, rival, *keys)
            assert ledger.head.id == tip.id
            assert ledger.conflict() is None
            assert ledger.final_height() == tip.height
        reopened(ledger)


def test_a_change_is_found_below_very_many_successions(monkeypatch: pytest.MonkeyPatch) -> None:
    world, changes, tip = several_changes()
    ledger = world.ledger()
    feed(ledger, tip)
    looked_through = ledger._store.fact_changes
    monkeypatch.setattr(
        ledger._store, "fact_changes", lambda *where, limit=2: looked_through(*where, limit=limit)
    )
    found = [first_change(ledger._store, 0, node.height, tip.height) for node in (world.root, *changes)]
    assert found == [*(Floor(one.height, one.id) for one in changes), None]


def test_a_revocation_and_an_expulsion_between() -> None:
    """The key that was revoked, and the one that was expelled, sign nothing that counts below the floor."""
    grown = Grown()
    world = grown.world
    revoked = world.revoke(grown.tip, CLEO, BEN, CLEO, DAN, author=CLEO)
    expelled = world.after(revoked, world.propose(Expel(ANN.key), CLEO))
    tip = world.after(expelled, world.put("after", CLEO))
    ledger = world.ledger()
    feed(ledger, tip)
    cosign(ledger, world, tip, CLEO, DAN)
    rival = world.recover(grown.low, ANN, ANN, epoch=9, author=ANN, abandons=(grown.change.id, revoked.id))
    feed(ledger, rival)
    cosign(ledger, world, rival, ANN)
    assert (ledger.head.id, ledger.conflict()) == (tip.id, None)
    aside = world.recover(grown.settled, DAN, BEN, CLEO, epoch=8, author=CLEO, abandons=(grown.moved.id,))
    feed(ledger, aside)
    assert ledger.head.id == tip.id, "ben, who is revoked at the tip, gives up nothing of it (S9, V8)"
    aside = world.recover(grown.settled, DAN, DAN, CLEO, epoch=9, author=CLEO, abandons=(grown.moved.id,))
    feed(ledger, aside)
    assert ledger.head.id == aside.id


# --- S9: each snapshot by itself ----------------------------------------------------------------------


def test_an_abandons_takes_finality_from_the_snapshots_of_its_own_quorum_only() -> None:
    """Below the change ann alone decides, and from it on she does not: whoever has no floor yet sees both."""
    grown = Grown()
    world = grown.world
    below = world.puts(grown.low, "below")
    change = world.install(below, NEW, ANN, BEN, CLEO)
    ledger = world.ledger()
    feed(ledger, change)
    cosign(ledger, world, change, ANN)
    assert ledger.final_height() == below.height
    rival = grown.rival(abandons=(below.id,))
    feed(ledger, rival)
    assert ledger.head.id == rival.id, "nothing above `low` is final any more"
    assert ledger.final_height() == 0, "what ann cosigned she gave up"
    cosign(ledger, world, change, BEN, CLEO)
    assert ledger.head.id == change.id, "under both policies it is final, and they did not give it up"
    assert ledger.floor.id == change.id
    reopened(ledger)


def test_an_abandons_that_came_first_does_not_hide_the_proof_of_finality() -> None:
    """F5, S9: one answer, in whatever order."""
    grown = Grown()
    world = grown.world
    rival = grown.rival(abandons=(grown.change.id,))
    pieces = [(grown.change, one) for one in (ANN, BEN, CLEO)]
    for order in itertools.permutations([(rival, None), *pieces]):
        ledger = world.ledger()
        feed(ledger, grown.change)
        for node, by in order:
            feed(ledger, node)
            if by is not None:
                cosign(ledger, world, node, by)
        assert (ledger.head.id, ledger.floor.id) == (grown.change.id, grown.change.id)
        assert ledger.conflict() is None


def test_two_certificates_that_give_up_different_heights() -> None:
    """What nobody gave up of a line is as final as its own cosignatures make it."""
    world = World()
    ledger = world.ledger()
    line = world.chain(world.root, 6)
    nodes = line.line()
    feed(ledger, line)
    cosign(ledger, world, nodes[1], BEN, CLEO)
    cosign(ledger, world, nodes[3], ANN)
    cosign(ledger, world, nodes[5], BEN, CLEO)
    assert ledger.final_height() == 6
    feed(ledger, world.recover(nodes[1], BEN, abandons=(nodes[4].id,)))
    store, place = ledger._store, (0, 6)
    assert read_final(store, place) == 2, "ann alone cosigned @4, the others what was given up"
    feed(ledger, world.recover(world.root, CLEO, epoch=2, abandons=(nodes[1].id,)))
    assert read_final(store, place) == 0
    assert len(read_abandonments(store)) == 2
    reopened(ledger)


# --- F5a: what this key took part in ------------------------------------------------------------------


def cosigned_before(ledger: Ledger, world: World, node: Node, own: Key) -> None:
    """`own` cosigned `node`, as its journal knows."""
    row = JournalRow(COSIGN, node.epoch, node.height, node.id, world.cosignature(node, own).raw)
    ledger._store.apply([PutJournal(row)])
    cosign(ledger, world, node, own)


def test_who_cosigned_another_change_does_not_move_past_it() -> None:
    """F5a: ben cosigned a change that never became final; of the other one he cosigned nothing."""
    grown = Grown()
    world = grown.world
    other = world.install(grown.low, policy((BEN, EVE), 2), ANN, BEN, EVE)
    for also, moves in ((False, False), (True, True)):
        ledger = world.ledger(BEN)
        feed(ledger, other)
        cosigned_before(ledger, world, other, BEN)
        feed(ledger, grown.change)
        if also:
            beside = world.puts(grown.change, "beside")
            feed(ledger, beside)
            cosigned_before(ledger, world, beside, BEN)
        feed(ledger, grown.tip)
        cosign(ledger, world, grown.tip, CLEO, DAN)
        assert (ledger.floor.id == grown.change.id) is moves
        reopened(ledger, BEN)


def test_finals_conflict_and_one_has_the_change_that_this_key_cosigned() -> None:
    """F5a: at or above it, on whatever branch. Whoever took part in none, or in both, halts (F1)."""
    grown = Grown()
    world = grown.world
    rival = grown.rival()
    for own, moves in ((CLEO, True), (FAY, False), (None, False)):
        for journal in (True, False):
            ledger = world.ledger(own)
            feed(ledger, rival)
            cosign(ledger, world, rival, ANN)
            feed(ledger, grown.change)
            if own is CLEO and journal:
                above = world.puts(grown.change, "above")
                feed(ledger, above)
                cosigned_before(ledger, world, above, own)
            cosign(ledger, world, grown.change, ANN, BEN, CLEO)
            resolved = moves and journal
            assert (ledger.floor.id == grown.change.id) is resolved
            assert (ledger.conflict() is None) is resolved
            assert (ledger.head.id == rival.id) is not resolved
            reopened(ledger, own)


def test_a_key_whose_journal_is_in_doubt_took_part_in_nothing() -> None:
    """S11: it is not read any more, and that key signs nothing."""
    grown = Grown()
    other = grown.world.install(grown.low, policy((BEN, EVE), 2), ANN, BEN, EVE)
    ledger = grown.world.ledger(BEN)
    feed(ledger, other)
    cosigned_before(ledger, grown.world, other, BEN)
    ledger._store.apply([PutMeta(META_STALE, b"damaged")])
    feed(ledger, grown.tip)
    assert ledger.floor.id == grown.change.id


def test_what_this_key_cosigned_and_is_not_here_any_more_is_no_part_in_anything() -> None:
    grown = Grown()
    ledger = grown.world.ledger(BEN)
    ledger._store.apply([PutJournal(JournalRow(COSIGN, 0, 9, bytes(32), b""))])
    feed(ledger, grown.tip)
    assert ledger.floor.id == grown.change.id


def test_of_two_changes_that_this_key_cosigned_the_first_that_is_final_counts() -> None:
    grown = Grown()
    world = grown.world
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    for first, second in ((theirs, grown.change), (grown.change, theirs)):
        ledger = world.ledger(EVE)
        feed(ledger, theirs, grown.change)
        for node in (theirs, grown.change):
            ledger._store.apply([PutJournal(JournalRow(COSIGN, node.epoch, node.height, node.id, b""))])
        for node in (first, second):
            cosign(ledger, world, node, *((ANN, EVE) if node is theirs else (ANN, BEN, CLEO)))
            assert (ledger.floor.id, ledger.conflict()) == (first.id, None)
        reopened(ledger, EVE)


# --- F5b: promises ------------------------------------------------------------------------------------


def test_only_promises_on_the_floor_bind() -> None:
    """S1, S3, S4, S5: what cleo promised below the floor, or beside it, holds her back no more."""
    grown = Grown()
    world = grown.world
    ledger = grown.ledger(CLEO)
    beside = world.recover(grown.low, ANN, ANN, epoch=7, author=ANN)
    feed(ledger, beside)
    proposal = world.recovery(beside, CLEO, epoch=900, author=CLEO)
    store = ledger._store
    store.apply(
        [
            PutArtifacts([proposal]),
            PutJournal(JournalRow(ENDORSE, 900, 0, proposal.id, b"")),
            PutJournal(JournalRow(COSIGN, 7, beside.height, beside.id, b"")),
        ]
    )
    assert endorsed_epoch(ledger) == -1
    assert last_cosigned(ledger) is None
    assert stance_of(ledger, store) is Stance.FREE
    good = world.recovery(grown.tip, CLEO, epoch=2, author=CLEO)
    action = good.statement.action
    assert isinstance(action, Recovery)
    assert classify_endorsement(ledger, store, good.id, action, 2) is Ask.ENDORSE_HIGHER, "S1, S3"
    tip = store.snapshot(grown.tip.id)
    assert tip is not None and classify_cosignature(ledger, store, tip) is Ask.COSIGN, "S4, S5"
    store.apply(
        [
            PutArtifacts([good]),
            PutJournal(JournalRow(ENDORSE, 2, 0, good.id, b"")),
            PutJournal(JournalRow(COSIGN, 1, grown.tip.height, grown.tip.id, b"")),
        ]
    )
    assert endorsed_epoch(ledger) == endorsed_epoch(ledger) == 2
    last = last_cosigned(ledger)
    assert last is not None and last.subject == grown.tip.id
    store.apply([PutJournal(JournalRow(ENDORSE, 3, 0, bytes(32), b""))])
    assert endorsed_epoch(ledger) == 3, "of what is not here nobody can say that it does not bind"


# --- a floor that was given ---------------------------------------------------------------------------


def given(grown: Grown, own: Key | None = EVE, floor: Floor | None = None) -> Ledger:
    """A joiner whose invite gave it a floor: the change unless another is said."""
    ledger = grown.world.ledger(own)
    ledger._store.apply([give_floor(floor or Floor(grown.change.height, grown.change.id))])
    return Ledger(ledger._store, own_key=own.key if own else b"")


def test_a_joiner_adopts_nothing_until_it_knows_the_floor_it_was_given() -> None:
    grown = Grown()
    ledger = given(grown)
    rival = grown.rival(abandons=(grown.change.id,))
    feed(ledger, rival)
    cosign(ledger, grown.world, rival, ANN)
    assert ledger.head.id == grown.world.id
    assert ledger.final_height() == 0
    assert ledger.conflict() is None
    assert stance_of(ledger, ledger._store) is Stance.WAITING
    feed(ledger, grown.low)
    assert ledger.head.id == grown.world.id
    ledger = reopened(ledger, EVE)
    feed(ledger, grown.change)
    assert ledger.head.id == grown.change.id
    assert ledger.waits_for_floor is None
    feed(ledger, grown.tip)
    cosign(ledger, grown.world, grown.tip, BEN, CLEO)
    stands(ledger, grown)


def test_a_given_floor_that_is_here_already_moves_the_head_at_the_next_start() -> None:
    """A machine that followed the retired keys gets a new invite while it is off."""
    grown = Grown()
    ledger = grown.world.ledger(EVE)
    feed(ledger, rival := grown.rival())
    cosign(ledger, grown.world, rival, ANN)
    feed(ledger, grown.tip)
    assert ledger.head.id == rival.id
    ledger._store.apply([give_floor(Floor(grown.change.height, grown.change.id))])
    again = Ledger(ledger._store, own_key=EVE.key)
    assert again.floor.id == grown.change.id
    change = again.reconsider()
    assert change is not None
    assert (change.new.id, change.fork_height) == (grown.tip.id, grown.low.height)
    assert again.reconsider() is None


def test_a_given_floor_never_lowers_one_and_never_moves_it_aside() -> None:
    grown = Grown()
    world = grown.world
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    higher = world.chain(theirs, 1)
    for floor in (Floor(0, world.id), Floor(theirs.height, theirs.id), Floor(1, bytes(32))):
        ledger = grown.ledger(DAN)
        feed(ledger, higher)
        ledger._store.apply([give_floor(floor)])
        stands(Ledger(ledger._store, own_key=DAN.key), grown)
    ledger = grown.ledger(DAN)
    ledger._store.apply([give_floor(Floor(higher.height + 9, higher.id))])
    ledger = Ledger(ledger._store, own_key=DAN.key)
    assert stance_of(ledger, ledger._store) is Stance.WAITING
    feed(ledger, higher)
    assert ledger.waits_for_floor is None
    stands(ledger, grown)


def test_a_floor_that_is_rolled_back_is_waited_for() -> None:
    """F5, G4: it is never lowered, also not by what nobody could prove."""
    grown = Grown()
    ledger = grown.ledger(BEN)
    floor = ledger.floor
    ledger.roll_back(0, grown.low.height)
    assert (ledger.head.id, ledger.floor) == (grown.low.id, floor)
    assert ledger.waits_for_floor == floor
    assert ledger.final_height() == 0
    feed(ledger, grown.rival())
    assert ledger.head.id == grown.low.id
    ledger = reopened(ledger, BEN)
    feed(ledger, grown.tip)
    cosign(ledger, grown.world, grown.tip, CLEO, DAN)
    stands(ledger, grown)


def test_a_rolled_back_rival_leaves_the_floor_alone() -> None:
    grown = Grown()
    ledger = grown.ledger(BEN)
    feed(ledger, rival := grown.rival(abandons=(grown.change.id,)))
    row = ledger._store.snapshot(rival.id)
    assert row is not None
    ledger.roll_back(row.branch, grown.low.height)
    assert read_abandonments(ledger._store) == []
    stands(ledger, grown)


# --- a person moves it --------------------------------------------------------------------------------


def test_a_person_moves_the_floor_anywhere_and_that_is_logged() -> None:
    grown = Grown()
    world = grown.world
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    tip = world.after(theirs, settlement=world.settlement(theirs, ANN, EVE))
    ledger = grown.ledger(DAN)
    feed(ledger, tip)
    assert ledger.head.id == grown.tip.id
    with pytest.raises(Incomplete):
        ledger.move_floor(bytes(32), 1)
    with pytest.raises(Rejected) as caught:
        ledger.move_floor(grown.tip.id, 1)
    assert caught.value.rule == "F5"
    assert read_floor_moves(ledger._store) == []
    change = ledger.move_floor(theirs.id, 1_234)
    assert change is not None and change.new.id == tip.id
    mine, other = Floor(grown.change.height, grown.change.id), Floor(theirs.height, theirs.id)
    ledger = reopened(ledger, DAN)
    assert read_floor_moves(ledger._store) == [FloorMove(mine, other, 1_234)]
    back = ledger.move_floor(grown.change.id, 2_345)
    assert back is not None and back.new.id == grown.tip.id
    stands(ledger, grown)
    ledger.move_floor(world.id, 3_456)
    assert ledger.conflict() is not None, "at the genesis both count again"
    assert [move.at_ms for move in read_floor_moves(ledger._store)] == [1_234, 2_345, 3_456]


@pytest.mark.parametrize("abandons", [False, True], ids=["cosigned", "abandons"])
def test_who_was_given_no_floor_and_hears_them_first_halts_until_a_person_decides(abandons: bool) -> None:
    """What remains in principle: it cannot know better, signs nothing, and does what its person says."""
    grown = Grown()
    ledger = grown.world.ledger(EVE)
    rival = grown.rival(epoch=9, abandons=(grown.change.id,) if abandons else ())
    feed(ledger, rival)
    cosign(ledger, grown.world, rival, ANN)
    assert ledger.head.id == rival.id and ledger.conflict() is None
    feed(ledger, grown.tip)
    cosign(ledger, grown.world, grown.tip, BEN, CLEO, DAN)
    assert sorted(ledger.conflict() or ()) == sorted((rival.id, grown.tip.id))
    assert stance_of(ledger, ledger._store) is Stance.HALTED
    ledger.move_floor(grown.change.id, 1_234)
    stands(ledger, grown)


def test_the_log_of_moves_is_bounded() -> None:
    grown = Grown()
    ledger = grown.ledger(DAN)
    for at in range(300):
        ledger.move_floor(grown.change.id, at)
    moves = [move.at_ms for move in read_floor_moves(ledger._store)]
    assert (len(moves), moves[0], moves[-1]) == (256, 0, 299)


# --- evidence -----------------------------------------------------------------------------------------


def test_an_equivocation_below_the_floor_hides_none_above_it() -> None:
    """F3: ann signed two histories below the change, and two above it; the lowest on the floor cuts."""
    grown = Grown()
    world = grown.world
    low = [world.puts(grown.settled, name) for name in ("x", "y")]
    aside = world.chain(grown.low, 4, "aside")
    found = set()
    for order in itertools.permutations([aside, *low]):
        ledger = world.ledger()
        feed(ledger, *order)
        assert ledger.floor.id == grown.change.id
        found.add(tuple(sorted((one.height, one.one, one.other) for one in ledger.evidence)))
        reopened(ledger)
    pair = sorted(one.id for one in low)
    assert found == {((low[0].height, *pair),)}


def test_equivocations_are_looked_for_again_when_the_floor_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """F3, F5: until the change is final, the pair below it hides the one above it."""
    monkeypatch.setattr(history, "LOOKED_AT_ONCE", 2)
    grown = Grown()
    world = grown.world
    low = [world.chain(world.puts(grown.change, name), 4, f"above-{name}") for name in ("x", "y")]
    ledger = world.ledger()
    feed(ledger, world.puts(grown.low, "aside"), *low)
    assert [one.height for one in ledger.evidence] == [grown.change.height]
    cosign(ledger, world, grown.change, ANN, BEN, CLEO)
    assert ledger.floor.id == grown.change.id
    assert [one.height for one in ledger.evidence] == [grown.change.height + 1]
    assert ledger.head.height == grown.change.height + 1
    reopened(ledger)


def test_what_is_evidence_above_the_floor_stays_so() -> None:
    grown = Grown()
    world = grown.world
    low = [world.chain(world.puts(grown.change, name), 2, f"above-{name}") for name in ("x", "y")]
    ledger = world.ledger(CLEO)
    feed(ledger, *low)
    before = ledger.evidence.copy()
    assert [one.height for one in before] == [grown.change.height + 1]
    cosign(ledger, world, grown.change, ANN, BEN, CLEO)
    assert ledger.floor.id == grown.change.id
    assert ledger.evidence == before
    taken = world.recover(grown.low, ANN, ANN, epoch=5, author=ANN)
    feed(ledger, world.puts(taken, "one"), world.puts(taken, "two"))
    assert ledger.evidence == before, "what they sign beside the floor twice says nothing (F5)"


# --- places -------------------------------------------------------------------------------------------


def test_retired_keys_have_sixteen_places_and_the_present_quorum_finds_its_own() -> None:
    """A4: takeovers of theirs fill no place of ours."""
    grown = Grown()
    ledger = grown.ledger(BEN)
    for epoch in range(2, 18):
        feed(ledger, grown.rival(epoch=epoch))
    for epoch in range(18, 30):
        with pytest.raises(Rejected) as caught:
            feed(ledger, grown.rival(epoch=epoch))
        assert caught.value.rule == "A4"
    assert len(ledger.branches()) == 17
    stands(ledger, grown)
    late = grown.world.chain(grown.tip, 1, "late")
    feed(ledger, late)
    taken = grown.world.recover(grown.tip, CLEO, CLEO, DAN, epoch=2, author=CLEO)
    feed(ledger, taken)
    assert ledger.head.id == taken.id


def small(monkeypatch: pytest.MonkeyPatch, every: int, below: int, takeovers: int) -> None:
    monkeypatch.setattr(history, "BRANCHES_MAX", every)
    monkeypatch.setattr(history, "BRANCHES_BELOW_MAX", below)
    monkeypatch.setattr(history, "BRANCHES_FOR_TAKEOVERS", takeovers)


def test_lines_from_before_the_floor_moved_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: whatever filled all places when nothing was final yet."""
    small(monkeypatch, 6, 1, 0)
    grown = Grown()
    world = grown.world
    ledger = world.ledger(CLEO)
    feed(ledger, grown.low)
    rivals = [grown.rival(epoch=epoch) for epoch in range(2, 7)]
    for rival in rivals[:4]:
        feed(ledger, rival)
    row = JournalRow(COSIGN, 4, rivals[2].height, rivals[2].id, b"")
    ledger._store.apply([PutJournal(row)])
    feed(ledger, grown.tip)
    assert len(ledger.branches()) == 5
    cosign(ledger, world, grown.tip, BEN, CLEO, DAN)
    node, seen = grown.tip, []
    for epoch in range(2, 6):
        feed(ledger, late := world.chain(node, 1, f"late-{epoch}"))
        node = world.recover(node, CLEO, CLEO, DAN, epoch=epoch, author=CLEO)
        feed(ledger, node)
        assert ledger.head.id == node.id
        seen.append(len(ledger.branches()))
        assert late.height == node.height
    assert max(seen) <= 6
    reopened(ledger, CLEO)


def test_who_waits_for_a_floor_has_a_place_for_the_line_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, section 11: retired keys that come first cannot fill all places of a joiner."""
    small(monkeypatch, 5, 1, 1)
    grown = Grown()
    ledger = given(grown)
    for epoch in range(2, 12):
        feed(ledger, grown.rival(epoch=epoch))
        assert len(ledger.branches()) <= 4
    feed(ledger, grown.tip)
    cosign(ledger, grown.world, grown.tip, BEN, CLEO)
    stands(ledger, grown)
    stands(reopened(ledger, EVE), grown)


def test_what_is_evidence_or_was_cosigned_last_makes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """F3, S5: forgetting it would unsay more than a line; then there is no place."""
    small(monkeypatch, 4, 1, 0)
    world = World()
    ledger = world.ledger(CLEO)
    base = world.puts(world.root, "base")
    line = world.chain(base, 2, "line")
    one, other = world.recover(base, BEN, epoch=1), world.puts(world.root, "twin")
    feed(ledger, line, one, other)
    assert len(ledger.evidence) == 1
    ledger._store.apply([PutJournal(JournalRow(COSIGN, 1, one.height, one.id, b""))])
    feed(ledger, world.recover(line, BEN, epoch=2))
    cosign(ledger, world, line, ANN, BEN)
    monkeypatch.setattr(history, "BRANCHES_MAX", 3)
    with pytest.raises(Rejected) as caught:
        feed(ledger, world.puts(line, "late"))
    assert caught.value.rule == "A4"


def test_a_takeover_that_gives_up_what_is_final_is_no_line_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """S9: the present quorum's own way past a final needs a place too."""
    small(monkeypatch, 6, 1, 2)
    world = World()
    ledger = world.ledger()
    base = world.puts(world.root, "base")
    line = world.chain(base, 2)
    feed(ledger, line, world.puts(world.root, "beside"))
    cosign(ledger, world, line, ANN, BEN)
    with pytest.raises(Rejected) as caught:
        feed(ledger, world.recover(base, CLEO, epoch=2))
    assert caught.value.rule == "A4"
    taken = world.recover(base, CLEO, epoch=2, abandons=(line.id,))
    feed(ledger, taken)
    assert ledger.head.id == taken.id
    reopened(ledger)


def test_one_line_below_the_floor_is_kept_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, F5: whoever has retired could go on with one line for ever."""
    monkeypatch.setattr(history, "BELOW_SNAPSHOTS_MAX", 4)
    grown = Grown()
    ledger = grown.ledger(BEN)
    world = grown.world
    rival = world.chain(world.recover(grown.low, ANN, ANN, epoch=2, author=ANN), 3, "rival")
    feed(ledger, rival)
    for late in (world.puts(rival, "late"), world.recover(rival, ANN, ANN, epoch=3, author=ANN)):
        with pytest.raises(Rejected, match="too long") as caught:
            feed(ledger, late)
        assert caught.value.rule == "A4"
        assert ledger._store.snapshot(late.id) is None
    other = world.chain(world.recover(grown.low, ANN, ANN, epoch=4, author=ANN), 2, "other")
    feed(ledger, other)
    feed(ledger, world.puts(rival.parent or rival, "a third line"))
    with pytest.raises(Rejected, match="too long"):
        feed(ledger, world.puts(rival, "another place, and above it all the same"))
    stands(ledger, grown)
    stands(reopened(ledger, BEN), grown)
    feed(ledger, ours := world.chain(grown.tip, 9, "ours"))
    assert ledger.head.id == ours.id, "above the floor there is no such bound"


def test_and_so_many_proposals_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BELOW_PROPOSALS_MAX", 4)
    grown = Grown()
    ledger = grown.ledger(BEN)
    taken = grown.world.recover(grown.low, ANN, ANN, epoch=2, author=ANN)
    feed(ledger, full := grown.world.puts(taken, "1", "2", "3"))
    with pytest.raises(Rejected, match="too long"):
        feed(ledger, grown.world.puts(full, "4"))
    feed(ledger, grown.world.after(full))
    stands(ledger, grown)


def test_a_run_below_the_floor_is_taken_up_to_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged before stays, on the disk too; and what was here before the floor moved stays whole."""
    monkeypatch.setattr(history, "BELOW_SNAPSHOTS_MAX", 4)
    grown = Grown()
    world = grown.world
    ledger = grown.ledger(BEN)
    rival = world.chain(grown.rival(), 6, "on")
    run = ledger.accept_run(run_of(rival, grown.low.height))
    assert [one.tip.height for one in run.accepted] == [2, 3, 4, 5]
    assert isinstance(run.error, Rejected) and run.error.rule == "A4"
    again = reopened(ledger, BEN)
    assert again.branches()[1].tip_height == 5
    late = world.ledger(BEN)
    feed(late, rival, grown.tip)
    cosign(late, world, grown.tip, BEN, CLEO, DAN)
    assert late.floor.id == grown.change.id and late.on_floor(late.head.id)
    assert late.contains(0, rival.height, rival.id)
    with pytest.raises(Rejected, match="too long"):
        feed(late, world.puts(rival, "no more"))


def test_who_waits_for_a_floor_measures_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows yet which of them leads there."""
    monkeypatch.setattr(history, "BELOW_SNAPSHOTS_MAX", 1)
    grown = Grown()
    ledger = given(grown)
    feed(ledger, grown.rival(), grown.tip)
    assert ledger.head.id == grown.tip.id


# --- leaving the joint phase (P4) ---------------------------------------------------------------------


def test_who_judges_a_takeover_in_a_joint_phase() -> None:
    """Both policies, until the change is known to be final; then the new one, with the proof of that."""
    grown = Grown()
    world = grown.world
    ledger = world.ledger()
    feed(ledger, grown.change)
    joint = ledger.head.standing
    cosign(ledger, world, grown.change, ANN, BEN)
    assert ledger.deciding(ledger.head) == (joint, None)
    cosign(ledger, world, grown.change, CLEO)
    proof = world.settlement(grown.change, ANN, BEN, CLEO)
    assert ledger.deciding(ledger.head) == (settled(joint), proof)
    assert ledger.deciding(ledger.head, (ANN.key,)) == (joint, None), "revoked, she proves nothing"
    feed(ledger, taken := world.recover(grown.change, DAN, CLEO, DAN, author=DAN, settlement=proof))
    assert ledger.head.id == taken.id
    assert ledger.deciding(ledger.head) == (ledger.head.standing, None)
    assert ledger.head.standing.policies == (NEW,)
    reopened(ledger)


def test_the_old_quorum_takes_nothing_back_once_the_change_is_final() -> None:
    """F5: not by a takeover on the change with its own keys, nor below it."""
    grown = Grown()
    world = grown.world
    ledger = world.ledger(CLEO)
    feed(ledger, grown.change)
    cosign(ledger, world, grown.change, ANN, BEN, CLEO)
    with pytest.raises(Rejected) as caught:
        feed(ledger, world.recover(grown.change, ANN, ANN, epoch=2, author=ANN))
    assert caught.value.rule == "V6"
    feed(ledger, grown.rival(abandons=(grown.change.id,)))
    assert (ledger.head.id, ledger.conflict()) == (grown.change.id, None)
