"""Passing on what is new (G3): at once to few, by its id to the rest, and never to who has it."""

from __future__ import annotations

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.gossip.messages import Have, Neighbours, Push
from aslp2p.limits import FANOUT_MAX
from tests.core.scripted import Neighbour, Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN, World, person

MANY = tuple(map(person, ("eve", "fay", "gus", "hal", "ida", "joe")))


def pushed(neighbour: Neighbour) -> list[bytes]:
    return [decode_artifact(raw).id for push in neighbour.heard(Push) for raw in push.artifacts]


def told(neighbour: Neighbour) -> list[bytes]:
    return [id_ for one in neighbour.heard(Have) for id_ in one.ids]


def test_so_many_get_it_at_once_and_all_others_learn_that_it_is_there() -> None:
    world = World(members=(ANN, BEN, CLEO, DAN, *MANY))
    stage = Stage(world, CLEO)
    source = stage.link(DAN)
    others = [stage.link(key) for key in (*MANY, *MANY, BEN, ANN)]
    proposal = world.put("a", DAN)
    source.pushes(proposal)
    at_once = [one for one in others if pushed(one) == [proposal.id]]
    by_id = [one for one in others if told(one) == [proposal.id]]
    assert len(at_once) == FANOUT_MAX and len(by_id) == len(others) - FANOUT_MAX
    assert not set(at_once) & set(by_id)
    assert others[-1] in at_once, "the witness first: nothing happens before it knows"
    assert not pushed(source) and not told(source)


def test_whoever_gets_it_from_its_source_anyway_is_left_out() -> None:
    """In a house where all are linked to all it crosses each link once."""
    world = World()
    stage = Stage(world, CLEO)
    ann, ben = stage.link(ANN), stage.link(BEN)
    source = stage.link(DAN)
    source.says(Neighbours((BEN.key[:8],)))
    proposal = world.put("a", DAN)
    source.pushes(proposal)
    assert pushed(ann) == [proposal.id] and pushed(ben) == []


def test_whoever_said_that_it_has_it_is_told_nothing() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ann, ben = stage.link(ANN), stage.link(BEN)
    proposal = world.put("a", DAN)
    ann.says(Have((proposal.id,)))
    ben.pushes(proposal)
    assert pushed(ann) == []


def test_small_content_goes_along() -> None:
    world = World()
    stage = Stage(world, CLEO)
    ann, ben = stage.link(ANN), stage.link(BEN)
    data = b"a letter"
    proposal = world.put("a", DAN, content=content_id(data), size=len(data))
    ben.says(Push((proposal.raw,), (data,)))
    assert [one.contents for one in ann.heard(Push)] == [(data,)]
