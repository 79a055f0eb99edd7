"""`asl ls`, `get`, `rm`: the files of the Common, one by one."""

from __future__ import annotations

import base64
import fcntl
import glob
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, BinaryIO

import click

from aslp2p.artifacts.content import chunks_of
from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_path
from aslp2p.cli.fetching import fetch
from aslp2p.cli.group import Command
from aslp2p.cli.history import require_same_history
from aslp2p.cli.output import count_text, erased_mark, note, say, say_json, table, when
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, open_daemon, open_source
from aslp2p.cli.versions import at_option, file_meant, split_version
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import UsageError, UserError
from aslp2p.worktree.names import TEMPORARY_PREFIX
from aslp2p.worktree.walking import clean_path

_PROBLEMS_SHOWN = 20
_PART = f"{TEMPORARY_PREFIX}get-"
"""What is being written: `put` skips such names; the next `get` into the folder removes what a kill left."""


@click.command("ls", cls=Command)
@click.argument("prefix", default="", metavar="[PATH][@N]", shell_complete=complete_path)
@click.option("-l", "--long", "long_", is_flag=True, help="With size, version, author and date.")
@at_option
@pass_settings
def ls_command(settings: Settings, prefix: str, long_: bool, at: int | None) -> None:
    """List the files at PATH and below it, or all of them."""
    path, version = split_version(prefix, at)
    with open_source(settings) as source:
        entries = listing(source, path, version)
        if path:
            entries = _some(entries, path)
        if settings.json:
            say_json({"entries": list(entries)})
        elif long_:
            table([_long(entry) for entry in entries])
        else:
            for entry in entries:
                say(f"{entry['path']}{erased_mark(entry)}")


