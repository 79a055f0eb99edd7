"""`what-if` plays one disaster with real nodes: how it ends is what P1 says that the policy survives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aslp2p.artifacts.types import Policy
from aslp2p.errors import UsageError
from aslp2p.ledger.policy_text import dump_policy
from simulations.chances import policy_of
from simulations.disaster import Disaster, Walk
from simulations.neighbours import CAPTURED, GOES_ON, STUCK, Told
from simulations.scenario import HOUR
from simulations.what_if import what_if

TWO_OF_THREE = policy_of(3, 2, HOUR)  # alice, bob and carol


def walk(policy: Policy = TWO_OF_THREE, **disaster: Any) -> Told:
    return Walk(policy, Disaster(**disaster)).run()


def words(told: Told) -> str:
    return "\n".join(told.text())


def test_the_witness_is_lost_and_the_next_in_order_follows() -> None:
    told = walk(lose=("alice",))
    assert told.verdict == GOES_ON
    said = words(told)
    assert "bob asks for a new witness: bob; 2 must endorse it" in said
    assert "bob is the witness since common@2 (witness-recovery)" in said
    assert "one more loss leaves no quorum" in said


def test_a_lost_authority_that_is_not_the_witness_stops_nothing() -> None:
    told = walk(lose=("carol",))
    assert told.verdict == GOES_ON
    assert "asks for a new witness" not in words(told)


def test_more_losses_than_p1_allows_leave_it_stuck() -> None:
    told = walk(lose=("alice", "bob"))
    assert told.verdict == STUCK
    assert "no quorum of 2 is left" in words(told)


def test_one_of_one_ends_with_its_witness() -> None:
    told = walk(policy_of(1, 1, HOUR), lose=("alice",))
    assert told.verdict == STUCK


def test_a_loss_that_leaves_no_quorum_is_told_while_the_witness_lives() -> None:
    told = walk(policy_of(2, 2, HOUR), lose=("bob",))
    assert told.verdict == GOES_ON
    assert "once the witness is gone nobody can replace it" in words(told)


def test_a_witness_that_returns_in_time_stays() -> None:
    told = walk(silence=("alice",), silent_ms=HOUR // 2)
    assert told.verdict == GOES_ON
    assert "alice's machine is back" in words(told)
    assert "is the witness since" not in words(told)


def test_a_stolen_witness_is_revoked() -> None:
    told = walk(compromise=("alice",))
    assert told.verdict == GOES_ON
    assert "bob is the witness since common@3 (witness-revocation)" in words(told)
    assert "alice's key is revoked" in words(told)


def test_one_stolen_authority_gets_nothing_signed_and_is_revoked() -> None:
    told = walk(compromise=("bob",))
    assert told.verdict == GOES_ON
    said = words(told)
    assert "somebody with bob's key asks for a new witness: bob" in said
    assert "nobody else endorses that" in said
    assert "bob's key is revoked" in said


def test_a_stolen_quorum_captures() -> None:
    told = walk(compromise=("bob", "carol"))
    assert told.verdict == CAPTURED


def test_the_same_walk_is_told_the_same() -> None:
    assert walk(lose=("alice",)).lines == walk(lose=("alice",)).lines


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(dump_policy(TWO_OF_THREE))
    return file


def test_command_in_words_and_json(policy_file: Path) -> None:
    few = ["--policy", str(policy_file), "--lose", "bob"]
    said = CliRunner().invoke(what_if, few)
    assert said.exit_code == 0
    assert "bob's machine is lost, and its key with it" in said.output
    data = json.loads(CliRunner().invoke(what_if, [*few, "--json"]).output)
    assert data["verdict"] == GOES_ON
    assert any(step["at_ms"] == 0 for step in data["steps"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--lose", "zoe"],
            "--lose zoe: no authority of the policy has that name; write one of alice, bob, carol",
        ),
        (["--lose", "bob", "--compromise", "bob"], "bob has two fates: --lose and --compromise; give it one"),
        ([], "nothing happens to anybody; give --lose, --silence or --compromise NAME"),
        (["--lose", "bob", "--witness", "zoe"], "--witness zoe"),
        (["--silence", "bob", "--for", "soon"], "--for is soon; write a whole number and one of ms"),
    ],
)
def test_wrong_use_is_one_line(policy_file: Path, options: list[str], text: str) -> None:
    found = CliRunner().invoke(what_if, ["--policy", str(policy_file), *options])
    assert isinstance(found.exception, UsageError)
    assert text in str(found.exception)


def test_a_policy_that_the_product_refuses_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(dump_policy(TWO_OF_THREE).replace("threshold: 2", "threshold: 1"))
    found = CliRunner().invoke(what_if, ["--policy", str(file), "--lose", "bob"])
    assert isinstance(found.exception, UsageError)
    assert "threshold" in str(found.exception)
    assert "line 9" in str(found.exception)
    missing = CliRunner().invoke(what_if, ["--policy", str(tmp_path / "none.yaml"), "--lose", "bob"])
    assert "cannot be read: No such file or directory" in str(missing.exception)
