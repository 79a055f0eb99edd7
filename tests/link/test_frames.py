"""Frames and records: any split of the stream gives the same messages, and no length is believed."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.errors import InvariantBroken, LinkError
from aslp2p.limits import LINK_FRAME_PLAINTEXT_BYTES_MAX, LINK_FRAMES_PER_KEY, MESSAGE_BYTES_MAX
from aslp2p.link import frames
from aslp2p.link.frames import BULK, TALK, FrameCipher, FrameCutter, RecordReader, RecordWriter, frame
from aslp2p.link.noise import CipherState
from tests.link.links import secret

KEY = secret("frames")


def cipher() -> FrameCipher:
    return FrameCipher(CipherState(KEY))


def pieces(stream: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`stream` cut into pieces of these sizes, again and again, until it is used up."""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        yield stream[at : at + size]
        at, turn = at + size, turn + 1


def read_all(stream: bytes, sizes: list[int]) -> list[bytes]:
    """The messages in a stream of frames that arrives in pieces of these sizes."""
    cutter, opening, reader = FrameCutter(), cipher(), RecordReader()
    messages: list[bytes] = []
    for piece in pieces(stream, sizes):
        cutter.feed(piece)
        while (body := cutter.next(17, 65_535)) is not None:
            messages += reader.read(opening.open(body))
    return messages


@contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def held_bytes() -> int:
    """What `aslp2p.link.frames` allocated since `tracing` began and still holds; no other thread's doing."""
    ours = tracemalloc.Filter(True, frames.__file__)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)


def frame_sizes(stream: bytes) -> list[int]:
    """The body sizes of the frames in `stream`."""
    cutter = FrameCutter()
    cutter.feed(stream)
    sizes = []
    while (body := cutter.next(0, 65_535)) is not None:
        sizes.append(len(body))
    return sizes


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(st.binary(min_size=1, max_size=300), max_size=8), max_size=6),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6),
)
def test_any_split_of_the_stream_gives_the_same_messages(
    batches: list[list[bytes]], sizes: list[int]
) -> None:
    writer = RecordWriter(cipher())
    stream = b""
    for batch in batches:
        for message in batch:
            writer.write(message)
        stream += writer.take()
    assert read_all(stream, sizes) == [message for batch in batches for message in batch]


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=6),
)
def test_records_may_end_anywhere_in_a_frame(messages: list[bytes], sizes: list[int]) -> None:
    """Another implementation may cut the plaintext as it likes, inside a header too."""
    plaintext = b"".join(struct.pack(">I", len(message)) + message for message in messages)
    reader = RecordReader()
    assert [message for piece in pieces(plaintext, sizes) for message in reader.read(piece)] == messages


