"""The files under `config/` are what their readers take, and agree with each other."""

from __future__ import annotations

import configparser
import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aslp2p.home.config import KEYS, parse_config

CONFIG = Path(__file__).parents[1] / "config"
UNITS = sorted(CONFIG.glob("systemd/*/*.service"))


def ufw_ports() -> set[str]:
    profile = configparser.ConfigParser()
    profile.read_string((CONFIG / "firewall/ufw/aslp2p").read_text())
    return set(profile["aslp2p"]["ports"].split("|"))


def test_the_example_says_the_defaults() -> None:
    example = parse_config((CONFIG / "config.toml").read_bytes(), "config.toml")
    assert example == parse_config(b"", "nothing")
    assert len(KEYS) == len(example.__slots__)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.parent.name)
def test_units_are_read_by_systemd_without_a_complaint(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    text = unit.read_text()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    (tmp_path / unit.name).write_text(text.replace(start, "ExecStart=/bin/true"))
    scope = ["--user"] if unit.parent.name == "user" else []
    done = subprocess.run(
        ["systemd-analyze", *scope, "verify", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert complaints == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.parent.name)
def test_units_wait_until_the_daemon_says_that_it_is_ready(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert "Type=notify" in lines
    assert any(line.startswith("ExecStart=") and line.endswith(" up") for line in lines)


def test_the_launchd_job_is_a_property_list_that_starts_the_daemon() -> None:
    job = plistlib.loads((CONFIG / "launchd/org.aslp2p.asl.plist").read_bytes())
    assert job["Label"] == "org.aslp2p.asl"
    assert job["ProgramArguments"][-1] == "up"
    assert job["Umask"] == 0o077


def test_both_firewalls_open_the_same() -> None:
    service = ElementTree.fromstring((CONFIG / "firewall/firewalld/aslp2p.xml").read_text())  # noqa: S314
    ports = {f"{port.get('port')}/{port.get('protocol')}" for port in service.iter("port")}
    assert {one.get("service") for one in service.iter("include")} == {"mdns"}
    assert ports | {"5353/udp"} == ufw_ports()
