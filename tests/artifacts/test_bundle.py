"""Bundles to the byte: what is written is read, everything else is refused as a whole (A3, A4)."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts import bundle as module
from aslp2p.artifacts.bundle import BundleReader, BundleWriter, Record
from aslp2p.errors import ArtifactError, InvariantBroken
from aslp2p.limits import CHUNK_BYTES
from tests.ledger.builder import World
from tests.vectors import bundles


class Trickle(io.BytesIO):
    """A file that gives a byte at a time, as a pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1, size) if size and size > 0 else size)


def read_all(data: bytes) -> list[Record]:
    return list(BundleReader(io.BytesIO(data)).records())


@pytest.mark.parametrize("name", bundles.good())
def test_what_is_written_is_read(name: str) -> None:
    data = bundles.good()[name]
    reader = BundleReader(io.BytesIO(data))
    records = list(reader.records())
    artifacts = [one.artifact for one in records if one.artifact is not None]
    contents = [one.data for one in records if one.artifact is None]
    assert bundles.bundle(reader.common_id, artifacts, contents, reader.floor) == data
    assert [one.id for one in records] == [one.id for one in BundleReader(Trickle(data)).records()]


@pytest.mark.parametrize(("name", "rule", "data"), bundles.bad(), ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_refused_with_its_rule(name: str, rule: str, data: bytes) -> None:
    with pytest.raises(ArtifactError) as refused:
        read_all(data)
    assert refused.value.rule == rule


def test_cut_off_anywhere_it_is_refused() -> None:
    data = bundles.good()["paper"]
    for size in range(len(data)):
        with pytest.raises(ArtifactError, match="A3"):
            read_all(data[:size])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_header_are_refused_or_whole(tail: bytes) -> None:
    data = bundles.header(bytes(32)) + tail
    try:
        records = read_all(data)
    except ArtifactError:
        return
    assert bundles.bundle(bytes(32), (), [one.data for one in records]) == data


def test_a_length_is_checked_before_anything_is_allocated() -> None:
    class Greedy(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.asked = max(self.asked, size or 0)
            return super().read(size)

    file = Greedy(bundles.header(bytes(32)) + b"C" + b"\xff" * 4)
    with pytest.raises(ArtifactError, match="A4"):
        list(BundleReader(file).records())
    assert file.asked <= CHUNK_BYTES


def test_counts_and_sizes_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    artifacts = [world.put(str(number)) for number in range(3)]
    data = bundles.bundle(world.id, artifacts, [b"1", b"2"])
    for name, most in (
        ("BUNDLE_ARTIFACTS_MAX", 2),
        ("BUNDLE_CONTENTS_MAX", 1),
        ("BUNDLE_ARTIFACT_BYTES_MAX", sum(len(one.raw) for one in artifacts) - 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, most)
            with pytest.raises(ArtifactError, match="A4"):
                read_all(data)
            with pytest.raises(ArtifactError, match="A4"):
                bundles.bundle(world.id, artifacts, [b"1", b"2"])
    assert len(read_all(data)) == 5


def test_a_writer_takes_nothing_out_of_order_or_of_another_common() -> None:
    world, other = World(), World(salt=b"\x01" * 32)
    first, second = sorted([world.put("a"), world.put("b")], key=lambda one: one.id)
    writer = BundleWriter(io.BytesIO(), world.id)
    writer.add_artifact(second)
    for wrong in (first, second, other.put("a")):
        with pytest.raises(InvariantBroken):
            writer.add_artifact(wrong)
    low, high = sorted([b"1", b"2"], key=lambda data: sha256(data).digest())
    writer.add_content(high)
    with pytest.raises(InvariantBroken):
        writer.add_content(low)
    with pytest.raises(InvariantBroken):
        writer.add_artifact(second)
