"""Names that mean one machine: none that the program says itself, and policies that follow a rename (P6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Asl
from tests.cli.running import running

KEY = "ed25519:" + "0b" * 32


def test_policies_follow_a_rename(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        assert asl("members", "rename", "self", "anna").exit_code == 0
        shown = asl("policy", "show").stdout
        assert 'domain: "anna"' in shown and '"ann"' not in shown
        assert asl("authority").stdout.startswith("anna  ed25519:")
        changed = json.loads(asl("policy", "show", "--json").stdout)["in_force"][0]["policy"]
        assert [one["name"] for one in changed["witnesses"]] == ["anna"]
        found = asl("authority", "remove", "ann")
        assert found.exit_code == 2 and "no authority is called 'ann'" in found.stderr


@pytest.mark.parametrize("word", ["self", "Nobody", "all"])
def test_no_machine_is_called_by_a_word_of_ours(asl: Asl, tmp_path: Path, word: str) -> None:
    assert "asl itself says" in asl("init", "home", "--name", word).stderr
    assert asl("self", "--name", word).exit_code == 2
    refused = asl("init", "home", "--name", "you")
    assert refused.exit_code == 2 and "choose another, such as --name " in refused.stderr
    another = refused.stderr.rpartition("--name ")[2].strip()
    assert asl("self", "--name", another).exit_code == 0, "what it says to type works"
    asl("init", "home")
    with running(tmp_path / "home"):
        for words in (
            ("members", "admit", KEY, word),
            ("members", "admit", KEY, "you"),
            ("invite", "--name", word),
            ("invite", "--name", "You"),
        ):
            done = asl(*words)
            assert done.exit_code == 2 and "asl itself says" in done.stderr, words
        assert asl("members", "admit", KEY, "bob").exit_code == 0
        assert "asl itself says 'you'" in asl("members", "rename", "bob", "you").stderr
        assert "asl itself says 'you'" in asl("members", "rename", "self", "you").stderr
        assert asl("join", "7-guitar-castle", "--name", "YOU").exit_code == 2
