"""What a node gives to whoever asks (G4, G5): nothing that it has not checked, and never too much."""

from __future__ import annotations

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import VERIFIER, decode_artifact
from aslp2p.core.inputs import AddContent
from aslp2p.gossip.messages import GetRange, Push, Range, Want
from aslp2p.limits import INLINE_CONTENT_BYTES_MAX, RANGE_BYTES_MAX
from tests.core.scripted import SECOND_MS, Neighbour, Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Node, World

DATA = b"a letter"


def holding(world: World, tip: Node) -> tuple[Stage, Neighbour]:
    """A node that holds the line to `tip`, audited, and somebody who asks."""
    stage = Stage(world, CLEO)
    ann = stage.link(ANN).holds(tip)
    ann.heads(tip)
    stage.wait(5 * SECOND_MS)
    assert stage.head == tip.id and stage.core.live()["audited_height"] == tip.height
    return stage, stage.link(BEN)


def answer(neighbour: Neighbour, request: GetRange) -> Range:
    neighbour.says(request)
    found = neighbour.heard(Range)[-1]
    assert isinstance(found, Range) and found.request == request.request
    return found


def given(neighbour: Neighbour) -> set[bytes]:
    return {decode_artifact(raw).id for push in neighbour.heard(Push) for raw in push.artifacts}


def test_a_range_begins_after_the_highest_locator_on_that_line() -> None:
    world = World()
    base = world.chain(world.root, 2)
    tip = world.chain(base, 3, "more")
    _, ben = holding(world, tip)
    other = world.puts(world.root, "other")
    found = answer(ben, GetRange(1, tip.id, (other.id, base.id, world.id), 0, 10))
    assert found.first == 3
    assert [decode_artifact(one.snapshot).id for one in found.items] == [one.id for one in tip.line()[2:]]
    assert [len(one.proposals) for one in found.items] == [1, 1, 1]
    assert answer(ben, GetRange(2, tip.id, (other.id,), 0, 10)).first == 1
    assert [len(answer(ben, GetRange(3, tip.id, (), 4, 1)).items)] == [1]
    assert answer(ben, GetRange(4, other.id, (), 1, 10)).items == ()
    assert answer(ben, GetRange(5, tip.id, (), 99, 10)).items == ()


def test_a_range_ends_where_the_audit_stands() -> None:
    """G4: else an honest node would be blamed for what somebody else made up."""
    world = World()
    line = world.chain(world.root, 40, "line")
    bad = line.line()[19].proposals[0]
    stage = Stage(world, DAN)
    stage.link(ANN).holds(line, spoiled={bad.id}).heads(line)
    stage.wait(5 * SECOND_MS)
    assert stage.head == line.id and stage.core.live()["audited_height"] == 19
    ben = stage.link(BEN)
    found = answer(ben, GetRange(1, line.id, (), 1, 64))
    assert len(found.items) == 19
    raws = [raw for item in found.items for raw in (item.snapshot, *item.proposals)]
    assert not VERIFIER.failing(map(decode_artifact, raws))


def test_a_range_is_as_long_as_a_message_may_be() -> None:
    world = World()
    tip = world.root
    for number in range(8):
        tip = world.puts(tip, *(f"{number}/{index}" for index in range(400)))
    _, ben = holding(world, tip)
    found = answer(ben, GetRange(1, tip.id, (), 1, 64))
    size = sum(len(item.snapshot) + sum(map(len, item.proposals)) for item in found.items)
    assert 1 <= len(found.items) < 8 and size <= RANGE_BYTES_MAX
    again = answer(ben, GetRange(2, tip.id, (), 1 + len(found.items), 64))
    assert again.items, "the rest when it is asked for"


def test_small_contents_come_along_and_large_ones_are_asked_for() -> None:
    world = World()
    big = bytes(INLINE_CONTENT_BYTES_MAX + 1)
    tip = world.after(
        world.root,
        world.put("small", content=content_id(DATA), size=len(DATA)),
        world.put("big", content=content_id(big), size=len(big)),
        world.put("lie", content=content_id(DATA), size=len(DATA) - 1),
    )
    stage, ben = holding(world, tip)
    for data in (DATA, big):
        stage.happen(AddContent(((content_id(data), data),)))
    assert answer(ben, GetRange(1, tip.id, (), 1, 1)).contents == (DATA,)


def test_artifacts_are_given_by_their_id_whatever_they_are() -> None:
    world = World()
    tip = world.after(world.root, world.put("listed"))
    stage, ben = holding(world, tip)
    waiting = world.put("waiting", DAN)
    stage.link(DAN).pushes(waiting)
    unknown = world.put("unknown")
    ids = (world.id, tip.id, tip.proposals[0].id, waiting.id, unknown.id)
    ben.says(Want(ids))
    assert given(ben) == set(ids[:-1])
