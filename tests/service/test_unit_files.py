"""What a service file says is what its manager takes, whatever the paths of this machine hold."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aslp2p.errors import UserError
from aslp2p.service.unit_files import SYSTEM_HOME, launch_agent, system_unit, user_unit

CONFIG = Path(__file__).parents[2] / "config"
USER = user_unit(["%h/.local/bin/asl"], ["-%h/.local/share/aslp2p"])
SYSTEM = system_unit(["/usr/local/bin/asl", "--home", str(SYSTEM_HOME)])
EXPOSURE_MAX = 2.0
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


@pytest.mark.parametrize(("scope", "unit"), [("user", USER), ("system", SYSTEM)])
def test_files_to_copy_say_what_install_writes(scope: str, unit: str) -> None:
    text = (CONFIG / "systemd" / scope / "aslp2p.service").read_text()
    assert text[text.index("[Unit]") :] == unit


@needs_systemd
@pytest.mark.parametrize(("scope", "unit"), [("user", USER), ("system", SYSTEM)])
def test_units_are_confined(scope: str, unit: str, tmp_path: Path) -> None:
    (tmp_path / "aslp2p.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(tmp_path / "aslp2p.service")],
        capture_output=True,
        text=True,
        check=True,
    )
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= EXPOSURE_MAX


@needs_systemd
@pytest.mark.parametrize(
    "folder", ["plain", "with space", "100%h", 'quo"te', "back\\slash", "do$llar", "ünï"]
)
def test_paths_of_any_kind_reach_the_daemon_whole(folder: str, tmp_path: Path) -> None:
    # systemd itself says of each line that it cannot read
    home = f"/tmp/{folder}/home"
    (tmp_path / "aslp2p.service").write_text(user_unit(["/bin/true", "--home", home], [home]))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "aslp2p.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "aslp2p.service" in line] == []


def test_path_that_would_add_a_line_is_refused() -> None:
    with pytest.raises(UserError, match="cannot stand in a service file"):
        user_unit(["/bin/asl", "--home", "/tmp/a\nExecStartPre=/bin/evil"], [])


def test_specifiers_in_a_persons_path_are_no_specifiers() -> None:
    assert "/tmp/100%%h/home" in user_unit(["/bin/asl", "--home", "/tmp/100%h/home"], [])
    assert "ReadWritePaths=-%h/x %t" in user_unit(["/bin/asl"], ["-%h/x"])


def test_agent_starts_the_daemon_of_its_home() -> None:
    job = plistlib.loads(launch_agent(["/opt/asl", "--home", "/Users/a b"], Path("/Users/a b/log")))
    example = plistlib.loads((CONFIG / "launchd/org.aslp2p.asl.plist").read_bytes())
    assert job["ProgramArguments"] == ["/opt/asl", "--home", "/Users/a b", "up"]
    assert job.keys() == example.keys()
    same = job.keys() - {"ProgramArguments", "StandardErrorPath"}
    assert {key: job[key] for key in same} == {key: example[key] for key in same}
