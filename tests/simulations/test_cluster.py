"""The same sweep on any executor: threads of a pool, processes, a Dask cluster of this machine."""

from __future__ import annotations

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulations.__main__ import main
from simulations.sweep import jobs_of, sweep

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs Dask: pip install '.[sim-cluster]'"
)
TINY = """
machines: 3
policy: {authorities: 3, threshold: 2, grace_period: 20s}
lasts: 20s
heals: 1m
workload: {every: 5s}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def results_of(path: Path) -> dict[int, str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["seed"]: line["fingerprint"] for line in lines}


def test_jobs_come_seed_by_seed() -> None:
    assert list(jobs_of(["a", "b"], 2, first=5)) == [("a", 5), ("b", 5), ("a", 6), ("b", 6)]


def test_any_executor_will_do_and_finds_the_same(tiny: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    kept = tmp_path / "threads"
    with ThreadPoolExecutor(2) as executor:
        summary = sweep(
            jobs_of([str(tiny)], 9),
            executor,
            workers=2,
            results=kept,
            done=lambda result: seen.append(result),
        )
    assert summary.runs == len(seen) == 9 and summary.code == 0
    processes = tmp_path / "processes"
    done = CliRunner().invoke(
        main,
        ["sweep", "--scenario", str(tiny), "--seeds", "9", "--results", str(processes), "--workers", "2"],
    )
    assert done.exit_code == 0
    assert results_of(processes) == results_of(kept)


@needs_dask
@pytest.mark.filterwarnings("ignore")
def test_dask_s_own_cluster_finds_the_same(tiny: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    here, there = tmp_path / "here", tmp_path / "there"
    words = ["sweep", "--scenario", str(tiny), "--seeds", "6", "--results"]
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        done = CliRunner().invoke(main, [*words, str(there), "--dask", cluster.scheduler_address, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["runs"] == 6
    assert CliRunner().invoke(main, [*words, str(here)]).exit_code == 0
    assert results_of(there) == results_of(here)


@needs_dask
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_a_scheduler_that_is_not_there_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.sweep_command.DASK_TIMEOUT", "1s")
    done = CliRunner().invoke(main, ["sweep", "--seeds", "1", "--dask", address])
    assert done.exit_code == 2
    assert done.stderr.count("error: ") == 1 and f"no Dask scheduler answers at {address}" in done.stderr
