"""`asl put`: files into the Common, handed to the daemon open; small ones several at once."""

from __future__ import annotations

import io
import mimetypes
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import Any

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.files import listing
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, home_of, open_daemon
from aslp2p.cli.sync import run_sync
from aslp2p.cli.versions import split_version
from aslp2p.cli.waiting import Waiter, wait_for_admission
from aslp2p.control.client import File
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import UsageError
from aslp2p.limits import CHUNK_BYTES, ID_BYTES, UINT_MAX
from aslp2p.worktree.base import has_base
from aslp2p.worktree.report import Ways
from aslp2p.worktree.walking import STDIN, Item, Walk, clean_path, unreadable

NOTHING = "nothing"
_BATCH_FILES = 64
_BATCH_BYTES = 8 * CHUNK_BYTES
_PROBLEMS_SHOWN = 20


@click.command("put", cls=Command)
@click.argument("paths", nargs=-1, metavar="SRC… DEST")
@click.option("-r", "--recursive", is_flag=True, help="Folders, with everything in them.")
@click.option("--expect", metavar="ID|nothing", help="Only if this content is there now.")
@click.option(
    "--if-unchanged",
    is_flag=True,
    help="Only over what SRC was checked out from; else over what this machine knows to be there.",
)
@click.option("--delete", is_flag=True, help="Remove what is gone from SRC since it was checked out, too.")
@click.option("--from", "old", metavar="PATH@N", help="Put back what was at PATH in version N.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def put_command(
    settings: Settings,
    paths: tuple[str, ...],
    recursive: bool,
    expect: str | None,
    if_unchanged: bool,
    delete: bool,
    old: str | None,
    no_wait: bool,
) -> None:
    """Put files into the Common.

    As in `asl put cat.jpg photos/`, `asl put -r photos/ photos/`, `asl put - notes.txt`. A DEST with a slash
    at its end is a folder; a SRC with one means what is in it. `asl put --from notes.txt@3` puts back an old
    version as a new one.
    """
    if old is not None:
        put_back(settings, old, paths, wait=not no_wait)
        return
    if not paths:
        raise UsageError("nothing is named to be put", remedy="type: asl put FILE PATH")
    if len(paths) < 2:
        put = "asl put -r" if recursive else "asl put"
        raise UsageError(f"where to is {paths[0]} to be put", remedy=f"type: {put} {paths[0]} PATH")
    if expect is not None and if_unchanged:
        raise UsageError("--expect and --if-unchanged say two things", remedy="use one of them")
    expects = _expected(expect)
    walk = Walk(paths[:-1], paths[-1], recursive=recursive, home=str(home_of(settings)))
    followed = walk.followed() if if_unchanged or delete else None
    if followed is not None and has_base(followed[0]):
        ways = Ways(receive=False, remove=delete, approved=True)
        run_sync(settings, *followed, ways, hidden=True, wait=not no_wait)
        return
    if delete:
        raise UsageError(
            "nothing says what is gone from there: no checkout wrote it",
            remedy=f"type: asl sync {paths[0]} {paths[-1]}",
        )
    with open_daemon(settings) as daemon, Waiter(daemon, wait=not no_wait) as waiter:
        if not no_wait:
            wait_for_admission(daemon)
        known = {one["path"]: one["content"] for one in listing(daemon, "", None)} if if_unchanged else None
        putting = _Putting(daemon, waiter, walk, expects, known)
        putting.run()
        waiter.finish()
        _report(settings, putting, waiter, walk)


def _expected(expect: str | None) -> str | None:
    if expect in (None, NOTHING):
        return None if expect is None else ""
    assert expect is not None  # noqa: S101 - for the type checker
    if len(expect) != 2 * ID_BYTES or set(expect) - set("0123456789abcdef"):
        raise UsageError(
            f"--expect {expect} is no content id", remedy="see `asl show PATH`, or write: --expect nothing"
        )
    return expect


def put_back(settings: Settings, old: str, paths: tuple[str, ...], *, wait: bool) -> None:
    """Propose the file `old`, as in `notes.txt@3`, at its path or the one in `paths`, over what is there."""
    path, version = split_version(old)
    if not path or version is None or len(paths) > 1:
        raise UsageError("--from wants one old version", remedy="write it as in: asl put --from notes.txt@3")
    target = clean_path(paths[0]) if paths else path
    with open_daemon(settings) as daemon, Waiter(daemon, wait=wait) as waiter:
        entry = daemon.ask("entry", path=path, at=version)
        there = next((one for one in listing(daemon, target, None) if one["path"] == target), None)
        if there is not None and (there["content"], there["executable"]) == (
            entry["content"],
            entry["executable"],
        ):
            say(f"Nothing to put: {target} is what it was at @{version}")
            return
        fields = ("content", "size", "media_type", "executable", "modified_ms")
        action = {"kind": "put", "path": target, **{field: entry[field] for field in fields}}
        action["expects"] = "" if there is None else there["content"]
        waiter.add(daemon.call("propose", action=action)["proposal"], f"{target} of @{version} put back")
        waiter.finish()
        waiter.report(settings)


