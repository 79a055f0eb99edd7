"""No module imports itself by way of others; what only a type checker imports counts too."""

from __future__ import annotations

import ast
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("package", ["aslp2p", "simulations", "benchmarks"])
def test_imports_run_in_no_circle(package: str) -> None:
    paths = {_module(path): path for path in sorted((ROOT / package).rglob("*.py"))}
    imports = {module: _imported(path, paths.keys()) - {module} for module, path in paths.items()}
    circle: list[str] = []
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = list(error.args[1])
    assert not circle


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, modules: Collection[str]) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                inside = f"{node.module}.{one.name}"
                found.add(inside if inside in modules else node.module)
    return {one for one in found if one in modules}
