"""The floor (F5): where it is kept, and which snapshots stand on it."""

from __future__ import annotations

import pytest

from aslp2p.errors import ArtifactError
from aslp2p.ledger.floor import Floor, give_floor, put_floor, read_floor, read_given_floor
from aslp2p.ledger.history import Ledger
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import World, feed


def test_the_floor_is_kept_as_its_height_and_id() -> None:
    store, floor = MemoryStore(), Floor(7, bytes(range(32)))
    assert read_floor(store) is None
    assert read_given_floor(store) is None
    store.apply([put_floor(floor), give_floor(Floor(9, bytes(32)))])
    assert read_floor(store) == floor
    assert read_given_floor(store) == Floor(9, bytes(32))
    assert floor.encode() == bytes.fromhex("9207c420") + bytes(range(32))
    with pytest.raises(ArtifactError):
        Floor.decode(floor.encode() + b"\0")


def test_the_floor_is_the_genesis_at_first() -> None:
    world = World()
    ledger = world.ledger()
    assert ledger.floor == Floor(0, world.id)
    assert read_floor(ledger._store) == ledger.floor


def test_what_stands_on_the_floor_contains_it() -> None:
    world = World()
    ledger = world.ledger()
    low = world.chain(world.root, 2)
    floor, other = world.puts(low, "floor"), world.puts(low, "other")
    above = world.puts(floor, "above")
    feed(ledger, above, other)
    ledger._store.apply([put_floor(Floor(floor.height, floor.id))])
    again = Ledger(ledger._store)
    assert again.floor.id == floor.id
    assert again.on_floor(above.id)
    assert again.on_floor(floor.id)
    assert not again.on_floor(low.id)
    assert not again.on_floor(other.id)
    assert not again.on_floor(bytes(32))
