"""The published vectors, through the functions that anybody may call."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from aslp2p.artifacts import canonical
from aslp2p.artifacts.content import content_id, decode_manifest, encode_manifest
from aslp2p.artifacts.envelope import (
    Signed,
    decode_artifact,
    decode_as,
    pae,
    signature_holds,
    verify_signature,
)
from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.merkle import Frontier, verify_inclusion
from aslp2p.artifacts.token import bear, borne, read_shown
from aslp2p.artifacts.types import Genesis, Proposal, Snapshot
from aslp2p.errors import ArtifactError, Incomplete, Rejected, UsageError
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.store.memory import MemoryStore
from tests.independent_verifier.answers import bytes_of
from tests.vectors.generate import FILES, text_of

HERE = Path(__file__).parents[1] / "vectors"


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


HISTORIES = load("histories.json")["vectors"]
ARTIFACTS = load("artifacts.json")
CANONICAL = load("canonical.json")


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_generator_writes(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == text_of(name)


def plain(value: Any) -> Any:
    """A value as JSON shows it."""
    if isinstance(value, dict):
        return bytes.fromhex(value["bytes"]) if "bytes" in value else int(value["int"])
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("vector", CANONICAL["valid"], ids=lambda vector: vector["hex"][:24])
def test_canonical_values(vector: Any) -> None:
    data = bytes.fromhex(vector["hex"])
    assert canonical.decode(data, bytes_max=4096) == plain(vector["value"])
    assert canonical.encode(plain(vector["value"])) == data


@pytest.mark.parametrize("vector", CANONICAL["invalid"], ids=lambda vector: vector["name"])
def test_what_is_not_canonical(vector: Any) -> None:
    with pytest.raises(ArtifactError) as caught:
        canonical.decode(bytes.fromhex(vector["hex"]), bytes_max=4096)
    assert caught.value.rule == vector["rule"]


@pytest.mark.parametrize("vector", ARTIFACTS["valid"], ids=lambda vector: vector["name"])
def test_artifacts(vector: Any) -> None:
    raw = bytes.fromhex(vector["artifact"])
    signed = verify_signature(decode_artifact(raw))
    assert signed.type == vector["type"]
    for field in ("id", "body", "key", "signature"):
        assert getattr(signed, field).hex() == vector[field]
    message = pae(signed.type, signed.body)
    assert message.hex() == vector["pae"]
    assert signed.id == hashlib.sha256(message + signed.key).digest()
    assert signature_holds(signed.key, message, signed.signature)


@pytest.mark.parametrize("vector", ARTIFACTS["invalid"], ids=lambda vector: vector["name"])
def test_what_is_no_artifact(vector: Any) -> None:
    raw = bytes.fromhex(vector["artifact"])
    if vector["rule"] == "A5":
        decode_artifact(raw)
    with pytest.raises(ArtifactError) as caught:
        verify_signature(decode_artifact(raw))
    assert caught.value.rule == vector["rule"]


def rule_of(raw: bytes) -> str:
    try:
        verify_signature(decode_artifact(raw))
    except ArtifactError as refused:
        return refused.rule
    return "good"


def test_every_field_at_its_bounds_and_beyond() -> None:
    vectors = load("bounds.json")
    for vector in vectors["valid"]:
        assert rule_of(bytes.fromhex(vector["artifact"])) == "good", vector["name"]
    for vector in vectors["invalid"]:
        assert rule_of(bytes.fromhex(vector["artifact"])) == vector["rule"], vector["name"]
    for vector in vectors["either"]:
        assert rule_of(bytes.fromhex(vector["artifact"])) in vector["rules"], vector["name"]


def test_logs() -> None:
    vectors = load("merkle.json")
    leaves = [bytes.fromhex(leaf) for leaf in vectors["leaves"]]
    for vector in vectors["roots"]:
        frontier, _ = Frontier().extend(leaves[: vector["size"]])
        assert frontier.root().hex() == vector["root"]
    for vector in vectors["proofs"]:
        path = [bytes.fromhex(node) for node in vector["path"]]
        leaf, root = bytes.fromhex(vector["leaf"]), bytes.fromhex(vector["root"])
        assert verify_inclusion(leaf, vector["index"], vector["size"], path, root) == vector["valid"]


def test_content() -> None:
    vectors = load("content.json")
    for vector in vectors["raw"]:
        assert content_id(bytes.fromhex(vector["hex"])).hex() == vector["id"]
    for vector in vectors["manifests"]:
        data, chunks = bytes.fromhex(vector["hex"]), [bytes.fromhex(one) for one in vector["chunks"]]
        assert encode_manifest(vector["size"], chunks) == data
        assert list(decode_manifest(data, vector["size"])) == chunks
        assert content_id(data).hex() == vector["id"]
    largest = vectors["largest"]
    data, every = bytes_of(largest, ""), [bytes.fromhex(largest["chunk"])] * largest["count"]
    assert encode_manifest(largest["size"], every) == data and content_id(data).hex() == largest["id"]
    assert list(decode_manifest(data, largest["size"])) == every
    for vector in vectors["invalid"]:
        with pytest.raises(ArtifactError) as caught:
            decode_manifest(bytes_of(vector, "hex"), vector["size"])
        assert caught.value.rule == vector["rule"]


def test_invites() -> None:
    vectors = load("invites.json")
    for vector in vectors["valid"]:
        invite = Invite.parse(vector["text"])
        assert invite.encode() == vector["text"]
        assert (invite.common_id.hex(), invite.name) == (vector["common_id"], vector["name"])
        assert (invite.network_secret.hex(), invite.token.hex()) == (
            vector["network_secret"],
            vector["token"],
        )
        assert [list(hint) for hint in invite.hints] == vector["hints"]
        floor = None if invite.floor is None else [invite.floor.height, invite.floor.id.hex()]
        assert floor == vector["floor"]
    for vector in vectors["tokens"]:
        key, shown = bytes.fromhex(vector["key"]), bytes.fromhex(vector["shown"])
        assert bear(bytes.fromhex(vector["token"]), key) == shown
        assert borne(read_shown(shown), key).statement.uses == 3
    for vector in vectors["not_shown"]:
        with pytest.raises(ArtifactError) as caught:
            borne(read_shown(bytes.fromhex(vector["shown"])), bytes.fromhex(vector["key"]))
        assert caught.value.rule == vector["rule"], vector["name"]
    for text in vectors["same"]:
        assert Invite.parse(text).encode() == vectors["valid"][0]["text"]
    for text in (*vectors["invalid"], *(one["text"] for one in vectors["not_invites"])):
        with pytest.raises(UsageError):
            Invite.parse(text)


# --- histories ----------------------------------------------------------------------------------------


def read(entry: Any) -> tuple[Signed[Snapshot], list[Signed[Proposal]]]:
    return decode_as(Snapshot, bytes.fromhex(entry["snapshot"])), [
        decode_as(Proposal, bytes.fromhex(raw)) for raw in entry["proposals"]
    ]


def answer(vector: Any, *, deferred: bool = False) -> tuple[Any, Ledger | None]:
    """What judging the vector's candidate gives, and the ledger afterwards."""
    store = MemoryStore()
    try:
        found_common(store, verify_signature(decode_as(Genesis, bytes.fromhex(vector["genesis"]))))
    except (Rejected, ArtifactError) as refused:
        return {"rule": refused.rule}, None
    ledger = Ledger(store)
    before = [read(entry) for entry in vector["history"]]
    if deferred:
        assert ledger.accept_run(before).error is None
    else:
        for snapshot, proposals in before:
            assert ledger.accept(snapshot, proposals) is not None
    try:
        accepted = ledger.accept(*read(vector["candidate"]))
    except (Rejected, ArtifactError) as refused:
        return {"rule": refused.rule}, ledger
    except Incomplete:
        return "incomplete", ledger
    assert accepted is not None
    return "accepted", ledger