@pytest.mark.parametrize(
    "size",
    [
        1,
        LINK_FRAME_PLAINTEXT_BYTES_MAX - 5,
        LINK_FRAME_PLAINTEXT_BYTES_MAX - 4,
        LINK_FRAME_PLAINTEXT_BYTES_MAX - 3,
        LINK_FRAME_PLAINTEXT_BYTES_MAX,
        2 * LINK_FRAME_PLAINTEXT_BYTES_MAX - 4,
        MESSAGE_BYTES_MAX - 1,
        MESSAGE_BYTES_MAX,
    ],
)
def test_a_message_takes_no_more_frames_than_it_needs(size: int) -> None:
    writer = RecordWriter(cipher())
    message = bytes(range(256)) * (size // 256 + 1)
    writer.write(message[:size])
    stream = writer.take()
    assert len(frame_sizes(stream)) == -(-(size + 4) // LINK_FRAME_PLAINTEXT_BYTES_MAX)
    assert max(frame_sizes(stream)) <= 65_535
    assert read_all(stream, [65_536]) == read_all(stream, [1_000]) == [message[:size]]


def test_small_messages_share_a_frame() -> None:
    writer = RecordWriter(cipher())
    for _ in range(100):
        writer.write(b"x" * 200)
    stream = writer.take()
    assert frame_sizes(stream) == [100 * 204 + 16]
    assert read_all(stream, [7]) == [b"x" * 200] * 100
    assert writer.take() == b""


@pytest.mark.parametrize("size", [0, MESSAGE_BYTES_MAX + 1])
def test_a_message_out_of_bounds_is_not_sent(size: int) -> None:
    writer = RecordWriter(cipher())
    with pytest.raises(InvariantBroken):
        writer.write(bytes(size))
    assert writer.take() == b""


@pytest.mark.parametrize("lane_and_more", [0, 2**30, 2**31, 2**31 + 2**30])
@pytest.mark.parametrize("size", [0, MESSAGE_BYTES_MAX + 1, 2**30 - 1])
def test_a_message_out_of_bounds_is_refused_at_its_header(size: int, lane_and_more: int) -> None:
    """A4: before a byte of it came, and so before anything is reserved for it."""
    with pytest.raises(LinkError, match=f"a message of {size} bytes"):
        RecordReader().read(struct.pack(">I", lane_and_more + size))


def test_a_message_in_pieces_is_no_longer_than_one_in_one() -> None:
    reader = RecordReader()
    for _ in range(MESSAGE_BYTES_MAX // 65_536):
        assert reader.read(struct.pack(">I", 2**31 + 2**30 + 65_536) + bytes(65_536)) == []
    with pytest.raises(LinkError, match=f"a message of {MESSAGE_BYTES_MAX + 1} bytes"):
        reader.read(struct.pack(">I", 2**31 + 1))


def test_what_is_short_goes_between_two_pieces_of_what_is_long() -> None:
    """The order on the wire: a put does not wait for the chunk that is under way."""
    writer = RecordWriter(cipher())
    long = bytes(range(256)) * 4096
    writer.write(long, BULK)
    stream = writer.take(bulk_bytes_max=65_536)
    assert read_all(stream, [65_536]) == [], "not all of it has left"
    writer.write(b"short")
    stream += writer.take(bulk_bytes_max=0)
    assert read_all(stream, [65_536]) == [b"short"]
    assert writer.has_bulk
    stream += writer.take()
    assert read_all(stream, [1_000]) == [b"short", long]
    assert not writer.has_bulk


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(
        st.tuples(st.binary(min_size=1, max_size=60), st.sampled_from([TALK, BULK]), st.integers(1, 60)),
        max_size=12,
    ),
    turns=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=6),
)
def test_pieces_of_both_lanes_may_come_in_any_mixture(
    messages: list[tuple[bytes, int, int]], turns: Random, sizes: list[int]
) -> None:
    """Another implementation may cut either lane as it likes: each comes whole, in its own order."""
    lanes: tuple[list[bytes], list[bytes]] = ([], [])
    for message, lane, step in messages:
        for at in range(0, len(message), step):
            piece = message[at : at + step]
            more = (at + step < len(message)) << 30
            lanes[lane].append(struct.pack(">I", lane << 31 | more | len(piece)) + piece)
    plaintext = b""
    left = [list(reversed(lane)) for lane in lanes]
    while any(left):
        plaintext += turns.choice([lane for lane in left if lane]).pop()
    reader = RecordReader()
    came = [message for piece in pieces(plaintext, sizes) for message in reader.read(piece)]
    wanted = [[message for message, lane, _ in messages if lane == which] for which in (TALK, BULK)]
    assert sorted(came) == sorted(wanted[TALK] + wanted[BULK])
    for of_lane in wanted:
        rest = iter(came)
        assert all(message in rest for message in of_lane)


def test_an_announced_length_reserves_nothing() -> None:
    readers = [RecordReader() for _ in range(100)]
    with tracing():
        for reader in readers:
            assert reader.read(struct.pack(">I", MESSAGE_BYTES_MAX) + b"x") == []
        assert 100 < held_bytes() < 100 * 1_000


def test_what_is_kept_of_an_unfinished_message_is_what_came() -> None:
    """Byte by byte, where a list of pieces would take fifty times as much."""
    reader = RecordReader()
    reader.read(struct.pack(">I", MESSAGE_BYTES_MAX))
    with tracing():
        for _ in range(50_000):
            reader.read(b"xy")
        assert 100_000 <= held_bytes() < 150_000


@pytest.mark.parametrize("size", [0, 9, 21, 65_535])
def test_a_frame_out_of_bounds_is_refused_at_its_length(size: int) -> None:
    cutter = FrameCutter()
    cutter.feed(struct.pack(">H", size)[:1])
    assert cutter.next(10, 20) is None
    cutter.feed(struct.pack(">H", size)[1:])
    with pytest.raises(LinkError, match=f"a frame of {size} bytes where 10 to 20 are expected"):
        cutter.next(10, 20)


def test_a_cutter_keeps_no_more_than_came() -> None:
    cutter = FrameCutter()
    for _ in range(1_000):
        cutter.feed(frame(bytes(1_000)))
        assert cutter.next(1, 2_000) == bytes(1_000)
        assert cutter.next(1, 2_000) is None
    assert len(cutter._buffer) == 1_002


def test_both_sides_rekey_at_the_same_frame() -> None:
    """Across two boundaries; a side that forgot would fail at the first frame under the new key."""
    sealing, opening, forgetful = cipher(), cipher(), CipherState(KEY)
    for number in range(2 * LINK_FRAMES_PER_KEY + 2):
        body = sealing.seal(b"x")
        assert opening.open(body) == b"x"
        if number < LINK_FRAMES_PER_KEY:
            assert forgetful.decrypt(body) == b"x"
        elif number == LINK_FRAMES_PER_KEY:
            with pytest.raises(LinkError):
                forgetful.decrypt(body)
