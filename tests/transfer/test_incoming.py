"""Imports: atomic, order-free, idempotent, and no more trusting than a link (section 10)."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from aslp2p.artifacts.content import ContentBuilder
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Put, Statement
from aslp2p.core.inputs import Endorse, Import, Now
from aslp2p.errors import UserError
from aslp2p.ledger.history import META_HEAD
from aslp2p.ledger.joining import on_paper
from aslp2p.limits import MIB
from aslp2p.store.sqlite import SqliteStore
from aslp2p.transfer import waiting
from aslp2p.transfer.offline import Offline
from aslp2p.transfer.waiting import WAITING_NAME
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, bad_signature
from tests.vectors.bundles import bundle

Report = dict[str, Any]


class Machine:
    """A home's folder of one Common, with nothing in it yet, and the key of `who`."""

    def __init__(self, folder: Path, world: World, who: Key) -> None:
        folder.mkdir()
        self.folder = folder
        self.world = world
        self.who = who
        self.store = SqliteStore(folder / "store.db")
        self.store.apply(on_paper(world.id, bytes(32), "home", who.name, name_chosen=False))
        self.store.commit()
        self.start()

    def start(self) -> None:
        self.now = 1_000_000
        self.node = Offline(self.store, self.who, entropy=os.urandom, clocks=self.clocks)

    def clocks(self) -> Now:
        self.now += 1
        return Now(self.now, self.now)

    def take(self, artifacts: Iterable[Signed[Statement]], contents: Iterable[bytes] = ()) -> Report:
        return self.take_file(bundle(self.world.id, {one.id: one for one in artifacts}.values(), contents))

    def take_file(self, data: bytes) -> Report:
        return self.node.take(io.BytesIO(data), self.folder)

    @property
    def head(self) -> bytes | None:
        return self.store.meta(META_HEAD)

    def refusals(self, report: Report) -> set[tuple[bytes, str]]:
        return {(bytes.fromhex(one["id"]), one["rule"]) for one in report["refused"]}


MakeMachine = Callable[..., Machine]


@pytest.fixture
def machine(tmp_path: Path) -> MakeMachine:
    return lambda world, who=DAN, name="m": Machine(tmp_path / name, world, who)


def history(world: World, tip: Node) -> list[Signed[Statement]]:
    found: list[Signed[Statement]] = [world.genesis]
    for node in tip.line():
        found += [node.snapshot, *node.proposals]
    return found


def test_any_split_in_any_order_ends_alike(machine: MakeMachine) -> None:
    world = World()
    tip = world.rotate(world.chain(world.root, 4), BEN)
    open_ = world.rotation(world.after(tip, world.put("x", BEN)), CLEO, epoch=2, author=BEN)
    last = world.after(tip, world.put("x", BEN))
    open_ = world.rotation(last, CLEO, epoch=2, author=BEN)
    everything = [
        *history(world, last),
        open_,
        world.endorsement(open_, ANN),
        world.endorsement(open_, CLEO),
        world.cosignature(last, ANN),
        world.cosignature(last, CLEO),
        world.put("pending", DAN),
    ]
    whole = machine(world, name="whole")
    whole.take(everything)
    wanted = (whole.head, sorted(id_ for id_, _ in whole.store.open_artifacts()))
    assert wanted[0] == last.id
    for seed in range(12):
        rng = random.Random(seed)
        parts: list[list[Signed[Statement]]] = [[] for _ in range(rng.randint(2, 6))]
        for one in everything:
            parts[rng.randrange(len(parts))].append(one)
        parts += [part for part in parts if rng.random() < 0.3]
        rng.shuffle(parts)
        other = machine(world, name=f"split{seed}")
        for part in parts:
            if rng.random() < 0.3:
                other.start()  # what waits is on disk
            report = other.take(part)
            assert not report["refused"], (seed, report)
        assert (other.head, sorted(id_ for id_, _ in other.store.open_artifacts())) == wanted, seed
        assert not (other.folder / WAITING_NAME).exists()


def test_each_mistake_is_refused_by_its_rule_and_the_rest_is_taken(machine: MakeMachine) -> None:
    world = World()
    one = world.puts(world.root, "one")
    rotation = world.rotation(one, BEN)
    good = world.endorsement(rotation, ANN)
    stranger = world.endorsement(rotation, EVE)
    wrong_epoch = world.endorsement(rotation, CLEO, epoch=7)
    unsigned = bad_signature(world.endorsement(rotation, BEN))
    forged = world.after(one, world.put("forged", BEN), signer=BEN)
    short = world.after(one, rotation, certificate=world.certificate(rotation, ANN, BEN)[:1])
    reader = machine(world)
    report = reader.take(
        [
            *history(world, one),
            rotation,
            good,
            stranger,
            wrong_epoch,
            unsigned,
            forged.snapshot,
            *forged.proposals,
            short.snapshot,
        ]
    )
    assert reader.refusals(report) == {
        (stranger.id, "V6"),
        (wrong_epoch.id, "V6"),
        (unsigned.id, "A5"),
        (forged.id, "V3"),
        (short.id, "V6"),
    }, report["refused"]
    assert reader.head == one.id
    assert reader.store.artifact(good.id) is not None and reader.store.artifact(stranger.id) is None


