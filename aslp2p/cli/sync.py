"""`asl sync`: a folder and the Common, brought together once."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.checkout import common_of, note_some, steps_on
from aslp2p.cli.complete import complete_folder, complete_path
from aslp2p.cli.fetching import fetch_to_write
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, home_of, open_daemon
from aslp2p.cli.waiting import Waiter, wait_for_admission, why_never
from aslp2p.control.client import File
from aslp2p.errors import UsageError
from aslp2p.worktree.base import opened_base
from aslp2p.worktree.common import History, Proposals
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.sync import Sync, require_same
from aslp2p.worktree.walking import clean_path

_SHOWN = 20


@click.command("sync", cls=Command)
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@click.argument("path", default="", metavar="[PATH]", shell_complete=complete_path)
@click.option("--receive-only", is_flag=True, help="Changes come into DIR, and none go out.")
@click.option("--send-only", is_flag=True, help="Changes go out of DIR, and none come in.")
@click.option("--hidden", is_flag=True, help="What begins with a dot at the top, too.")
@click.option("--approve", is_flag=True, help="Remove as much from the Common as is gone from DIR.")
@pass_settings
def sync_command(
    settings: Settings,
    folder: str,
    path: str,
    receive_only: bool,
    send_only: bool,
    hidden: bool,
    approve: bool,
) -> None:
    """Bring DIR and the Common, or PATH in it, together: what changed on either side since the last time.

    The first time it is a union: nothing is removed. Two edits of one file are both kept, the later one as a
    conflict file beside it.
    """
    if receive_only and send_only:
        raise UsageError("--receive-only and --send-only leave nothing to do", remedy="use one of them")
    ways = Ways(receive=not send_only, send=not receive_only, approved=approve)
    run_sync(settings, folder, clean_path(path), ways, hidden=hidden)


def run_sync(
    settings: Settings, folder: str, path: str, ways: Ways, *, hidden: bool, wait: bool = True
) -> None:
    """Bring `folder` and `path` together, the ways that are open, and say what came of it."""
    with open_daemon(settings) as daemon, Folder(folder, str(home_of(settings))) as disk:
        if wait:
            wait_for_admission(daemon)
        common, name = common_of(daemon)
        with opened_base(folder) as base, Progress("syncing") as progress:
            require_same(base, common, path, folder)
            if ways.receive:
                fetch_to_write(daemon, History(daemon, path), base.agreed())
            with Waiter(daemon, wait=wait) as waiter:
                remote = Proposals(Calls(daemon), path, Settling(waiter))
                report = Sync(disk, base, remote, hidden=hidden, ways=ways, progress=steps_on(progress)).run()
        never = why_never(daemon) if report.waits else ""
    _report(settings, report, name, folder, path, never)


class Calls:
    """The running daemon, as a folder asks it."""

    def __init__(self, daemon: DaemonSource) -> None:
        self._daemon = daemon

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        """The answer to one question."""
        return self._daemon.call(question, **params)

    def long(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a method about the Common that takes as long as it takes."""
        answer: dict[str, Any] = self._daemon.call_long(lambda: None, method, **params)
        return answer

    def write_out(self, content: str, size: int, descriptor: int) -> None:
        """Write the content of `size` bytes into an open, empty file."""
        self.long("content.write", id=content, size=size, file=File(descriptor))


class Settling:
    """A `Waiter`, as `Proposals` uses it."""

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    def add(self, proposal: str, path: str, /) -> None:
        """Wait for this one too."""
        self._waiter.add(proposal, path)

    def finish(self) -> dict[str, str]:
        """Of those that are not listed, why; empty while they wait."""
        self._waiter.finish()
        refused = {id_: f"{reason} ({code})" for id_, _, code, reason in self._waiter.refused}
        return {**dict.fromkeys(self._waiter.pending, ""), **refused}


def _report(settings: Settings, report: Report, name: str, folder: str, path: str, never: str) -> None:
    if settings.json:
        say_json({**vars(report), "hopeless": never})
    else:
        note_some("left alone", report.said)
        note_some("kept out", report.out)
        for copy in report.set_aside[:_SHOWN]:
            note(f"conflict: yours is kept as {copy}")
        note_some("warning", report.unportable)
        for copy in report.conflicts[:_SHOWN]:
            if copy not in report.set_aside:
                note(f"conflict: {copy} is still there; keep one of the two")
        come = f"{count_text(report.written, 'file')} written, {report.removed_here} removed"
        gone = f"{report.put} put, {report.removed_there} removed"
        say(f"{name}@{report.height} and {folder}: {come}; {gone} in {name}")
        if never:
            note(f"not listed: {never}; what was put can only wait here; ask a member, or see `asl status`")
        elif report.waits:
            note("pending: the witness has not listed all of it yet; see `asl proposals`")
        if report.braked:
            again = f"asl sync {folder} {path}".strip()
            note(
                f"asl: {report.braked} of {count_text(report.held, 'file')} are gone from {folder}, and were "
                f"not removed from {name}; if that is meant, type: {again} --approve"
            )
    if report.braked or report.said or report.out or never:
        raise click.exceptions.Exit(1)
