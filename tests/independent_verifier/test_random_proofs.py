"""Proofs made from random histories: what is final can be proved, and a stranger reads the same in it."""

from __future__ import annotations

import base64
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from aslp2p.artifacts.envelope import VERIFIER, decode_artifact, sign_statement
from aslp2p.artifacts.proof_file import decode_proof
from aslp2p.artifacts.types import Cosignature
from aslp2p.errors import Rejected, UserError
from aslp2p.ledger.facts import load_members, standing_at
from aslp2p.ledger.finality import final_height
from aslp2p.ledger.proof import check_proof
from aslp2p.ledger.reader import PutArtifacts
from aslp2p.ledger.state import revoked_keys
from aslp2p.views.proof_maker import prove
from aslp2p.views.tree import ls
from aslp2p.views.view import View
from tests.independent_verifier.proofs import Proof
from tests.independent_verifier.test_agreement import BY_KEY, Walk
from tests.ledger.builder import Node


class Kept(Walk):
    """A walk whose store keeps every good proposal that was handed over."""

    def judge(self, snapshot: bytes, proposals: list[bytes], node: Node | None) -> None:
        good, _ = VERIFIER.sift(map(decode_artifact, proposals))
        self.ledger._store.apply([PutArtifacts(good)])
        super().judge(snapshot, proposals, node)


def grown(seed: int, steps: int) -> Walk:
    """A history with cosignatures of the line that the ledger follows."""
    walk = Kept(seed)
    for _ in range(steps):
        walk.step()
    store, ledger, rng = walk.ledger._store, walk.ledger, walk.rng
    top = ledger.head
    for height in range(1, top.height + 1):
        row = store.snapshot_at(top.branch, height)
        assert row is not None
        usable = standing_at(store, row.branch, height).authorities() - revoked_keys(
            load_members(store, top.branch, height)
        )
        for key in sorted(usable):
            if rng.random() < 0.3:
                statement = Cosignature(walk.world.id, row.epoch, height, row.id, 1)
                with suppress(Rejected):
                    ledger.add_cosignature(sign_statement(statement, BY_KEY[key]))
    return walk


def made(view: View, path: str, *, brief: bool) -> dict[str, Any] | None:
    try:
        return prove(view, path, brief=brief)
    except UserError:
        return None


def play(seeds: range, steps: int) -> Counter[str]:
    tally: Counter[str] = Counter()
    for seed in seeds:
        walk = grown(seed, steps)
        view = View(walk.ledger._store)
        final = final_height(view.reader, view.branch, view.height)
        for entry in ls(view)["entries"]:
            for brief in (False, True):
                answer = made(view, entry["path"], brief=brief)
                if answer is None:
                    assert brief
                    tally["not final" if entry["height"] > final else "refused"] += 1
                    continue
                raw = base64.b64decode(answer["proof"])
                ours, theirs = check_proof(decode_proof(raw), walk.world.id), Proof(raw, walk.world.id)
                assert ours.path == theirs.put["path"] == entry["path"]
                assert ours.content == theirs.put["content"] == bytes.fromhex(entry["content"])
                assert ours.top == theirs.top and bool(ours.cosigned_by) == (entry["height"] <= final)
                assert ours.height in (None, entry["height"])
                tally[answer["kind"]] += 1
                tally["steps"] += len(ours.trace) - 1
    return tally


def test_what_is_final_is_proved() -> None:
    tally = play(range(40), 50)
    assert tally["brief"] > 30 and tally["steps"] > 100, tally
    assert tally["refused"] <= tally["brief"] / 20, tally


@pytest.mark.long
def test_what_is_final_is_proved_at_length() -> None:
    tally = play(range(1000, 1300), 60)
    assert tally["refused"] <= tally["brief"] / 20, tally
