"""The pairing against a guesser, a replayer and a man in the middle (the scheme in `link/pairing.py`)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from aslp2p.artifacts.pairing_code import PairingCode
from aslp2p.link.pairing import INVITER, InviterSide, Joiner, JoinerSide, Welcome, WrongCode

CODE = PairingCode(7, ("guitar", "castle"))
OTHER = PairingCode(7, ("guitar", "cat"))
BEN = Joiner("ben", bytes(range(32)))
ANN = Welcome("ann", "home", "laptop")


def sides(joiner: PairingCode = CODE) -> tuple[InviterSide, JoinerSide]:
    return InviterSide(CODE, os.urandom), JoinerSide(joiner, os.urandom)


def test_both_learn_names_and_the_joiner_gets_the_invite() -> None:
    ann, ben = sides()
    second = ann.answer(ben.begin())
    assert ann.hear(ben.introduce(second, BEN)) == BEN
    assert ben.hear(ann.welcome(ANN)) == ANN
    assert ann.words() == ben.words() and len(ann.words()) == 4
    assert ben.take(ann.give("asl1abc")) == "asl1abc"


def test_a_no_arrives_as_one() -> None:
    ann, ben = sides()
    ann.hear(ben.introduce(ann.answer(ben.begin()), BEN))
    ben.hear(ann.welcome(ANN))
    assert ben.take(ann.give("")) == ""


def test_a_guesser_learns_only_that_it_was_wrong() -> None:
    ann, mallory = sides(OTHER)
    third = mallory.introduce(ann.answer(mallory.begin()), BEN)
    with pytest.raises(WrongCode):
        ann.hear(third)


def test_who_poses_as_the_inviter_learns_only_that_it_was_wrong() -> None:
    mallory, ben = sides(OTHER)
    with pytest.raises(WrongCode):  # J has proved first: what I says to a wrong proof is nothing
        mallory.hear(ben.introduce(mallory.answer(ben.begin()), BEN))


def test_a_recorded_pairing_cannot_be_played_again() -> None:
    ann, ben = sides()
    first = ben.begin()
    third = ben.introduce(ann.answer(first), BEN)
    ann.hear(third)
    fourth = ann.welcome(ANN)
    again = InviterSide(CODE, os.urandom)  # the same words, as if the code had been made twice
    again.answer(first)
    with pytest.raises(WrongCode):
        again.hear(third)
    later = JoinerSide(CODE, os.urandom)
    later.begin()
    later.introduce(InviterSide(CODE, os.urandom).answer(JoinerSide(CODE, os.urandom).begin()), BEN)
    with pytest.raises(WrongCode):
        later.hear(fourth)


def test_one_in_the_middle_without_the_words_shares_no_key_with_either() -> None:
    ann, ben = sides()
    to_ben, to_ann = InviterSide(OTHER, os.urandom), JoinerSide(OTHER, os.urandom)
    third = ben.introduce(to_ben.answer(ben.begin()), BEN)
    with pytest.raises(WrongCode):
        to_ben.hear(third)
    mine = to_ann.introduce(ann.answer(to_ann.begin()), BEN)
    for forged in (third, mine):  # what Ben sealed for another, and what was sealed under a guess
        fresh, _ = sides()
        fresh.answer(JoinerSide(OTHER, os.urandom).begin())
        with pytest.raises(WrongCode):
            fresh.hear(forged)


def test_one_who_knows_the_words_shows_both_people_other_words() -> None:
    ann, ben = sides()
    to_ben, to_ann = InviterSide(CODE, os.urandom), JoinerSide(CODE, os.urandom)
    to_ben.hear(ben.introduce(to_ben.answer(ben.begin()), BEN))
    ben.hear(to_ben.welcome(ANN))
    ann.hear(to_ann.introduce(ann.answer(to_ann.begin()), BEN))
    to_ann.hear(ann.welcome(ANN))
    assert ann.words() != ben.words()


@pytest.mark.parametrize("at", [0, 20, -1])
def test_each_byte_of_what_is_sealed_counts(at: int) -> None:
    ann, ben = sides()
    third = bytearray(ben.introduce(ann.answer(ben.begin()), BEN))
    third[at] ^= 1
    with pytest.raises(WrongCode):
        ann.hear(bytes(third))


@pytest.mark.parametrize(
    "element", [b"", b"B", b"B" + bytes(32), b"A" + bytes(32), bytes(33), b"B" + b"\xff" * 32]
)
def test_what_is_no_element_is_a_wrong_code(element: bytes) -> None:
    with pytest.raises(WrongCode):
        InviterSide(CODE, os.urandom).answer(element)
    joiner = JoinerSide(CODE, os.urandom)
    joiner.begin()
    with pytest.raises(WrongCode):
        joiner.introduce(element, BEN)


def test_an_element_that_is_sent_back_is_refused() -> None:
    ann, ben = sides()
    own = ann.answer(ben.begin())
    with pytest.raises(WrongCode):
        InviterSide(CODE, os.urandom).answer(own)


@pytest.mark.parametrize(
    "fields", [[], ["ben"], ["ben", b"short"], ["a/b", bytes(32)], ["", bytes(32)], [b"ben", bytes(32)], 7]
)
def test_a_claim_of_another_form_is_refused_from_whoever_knows_the_words(fields: object) -> None:
    ann, ben = sides()
    _agree(ann, ben)
    with pytest.raises(WrongCode):
        ann.hear(_sealed_by(ben, b"asl.pairing/1 joiner")(fields))


@pytest.mark.parametrize("fields", [[], ["ann", "home"], ["a/b", "home", ""], ["ann", "home", "a:b"], "ann"])
def test_a_welcome_of_another_form_is_refused(fields: object) -> None:
    ann, ben = sides()
    ann.hear(ben.introduce(ann.answer(ben.begin()), BEN))
    with pytest.raises(WrongCode):
        ben.hear(_sealed_by(ann, INVITER)(fields))


@pytest.mark.parametrize("fields", [[], [b"asl1"], [7], ["a", "b"]])
def test_an_invite_of_another_form_is_refused(fields: object) -> None:
    ann, ben = sides()
    ann.hear(ben.introduce(ann.answer(ben.begin()), BEN))
    ben.hear(ann.welcome(ANN))
    with pytest.raises(WrongCode):
        ben.take(_sealed_by(ann, INVITER)(fields))


def _agree(ann: InviterSide, ben: JoinerSide) -> None:
    ben._agree(ben._exchange, ann.answer(ben.begin()))
    ben._said += ann._said


def _sealed_by(side: InviterSide | JoinerSide, by: bytes) -> Callable[[object], bytes]:
    return lambda fields: side._seal(by, fields)  # type: ignore[arg-type]
