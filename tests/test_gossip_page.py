"""`docs/gossip.md` says what the messages are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec

from aslp2p import limits
from aslp2p.gossip.messages import AnyMessage

PAGE = (Path(__file__).parents[1] / "docs" / "gossip.md").read_text()


def _spoken(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def test_every_message_is_in_the_table_with_its_kind_and_its_number_of_fields() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z ]+) \| ([^|]*) \|", PAGE, re.MULTILINE)
    said = {
        int(kind): (name, len(re.sub(r"\([^)]*\)", "", fields).split(","))) for kind, name, fields in rows
    }
    made = {}
    for record in get_args(AnyMessage):
        info = msgspec.inspect.type_info(record)
        assert isinstance(info, msgspec.inspect.StructType)
        assert isinstance(info.tag, int)
        made[info.tag] = (_spoken(record.__name__), len(info.fields))
    assert said == made


def test_the_bounds_are_those_of_the_page() -> None:
    for bound in (
        limits.MESSAGE_BYTES_MAX,
        limits.IDS_PER_MESSAGE_MAX,
        limits.LOCATORS_MAX,
        limits.ADDRESSES_PER_MESSAGE_MAX,
        limits.RANGE_SNAPSHOTS_MAX,
        limits.OPEN_DIGEST_BYTES,
    ):
        assert re.search(rf"\b{bound:,}\b", PAGE), bound
