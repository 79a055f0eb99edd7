"""`asl help`: what a command or a topic is about; and all of it as man pages."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from aslp2p.cli.commands import COMMANDS
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.topics import TOPICS, topic_text
from aslp2p.errors import UsageError, UserError


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND…|TOPIC]")
@click.option("--man", "folder", metavar="DIR", help="Write man pages of all commands into DIR instead.")
@pass_settings
@click.pass_context
def help_command(
    context: click.Context, settings: Settings, words: tuple[str, ...], folder: str | None
) -> None:
    """What COMMAND does, or what there is to know about TOPIC; without either, what there is.

    For `man asl` type: asl help --man ~/.local/share/man/man1
    """
    top = context.find_root()
    if folder is not None:
        _write_man(settings, top, Path(folder))
        return
    text = _text(top, words)
    if settings.json:
        say_json({"topic": " ".join(words), "text": text})
        return
    for line in text.splitlines():
        say(line)


def _text(top: click.Context, words: tuple[str, ...]) -> str:
    if not words:
        rows = [f"  {name:12}  {about}" for name, (about, _) in TOPICS.items()]
        return "\n".join([top.get_help(), "", "Topics (asl help TOPIC):", *rows])
    if len(words) == 1 and words[0] in TOPICS:
        formatter = top.make_formatter()
        for part in topic_text(words[0]).split("\n\n"):
            formatter.write_text(part)
            formatter.write_paragraph()
        return formatter.getvalue().rstrip()
    return _command_help(top, words)


def _command_help(top: click.Context, words: tuple[str, ...]) -> str:
    command, context = top.command, _context(top.command, "asl", None, top)
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            known = [*TOPICS, *COMMANDS] if command is top.command else list(getattr(command, "commands", ()))
            near = difflib.get_close_matches(word, known, n=1)
            path = " ".join((*words[: words.index(word)], *near))
            meant = f"did you mean: asl help {path}" if near else ""
            raise UsageError(
                f"there is no command and no topic {' '.join(words)!r}", remedy=meant or "see: asl help"
            )
        command, context = found, _context(found, word, context, top)
    return context.get_help()


def _context(
    command: click.Command, name: str, parent: click.Context | None, top: click.Context
) -> click.Context:
    return click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=top.terminal_width,
        max_content_width=top.max_content_width,
    )


def _write_man(settings: Settings, top: click.Context, folder: Path) -> None:
    from aslp2p.cli.man import write_pages

    assert isinstance(top.command, click.Group)  # noqa: S101 - it is `asl`
    try:
        names = write_pages(top.command, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder} ({error.strerror})", remedy="name another folder") from None
    if settings.json:
        say_json({"folder": str(folder), "pages": names})
    else:
        say(f"{len(names)} pages in {folder}")
