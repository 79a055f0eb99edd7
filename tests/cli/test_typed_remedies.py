"""Every remedy that `asl status`, `health` and `doctor` can print is typed, on the machine that prints it.

A condition is brought about for real where that takes one machine, and by a daemon that says so where it
takes a network, a month or a fire. Each of its commands is then typed word for word, and has to work: with
the exit code that its help documents for that, and never 2 (typed wrongly) or 3 (no daemon).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import Result

from aslp2p.daemon.statuses import Conditions
from aslp2p.home import Home
from aslp2p.home.key import load_public_key
from aslp2p.home.retired import MOVING, Retired, write_retired
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.reader import PutMeta
from aslp2p.store.sqlite import SqliteStore
from aslp2p.views.conditions.find import Lasting
from aslp2p.views.conditions.table import KINDS
from tests.authorities import policy_text
from tests.cli.conftest import run_asl
from tests.cli.running import Daemon, let_in, running

ALSO = {"doctor": {4}, "fsck": {1}}
"""Exit codes besides 0 that a command may end with and have helped: what it looked for is there."""
QUIET = '[mdns]\nenabled = false\n[listen]\naddresses = ["127.0.0.1"]\nport = 0\n'
DAY_MS = 86_400_000


class Case(NamedTuple):
    """How a condition comes about on the machine `who`, and what `status` is to say of its Common."""

    who: str = "mia"
    live: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    common: dict[str, Any] = {}  # noqa: RUF012
    real: Callable[[Path], None] | None = None
    """What is done to its home before."""
    stopped: bool = False
    """No daemon runs."""
    own: bool = False
    """It has a home of its own, as what is typed changes it."""


def mark_stale(home: Path) -> None:
    """S11: the journal is in doubt."""
    (path,) = (home / "commons").glob("*/store.db")
    store = SqliteStore(path)
    store.apply([PutMeta(META_STALE, b"restored from a backup")])
    store.commit()
    store.close()


def half_moved(home: Path) -> None:
    """`asl move out` was stopped before its file was whole."""
    assert run_asl(home, "move", "out", str(home.parent / "a stick")).exit_code == 0
    (home.parent / "a stick").unlink()
    retired = Retired(MOVING, "00" * 16, 1, str(home.parent / "a stick"))
    write_retired(Home(home), retired)


def damage(home: Path) -> None:
    """The store cannot be opened."""
    (path,) = (home / "commons").glob("*/store.db")
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def rotate(home: Path) -> None:
    """The witness asks to be replaced by alice; alice's machine hears of it by a file."""
    paper = home.parent / "paper"
    with running(home.parent / "mia"):
        id_ = json.loads(run_asl(home.parent / "mia", "rotate", "alice", "--json").stdout)["proposal"]
    if home.name != "mia":
        done = run_asl(home.parent / "mia", "bundle", "create", "--proposal", id_, "-o", str(paper))
        assert done.exit_code == 0
        assert run_asl(home, "bundle", "import", str(paper)).exit_code == 0


def follow_a_folder(home: Path) -> None:
    (home.parent / "a folder").mkdir()
    with running(home):
        assert run_asl(home, "folder", "add", str(home.parent / "a folder")).exit_code == 0


def pin(home: Path) -> None:
    with running(home):
        assert run_asl(home, "pin", "@0").exit_code == 0


def unread(home: Path) -> None:
    """A notice that nobody has seen."""
    from aslp2p.home.notices import KeptNotice, Notice, save_notices

    save_notices(Home(home), [KeptNotice(Notice("x", "disk", "", "10 MiB are left", ""), 1)])


SILENCE = {"links": [], "is_authority": True, "beacon_interval_ms": 1}
ZOE = {"key": "ed25519:zoe", "name": "zoe", "seconds": 61, "member": False}
FLOOR = {"to": {"height": 1}, "at_ms": 1}