@pytest.mark.parametrize("vector", HISTORIES, ids=lambda vector: vector["name"])
def test_histories(vector: Any) -> None:
    for deferred in (False, True):
        found, ledger = answer(vector, deferred=deferred)
        assert found == vector["expect"]
        if found == "accepted" and ledger is not None:
            standing = ledger.head.standing
            assert ledger.head.id == read(vector["candidate"])[0].id
            assert (standing.next_epoch, standing.next_witness.hex()) == (
                vector["then"]["epoch"],
                vector["then"]["witness"],
            )


def test_there_is_one_for_every_rule() -> None:
    rules = {vector["rule"] for vector in HISTORIES} | {vector["rule"] for vector in ARTIFACTS["invalid"]}
    wanted = {"A3", "A4", "A5", "P1", "P3", "P4", "P6", "S9", *(f"V{number}" for number in range(1, 10))}
    assert wanted <= rules


@pytest.mark.parametrize("vector", ARTIFACTS["valid"], ids=lambda vector: vector["name"])
def test_any_artifact_in_any_place_is_judged_or_refused_by_name(vector: Any) -> None:
    """Whoever judges published bytes need not look first of which type they are (A3)."""
    any_: Any = verify_signature(decode_artifact(bytes.fromhex(vector["artifact"])))
    history = HISTORIES[0]
    entry = history["history"][0]
    snapshot = decode_as(Snapshot, bytes.fromhex(entry["snapshot"]))
    store = MemoryStore()
    found_common(store, verify_signature(decode_as(Genesis, bytes.fromhex(history["genesis"]))))
    ledger = Ledger(store)
    if type(any_.statement) is not Genesis:
        with pytest.raises(ArtifactError, match="A3"):
            found_common(MemoryStore(), any_)
    if type(any_.statement) is not Snapshot:
        with pytest.raises(ArtifactError, match="A3"):
            ledger.accept(any_, [])
    if type(any_.statement) is not Proposal:
        with pytest.raises(ArtifactError, match="A3"):
            ledger.accept(snapshot, [any_])
    assert ledger.head.height == 0
