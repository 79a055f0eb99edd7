"""How the program ends, whatever happens inside a command; what `asl up` refuses; the words of status."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from aslp2p.cli.commands import COMMANDS
from aslp2p.cli.group import _run, main
from aslp2p.cli.output import when
from aslp2p.cli.progress import Progress
from aslp2p.cli.status import peers_line, status_lines
from aslp2p.errors import (
    DiskFault,
    InvariantBroken,
    NeedsAttention,
    NoDaemon,
    Rejected,
    UsageError,
    UserError,
)
from aslp2p.views.conditions.find import find, judge
from tests.cli.conftest import Asl
from tests.cli.running import running

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("it is so", remedy="do that"), 1, "asl: it is so; do that\n"),
        (UsageError("typed wrongly"), 2, "asl: typed wrongly\n"),
        (NoDaemon("none"), 3, "asl: none\n"),
        (NeedsAttention("decide"), 4, "asl: decide\n"),
        (DiskFault("the disk is full", remedy="make room"), 1, "asl: the disk is full; make room\n"),
        (Rejected("V3", "no"), 1, "asl: V3: no\n"),
        (InvariantBroken("two\nlines \x1b[2J"), 1, "asl: two lines \\u{1b}[2J\n"),
        (
            OSError(28, "No space left on device", "/x"),
            1,
            "asl: No space left on device: /x; see `--debug`\n",
        ),
        (
            ZeroDivisionError("what"),
            1,
            "asl: this is a mistake of ours: ZeroDivisionError: what; see where with `--debug`\n",
        ),
        (click.Abort(), 130, "asl: interrupted\n"),
    ],
)
def test_every_end_is_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert _run(fail, []) == code
    assert capsys.readouterr().err == line
    if not isinstance(error, click.Abort):
        with pytest.raises(type(error)):
            _run(fail, ["--debug"])


def test_who_types_nothing_sees_what_there_is() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert all(f"\n  {name} " in result.output for name in COMMANDS)


def test_ordinary_ends() -> None:
    assert _run(lambda: None, []) == 0 and _run(lambda: 4, []) == 4


def test_every_command_loads_and_takes_the_common_options() -> None:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None and command.help, name
        for one in (command, *getattr(command, "commands", {}).values()):
            options = {option for parameter in one.params for option in parameter.opts}
            assert {"--home", "--json", "--common", "--debug"} <= options, one.name


def test_documented_commands_are_the_ones_there_are() -> None:
    """docs/cli.md's table of what needs a daemon names every command."""
    text = (ROOT / "docs" / "cli.md").read_text()
    table = text[text.index("## With and without a daemon") : text.index("## Versions and paths")]
    named = {word for cell in re.findall(r"`([^`]+)`", table) for word in [cell.split()[0]]}
    assert set(COMMANDS) <= named