CASES: dict[str, list[Case]] = {
    "no-daemon": [Case(stopped=True, own=True)],
    "moved-away": [Case(stopped=True, real=half_moved, own=True)],
    "unseen": [Case(real=unread, own=True)],
    "no-network": [Case(live={"network": False})],
    "disk-low": [Case(live={"free_bytes": 1})],
    "clock-off": [Case(live={"wall_ms": 0})],
    "unreadable": [
        Case("sole", stopped=True, real=damage, own=True),
        Case("mia", common={"fault": "damaged"}, own=True),
    ],
    "stopped": [Case(live={"stopped": "an impossible thing"}, own=True)],
    "newer": [Case(live={"outdated": "it uses protocol 2"})],
    "damaged": [
        Case(live={"damaged": ["ab"]}, own=True),
        Case(live={"found_damaged": "a fact is damaged"}, own=True),
    ],
    "copied-key": [Case(live={"twin_at": "192.0.2.1"}, own=True)],
    "copied-member": [Case(live={"copied": ["zoe"]})],
    "two-finals": [Case(live={"conflict": ["ab" * 32, "cd" * 32]})],
    "refused": [Case(live={"refused_by": {"zoe": "this key was expelled"}})],
    "endorse": [Case("alice", real=rotate, own=True)],
    "key-marked": [Case("sole", real=mark_stale, own=True), Case("mia", real=mark_stale, own=True)],
    "key-idle": [Case(common={"stale": "restored", "roles": []})],
    "two-histories": [
        Case(common={"accused": [{"shown": "zoe", "key": "k"}]}),
        Case(common={"accused": [{"shown": "zoe", "key": "k"}], "papers": [], "roles": []}),
        Case(
            common={
                "accused": [{"shown": "zoe", "key": "k"}],
                "papers": [
                    {
                        "id": "1",
                        "author": {"shown": "ann"},
                        "words": "asks",
                        "action": {"revoked": "k"},
                        "paper": {"progress": "1 of 2"},
                    }
                ],
            }
        ),
    ],
    "dead-authority": [
        Case(common={"dead_authorities": [{"name": "alice"}]}, own=True),
        Case(common={"dead_authorities": [{"name": "alice"}], "candidates": []}),
    ],
    "read-only": [Case(live={"read_only": "the disk is full"})],
    "emptied": [Case(real=follow_a_folder, common={"folders": "braked"}, own=True)],
    "out": [Case(common={"standing": "expelled"}, own=True)],
    "too-few-signers": [Case(common={"signers": {"usable": 1, "of": 2, "threshold": 2}})],
    "last-signers": [
        Case(common={"signers": {"usable": 2, "of": 3, "threshold": 2}}, own=True),
        Case(common={"signers": {"usable": 2, "of": 3, "threshold": 2}, "candidates": []}),
    ],
    "silent": [Case("alice", live={**SILENCE, "silence": {"silent_ms": DAY_MS, "watching": True}})],
    "silent-half": [Case("alice", live={**SILENCE, "silence": {"silent_ms": 15 * DAY_MS, "watching": True}})],
    "silent-end": [
        Case("alice", live={**SILENCE, "silence": {"silent_ms": 30 * DAY_MS, "watching": True}}, own=True)
    ],
    "witness-away": [Case("alice", live={"silence": None, "links": [ZOE]})],
    "witness-full": [Case("alice", live={"witness_no_room_ms": 60_000})],
    "nobody-linked": [Case("alice")],
    "joining": [Case(common={"height": None}, live={"links": [ZOE]})],
    "no-quorum": [Case(live={"hears_quorum": False, "links": [ZOE]})],
    "idle": [Case(live={"not_emitting_because": "it is catching up"})],
    "held-back": [Case(live={"held_back": "it has endorsed enough (S14)"})],
    "link-ended": [Case(live={"refused_by": {"zoe": "full"}, "links": [ZOE]})],
    "member-away": [Case(live={"links": [ZOE]})],
    "joiner-waits": [Case(live={"links": [ZOE]})],
    "one-authority": [Case("sole", own=True)],
    "another-common": [Case("alone")],
    "stepped-down": [
        Case(common={"stepped_down": {"height": 1, "superseded": 2, "witness": {"shown": "zoe"}}})
    ],
    "floor-moved": [Case(common={"floor": {"moves": [FLOOR]}})],
    "retired-keys": [Case(common={"floor": {"retired": [{"signed_by": [{"shown": "zoe"}]}]}})],
    "finality": [
        Case("mia", real=rotate, own=True),
        Case("alice", live={"is_authority": True, "endorsed_epoch": 9}, own=True),
    ],
    "few-copies": [Case(live={"keeping": {"last": {"few": 3, "copies": 2}}})],
    "pinned": [Case(real=pin, own=True)],
    "rejected": [Case(common={"rejected": 1})],
    "folder": [Case(common={"folders": "problem"})],
    "conflict-file": [Case(common={"folders": "conflicts"})],
}


