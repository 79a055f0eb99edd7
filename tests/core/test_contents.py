"""Fetching and giving content (G5, G6): what is asked of whom, what is kept, and what is not."""

from __future__ import annotations

from aslp2p.artifacts.content import ContentBuilder, content_id
from aslp2p.core.inputs import AddContent, Came
from aslp2p.gossip.messages import Content, GetContent, NoContent
from aslp2p.ledger.reader import Staged
from aslp2p.limits import (
    CHUNK_BYTES,
    CONTENT_REQUESTED_BYTES_PER_PEER,
    CONTENT_REQUESTS_PER_PEER_MAX,
    CONTENT_RETRY_MS_MAX,
    CONTENT_TYPICAL_BYTES,
    REQUEST_TIMEOUT_MS,
    USELESS_TOKENS_MAX,
)
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.ledger.builder import ANN, BEN, CLEO, DAN, World

DATA = b"a letter"
ID = content_id(DATA)


def linked(world: World) -> tuple[Stage, Neighbour]:
    stage = Stage(world, CLEO)
    ben = stage.link(BEN)
    ben.heads(world.root)
    return stage, ben


def wanting(world: World, data: bytes = DATA) -> tuple[Stage, Neighbour]:
    """A node that holds a put of `data`, pending, and not the data; it has asked ben."""
    stage, ben = linked(world)
    ben.pushes(world.put("a", DAN, content=content_id(data), size=len(data)))
    assert asked(ben) == [content_id(data)]
    return stage, ben


def asked(neighbour: Neighbour) -> list[bytes]:
    return [id_ for one in neighbour.heard(GetContent) for id_ in one.ids]


def test_what_a_pending_put_names_is_asked_for_and_kept() -> None:
    stage, ben = wanting(World())
    ben.says(Content((DATA,)))
    assert stage.store.content(ID) == DATA
    stage.wait(60 * SECOND_MS)
    assert asked(ben) == [ID], "once"


def test_it_is_told_when_all_has_come_and_now_and_then_before_that() -> None:
    """Whoever waits for bytes need not look every second, nor until the last of many has come."""
    world = World()
    stage, ben = linked(world)
    many = [b"%d" % number for number in range(6)]
    puts = [world.put(f"{n}", DAN, content=content_id(data), size=len(data)) for n, data in enumerate(many)]
    ben.pushes(*puts)

    def told() -> int:
        return stage.told["contents"]

    ben.says(Content((many[0],)))
    assert told() == 1, "the first"
    ben.says(Content((many[1], many[2])))
    assert told() == 1, "the others are on their way"
    stage.wait(2 * SECOND_MS)
    ben.says(Content((many[3],)))
    assert told() == 2
    ben.says(Content((many[4],)))
    ben.says(Content((many[5],)))
    assert told() == 3, "all have come"


def test_what_history_names_is_asked_for_too() -> None:
    world = World()
    _, ben = linked(world)
    node = world.after(world.root, world.put("a", DAN, content=ID, size=len(DATA)))
    ben.holds(node).heads(node)
    assert asked(ben) == [ID]


