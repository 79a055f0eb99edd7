"""What `asl invite` and `asl join` say and take, as far as no second machine is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from aslp2p.artifacts.invite import Hint, Invite
from aslp2p.artifacts.token import make_token
from aslp2p.cli import main
from aslp2p.cli.invite import qr_lines
from aslp2p.home.key import SecretKey
from tests.cli.conftest import Asl
from tests.cli.running import running


def an_invite(hints: int = 0, expires_ms: int = 2**50) -> str:
    _, token = make_token(bytes([7] * 32), expires_ms, 1, bytes(32), SecretKey(bytes(32)))
    addresses = tuple(Hint(f"2001:db8::{at}:face:cafe", 41000 + at) for at in range(hints))
    return Invite(bytes([7] * 32), "home", bytes(32), token, addresses).encode()


@pytest.mark.parametrize("hints", range(9))
def test_the_qr_code_fits_a_terminal_of_80_columns(hints: int) -> None:
    lines = qr_lines(an_invite(hints))
    assert lines and max(map(len, lines)) <= 80
    assert qr_lines(an_invite(hints), columns=40) == [], "rather none than a torn one"


def test_an_expired_invite_is_refused_at_once(asl: Asl) -> None:
    done = asl("join", an_invite(expires_ms=1_000))
    assert done.exit_code == 1
    assert "this invite has expired, on 1970-01-01" in done.stderr and "ask for a new one" in done.stderr
    assert "follows no Common" in asl("status").stderr or "no home" in asl("status").stderr


def test_an_invite_is_read_from_a_file(asl: Asl, tmp_path: Path) -> None:
    (tmp_path / "mail.txt").write_text(f"\n  {an_invite().upper()}\n")
    assert asl("join", str(tmp_path / "mail.txt")).exit_code == 0
    assert asl("join", str(tmp_path)).exit_code == 2, "a folder is none"


def test_a_bundle_is_followed_once_its_id_was_looked_at(asl: Asl, kept: Asl, tmp_path: Path) -> None:
    file = str(tmp_path / "home.asl")
    assert kept("bundle", "create", "-o", file).exit_code == 0
    asked = asl("join", file)
    assert asked.exit_code == 2 and "Follow home " in asked.stderr and "say --yes" in asked.stderr
    done = asl("join", file, "--yes")
    assert done.exit_code == 0 and "The history is at home@5" in done.stdout
    assert asl("ls").stdout.splitlines() == kept("ls").stdout.splitlines()


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        (("7-guitar-kastle",), "'kastle' is no word of a pairing code"),
        (("7", "guitar"), "a pairing code has a number and 2 words"),
        (("300-guitar-castle",), "this is no pairing code"),
    ],
)
def test_a_mistyped_code_is_told_before_anything_is_tried(
    asl: Asl, typed: tuple[str, ...], wrong: str
) -> None:
    done = asl("join", *typed)
    assert done.exit_code == 2 and wrong in done.stderr and "7-guitar-castle" in done.stderr


def test_words_of_a_code_complete() -> None:
    completer = ShellComplete(main, {}, "asl", "_ASL_COMPLETE")

    def offered(typed: str) -> list[str]:
        return [item.value for item in completer.get_completions(["join"], typed)]

    assert offered("7-guit") == ["7-guitar-"]
    assert offered("7-guitar-castl") == ["7-guitar-castle"]
    assert offered("7-GUITAR-cast") == ["7-guitar-castle"]
    assert offered("7-guitar-castle-x") == offered("asl1") == offered("7-") == []


def test_without_a_terminal_an_invite_is_one_line_and_no_code(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    with running(tmp_path / "home"):
        done = asl("invite")
        assert done.exit_code == 0 and done.stdout.startswith("asl1") and done.stdout.count("\n") == 1
        bad = asl("invite", "--name", "a/b")
        assert bad.exit_code == 2 and "no machine can be called that" in bad.stderr
        listed = json.loads(asl("--json", "invite", "list").stdout)
        assert [one["state"] for one in listed["invites"]] == ["open"]
        assert Invite.parse(done.stdout).token and done.stdout.strip() not in json.dumps(listed)
        next((tmp_path / "home" / "commons").iterdir()).joinpath("invites").write_text("{damaged")
        assert "No invite was made here" in asl("invite", "list").stderr, "what counts is in the history"


def test_whose_word_let_a_machine_in_is_told_to_members_only(kept: Asl, tmp_path: Path) -> None:
    with running(tmp_path / "kept") as client:
        assert client.call("welcome") == {"name": "ann", "by": None, "invited": False}, "the founder"
