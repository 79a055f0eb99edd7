"""Calling the person: what is an occasion, that each is told once on each way, a real program, a real bus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.trio import open_dbus_connection

from aslp2p.artifacts.token import bear, make_token, read_shown
from aslp2p.artifacts.types import Admit
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.daemon import TOPICS
from aslp2p.daemon.desktop import Desktop, session_bus
from aslp2p.daemon.notices import CannotTell, Notices
from aslp2p.daemon.notify_command import NotifyCommand
from aslp2p.home import Home
from aslp2p.home.notices import KeptNotice, Notice, load_notices, save_notices
from aslp2p.limits import DISK_LOW_BYTES
from aslp2p.views.conditions.find import Lasting
from aslp2p.views.notices import condition_notices, disk_notice, folder_notices, used_invites
from tests.cli.conftest import run_asl
from tests.cli.running import running
from tests.views.histories import DAY_MS, History, Key

ONE = Notice("endorsement 1", "endorsement", "home", "ann asks <you> & others", "asl endorse 1", True)
TWO = Notice("disk", "disk", "", "10 MiB are left", "")

# --- what is an occasion ------------------------------------------------------------------------------

PAPER = {
    "id": "84",
    "author": {"shown": "ann"},
    "words": "asks",
    "paper": {"command": "asl endorse 84", "progress": "1 of 2"},
}
LINK = {"key": "ed25519:zoe", "name": "zoe", "member": False, "seconds": 61}


def common(live: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A Common with which all is well."""
    plain = {
        "id": "ab" * 32,
        "name": "home",
        "height": 3,
        "papers": [],
        "offers": [],
        "stale": None,
        "accused": [],
        "standing": "admitted",
        "grace_period_ms": 30 * DAY_MS,
        "witness": {"shown": "james", "key": "ed25519:james"},
        "default": True,
        "only_authority": False,
        "beacon_interval_ms": 3_600_000,
        "live": {"links": [], "silence": None, **(live or {})},
    }
    return plain | changes


def common_notices(one: dict[str, Any]) -> list[Notice]:
    """What the conditions of a Common call a person for."""
    answer = {"daemon": {}, "machine": {}, "commons": [one]}
    return list(condition_notices(Lasting().look(answer, 0)))


def silent(days: float) -> dict[str, Any]:
    return {"silence": {"silent_ms": int(days * DAY_MS), "watching": True}}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"height": None, "live": silent(40)}, []),
        ({"papers": [PAPER]}, []),
        ({"papers": [PAPER], "offers": ["84"]}, ["endorsement"]),
        ({"live": silent(14.9)}, []),
        ({"live": silent(15)}, ["silence-half"]),
        ({"live": silent(30)}, ["silence-end"]),
        ({"live": {"stopped": "S14"}}, ["frozen"]),
        ({"live": {"conflict": ["aa", "bb"]}}, ["frozen"]),
        ({"stale": "an old copy"}, ["key-marked"]),
        ({"accused": [{"shown": "ann", "key": "k"}]}, ["conflict"]),
        ({"live": {"links": [LINK]}}, ["joiner"]),
        ({"live": {"links": [LINK | {"seconds": 5}]}}, []),
        ({"live": {"links": [LINK | {"member": True}]}}, []),
        ({"live": {"links": [LINK]}, "standing": "unknown"}, []),
    ],
)
def test_occasions_of_a_common(changes: dict[str, Any], kinds: list[str]) -> None:
    found = list(common_notices(common(**changes)))
    assert [notice.kind for notice in found] == kinds
    assert all(notice.common == "home" and notice.remedy for notice in found)


def test_another_paper_is_another_occasion() -> None:
    keys = {
        notice.key
        for id_ in ("84", "85")
        for notice in common_notices(common(papers=[PAPER | {"id": id_}], offers=[id_]))
    }
    assert len(keys) == 2


def test_names_of_others_control_no_screen() -> None:
    (notice,) = common_notices(common(accused=[{"shown": "ann\x1b[2J", "key": "k"}]))
    assert "\x1b" not in notice.text


def test_files_in_two_versions_and_a_full_disk() -> None:
    assert list(folder_notices([{"folder": "/a", "conflicts": []}])) == []
    (notice,) = folder_notices([{"folder": "/a", "conflicts": ["x", "y"]}])
    assert (notice.kind, notice.text) == ("conflict", "/a holds 2 files in two versions")
    assert [one.kind for one in disk_notice(DISK_LOW_BYTES - 1, already=False)] == ["disk"]
    assert list(disk_notice(DISK_LOW_BYTES, already=False)) == []
    # around the bound it is told once
    assert [one.kind for one in disk_notice(2 * DISK_LOW_BYTES - 1, already=True)] == ["disk"]
    assert list(disk_notice(2 * DISK_LOW_BYTES, already=True)) == []


