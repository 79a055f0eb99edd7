"""Planting a mistake: a function's code is compiled again with a few characters of its source replaced.

The function object stays what it is, so everybody who imported it runs the changed code, in this process
only. What is to be replaced has to be in the function's source exactly once: where somebody rewrites the
function the mutant fails to apply, and says so, instead of changing nothing.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Edit:
    """In the function `at` ("module:Class.method"), `old` becomes `new`."""

    at: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mistake with a name, the rule that it breaks, and what it does in words."""

    name: str
    rule: str
    text: str
    edits: tuple[Edit, ...]


class DoesNotApply(Exception):
    """The source is not what the mutant was written for."""


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """With the mistake in place; raises `DoesNotApply` before anything has changed."""
    changed = [_changed(edit) for edit in mutant.edits]
    before = [(function, function.__code__) for function, _ in changed]
    for function, code in changed:
        function.__code__ = code
    try:
        yield
    finally:
        for function, original in before:
            function.__code__ = original


def _changed(edit: Edit) -> tuple[FunctionType, CodeType]:
    module_name, path = edit.at.split(":")
    module = importlib.import_module(module_name)
    function = _function(module, path)
    file = Path(str(module.__file__))
    lines, tree = _read(file)
    node = _node(tree, path)
    if node is None:
        raise DoesNotApply(f"{edit.at} is not in {file.name}")
    source = "".join(lines[node.lineno - 1 : node.end_lineno])
    if (count := source.count(edit.old)) != 1:
        raise DoesNotApply(f"{edit.at} holds {edit.old!r} {count} times, not once")
    text = "\n" * (node.lineno - 1) + dedent(source.replace(edit.old, edit.new))
    compiled = compile(text, str(file), "exec", dont_inherit=True)
    code = next(one for one in compiled.co_consts if isinstance(one, CodeType) and one.co_name == node.name)
    if code.co_freevars != function.__code__.co_freevars:
        raise DoesNotApply(f"{edit.at} would close over {code.co_freevars}")
    return function, code


@cache
def _read(file: Path) -> tuple[list[str], ast.Module]:
    """A source file's lines and its tree: the same few are asked for again and again."""
    text = file.read_text(encoding="utf-8")
    return text.splitlines(keepends=True), ast.parse(text)


def _function(module: ModuleType, path: str) -> FunctionType:
    found: Any = module
    for part in path.split("."):
        found = vars(found)[part]
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    if not isinstance(found, FunctionType):
        raise DoesNotApply(f"{path} is no function")
    return found


def _node(tree: ast.AST, path: str) -> ast.FunctionDef | None:
    for part in path.split("."):
        body = getattr(tree, "body", [])
        found = [one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == part]
        if not found:
            return None
        tree = found[0]
    return tree if isinstance(tree, ast.FunctionDef) else None
