"""Copies of a home that only a third machine hears (S11): both stop, and nobody can invent one."""

from __future__ import annotations

import pytest

from aslp2p.core.duplicate_keys import ANSWER_MS, GIVE, GIVEN, NUMBERS_MAX, SIGN, SIGNED, proof_of
from aslp2p.core.effects import HeardCopy
from aslp2p.core.inputs import Now, Received
from aslp2p.gossip.messages import DuplicateKey, encode_message
from tests.core.scripted import SECOND_MS, Neighbour, Stage
from tests.ledger.builder import ANN, BEN, DAN, Key, World

NUMBERS = bytes([1]) * 32, bytes([2]) * 32
ONE, OTHER, THIRD = b"one", b"other", b"third"


def duplicate_keys(neighbour: Neighbour) -> list[DuplicateKey]:
    """What of this the node said to it, from the last time on."""
    said: list[DuplicateKey] = neighbour.heard(DuplicateKey)
    neighbour.said.clear()
    return said


def signed(world: World, key: Key, number: bytes) -> DuplicateKey:
    return DuplicateKey(SIGNED, number, key.sign(proof_of(world.id, number)))


def copies(stage: Stage) -> object:
    return stage.core.live()["copied"]


def test_who_hears_two_copies_shows_each_to_the_other_and_keeps_both_links() -> None:
    world = World()
    stage = Stage(world, ANN)
    here, there = stage.link(BEN, ONE), stage.link(BEN, OTHER)
    assert (duplicate_keys(here), duplicate_keys(there)) == (
        [DuplicateKey(GIVE, b"", b"")],
        [DuplicateKey(GIVE, b"", b"")],
    )
    here.says(DuplicateKey(GIVEN, NUMBERS[0], b""))
    there.says(DuplicateKey(GIVEN, NUMBERS[1], b""))
    assert (duplicate_keys(there), duplicate_keys(here)) == (
        [DuplicateKey(SIGN, NUMBERS[0], b"")],
        [DuplicateKey(SIGN, NUMBERS[1], b"")],
    )
    assert copies(stage) == [], "nothing is proven yet"
    log = there.says(signed(world, BEN, NUMBERS[0]))
    assert any("two machines speak with the key of" in line for line in log), log
    here.says(signed(world, BEN, NUMBERS[1]))
    assert (duplicate_keys(here), duplicate_keys(there)) == (
        [signed(world, BEN, NUMBERS[0])],
        [signed(world, BEN, NUMBERS[1])],
    )
    assert copies(stage) == ["ben"]
    stage.wait(60 * SECOND_MS)
    assert not any("closed" in line for line in stage.log), "links do not flap"
    there.leaves()
    assert copies(stage) == []


def test_of_a_machine_that_was_started_again_the_older_link_ends() -> None:
    stage = Stage(World(), ANN)
    before, after = stage.link(BEN, ONE), stage.link(BEN, OTHER)
    after.says(DuplicateKey(GIVEN, NUMBERS[0], b""))
    assert stage.wait(ANSWER_MS - 1_001) == []
    assert stage.wait(2 * SECOND_MS) == [f"{before.name} < closed: the machine was started again"]
    assert copies(stage) == []


def test_of_more_than_two_processes_the_oldest_link_ends() -> None:
    stage = Stage(World(), ANN)
    for process in (ONE, OTHER, THIRD):
        stage.link(BEN, process).says(DuplicateKey(GIVEN, NUMBERS[0], b""))
    assert [line for line in stage.log if "closed" in line] == [
        "ben < closed: another machine with the same key has come"
    ]


@pytest.mark.parametrize("process", [b"", ONE])
def test_links_of_one_process_are_no_copies(process: bytes) -> None:
    stage = Stage(World(), ANN)
    links = [stage.link(BEN, process), stage.link(BEN, ONE), stage.link(DAN, OTHER)]
    assert [duplicate_keys(link) for link in links] == [[], [], []]


def test_a_copy_that_is_shown_the_other_signs_nothing_more() -> None:
    world = World()
    stage = Stage(world, ANN)
    third = stage.link(BEN)
    third.says(DuplicateKey(GIVE, b"", b""))
    (drawn,) = duplicate_keys(third)
    assert drawn.step == GIVEN
    step = stage.core.step(
        Received(third.link, encode_message(signed(world, ANN, drawn.number))), Now(2_000, 0)
    )
    assert HeardCopy() in step.effects and step.durable
    assert stage.core.live()["stale_reason"] == "the same key was heard on another machine"


def test_a_number_of_another_is_signed() -> None:
    world = World()
    stage = Stage(world, ANN)
    third = stage.link(BEN)
    third.says(DuplicateKey(SIGN, NUMBERS[0], b""))
    assert duplicate_keys(third) == [signed(world, ANN, NUMBERS[0])]


def test_nobody_can_invent_a_copy() -> None:
    """Not with a signature of another key, nor by sending a number back to who drew it, nor with what was
    signed for another number or before a restart."""
    world = World()
    stage = Stage(world, ANN)
    liar = stage.link(BEN)
    liar.says(DuplicateKey(GIVE, b"", b""))
    (drawn,) = duplicate_keys(liar)
    liar.says(DuplicateKey(SIGN, drawn.number, b""))
    assert duplicate_keys(liar) == [], "it signs no number of its own"
    liar.says(DuplicateKey(SIGN, NUMBERS[0], b""), DuplicateKey(SIGN, NUMBERS[1], b""))
    for old in duplicate_keys(liar):
        liar.says(old)
    assert stage.core.live()["stale_reason"] is None
    stage.restart()
    liar = stage.link(BEN)
    liar.says(signed(world, ANN, drawn.number))
    assert stage.core.live()["stale_reason"] is None
    liar.says(DuplicateKey(GIVE, b"", b""))
    assert liar.says(signed(world, BEN, drawn.number))[-1].startswith("ben < closed, blamed: ")
    assert stage.core.live()["stale_reason"] is None


def test_a_proof_that_does_not_verify_is_not_passed_on() -> None:
    world = World()
    stage = Stage(world, ANN)
    here, there = stage.link(BEN, ONE), stage.link(BEN, OTHER)
    here.says(DuplicateKey(GIVEN, NUMBERS[0], b""))
    duplicate_keys(here)
    assert there.says(signed(world, DAN, NUMBERS[0]))[-1].startswith("ben < closed, blamed: ")
    assert duplicate_keys(here) == [] and copies(stage) == []


@pytest.mark.parametrize(
    "wrong",
    [
        DuplicateKey(GIVE, NUMBERS[0], b""),
        DuplicateKey(GIVEN, b"", b""),
        DuplicateKey(SIGN, NUMBERS[0], bytes(64)),
        DuplicateKey(SIGNED, NUMBERS[0], b""),
    ],
)
def test_what_is_no_step_is_a_fault(wrong: DuplicateKey) -> None:
    stage = Stage(World(), ANN)
    assert stage.link(BEN).says(wrong)[-1].startswith("ben < closed, blamed: ")


def test_what_is_remembered_is_bounded() -> None:
    stage = Stage(World(), ANN)
    here, there = stage.link(BEN, ONE), stage.link(BEN, OTHER)
    for number in range(2 * NUMBERS_MAX):
        here.says(DuplicateKey(GIVEN, number.to_bytes(32, "big"), b""))
    assert len(stage.core._duplicate_keys._given) == NUMBERS_MAX
    there.leaves()
    here.leaves()
    assert not stage.core._duplicate_keys._proven and not stage.core._duplicate_keys._silent
