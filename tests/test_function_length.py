"""No function of the product is longer than a screen; ruff holds how many parameters it may take."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "aslp2p"
LINES_MAX = 60


def test_no_function_is_longer_than_60_lines() -> None:
    long = {}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > LINES_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long