def test_options_are_taken_before_and_after_the_command(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    home = str(tmp_path / "home")
    for arguments in (["--home", home, "--json", "ls"], ["ls", "--home", home, "--json"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0 and '"entries"' in result.stdout


def test_an_interrupted_daemon_ends_cleanly(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    daemon = _up(tmp_path / "home")
    try:
        assert daemon.stdout is not None and daemon.stdout.readline().startswith("asl: home@0 (witness: you)")
        second = subprocess.run(
            _command("up"),
            env=_environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (
            second.returncode == 1 and second.stderr.count("\n") == 1 and "already running" in second.stderr
        )
        assert asl("put", "-", "x", input="1").stdout == "x, at @1\n"
    finally:
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(30) == 0
    assert asl("ls").stdout == "x\n"


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from aslp2p.cli import main; main()", *arguments]


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ASL_HOME": str(home)}


def _up(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _command("up", "--no-mdns", "--listen", "127.0.0.1"),
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--port", "70000"], 2, "invalid value for '--port'"),
        (["--listen", "nowhere"], 2, "--listen nowhere is no IP address; write one of"),
        (["--peer", "nowhere"], 2, "--peer nowhere is no host and port; write alice.local:4711 or"),
        (["--peer", "a:1", "--peer", "b:0"], 2, "--peer b:0 is no host and port"),
        ([word for n in range(65) for word in ("--peer", f"a{n}:1")], 2, "--peer is there 65 times; give at"),
    ],
)
def test_up_refuses_what_it_cannot_mean(asl: Asl, arguments: list[str], code: int, says: str) -> None:
    asl("init", "home")
    result = asl("up", *arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (code, 1) and says in result.stderr


def test_up_without_a_common_says_how_to_begin(asl: Asl, tmp_path: Path) -> None:
    asl("self")
    result = asl("up")
    assert result.exit_code == 1
    assert result.stderr == (
        f"asl: {tmp_path}/home follows no Common yet; type `asl init NAME` or `asl join INVITE` first\n"
    )


def test_up_refuses_a_config_that_says_nothing_known(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    (tmp_path / "home" / "config.toml").write_text("[listen]\nprot = 1\n")
    result = asl("up")
    assert result.exit_code == 2 and "listen.prot: there is no such key" in result.stderr


def test_up_on_a_port_in_use_is_one_line(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            _command("up", "--no-mdns", "--listen", "127.0.0.1", "--port", port),
            env=_environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and port in done.stderr


# --- status ---------------------------------------------------------------------------------------


HOUR_MS = 3_600_000
PAPER = {
    "id": "1",
    "author": {"shown": "ann"},
    "words": "does it",
    "paper": {"progress": "1 of 2: ann; missing ben", "command": "asl endorse 1"},
}


JAMES = {"name": "james", "key": "ed25519:4a414d4553"}


def common(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": "home",
        "height": 43,
        "witness": {"shown": "james", "key": JAMES["key"]},
        "note": "",
        "final": 0,
        "audited": 43,
        "settlement": None,
        "papers": [],
        "offers": [],
        "dead_authorities": [],
        "stepped_down": None,
        "stale": None,
        "only_authority": False,
        "roles": [],
        "accused": [],
        "grace_period_ms": 30 * 24 * HOUR_MS,
        "beacon_interval_ms": HOUR_MS,
        "standing": "admitted",
        "pending": 0,
        "rejected": 0,
        "id": "ab" * 32,
        "default": True,
        "live": {"links": []},
    }
    return plain | changes


def lines_of(one: dict[str, Any]) -> list[str]:
    """What `asl status` says of a Common on a machine whose daemon has run for a day."""
    found = find({"daemon": {}, "machine": {}, "commons": [one]})
    shown = judge(found, {condition.key: 24 * HOUR_MS for condition in found})
    lines = [condition.line for condition in shown if condition.kind.listed]
    return [*status_lines(one), *lines, peers_line(one)]


def attention(one: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person has to decide."""
    found = find({"daemon": {}, "machine": {}, "commons": [one]})
    return [(condition.text, condition.remedy) for condition in judge(found, {}) if condition.kind.asks]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"note": "witness rotated at home@43"}, "Note: witness rotated at home@43"),
        ({"final": 41}, "final @41"),
        ({"audited": 40}, "audited to @40"),
        (
            {"settlement": {"height": 40, "final": False, "progress": "1 of 2: ann; missing ben"}},
            "Policy: the change of @40 is settling, both policies count until it has; "
            "cosigned by 1 of 2: ann; missing ben",
        ),
        (
            {"settlement": {"height": 40, "final": True, "takeover": "ann decides"}},
            "Policy: the change of @40 is final and waits for the witness to settle it; ann decides",
        ),
        (
            {"live": {"silence": {"silent_ms": 3 * HOUR_MS, "watching": True}}},
            "Silence: james is not linked, and was not heard for 3 h of 30 d",
        ),
        (
            {"live": {"silence": {"silent_ms": 90_000, "watching": True}}},
            "Silence: james is not linked, and was not heard for 1 min of 30 d",
        ),
        (
            {"live": {"links": [JAMES], "silence": {"silent_ms": 3 * HOUR_MS, "watching": True}}},
            "Silence: james was not heard for 3 h of 30 d",
        ),
        (
            {"live": {"silence": {"silent_ms": 3 * HOUR_MS, "watching": False}}},
            "Silence: james is not linked, and was not heard for 3 h of 30 d; "
            "no other authority is linked, so it is not counted on",
        ),
        (
            {"live": {"silence": {"silent_ms": 31 * 24 * HOUR_MS, "watching": True}}},
            "Silence: james is not linked, and was not heard for 31 d of 30 d, and may be replaced; "
            "ask for it: asl recover",
        ),
        (
            {"live": {"silence": {"silent_ms": 15 * 24 * HOUR_MS, "watching": True}}},
            "Silence: james is not linked, and was not heard for 15 d of 30 d; see where that machine is: "
            "asl peers",
        ),
        (
            {"live": {"links": [{"name": "ann", "key": "ed25519:aa"}], "witness_heard_ms": 3 * HOUR_MS}},
            "Silence: the witness, james, is not linked, and was last heard 3 h ago: asl peers",
        ),
        (
            {"roles": ["authority"], "signers": {"usable": 1, "of": 2, "threshold": 2}},
            "Signers: one of two usable signers is left, and 2 have to agree: nobody can replace the witness "
            "or change the policy; bring back a key that is missing, or see docs/recovery.md",
        ),
        (
            {
                "roles": ["authority"],
                "signers": {"usable": 2, "of": 3, "threshold": 2},
                "candidates": ["dan"],
            },
            "Signers: two of three usable signers are left, and 2 have to agree: with one less nothing can "
            "be decided; add one: asl authority add dan",
        ),
        (
            {"floor": {"waits_for": {"height": 7, "id": "ab" * 32}}},
            "Waiting: for home@7 (abababababab), the floor given to this machine; "
            "nothing is adopted before it is here",
        ),
        (
            {"pinned": {"height": 40, "superseded": False}},
            "Pinned: reading stays at home@40; follow the newest again with: asl unpin",
        ),
        (
            {"stepped_down": {"height": 43, "witness": {"shown": "james"}, "superseded": 2}},
            "Note: this machine stepped down: the witness since home@43 is james; "
            "2 snapshots of its own superseded: asl log --superseded",
        ),
        ({"papers": [PAPER]}, "Open: ann does it (1 of 2: ann; missing ben)"),
        ({"standing": "unknown"}, "This machine: not admitted yet"),
        ({"standing": "expelled"}, "This machine: expelled"),
        ({"pending": 2}, "Pending: 2 proposals wait for the witness (james)"),
        ({"rejected": 1}, "Refused: 1 of yours; see why with: asl proposals"),
        ({"live": {"catch_up": {"target": 50}}}, "Catching up: @43 of @50"),
        ({"live": {"fetching": {"asked": 1, "queued": 2}}}, "Fetching: 3 pieces of content still to come"),
        (
            {
                "live": {
                    "links": [{"name": "ann", "key": "ed25519:aa"}, {"name": "", "key": "ed25519:0123456789"}]
                }
            },
            "Peers: ann, 01234567",
        ),
        ({"live": {"held_back": "so it is"}}, "Note: this machine endorses nothing more for now: so it is"),
    ],
)
def test_status_says_what_there_is_to_say(changes: dict[str, Any], line: str) -> None:
    lines = lines_of(common(**changes))
    assert lines[0] == "Common: home@43 (witness: james)" and line in lines
    assert line not in lines_of(common())


@pytest.mark.parametrize(
    "live",
    [
        {"silence": {"silent_ms": 59_000, "watching": True}},
        {"links": [JAMES], "silence": {"silent_ms": 2 * HOUR_MS, "watching": True}},
    ],
)
def test_a_witness_between_two_beacons_is_not_called_silent(live: dict[str, Any]) -> None:
    assert not any(line.startswith("Silence: james") for line in lines_of(common(live=live)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"accused": [{"shown": "ann"}]}, "ann HAS SIGNED TWO HISTORIES, and can be trusted with nothing"),
        ({"papers": [PAPER], "offers": ["1"]}, "ann does it (1 of 2: ann; missing ben)"),
        (
            {"dead_authorities": [{"name": "ben"}], "roles": ["authority"]},
            "the key of authority ben was revoked",
        ),
        ({"standing": "revoked"}, "this machine's key was revoked"),
        ({"live": {"read_only": "the disk is full"}}, "read-only: the disk is full"),
        (
            {"live": {"twin_at": "192.0.2.1"}},
            "another machine at 192.0.2.1 has a copy of this machine's key: neither may sign any more",
        ),
    ],
)
def test_what_wants_a_decision(changes: dict[str, Any], says: str) -> None:
    assert [text for text, _ in attention(common(**changes))] == [says]
    assert attention(common()) == []


@pytest.mark.parametrize(
    ("changes", "says", "remedy"),
    [
        ({"roles": ["authority"]}, "ann HAS", "revoke its key: asl evidence says what to type"),
        ({}, "ann HAS", "tell the authorities: asl evidence"),
        ({"papers": [PAPER | {"action": {"revoked": "k"}}]}, "ann HAS", "its revocation is proposed"),
        ({"self": True, "roles": ["authority"]}, "this machine's key HAS", "tell the authorities"),
    ],
)
def test_who_signed_two_histories_is_told_of_as_it_stands(
    changes: dict[str, Any], says: str, remedy: str
) -> None:
    accused = {"shown": "ann", "key": "k", "self": changes.pop("self", False)}
    ((text, typed),) = attention(common(accused=[accused], **changes))
    assert text.startswith(says) and typed.startswith(remedy)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"only_authority": True}, "asl vouch"),
        ({"roles": ["authority"]}, "asl policy replace-key"),
        ({"roles": ["witness"]}, "asl recover"),
        ({}, "a new home"),
    ],
)
def test_a_key_in_doubt_says_why_and_what_to_do(changes: dict[str, Any], remedy: str) -> None:
    ((text, typed),) = attention(common(stale="restored", **changes))
    assert text.endswith("(S11): restored") and remedy in typed


def test_figures() -> None:
    assert when(1 << 80).endswith(" ms") and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", when(0))


def test_progress_shows_itself_to_a_terminal_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aslp2p.cli.progress.PATIENCE_S", 0.0)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("writing \x1b[2J [b]x[/b]", 2) as progress:
            progress.step()
            progress.step()
        shown = screen.read(65536)
    assert b"writing \\u{1b}[2J [b]x[/b]" in shown


def test_progress_says_nothing_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("x", 1) as progress:
        progress.step()
    assert capsys.readouterr().err == ""


def run_apart(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`asl` as a process of its own, with nothing in its environment but this."""
    program = (sys.executable, "-c", "from aslp2p.cli import main; main()", *arguments)
    return subprocess.run(program, env=environment, capture_output=True, check=False)


def test_another_encoding_than_utf8_changes_no_name(asl: Asl, tmp_path: Path) -> None:
    """A file whose name is UTF-8 is that file, whatever the locale of whoever puts it."""
    home, name = str(tmp_path / "home"), "größe.txt"
    asl("init", "home", "--name", "ann")
    (tmp_path / name).write_text("x")
    latin = {"ASL_HOME": home, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with running(tmp_path / "home"):
        put = run_apart("put", str(tmp_path / name), "files/", **latin)
        assert put.returncode == 0 and name.encode() in put.stdout
        assert run_apart("get", f"files/{name}", **latin).stdout == b"x"
    assert asl("ls").stdout == f"files/{name}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be nobody")
def test_nobody_without_a_home_is_told_in_one_line() -> None:
    """No HOME, and no entry in the list of users."""
    code = """if 1:
        import os, platformdirs, platformdirs.unix, pwd  # what nobody may not be able to read
        from aslp2p.errors import UserError
        from aslp2p.home import Home
        os.setuid(54321)
        try:
            Home.locate(None, {})
        except UserError as error:
            print(error)
    """
    told = subprocess.run((sys.executable, "-c", code), env={}, capture_output=True, text=True, check=True)
    assert told.stdout == "nothing says where your files are: HOME is not set; name a home with --home DIR\n"