def cases(*, own: bool) -> list[Any]:
    """Parameters: each case with the code that it is about."""
    return [
        pytest.param(code, case, id=f"{code}-{number}")
        for code, some in CASES.items()
        for number, case in enumerate(some, 1)
        if case.own is own
    ]


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped homes: mia (the witness) and alice decide together, 2 of 2, zoe is in; `sole` decides alone,
    with two members; `alone` is empty."""
    folder = tmp_path_factory.mktemp("household")

    def typed(who: str, *words: str, **options: Any) -> Result:
        done = run_asl(folder / who, *words, **options)
        assert done.exit_code == 0, done.output + done.stderr
        return done

    for who in ("mia", "alice", "zoe", "sole", "alone"):
        typed(who, "self", "--name", who)
        (folder / who / "config.toml").write_text(QUIET)
    keys = {who: json.loads(typed(who, "self", "--json").stdout)["key"] for who in ("mia", "alice", "zoe")}
    text = policy_text([(who, keys[who]) for who in ("mia", "alice")], 2, "30d")
    typed("mia", "init", "home", "--policy", "-", input=text)
    typed("sole", "init", "home")
    typed("alone", "init", "home")
    with running(folder / "mia") as client:
        let_in(client, keys["zoe"], "zoe")
    with running(folder / "sole") as client:
        for who in ("alice", "zoe"):
            let_in(client, keys[who], who)
    typed("mia", "bundle", "create", "-o", str(folder / "all"))
    typed("alice", "bundle", "import", "--follow", str(folder / "all"))
    return folder


@pytest.mark.parametrize("code", KINDS)
def test_every_condition_is_brought_about_here(code: str) -> None:
    assert code in CASES


class Driven(Conditions):
    """What a daemon says when its Common is as a case wants it, and all of that has lasted for a day."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home
        self.case = Case()

    def look(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        live = self.case.live
        machine = answer["machine"] | {key: live[key] for key in answer["machine"].keys() & live.keys()}
        commons = [_changed(one, self.case, self.home) for one in answer["commons"]]
        changed = {**answer, "machine": machine, "commons": commons}
        lasting = Lasting()
        lasting.look(changed, 0)
        return lasting.look(changed, DAY_MS)


@contextmanager
def driven(home: Path) -> Iterator[Driven]:
    """A daemon for `home` that is driven."""
    conditions = Driven(home)

    def drive(daemon: Daemon) -> None:
        daemon.conditions = conditions

    with running(home, drive):
        yield conditions


@pytest.fixture(scope="module")
def shared(household: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Driven]]:
    """Daemons for what changes nothing."""
    folder = tmp_path_factory.mktemp("shared") / "homes"
    shutil.copytree(household, folder)
    with ExitStack() as stack:
        yield {who: stack.enter_context(driven(folder / who)) for who in ("mia", "alice", "alone")}


def conditions_of(home: Path, code: str) -> list[dict[str, Any]]:
    """Those of this kind in `asl status`, which has to have one."""
    status = json.loads(run_asl(home, "status", "--json").stdout)
    found = [one for one in status["conditions"] if one["code"] == code]
    assert found, [one["code"] for one in status["conditions"]]
    for one in found:
        assert all(command in one["remedy"] for command in one["commands"])
        assert one["asks"] == (one["text"] in {each["text"] for each in status["attention"]})
    return found


