"""One run, one number: the same seed gives the same events in any process; and the test can tell when not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulations import swarm
from simulations.result import run
from simulations.scenario_file import load, parse

ROOT = Path(__file__).parents[2]
SHORT = """
scenario: short
machines: 4
policy: {authorities: 3, threshold: 2, grace_period: 20s}
network: {delay: 1ms..50ms, loss: 0.002, duplicate: 0.1, reorder: 0.1}
lasts: 90s
heals: 2m
workload: {every: 2s..10s, kinds: mix}
steps:
  - {at: 10s, do: join, on: first, count: 1}
  - {at: 20s, do: quit, on: first}
  - {at: 50s, do: power, on: any, for: 5s}
  - {at: 60s, do: equivocate, on: witness}
"""
LEAKY = """
scenario: leaky
machines: 3
policy: {authorities: 3, threshold: 2, grace_period: 5s}
network: {delay: 1ms..50ms}
lasts: 20s
heals: 10s
workload: {every: 2s..5s}
steps:
  - {at: 5s, do: quit, on: first}
"""
"""Enough for a drawn number to show."""
PRINT = """
from simulations.result import run
from simulations.scenario_file import parse
result = run(parse({text!r}), 3)
print(result.fingerprint, result.events, result.code)
"""
LEAKS = {
    "wall time": """
import time
from aslp2p.core.context import Context
Context.draw = lambda self, below: time.perf_counter_ns() % below
""",
    "entropy": """
import os
from aslp2p.core.context import Context
Context.draw = lambda self, below: int.from_bytes(os.urandom(8), "big") % below
""",
    "set order": """
from aslp2p.core.context import Context
first = Context.draw
Context.draw = lambda self, below: int(min({str(first(self, below)) for _ in range(3)}, key=hash))
""",
    "threads": """
import threading
from aslp2p.core.context import Context
def draw(self, below):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(threading.get_native_id()))
    thread.start()
    thread.join()
    return answers[0] % below
Context.draw = draw
""",
}


def in_fresh_process(hash_seed: str, before: str = "", text: str = SHORT) -> str:
    """Fingerprint, events and exit code of the short scenario, played by a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", before + PRINT.format(text=text)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_one_seed_is_one_fingerprint_in_fresh_processes_whatever_the_hash_seed() -> None:
    here = run(parse(SHORT), 3)
    assert here.events > 1000 and here.takeovers, "too little happens to tell"
    assert {in_fresh_process(seed) for seed in ("0", "4242")} == {
        f"{here.fingerprint} {here.events} {here.code}"
    }


def test_another_seed_is_another_fingerprint() -> None:
    assert run(parse(SHORT), 3).fingerprint != run(parse(SHORT), 4).fingerprint


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_into_the_core_is_noticed(leak: str) -> None:
    first = in_fresh_process("1", LEAKS[leak], LEAKY)
    # Two hashes may put a few things in one order, three hardly.
    assert any(in_fresh_process(seed, LEAKS[leak], LEAKY) != first for seed in ("2", "3"))


def test_whoever_looks_changes_nothing(tmp_path: Path) -> None:
    """A log, a live view and a bar see the same run that nobody sees."""
    plain = run(parse(SHORT), 5).fingerprint
    looked = []
    with (tmp_path / "log").open("w") as log:
        seen = run(parse(SHORT), 5, log=log, watch=lambda play: looked.append(play.world.now_ms))
    assert seen.fingerprint == plain
    assert len(looked) > 100 and looked == sorted(looked)
    assert (tmp_path / "log").read_text().count("\n") > seen.events


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that could tell two runs apart raises."""

    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise AssertionError("a simulated run reached outside of its seed")

    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep"):
        monkeypatch.setattr(f"time.{name}", refuse)
    for name in ("random", "randint", "randrange", "choice", "getrandbits", "randbytes"):
        monkeypatch.setattr(f"random.{name}", refuse)
    for name in ("os.urandom", "secrets.token_bytes", "nacl.utils.random", "socket.socket", "uuid.uuid4"):
        monkeypatch.setattr(name, refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("forbidden")
def test_a_run_touches_no_clock_no_entropy_no_thread() -> None:
    assert run(parse(SHORT), 3).events > 1000


@pytest.mark.usefixtures("forbidden")
def test_the_canary_sings(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from aslp2p.core.context import Context

    monkeypatch.setattr(Context, "draw", lambda self, below: int(time.time()) % below)
    result = run(parse(SHORT), 3)
    assert result.outcome == "crashed" and "outside of its seed" in result.problem


def test_a_swarm_seed_draws_one_scenario_for_ever() -> None:
    drawn = [swarm.draw(seed) for seed in range(50)]
    assert drawn == [swarm.draw(seed) for seed in range(50)]
    assert len({repr(scenario) for scenario in drawn}) == 50


def test_a_larger_run_repeats() -> None:
    scenario = replace(load("witness-silence"), machines=8, lasts_ms=1_200_000)
    assert run(scenario, 7).fingerprint == run(scenario, 7).fingerprint
