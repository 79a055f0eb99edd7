"""A machine that keeps a part: what goes, what stays, and what it tells others (`core/keeping.py`)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aslp2p.artifacts.content import ContentBuilder, content_id
from aslp2p.artifacts.types import Admit, Erase, Named, Policy, Put, Remove
from aslp2p.core.holding import Pledges, State
from aslp2p.core.inputs import (
    AddContent,
    AskHolders,
    DecideKeep,
    Fetch,
    HeardHolders,
    PinPaths,
    Propose,
    Prune,
)
from aslp2p.core.keeping import FIRST_PASS_MS, PASS_MS
from aslp2p.core.kept import FETCHED_MS
from aslp2p.gossip.messages import AskHolding, Holding
from aslp2p.ledger.keeping import META_NARROWED, META_PLEDGED, Keep, Pin
from aslp2p.limits import CHUNK_BYTES, CONFIRMED_MS, HOLDING_IDS_MAX, HOLDING_LOOKS_MAX, MIB, PLEDGE_MS
from aslp2p.views.keeping import erasure_status
from aslp2p.views.view import View
from simulations.world import World
from tests.core.households import linked
from tests.core.scripted import Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN
from tests.ledger.builder import World as History

SECOND_MS = 1_000
DAY_MS = 86_400_000
CURRENT = Keep(versions_ms=0)


def put(world: World, name: str, path: str, data: bytes) -> bytes:
    builder = ContentBuilder()
    pieces = [*builder.feed(data)]
    made = builder.finish()
    pieces += made.last
    world.command(name, AddContent(tuple((one.id, one.data) for one in pieces)))
    world.command(name, Propose(Put(path, made.id, len(data), "", False, 0, None)))
    world.run(2 * SECOND_MS)
    return made.id


def having(world: World, content: bytes) -> str:
    """The first letters of those who have it."""
    return "".join(name[0] for name, node in world.nodes.items() if content in node.store.every_content())


def tally(world: World, name: str) -> dict[str, int]:
    core = world.nodes[name].core
    assert core is not None
    found: dict[str, int] = core.live()["keeping"]["pass"]
    return found


def decide(world: World, name: str, keep: Keep | None) -> None:
    world.command(name, DecideKeep(keep))
    world.run(5 * SECOND_MS)


def prune(world: World, name: str, *, dry: bool = False) -> dict[str, int]:
    world.command(name, Prune(dry))
    world.run(5 * SECOND_MS)
    return tally(world, name)


@pytest.fixture
def world() -> World:
    """you, alice, james and mary are authorities, and linked; `old` was at notes, and `new` is."""
    return linked(["you", "alice", "james", "mary"], 3, 30 * DAY_MS)


@pytest.fixture
def old(world: World) -> bytes:
    id_ = put(world, "alice", "notes", b"old" * 5000)
    put(world, "alice", "notes", b"new" * 5000)
    assert having(world, id_) == "yajm"
    return id_


def test_what_enough_others_keep_goes_and_what_the_newest_version_holds_stays(
    world: World, old: bytes
) -> None:
    new = content_id(b"new" * 5000)
    decide(world, "alice", CURRENT)
    assert (having(world, old), having(world, new)) == ("yjm", "yajm")
    assert tally(world, "alice") | {"gone": 1, "gone_bytes": 15_000, "few": 0} == tally(world, "alice")


def test_a_dry_run_says_what_would_go_and_nothing_does(world: World, old: bytes) -> None:
    world.disconnect("alice", "you")
    world.disconnect("alice", "james")
    world.disconnect("alice", "mary")
    world.run(SECOND_MS)
    decide(world, "alice", CURRENT)
    world.mesh()
    world.run(SECOND_MS)
    found = prune(world, "alice", dry=True)
    assert (found["gone"], found["gone_bytes"], having(world, old)) == (1, 15_000, "yajm")
    assert prune(world, "alice")["gone"] == 1 and having(world, old) == "yjm"


def test_what_this_machine_said_it_keeps_stays_for_a_while(world: World, old: bytes) -> None:
    """Each may rely on what the others said: so nobody who said so lets it go meanwhile."""
    decide(world, "alice", CURRENT)
    decide(world, "james", CURRENT)
    assert having(world, old) == "yjm"
    assert tally(world, "james")["pledged"] == 1
    assert 0 < tally(world, "james")["pledged_ms"] <= PLEDGE_MS
    world.run(PLEDGE_MS)
    prune(world, "james")
    assert having(world, old) == "ym"
    decide(world, "mary", CURRENT)
    world.run(PLEDGE_MS)
    assert (prune(world, "mary")["few"], having(world, old)) == (1, "ym"), "only one other keeps it"


def test_a_restart_forgets_no_pledge(world: World, old: bytes) -> None:
    decide(world, "alice", CURRENT)
    assert world.nodes["james"].store.meta(META_PLEDGED) is not None
    world.crash("james")
    world.start("james")
    world.mesh()
    world.run(SECOND_MS)
    decide(world, "james", CURRENT)
    assert (having(world, old), tally(world, "james")["pledged"]) == ("yjm", 1)
    world.run(PLEDGE_MS)
    prune(world, "james")
    assert having(world, old) == "ym"
    assert world.nodes["james"].store.meta(META_PLEDGED) is None


def test_what_is_asked_for_is_fetched_and_stays_for_a_day(world: World, old: bytes) -> None:
    decide(world, "alice", CURRENT)
    world.command("alice", Fetch(((old, 15_000),)))
    world.run(SECOND_MS)
    assert having(world, old) == "yajm"
    prune(world, "alice")
    assert having(world, old) == "yajm"
    world.run(FETCHED_MS + PASS_MS)
    assert having(world, old) == "yjm"


def test_whoever_keeps_everything_again_fetches_everything(world: World, old: bytes) -> None:
    decide(world, "alice", CURRENT)
    assert world.nodes["alice"].store.meta(META_NARROWED) is not None
    decide(world, "alice", None)
    assert having(world, old) == "yajm"
    assert world.nodes["alice"].store.meta(META_NARROWED) is None
    core = world.nodes["alice"].core
    assert core is not None and core._keeping.wake_at_ms is None, "and looks no more"


def test_an_age_counts_from_when_it_was_replaced(world: World, old: bytes) -> None:
    decide(world, "alice", Keep(versions_ms=DAY_MS))
    assert having(world, old) == "yajm"
    world.run(DAY_MS + PASS_MS)
    assert having(world, old) == "yjm"


def test_paths_that_are_kept_out_go_and_are_not_fetched(world: World) -> None:
    film = put(world, "you", "films/a", b"film" * 5000)
    decide(world, "alice", Keep(excluded=("films/",)))
    assert having(world, film) == "yjm"
    more = put(world, "you", "films/b", b"more" * 5000)
    letter = put(world, "you", "letters/b", b"letter" * 5000)
    assert (having(world, more), having(world, letter)) == ("yjm", "yajm")
    put(world, "you", "letters/c", b"film" * 5000)
    assert having(world, film) == "yajm", "a path that counts holds it as well"
    world.command("you", Propose(Remove("letters/c", None)))
    world.run(PASS_MS + 5 * SECOND_MS)
    assert having(world, film) == "yjm"


def test_what_is_pinned_stays_and_comes(world: World, old: bytes) -> None:
    film = put(world, "you", "films/a", b"film" * 5000)
    decide(world, "alice", Keep(versions_ms=0, excluded=("films/",)))
    assert (having(world, film), having(world, old)) == ("yjm", "yjm")
    world.command("alice", PinPaths((Pin("films/a", 0), Pin("notes", 1))))
    world.run(5 * SECOND_MS)
    assert (having(world, film), having(world, old)) == ("yajm", "yajm")
    world.command("alice", PinPaths(()))
    world.run(5 * SECOND_MS)
    assert (having(world, film), having(world, old)) == ("yjm", "yjm")


def test_the_witness_fetches_what_it_is_to_list(world: World) -> None:
    """G6, whatever it keeps."""
    decide(world, "you", Keep(excluded=("films/",)))
    film = put(world, "alice", "films/a", b"film" * 5000)
    head = world.nodes["alice"].core
    assert head is not None and head.head is not None and head.head.height == 1
    world.run(PASS_MS)
    assert having(world, film) == "ajm"


def test_a_large_content_goes_whole_and_what_another_needs_of_it_stays(world: World) -> None:
    first = put(world, "you", "a", bytes(MIB) + b"first")
    put(world, "you", "b", bytes(MIB) + b"other")
    put(world, "you", "a", b"small" * 5000)
    decide(world, "alice", CURRENT)
    assert having(world, first) == "yjm"
    assert having(world, content_id(b"first")) == "yjm"
    assert having(world, content_id(bytes(MIB))) == "yajm"


def test_what_is_pending_stays(world: World, old: bytes) -> None:
    """Nobody knows yet whether it will be listed."""
    world.crash("you")
    world.command("alice", Propose(Put("again", old, 15_000, "", False, 0, None)))
    world.run(SECOND_MS)
    decide(world, "alice", CURRENT)
    assert "a" in having(world, old)


def test_what_a_version_replaced_that_is_not_final_stays(world: World) -> None:
    """It may be left again."""
    id_ = put(world, "alice", "notes", b"old" * 5000)
    for name in ("james", "mary"):
        world.crash(name)
    put(world, "alice", "notes", b"new" * 5000)
    decide(world, "alice", Keep(versions_ms=0, copies=1))
    assert having(world, id_) == "yajm"
    for name in ("james", "mary"):
        world.start(name)
    world.mesh()
    world.run(5 * SECOND_MS)
    prune(world, "alice")
    assert having(world, id_) == "yjm"


def test_who_slept_relies_on_nothing_that_was_said_before(world: World, old: bytes) -> None:
    for name in ("james", "mary"):
        world.crash(name)
    decide(world, "alice", CURRENT)
    assert tally(world, "alice")["few"] == 1
    world.pause("alice", suspend=True)
    world.run(CONFIRMED_MS + SECOND_MS)
    world.resume("alice")
    world.crash("you")
    world.start("james")
    world.mesh()
    world.run(5 * SECOND_MS)
    prune(world, "alice")
    assert "a" in having(world, old), "one of the two said so too long ago"


def test_who_was_asked_at_other_times_counts_within_the_hour(world: World, old: bytes) -> None:
    for name in ("james", "mary"):
        world.crash(name)
    decide(world, "alice", CURRENT)
    assert tally(world, "alice")["few"] == 1
    world.crash("you")
    world.start("james")
    world.mesh()
    world.run(5 * SECOND_MS)
    prune(world, "alice")
    assert "a" not in having(world, old)


def test_members_that_one_member_let_in_count_once() -> None:
    """Else a liar makes as many copies as it lets in keys."""
    world = World(5)
    for name in ("anna", "ben", "carol", "sam", "tom"):
        world.add_node(name)
    anchors = ["anna", "ben", "carol"]
    policy = Policy(
        witnesses=(Named("anna", world.nodes["anna"].key),),
        threshold=1,
        rotation_allowed=True,
        grace_period_ms=30 * DAY_MS,
        participants="invited",
        protocol=1,
    )
    world.found("anna", anchors, policy)
    for name in anchors:
        world.start(name)
    world.mesh()
    world.run(SECOND_MS)
    for name in ("sam", "tom"):
        world.command("ben", Propose(Admit(world.nodes[name].key, name, None)))
        world.run(SECOND_MS)
        world.give_genesis(name)
        world.start(name)
    world.mesh()
    world.run(5 * SECOND_MS)
    old = put(world, "carol", "notes", b"old" * 5000)
    put(world, "carol", "notes", b"new" * 5000)
    world.crash("anna")
    world.run(SECOND_MS)
    decide(world, "carol", CURRENT)
    assert (tally(world, "carol")["asked"], "c" in having(world, old)) == (3, True)
    world.start("anna")
    world.mesh()
    world.run(SECOND_MS)
    prune(world, "carol")
    assert "c" not in having(world, old)


def test_who_has_it_is_asked_and_said(world: World, old: bytes) -> None:
    decide(world, "alice", CURRENT)
    decide(world, "mary", CURRENT)
    world.crash("you")
    world.run(2 * SECOND_MS)
    world.command("james", AskHolders(old))
    world.run(SECOND_MS)
    said, silent = world.command("james", HeardHolders(old))
    names = {node.key: name for name, node in world.nodes.items()}
    assert {names[key]: State(state) for key, state in said.items()} == {
        "alice": State.LACKS,
        "james": State.KEEPS,
        "mary": State.HOLDS,
    }
    assert silent == []


# --- one node among neighbours ----------------------------------------------------------------------


def answering(data: Sequence[bytes]) -> tuple[Stage, list[bytes]]:
    """CLEO's node, which holds these, put by DAN."""
    world = History()
    stage = Stage(world, CLEO)
    ben = stage.link(BEN)
    puts = [
        world.put(f"p{number}", DAN, content=content_id(one), size=len(one))
        for number, one in enumerate(data)
    ]
    node = world.after(world.root, *puts)
    ben.holds(node).heads(node)
    stage.happen(AddContent(tuple((content_id(one), one) for one in data)))
    return stage, [content_id(one) for one in data]


