"""The published bundles, and random ones, as a stranger and we read and judge them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.errors import ArtifactError
from aslp2p.home.key import SecretKey
from aslp2p.transfer.judging import judge_bundle
from aslp2p.views.view import View
from tests.artifacts.test_bundle import read_all
from tests.independent_verifier.bundles import Bundle
from tests.independent_verifier.encoding import Refused

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bundles.json").read_text(encoding="utf-8"))
REFUSED = {"a snapshot that is refused": "V3"}
"""Whole bundles of which an artifact is refused, and its rule: the others are taken all the same."""


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: vector["name"])
def test_good_bundles(vector: Any) -> None:
    data = bytes.fromhex(vector["bundle"])
    tip = Bundle(data).tip()
    if tip is not None:
        judged = judge_bundle(io.BytesIO(data), SecretKey.generate(), os.urandom)
        rule = None if judged.failure is None else judged.failure["rule"]
        assert (View(judged.reader).head.id, rule) == (tip.id, REFUSED.get(vector["name"]))


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: vector["name"])
def test_bad_bundles(vector: Any) -> None:
    data = bytes.fromhex(vector["bundle"])
    assert (theirs(data), ours(data)) == (vector["rule"], vector["rule"])


def ours(data: bytes) -> str:
    try:
        read_all(data)
    except ArtifactError as refused:
        return refused.rule
    return "whole"


def theirs(data: bytes) -> str:
    try:
        Bundle(data)
    except Refused as refused:
        return refused.rule
    return "whole"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([vector["bundle"] for vector in VECTORS["valid"]]), st.data())
def test_changed_bundles_are_read_alike(good: str, data: st.DataObject) -> None:
    """A changed bundle is never whole; bytes that break A3 and A4 at once may be refused with either."""
    whole = bytes.fromhex(good)
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place]
    found = {ours(bytes(raw)), theirs(bytes(raw))}
    assert found <= {"A3", "A4"} if bytes(raw) != whole else found == {"whole"}
