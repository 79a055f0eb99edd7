"""`docs/judging.md`: its program runs as it stands, and judges every published history as is expected. And
`docs/README.md` lists every page.
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
