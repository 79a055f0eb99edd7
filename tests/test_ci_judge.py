"""CI is not quiet about tests that did not run: a silent folder and a missing tool fail it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

ROOT = Path(__file__).parents[1]
JUDGE = ROOT / ".ci" / "judge_tests.py"
LONG = "long: run with --long"
NO_PING = "lan: needs ping"
NO_KERNEL = "lan: `ip netns add` fails: Operation not permitted"


def judge(tmp_path: Path, cases: list[tuple[str, str | None]], floors: str, *flags: str) -> tuple[int, str]:
    """(exit status, output) for tests given as (classname, reason of a skip; None: it passed)."""
    body = "".join(
        f"<testcase classname={quoteattr(name)} name='t'>"
        + (f"<skipped message={quoteattr(reason)}/>" if reason else "")
        + "</testcase>"
        for name, reason in cases
    )
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>")
    (tmp_path / "floors.toml").write_text(f"[floors]\n{floors}\n")
    done = subprocess.run(
        [sys.executable, JUDGE, tmp_path / "report.xml", tmp_path / "floors.toml", *flags],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_folder_that_falls_silent_fails(tmp_path: Path) -> None:
    cases: list[tuple[str, str | None]] = [("tests.core.test_a", None), ("tests.core.test_a", None)]
    assert judge(tmp_path, cases, "core = 2")[0] == 0
    status, said = judge(tmp_path, cases, "core = 2\nlan = 1")
    assert status == 1 and "tests/lan: 0 tests passed, and at least 1 must" in said
    status, said = judge(tmp_path, cases, '"." = 0')
    assert status == 1 and "tests/core has no floor yet" in said


@pytest.mark.parametrize(
    ("reason", "strict", "elsewhere"),
    [(NO_PING, 1, 0), (NO_KERNEL, 0, 0), (LONG, 1, 1)],
)
def test_skip_counts_by_its_reason(tmp_path: Path, reason: str, strict: int, elsewhere: int) -> None:
    # a long run that nobody asked for never stands for one that has to run
    cases: list[tuple[str, str | None]] = [("tests.lan.test_a", None), ("tests.lan.test_b", reason)]
    status, said = judge(tmp_path, cases, "lan = 2", "--strict")
    assert (status, f"skipped    1  {reason}" in said) == (strict, True)
    assert judge(tmp_path, cases, "lan = 2")[0] == elsewhere


def test_missing_tool_fails_even_above_the_floor(tmp_path: Path) -> None:
    cases: list[tuple[str, str | None]] = [("tests.lan.test_a", None), ("tests.lan.test_b", NO_PING)]
    status, said = judge(tmp_path, cases, "lan = 1", "--strict")
    assert status == 1 and "1 skipped where nothing needs to be: lan: needs ping" in said


def test_report_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("<")
    (tmp_path / "floors.toml").write_text("[floors]")
    command = [sys.executable, str(JUDGE), str(tmp_path / "report.xml"), str(tmp_path / "floors.toml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
