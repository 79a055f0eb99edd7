"""The published proofs, and random ones, as a stranger and we judge them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.proof_file import decode_proof
from aslp2p.errors import ArtifactError, Rejected
from aslp2p.ledger.proof import check_proof
from tests.independent_verifier.answers import bytes_of
from tests.independent_verifier.encoding import Refused
from tests.independent_verifier.proofs import Proof

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text(encoding="utf-8"))
COMMON_ID = bytes.fromhex(VECTORS["common_id"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: vector["name"])
def test_good_proofs(vector: Any) -> None:
    found = Proof(bytes.fromhex(vector["proof"]), COMMON_ID)
    says = vector["says"]
    assert (found.put["path"], found.put["content"].hex()) == (says["path"], says["content"])
    assert (found.top, found.after[found.top].id.hex()) == (says["top"], says["snapshot"])
    assert sorted(key.hex() for key in found.cosigned_by) == says["cosigned_by"]


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: vector["name"])
def test_bad_proofs(vector: Any) -> None:
    with pytest.raises(Refused) as caught:
        Proof(bytes_of(vector, "proof"), COMMON_ID)
    assert caught.value.rule == vector["rule"], caught.value
    assert ours(bytes_of(vector, "proof")) == vector["rule"]


def test_there_is_one_for_every_rule() -> None:
    rules = {vector["rule"] for vector in VECTORS["invalid"]}
    wanted = {"A3", "A4", "A5", "P2", "P3", "P4", "S9", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V9"}
    assert wanted <= rules, wanted - rules


def ours(data: bytes) -> str:
    try:
        check_proof(decode_proof(data), COMMON_ID)
    except (Rejected, ArtifactError) as refused:
        return refused.rule
    return "holds"


def theirs(data: bytes) -> str:
    try:
        Proof(data, COMMON_ID)
    except Refused as refused:
        return refused.rule
    return "holds"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([vector["proof"] for vector in VECTORS["valid"]]), st.data())
def test_changed_proofs_are_judged_alike(good: str, data: st.DataObject) -> None:
    """Bytes that break A3 and A4 at once may be refused with either; all else must be the same."""
    raw = bytearray.fromhex(good)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place]
    found = {ours(bytes(raw)), theirs(bytes(raw))}
    assert len(found) == 1 or found == {"A3", "A4"}