def test_whoever_made_an_invite_hears_that_it_was_used() -> None:
    history, dan = History(), Key(9)
    token = make_token(history.id, 2**50, 1, bytes(32), history.ben)[1]
    admit = history.propose(Admit(dan.key, "dan", read_shown(bear(token, dan.key))), history.ann)
    history.emit(admit)
    known: dict[bytes, bool] = {}
    (notice,) = used_invites(history.view(history.ben), history.ben.key, known)
    assert (notice.kind, notice.text) == ("invite", "dan came in with an invite of yours")
    assert known[admit.id]
    assert used_invites(history.view(history.ann), history.ann.key, {}) == []
    assert used_invites(history.view(dan), dan.key, {}) == []


# --- each once, until seen ----------------------------------------------------------------------------


class Told:
    """A way that writes down what it tells, and fails while `failing`."""

    name = "told"

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.failing = 0
        self.failed = 0
        self.event = trio.Event()

    async def tell(self, kept: KeptNotice) -> None:
        if self.failed < self.failing:
            self.failed += 1
            raise CannotTell("nobody is there")
        self.keys.append(kept.notice.key)
        self.event.set()

    async def until(self, count: int) -> None:
        while len(self.keys) < count:
            self.event = trio.Event()
            await self.event.wait()


class Machine:
    """A home whose occasions are `now`."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path / "home")
        self.home.create()
        self.now: list[Notice] = []
        self.way = Told()

    def notices(self) -> tuple[Notices, EventSource]:
        events = EventSource(TOPICS)

        async def find() -> list[Notice]:
            return list(self.now)

        return Notices(self.home, events, [self.way], list, find, retry_s=0.001), events

    async def run(self, notices: Notices, count: int) -> None:
        """Until `count` were told in all."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notices.run)
            with trio.fail_after(20):
                await self.way.until(count)
            nursery.cancel_scope.cancel()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_each_is_told_once_also_after_a_restart(machine: Machine) -> None:
    machine.now = [ONE]
    await machine.run(machine.notices()[0], 1)
    machine.now = [ONE, TWO]
    again = machine.notices()[0]
    await machine.run(again, 2)
    assert machine.way.keys == [ONE.key, TWO.key]
    assert [one["key"] for one in again.shown()] == [ONE.key, TWO.key]


async def test_a_way_that_nobody_answers_is_tried_again(machine: Machine) -> None:
    machine.now, machine.way.failing = [ONE, TWO], 3
    await machine.run(machine.notices()[0], 2)
    assert (machine.way.failed, machine.way.keys) == (3, [ONE.key, TWO.key])


async def test_what_was_seen_is_told_no_more_and_its_next_occasion_is(machine: Machine) -> None:
    notices, _ = machine.notices()
    notices._take([ONE], first=False)
    notices.see([ONE.key, "no such key"])
    assert notices.shown() == []
    assert not notices._take([ONE], first=False)  # still the same occasion
    assert notices._take([], first=False)  # it has passed
    notices._take([ONE], first=False)
    assert [one["key"] for one in notices.shown()] == [ONE.key]


async def test_what_passed_unseen_is_kept_for_the_person(machine: Machine) -> None:
    notices, _ = machine.notices()
    notices._take([ONE], first=False)
    notices._take([], first=False)
    assert [(one["key"], one["over"]) for one in notices.shown()] == [(ONE.key, True)]
    notices.see([ONE.key])
    assert load_notices(machine.home) == []


async def test_invites_used_before_are_no_news(machine: Machine) -> None:
    notices, _ = machine.notices()
    notices._take([Notice("invite 1", "invite", "home", "dan came in", ""), ONE], first=True)
    assert [one["key"] for one in notices.shown()] == [ONE.key]


async def test_damaged_list_is_begun_anew(machine: Machine) -> None:
    (machine.home.path / "notices").write_text("[{]")
    machine.now = [ONE]
    await machine.run(machine.notices()[0], 1)
    kept = load_notices(machine.home)
    assert kept is not None and [one.told for one in kept] == [["told"]]


# --- a program ----------------------------------------------------------------------------------------

PROGRAM = """
import os, sys
open(sys.argv[1], "w").write(sys.stdin.read() + str("ASL_PASSPHRASE" in os.environ))
"""
HANGS = """
import subprocess, sys
subprocess.run(["sh", "-c", 'exec 3> "$0"; echo up >&3; sleep 1000', sys.argv[1]])
"""


