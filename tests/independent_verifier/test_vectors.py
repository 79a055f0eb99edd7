"""A stranger who has only the specification answers every vector as it is published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.independent_verifier import encoding, records
from tests.independent_verifier.encoding import Refused
from tests.independent_verifier.verifier import Common, Incomplete

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "vectors"


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def test_a_stranger_knows_nothing_of_us() -> None:
    reader = "tests.independent_verifier.verifier"
    loaded = f"import sys, {reader}; print(*(name for name in sys.modules if 'aslp2p' in name))"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["bytes"]) if "bytes" in value else int(value["int"])
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_canonical_values() -> None:
    vectors = load("canonical.json")
    for vector in vectors["valid"]:
        assert encoding.decode(bytes.fromhex(vector["hex"]), 4096) == plain(vector["value"])
    for vector in vectors["invalid"]:
        with pytest.raises(Refused) as caught:
            encoding.decode(bytes.fromhex(vector["hex"]), 4096)
        assert caught.value.rule == vector["rule"], vector["name"]


def test_artifacts() -> None:
    vectors = load("artifacts.json")
    for vector in vectors["valid"]:
        found = records.read(bytes.fromhex(vector["artifact"]))
        found.verify()
        assert (found.id.hex(), found.key.hex()) == (vector["id"], vector["key"])
        assert found.message.hex() == vector["pae"]
    for vector in vectors["invalid"]:
        with pytest.raises(Refused) as caught:
            records.read(bytes.fromhex(vector["artifact"])).verify()
        assert caught.value.rule == vector["rule"], vector["name"]


def test_logs() -> None:
    vectors = load("merkle.json")
    leaves = [bytes.fromhex(leaf) for leaf in vectors["leaves"]]
    for vector in vectors["roots"]:
        assert encoding.root(leaves[: vector["size"]]).hex() == vector["root"]
    for vector in vectors["proofs"]:
        path = [bytes.fromhex(node) for node in vector["path"]]
        leaf, root = bytes.fromhex(vector["leaf"]), bytes.fromhex(vector["root"])
        assert encoding.included(leaf, vector["index"], vector["size"], path, root) == vector["valid"]


def borne(shown: bytes, key: bytes) -> bool:
    """2.6: whether the domain `key` may show this token."""
    try:
        raw, signature = encoding.decode(shown, 512)
        token = records.read(raw, "invite")
        token.verify()
        records.blob(64, 64)(signature)
    except (Refused, ValueError):
        return False
    return encoding.holds(token.fields["bearer"], encoding.pae("asl.bearer/1", token.id + key), signature)


def test_content_and_invites() -> None:
    vectors = load("content.json")
    for vector in vectors["manifests"]:
        found = encoding.manifest(bytes.fromhex(vector["hex"]), vector["size"])
        assert [one.hex() for one in found] == vector["chunks"]
    for vector in vectors["invalid"]:
        with pytest.raises(Refused) as caught:
            encoding.manifest(bytes.fromhex(vector["hex"]), vector["size"])
        assert caught.value.rule == vector["rule"]
    vectors = load("invites.json")
    for vector in vectors["valid"]:
        common_id, name, secret, token, hints, floor = encoding.invite(vector["text"])
        assert vector["floor"] == (None if floor is None else [floor[0], floor[1].hex()])
        assert (common_id.hex(), name) == (vector["common_id"], vector["name"])
        assert (secret.hex(), token.hex(), hints) == (
            vector["network_secret"],
            vector["token"],
            vector["hints"],
        )
    for vector in vectors["tokens"]:
        assert borne(bytes.fromhex(vector["shown"]), bytes.fromhex(vector["key"]))
    for vector in vectors["not_shown"]:
        assert not borne(bytes.fromhex(vector["shown"]), bytes.fromhex(vector["key"])), vector["name"]
    for text in vectors["same"]:
        assert encoding.invite(text) == encoding.invite(vectors["valid"][0]["text"])
    for text in (*vectors["invalid"], *(one["text"] for one in vectors["no_floor"])):
        with pytest.raises(ValueError):  # noqa: PT011 - which binascii.Error is
            encoding.invite(text)


def take(common: Common, entry: Any) -> Any:
    return common.accept(bytes.fromhex(entry["snapshot"]), [bytes.fromhex(one) for one in entry["proposals"]])


def answer(vector: Any) -> Any:
    """What the stranger says to the vector; the history before the candidate must be accepted."""
    try:
        common = Common(bytes.fromhex(vector["genesis"]))
    except Refused as refused:
        return {"rule": refused.rule}, None
    for entry in vector["history"]:
        take(common, entry)
    try:
        after = take(common, vector["candidate"])
    except Incomplete:
        return "incomplete", None
    except Refused as refused:
        return {"rule": refused.rule}, None
    return "accepted", {"epoch": after.appoints[0], "witness": after.appoints[1].hex()}


@pytest.mark.parametrize("vector", load("histories.json")["vectors"], ids=lambda vector: vector["name"])
def test_histories(vector: Any) -> None:
    assert answer(vector) == (vector["expect"], vector.get("then"))
