"""What TAB completes: members, Commons, paths at the head, files.

Quick, and without a trace: the running daemon is asked with a short patience, a stopped home is read, and no
daemon is ever started. Whatever goes wrong completes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from aslp2p.cli.settings import Settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from aslp2p.cli.source import Source

PATIENCE_S = 1.0
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def complete_path(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Paths at the head, one folder at a time."""
    from click.shell_completion import CompletionItem

    above = incomplete.rpartition("/")[0]
    found: dict[str, None] = {}
    with suppress(Exception), _source(context) as source:
        for entry in source.ask("ls", prefix=above)["entries"]:
            path = str(entry["path"])
            if not path.startswith(incomplete):
                continue
            below = path.find("/", len(incomplete))
            found[path if below < 0 else path[: below + 1]] = None
    return [CompletionItem(path) for path in found]


def complete_member(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of who is in."""
    from click.shell_completion import CompletionItem

    names: list[str] = []
    with suppress(Exception), _source(context) as source:
        members = source.ask("members")["members"]
        names = [str(one["name"]) for one in members if one["status"] == "admitted"]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_common(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the Commons that this home follows."""
    from click.shell_completion import CompletionItem

    names: list[str] = []
    with suppress(Exception), _source(context) as source:
        names = [str(one["name"]) for one in source.status()["commons"]]
    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]


def complete_file(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files of this machine, by the shell itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_folder(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders of this machine, by the shell itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


@contextmanager
def _source(context: click.Context) -> Iterator[Source]:
    from aslp2p.cli.source import DaemonSource, existing_home, open_source
    from aslp2p.control.client import Client
    from aslp2p.errors import NoDaemon

    settings = _settings(context)
    try:
        client = Client.of_home(str(existing_home(settings)), timeout_s=PATIENCE_S)
    except NoDaemon:
        with open_source(settings) as source:
            yield source
    else:
        with client:
            yield DaemonSource(client, settings.common)


def _settings(context: click.Context) -> Settings:
    """`--home` and `--common`, as far as they are typed."""
    return context.find_object(Settings) or Settings()