@pytest.mark.parametrize(("code", "case"), cases(own=False))
def test_what_a_condition_says_to_type_works(code: str, case: Case, shared: dict[str, Driven]) -> None:
    shared[case.who].case = case
    home = shared[case.who].home
    for command in conditions_of(home, code)[0]["commands"]:
        type_it(home, command)


@pytest.mark.parametrize(("code", "case"), cases(own=True))
def test_what_a_condition_says_to_type_changes_what_it_should(
    code: str, case: Case, household: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "household"
    shutil.copytree(household, folder)
    home = folder / case.who
    if case.real is not None:
        case.real(home)
    with ExitStack() as stack:
        if not case.stopped:
            stack.enter_context(driven(home)).case = case
        for command in conditions_of(home, code)[0]["commands"]:
            type_it(home, command)


def _changed(common: dict[str, Any], case: Case, home: Path) -> dict[str, Any]:
    changes = dict(case.common)
    if kind := changes.get("folders"):
        folder = {
            "folder": str(home.parent / "a folder"),
            "braked": 0,
            "held": 9,
            "problem": "",
            "conflicts": [],
        }
        wrong: dict[str, dict[str, Any]] = {
            "braked": {"braked": 5},
            "problem": {"problem": "it is gone"},
            "conflicts": {"conflicts": ["a"]},
        }
        changes["folders"] = [folder | wrong[str(kind)]]
    if "fault" in changes:
        fault = {"message": "the row of branch 0 is damaged", "remedy": "run `asl fsck`"}
        changes |= {"fault": fault, "height": None}
    return {**common, **changes, "live": {**common.get("live", {}), **case.live}}


def type_it(home: Path, command: str) -> None:
    """Type a command as it is printed; where it asks whether it is meant, it is."""
    words = shlex.split(command)
    if command == "asl up":
        return bring_up(home)
    if words[0] != "asl":
        assert subprocess.run(words, check=False, capture_output=True).returncode == 0, command
        return None
    done = run_asl(home, *words[1:])
    if done.exit_code == 2 and "say --yes if you mean it" in done.stderr:
        done = run_asl(home, *words[1:], "--yes")
    fine = {0} | ALSO.get(words[1], set())
    assert done.exit_code in fine, f"{command}: {done.exit_code} {done.output} {done.stderr}"
    return None


def bring_up(home: Path) -> None:
    """`asl up` until it says that it is ready."""
    asl = [sys.executable, "-c", "from aslp2p.cli import main; main()", "up"]
    environment = {**os.environ, "ASL_HOME": str(home)}
    with subprocess.Popen(asl, env=environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("asl: home@")
        up.terminate()
        assert up.wait(30) == 0


def test_the_key_of_a_home_is_what_the_household_knows(household: Path) -> None:
    """The homes are real: each has its key, and alice follows mia's Common."""
    keys = {who: load_public_key(Home(household / who)) for who in ("mia", "alice")}
    assert len(set(keys.values())) == 2
    assert json.loads(run_asl(household / "alice", "status", "--json").stdout)["commons"][0]["height"] == 1


def test_a_command_that_does_not_work_is_noticed(household: Path) -> None:
    for command in ("asl banish zoe", "asl peers", "asl show @99"):
        with pytest.raises(AssertionError):
            type_it(household / "alone", command)


def test_what_doctor_says_to_type_about_this_machine_works(household: Path, tmp_path: Path) -> None:
    """A home that others can read, and a key that they can."""
    home = tmp_path / "home"
    shutil.copytree(household / "alone", home)
    home.chmod(0o755)
    checks = json.loads(run_asl(home, "doctor", "--json").stdout)["checks"]
    typed = [one["remedy"].removeprefix("type: ") for one in checks if one["check"] == "permissions"]
    assert typed and subprocess.run(shlex.split(typed[0]), check=False).returncode == 0
    checks = json.loads(run_asl(home, "doctor", "--json").stdout)["checks"]
    assert all(one["grade"] == "ok" for one in checks if one["check"] == "permissions")