def test_an_answer_says_of_each_content_what_is_so_and_is_on_disk_before() -> None:
    stage, ids = answering([b"here", b"there"])
    dan = stage.link(DAN)
    stage.store.apply([])
    dan.says(AskHolding(7, (ids[1], bytes(32), ids[0])))
    assert dan.heard(Holding) == [Holding(7, bytes([State.KEEPS, State.LACKS, State.KEEPS]))]
    assert stage.store.meta(META_PLEDGED) is not None


def test_who_is_no_member_is_told_nothing() -> None:
    stage, ids = answering([b"here"])
    stranger = stage.link(BEN.__class__(77, "eve"))
    stranger.says(AskHolding(1, (ids[0],)))
    assert not stranger.heard(Holding)


def test_an_answer_that_cannot_be_costs_the_link_and_one_unasked_is_useless() -> None:
    stage, ids = answering([b"here"])
    dan, ann = stage.link(DAN), stage.link(ANN)
    stage.happen(AskHolders(ids[0]))
    (asked,) = dan.heard(AskHolding)
    ann.says(Holding(asked.request, bytes([State.KEEPS])))
    assert stage.does(HeardHolders(ids[0]))[0].keys() == {CLEO.key}, "it was asked of dan"
    (line,) = [one for one in dan.says(Holding(asked.request, b"\2\2")) if "closed" in one]
    assert line == "dan < closed, blamed: 2 states of 1 contents"
    stage.wait(20 * SECOND_MS)
    assert stage.does(HeardHolders(ids[0]))[1] == []


