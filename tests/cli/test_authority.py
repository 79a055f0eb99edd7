"""Changing who may replace the witness by names alone: what is said, refused and proposed (P1, P3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aslp2p.control.client import Client
from aslp2p.home.key import SecretKey
from tests.cli.conftest import Asl
from tests.cli.running import let_in, running

OTHERS = ("alice", "james", "mary ann")


@pytest.fixture
def grown(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    """The daemon of a Common with its founder and three members, who are no authorities."""
    assert asl("init", "home", "--name", "mia").exit_code == 0
    with running(tmp_path / "home") as client:
        for number, name in enumerate(OTHERS):
            key = "ed25519:" + SecretKey(bytes([number]) * 32).key.hex()
            assert asl("members", "admit", key, name).exit_code == 0
        yield client


def proposed(client: Client) -> dict[str, Any]:
    (paper,) = client.call("summary")["papers"]
    policy: dict[str, Any] = client.call("find", id=paper["id"])["action"]["policy"]
    return policy


def names(policy: dict[str, Any]) -> list[str]:
    return [one["name"] for one in policy["witnesses"]]


def by_invite(client: Client, *members: str) -> None:
    """Members whose keys have shown themselves, as they came with an invite."""
    for number, name in enumerate(members):
        let_in(client, "ed25519:" + SecretKey(bytes([number + 100]) * 32).key.hex(), name)


def test_what_status_says_to_one_authority_works_when_typed(asl: Asl, tmp_path: Path) -> None:
    """Word for word: nobody is proposed whose key may have been mistyped (`unseen-key`)."""
    assert asl("init", "home", "--name", "mia").exit_code == 0
    with running(tmp_path / "home") as client:
        assert asl("members", "admit", "ed25519:" + SecretKey(bytes(32)).key.hex(), "aaron").exit_code == 0
        by_invite(client, "alice", "james", "zoe")
        (line,) = [line for line in asl("status").stdout.splitlines() if "the one authority" in line]
        assert line.endswith("asl authority add alice james")
        done = asl(*line.partition(": asl ")[2].split())
        policy = proposed(client) if done.exit_code == 0 else {}
    assert done.exit_code == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("Now (1 of 1 (mia)") and "Everything rests on mia" in said[1]
    assert any("the others can replace it" in line for line in said[said.index("Then:") :])
    assert any("1 of 1 becomes 2 of 3" in line for line in said)
    assert (names(policy), policy["threshold"]) == (["mia", "alice", "james"], 2)


def test_adding_one_to_one_locks_out_and_is_refused(grown: Client, asl: Asl) -> None:
    done = asl("authority", "add", "alice")
    assert done.exit_code != 0 and "one-loss-locks-out" in done.stdout + done.stderr
    assert grown.call("summary")["papers"] == []
    dry = json.loads(asl("--json", "authority", "add", "alice", "--dry-run").stdout)
    assert [one["code"] for one in dry["risks"]] == ["one-loss-locks-out", "unseen-key"]
    assert dry["before"] != dry["explanation"] and grown.call("summary")["papers"] == []


def test_a_name_with_a_space_is_quoted_where_it_is_to_be_typed(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    with running(tmp_path / "home") as client:
        by_invite(client, "mary ann", "o'neil")
        assert "asl authority add 'mary ann' 'o'\"'\"'neil'" in asl("status").stdout


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("add", "nobody"), "nobody who is in is called 'nobody'"),
        (("add", "mia"), "mia is an authority already"),
        (("remove", "alice"), "no authority is called 'alice'"),
        (("remove", "mia"), "somebody has to be an authority"),
        (("replace", "alice", "james"), "no authority is called 'alice'"),
        (("replace", "mia", "mia"), "mia is an authority already"),
        (("replace", "mia", "nobody"), "nobody who is in is called 'nobody'"),
        (("threshold", "2"), "2 of 1 cannot be"),
        (("add", "alice", "--threshold", "1"), "1 of 2 cannot be: more than half"),
        (("threshold", "1"), "that is the policy in force already"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_type(
    grown: Client, asl: Asl, words: tuple[str, ...], wrong: str
) -> None:
    done = asl("authority", *words)
    assert done.exit_code in (1, 2) and wrong in done.stderr and ";" in done.stderr
    assert grown.call("summary")["papers"] == []


def test_one_takes_the_place_of_another(grown: Client, asl: Asl) -> None:
    risks = ("--risk", "unseen-key", "--risk", "all-new-authorities")
    refused = asl("authority", "replace", "mia", "mary ann", "--risk", "unseen-key")
    assert refused.exit_code != 0 and "all-new-authorities" in refused.stderr
    done = asl("authority", "replace", "mia", "mary ann", *risks)
    assert done.exit_code == 0, done.stderr
    assert names(proposed(grown)) == ["mary ann"]


def test_authorities_are_shown_also_of_a_stopped_home(asl: Asl) -> None:
    asl("init", "home", "--name", "mia")
    shown = asl("authority").stdout
    assert shown.startswith("mia  ed25519:") and "1 of 1 have to agree." in shown
    assert json.loads(asl("authority", "--json").stdout)["in_force"][0]["policy"]["threshold"] == 1


def test_a_founder_is_warned_of_two_of_two(asl: Asl, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    key = "ed25519:" + SecretKey(bytes(32)).key.hex()
    policy.write_text(
        "common_policy:\n  witnesses: [{domain: mia, key: self}, "
        f"{{domain: alice, key: '{key}'}}]\n  threshold: 2\n"
    )
    done = asl("init", "home", "--policy", str(policy))
    assert done.exit_code == 0 and "Warning: with 2 of 2" in done.stderr