class _Putting:
    """One run over the files; what it counts is for the report."""

    def __init__(
        self,
        daemon: DaemonSource,
        waiter: Waiter,
        walk: Walk,
        expects: str | None,
        known: dict[str, str] | None,
    ) -> None:
        self._daemon = daemon
        self._waiter = waiter
        self._walk = walk
        self._expects = expects
        self._known = known
        self._types = mimetypes.MimeTypes(filenames=())  # the same on every machine
        self._batch: list[tuple[str, tuple[str, dict[str, Any]]]] = []
        self._batch_bytes = 0
        self._opened = ExitStack()
        self._noted = 0
        self.put = 0
        self.bytes = 0
        self.unchanged = 0

    def run(self) -> None:
        """Everything that the walk finds."""
        with self._opened, Progress("putting", bytes_=True) as progress:
            for item in self._walk:
                try:
                    self._item(item, progress)
                except OSError as error:
                    self._walk.problems.append(unreadable(item.source, error))
                self._note_problems()
            self._flush()
        self._note_problems()

    def _item(self, item: Item, progress: Progress) -> None:
        if item.source == STDIN:
            with _standard_input() as descriptor:
                self._long(self._params(item.path, descriptor, None), progress)
            return
        # Not blocking, in case it has become a pipe since we looked.
        descriptor = os.open(item.source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with ExitStack() as opened:
            opened.callback(os.close, descriptor)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self._walk.skipped.append(f"{item.source}: no file any more")
                return
            progress.expect(status.st_size)
            params = self._params(item.path, descriptor, status)
            if status.st_size > _BATCH_BYTES:
                self._flush()
                self._long(params, progress)
                return
            progress.step(status.st_size)
            self._batch.append((item.path, self._daemon.request("put.file", **params)))
            self._batch_bytes += status.st_size
            self._opened.push(opened.pop_all())  # until it is answered
        if len(self._batch) >= _BATCH_FILES or self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _params(self, path: str, descriptor: int, status: os.stat_result | None) -> dict[str, Any]:
        return {
            "path": path,
            "file": File(descriptor),
            "executable": status is not None and bool(status.st_mode & stat.S_IXUSR),
            "modified_ms": 0 if status is None else min(max(status.st_mtime_ns // 10**6, 0), UINT_MAX),
            "media_type": self._types.guess_type(path)[0] or "",
            "expects": self._expects if self._known is None else self._known.get(path, ""),
            "skip_same": self._expects is None,
        }

    def _flush(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        with self._opened.pop_all():
            answers = list(self._daemon.client.call_many([request for _, request in batch]))
        for (path, _), answer in zip(batch, answers, strict=True):
            if isinstance(answer, RemoteError):
                self._walk.problems.append(f"{path}: {answer}")
            else:
                self._done(path, answer)

    def _long(self, params: dict[str, Any], progress: Progress) -> None:
        """One file by itself, as long as it takes; how far the daemon has read it, its own descriptor
        tells."""
        read = 0

        def look() -> None:
            nonlocal read
            with suppress(OSError):  # a pipe is nowhere
                at = os.lseek(params["file"], 0, os.SEEK_CUR)
                progress.step(at - read)
                read = at

        try:
            self._done(params["path"], self._daemon.call_long(look, "put.file", **params))
        except RemoteError as error:
            self._walk.problems.append(f"{params['path']}: {error}")
        look()

    def _done(self, path: str, answer: dict[str, Any]) -> None:
        if answer["proposal"] is None:
            self.unchanged += 1
            return
        self.put += 1
        self.bytes += answer["size"]
        self._waiter.add(answer["proposal"], path)

    def _note_problems(self) -> None:
        """What cannot be taken is said as it is found, up to a bound."""
        for problem in self._walk.problems[self._noted : _PROBLEMS_SHOWN]:
            note(f"asl: {problem}")
        self._noted = len(self._walk.problems)


@contextmanager
def _standard_input() -> Iterator[int]:
    """A descriptor that standard input can be read from."""
    try:
        yield sys.stdin.fileno()
    except io.UnsupportedOperation:  # it is no file of the system's
        with TemporaryFile() as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.seek(0)
            yield file.fileno()


def _report(settings: Settings, putting: _Putting, waiter: Waiter, walk: Walk) -> None:
    if settings.json:
        say_json(
            {
                "put": putting.put,
                "bytes": putting.bytes,
                "unchanged": putting.unchanged,
                **waiter.as_json(),
                "skipped": walk.skipped,
                "problems": walk.problems,
                "unportable": walk.unportable,
            }
        )
    else:
        for name in walk.unportable[:_PROBLEMS_SHOWN]:
            note(f"warning: {name}")
        for skipped in walk.skipped[:_PROBLEMS_SHOWN]:
            note(f"skipped {skipped}")
        if len(walk.skipped) > _PROBLEMS_SHOWN:
            note(f"skipped {len(walk.skipped) - _PROBLEMS_SHOWN} more")
        if len(walk.problems) > _PROBLEMS_SHOWN:
            note(f"asl: {len(walk.problems) - _PROBLEMS_SHOWN} more could not be put")
        _say_sum(putting, waiter, walk)
        waiter.note_others()
    if walk.problems or walk.skipped or waiter.failed:
        raise click.exceptions.Exit(1)


def _say_sum(putting: _Putting, waiter: Waiter, walk: Walk) -> None:
    heights = [height for _, _, height in waiter.witnessed if height is not None]
    if len(waiter.witnessed) == 1 and not putting.unchanged:
        say(f"{waiter.witnessed[0][1]}, at {waiter.version(waiter.witnessed[0][2])}")
        return
    same = f", {putting.unchanged} unchanged" if putting.unchanged else ""
    if heights:
        asked = putting.put + len(walk.problems)
        files = f"{count_text(len(heights), 'file')} of {asked}"
        say(f"{files} put ({size_text(putting.bytes)}){same}, at {waiter.version(max(heights))}")
    elif putting.put:
        say(f"{count_text(putting.put, 'file')} proposed ({size_text(putting.bytes)}){same}")
    elif putting.unchanged:
        say(f"Nothing to put: {count_text(putting.unchanged, 'file')} there already, unchanged")
    elif not waiter.refused and not walk.problems:
        say("Nothing to put: no file is there")
