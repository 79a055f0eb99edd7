"""`asl doctor`: each thing that it looks at, well and ill; multicast and connections for real."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aslp2p.cli.doctor import reach
from aslp2p.cli.doctor_home import CLOCK_AHEAD_MS, clock, disk, look_at_home
from aslp2p.cli.doctor_network import (
    ask_the_group,
    look_at_firewall,
    look_at_interfaces,
    look_at_multicast,
)
from aslp2p.cli.findings import Checked, Grade
from aslp2p.home import Home
from aslp2p.limits import DISK_LOW_BYTES
from tests.cli.conftest import Asl
from tests.cli.on_the_group import HERE, THERE, free_port, speaking
from tests.cli.running import running

NOW_MS = 1_800_000_000_000


def grades(found: Any) -> dict[str, Grade]:
    return {one.check: one.grade for one in found}


def test_home_that_is_well_and_one_that_others_can_read(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    home = Home(tmp_path / "home")
    assert set(grades(look_at_home(home)).values()) == {Grade.OK}
    home.key.chmod(0o644)
    home.path.chmod(0o755)
    home.config.write_text("[listen]\nport = -1\n")
    found = {one.check: one for one in look_at_home(home)}
    assert [found[check].grade for check in ("permissions", "key", "configuration")] == [Grade.BAD] * 3
    for check, path in (("permissions", home.path), ("key", home.key)):
        assert found[check].remedy.startswith("type: chmod")
        typed = found[check].remedy.removeprefix("type: ").split()
        assert subprocess.run(typed, check=False).returncode == 0, path  # what it says works
    assert grades(look_at_home(home)) | {"configuration": Grade.OK, "disk": Grade.OK} == {
        "permissions": Grade.OK,
        "key": Grade.OK,
        "configuration": Grade.OK,
        "disk": Grade.OK,
    }


def test_disk_that_is_nearly_full() -> None:
    assert disk(DISK_LOW_BYTES).grade is Grade.OK
    assert disk(DISK_LOW_BYTES - 1).grade is Grade.BAD and disk(0).remedy


@pytest.mark.parametrize(
    ("ahead_ms", "bad"), [(-1, False), (CLOCK_AHEAD_MS, False), (CLOCK_AHEAD_MS + 1, True)]
)
def test_clock_behind_the_history_is_wrong(ahead_ms: int, bad: bool) -> None:
    (one,) = clock([{"height": 3, "created_ms": NOW_MS + ahead_ms}, {"height": None}], NOW_MS)
    assert (one.grade is Grade.BAD) is bad


def test_interfaces_that_nobody_can_reach() -> None:
    assert look_at_interfaces([]).grade is Grade.BAD
    assert look_at_interfaces([("eth0", "fe80::1")]).grade is Grade.BAD
    assert look_at_interfaces([("eth0", "192.0.2.1"), ("eth0", "fe80::1")]).text == "eth0 192.0.2.1"


def test_multicast_is_heard_from_here_and_from_another() -> None:
    port = free_port()
    alone = ask_the_group([HERE], port=port, listen_s=0.3)
    with speaking(b"here", port):
        both = ask_the_group([HERE], port=port, listen_s=0.3)
    assert (alone.own, alone.others) == (True, [])
    assert (both.own, both.others) == (True, [THERE])


def test_interface_that_is_gone_is_named() -> None:
    heard = ask_the_group(["192.0.2.77"], port=0, listen_s=0.0)
    assert list(heard.refused) == ["192.0.2.77"] and not heard.own


def test_multicast_that_is_switched_off_is_not_looked_at() -> None:
    assert look_at_multicast([], enabled=False).grade is Grade.OK


def test_firewall_is_open_where_another_machine_came_in() -> None:
    commons = [{"live": {"links": [{"initiator": True}, {"initiator": False}]}}]
    (one,) = look_at_firewall(commons, 4711)
    assert (one.grade, one.text) == (Grade.OK, "others reach TCP port 4711 of this machine")


def member(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "key": f"ed25519:{name}", "status": "admitted", "self": False} | changes


def test_each_member_is_linked_or_tried_where_it_was() -> None:
    with socket.socket() as up, socket.socket() as down:
        up.bind(("127.0.0.1", 0))
        up.listen()
        down.bind(("127.0.0.1", 0))
        there, gone = (f"127.0.0.1:{one.getsockname()[1]}" for one in (up, down))
        members = [member(name) for name in ("ann", "ben", "cleo", "dan")]
        members += [member("you", self=True), member("eve", status="expelled")]
        peers = {
            "peers": [{"key": "ed25519:ann", "address": "192.0.2.1:1"}],
            "places": [
                {"address": there, "key": "ed25519:ben"},
                {"address": gone, "key": "ed25519:cleo"},
                {"address": there, "key": ""},
            ],
        }
        found = list(reach("home", members, peers))
    assert [one.text for one in found] == [
        "home: ann is linked (192.0.2.1:1)",
        f"home: ben is not linked ({there}: something answers there)",
        f"home: cleo is not linked ({gone}: Connection refused)",
        "home: dan is not linked (no address of it is known)",
    ]
    assert [one.grade for one in found] == [Grade.OK, Grade.WARN, Grade.WARN, Grade.WARN]
    alone = list(reach("home", members[:1], {"peers": [], "places": []}))
    assert alone[-1].grade is Grade.BAD and "no other machine is linked" in alone[-1].text
    assert list(reach("home", [member("you", self=True)], {"peers": [], "places": []})) == []


def test_whole_examination_says_what_to_type(asl: Asl, tmp_path: Path) -> None:
    nothing = asl("doctor")
    assert (nothing.exit_code, nothing.stdout.splitlines()[1]) == (
        4,
        "      asl init NAME, or: asl join INVITE",
    )
    asl("init", "home", "--name", "ann")
    (tmp_path / "home" / "config.toml").write_text("[mdns]\nenabled = false\n")
    stopped = asl("doctor", "--json")
    checks = {one["check"]: one for one in json.loads(stopped.stdout)["checks"]}
    assert (stopped.exit_code, checks["daemon"]["grade"]) == (4, "bad")
    assert checks["daemon"]["remedy"] == "asl up, or: asl service install"
    with running(tmp_path / "home"):
        up = asl("doctor", "--json")
    checks = {one["check"]: one for one in json.loads(up.stdout)["checks"]}
    assert checks["daemon"]["grade"] == checks["duplicate key"]["grade"] == "ok"
    assert all(one["remedy"] for one in checks.values() if one["grade"] != "ok")


def test_a_finding_that_is_not_well_says_what_to_do() -> None:
    assert Checked("x", Grade.OK, "y").remedy == ""