def test_what_nobody_asked_for_is_not_kept_and_a_flood_of_it_costs_the_link() -> None:
    """G5: who could make others store what it wants could fill their disks."""
    stage, ben = wanting(World())
    ben.says(Content((b"something else",)))
    assert stage.store.content(content_id(b"something else")) is None
    stray = bytes(CHUNK_BYTES)
    for number in range(USELESS_TOKENS_MAX // 256 + 10):
        if said(stage.log, "ben < closed"):
            break
        ben.says(Content((stray[:-8] + number.to_bytes(8, "big"),)))
    assert said(stage.log, "ben < closed") == ["ben < closed, blamed: a flood of what nobody needs"]


def test_whoever_lacks_it_is_not_asked_again_and_another_is() -> None:
    stage, ben = wanting(World())
    ann = stage.link(ANN)
    ann.heads(stage.world.root)
    assert asked(ann) == []
    ben.says(NoContent((ID,)))
    assert asked(ann) == [ID]
    ann.says(Content((DATA,)))
    assert stage.store.content(ID) == DATA
    assert asked(ben) == [ID]


def test_whoever_is_silent_is_asked_no_more_in_this_round() -> None:
    stage, ben = wanting(World())
    ann = stage.link(ANN)
    ann.heads(stage.world.root)
    stage.wait(REQUEST_TIMEOUT_MS + 2 * SECOND_MS)
    assert asked(ann) == [ID]
    ben.says(Content((DATA,)))
    assert stage.store.content(ID) == DATA, "what comes late is welcome all the same"


def test_what_was_asked_of_a_link_that_ended_is_asked_of_another() -> None:
    stage, ben = wanting(World())
    ann = stage.link(ANN)
    ann.heads(stage.world.root)
    assert asked(ann) == []
    ben.leaves()
    assert asked(ann) == [ID]


def test_what_nobody_has_is_asked_for_ever_more_rarely() -> None:
    stage, ben = wanting(World())
    for _ in range(20):
        ben.says(NoContent((ID,)))
        stage.wait(CONTENT_RETRY_MS_MAX)
    few = len(asked(ben))
    assert 3 <= few <= 40
    ben.says(NoContent((ID,)))
    ben.leaves()
    ann = stage.link(ANN)
    ann.heads(stage.world.root)
    assert asked(ann) == [ID], "whoever is new is asked at once"


def test_a_fetch_goes_on_after_a_restart() -> None:
    stage, _ = wanting(World())
    stage.restart()
    ben = stage.link(BEN)
    ben.heads(stage.world.root)
    stage.wait(SECOND_MS)
    assert asked(ben) == [ID]


def test_so_much_is_asked_of_one_peer_at_a_time() -> None:
    world = World()
    stage, ben = linked(world)
    first = CONTENT_REQUESTED_BYTES_PER_PEER // CONTENT_TYPICAL_BYTES
    many = [b"%d" % number for number in range(first + 9)]
    puts = [
        world.put(f"many/{number}", DAN, content=content_id(data), size=len(data))
        for number, data in enumerate(many)
    ]
    ben.pushes(*puts)
    assert asked(ben) == [content_id(data) for data in many[:first]]
    assert stage.core.live()["fetching"] == {"asked": first, "queued": 9}
    ben.says(Content((many[0],)))
    assert len(asked(ben)) == first + 9, "what came is short, so there is room for more of them"


def test_what_is_under_way_is_bounded_by_bytes() -> None:
    """Long ones make the window narrower, though what was asked before is still to come."""
    world = World()
    _, ben = linked(world)
    builder = ContentBuilder()
    chunks = 3 * CONTENT_REQUESTED_BYTES_PER_PEER // CHUNK_BYTES
    pieces = [one for n in range(chunks) for one in builder.feed(n.to_bytes(4, "big") * (CHUNK_BYTES // 4))]
    content = builder.finish()
    ben.pushes(world.put("film", DAN, content=content.id, size=content.size))
    ben.says(Content((content.last[-1].data,)))
    for piece in pieces[:40]:
        ben.says(Content((piece.data,)))
    assert len(asked(ben)) - 1 - 40 <= CONTENT_REQUESTED_BYTES_PER_PEER // CHUNK_BYTES + 1


def test_of_a_large_file_the_manifest_is_fetched_and_then_its_chunks() -> None:
    builder = ContentBuilder()
    pieces = builder.feed(bytes(CHUNK_BYTES) + b"the end")
    content = builder.finish()
    parts = dict((*pieces, *content.last))
    world = World()
    stage, ben = linked(world)
    ben.pushes(world.put("film", DAN, content=content.id, size=content.size))
    assert asked(ben) == [content.id]
    ben.says(Content((parts[content.id],)))
    assert set(asked(ben)) == set(parts)
    for id_ in parts:
        if id_ != content.id:
            ben.says(Content((parts[id_],)))
    assert all(stage.store.content(id_) == data for id_, data in parts.items())
    assert stage.core.live()["fetching"] == {"asked": 0, "queued": 0}


def test_what_is_here_is_given_and_what_is_not_is_named() -> None:
    stage, ben = linked(World())
    stage.happen(AddContent(((ID, DATA),)))
    missing = content_id(b"not here")
    ben.says(GetContent((ID, missing)))
    assert [one.contents for one in ben.heard(Content)] == [(DATA,)]
    assert [one.ids for one in ben.heard(NoContent)] == [(missing,)]


def test_whoever_asks_for_too_much_at_once_is_given_a_part() -> None:
    """A message has a bound, and so has what one question can cost."""
    stage, ben = linked(World())
    many = [b"%d" % number for number in range(CONTENT_REQUESTS_PER_PEER_MAX + 1)]
    for data in many:
        stage.happen(AddContent(((content_id(data), data),)))
    ben.says(GetContent(tuple(content_id(data) for data in many)))
    assert [data for one in ben.heard(Content) for data in one.contents] == many[:-1]
    assert [one.ids for one in ben.heard(NoContent)] == [(content_id(many[-1]),)]


def test_what_was_taken_in_beside_the_store_is_kept_if_it_is_wanted() -> None:
    stage, ben = wanting(World())
    stage.happen(Came(ben.link, (Staged(ID, len(DATA), DATA),)))
    assert stage.store.content(ID) == DATA
    stage.wait(60 * SECOND_MS)
    assert asked(ben) == [ID], "it is asked for no more"


def test_what_was_taken_in_beside_the_store_is_dropped_if_nobody_wants_it() -> None:
    """It was awaited once: what came twice since, or was erased, has no place."""
    stage, ben = wanting(World())
    other = b"what nobody wants any more"
    stage.happen(Came(ben.link, (Staged(content_id(other), len(other), other),)))
    assert stage.store.content(content_id(other)) is None
    stage.happen(Came(ben.link + 100, (Staged(ID, len(DATA), DATA),)))
    assert stage.store.content(ID) == DATA, "from a link that is gone by now it is as good"
