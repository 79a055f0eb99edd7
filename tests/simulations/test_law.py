"""The checkers' own law answers the published histories as the product does."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from simulations.checkers.artifacts import Unreadable, read
from simulations.checkers.law import judge_line
from simulations.checkers.membership import Broken

VECTORS = Path(__file__).parents[1] / "vectors" / "histories.json"
NOT_OURS = frozenset({"A2", "A3", "A4", "A5"})
"""Bytes that are no artifact never get onto a disk; the law reads what is there."""


@cache
def vectors() -> dict[str, dict[str, Any]]:
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return {vector["name"]: vector for vector in found}


def judged(vector: dict[str, Any]) -> str | None:
    """The first problem of the history with its candidate; None if all is well."""
    entries = [*vector["history"], *([vector["candidate"]] if vector["candidate"] else [])]
    proposals: dict[bytes, bytes] = {}
    try:
        for entry in entries:
            for text in entry["proposals"]:
                proposals[read(bytes.fromhex(text)).id] = bytes.fromhex(text)
        snapshots = [read(bytes.fromhex(entry["snapshot"])) for entry in entries]
        line = judge_line(bytes.fromhex(vector["genesis"]), snapshots, proposals.get)
    except (Broken, Unreadable, ValueError, TypeError, IndexError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    assert line.problem is None or len(line.steps) == len(vector["history"]) + 1, "the history itself is good"
    return line.problem


@pytest.mark.parametrize("name", vectors())
def test_a_published_history(name: str) -> None:
    vector = vectors()[name]
    expect = vector["expect"]
    problem = judged(vector)
    if expect == "accepted":
        assert problem is None
    elif expect == "incomplete" or expect["rule"] not in NOT_OURS:
        assert problem is not None
