"""README's tour as a script, `docs/examples/household.sh`: what a person is told to type works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "examples" / "household.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def test_the_tour_plays(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.jpg").write_bytes(os.urandom(30_000))
    (folder / "film").write_bytes(os.urandom(3_000_000))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    played = subprocess.run(
        [SCRIPT, folder],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PATH": path, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.endswith("All three machines have the same 21 files, and every version of them.\n")
    assert "attic puts notes/dark" in played.stdout
    assert re.search(r"^Common: home@\d+ \(witness: kitchen\)$", played.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == [folder], "it cleans up"


def test_the_script_types_what_the_tour_types() -> None:
    """Every command of README's tour is played, with the words of README's table where it has options."""
    tour = (ROOT / "README.md").read_text().partition("## A tour")[2].partition("## ")[0]
    typed = set(re.findall(r"^\$ asl ([a-z]+)", tour, re.MULTILINE))
    script = SCRIPT.read_text()
    played = set(re.findall(r"\bon \$?\w+ ([a-z]+)", script))
    played |= set(re.findall(r'asl --home "[^"]+" ([a-z]+)', script))
    assert typed and typed <= played
