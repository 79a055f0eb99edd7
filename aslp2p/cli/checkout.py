"""`asl checkout`: the tree of a version, written into a folder, and brought up to another version later.

* Every folder below DIR is opened from the one above without following links, so nothing is ever written
outside DIR, whatever links somebody put there. * A file is written aside and put in place: it is there whole
or not at all. * `.asl-checkout` in DIR lists what was written and what it was like. What is still like that
may be replaced or removed by the next checkout; anything else (a file of yours, one you have edited) is a
conflict: said, left alone, and the exit code is 1, unless --force says otherwise. * Nothing is written into
the home, whatever is forced: the paths are others' choice, and the secret is there. * What `worktree.names`
keeps out (git's own folders, hidden folders at the top unless --hidden) is said, neither written nor removed.
"""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from aslp2p.cli.files import listing, write_content
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, home_of, open_source
from aslp2p.cli.versions import at_option, require_version
from aslp2p.errors import UsageError, UserError
from aslp2p.worktree.names import HIDDEN, RECORD, kept_out

_SHOWN = 20
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _cannot_write(folder: str, error: OSError) -> UserError:
    return UserError(f"cannot write into {folder} ({error.strerror})", remedy="name another folder")


class Conflict(Exception):
    """A path that is left as it is."""


@click.command("checkout", cls=Command)
@click.argument("folder", metavar="DIR")
@click.argument("version", default="", metavar="[@N]")
@click.option("--force", is_flag=True, help="Replace and remove what checkout did not write, too.")
@click.option("--hidden", is_flag=True, help="Top-level folders whose names begin with a dot, too.")
@at_option
@pass_settings
def checkout_command(
    settings: Settings, folder: str, version: str, force: bool, hidden: bool, at: int | None
) -> None:
    """Write the whole tree of @N (or the newest) into DIR."""
    if version and at is not None:
        raise UsageError(f"{version} and --at {at} are two versions", remedy="name one of them")
    with open_source(settings) as source:
        height = int(source.ask("show", at=require_version(version) if version else at)["height"])
        entries = list(listing(source, "", height))
        common = source.ask("summary")["name"]
        with _Tree(folder, force, str(home_of(settings)), hidden=hidden) as tree:
            tree.bring_to(source, entries)
            tree.keep_record(common, height)
    if settings.json:
        say_json(
            {
                "height": height,
                "folder": folder,
                **tree.counts(),
                "conflicts": tree.conflicts,
                "kept_out": tree.kept_out,
            }
        )
    else:
        _note_some("conflict", tree.conflicts)
        _note_some("kept out", tree.kept_out)
        counts = tree.counts()
        say(
            f"{common}@{height} in {folder}: {count_text(counts['written'], 'file')} written, "
            f"{counts['unchanged']} unchanged, {counts['removed']} removed"
        )
    if tree.conflicts or tree.kept_out:
        raise click.exceptions.Exit(1)


