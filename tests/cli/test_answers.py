"""What every command does: JSON with a schema, also when it fails; and a hint for a word that is none."""

from __future__ import annotations

import json

import pytest

from aslp2p.cli.commands import COMMANDS
from aslp2p.cli.group import OTHER_WORDS
from tests.cli.conftest import Asl


def test_an_answer_in_json_names_its_schema(kept: Asl) -> None:
    for command in (["status"], ["ls"], ["log"], ["members"], ["floor"], ["evidence"], ["version"]):
        answer = json.loads(kept(*command, "--json").stdout)
        assert answer["schema"] == 1 and len(answer) > 1, command


@pytest.mark.parametrize(
    ("typed", "code", "exit_code"),
    [
        (["ls"], "user", 1),
        (["log", "notes"], "user", 1),
        (["get"], "usage", 2),
        (["ls", "--colour"], "usage", 2),
        (["lss"], "usage", 2),
    ],
)
def test_an_error_in_json_says_what_the_line_says(
    asl: Asl, typed: list[str], code: str, exit_code: int
) -> None:
    result = asl(*typed, "--json")
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["exit_code"], error["code"]) == (exit_code, exit_code, code)
    assert result.stderr.strip() == f"asl: {error['message']}; {error['remedy']}"


def test_a_command_without_a_daemon_says_so_to_scripts_too(kept: Asl) -> None:
    result = kept("peers", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (3, "no-daemon")


def test_a_person_gets_no_json(asl: Asl) -> None:
    result = asl("ls")
    assert result.stdout == "" and result.stderr.startswith("asl: there is no home at ")


@pytest.mark.parametrize(
    ("typed", "meant"), [("statsu", "status"), ("delete", "rm"), ("stop", "down"), ("evidance", "evidence")]
)
def test_a_word_that_is_none_is_answered_with_one_that_is(asl: Asl, typed: str, meant: str) -> None:
    result = asl(typed)
    assert result.exit_code == 2 and f"Did you mean `asl {meant}`?" in result.stderr


def test_a_word_like_none_is_only_refused(asl: Asl) -> None:
    assert "Did you mean" not in asl("xyzzy").stderr


def test_words_from_elsewhere_mean_commands_that_are_there() -> None:
    assert {meant.split()[0] for meant in OTHER_WORDS.values()} <= COMMANDS.keys()
    assert not OTHER_WORDS.keys() & COMMANDS.keys()
