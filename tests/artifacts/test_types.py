"""Records: what was said comes back, accepted bytes are the only ones, and every bound is kept (A3, A4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import decode_artifact, sign_statement
from aslp2p.artifacts.types import (
    Admit,
    Beacon,
    Cosignature,
    Endorsement,
    Erase,
    Expel,
    Forget,
    Genesis,
    InviteToken,
    Named,
    Policy,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Rejection,
    Remove,
    Rename,
    Revocation,
    RevokeInvite,
    Rotation,
    Shown,
    Snapshot,
    Statement,
)
from aslp2p.errors import ArtifactError
from aslp2p.limits import (
    ABANDONS_MAX,
    ANCHORS_MAX,
    AUTHORITIES_MAX,
    CONTENT_BYTES_MAX,
    EVIDENCE_MAX,
    GRACE_PERIOD_MS_MAX,
    GRACE_PERIOD_MS_MIN,
    INVITE_USES_MAX,
    PROPOSALS_PER_SNAPSHOT_MAX,
    UINT_MAX,
)
from tests.ledger.builder import ANN

uints = st.integers(0, UINT_MAX) | st.sampled_from([0, 127, 128, 2**32, UINT_MAX])
positives = st.integers(1, UINT_MAX)
ids = st.binary(min_size=32, max_size=32)
salts = st.binary(min_size=8, max_size=8)
names = st.sampled_from(["ann", "Büro", "x" * 64, "a b", "家"])
texts = st.sampled_from(["", "moving out", "ü" * 256])
paths = st.sampled_from(["a", "a/b", "ü/" * 100 + "x", "con", "a\\b", ". ./..."])
expects = st.none() | st.just(b"") | ids


def tuples(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=min(size, 4)).map(tuple)


named = st.builds(Named, names, ids)
policies = st.builds(
    Policy,
    witnesses=tuples(named, AUTHORITIES_MAX),
    threshold=st.integers(0, AUTHORITIES_MAX),
    rotation_allowed=st.booleans(),
    grace_period_ms=st.integers(GRACE_PERIOD_MS_MIN, GRACE_PERIOD_MS_MAX),
    participants=st.sampled_from(["invited", "authorities"]),
    protocol=positives,
)
succession = (positives, uints, ids, ids, texts)
abandons = tuples(ids, ABANDONS_MAX)
tokens = st.builds(Shown, st.binary(min_size=1, max_size=512), st.binary(min_size=64, max_size=64))
actions = (
    st.builds(
        Put,
        paths,
        ids,
        st.integers(0, CONTENT_BYTES_MAX),
        st.sampled_from(["", "text/plain"]),
        st.booleans(),
        uints,
        expects,
    )
    | st.builds(Remove, paths, expects)
    | st.builds(Admit, ids, names, st.none() | tokens)
    | st.builds(Expel, ids)
    | st.builds(Forget, ids)
    | st.builds(Rename, ids, names)
    | st.builds(RevokeInvite, ids)
    | st.builds(Erase, ids, texts)
    | st.builds(PolicyChange, policies, ids)
    | st.builds(Rotation, *succession)
    | st.builds(Recovery, *succession, abandons)
    | st.builds(Revocation, *succession, abandons, ids, tuples(ids, EVIDENCE_MAX))
)
embedded = tuples(st.binary(min_size=1, max_size=40), 64)
statements = (
    st.builds(Genesis, names, policies, tuples(named, ANCHORS_MAX), st.none() | ids, uints, ids)
    | st.builds(Proposal, ids, uints, salts, actions)
    | st.builds(
        Snapshot,
        ids,
        positives,
        ids,
        uints,
        uints,
        tuples(ids, PROPOSALS_PER_SNAPSHOT_MAX),
        uints,
        ids,
        st.none() | embedded,
        st.none() | embedded,
    )
    | st.builds(Endorsement, ids, ids, uints, uints)
    | st.builds(Cosignature, ids, uints, positives, ids, uints)
    | st.builds(Beacon, ids, uints, uints, ids, uints)
    | st.builds(Rejection, ids, ids, st.sampled_from(["expelled", "x" * 32, "a.b-c"]), texts, uints)
    | st.builds(InviteToken, ids, uints, st.integers(1, INVITE_USES_MAX), ids)
)


@given(statements)
def test_what_was_said_comes_back(statement: Statement) -> None:
    signed = sign_statement(statement, ANN)
    found = decode_artifact(signed.raw)
    assert found.statement == statement
    assert type(found.statement) is type(statement)
    assert (found.id, found.body) == (signed.id, signed.body)
    again = canonical.encode(msgspec.to_builtins(found.statement, builtin_types=(bytes,)))
    assert again == found.body


ID = bytes(32)
POLICY = [[["ann", ID]], 1, True, 1000, "invited", 1]
GENESIS = ["home", POLICY, [["ann", ID]], None, 0, ID]
PROPOSAL = [ID, 0, bytes(8), ["expel", ID]]
SNAPSHOT = [ID, 1, ID, 0, 0, [ID], 1, ID, None, None]
ROTATION = ["witness-rotation", 1, 0, ID, ID, ""]
REVOCATION = ["witness-revocation", 1, 0, ID, ID, "", [], ID, []]
BODIES: dict[str, list[Any]] = {
    "genesis": GENESIS,
    "proposal": PROPOSAL,
    "snapshot": SNAPSHOT,
    "endorsement": [ID, ID, 0, 0],
    "cosignature": [ID, 0, 1, ID, 0],
    "beacon": [ID, 0, 0, ID, 0],
    "rejection": [ID, ID, "code", "text", 0],
    "invite": [ID, 0, 1, ID],
}


def rule_of(kind: str, body: Any) -> str | None:
    raw = canonical.encode([f"asl.common.{kind}/1", canonical.encode(body), ID, bytes(64)])
    try:
        decode_artifact(raw)
    except ArtifactError as refused:
        return refused.rule
    return None


def but(body: list[Any], position: int, value: Any) -> list[Any]:
    return [*body[:position], value, *body[position + 1 :]]


def act(*action: Any) -> list[Any]:
    return but(PROPOSAL, 3, list(action))


@pytest.mark.parametrize("kind", BODIES)
def test_every_field_has_its_place_and_its_kind(kind: str) -> None:
    """A3: no field more or less, and of no other kind, in any place of any body."""
    body = BODIES[kind]
    assert rule_of(kind, body) is None
    assert rule_of(kind, body[:-1]) == "A3"
    assert rule_of(kind, [*body, None]) == "A3"
    assert rule_of(kind, []) == "A3"
    assert rule_of(kind, 5) == "A3"
    nothing_allowed = {"genesis": {3}, "snapshot": {8, 9}}.get(kind, set())
    for position, value in enumerate(body):
        others: tuple[Any, ...] = ([], "text", b"bytes", 7, True, None)
        for other in others:
            nullable = position in nothing_allowed and type(other) in (bytes, list, type(None))
            if type(other) is type(value) or nullable:
                continue
            assert rule_of(kind, but(body, position, other)) == "A3", (position, other)


BOUNDS: list[tuple[str, Any]] = [
    *(("genesis", but(GENESIS, 0, name)) for name in ("", "x" * 65, "a/b", "a@1", "a:b", " a", "a\n", "..")),
    ("genesis", but(GENESIS, 2, [["ann", ID]] * (ANCHORS_MAX + 1))),
    ("genesis", but(GENESIS, 2, [["a\u202eb", ID]])),
    ("genesis", but(GENESIS, 2, [["ann", ID[1:]]])),
    ("genesis", but(GENESIS, 3, ID[1:])),
    ("genesis", but(GENESIS, 4, -1)),
    ("genesis", but(GENESIS, 4, UINT_MAX + 1)),
    ("genesis", but(GENESIS, 5, bytes(33))),
    *(
        ("genesis", but(GENESIS, 1, but(POLICY, position, value)))
        for position, value in (
            (0, [["ann", ID]] * (AUTHORITIES_MAX + 1)),
            (1, -1),
            (1, AUTHORITIES_MAX + 1),
            (3, GRACE_PERIOD_MS_MIN - 1),
            (3, GRACE_PERIOD_MS_MAX + 1),
            (4, "everybody"),
            (5, 0),
        )
    ),
    ("proposal", but(PROPOSAL, 2, bytes(7))),
    ("proposal", act("vote", ID)),
    ("proposal", act("Expel", ID)),
    ("proposal", act("expel", ID[1:])),
    *(
        ("proposal", act("put", path, ID, 1, "", False, 0, None))
        for path in ("", "/a", "a/", "a//b", "./a", "a/..", "a\x00", "x" * 256, "a/" * 512 + "ab")
    ),
    ("proposal", act("put", "a", ID[1:], 1, "", False, 0, None)),
    ("proposal", act("put", "a", ID, CONTENT_BYTES_MAX + 1, "", False, 0, None)),
    ("proposal", act("put", "a", ID, -1, "", False, 0, None)),
    ("proposal", act("put", "a", ID, 1, "text/\u00fc", False, 0, None)),
    ("proposal", act("put", "a", ID, 1, "x" * 129, False, 0, None)),
    ("proposal", act("put", "a", ID, 1, "", False, 0, bytes(31))),
    ("proposal", act("put", "a", ID, 1, "", False, 0, bytes(33))),
    ("proposal", act("remove", "a/", None)),
    ("proposal", act("remove", "a", b"x")),
    ("proposal", act("put", "a", ID, 1, "", False, -1, None)),
    ("proposal", act("put", "a", ID, 1, "", False, UINT_MAX + 1, None)),
    ("proposal", act("admit", ID, "", None)),
    ("proposal", act("admit", ID, "a\u200db", None)),
    ("proposal", act("admit", ID, "ann", [b"", bytes(64)])),
    ("proposal", act("admit", ID, "ann", [bytes(513), bytes(64)])),
    ("proposal", act("admit", ID, "ann", [b"x", bytes(63)])),
    ("proposal", act("forget", ID[1:])),
    ("proposal", act("rename", ID, "")),
    ("proposal", act("revoke-invite", ID[1:])),
    ("proposal", act("erase", ID[1:], "")),
    ("proposal", act("erase", ID, "x" * 513)),
    ("proposal", act(*but(ROTATION, 1, 0))),
    ("proposal", act(*but(ROTATION, 5, "x" * 513))),
    ("proposal", act(*but(ROTATION, 5, "two\nlines"))),
    ("proposal", act("witness-recovery", 1, 0, ID, ID, "", [ID] * (ABANDONS_MAX + 1))),
    ("proposal", act("witness-recovery", 1, 0, ID, ID, "\x1b", [])),
    ("proposal", act(*but(REVOCATION, 5, "\x7f"))),
    ("proposal", act(*but(REVOCATION, 8, [ID] * (EVIDENCE_MAX + 1)))),
    ("snapshot", but(SNAPSHOT, 1, 0)),
    ("snapshot", but(SNAPSHOT, 5, [ID] * (PROPOSALS_PER_SNAPSHOT_MAX + 1))),
    ("snapshot", but(SNAPSHOT, 5, [ID[1:]])),
    ("snapshot", but(SNAPSHOT, 8, [b"x"] * (2 * AUTHORITIES_MAX + 2))),
    ("snapshot", but(SNAPSHOT, 9, [b"x"] * (2 * AUTHORITIES_MAX + 1))),
    ("snapshot", but(SNAPSHOT, 8, [b""])),
    ("cosignature", but(BODIES["cosignature"], 2, 0)),
    ("rejection", but(BODIES["rejection"], 2, "")),
    ("rejection", but(BODIES["rejection"], 2, "-x")),
    ("rejection", but(BODIES["rejection"], 3, "x" * 513)),
    ("invite", but(BODIES["invite"], 3, bytes(33))),
    ("invite", but(BODIES["invite"], 2, 0)),
    ("invite", but(BODIES["invite"], 2, INVITE_USES_MAX + 1)),
]


@pytest.mark.parametrize(("kind", "body"), BOUNDS, ids=[f"{n}-{kind}" for n, (kind, _) in enumerate(BOUNDS)])
def test_every_bound_is_kept(kind: str, body: Any) -> None:
    assert rule_of(kind, body) == "A4"


def test_what_is_just_in_bounds() -> None:
    for kind, body in [
        ("genesis", but(GENESIS, 2, [["ann", ID]] * ANCHORS_MAX)),
        ("genesis", but(GENESIS, 1, but(POLICY, 0, [["ann", ID]] * AUTHORITIES_MAX))),
        (
            "proposal",
            act("put", "x" * 255 + "/y" * 384, ID, CONTENT_BYTES_MAX, "x" * 128, True, UINT_MAX, b""),
        ),
        ("proposal", act("admit", ID, "ann", [bytes(512), bytes(64)])),
        ("invite", but(BODIES["invite"], 2, INVITE_USES_MAX)),
        ("proposal", act("witness-recovery", 1, 0, ID, ID, "x" * 512, [ID] * ABANDONS_MAX)),
        ("snapshot", but(SNAPSHOT, 5, [ID] * PROPOSALS_PER_SNAPSHOT_MAX)),
        ("snapshot", but(SNAPSHOT, 9, [b"x"] * 2 * AUTHORITIES_MAX)),
    ]:
        assert rule_of(kind, body) is None


def test_actions_have_their_fields_and_no_others() -> None:
    for action in (
        ["put", "a", ID, 1, "", False, 0, None],
        ["remove", "a", None],
        ["admit", ID, "ann", None],
        ["admit", ID, "ann", [b"x", bytes(64)]],
        ["expel", ID],
        ["forget", ID],
        ["rename", ID, "ann"],
        ["revoke-invite", ID],
        ["erase", ID, ""],
        ["policy-change", POLICY, ID],
        ROTATION,
        ["witness-recovery", 1, 0, ID, ID, "", []],
        REVOCATION,
    ):
        assert rule_of("proposal", act(*action)) is None
        assert rule_of("proposal", act(*action[:-1])) == "A3"
        assert rule_of("proposal", act(*action, None)) == "A3"
    assert rule_of("proposal", act()) == "A3"
    assert rule_of("proposal", act(7, ID)) == "A3"
    assert rule_of("proposal", act(b"expel", ID)) == "A3"


def test_what_only_a_later_version_knows_is_told_from_what_is_wrong() -> None:
    """A4: an unknown type or action is nobody's fault; a broken body under a known one is its sender's."""
    for kind, body, newer in [
        ("poll", [ID], True),
        ("proposal", act("vote", ID), True),
        ("proposal", act("expel", ID[1:]), False),
        ("proposal", act(), False),
        ("proposal", act(7, ID), False),
        ("proposal", but(PROPOSAL, 3, 5), False),
        ("proposal", 5, False),
        ("proposal", [*PROPOSAL, None], False),
        ("genesis", ["vote"], False),
    ]:
        raw = canonical.encode([f"asl.common.{kind}/1", canonical.encode(body), ID, bytes(64)])
        with pytest.raises(ArtifactError) as caught:
            decode_artifact(raw)
        assert caught.value.newer == newer, (kind, body)
        assert ("update this machine" in caught.value.message) == newer
