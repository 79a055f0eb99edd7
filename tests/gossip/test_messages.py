"""Messages: one encoding each, all bounds checked; any bytes give a message or a `PeerFault` (A3, A4, G5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts import canonical
from aslp2p.errors import PeerFault
from aslp2p.gossip import messages
from aslp2p.gossip.messages import (
    Addresses,
    AnyMessage,
    AskHolding,
    Content,
    DuplicateKey,
    GetContent,
    GetRange,
    Have,
    Heads,
    Holding,
    Neighbours,
    NoContent,
    OpenIds,
    Push,
    Range,
    RangeItem,
    Refused,
    Want,
    content_header,
    decode_message,
    encode_message,
    kind_of,
    one_content,
)
from aslp2p.limits import (
    ADDRESSES_PER_MESSAGE_MAX,
    CHUNK_BYTES,
    HOLDING_IDS_MAX,
    IDS_PER_MESSAGE_MAX,
    LOCATORS_MAX,
    MESSAGE_BYTES_MAX,
    NEIGHBOURS_MAX,
    OPEN_DIGEST_BYTES,
    RANGE_SNAPSHOTS_MAX,
    UINT_MAX,
)

ID = bytes(32)
HEADS = Heads(1, ID, 0, 0, 0, bytes(OPEN_DIGEST_BYTES))

hashes = st.binary(min_size=32, max_size=32)
ids = st.lists(hashes, max_size=4).map(tuple)
raws = st.lists(st.binary(min_size=1, max_size=40), max_size=4).map(tuple)
contents = st.lists(st.binary(max_size=40), max_size=4).map(tuple)
uints = st.integers(0, UINT_MAX)
items = st.lists(st.builds(RangeItem, st.binary(min_size=1, max_size=40), raws), max_size=3).map(tuple)
buckets = st.lists(st.integers(0, 255), max_size=16).map(tuple)
any_message = st.one_of(
    st.builds(Heads, uints, hashes, uints, uints, uints, st.binary(min_size=128, max_size=128)),
    st.builds(Push, raws, contents),
    st.builds(Have, ids),
    st.builds(Want, ids),
    st.builds(OpenIds, buckets, ids),
    st.builds(GetRange, uints, hashes, ids, uints, st.integers(1, RANGE_SNAPSHOTS_MAX)),
    st.builds(Range, uints, uints, items, contents),
    st.builds(GetContent, ids),
    st.builds(Content, contents),
    st.builds(NoContent, ids),
    st.builds(Neighbours, st.lists(st.binary(min_size=8, max_size=8), max_size=4).map(tuple)),
    st.builds(Addresses, st.lists(st.text(max_size=20), max_size=4).map(tuple)),
    st.builds(Refused, st.text(max_size=32), st.text(max_size=60)),
    st.builds(AskHolding, uints, st.lists(hashes, min_size=1, max_size=4).map(tuple)),
    st.builds(Holding, uints, st.binary(max_size=HOLDING_IDS_MAX)),
    st.builds(DuplicateKey, st.integers(0, 3), st.binary(max_size=32), st.binary(max_size=64)),
)


def fields_of(message: AnyMessage) -> list[Any]:
    """The array that a message is."""
    value: list[Any] = canonical.decode(encode_message(message), bytes_max=MESSAGE_BYTES_MAX)
    return value


def refused(value: object) -> None:
    with pytest.raises(PeerFault):
        decode_message(canonical.encode(value))


@given(any_message)
def test_a_message_comes_back_as_it_was_and_encodes_one_way(message: AnyMessage) -> None:
    data = encode_message(message)
    assert decode_message(data) == message
    assert encode_message(decode_message(data)) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_peers_fault(data: bytes) -> None:
    try:
        message = decode_message(data)
    except PeerFault:
        return
    assert encode_message(message) == data


@given(any_message, st.data())
def test_a_message_with_a_byte_changed_is_a_message_or_a_peers_fault(message: AnyMessage, data: Any) -> None:
    raw = bytearray(encode_message(message))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_message(bytes(raw))
    except PeerFault:
        return
    assert encode_message(decoded) == bytes(raw)


@given(any_message, st.integers(1, 20))
def test_a_message_cut_short_or_prolonged_is_refused(message: AnyMessage, count: int) -> None:
    raw = encode_message(message)
    for wrong in (raw[:-count], raw + bytes(count)):
        with pytest.raises(PeerFault):
            decode_message(wrong)


@given(any_message)
def test_fields_more_or_fewer_are_refused(message: AnyMessage) -> None:
    fields = fields_of(message)
    refused([*fields, 0])
    refused(fields[:-1])


def test_what_a_message_is_shows_in_its_first_bytes() -> None:
    assert kind_of(encode_message(Want((ID,)))) is Want
    assert [kind_of(data) for data in (b"", b"\x92", b"\x92\x7f")] == [None, None, None]


def test_every_kind_has_a_number_of_its_own() -> None:
    kinds = messages.AnyMessage.__args__
    tags = [kind.__struct_config__.tag for kind in kinds]
    assert sorted(tags) == list(range(1, len(kinds) + 1))


@pytest.mark.parametrize("kind", [0, 14, -1, 2**40, "1", None, b"\1", [1]])
def test_an_unknown_kind_is_refused(kind: object) -> None:
    refused([kind, *fields_of(HEADS)[1:]])


TOO_MUCH = [
    Have((ID,) * (IDS_PER_MESSAGE_MAX + 1)),
    Want((ID,) * (IDS_PER_MESSAGE_MAX + 1)),
    GetContent((ID,) * (IDS_PER_MESSAGE_MAX + 1)),
    NoContent((ID,) * (IDS_PER_MESSAGE_MAX + 1)),
    OpenIds((), (ID,) * (IDS_PER_MESSAGE_MAX + 1)),
    OpenIds((0,) * 257, ()),
    OpenIds((256,), ()),
    Push((b"x",) * (IDS_PER_MESSAGE_MAX + 1), ()),
    Push((b"",), ()),
    Push((), (b"",) * (IDS_PER_MESSAGE_MAX + 1)),
    Content((bytes(CHUNK_BYTES + 1),)),
    GetRange(1, ID, (ID,) * (LOCATORS_MAX + 1), 0, 1),
    GetRange(1, ID, (), 0, RANGE_SNAPSHOTS_MAX + 1),
    GetRange(1, ID, (), 0, 0),
    DuplicateKey(4, ID, b""),
    DuplicateKey(0, bytes(33), b""),
    DuplicateKey(0, ID, bytes(65)),
    Range(1, 1, (RangeItem(b"x", ()),) * (RANGE_SNAPSHOTS_MAX + 1), ()),
    Neighbours((bytes(8),) * (NEIGHBOURS_MAX + 1)),
    Neighbours((bytes(7),)),
    Addresses(("a:1",) * (ADDRESSES_PER_MESSAGE_MAX + 1)),
    Addresses(("a" * 301,)),
    Refused("c" * 33, ""),
    Refused("c", "t" * 513),
    msgspec.structs.replace(HEADS, height=UINT_MAX + 1),
    msgspec.structs.replace(HEADS, height=-1),
    msgspec.structs.replace(HEADS, head=bytes(31)),
    msgspec.structs.replace(HEADS, open_digest=bytes(OPEN_DIGEST_BYTES - 1)),
]


@pytest.mark.parametrize("message", TOO_MUCH, ids=lambda message: type(message).__name__)
def test_what_is_beyond_its_bound_is_refused(message: AnyMessage) -> None:
    """A4: nothing here checks what it sends; the receiver does."""
    with pytest.raises(PeerFault):
        decode_message(encode_message(message))


def test_the_largest_content_fits_and_nothing_larger_is_read() -> None:
    whole = Content((bytes(CHUNK_BYTES),))
    assert decode_message(encode_message(whole)) == whole
    with pytest.raises(PeerFault):
        decode_message(bytes(MESSAGE_BYTES_MAX + 1))


@pytest.mark.parametrize("wrong", ["0", True, 0.0, None, [0]], ids=repr)
def test_what_is_no_integer_is_not_taken_for_one(wrong: object) -> None:
    fields = fields_of(HEADS)
    fields[3] = wrong
    refused(fields)


@pytest.mark.parametrize("size", [65_536, 65_537, CHUNK_BYTES])
def test_a_message_of_one_long_content_is_read_without_decoding_it(size: int) -> None:
    """It is the one encoding (A3) of that message, and nothing else is taken for it."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    message = encode_message(Content((data,)))
    assert message == content_header(size) + data
    assert bytes(one_content(message) or b"") == data
    for other in (message[:-1], message + b"x", b"\x93" + message[1:], message[:1] + b"\x0a" + message[2:]):
        assert one_content(other) is None


def test_any_other_message_is_not_taken_for_one_of_one_long_content() -> None:
    many: list[AnyMessage] = [
        Content(()),
        Content((b"",)),
        Content((bytes(65_535),)),
        Content((bytes(65_536), b"")),
        Have(()),
    ]
    assert [one_content(encode_message(one)) for one in many] == [None] * len(many)
    assert one_content(content_header(CHUNK_BYTES + 1) + bytes(CHUNK_BYTES + 1)) is None
    assert one_content(b"") is None


def test_the_published_messages_are_read_as_they_say() -> None:
    published = json.loads((Path(__file__).parents[1] / "vectors" / "messages.json").read_text())
    for one in published["valid"]:
        message = decode_message(bytes.fromhex(one["message"]))
        if one["kind"] == 15:
            assert message == AskHolding(one["request"], tuple(map(bytes.fromhex, one["ids"]))), one["name"]
        else:
            assert message == Holding(one["request"], bytes(one["states"])), one["name"]
    for one in published["invalid"]:
        with pytest.raises(PeerFault):
            decode_message(bytes.fromhex(one["message"]))