def _note_some(what: str, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        note(f"{what}: {line}")
    if len(lines) > _SHOWN:
        note(f"{what}: {len(lines) - _SHOWN} more")


class _Tree:
    """DIR while it is written. Use as a context manager."""

    def __init__(self, folder: str, force: bool, home: str, *, hidden: bool = False) -> None:
        real = os.path.realpath(home)
        if os.path.commonpath((os.path.realpath(folder), real)) == real:
            raise UsageError(f"{folder} is in the home of aslp2p, {home}", remedy="name another folder")
        self._home = os.stat(home)
        try:
            os.makedirs(folder, exist_ok=True)
            self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot_write(folder, error) from None
        self._folder = folder
        self._force = force
        self._hidden = hidden
        umask = os.umask(0)
        os.umask(umask)
        self._modes = (0o666 & ~umask, 0o777 & ~umask)
        self._before: dict[str, list[Any]] = {}
        self._now: dict[str, list[Any]] = {}
        self._written = self._unchanged = self._removed = 0
        self.conflicts: list[str] = []
        self.kept_out: list[str] = []

    def __enter__(self) -> _Tree:
        try:
            self._before = self._read_record()
        except BaseException:
            os.close(self._root)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def counts(self) -> dict[str, int]:
        """How many files were written, were right already, were removed."""
        return {"written": self._written, "unchanged": self._unchanged, "removed": self._removed}

    def bring_to(self, source: Source, entries: list[dict[str, Any]]) -> None:
        """Make the tree hold `entries`, and nothing else that checkout wrote before."""
        wanted = self._without_collisions(self._allowed(entries))
        paths = {entry["path"] for entry in wanted}
        for path in sorted(self._before.keys() - paths, reverse=True):
            if kept_out(path, hidden=self._hidden):
                self._now[path] = self._before[path]  # not wanted here is not gone
                continue
            self._attempt(path, lambda path=path: self._remove(path))
        with Progress("writing", len(wanted)) as progress:
            for entry in wanted:
                self._attempt(entry["path"], lambda entry=entry: self._write(source, entry))
                progress.step()

    def keep_record(self, common: str, height: int) -> None:
        """Write down what is there now, for the next checkout."""
        # What could not be touched stays on record as it was written: if it is put back it is ours again.
        data = json.dumps({"common": common, "height": height, "files": self._now}).encode("ascii")
        self._put_in_place(self._root, RECORD, self._modes[0], lambda file: file.write(data))

    # --- one file ---------------------------------------------------------------------------------

    def _attempt(self, path: str, act: Any) -> None:
        try:
            act()
        except Conflict as conflict:
            self.conflicts.append(f"{path}: {conflict}")
        except UserError as error:
            self.conflicts.append(f"{path}: {error}")
        except OSError as error:
            self.conflicts.append(f"{path}: {error.strerror}")
        else:
            return
        if path in self._before:
            self._now[path] = self._before[path]

    def _write(self, source: Source, entry: dict[str, Any]) -> None:
        path = entry["path"]
        with self._parent(path, make=True) as (parent, name):
            status = _status(parent, name)
            if status is not None:
                if self._is_ours(path, status) and self._before[path][0] == _like(entry):
                    self._now[path] = self._before[path]
                    self._unchanged += 1
                    return
                self._require_replaceable(path, status)
            mode = self._modes[bool(entry["executable"])]
            self._put_in_place(parent, name, mode, lambda file: write_content(source, entry, file))
            written = os.stat(name, dir_fd=parent, follow_symlinks=False)
            self._now[path] = [_like(entry), written.st_size, written.st_mtime_ns]
            self._written += 1

    def _remove(self, path: str) -> None:
        try:
            with self._parent(path, make=False) as (parent, name):
                status = _status(parent, name)
                if status is None:
                    return
                if stat.S_ISDIR(status.st_mode):
                    return  # somebody made a folder of it: not what we wrote
                if not self._is_ours(path, status) and not self._force:
                    raise Conflict("it is not in this version, and was changed here; --force removes it")
                os.unlink(name, dir_fd=parent)
                self._removed += 1
        except FileNotFoundError:
            return
        self._remove_empty_folders(path)

    def _remove_empty_folders(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        while folder:
            with self._parent(folder, make=False) as (parent, name):
                try:
                    os.rmdir(name, dir_fd=parent)
                except OSError:
                    return  # something is in it
            folder = folder.rpartition("/")[0]

    def _require_replaceable(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            raise Conflict("a folder is in its place")
        if not self._force and not self._is_ours(path, status):
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a file that checkout did not write"
            raise Conflict(f"{what} is in its place; --force replaces it")

    def _is_ours(self, path: str, status: os.stat_result) -> bool:
        """Whether what is there is what checkout wrote, as far as size and time tell."""
        record = self._before.get(path)
        return (
            record is not None
            and stat.S_ISREG(status.st_mode)
            and record[1:] == [status.st_size, status.st_mtime_ns]
        )

    @contextmanager
    def _parent(self, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """The folder that holds `path`, opened without following links, and the name in it."""
        *folders, name = path.split("/")
        descriptor = os.dup(self._root)
        try:
            for folder in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(folder, 0o777, dir_fd=descriptor)
                try:
                    below = os.open(folder, _OPEN_FOLDER, dir_fd=descriptor)
                except FileNotFoundError:
                    raise
                except OSError:
                    raise Conflict(
                        f"{folder} is in the way: not a folder, and links are not followed"
                    ) from None
                os.close(descriptor)
                descriptor = below
                if os.path.samestat(os.fstat(descriptor), self._home):
                    raise Conflict("this is in the home of aslp2p, where nothing is checked out")
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _put_in_place(self, parent: int, name: str, mode: int, write: Any) -> None:
        temporary = f".asl-{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)  # left by a crash of a process with our number
        try:
            with open(os.open(temporary, flags, 0o600, dir_fd=parent), "wb") as file:
                write(file)
                os.fchmod(file.fileno(), mode)
            os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise

    # --- the whole --------------------------------------------------------------------------------

    def _allowed(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a folder may hold; of the rest one line for each path, or for a whole hidden folder."""
        allowed, hidden = [], dict[str, int]()
        for entry in entries:
            path = entry["path"]
            why = kept_out(path, hidden=self._hidden)
            if why is None:
                allowed.append(entry)
            elif why == HIDDEN:
                top = path.partition("/")[0]
                hidden[top] = hidden.get(top, 0) + 1
            else:
                self.kept_out.append(f"{path}: {why}")
        for top, count in hidden.items():
            self.kept_out.append(f"{top}/: {HIDDEN} with {count_text(count, 'file')}; --hidden writes it")
        return allowed

    def _without_collisions(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What this file system can hold side by side; the rest become conflicts."""
        folds = self._folds_names()
        wanted, taken = [], {_folded(RECORD) if folds else RECORD: RECORD}
        for entry in entries:
            path = entry["path"]
            at = _folded(path) if folds else path
            if at in taken:
                self.conflicts.append(f"{path}: {taken[at]} has the same name on this file system")
                continue
            taken[at] = path
            wanted.append(entry)
        return wanted

    def _folds_names(self) -> bool:
        """Whether this file system takes upper and lower case for the same."""
        probe = f".asl-probe-{os.getpid()}"
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self._root))
        except OSError as error:
            raise _cannot_write(self._folder, error) from None
        try:
            return _status(self._root, probe.upper()) is not None
        finally:
            os.unlink(probe, dir_fd=self._root)

    def _read_record(self) -> dict[str, list[Any]]:
        # Not blocking: somebody may have put a pipe there.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with open(os.open(RECORD, flags, dir_fd=self._root), "rb") as file:
                self._require_own_record(os.fstat(file.fileno()))
                files = json.loads(file.read())["files"]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            return self._no_record()
        if not isinstance(files, dict) or any(not _is_record(*item) for item in files.items()):
            return self._no_record()
        return files

    def _require_own_record(self, status: os.stat_result) -> None:
        """Raises `UserError` unless this is a file, and of this user: it says what may be removed here."""
        record = os.path.join(self._folder, RECORD)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(
                f"{record} is no file; checkout keeps its record there",
                remedy="see who put it there, and remove it",
            )
        if status.st_uid != os.geteuid():
            raise UserError(
                f"{record} belongs to another user (uid {status.st_uid})",
                remedy="check out as them, or into another folder",
            )

    def _no_record(self) -> dict[str, list[Any]]:
        note(f"asl: {self._folder}/{RECORD} cannot be read; everything there is taken for yours")
        return {}


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _like(entry: dict[str, Any]) -> str:
    """What a file is like: its content, and whether it can be run."""
    return f"{entry['content']}{'x' if entry['executable'] else ''}"


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _is_record(path: object, record: object) -> bool:
    """Whether a line of the record can be one: above all, a path that stays below DIR."""
    from aslp2p.artifacts.text import path_problem

    return (
        isinstance(path, str)
        and path_problem(path) is None
        and isinstance(record, list)
        and [type(item) for item in record] == [str, int, int]
    )
