"""The pages of docs/ against what is there: the program of `judging.md` runs as it stands, the index lists
every page, `architecture.md` every package and every part of a node.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_program_on_the_page_judges_every_published_history() -> None:
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/judging.md").read_text(), re.DOTALL | re.MULTILINE
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    vectors = json.loads((ROOT / "tests/vectors/histories.json").read_text())["vectors"]
    lines = done.stdout.splitlines()
    assert lines == [f"{one['name']} {one['expect']} {one['expect']}" for one in vectors]
    assert len(lines) > 100


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_architecture_has_a_place_for_every_package_and_every_part_of_a_node() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    tree = page.partition("```\n")[2].partition("```")[0]
    packages = {path.parent.name for path in (ROOT / "aslp2p").glob("*/__init__.py")}
    assert packages == set(re.findall(r"^  ([a-z]+)/", tree.partition("simulations/")[0], re.MULTILINE))
    parts = {path.stem for path in (ROOT / "aslp2p/core").glob("*.py")} - {"__init__", "node"}
    section = page.partition("## The parts of a node")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", section.partition("| what |")[2]))
    assert parts - {"context", "inputs", "effects"} == named
