"""`asl peers`: one line a machine, whatever is known of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aslp2p.cli.machines import machine_lines, machine_row, machines_of
from tests.authorities import found_together, on_loopback
from tests.lan.machines import PATIENCE_S, Machine
from tests.lan.rig import wait_until

NOW_MS = 10_000_000


def member(name: str) -> dict[str, Any]:
    return {"name": name, "key": f"ed25519:{name}00000000", "status": "admitted", "self": False}


def link(name: str, height: int | None, *, initiator: bool = True) -> dict[str, Any]:
    key = f"ed25519:{name}00000000"
    return {"key": key, "height": height, "seconds": 60, "address": f"{name}:1", "initiator": initiator}


def place(name: str, source: str, success_ms: int, at: int = 1) -> dict[str, Any]:
    key = f"ed25519:{name}00000000"
    return {"key": key, "address": f"{name}:{at}", "source": source, "success_ms": success_ms, "failures": 0}


def shown(members: list[str], **answer: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    full = {"peers": [], "places": [], **answer}
    return [machine_row(one) for one in machines_of(list(map(member, members)), 42, full, NOW_MS)]


def test_who_is_linked_how_far_behind_and_how_found() -> None:
    peers = [link("ann", 40), link("ben", 42, initiator=False), link("eve", None)]
    rows = shown(["ann", "ben"], peers=peers, places=[place("ann", "mdns", 5)])
    assert rows == [
        ("ann", "ann00000", "online for 1 min", "@40, 2 behind", "ann:1", "mdns"),
        ("ben", "ben00000", "online for 1 min", "@42", "ben:1", "it called"),
        ("(not admitted)", "eve00000", "online for 1 min", "", "eve:1", ""),
    ]


def test_who_is_away_was_last_reached_or_never() -> None:
    places = [place("ann", "invite", NOW_MS - 3 * 3_600_000, 1), place("ann", "mdns", NOW_MS - 60_000, 2)]
    assert shown(["ann", "zoe"], places=places) == [
        ("ann", "ann00000", "last seen 1 min ago", "", "ann:2", "mdns"),
        ("zoe", "zoe00000", "not reached from here yet", "", "", ""),
    ]


def test_who_is_idle_and_who_refuses() -> None:
    peers = [link("ann", 42) | {"quiet_s": 3600}]
    refused: Any = {"ben": "this key was expelled"}
    rows = shown(["ann", "ben"], peers=peers, refused_by=refused)
    assert [row[2] for row in rows] == ["idle for 1 h", "refused: this key was expelled"]
    lines = machine_lines(machines_of([member("ann")], 42, {"peers": peers, "places": []}, NOW_MS))
    assert lines == ["  ann  idle for 1 h  @42  ann:1"]


def test_status_shows_twenty_machines_and_where_the_rest_are() -> None:
    members = [member(f"m{number:02}") for number in range(23)]
    lines = machine_lines(machines_of(members, 42, {"peers": [], "places": []}, NOW_MS))
    assert (len(lines), lines[-1]) == (21, "  3 more: asl peers")


def test_two_machines_show_each_other(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "ann", "ben") as (ann, ben):
        found_together([ann, ben], authorities=1, threshold=1)

        def other(machine: Machine) -> dict[str, Any]:
            (one,) = json.loads(machine.asl("--json", "peers"))["machines"]
            return dict(one)

        assert (other(ann)["name"], other(ann)["linked"]) == ("ben", True)
        wait_until(lambda: other(ben)["behind"] == 0, PATIENCE_S, "ben knows how far ann is")
        said = ben.asl("status").splitlines()
        assert said[said.index("Peers: ann") + 1].startswith("  ann  online for "), said
        ann.stop()
        wait_until(lambda: not other(ben)["linked"], PATIENCE_S, "ben sees that ann is away")
        assert ben.asl("peers").startswith("Listening: ")
