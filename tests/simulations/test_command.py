"""`python -m simulations`: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aslp2p.core.inputs import Input, Now, Tick
from aslp2p.core.node import NodeCore
from simulations.__main__ import main
from simulations.play import Play
from simulations.scenario_file import load, names
from simulations.verdict import CRASHED, HELD, LIVENESS_BROKEN, SAFETY_BROKEN

ROOT = Path(__file__).parents[2]
QUICK = """
machines: 3
policy: {authorities: 3, threshold: 2, grace_period: 20s}
lasts: 1m
heals: 2m
workload: {every: 5s}
steps:
  - {at: 20s, do: quit, on: first}
"""
HOLDS = f"{QUICK}expect: {{takeovers: 1, within: 40s}}"
TOO_LATE = f"{QUICK}expect: {{within: 1s}}"
LIES = """
machines: 5
policy: {authorities: 3, threshold: 2, grace_period: 2m}
lasts: 4m
heals: 30s
workload: {every: 30s..1m}
steps:
  - {at: 1s, do: double, on: alice}
  - {at: 1s, do: double, on: bob}
  - {at: 2m, do: equivocate, on: alice}
  - {at: 3m, do: equivocate, on: alice}
  - {at: 200s, do: join, on: first, count: 1}
"""


def asked(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def scenario(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def test_the_list_names_every_scenario_and_what_it_is() -> None:
    lines = asked("list").output.splitlines()
    assert [line.split()[0] for line in lines] == names()
    assert all(load(line.split()[0]).about in line for line in lines)


def test_a_run_that_holds_reports_in_words(scenario: Any) -> None:
    done = asked("run", scenario(HOLDS), "--seed", "7")
    assert done.exit_code == HELD
    for words in (
        "mine, seed 7: held", "alice is switched off for good", "witness-recovery", "without a witness",
        "a machine sent", "authorization", "interregnum", "fingerprint",
    ):  # fmt: skip
        assert words in done.output


def test_the_same_as_json(scenario: Any) -> None:
    path = scenario(HOLDS)
    first, again = (json.loads(asked("run", path, "--seed", "7", "--json").output) for _ in range(2))
    assert first == again
    assert (first["code"], first["outcome"], first["seed"], first["machines"]) == (HELD, "held", 7, 3)
    assert first["checks"].keys() >= {"agreement", "promises", "convergence"}
    assert 15_000 < first["without_witness_ms"] < 40_000
    other = json.loads(asked("run", path, "--seed", "7", "--nodes", "5", "--json").output)
    assert other["machines"] == 5 and other["fingerprint"] != first["fingerprint"]


def test_a_log_and_a_picture_are_written(scenario: Any, tmp_path: Path) -> None:
    log, picture = tmp_path / "events", tmp_path / "run.png"
    done = asked("run", scenario(HOLDS), "--log", log, "--plot", picture)
    assert done.exit_code == HELD
    assert "alice" in log.read_text() and "Heads" in log.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_view_of_the_machines_is_drawn(scenario: Any) -> None:
    done = asked("run", scenario(HOLDS), "--watch")
    assert done.exit_code == HELD
    assert "machine" in done.stderr and "carol" in done.stderr


def test_broken_liveness_has_a_code_of_its_own(scenario: Any) -> None:
    done = asked("run", scenario(TOO_LATE))
    assert done.exit_code == LIVENESS_BROKEN
    assert "liveness broken" in done.output and "without a witness, where 1000 were allowed" in done.output


def test_broken_safety_has_a_code_of_its_own_and_is_replayed_and_shrunk(
    scenario: Any, tmp_path: Path
) -> None:
    path, small, log = scenario(LIES), tmp_path / "small.yaml", tmp_path / "log"
    done = asked("run", path, "--seed", "3", "--json")
    assert done.exit_code == SAFETY_BROKEN
    assert "agreement" in json.loads(done.output)["broken"]
    again = asked("replay", path, "--seed", "3", "--shrink", "--save", small, "--log", log)
    assert again.exit_code == SAFETY_BROKEN
    assert "join" not in small.read_text(), "what has nothing to do with it is left out"
    assert "Here, at " in again.stdout and "breaks agreement" in again.stdout
    assert "without step" in again.stderr
    shown = [line for line in again.stdout.splitlines() if " > " in line or " < " in line]
    assert shown and log.read_text().splitlines()[-1] in shown
    assert asked("run", small, "--seed", "3").exit_code == SAFETY_BROKEN


def test_where_more_may_lie_it_is_asked_that_somebody_says_so(scenario: Any) -> None:
    open_ = f"{LIES}expect: {{safety: open, converged: false, progress: false}}"
    done = asked("run", scenario(open_), "--seed", "3")
    assert done.exit_code == HELD
    assert "broken, as more lie than P1 allows" in done.output


def test_a_crash_of_ours_has_a_code_of_its_own(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step = NodeCore.step

    def breaks(core: NodeCore, input_: Input, now: Now) -> Any:
        if isinstance(input_, Tick) and now.mono > 30_000:
            raise ZeroDivisionError("a mistake of ours")
        return step(core, input_, now)

    monkeypatch.setattr(NodeCore, "step", breaks)
    done = asked("run", scenario(HOLDS))
    assert done.exit_code == CRASHED
    assert "ZeroDivisionError" in done.output and "Traceback" in done.output
    again = asked("replay", scenario(HOLDS))
    assert again.exit_code == CRASHED and "breaks crash: ZeroDivisionError" in again.output


@pytest.mark.parametrize(
    "words",
    [
        ("run", "no-such-scenario"),
        ("run", "calm", "--nodes", "2"),
        ("run", "calm", "--nodes", "many"),
        ("run", "calm", "--seed", "-1"),
        ("run", "calm", "--log", "/no/such/folder/log"),
        ("replay", "no-such-scenario"),
        ("sweep", "--scenario", "no-such-scenario"),
        ("sweep", "--seeds", "0"),
        ("sweep", "--seeds", "1", "--results", "/no/such/folder/results"),
        ("dance",),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_done(words: tuple[str, ...]) -> None:
    done = asked(*words)
    assert done.exit_code == 2
    assert done.stdout == "" and "rror: " in done.stderr


def test_a_mistake_in_a_file_is_one_line(scenario: Any) -> None:
    done = asked("run", scenario("machines: 3\nlasts: -5m\n"))
    assert done.exit_code == 2
    assert done.stderr == (
        "error: mine.yaml: line 2: lasts is '-5m', which is no duration; "
        "write a whole number and one of ms, s, m, h, d, w, as in 30d (none is negative)\n"
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_sweep_keeps_its_results_and_goes_on_from_them(scenario: Any, tmp_path: Path) -> None:
    path, results = scenario(HOLDS), tmp_path / "results"
    done = asked("sweep", "--scenario", path, "--seeds", "3", "--results", results, "--json")
    assert done.exit_code == HELD
    summary = json.loads(done.stdout)
    assert (summary["runs"], summary["outcomes"]) == (3, {"held": 3})
    first = lines_of(results)
    assert sorted(one["seed"] for one in first) == [0, 1, 2]
    with results.open("a") as cut_off:
        cut_off.write('{"scenario": "cut o')
    done = asked("sweep", "--scenario", path, "--seeds", "5", "--results", results)
    assert done.exit_code == HELD and "5 runs" in done.stdout and "longest without a witness" in done.stdout
    kept = [json.loads(line) for line in results.read_text().splitlines() if line.endswith("}")]
    assert sorted(one["seed"] for one in kept) == [0, 1, 2, 3, 4] and kept[:3] == first


def test_a_sweep_names_what_broke_and_how_to_see_it_again(scenario: Any) -> None:
    path = scenario(TOO_LATE)
    done = asked("sweep", "--scenario", path, "--seeds", "2", "--workers", "1")
    assert done.exit_code == LIVENESS_BROKEN
    assert "2 broke interregnum" in done.stdout
    assert f"python -m simulations replay {path} --seed 1" in done.stdout


def test_a_file_of_something_else_is_not_taken_for_results(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.write_text('{"name": "not ours"}\n')
    done = asked("sweep", "--seeds", "1", "--results", results)
    assert done.exit_code == 2 and "line 1" in done.stderr
    assert results.read_text() == '{"name": "not ours"}\n'


def test_interrupting_a_sweep_keeps_what_is_done(scenario: Any, tmp_path: Path) -> None:
    path, results = scenario(HOLDS), tmp_path / "results"
    sweep = [sys.executable, "-m", "simulations", "sweep", "--scenario", str(path), "--results", str(results)]
    running = subprocess.Popen(
        [*sweep, "--seeds", "5000", "--workers", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (results.exists() and results.read_text().count("\n") >= 4):
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=120)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert running.returncode == 130
    assert f"interrupted; {results} keeps what is done" in said and "Traceback" not in said
    kept = lines_of(results)
    done = asked("sweep", "--scenario", path, "--results", results, "--seeds", str(len(kept)))
    assert done.exit_code == HELD and lines_of(results)[: len(kept)] == kept


@pytest.mark.parametrize(
    "words",
    [
        ["run", "quick", "--plot"],
        ["advise", "--plot"],
        ["figure", "recovery", "-o"],
        ["figure", "dissemination", "-o"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_picture_without_matplotlib_says_what_to_install_before_any_work(
    words: list[str], scenario: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is installed without extras by README's first command."""
    words = [str(scenario(HOLDS)) if word == "quick" else word for word in words]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(Play, "__init__", _unwanted)
    monkeypatch.setattr("simulations.advise.rows_for", _unwanted)
    monkeypatch.setattr("simulations.figures.measure", _unwanted)
    monkeypatch.setattr("simulations.figures.spread", _unwanted)
    done = asked(*words, tmp_path / "picture.png")
    assert done.exit_code == 2
    says = "error: this needs matplotlib; install it: .venv/bin/pip install '.[sim]'"
    assert done.stderr.splitlines() == [says]


def _unwanted(*_: object, **__: object) -> None:
    raise AssertionError("work has begun")
