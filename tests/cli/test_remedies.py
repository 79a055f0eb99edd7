"""What people are told to type can be typed: every command, subcommand and option in a message is there.

Whether it helps is shown where each message is tested; here no message of the whole program is left out.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from aslp2p.cli import main
from aslp2p.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2] / "aslp2p"
_TYPED = re.compile(r"(?:`|: |\btype |\bwith |, or )asl ((?:--?)?[a-z][^`\n;,()…]*)")
_HOLE = "NAME"
"""What stands in a message for what only the running program knows."""
_PROSE = {"on", "there", "where", "and"}
"""Words that follow on a command in a sentence."""


def messages(tree: ast.AST) -> Iterator[str]:
    """The text of every string that is no docstring, holes filled."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    skipped = documentation | inside
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else _HOLE for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def typed_commands() -> list[tuple[str, str]]:
    """(file, command line) of all that a message says to type."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for text in messages(ast.parse(path.read_text())):
            for line in _TYPED.findall(text):
                if line.split()[0] in COMMANDS or line.startswith("-"):
                    found.append((str(path.relative_to(ROOT)), line.strip()))
    return sorted(set(found))


def problem(line: str) -> str:
    """What keeps a command line from being one, or nothing."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    command: click.Command = main
    while words and isinstance(command, click.Group):
        with click.Context(command) as context:
            if words[0].startswith("-"):
                words = words[2:] if words[0] in ("--home", "--common") else words[1:]
                continue
            under = command.get_command(context, words[0])
        if under is None:
            goes_on = getattr(command, "invoke_without_command", False) and words[0] in _PROSE
            return "" if goes_on else f"there is no {words[0]!r} under {command.name}"
        command = under
        words = words[1:]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("--") and word not in options]
    return f"{command.name} has no {unknown[0]}" if unknown else ""


TYPED = typed_commands()


def test_there_are_such_messages() -> None:
    lines = {line for _, line in TYPED}
    assert len(lines) > 60 and any(line.startswith("policy replace-key") for line in lines)


@pytest.mark.parametrize(("file", "line"), TYPED, ids=[f"{file}: {line}" for file, line in TYPED])
def test_what_a_message_says_to_type_is_there(file: str, line: str) -> None:
    assert problem(line) == "", file


def test_what_is_not_there_is_noticed() -> None:
    assert problem("members banish NAME") == "there is no 'banish' under members"
    assert problem("put --banish x") == "put has no --banish"
    assert problem("--home DIR up") == "" and problem("common use home") == ""