def test_what_is_not_whole_touches_nothing(machine: MakeMachine) -> None:
    world = World()
    reader = machine(world)
    reader.take(history(world, world.puts(world.root, "one")))
    before = {path.name: path.read_bytes() for path in reader.folder.iterdir()}
    whole = bundle(world.id, history(world, world.chain(world.root, 3)), [b"x"])
    for size in range(0, len(whole), 97):
        with pytest.raises(UserError, match="no whole bundle"):
            reader.take_file(whole[:size])
    with pytest.raises(UserError, match="another Common"):
        reader.take_file(bundle(World(salt=b"\x01" * 32).id, ()))
    assert {path.name: path.read_bytes() for path in reader.folder.iterdir()} == before


def test_a_crash_before_the_commit_leaves_nothing(
    machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    reader = machine(world)
    reader.take([world.genesis])
    tip = world.chain(world.root, 3)

    def no_room() -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(reader.store, "commit", no_room)
        with pytest.raises(OSError, match="no room"):
            reader.take(history(world, tip))
    assert reader.head == world.id and reader.store.snapshot_at(0, 1) is None
    reader.start()
    reader.take(history(world, tip))
    assert reader.head == tip.id


def large_put(world: World, data: bytes, author: Key = ANN) -> tuple[Signed[Statement], list[bytes]]:
    builder = ContentBuilder()
    pieces = [*builder.feed(data)]
    content = builder.finish()
    put = world.propose(Put("large", content.id, content.size, "", False, 0, None), author)
    return put, [piece for _, piece in (*pieces, *content.last)]


def test_only_contents_that_something_asks_for_are_taken(machine: MakeMachine) -> None:
    world = World()
    put, pieces = large_put(world, os.urandom(2 * MIB + 1))
    tip = world.after(world.root, put)  # type: ignore[arg-type]
    reader = machine(world)
    report = reader.take(history(world, tip), [*pieces, b"nobody asked", b"x" * MIB])
    assert report["contents"] == {"in_bundle": len(pieces) + 2, "taken": len(pieces)}
    assert reader.store.wanted(10) == []
    stranger, theirs = large_put(world, os.urandom(MIB + 1), EVE)
    assert reader.take([stranger], theirs)["contents"]["taken"] == 0


def test_contents_of_what_waits_wait_with_it(machine: MakeMachine) -> None:
    world = World()
    put, pieces = large_put(world, os.urandom(2 * MIB + 1), EVE)
    one = world.after(world.root, world.admit(EVE))
    tip = world.after(one, put)  # type: ignore[arg-type]
    reader = machine(world)
    reader.take([world.genesis])
    report = reader.take([tip.snapshot, *tip.proposals], [*pieces, b"nobody asked"])
    assert (report["gap"], report["contents"]["taken"]) == ([1, 1], 0)
    report = reader.take(history(world, one))
    assert reader.head == tip.id and report["contents"]["taken"] == len(pieces)


def test_what_waits_is_bounded(machine: MakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    tip = world.chain(world.root, 6)
    reader = machine(world)
    reader.take([world.genesis])
    low = history(world, tip.line()[0])
    above = [one for one in history(world, tip) if one not in low]
    monkeypatch.setattr(waiting, "WAITING_ARTIFACTS_MAX", 4)
    report = reader.take(above)
    assert report["not_kept"] == len(above) - 4
    monkeypatch.setattr(waiting, "WAITING_ARTIFACTS_MAX", 100)
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", 700)
    reader.take(above)
    assert (reader.folder / WAITING_NAME).stat().st_size < 1200


def test_a_damaged_waiting_room_costs_only_what_was_in_it(machine: MakeMachine) -> None:
    world = World()
    tip = world.chain(world.root, 2)
    reader = machine(world)
    reader.take([world.genesis])
    reader.take([tip.snapshot])
    room = reader.folder / WAITING_NAME
    room.write_bytes(room.read_bytes()[:-5])
    reader.take(history(world, tip.line()[0]))
    assert reader.head == tip.line()[0].id
    reader.take(history(world, tip))
    assert reader.head == tip.id


def test_nothing_is_taken_over_from_a_bundle_that_its_owner_did_not_sign(machine: MakeMachine) -> None:
    """S11: a promise of our key that the journal lacks makes it stale, from a bundle as from a link."""
    world = World()
    one = world.puts(world.root, "one")
    rotation = world.rotation(one, CLEO)
    ben = machine(world, BEN)
    ben.take([*history(world, one), rotation])
    ben.node.command(Endorse(rotation.id))
    elsewhere = world.endorsement(rotation, CLEO)
    assert not ben.take([elsewhere])["refused"]
    ann = machine(world, CLEO, "restored")  # her key, without her journal
    ann.take([*history(world, one), rotation, elsewhere])
    with pytest.raises(UserError, match="S11"):
        ann.node.command(Endorse(rotation.id))


def test_a_step_of_an_import_is_one_commit(machine: MakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    reader = machine(world)
    commits: list[bytes | None] = []
    commit = reader.store.commit

    def counted() -> None:
        commits.append(reader.head)
        commit()

    monkeypatch.setattr(reader.store, "commit", counted)
    reader.take(history(world, world.chain(world.root, 20)))
    assert len(commits) == 1
    reader.node.command(Import((), (b"x",)))
    assert len(commits) == 2
