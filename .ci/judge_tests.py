"""What pytest's closing line does not say: whether a folder of tests fell silent, and why tests were skipped.

    judge_tests.py REPORT.xml FLOORS.toml [--strict]

REPORT is pytest's JUnit report. FLOORS holds, for each folder below `tests/`, the least number of its tests
that have to run and pass; files directly in `tests/` count as `.`. Prints the skips by reason and each folder
that is below its floor. With `--strict`, where every tool can be installed, a skip for want of a tool or of
rights fails; what stays allowed is a long run that nobody asked for, and a kernel without namespaces, which
is named. Without it the floors of what was skipped with a reason are lowered by those skips. Exit status 1
when something failed, 2 when a file cannot be read.
"""

from __future__ import annotations

import re
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

LONG = "long: run with --long"
NO_NAMESPACES = re.compile(r"`ip netns add` fails|cannot mount a small file system")
"""What the kernel refuses even to root; no package helps."""
FOLDER = re.compile(r"tests\.([a-z_]+)\.")


def folder_of(classname: str) -> str:
    """The folder below `tests/` of a test, or `.`: from `tests.lan.test_main_job` it is `lan`."""
    found = FOLDER.match(classname)
    return found[1] if found else "."


def read_report(path: Path) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """(tests that passed in each folder, skips of each (folder, reason)) of a JUnit report."""
    passed: Counter[str] = Counter()
    skipped: Counter[tuple[str, str]] = Counter()
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314 -- pytest wrote it a moment ago
        folder = folder_of(case.get("classname", ""))
        skip = case.find("skipped")
        if skip is not None:
            skipped[folder, skip.get("message", "")] += 1
        elif case.find("failure") is None and case.find("error") is None:
            passed[folder] += 1
    return passed, skipped


def problems(
    passed: Counter[str], skipped: Counter[tuple[str, str]], floors: dict[str, int], *, strict: bool
) -> list[str]:
    """What is wrong with a run, a sentence each."""
    found = []
    for folder, floor in sorted(floors.items()):
        excused = sum(
            count
            for (where, reason), count in skipped.items()
            if where == folder and reason != LONG and (not strict or NO_NAMESPACES.search(reason))
        )
        if passed[folder] + excused < floor:
            found.append(f"tests/{folder}: {passed[folder]} tests passed, and at least {floor} must")
    for folder in sorted(set(passed) - set(floors)):
        found.append(f"tests/{folder} has no floor yet: {passed[folder]} tests passed there")
    if strict:
        for (folder, reason), count in sorted(skipped.items()):
            if reason != LONG and not NO_NAMESPACES.search(reason):
                found.append(f"tests/{folder}: {count} skipped where nothing needs to be: {reason}")
    return found


def main(arguments: list[str]) -> int:
    strict = "--strict" in arguments
    try:
        report, floors_file = (Path(name) for name in arguments if not name.startswith("--"))
        passed, skipped = read_report(report)
        floors = tomllib.loads(floors_file.read_text())["floors"]
    except (OSError, ValueError, KeyError, ElementTree.ParseError) as error:
        print(f"judge_tests: {error}", file=sys.stderr)
        return 2
    reasons: Counter[str] = Counter()
    for (_, reason), count in skipped.items():
        reasons[reason] += count
    for reason, count in reasons.most_common():
        print(f"skipped {count:4}  {reason}")
    found = problems(passed, skipped, floors, strict=strict)
    for problem in found:
        print(problem)
    if not found:
        print(f"{sum(passed.values())} tests passed in {len(passed)} folders; none is below its floor")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
