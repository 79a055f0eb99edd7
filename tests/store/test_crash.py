"""Power may fail, and a disk may refuse, at any change to the files: a commit is there or it is not, and one
that was acknowledged is there (S1 stands on it).

`crash_child` runs a workload in forks, below `faults.c`, which stops the process at its nth write, sync,
truncation or deletion: as it is, in the middle of a write, or with writes lost or out of order that no sync
followed; or which lets that one change fail, or all from there on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.store.crash_child import COUNT, CRASHES, FAILURES

ROOT = Path(__file__).parents[2]
WORKERS = 2


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("faults are put in with LD_PRELOAD and /proc, as Linux has them")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler; install gcc")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is a file system for that: what a crash does to unsynced writes is `faults.c`'s
    part."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def ask(library: Path, folder: Path, points: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.crash_child", str(library), str(folder)],
        input="".join(f"{stop} {mode}\n" for stop, mode in points),
        env=os.environ | {"LD_PRELOAD": str(library)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(answer) for answer in done.stdout.splitlines()]


def sweep(library: Path, folder: Path, modes: int) -> None:
    """Stop at every change, each in `modes` of the eight ways, taking turns."""
    (counted,) = ask(library, folder / "count", [(0, COUNT)])
    assert counted["problem"] == ""
    calls = counted["calls"]
    assert calls > 400
    ways = [*zip(CRASHES, FAILURES, strict=True)]
    turns = [
        [way[turn] for turn in (0, 1) for way in (*ways[stop % 4 :], *ways[: stop % 4])[: modes // 2]]
        for stop in range(4)
    ]
    points = [(stop, mode) for stop in range(1, calls + 1) for mode in turns[stop % 4]]
    shares = [points[worker::WORKERS] for worker in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(ask, [library] * WORKERS, [folder / str(n) for n in range(WORKERS)], shares))
    faults = 0
    for share, given in zip(shares, answers, strict=True):
        for (stop, mode), answer in zip(share, given, strict=True):
            assert answer["problem"] == "", (stop, mode)
            assert answer.get("crashed", True), f"change {stop} was never made (mode {mode})"
            faults += answer.get("faults", 0)
    assert len(points) == calls * modes > 1000
    assert faults > calls * modes // 8, "most failures must be met by a commit, not by a checkpoint"


def test_stopped_at_every_change_it_opens_with_all_of_a_commit_or_nothing(
    library: Path, folder: Path
) -> None:
    sweep(library, folder, modes=2)


@pytest.mark.long
def test_stopped_at_every_change_in_every_way(library: Path, folder: Path) -> None:
    sweep(library, folder, modes=8)
