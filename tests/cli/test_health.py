"""`asl health`: what monitoring reads, from a home that is well to one that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aslp2p.cli.health import Health, find
from aslp2p.views.conditions.find import Lasting
from tests.cli.conftest import Asl
from tests.cli.running import running

DAY_MS = 86_400_000


def common(**changes: Any) -> dict[str, Any]:
    """A Common of two machines that are linked, with which all is well."""
    plain = {
        "name": "home",
        "height": 43,
        "witness": {"shown": "james", "key": "ed25519:james"},
        "members": 2,
        "final": 42,
        "papers": [],
        "offers": [],
        "stale": None,
        "only_authority": False,
        "roles": [],
        "grace_period_ms": 30 * DAY_MS,
        "beacon_interval_ms": 3_600_000,
        "standing": "admitted",
        "id": "ab" * 32,
        "default": True,
        "live": {"links": [{"name": "james", "key": "ed25519:james"}]},
    }
    return plain | changes


def worst(*commons: dict[str, Any], daemon: dict[str, Any] | None = None) -> Health:
    answer = {"commons": list(commons), "daemon": daemon or {"port": 1}, "machine": {}}
    lasting = Lasting()
    lasting.look(answer, 0)
    answer["conditions"] = lasting.look(answer, DAY_MS)
    return max((one.health for one in find(answer)), default=Health.OK)


def live(**changes: Any) -> dict[str, Any]:
    return {"live": {**common()["live"], **changes}}


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, Health.OK),
        (
            {
                "members": 1,
                "witness": {"shown": "you", "key": "k", "self": True},
                "live": {"links": [], "admitted": True},
            },
            Health.OK,
        ),
        ({"live": {"links": [], "admitted": True}}, Health.WARNING),
        (live(silence={"silent_ms": DAY_MS, "watching": True}), Health.WARNING),
        ({"accused": [{"shown": "ann"}]}, Health.WARNING),
        ({"stale": "an old copy", "roles": []}, Health.WARNING),
        ({"stale": "an old copy", "roles": ["authority"]}, Health.CRITICAL),
        ({"standing": "expelled"}, Health.CRITICAL),
        (live(read_only="the disk is full"), Health.CRITICAL),
        ({"fault": {"message": "damaged", "remedy": ""}}, Health.CRITICAL),
    ],
)
def test_what_is_wrong_is_as_bad_as_it_is(changes: dict[str, Any], health: Health) -> None:
    assert worst(common(**changes)) is health
    assert worst(common(), common(**changes)) is health


def test_a_home_that_is_well(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        result = asl("health")
        assert (result.exit_code, result.stdout) == (0, "OK: home@0 (witness: ann), 0 machines linked\n")
        answer = json.loads(asl("health", "--json").stdout)
    assert (answer["health"], answer["exit_code"], answer["findings"]) == ("OK", 0, [])


def test_a_stopped_home_does_not_work(kept: Asl) -> None:
    result = kept("health")
    assert (result.exit_code, result.stdout) == (2, "CRITICAL: daemon: not running (start it with: asl up)\n")


def test_without_a_home_nothing_can_be_told(asl: Asl) -> None:
    result = asl("health", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["health"]) == (3, "UNKNOWN")
    assert answer["findings"][0]["remedy"].startswith("type `asl init")
