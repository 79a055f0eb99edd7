"""Bundles for vectors and tests (docs/spec.md 10.1): good ones, and ones that break one thing each."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from hashlib import sha256

from aslp2p.artifacts.bundle import MAGIC, BundleWriter
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.invite import GivenFloor
from aslp2p.artifacts.types import Statement
from aslp2p.limits import ARTIFACT_BYTES_MAX, CHUNK_BYTES, UINT_MAX
from tests.ledger.builder import ANN, BEN, Node, World
from tests.ledger.proofs import years


def bundle(
    common_id: bytes,
    artifacts: Iterable[Signed[Statement]],
    contents: Iterable[bytes] = (),
    floor: GivenFloor | None = None,
) -> bytes:
    """The one file that holds these."""
    file = io.BytesIO()
    writer = BundleWriter(file, common_id, floor)
    for one in sorted(artifacts, key=lambda one: one.id):
        writer.add_artifact(one)
    for data in sorted(contents, key=lambda data: sha256(data).digest()):
        writer.add_content(data)
    writer.finish()
    return file.getvalue()


def header(common_id: bytes, height: int = 0, id_: bytes | None = None) -> bytes:
    """What a bundle begins with: its floor is the genesis unless `height` and `id_` say another."""
    return MAGIC + common_id + height.to_bytes(8, "big") + (common_id if id_ is None else id_)


def raw_bundle(
    common_id: bytes, records: Iterable[tuple[bytes, bytes]], *, count: int | None = None
) -> bytes:
    """A file with these records (kind, bytes) as they are, and a trailer that fits, but for the `count`."""
    listed = list(records)
    data = header(common_id)
    for kind, record in listed:
        data += kind + len(record).to_bytes(4, "big") + record
    data += b"E" + (len(listed) if count is None else count).to_bytes(8, "big")
    return data + sha256(data).digest()


@cache
def good() -> dict[str, bytes]:
    """By name. `years` is a whole Common with every kind of certificate."""
    told = years()
    world, line = told.world, told.tip.line()
    history: list[Signed[Statement]] = [world.genesis]
    for node in line:
        history += [node.snapshot, *node.proposals]
    rotation = line[4].proposals[0]
    paper: list[Signed[Statement]] = [
        rotation,
        world.endorsement(rotation, ANN),
        world.endorsement(rotation, BEN),
    ]
    return {
        "nothing": bundle(world.id, ()),
        "paper": bundle(world.id, paper),
        "contents": bundle(world.id, (), [b"", b"one", b"two"]),
        "years": bundle(world.id, {one.id: one for one in history}.values(), [b"x"]),
        "a floor": bundle(world.id, paper, floor=GivenFloor(UINT_MAX, told.tip.id)),
        "a snapshot missing": bundle(world.id, [world.genesis, *_known(line[:2]), *_known(line[3:])]),
        "a proposal missing": bundle(world.id, [world.genesis, *_known(line[:2]), line[2].snapshot]),
        "a snapshot that is refused": bundle(
            world.id, [world.genesis, *_known(line[:2]), *_known([world.puts(line[1], "x", epoch=1)])]
        ),
    }


def heads() -> dict[str, bytes]:
    """Where the good ones lead, those that have a genesis."""
    told = years()
    below = told.tip.line()[1].id
    return {
        "years": told.tip.id,
        "a snapshot missing": below,
        "a proposal missing": below,
        "a snapshot that is refused": below,
    }


def _known(nodes: Iterable[Node]) -> list[Signed[Statement]]:
    found: list[Signed[Statement]] = []
    for node in nodes:
        found += [node.snapshot, *node.proposals]
    return found


def bad() -> list[tuple[str, str, bytes]]:
    """(name, rule, bytes)"""
    world = years().world
    id_ = world.id
    pair: list[Signed[Statement]] = [world.genesis, years().nodes[1].snapshot]
    first, second = sorted(pair, key=lambda one: one.id)
    a, b = (b"A", first.raw), (b"A", second.raw)
    low, high = sorted([b"one", b"two"], key=lambda data: sha256(data).digest())
    whole = raw_bundle(id_, [a, b, (b"C", low)])
    trailer = 1 + 8 + 32
    flipped = bytearray(whole)
    flipped[-trailer - 1] ^= 1
    elsewhere = World(salt=b"\x01" * 32)
    long_header = header(id_) + b"A" + (ARTIFACT_BYTES_MAX + 1).to_bytes(4, "big")
    long_content = header(id_) + b"C" + (CHUNK_BYTES + 1).to_bytes(4, "big")
    begun = len(header(id_))
    other_floor = header(id_, 0, first.id) + whole[begun:-32]
    return [
        ("empty file", "A3", b""),
        ("not a bundle", "A3", b"PK\x03\x04" + bytes(100)),
        ("line ends translated", "A3", MAGIC.replace(b"\r\n", b"\n") + whole[len(MAGIC) :]),
        ("a later version", "A4", MAGIC[:-1] + b"\x02" + whole[len(MAGIC) :]),
        ("cut off in the header", "A3", whole[:20]),
        ("cut off in its floor", "A3", whole[: begun - 1]),
        ("a floor at height 0 that is not the genesis", "A3", other_floor + sha256(other_floor).digest()),
        ("a floor above 2^53 - 1", "A4", header(id_, UINT_MAX + 1) + whole[begun:]),
        ("cut off between records", "A3", whole[: begun + 5 + len(first.raw)]),
        ("cut off in a record", "A3", whole[: begun + 5 + len(first.raw) - 1]),
        ("cut off in a length", "A3", whole[: begun + 3]),
        ("cut off before the trailer", "A3", whole[:-trailer]),
        ("cut off in the trailer", "A3", whole[:-1]),
        ("bytes behind the trailer", "A3", whole + b"\x00"),
        ("two bundles in one file", "A3", whole + whole),
        ("an unknown kind of record", "A3", raw_bundle(id_, [a, (b"B", b"")])),
        ("an artifact longer than any", "A4", long_header + bytes(64)),
        ("a content longer than a chunk", "A4", long_content + bytes(64)),
        ("not sorted", "A3", raw_bundle(id_, [b, a])),
        ("contents not sorted", "A3", raw_bundle(id_, [(b"C", high), (b"C", low)])),
        ("an artifact twice", "A3", raw_bundle(id_, [a, a], count=1)),
        ("a content twice", "A3", raw_bundle(id_, [(b"C", low), (b"C", low)], count=1)),
        ("an artifact of 128 KiB that is cut off", "A3", header(id_) + b"A" + (128 << 10).to_bytes(4, "big")),
        ("a content of 1 MiB that is cut off", "A3", header(id_) + b"C" + (1 << 20).to_bytes(4, "big")),
        ("fewer records than it says", "A3", raw_bundle(id_, [a, b], count=3)),
        ("an artifact after a content", "A3", raw_bundle(id_, [(b"C", low), a])),
        ("bytes that are no artifact", "A3", raw_bundle(id_, [(b"A", b"\x90")])),
        ("an artifact of no known type", "A4", raw_bundle(id_, [(b"A", unknown_type(first))])),
        ("another Common's proposal", "A3", raw_bundle(id_, [(b"A", elsewhere.put().raw)])),
        ("another Common's genesis", "A3", raw_bundle(id_, [(b"A", elsewhere.genesis.raw)])),
        ("a wrong number of records", "A3", raw_bundle(id_, [a, b], count=1)),
        ("a flipped bit in a content", "A3", bytes(flipped)),
        ("another digest", "A3", whole[:-1] + bytes([whole[-1] ^ 1])),
    ]


def unknown_type(one: Signed[Statement]) -> bytes:
    """The artifact under a type that nobody has heard of, as long as its own."""
    assert one.type.endswith("/1")
    return one.raw.replace(one.type.encode(), one.type[:-1].encode() + b"9", 1)
