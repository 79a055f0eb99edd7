"""Reading a stopped home, at every version, as people and as scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Timer

import pytest

from aslp2p.cli import source
from aslp2p.errors import UserError
from aslp2p.home import Home, lock
from aslp2p.home.lock import READER, HomeLock
from tests.cli.conftest import Asl
from tests.cli.running import running

CAT = b"another cat" * 200_000


def test_ls(kept: Asl) -> None:
    assert kept("ls").stdout == "photos/cat.jpg\nrun.sh\n"
    assert kept("ls", "@3").stdout == "photos/cat.jpg\nreadme\nrun.sh\n"
    assert kept("ls", "photos", "--at", "2").stdout == "photos/cat.jpg\n"
    assert kept("ls", "photos/@1").stdout == ""
    long = kept("ls", "-l").stdout.splitlines()
    assert long[0].split()[:5] == ["-", "2.1", "MiB", "@4", "ann"] and long[1].startswith("x  10 B")
    entries = json.loads(kept("ls", "--json").stdout)["entries"]
    assert [entry["size"] for entry in entries] == [len(CAT), 10]


def test_get(kept: Asl, tmp_path: Path) -> None:
    assert kept("get", "readme@3").stdout_bytes == b"read me\n"
    assert kept("get", "photos/cat.jpg").stdout_bytes == CAT
    assert kept("get", "photos/cat.jpg@2").stdout_bytes == b"cat"
    out = tmp_path / "out"
    out.write_bytes(b"before")
    assert kept("get", "photos/cat.jpg", "-o", str(out)).exit_code == 0
    assert sha256(out.read_bytes()).digest() == sha256(CAT).digest()
    assert kept("get", "run.sh", "-o", f"{tmp_path}/").exit_code == 0
    assert (tmp_path / "run.sh").stat().st_mode & 0o111
    written = json.loads(kept("get", "run.sh", "-o", str(out), "--json").stdout)
    assert written["written"] == str(out) and out.read_bytes() == b"#!/bin/sh\n"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".asl-")]


def test_log_show_diff(kept: Asl) -> None:
    log = kept("log").stdout
    assert [line.split()[0] for line in log.splitlines() if line.startswith("@")] == [
        f"@{n}" for n in range(5, -1, -1)
    ]
    assert "    ann removes readme" in log
    assert [line.split()[0] for line in kept("log", "photos").stdout.splitlines() if line[0] == "@"] == [
        "@4",
        "@2",
    ]
    assert len(json.loads(kept("log", "-n", "2", "--json").stdout)["snapshots"]) == 2
    assert kept("log", "--before", "@2").stdout.startswith("@1 ")
    assert kept("log", "@1").stdout == kept("log", "--before", "@2").stdout
    assert kept("log", "photos/cat.jpg@3").stdout.startswith("@2 ")
    assert kept("diff", "@1").stdout.split() == [
        "+",
        "2.1",
        "MiB",
        "photos/cat.jpg",
        "-",
        "readme",
        "+",
        "10",
        "B",
        "run.sh",
    ]
    assert kept("diff").stdout.split() == ["-", "readme"]
    assert kept("diff", "@2", "@4").stdout.splitlines()[0].startswith("~")
    shown = kept("show", "@4").stdout
    assert "Version:   @4" in shown and "ann puts photos/cat.jpg (2.1 MiB)" in shown
    proposal = json.loads(kept("show", "@4", "--json").stdout)["proposals"][0]["id"]
    assert "State:     in @4" in kept("show", proposal[:12]).stdout
    assert "Version:   @2 (as of @3)" in kept("show", "photos/cat.jpg@3").stdout
    assert "@0, the genesis of home" in kept("show", "@0").stdout


def test_verify_and_fsck(kept: Asl) -> None:
    assert kept("verify").stdout.startswith("home@0 to home@5 hold: 6 versions, every signature.\n")
    assert json.loads(kept("verify", "@3", "--json").stdout)["checked"] == 3
    assert kept("fsck").stdout == "1 Common: everything is as it was written.\n"
    assert json.loads(kept("fsck", "--json").stdout) == {"schema": 1, "findings": [], "commons": 1}


def test_fsck_finds_a_flipped_bit_and_ends_with_1(kept: Asl, tmp_path: Path) -> None:
    chunk = max((tmp_path / "kept" / "commons").glob("*/store.contents/*/*"))
    data = bytearray(chunk.read_bytes())
    data[5] ^= 4
    chunk.write_bytes(data)
    found = kept("fsck")
    assert found.exit_code == 1 and "asl fsck --repair" in found.stdout
    got = kept("get", "photos/cat.jpg", "-o", str(tmp_path / "out"))
    assert got.exit_code == 1 and got.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
    kept("fsck", "--repair")
    assert kept("fsck").exit_code == 0
    missing = kept("get", "photos/cat.jpg", "-o", str(tmp_path / "out"))
    assert missing.exit_code == 1 and "have not all arrived on this machine yet" in missing.stderr


def test_members_policy_proposals(kept: Asl) -> None:
    assert kept("members").stdout.split()[:4] == ["ann", "(you)", "witness,", "authority"]
    assert kept("members", "--at", "0").exit_code == 0
    assert kept("policy", "show").stdout.startswith("common_policy:\n")
    assert kept("policy", "show", "@0", "--json").exit_code == 0
    assert kept("proposals").stdout == "Nothing waits, and nothing was refused.\n"


def test_policy_show_can_be_checked_again(kept: Asl, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(kept("policy", "show").stdout)
    assert kept("policy", "check", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (
            ["ls", "@6"],
            1,
            "@6 does not exist yet: the newest here is @5; wait for it, or ask for an older one",
        ),
        (["get", "nothing"], 1, "nothing is not there at @5; see what is with `asl ls`"),
        (["get", "readme"], 1, "readme is not there at @5; it is there at @1: readme@1"),
        (["get", "photos"], 1, "photos is a folder; list it with `asl ls photos`"),
        (["get", "@3"], 2, "get writes out one file; name its path"),
        (["get", "readme@3", "--at", "2"], 2, "readme@3 and --at 2 are two versions; name one of them"),
        (["get", "run.sh", "--json"], 2, "--json answers on standard output"),
        (["get", "run.sh", "-o", "/nowhere/x"], 1, "cannot write into /nowhere (No such file or directory)"),
        (["diff", "1"], 2, "'1' is no version; write @ and a number, as in @42"),
        (["diff", "@9"], 1, "@9 does not exist yet"),
        (["log", "-n", "0"], 2, "invalid value for '-n'"),
        (["log", "@1", "--before", "@2"], 2, "@1 and --before @2 are two ends; name one of them"),
        (["log", "@99"], 1, "@99 does not exist yet"),
        (["show", "ffffffff"], 1, "nothing here has an id that begins with ffffffff"),
        (["verify", "@9"], 1, "@9 does not exist yet"),
        (["verify", "9"], 2, "'9' is no version"),
        (["ls", "--common", "nobody"], 2, "no Common here is called 'nobody'"),
        (["ls", "--common", "\x1b]0;"], 2, "no Common here is called '\\u{1b}]0;'"),
        (["status", "--common", "nobody"], 2, "no Common here is called 'nobody'; see `asl common list`"),
        (["nonsense"], 2, "no such command 'nonsense'; see `asl --help`"),
        (["ls", "--nonsense"], 2, "no such option '--nonsense'|no such option: --nonsense"),
        (["ls", "a", "b"], 2, "got unexpected extra argument (b); see `asl ls --help`"),
        (["ls", "--at", "-1"], 2, "invalid value for '--at'"),
        (["get", "\udcff"], 2, "'\\udcff' is not UTF-8"),
        (["members", "nobody"], 2, "no such command 'nobody'; see `asl members --help`"),
        (["policy", "--json"], 2, "missing command; see `asl policy --help`"),
        (["put", "a", "b"], 3, "no daemon is running for"),
        (["rm", "a"], 3, "start it with `asl up`"),
        (["invite"], 3, "start it with `asl up`"),
        (["peers"], 3, "start it with `asl up`"),
        (["members", "admit", "ed25519:00", "x"], 3, "start it with `asl up`"),
        (["members", "expel", "x"], 3, "start it with `asl up`"),
        (["put", "a"], 2, "where to is a to be put; type: asl put a PATH"),
        (["put", "a", "b", "c"], 2, "c is to hold several files; write it as a folder: c/"),
        (["put", "-", "photos/"], 2, "standard input has no name of its own"),
        (["put", "a", "b", "--expect", "12"], 2, "--expect 12 is no content id"),
        (["put", "a", "b", "--expect", "nothing", "--if-unchanged"], 2, "say two things"),
        (["ls", "nothere"], 1, "there is nothing at nothere; see what is with `asl ls`"),
        (["log", "nothere"], 1, "nothing at nothere ever changed; see what there is with `asl ls`"),
        (["put", "-r", "tree"], 2, "where to is tree to be put; type: asl put -r tree PATH"),
        (["up", "--peer", "foo"], 2, "--peer foo is no host and port; write alice.local:4711 or"),
        (["up", "--listen", "foo"], 2, "--listen foo is no IP address; write one of this machine's"),
        (["fsck", "--common", "nobody"], 2, "no Common here is called 'nobody'; use the id of one of"),
        (["checkout", "/proc/self"], 1, "cannot write into /proc/self ("),
        (["completion"], 2, "missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish; see"),
        (["completion", "tcsh"], 2, "invalid value for '{bash|zsh|fish}'|invalid value for 'SHELL"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    kept: Asl, arguments: list[str], code: int, says: str
) -> None:
    result = kept(*arguments)
    assert result.exit_code == code, result.output
    assert any(part in result.stderr for part in says.split("|")), result.stderr
    assert result.stderr.startswith("asl: ") and "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 1
    if "--json" in arguments:
        assert json.loads(result.stdout)["error"]["exit_code"] == code
    else:
        assert not result.stdout


@pytest.mark.parametrize(("group", "has"), [("", "checkout"), ("policy", "replace-key"), ("common", "use")])
def test_a_group_by_itself_shows_what_there_is_and_ends_with_2(asl: Asl, group: str, has: str) -> None:
    result = asl(*filter(None, [group]))
    assert result.exit_code == 2 and not result.stdout
    assert result.stderr.startswith(f"Usage: asl {group}".rstrip()) and f"\n  {has} " in result.stderr


def test_a_home_that_follows_nothing_says_how_to_begin(asl: Asl) -> None:
    asl("self")
    for arguments in (["status"], ["ls"], ["fsck"]):
        refused = asl(*arguments)
        assert (refused.exit_code, refused.stderr) == (
            1,
            "asl: this home follows no Common; type `asl init NAME` or `asl join INVITE`\n",
        )
    listed = asl("common", "list")
    assert (listed.exit_code, listed.stdout) == (0, "") and "`asl init NAME`" in listed.stderr


def test_a_key_that_is_lost_is_not_quietly_another_one(kept: Asl, tmp_path: Path) -> None:
    key = tmp_path / "kept" / "key"
    key.unlink()
    for arguments in (["self"], ["init", "team"]):
        refused = kept(*arguments)
        assert refused.exit_code == 1 and "is lost; put it back from a backup" in refused.stderr
    assert not key.exists()


def test_fsck_of_what_cannot_be_opened_goes_on_with_the_others(kept: Asl, tmp_path: Path) -> None:
    assert kept("init", "team").exit_code == 0 and kept("init", "empty").exit_code == 0
    commons = json.loads(kept("status", "--json").stdout)["commons"]
    folders = {one["name"]: tmp_path / "kept" / "commons" / one["id"][:16] for one in commons}
    (folders["team"] / "store.db").write_bytes(b"no database" * 1000)
    (folders["empty"] / "store.db").unlink()
    found = kept("fsck", "--repair")
    assert found.exit_code == 1 and found.stdout.count("\n") == 2
    for name, what in (("team", "nothing of it can be read"), ("empty", "there is no store at")):
        short = folders[name].name
        assert f"{short}: {what}" in found.stdout
        assert f"type `asl common forget {short}` and join again: others have the rest" in found.stdout
    assert not (folders["empty"] / "store.db").exists()
    assert kept("fsck", "--common", "home").stdout == "1 Common: everything is as it was written.\n"


def test_without_a_home_it_says_how_to_begin(asl: Asl) -> None:
    for arguments in (["status"], ["ls"], ["up"], ["put", "a", "b"], ["fsck"], ["common", "list"]):
        result = asl(*arguments)
        assert result.exit_code == 1 and result.stderr.endswith(
            "; type `asl init NAME` or `asl join INVITE`\n"
        )


def test_commands_that_need_nothing(asl: Asl) -> None:
    assert asl("version").stdout.startswith("aslp2p ")
    assert json.loads(asl("version", "--json").stdout)["protocol"] == 1
    for shell in ("bash", "zsh", "fish"):
        assert "_ASL_COMPLETE" in asl("completion", shell).stdout
    assert "checkout" in asl("--help").stdout and asl("ls", "--help").exit_code == 0


def test_a_reader_that_has_enough_ends_it_quietly(filled: Path) -> None:
    """`asl log | head -1`: no traceback, no complaint."""
    command = f"{sys.executable} -c 'from aslp2p.cli import main; main()' log --home {filled} | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b"@", b"")


LIGHT = [
    "trio",
    "zeroconf",
    "rich",
    "msgspec",
    "msgpack",
    "nacl",
    "sqlite3",
    "ruamel",
    "segno",
    "aslp2p.ledger",
]


def test_status_of_a_running_daemon_loads_nothing_heavy(kept: Asl, tmp_path: Path) -> None:
    """`asl status` has to answer at once: what it does not load, it does not wait for."""
    with running(tmp_path / "kept"):
        lines = loaded_by_status(tmp_path / "kept", LIGHT)
    assert lines[0] == "Common: home@5 (witness: ann)"
    assert lines[-1] == "[]"


def test_status_of_a_stopped_home_loads_no_questions(kept: Asl, tmp_path: Path) -> None:
    assert loaded_by_status(tmp_path / "kept", ["trio", "aslp2p.views.queries"])[-1] == "[]"


def loaded_by_status(home: Path, modules: list[str]) -> list[str]:
    """What `asl status` says in a process of its own, and a last line: which of `modules` it has loaded."""
    script = (
        "import sys\nfrom aslp2p.cli import main\n"
        "try:\n    main(['status'])\nexcept SystemExit as done:\n    assert not done.code\n"
        f"print(sorted(name for name in {modules} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"ASL_HOME": str(home)},
    )
    return done.stdout.splitlines()


def test_several_readers_at_once_and_no_daemon_meanwhile(
    kept: Asl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "kept")
    monkeypatch.setattr(lock, "WAIT_S", 0.2)
    monkeypatch.setattr(source, "SETTLE_S", 0.2)
    with HomeLock(home, READER, shared=True):
        assert kept("ls").exit_code == 0
        with (
            pytest.raises(UserError, match="a command that reads it is already running for this home"),
            HomeLock(home),
        ):
            pass
    with HomeLock(home):
        refused = kept("ls")
    assert refused.exit_code == 1 and "asl up is already running for this home (pid" in refused.stderr


def test_a_daemon_waits_for_a_reader_and_a_reader_for_a_daemon_that_starts(kept: Asl, tmp_path: Path) -> None:
    home = Home(tmp_path / "kept")
    reader = HomeLock(home, READER, shared=True)
    reader.__enter__()
    Timer(0.3, reader.__exit__, (None, None, None)).start()
    with HomeLock(home):
        starting = ThreadPoolExecutor().submit(kept, "ls")
    with running(tmp_path / "kept"):
        assert starting.result(20).exit_code == 0


def test_get_replaces_files_only(kept: Asl, tmp_path: Path) -> None:
    """`-o /dev/null` as root would take the device away from everybody."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_text("mine")
    link.symlink_to(file)
    for target, why in (
        ("/dev/null", "is a device"),
        (str(pipe), "is a device"),
        (str(link), "is a symbolic link"),
    ):
        result = kept("get", "run.sh", "-o", target)
        assert result.exit_code == 1 and result.stderr.startswith(f"asl: {target} {why}")
        assert kept("prove", "run.sh", "-o", target).exit_code == 1
        assert kept("bundle", "create", "-o", target).exit_code == 1
    assert Path("/dev/null").is_char_device() and pipe.is_fifo() and link.is_symlink()
    assert file.read_text() == "mine"


def test_get_keeps_the_modification_time_and_the_executable_bit(kept: Asl, tmp_path: Path) -> None:
    for path in ("run.sh", "photos/cat.jpg"):
        assert kept("get", path, "-o", str(tmp_path / "out")).exit_code == 0
        status = (tmp_path / "out").stat()
        shown = json.loads(kept("show", path, "--json").stdout)
        assert status.st_mtime_ns == shown["modified_ms"] * 10**6 > 0
        assert bool(status.st_mode & 0o100) == shown["executable"]