async def test_program_gets_one_line_of_json_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASL_PASSPHRASE", "secret")
    out = tmp_path / "$(touch x); out"  # no shell reads it
    await NotifyCommand([sys.executable, "-c", PROGRAM, str(out)]).tell(KeptNotice(ONE, 5))
    line, secret = out.read_text().split("\n")
    assert secret == "False"
    assert json.loads(line) == {
        "schema": 1,
        "key": ONE.key,
        "kind": "endorsement",
        "common": "home",
        "text": ONE.text,
        "remedy": "asl endorse 1",
        "urgent": True,
        "at_ms": 5,
        "over": False,
    }


@pytest.mark.parametrize("words", [["/bin/false"], ["/no/such/program"], ["/etc/passwd"]])
async def test_program_that_fails_has_told_nobody(words: Sequence[str]) -> None:
    with pytest.raises(CannotTell, match=words[0]):
        await NotifyCommand(words).tell(KeptNotice(ONE, 5))


async def test_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(CannotTell, match="did not end"):
        await NotifyCommand([sys.executable, "-c", HANGS, str(pipe)], timeout_s=1.0).tell(KeptNotice(ONE, 5))
    with trio.fail_after(20):  # a child that lives holds its end of the pipe
        while True:
            await trio.lowlevel.wait_readable(heard)
            if not os.read(heard, 100):
                break
    os.close(heard)


# --- a bus --------------------------------------------------------------------------------------------


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A session bus of the test's own."""
    place = f"unix:path={tmp_path}/bus"
    try:
        daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address={place}"],
            stdout=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("no dbus-daemon here")
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    yield address
    daemon.kill()
    daemon.wait()


async def serve_notifications(address: str, shown: list[Any], came: trio.Event, *, markup: bool) -> None:
    """What a desktop does."""
    connection = await open_dbus_connection(address)
    async with connection.router() as router:
        await router.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"))
    while True:
        message = await connection.receive()
        if message.header.message_type is not MessageType.method_call:
            continue
        member = message.header.fields[HeaderFields.member]
        if member == "GetCapabilities":
            reply = new_method_return(message, "as", (["body", *(["body-markup"] if markup else [])],))
        elif member == "Notify":
            shown.append(message.body)
            reply = new_method_return(message, "u", (len(shown),))
        else:
            reply = new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")
        await connection.send(reply)
        if shown:
            came.set()


@pytest.mark.parametrize("markup", [True, False])
async def test_desktop_shows_what_happened_and_what_to_type(bus: str, markup: bool) -> None:
    shown: list[Any] = []
    way, came = Desktop(), trio.Event()
    with pytest.raises(CannotTell, match="nobody shows notifications"):
        await way.tell(KeptNotice(ONE, 5))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: serve_notifications(bus, shown, came, markup=markup))
        with trio.fail_after(20):
            while not came.is_set():
                try:
                    await way.tell(KeptNotice(ONE, 5))
                except CannotTell:  # the desktop is not up yet
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    app, replaces, _, title, body, _, hints, _ = shown[0]
    assert (app, replaces, title, hints["urgency"]) == ("aslp2p", 0, "aslp2p: home", ("y", 2))
    text = "ann asks &lt;you&gt; &amp; others" if markup else ONE.text
    assert body == f"{text}\nasl endorse 1"


async def test_without_a_bus_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(CannotTell, match="no session bus"):
        await Desktop().tell(KeptNotice(ONE, 5))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    with pytest.raises(CannotTell):
        await Desktop().tell(KeptNotice(ONE, 5))


async def test_a_bus_that_says_nonsense_tells_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def nonsense(stream: trio.SocketStream) -> None:
        await stream.send_all(b"OK \xff\xff nonsense\r\n" * 3)
        await stream.aclose()

    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(str(tmp_path / "bus"))
    listener.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, nonsense, [trio.SocketListener(listener)])
        with pytest.raises(CannotTell):
            await Desktop().tell(KeptNotice(ONE, 5))
        nursery.cancel_scope.cancel()


def test_bus_of_a_service_is_found_by_its_place(bus: str, tmp_path: Path) -> None:
    assert session_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix:path={tmp_path}/bus"
    assert session_bus({"XDG_RUNTIME_DIR": str(tmp_path / "other")}) is None
    assert session_bus({"DBUS_SESSION_BUS_ADDRESS": bus}) == bus


# --- what a person types ------------------------------------------------------------------------------


def test_notices_are_shown_until_they_were_seen(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run_asl(home, "init", "home", "--name", "ann").exit_code == 0
    save_notices(Home(home), [KeptNotice(ONE, 5)])
    with running(home):
        status = run_asl(home, "status").stdout
        kept = run_asl(home, "notices", "--keep", "--json").stdout
        first = run_asl(home, "notices").stdout
        second = run_asl(home, "notices").stdout
    assert "Notices: 1 not seen yet: asl notices" in status
    assert json.loads(kept)["notices"][0]["key"] == ONE.key
    assert ONE.text in first and second == "nothing that you have not seen\n"
    assert run_asl(home, "notices").exit_code == 3
