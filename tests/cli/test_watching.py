"""`asl metrics` and `asl events`: what a scraper and a script get."""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aslp2p.cli.metrics import Metric, exposition, gauges
from tests.cli.conftest import Asl
from tests.cli.running import running

LINE = re.compile(
    r'asl_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+'
)


def values(text: str) -> dict[str, float]:
    """Every sample of a text in Prometheus' format, by its name, the labels left out."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP asl_\w+ .+|TYPE asl_\w+ gauge)", line)
            continue
        assert LINE.fullmatch(line), line
        found[re.split(r"[{ ]", line)[0]] = float(line.rsplit(" ", 1)[1])
    return found


def test_metrics_of_a_stopped_home_are_what_its_store_says(kept: Asl) -> None:
    result = kept("metrics")
    found = values(result.stdout)
    assert result.exit_code == 0
    assert (found["asl_up"], found["asl_height"], found["asl_members"]) == (0, 5, 1)
    assert "asl_links" not in found


def test_metrics_of_a_daemon(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        found = values(asl("metrics").stdout)
        answer = json.loads(asl("metrics", "--json").stdout)
    expected = {"asl_up": 1, "asl_links": 0, "asl_is_witness": 1, "asl_read_only": 0, "asl_notices_unseen": 0}
    assert {name: found[name] for name in expected} == expected
    assert {one["name"] for one in answer["metrics"]} == found.keys()


def test_silence_is_counted_where_it_is(asl: Asl) -> None:
    live: dict[str, Any] = {
        "links": [],
        "catch_up": {"target": 9},
        "read_only": None,
        "stopped": None,
        "conflict": None,
        "silence": {"silent_ms": 1500, "watching": True},
    }
    common = {
        "name": "home", "id": "ab" * 32, "height": 4, "final": 3, "audited": 4, "created_ms": 5, "members": 2,
        "pending": 0, "rejected": 0, "roles": ["authority"], "grace_period_ms": 60_000, "stale": "so",
        "live": live,         "only_authority": False,
    }  # fmt: skip
    conditions = [{"id": common["id"], "asks": True}, {"id": common["id"], "asks": False}]
    answer = {"daemon": None, "commons": [common], "conditions": conditions}
    text = "".join(map(exposition, gauges(answer)))
    found = values(text)
    assert (found["asl_witness_silence_seconds"], found["asl_behind"], found["asl_key_marked"]) == (1.5, 5, 1)
    assert found["asl_attention"] == 1


def test_names_cannot_leave_their_label() -> None:
    text = exposition(Metric("asl_x", "X.", [({"common": 'a"} 1\n\\evil'}, 1.0)]))
    assert text.splitlines()[2:] == ['asl_x{common="a\\"} 1\\n\\\\evil"} 1']


def test_events_are_followed_until_the_daemon_stops(asl: Asl, tmp_path: Path) -> None:
    home = tmp_path / "home"
    asl("init", "home", "--name", "ann")
    command = [
        sys.executable,
        "-u",
        "-c",
        "from aslp2p.cli import main; main()",
        "--home",
        str(home),
        "events",
    ]
    with running(home):
        followed = subprocess.Popen([*command, "--follow", "--json"], stdout=subprocess.PIPE, text=True)
        assert followed.stdout is not None
        one = subprocess.Popen([*command, "--topic", "head"], stdout=subprocess.PIPE, text=True)
        number = 0
        # until both have subscribed, and heard
        while one.poll() is None or not select.select([followed.stdout], [], [], 0)[0]:
            number += 1
            assert asl("put", "-", "x", input=str(number)).exit_code == 0
        said, _ = one.communicate(timeout=60)
    rest, _ = followed.communicate(timeout=60)
    told, _, error = rest.partition("\n{\n")
    assert json.loads("{" + error)["error"]["code"] == "no-daemon"
    events = [json.loads(line) for line in told.splitlines()]
    assert followed.returncode == 3
    assert {"schema", "topic", "name", "at_ms"} <= events[0].keys()
    assert {"head", "proposal"} <= {event["topic"] for event in events}
    assert one.returncode == 0 and re.match(r"\d\d:\d\d:\d\d  home +head +", said) and said.count("\n") == 1


def test_a_topic_that_is_none_is_answered_with_those_there_are(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    with running(tmp_path / "home"):
        result = asl("events", "--topic", "heads")
    assert result.exit_code == 2 and "there are" in result.stderr and "head" in result.stderr


@pytest.mark.parametrize("command", ["events", "notices"])
def test_without_a_daemon_there_is_nothing_to_hear(kept: Asl, command: str) -> None:
    assert kept(command).exit_code == 3
