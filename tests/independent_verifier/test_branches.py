"""The published choices of branch, by the ledger and by a node (F1 to F5, S9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aslp2p.artifacts.envelope import Signed, decode_as, verify_signature
from aslp2p.artifacts.types import Cosignature, Genesis, Proposal, Snapshot
from aslp2p.core.inputs import Import, Now
from aslp2p.core.node import NodeCore
from aslp2p.errors import ArtifactError, Rejected
from aslp2p.home.key import SecretKey
from aslp2p.ledger.floor import Floor, give_floor
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.journal import COSIGN
from aslp2p.ledger.reader import JournalRow, PutJournal
from aslp2p.store.memory import MemoryStore
from aslp2p.views.branches import superseded_rows
from aslp2p.views.pending import open_artifacts
from aslp2p.views.view import View

HERE = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((HERE / "branches.json").read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_ledger(vector: Any) -> None:
    expect = {key: value for key, value in vector["expect"].items() if key != "pending"}
    for order in vector["orders"]:
        assert ledgers_answer(vector, order) == expect, order


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["own"] is None], ids=lambda vector: vector["name"]
)
def test_a_node_that_hears_one_after_the_other(vector: Any) -> None:
    """F4: what is left behind is pending again."""
    for order in vector["orders"]:
        store = MemoryStore()
        found_common(store, verify_signature(genesis(vector)))
        given_to(store, vector)
        core = NodeCore(
            store,
            common_id=genesis(vector).id,
            signer=SecretKey.generate(),
            entropy=lambda count: bytes(count),
        )
        for told in (vector["artifacts"][place] for place in order):
            raws = [told["snapshot"], *told["proposals"]] if "snapshot" in told else [told["cosignature"]]
            core.step(Import(tuple(bytes.fromhex(raw) for raw in raws)), Now(0, 0))
        store.commit()
        view = View(store)
        found = (view.head.id.hex(), sorted(id_.hex() for id_ in open_artifacts(view).proposals))
        assert found == (vector["expect"]["head"], vector["expect"]["pending"]), order


def test_there_are_some_for_every_rule() -> None:
    assert {vector["rule"] for vector in VECTORS} >= {"F1", "F2", "F3", "F4", "F5", "F5a", "S9", "P4"}


def genesis(vector: Any) -> Signed[Genesis]:
    return decode_as(Genesis, bytes.fromhex(vector["genesis"]))


def given_to(store: MemoryStore, vector: Any) -> None:
    """The floor that came with the invite; its height only says that it is above the genesis."""
    if vector["given"] is not None:
        store.apply([give_floor(Floor(1, bytes.fromhex(vector["given"])))])


def ledgers_answer(vector: Any, order: list[int]) -> dict[str, Any]:
    store = MemoryStore()
    found_common(store, verify_signature(genesis(vector)))
    given_to(store, vector)
    own = b"" if vector["own"] is None else bytes.fromhex(vector["own"])
    ledger = Ledger(store, own_key=own)
    for told in (vector["artifacts"][place] for place in order):
        if "snapshot" in told:
            proposals = [decode_as(Proposal, bytes.fromhex(raw)) for raw in told["proposals"]]
            ledger.accept(decode_as(Snapshot, bytes.fromhex(told["snapshot"])), proposals)
            continue
        signed = decode_as(Cosignature, bytes.fromhex(told["cosignature"]))
        at = signed.statement
        if signed.key == own:
            row = JournalRow(COSIGN, at.epoch, at.height, at.snapshot, signed.raw)
            store.apply([PutJournal(row)])
        try:
            ledger.add_cosignature(verify_signature(signed))
            rule = None
        except (ArtifactError, Rejected) as refused:
            rule = refused.rule
        assert rule == told.get("rule")
    final = ledger.id_at(ledger.head.branch, ledger.final_height())
    store.commit()
    assert final is not None
    return {
        "head": ledger.head.id.hex(),
        "floor": ledger.floor.id.hex(),
        "final": final.hex(),
        "conflict": sorted(id_.hex() for id_ in ledger.conflict() or ()),
        "evidence": sorted(lowest_pairs(ledger)),
        "superseded": sorted(row.id.hex() for _, row in superseded_rows(View(store))),
    }


def lowest_pairs(ledger: Ledger) -> list[list[str]]:
    """What each witness signed at the lowest height of an epoch that it signed twice."""
    found: list[list[str]] = []
    for reign in {(one.epoch, one.witness) for one in ledger.evidence}:
        lowest = ledger.equivocation_in(*reign)
        assert lowest is not None
        same = [
            one for one in ledger.evidence if (one.epoch, one.witness, one.height) == (*reign, lowest.height)
        ]
        found.append(sorted({id_.hex() for one in same for id_ in (one.one, one.other)}))
    return found
