"""What a proof says when it holds, and the rule by which each broken one is refused (section 10.2)."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.artifacts.proof_file import Proof, decode_proof, encode_proof
from aslp2p.artifacts.types import Erase, Remove
from aslp2p.errors import ArtifactError, Rejected, UserError
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.proof import Proven, check_proof
from aslp2p.ledger.reader import PutArtifacts
from aslp2p.limits import ARTIFACT_BYTES_MAX, PROOF_BYTES_MAX, PROOF_LINE_MAX
from aslp2p.store.memory import MemoryStore
from aslp2p.views.proof_maker import prove
from aslp2p.views.view import View
from tests.ledger.builder import ANN, BEN, CLEO, DAN, LARGE, World, feed, policy
from tests.ledger.proof_gaps import REFUSED, VALID
from tests.ledger.proofs import (
    BAD,
    BOTH,
    EARLY,
    GOOD,
    WHOLE,
    Change,
    bad,
    field,
    good,
    leave_out,
    rotated_across_a_gap,
    years,
)


def judged(data: bytes) -> Proven:
    return check_proof(decode_proof(data), years().world.id)


@pytest.mark.parametrize("name", GOOD)
def test_good_proofs_hold(name: str) -> None:
    path, cosigned, brief, _ = GOOD[name]
    proof = good(name)
    proven = judged(encode_proof(proof))
    assert (proven.path, proven.common, proven.whole) == (path, "home", not brief)
    assert set(proven.cosigned_by) == {by.name for _, by in cosigned}
    node = years().nodes[proven.top]
    assert proven.snapshot == node.id and proven.witness == node.signer.name
    if not brief:
        lists = years().nodes[proven.height or 0]
        assert proven.proposal in [one.id for one in lists.proposals]


def test_the_trace_tells_every_change_of_authority() -> None:
    for name in (EARLY, WHOLE):
        trace = [(one.height, one.by, one.witness) for one in judged(encode_proof(good(name))).trace]
        assert trace == [
            (0, "genesis", "ann"),
            (5, "witness-rotation", "eve"),
            (8, "witness-recovery", "cleo"),
            (11, "policy-change", "cleo"),
            (13, "policy-settled", "cleo"),
            (18, "witness-revocation", "dan"),
        ]


def test_a_step_that_a_later_takeover_overrides_may_be_left_out() -> None:
    """What a brief proof does not see: its trace may be shorter than the history's, and still nobody lied."""
    said, shorter = judged(encode_proof(good(EARLY))), judged(encode_proof(leave_out(good(EARLY), 5)))
    assert [one for one in said.trace if one.height != 5] == list(shorter.trace)
    assert (shorter.proposal, shorter.snapshot) == (said.proposal, said.snapshot)


def test_a_rotation_may_have_its_base_in_a_gap_of_its_reign() -> None:
    for base in (2, 3):
        proven = judged(encode_proof(rotated_across_a_gap(base)))
        assert [(one.height, one.witness) for one in proven.trace] == [(0, "ann"), (1, "dan"), (4, "ann")]


def test_a_brief_proof_is_small_and_names_no_other_file() -> None:
    brief, whole = encode_proof(good(EARLY)), encode_proof(good(WHOLE))
    assert len(brief) < len(whole)
    assert b"early" in brief and b"late/14" not in brief and b"late/14" in whole


@pytest.mark.parametrize(("name", "make"), VALID, ids=[one[0] for one in VALID])
def test_what_may_lie_in_a_gap(name: str, make: Callable[[], Proof]) -> None:
    proven = judged(encode_proof(make()))
    assert proven.path == "tip" and not proven.whole, name


