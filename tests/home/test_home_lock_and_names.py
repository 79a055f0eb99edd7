"""One daemon a home, and what a home calls itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.text import name_problem
from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home
from aslp2p.home.lock import HomeLock
from aslp2p.home.names import choose_name, name_from_host, name_is_chosen, own_name

HOLD = """
import sys
from aslp2p.home import Home
from aslp2p.home.lock import HomeLock
with HomeLock(Home(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_the_second_daemon_is_told_who_the_first_is(home: Home) -> None:
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        says = rf"asl up is already running for this home \(pid {first.pid}\)"
        for _ in range(2):
            with pytest.raises(UserError, match=says), HomeLock(home):
                pass
        first.send_signal(signal.SIGKILL)
        first.wait(20)
    with HomeLock(home):  # a killed daemon holds nothing
        assert home.lock.read_text() == f"{os.getpid()}\nasl up\n"


def test_another_holder_is_called_by_its_command(home: Home) -> None:
    with HomeLock(home, "asl fsck"), pytest.raises(UserError, match=r"asl fsck is already running .*pid"):
        HomeLock(home).__enter__()
    with HomeLock(home, "asl fsck"):
        home.lock.write_bytes(b"\xff\n")
        with pytest.raises(UserError, match="already running for this home; wait for it, or stop it"):
            HomeLock(home).__enter__()
    assert home.lock.stat().st_mode & 0o777 == 0o600


def test_no_home_no_lock(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot open"), HomeLock(Home(tmp_path / "nothing")):
        pass


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Alices-MacBook-Pro.local", "alices-macbook-pro"),
        ("JAMES", "james"),
        ("büro pc", "b-ro-pc"),
        ("--", "node"),
        ("", "node"),
        ("日本", "node"),
        ("a" * 300, "a" * 64),
    ],
)
def test_a_name_from_the_host(host: str, name: str) -> None:
    assert name_from_host(host) == name


@given(st.text())
def test_any_host_gives_a_name(host: str) -> None:
    assert name_problem(name_from_host(host)) is None


def test_a_chosen_name_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Kitchen.lan")
    assert (own_name(home), name_is_chosen(home)) == ("kitchen", False)
    choose_name(home, "Grandma’s laptop")
    assert (own_name(Home(home.path)), name_is_chosen(home)) == ("Grandma’s laptop", True)
    for wrong in ("", "a@b", "a\nb", "x" * 65, "\udcff"):
        with pytest.raises(UsageError, match="no name for a domain"):
            choose_name(home, wrong)
    assert own_name(home) == "Grandma’s laptop"
    choose_name(home, "x" * 64)
    assert own_name(home) == "x" * 64


@pytest.mark.parametrize("written", [b"", b"a/b\n", b"\xff\xfe\n", b"two\nlines\n", b"\n"])
def test_a_damaged_name_is_named(home: Home, written: bytes) -> None:
    home.name.write_bytes(written)
    if written == b"\xff\xfe\n":  # replacement characters are a name, though an odd one
        assert own_name(home) == "\ufffd\ufffd"
        return
    with pytest.raises(UserError, match="name is damaged"):
        own_name(home)
