"""Many runs over any `concurrent.futures.Executor`: a process pool on one machine, Dask's on many.

Each finished run is one line of JSON in the results file, written at once, so that an interrupted sweep keeps
what is done and goes on from there. Runs are handed out in chunks; only brief results travel.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from os import SEEK_END
from pathlib import Path
from typing import Any, TextIO

from aslp2p.errors import UsageError
from simulations import swarm
from simulations.result import run
from simulations.scenario_file import load

SWARM = "swarm"
CHUNK = 4
"""Runs handed out together."""
WORST = 3
Job = tuple[str, int]
"""(scenario, seed)."""


def one(name: str, seed: int) -> dict[str, Any]:
    """One run's brief result."""
    scenario = swarm.draw(seed) if name == SWARM else load(name)
    return {**run(scenario, seed).to_json(brief=True), "scenario": name}


def several(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The brief results of some runs; what a worker does."""
    return [one(name, seed) for name, seed in jobs]


FIELDS = {"scenario", "seed", "code", "outcome", "problem", "broken", "events"}
"""What is asked of each line of a results file."""
FIGURES = {
    "without_witness_ms": "longest without a witness",
    "converged_ms": "longest until one head in the calm",
    "bytes": "most bytes sent",
}


@dataclass
class Summary:
    """What a sweep came to."""

    runs: int = 0
    events: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, Any]] = field(default_factory=list)
    worst: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """For each figure of `FIGURES` the runs in which it was highest."""
    code: int = 0

    def add(self, result: dict[str, Any]) -> None:
        self.runs += 1
        self.events += result["events"]
        self.outcomes[result["outcome"]] += 1
        self.broken.update(result["broken"])
        if result["code"]:
            self.bad.append(result)
            # Safety before liveness before a crash of ours: the gravest names the sweep.
            self.code = min(self.code or result["code"], result["code"])
        for name in FIGURES:
            if result.get(name) is not None:
                ranked = [*self.worst.get(name, ()), result]
                self.worst[name] = sorted(ranked, key=lambda one: -one[name])[:WORST]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "runs": self.runs,
            "events": self.events,
            "outcomes": dict(self.outcomes),
            "broken": dict(self.broken),
            "bad": self.bad,
            "worst": self.worst,
            "code": self.code,
        }


def jobs_of(names: Iterable[str], seeds: int, first: int = 0) -> Iterator[Job]:
    """Every scenario with every seed, seed by seed."""
    names = list(names)
    for seed in range(first, first + seeds):
        for name in names:
            yield name, seed


def read_done(path: Path | None) -> list[dict[str, Any]]:
    """The results of an earlier, interrupted sweep; a last line that was cut off is left out.

    Raises `UsageError` for a file that holds anything else.
    """
    if path is None or not path.exists():
        return []
    found = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} holds no results of a sweep", remedy="give another file") from None
    for number, line in enumerate(lines, 1):
        try:
            result = json.loads(line) if line else None
        except ValueError:
            continue
        if result is not None and not (isinstance(result, dict) and result.keys() >= FIELDS):
            raise UsageError(
                f"{path}: line {number}: this is no result of a sweep", remedy="give another file"
            )
        if result is not None:
            found.append(result)
    return found


def sweep(
    jobs: Iterable[Job],
    executor: Executor,
    *,
    workers: int,
    results: Path | None = None,
    done: Callable[[dict[str, Any]], None] = lambda result: None,
) -> Summary:
    """Run all of `jobs` that `results` does not hold yet. Interrupted, it raises `KeyboardInterrupt`."""
    summary = Summary()
    known: set[Job] = set()
    for result in read_done(results):
        known.add((result["scenario"], result["seed"]))
        summary.add(result)
        done(result)
    left = (job for job in jobs if job not in known)
    file = None if results is None else _opened(results)
    running: set[Future[list[dict[str, Any]]]] = set()
    try:
        while True:
            while len(running) < 2 * workers and (chunk := _chunk(left)):
                running.add(executor.submit(several, chunk))
            if not running:
                return summary
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                for result in future.result():
                    summary.add(result)
                    if file is not None:
                        file.write(json.dumps(result) + "\n")
                        file.flush()
                    done(result)
    finally:
        for future in running:
            future.cancel()
        if file is not None:
            file.close()


def _opened(path: Path) -> TextIO:
    """The results file at its end; a line that was cut off is ended."""
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"results cannot be kept in {path}", remedy=str(error.strerror)) from None
    if file.tell():
        with path.open("rb") as written:
            written.seek(-1, SEEK_END)
            if written.read() != b"\n":
                file.write("\n")
    return file


def _chunk(jobs: Iterator[Job]) -> list[Job]:
    return list(islice(jobs, CHUNK))
