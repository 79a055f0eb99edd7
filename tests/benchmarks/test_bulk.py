"""The benchmark of bulk measures what it says, on little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.bulk import MIB, Cost, OursByCommand, lines_of, make_file, make_mixed, measure, members_of


def test_both_steps_are_measured_with_their_costs() -> None:
    costs = dict(measure(OursByCommand, lambda folder: make_file(folder, 3 * MIB)))
    assert list(costs) == ["first", "again"]
    first = costs["first"]
    assert first.seconds > 0 and first.processor_s > 0 and first.peak_mib > 10
    assert first.written_bytes >= 3 * 3 * MIB, "in both stores and in the folder"


def test_a_tree_of_mixed_sizes_is_about_as_large_as_asked(tmp_path: Path) -> None:
    make_mixed(tmp_path, 200, 2 * MIB)
    sizes = [file.stat().st_size for file in tmp_path.rglob("*.bin")]
    assert len(sizes) == 200 and 1.9 * MIB < sum(sizes) < 2.1 * MIB
    assert max(sizes) > 10 * min(sizes)


def test_every_process_of_a_session_counts() -> None:
    command = [
        sys.executable,
        "-c",
        "import os, time; os.setpgid(0, 0) if os.fork() == 0 else 0; time.sleep(60)",
    ]
    with subprocess.Popen(command, start_new_session=True) as child:
        try:
            while len(members_of(child.pid)) < 2:
                assert child.poll() is None
        finally:
            for pid in members_of(child.pid):
                os.kill(pid, 9)


def test_ours_is_shown_beside_theirs_as_a_part_of_it() -> None:
    ours, theirs = Cost(3.0, 4.0, 60.0, 300), Cost(2.0, 8.0, 0.0, 100)
    assert list(lines_of("work", 100, ours, theirs)) == [
        "| work: elapsed, s | 3.0 | 2.0 | 1.50 |",
        "| work: processor time, s | 4.0 | 8.0 | 0.50 |",
        "| work: peak memory, MiB | 60 | 0 | - |",
        "| work: written for one byte | 3.00 | 1.00 | 3.00 |",
    ]
    assert next(lines_of("work", 100, ours, None)) == "| work: elapsed, s | 3.0 | - | - |"
