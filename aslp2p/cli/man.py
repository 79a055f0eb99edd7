"""Man pages from what `--help` says: one for `asl`, one for each command, in roff's `man` macros."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from aslp2p import __version__
from aslp2p.cli.commands import SECTIONS
from aslp2p.cli.topics import TOPICS, topic_text


def man_pages(main: click.Group) -> Iterator[tuple[str, str]]:
    """(file name, text) of each page."""
    top = click.Context(main, info_name="asl")
    yield "asl.1", _top_page(main, top)
    for command_name in main.list_commands(top):
        command = main.get_command(top, command_name)
        assert command is not None  # noqa: S101 - it was listed
        context = click.Context(command, info_name=command_name, parent=top)
        yield f"asl-{command_name}.1", _page(command, context)


def write_pages(main: click.Group, folder: Path) -> list[str]:
    """Write all pages into `folder`, which is made; their names. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, text in man_pages(main):
        (folder / name).write_text(text, encoding="utf-8")
        names.append(name)
    return names


def _top_page(main: click.Group, context: click.Context) -> str:
    lines = [*_head(main, context), *_synopsis(main, context), ".SH DESCRIPTION", *_prose(main.help or "")]
    for title, commands in SECTIONS.items():
        lines.append(f".SH {_text(title.upper())}")
        for name, (_, words) in commands.items():
            lines += [".TP", f"\\fBasl {_text(name)}\\fR(1)", _line(words)]
    lines += _options(main, context)
    for name in TOPICS:
        lines += [f".SH {_text(name.upper())}", *_prose(topic_text(name))]
    return "\n".join(lines) + "\n"


def _page(command: click.Command, context: click.Context) -> str:
    lines = [*_head(command, context), *_synopsis(command, context), ".SH DESCRIPTION"]
    lines += _prose(command.help or "")
    lines += _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None  # noqa: S101 - it was listed
            below = click.Context(sub, info_name=name, parent=context)
            lines += [f".SH {_text(below.command_path.upper())}"]
            usage = " ".join(sub.collect_usage_pieces(below))
            lines += [
                f"\\fB{_text(below.command_path)}\\fR {_text(usage)}",
                *_prose(sub.help or "", first=False),
            ]
            lines += _option_rows(sub, below)
    lines += [".SH SEE ALSO", "\\fBasl\\fR(1)"]
    return "\n".join(lines) + "\n"


def _head(command: click.Command, context: click.Context) -> list[str]:
    name = context.command_path.replace(" ", "-")
    words = command.get_short_help_str(200)
    return [
        f'.TH "{_text(name.upper())}" "1" "" "aslp2p {__version__}"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(words)}",
    ]


def _synopsis(command: click.Command, context: click.Context) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    return [".SH SYNOPSIS", f"\\fB{_text(context.command_path)}\\fR {_text(usage)}"]


def _options(command: click.Command, context: click.Context) -> list[str]:
    return [".SH OPTIONS", *_option_rows(command, context)]


def _option_rows(command: click.Command, context: click.Context) -> list[str]:
    lines: list[str] = []
    for parameter in command.get_params(context):
        row = parameter.get_help_record(context)
        if row is not None:
            lines += [".TP", f"\\fB{_text(row[0])}\\fR", _line(row[1])]
    return lines


def _prose(text: str, *, first: bool = True) -> list[str]:
    lines: list[str] = []
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number or not first:
            lines.append(".PP")
        lines.append(_line(" ".join(paragraph.split())))
    return lines


def _line(text: str) -> str:
    """A line of text: it begins no request."""
    escaped = _text(text)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _text(text: str) -> str:
    """What roff would take for its own, escaped; what is not ASCII by its number."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
