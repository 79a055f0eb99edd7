"""Installing, starting and removing the service.

`systemctl` and `launchctl` are programs that write down what they are told.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home
from aslp2p.service.managers import Launchd, Systemd, choose_manager
from aslp2p.service.unit_files import written_paths

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *is-active*) echo active ;; esac
if [ -e "$REFUSES" ] && case "$*" in *"$(cat "$REFUSES")"*) true ;; *) false ;; esac; then
    echo 'Failed to connect to bus: No medium found' >&2
    exit 1
fi
"""


class Told:
    """What the managers of the system were told, and what they refuse."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self.refuses = folder / "refuses"

    def lines(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told(tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("systemctl", "launchctl", "asl"):
        (tools / name).write_text(RECORDER)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(told.calls))
    monkeypatch.setenv("REFUSES", str(told.refuses))
    monkeypatch.setattr(sys, "argv", [str(tools / "asl")])
    return told


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "a home")
    home.create()
    return home


def user_manager(tmp_path: Path) -> Systemd:
    return Systemd(system=False, environment={"XDG_CONFIG_HOME": str(tmp_path / "config")})


def test_install_writes_the_unit_before_it_tells_anybody(told: Told, home: Home, tmp_path: Path) -> None:
    manager = user_manager(tmp_path)
    assert manager.state() == "not installed" and told.lines() == []
    manager.install(home)
    text = manager.file.read_text()
    assert f'ExecStart={tmp_path}/bin/asl --home "{home}" up' in text
    assert f'ReadWritePaths="{home}" %t' in text
    assert [line.partition("--user ")[2] for line in told.lines()] == [
        "daemon-reload",
        "enable aslp2p.service",
        "restart aslp2p.service",
    ]
    assert manager.state() == "active"


def test_install_that_was_refused_half_way_can_be_typed_again(told: Told, home: Home, tmp_path: Path) -> None:
    manager = user_manager(tmp_path)
    told.refuses.write_text("enable")
    with pytest.raises(UserError, match="No medium found"):
        manager.install(home)
    told.refuses.unlink()
    manager.install(home)
    assert told.lines()[-1] == "systemctl --user restart aslp2p.service"


def test_uninstall_leaves_the_home_and_nothing_else(told: Told, home: Home, tmp_path: Path) -> None:
    manager = user_manager(tmp_path)
    manager.uninstall()
    assert told.lines() == []  # nothing was there
    manager.install(home)
    manager.uninstall()
    assert not manager.file.exists() and home.exists()
    assert told.lines()[-2:] == [
        "systemctl --user disable --now aslp2p.service",
        "systemctl --user daemon-reload",
    ]


def test_daemon_may_write_in_followed_folders(told: Told, home: Home, tmp_path: Path) -> None:
    manager = user_manager(tmp_path)
    folders = ["/home/ann/notes", '/home/ann/my "best" 100% $x']
    assert manager.lets_write(home, folders[0])  # no service stands in its way
    manager.install(home, folders)
    written = written_paths(manager.file.read_text())
    assert written == [str(home), *folders, "%t"]
    assert "-/home/ann/notes" in manager.file.read_text()  # a disk that is away keeps no daemon from starting
    assert all(manager.lets_write(home, folder) for folder in folders)
    assert not manager.lets_write(home, "/home/ann/other")
    assert not manager.lets_write(home, "/home/ann")


def test_renewed_unit_counts_when_a_running_daemon_was_started_again(
    told: Told, home: Home, tmp_path: Path
) -> None:
    manager = user_manager(tmp_path)
    manager.renew(home, ["/srv/a"], restart=True)
    assert told.lines() == [] and not manager.file.exists()
    manager.install(home)
    told.calls.unlink()
    manager.renew(home, ["/srv/a"], restart=True)
    assert manager.lets_write(home, "/srv/a")
    assert [line.partition("--user ")[2] for line in told.lines()] == [
        "daemon-reload",
        "is-active aslp2p.service",
        "restart aslp2p.service",
    ]
    told.calls.unlink()
    manager.renew(home, [], restart=False)
    assert told.lines() == ["systemctl --user daemon-reload"] and not manager.lets_write(home, "/srv/a")


def test_service_of_another_home_is_left_alone(told: Told, home: Home, tmp_path: Path) -> None:
    manager, other = user_manager(tmp_path), Home(tmp_path / "a home" / "other")
    manager.install(home)
    before = manager.file.read_text()
    assert manager.lets_write(other, "/srv/a")
    manager.renew(other, ["/srv/a"], restart=True)
    assert manager.file.read_text() == before


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_verbs_need_an_installed_service(told: Told, home: Home, tmp_path: Path, verb: str) -> None:
    manager = user_manager(tmp_path)
    with pytest.raises(UserError, match="no service is installed"):
        manager.do(verb)
    manager.install(home)
    manager.do(verb)
    assert told.lines()[-1] == f"systemctl --user {verb} aslp2p.service"


def test_system_service_has_its_own_home_and_user(told: Told, home: Home) -> None:
    manager = Systemd(system=True)
    with pytest.raises(UsageError, match="has its home in /var/lib/aslp2p/home"):
        manager.install(home)
    assert told.lines() == []


def test_only_root_installs_for_everybody(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root"):
        choose_manager(system=True)


def test_machine_without_a_manager_is_told_what_to_do(
    told: Told, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UserError, match="no systemd"):
        choose_manager(system=False)


def test_agent_is_loaded_anew_when_it_is_installed_again(told: Told, home: Home, tmp_path: Path) -> None:
    agent = Launchd(tmp_path)
    agent.install(home)
    agent.install(home)
    bootstraps = [line for line in told.lines() if line.startswith("launchctl bootstrap")]
    bootouts = [line for line in told.lines() if line.startswith("launchctl bootout")]
    assert (len(bootstraps), len(bootouts)) == (2, 2)
    agent.do("stop")
    agent.uninstall()
    assert not agent.file.exists()