def _some(entries: Iterator[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    """`entries`, at least one. Raises `UserError` when there is nothing at the path that was asked for."""
    first = next(entries, None)
    if first is None:
        raise UserError(f"there is nothing at {path}", remedy="see what is with `asl ls`")
    return chain((first,), entries)


def _long(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        "x" if entry["executable"] else "-",
        size_text(entry["size"]),
        f"@{entry['height']}",
        entry["author"]["shown"],
        when(entry["created_ms"]),
        f"{entry['path']}{erased_mark(entry)}",
    )


def listing(source: Source, path: str, at: int | None) -> Iterator[dict[str, Any]]:
    """All entries at `path` and below it, of one version, by path."""
    first = page = source.ask("ls", prefix=path, at=at)
    while True:
        require_same_history(first, page)
        yield from page["entries"]
        if page["next"] is None:
            return
        page = source.ask("ls", prefix=path, at=first["height"], after=page["next"])


@click.command("get", cls=Command)
@click.argument("path", metavar="PATH[@N]", shell_complete=complete_path)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; `-`: standard output, as without.")
@at_option
@pass_settings
def get_command(settings: Settings, path: str, output: str | None, at: int | None) -> None:
    """Write out the file at PATH."""
    if settings.json and output in (None, "-"):
        raise UsageError("--json answers on standard output, where the file would go", remedy="say -o FILE")
    if not split_version(path, at)[0]:
        raise UsageError(
            "get writes out one file", remedy="name its path; a whole tree is written by `asl checkout`"
        )
    with open_source(settings) as source:
        wanted, version = file_meant(source, path, at)
        entry = _entry(source, wanted, version)
        target = None if output in (None, "-") else _target(str(output), wanted)
        fetch(source, [(entry["content"], entry["size"])])
        if target is None:
            _require_harmless(entry)
            write_content(source, entry, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            _write_file(source, entry, target)
    if settings.json:
        say_json({**entry, "written": target})


def _entry(source: Source, path: str, version: int | None) -> dict[str, Any]:
    """What is at `path`; without a version also what this machine has put there and is not listed yet."""
    try:
        return source.ask("entry", path=path, at=version)
    except UserError:
        if version is not None:
            raise
        for one in source.ask("proposals", state="pending")["proposals"]:
            action = one["action"]
            if one["author"]["self"] and action["kind"] == "put" and action["path"] == path:
                note(f"{path} waits for the witness; this is what will be put")
                return {**action, "path": path}
        raise


def write_content(source: Source, entry: dict[str, Any], file: BinaryIO) -> None:
    """Writes the bytes of `entry`. Raises `UserError` when they are not all here."""
    size = entry["size"]
    with Progress(entry["path"], size, bytes_=True) as progress:
        for index in range(chunks_of(size)):
            answer = source.ask("content.read", id=entry["content"], size=size, index=index)
            data = base64.b64decode(answer["data"])
            file.write(data)
            progress.step(len(data))


def _write_out(source: Source, entry: dict[str, Any], descriptor: int) -> None:
    """As `write_content`, into an open file."""
    with Progress(entry["path"], entry["size"], bytes_=True) as progress:
        shown = 0

        def look() -> None:
            nonlocal shown
            written = min(entry["size"], os.fstat(descriptor).st_blocks * 512)
            progress.step(max(0, written - shown))
            shown = max(shown, written)

        source.write_out(entry["content"], entry["size"], descriptor, look)


def _target(output: str, path: str) -> str:
    if output.endswith("/") or os.path.isdir(output):
        return os.path.join(output, path.rpartition("/")[2])
    return output


def _write_file(source: Source, entry: dict[str, Any], target: str) -> None:
    """There whole or not at all."""
    from aslp2p.home.files import require_replaceable

    require_replaceable(target)
    folder = os.path.dirname(target) or "."
    _remove_leftovers(folder)
    umask = os.umask(0)
    os.umask(umask)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=_PART, dir=folder)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error.strerror})", remedy="name another file"
        ) from None
    try:
        with open(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # whoever writes it is alive
            _write_out(source, entry, file.fileno())
            os.fchmod(file.fileno(), (0o777 if entry["executable"] else 0o666) & ~umask)
            if entry["modified_ms"]:
                os.utime(file.fileno(), ns=(entry["modified_ms"] * 10**6,) * 2)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _remove_leftovers(folder: str) -> None:
    """What a `get` that was killed has left in the folder: nobody holds it."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{_PART}*")):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)


def _require_harmless(entry: dict[str, Any]) -> None:
    """Nobody wants a photograph on their terminal, nor escape sequences from others."""
    if sys.stdout.isatty():
        raise UsageError(
            f"{entry['path']} ({size_text(entry['size'])}) would go to the terminal as it is",
            remedy="say -o FILE, or pipe it somewhere",
        )


@click.command("rm", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", shell_complete=complete_path)
@click.option("-r", "--recursive", is_flag=True, help="Folders, with everything in them.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def rm_command(settings: Settings, paths: tuple[str, ...], recursive: bool, no_wait: bool) -> None:
    """Remove files from the next version on; older versions keep them."""
    from aslp2p.cli.waiting import Waiter

    with open_daemon(settings) as daemon, Waiter(daemon, wait=not no_wait) as waiter:
        entries = [one for path in paths for one in _meant(daemon, clean_path(path), recursive)]
        if not all(map(clean_path, paths)) and sys.stdin.isatty():
            click.confirm(f"Remove all {count_text(len(entries), 'file')}?", abort=True, err=True)
        # Only what was seen is removed: who changed it meanwhile keeps their change.
        calls = [daemon.request("remove", path=one["path"], expects=one["content"]) for one in entries]
        failed: list[str] = []
        with Progress("removing", len(entries)) as progress:
            for entry, answer in zip(entries, daemon.client.call_many(calls), strict=True):
                if isinstance(answer, RemoteError):
                    failed.append(f"asl: {entry['path']}: {answer}")
                else:
                    waiter.add(answer["proposal"], f"{entry['path']} removed")
                progress.step()
            waiter.finish()
        for line in failed[:_PROBLEMS_SHOWN]:
            note(line)
        if len(waiter.witnessed) > 1 and not settings.json:
            last = max(height or 0 for _, _, height in waiter.witnessed)
            say(f"{count_text(len(waiter.witnessed), 'file')} removed, at {waiter.version(last)}")
            waiter.witnessed.clear()
        waiter.report(settings)
    if failed:
        raise click.exceptions.Exit(1)


def _meant(source: Source, path: str, recursive: bool) -> list[dict[str, Any]]:
    if not recursive:
        if not path:
            raise UsageError("this names everything", remedy="remove all of it with `asl rm -r .`")
        first = next(listing(source, path, None), None)
        if first is not None and first["path"] != path:
            raise UsageError(f"{path} is a folder", remedy=f"remove it with `asl rm -r {path}`")
        return [source.ask("entry", path=path)]
    found = list(listing(source, path, None))
    if not found:
        raise UserError(f"{path or 'the Common'} has nothing in it", remedy="see what there is with `asl ls`")
    return found