def test_what_is_too_much_at_once_is_not_looked_at() -> None:
    large = [bytes(CHUNK_BYTES) + bytes([number]) for number in range(3)]
    stage, _ = answering([])
    states = stage.core._keeping._answering
    assert len(states.states([content_id(one) for one in large])[0]) == 3
    many = [content_id(b"%d" % number) for number in range(HOLDING_IDS_MAX)]
    assert states.states(many) == (bytes(HOLDING_IDS_MAX), HOLDING_IDS_MAX)
    states._state = lambda content: (State.LACKS, HOLDING_LOOKS_MAX + 1)  # type: ignore[method-assign]
    assert states.states(many[:3])[0] == bytes([State.LACKS, State.UNSEEN, State.UNSEEN])


def test_pledges_of_more_than_are_remembered_are_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aslp2p.core.holding.PLEDGES_MAX", 3)
    stage, _ = answering([])
    pledges: Pledges = stage.core._keeping._pledges
    pledges.give([b"a", b"b"], everything=False)
    assert pledges.until_ms(b"a") is not None and pledges.until_ms(b"c") is None
    pledges.give([b"d", b"e"], everything=False)
    assert pledges.until_ms(b"c") is not None


def test_a_configuration_that_keeps_less_counts_some_time_after_the_start(world: World, old: bytes) -> None:
    world.crash("alice")
    world.nodes["alice"].options = {"keep": CURRENT}
    world.start("alice")
    world.mesh()
    world.run(FIRST_PASS_MS // 2)
    assert having(world, old) == "yajm"
    world.run(FIRST_PASS_MS)
    assert having(world, old) == "yjm"


# --- erasing, as others say it ----------------------------------------------------------------------


def erased_everywhere_but_at(world: World, name: str) -> bytes:
    """A content that was erased while that machine was off."""
    secret = put(world, "alice", "notes", b"secret" * 500)
    world.command("alice", Propose(Remove("notes", None)))
    world.run(2 * SECOND_MS)
    world.crash(name)
    world.command("alice", Propose(Erase(secret, "a mistake")))
    world.run(5 * SECOND_MS)
    assert having(world, secret) == name[0]
    return secret


def gone(world: World, asking: str, secret: bytes) -> set[str]:
    """Whom `asking` knows to have erased it."""
    store = world.nodes[asking].store
    view = View(store, own_key=world.nodes[asking].key)
    return {one["name"] for one in erasure_status(view, secret.hex())["members"] if one["gone"]}


def test_who_has_erased_it_says_so_and_that_is_kept(world: World) -> None:
    secret = erased_everywhere_but_at(world, "mary")
    assert gone(world, "james", secret) == {"james"}
    world.command("james", AskHolders(secret))
    world.run(SECOND_MS)
    assert gone(world, "james", secret) == {"you", "alice", "james"}
    world.crash("you")
    world.crash("james")
    world.start("james")
    assert gone(world, "james", secret) == {"you", "alice", "james"}
    world.start("mary")
    world.mesh()
    world.run(5 * SECOND_MS)
    assert having(world, secret) == "", "who comes back erases it"
    world.command("james", AskHolders(secret))
    world.run(SECOND_MS)
    assert gone(world, "james", secret) == {"you", "alice", "james", "mary"}


def test_a_backup_from_before_brings_nothing_back(world: World) -> None:
    secret = put(world, "alice", "notes", b"secret" * 500)
    backup = world.nodes["mary"].store.copy()
    world.command("alice", Propose(Remove("notes", None)))
    world.run(2 * SECOND_MS)
    world.command("alice", Propose(Erase(secret, "a mistake")))
    world.run(5 * SECOND_MS)
    assert having(world, secret) == ""
    world.crash("mary")
    world.nodes["mary"].store = backup
    assert having(world, secret) == "m"
    world.start("mary")
    world.mesh()
    world.run(10 * SECOND_MS)
    assert having(world, secret) == ""