@pytest.mark.parametrize(("name", "rule", "make"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_may_not(name: str, rule: str, make: Callable[[], Proof]) -> None:
    assert rule_of(encode_proof(make())) == rule, name


@pytest.mark.parametrize(("name", "rule", "base", "change"), BAD, ids=[one[0] for one in BAD])
def test_broken_proofs_are_refused_by_their_rule(name: str, rule: str, base: str, change: Change) -> None:
    assert rule_of(bad(base, change)) == rule


def rule_of(data: bytes) -> str:
    try:
        judged(data)
    except (Rejected, ArtifactError) as refused:
        return refused.rule
    return "it holds"


def test_sizes_and_counts_are_bounded() -> None:
    """A4: a file, an artifact in it, and how many of each there are."""
    proof = good(EARLY)
    most = replace(proof, cosignatures=proof.cosignatures[:1] * 64)
    assert len(decode_proof(encode_proof(most)).cosignatures) == 64
    assert rule_of(bytes(PROOF_BYTES_MAX + 1)) == "A4"
    assert rule_of(bad(EARLY, field(3, [bytes(ARTIFACT_BYTES_MAX + 1)]))) == "A4"
    assert rule_of(bad(EARLY, field(3, [b""] * (PROOF_LINE_MAX + 1)))) == "A4"


def test_what_is_not_final_has_no_brief_proof() -> None:
    with pytest.raises(UserError, match="@20 is not final yet"):
        prove(years().view((17, CLEO), (17, DAN)), "twenty", brief=True)
    with pytest.raises(UserError, match="is not there"):
        prove(years().view(*BOTH), "nowhere")


def test_a_version_is_proved_as_it_was() -> None:
    view = years().view(*BOTH)
    assert prove(view, "c/0", at=1)["height"] == 1
    with pytest.raises(UserError, match="is not there at @0"):
        prove(view, "c/0", at=0)


def test_the_lowest_quorum_is_taken_and_what_lies_between_is_shown() -> None:
    proof = years().proof("c/0", (2, ANN), (4, BEN), (4, CLEO), brief=True, upto=4)
    assert proof.final == 4 and [one.statement.height for one in proof.line] == [4]
    assert {one.key for one in proof.cosignatures} == {BEN.key, CLEO.key}
    proof = years().proof("c/0", (2, ANN), (4, BEN), brief=True, upto=4)
    assert proof.final == 2 and [one.statement.height for one in proof.line] == [2, 3, 4]
    assert DAN.key not in {one.key for one in proof.cosignatures}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([EARLY, WHOLE]), st.data())
def test_changed_bytes_never_prove_anything_else(name: str, data: st.DataObject) -> None:
    """Whatever holds after a change says what the good one said."""
    raw = encode_proof(good(name))
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = bytearray(raw)
    if data.draw(st.booleans()):
        changed[place] = data.draw(st.integers(0, 255))
    else:
        del changed[place : place + data.draw(st.integers(1, 40))]
    try:
        proven = judged(bytes(changed))
    except (Rejected, ArtifactError):
        return
    said = judged(raw)
    assert (proven.path, proven.content, proven.snapshot) == (said.path, said.content, said.snapshot)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_bytes(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        decode_proof(data)


def test_a_brief_proof_does_not_grow_with_a_joint_phase() -> None:
    """What settled the change is in a gap: height and epoch are judged, the rest is its signers' word."""
    world = World()
    store = MemoryStore()
    found_common(store, world.genesis)
    ledger = Ledger(store)
    node = world.install(world.puts(world.root, "doc"), policy((ANN, BEN, DAN), 2), ANN, BEN)
    node = world.chain(node, 40, "joint")
    settled = world.settlement(node.parent or node, ANN, BEN)
    tip = world.puts(world.after(node, settlement=settled), "late")
    for one in tip.line():
        store.apply([PutArtifacts(VERIFIER.verify_all(one.proposals))])
    feed(ledger, tip)
    for by in (ANN, BEN):
        ledger.add_cosignature(world.cosignature(tip, by))
    proof = decode_proof(base64.b64decode(prove(View(store), "doc", brief=True)["proof"]))
    assert [one.statement.height for one in proof.line] == [2, 43, 44]
    assert check_proof(proof, world.id).top == 44


def test_a_brief_proof_takes_an_erasure_on_its_line_at_its_quorums_word() -> None:
    """It moves no authority: the trace leaves it out, and what paths hold is not known in a brief proof."""
    world = World()
    store = MemoryStore()
    found_common(store, world.genesis)
    ledger = Ledger(store)
    node = world.after(world.root, world.put("doc"), world.large("a", DAN), world.large("b", CLEO))
    node = world.after(node, world.propose(Remove("a", None)), world.propose(Remove("b", None)))
    erase = world.propose(Erase(LARGE, ""), DAN)
    tip = world.after(node, erase, certificate=world.certificate(erase, ANN, BEN))
    for one in tip.line():
        store.apply([PutArtifacts(VERIFIER.verify_all(one.proposals))])
    feed(ledger, tip)
    for by in (ANN, BEN):
        ledger.add_cosignature(world.cosignature(tip, by))
    proof = decode_proof(base64.b64decode(prove(View(store), "doc", brief=True)["proof"]))
    assert [one.statement.height for one in proof.line] == [3]
    proven = check_proof(proof, world.id)
    assert (proven.top, [step.by for step in proven.trace]) == (3, ["genesis"])
