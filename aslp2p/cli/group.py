"""The command group: commands loaded when called, options that every command takes, and how it ends.

A group typed by itself (`asl`, `asl policy`) shows what is under it, on standard error, and ends with 2. Exit
codes: 0 it worked, 1 it did not, 2 it was typed wrongly, 3 no daemon is running, 4 a person has to decide
something. What went wrong is one line on standard error: `asl: what happened; what to type`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from aslp2p import __version__
from aslp2p.artifacts.text import terminal_safe
from aslp2p.cli.commands import COMMANDS, SECTIONS
from aslp2p.cli.complete import complete_common, complete_folder
from aslp2p.cli.output import say_json
from aslp2p.cli.settings import Settings
from aslp2p.errors import AslError, UsageError

INTERRUPTED = 130
OTHER_WORDS = {
    "add": "put",
    "upload": "put",
    "download": "get",
    "cat": "get",
    "list": "ls",
    "delete": "rm",
    "remove": "rm",
    "history": "log",
    "start": "up",
    "daemon": "up",
    "stop": "down",
    "users": "members",
    "expel": "members expel",
    "admit": "members admit",
    "whoami": "self",
    "man": "help",
    "topics": "help",
    "sign": "endorse",
    "import": "bundle import",
    "export": "bundle create",
}
"""What people type who come from elsewhere, and how it is called here."""


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Settings), name, value)

    return callback


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--home"],
            metavar="DIR",
            expose_value=False,
            callback=_set("home"),
            shell_complete=complete_folder,
            help="Another home than the usual one.",
        ),
        click.Option(
            ["--common"],
            metavar="NAME|ID",
            expose_value=False,
            callback=_set("common"),
            shell_complete=complete_common,
            help="Which Common, when there are several.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set("json"),
            help="Answer in JSON, for scripts.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_set("debug"),
            help="Show where an error came from.",
        ),
    ]


class Command(click.Command):
    """A command with the options that all of them have."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += _common_options()


class Group(click.Group):
    """A command with subcommands, and the options that all of them have."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += _common_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed; one that is not there is answered with what it may have meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            others = self.other_words()
            near = difflib.get_close_matches(args[0], [*self.list_commands(ctx), *others], n=1)
            if not near:
                raise
            path = "asl" if self.name == "asl" else f"asl {self.name}"
            meant = f"{error.message} Did you mean `{path} {others.get(near[0], near[0])}`?"
            raise click.UsageError(meant, ctx) from None

    def other_words(self) -> dict[str, str]:
        """What people may type instead of a command here, and which they mean."""
        return {}


class Asl(Group):
    """The program itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def other_words(self) -> dict[str, str]:
        return OTHER_WORDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"aslp2p.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), words) for name, (_, words) in commands.items()])

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *more: Any, **extra: Any
    ) -> Any:
        """Runs one command and ends the process with its exit code."""
        if args is None:
            require_utf8()
        extra["standalone_mode"] = False
        code = _run(lambda: super(Asl, self).main(args, prog_name or "asl", *more, **extra), args)
        sys.exit(code)


def require_utf8() -> None:
    """Begins again in Python's UTF-8 mode where the locale says another encoding: paths in a Common are
    UTF-8, and a file would be put under a name that it does not have."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program


def _run(run: Callable[[], Any], args: Sequence[str] | None) -> int:
    typed = sys.argv[1:] if args is None else list(args)
    debug = "--debug" in typed
    try:
        code = run()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # who types nothing more asks what there is
        return error.exit_code
    except click.Abort:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _gone()
    except Exception as error:
        if debug and not isinstance(error, click.ClickException):
            raise
        failure = _failure(error)
    complain(failure.message, failure.remedy)
    if "--json" in typed:
        say_json({"error": failure._asdict()})
    return failure.exit_code


class Failure(NamedTuple):
    """How a command ended that did not work: one line for people, one object for scripts."""

    code: str
    message: str
    remedy: str
    exit_code: int


def _failure(error: Exception) -> Failure:
    """What went wrong, whose fault it is (`errors.py`), and what to type next."""
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "asl"
        message = " ".join(error.format_message().split()).rstrip(".")
        return Failure(
            UsageError.code, message[:1].lower() + message[1:], f"see `{where} --help`", error.exit_code
        )
    if isinstance(error, AslError):
        return Failure(error.code, error.message, error.remedy, int(getattr(error, "exit_code", 1)))
    if isinstance(error, OSError):
        text = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        return Failure("system", text, "see `--debug`", 1)
    text = f"this is a mistake of ours: {type(error).__name__}: {error}"
    return Failure("bug", text, "see where with `--debug`", 1)


def complain(message: str, remedy: str = "") -> None:
    """One line on standard error, whatever is in it."""
    text = f"asl: {message}{'; ' if remedy else ''}{remedy}"
    click.echo(terminal_safe(" ".join(text.splitlines())), err=True)


def _gone() -> int:
    """Whoever read our output has enough; nothing more is written, at exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


@click.command(
    "asl", cls=Asl, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="aslp2p", message="%(prog)s %(version)s")
def main() -> None:
    """One shared, signed history on your own machines, with a notary that can be replaced.

    Begin with `asl init NAME` and `asl up`; on the next machine with `asl join INVITE`. A version is written
    PATH@42 or @42.
    """
