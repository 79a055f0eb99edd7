"""`asl folder add` where a service runs the daemon: its unit lets it write there before it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from aslp2p.home import Home
from aslp2p.service.managers import Systemd
from aslp2p.service.unit_files import written_paths
from tests.cli.conftest import run_asl
from tests.cli.running import running
from tests.service.test_managers import Told, told  # noqa: F401 - a fixture


@pytest.fixture
def manager(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:  # noqa: F811
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))  # root has a manager of its own there
    assert run_asl(tmp_path / "home", "init", "home").exit_code == 0
    return Systemd(system=False)


def paths(manager: Systemd) -> list[str]:
    return written_paths(manager.file.read_text())


def test_unit_follows_what_is_followed(told: Told, manager: Systemd, tmp_path: Path) -> None:  # noqa: F811
    home, folder = tmp_path / "home", tmp_path / "notes"
    folder.mkdir()
    manager.install(Home(home))
    with running(home):
        added = run_asl(home, "folder", "add", str(folder))
        assert added.exit_code == 0 and "was started again for it" in added.stderr
        assert told.lines()[-1] == "systemctl --user restart aslp2p.service"
        assert paths(manager) == [str(home), str(folder), "%t"]
        told.calls.unlink()
        assert run_asl(home, "service", "install").exit_code == 0
        assert paths(manager) == [str(home), str(folder), "%t"]
        assert run_asl(home, "folder", "remove", str(folder)).exit_code == 0
        assert paths(manager) == [str(home), "%t"]
        assert told.lines()[-1] == "systemctl --user daemon-reload"


def test_folder_that_is_refused_gets_no_right(told: Told, manager: Systemd, tmp_path: Path) -> None:  # noqa: F811
    home = tmp_path / "home"
    manager.install(Home(home))
    with running(home):
        refused = run_asl(home, "folder", "add", str(home / "commons"))
        assert refused.exit_code == 2
    assert paths(manager) == [str(home), "%t"]


def test_folder_may_be_named_before_it_is_followed(told: Told, manager: Systemd, tmp_path: Path) -> None:  # noqa: F811
    home, folder = tmp_path / "home", tmp_path / "notes"
    folder.mkdir()
    assert run_asl(home, "service", "install", "--writes", str(folder)).exit_code == 0
    with running(home):
        added = run_asl(home, "folder", "add", str(folder))
    assert (added.exit_code, added.stderr) == (0, "")
    assert "systemctl --user restart aslp2p.service" not in told.lines()[3:]


def test_without_a_service_nothing_is_told(told: Told, manager: Systemd, tmp_path: Path) -> None:  # noqa: F811
    home, folder = tmp_path / "home", tmp_path / "notes"
    folder.mkdir()
    with running(home):
        assert run_asl(home, "folder", "add", str(folder)).exit_code == 0
    assert told.lines() == []
