"""A home in a file: what `asl move` carries to another machine, and what `asl backup` keeps.

    header    8 bytes HOME_FILE_MAGIC (its last byte is the version), 4 bytes length (big-endian), as many
              bytes: the canonical array ["asl.home/1", kind, id, created_ms, key, [[name, size] …]]
    files     their bytes, one after the other, in the header's order; of a folder of contents a stream
              (`packed`), which version 1 did not have
    trailer   32 bytes SHA-256 of all that comes before

A file without its whole trailer is refused, so nothing is a home before the last step of writing it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, NamedTuple

from aslp2p.artifacts import canonical
from aslp2p.errors import ArtifactError, UserError
from aslp2p.home import Home
from aslp2p.home.files import TEMPORARY_PREFIX, sync_folder
from aslp2p.home.marks import HOME_FILE_MAGIC
from aslp2p.limits import ARRAY_ITEMS_MAX, HOME_FILE_HEADER_BYTES_MAX, KEY_BYTES, MIB, UINT_MAX
from aslp2p.transfer.packed import Unpacking, is_packed, packed, packed_size

TAG = "asl.home/1"
MOVE, BACKUP = "move", "backup"
ID_BYTES = 16
_LENGTH_BYTES = 4
_DIGEST_BYTES = 32
_TOP = ("key", "name", "config.toml", "default", "version", "restored", "offline")
_NAME = re.compile(rf"({'|'.join(map(re.escape, _TOP))})|commons/[0-9a-f]{{16}}/[a-z0-9][a-z0-9._-]{{0,63}}")
_BEFORE = HOME_FILE_MAGIC[:-1] + b"\x01"
_SQLITE_ASIDE = ("-wal", "-shm", "-journal")

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""


class Header(NamedTuple):
    """What a home's file says of itself."""

    kind: str
    id: bytes
    created_ms: int
    key: bytes
    files: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(size for _, size in self.files)


def files_of(home: Home) -> Iterator[str]:
    """The names, below the home, of what makes it this home: no lock, socket or port, nothing temporary."""
    for name in _TOP:
        if (home.path / name).is_file():
            yield name
    for folder in home.commons():
        for entry in sorted(folder.iterdir()):
            name = f"commons/{folder.name}/{entry.name}"
            aside = entry.name.endswith(_SQLITE_ASIDE) or entry.name.startswith(TEMPORARY_PREFIX)
            if is_packed(name) and packed_size(entry):
                yield name
            elif not aside and entry.is_file() and not entry.is_symlink():
                if not _NAME.fullmatch(name):
                    raise UserError(f"{entry} is not a file of a home", remedy="put it elsewhere")
                yield name


class PackageWriter:
    """Writes one file: `write_body`, and once that is safe `finish`; until then it is no home to anybody.

    The file stands beside `target` under another name. As a context manager it removes that when it was not
    finished and an exception says so.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.aside = target.with_name(f"{TEMPORARY_PREFIX}{target.name}")
        self._digest = sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> PackageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._file is not None:
            self._file.close()
        if kind is not None:
            self.aside.unlink(missing_ok=True)

    def write_body(self, home: Home, header: Header, progress: Progress) -> None:
        """All but the trailer, synced. Raises `UserError` when the disk refuses."""
        try:
            self.aside.unlink(missing_ok=True)
            descriptor = os.open(self.aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = open(descriptor, "wb")  # noqa: SIM115 - closed by `__exit__`
            fields = [TAG, *header[:4], [list(one) for one in header.files]]
            packed = canonical.encode(fields)
            self._write(HOME_FILE_MAGIC + len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
            done = 0
            for name, size in header.files:
                left = size
                for data in _stream(home.path / name):
                    self._write(data)
                    left -= len(data)
                    done += len(data)
                    progress(done, header.size)
                    if left <= 0:
                        break
                if left:
                    raise UserError(f"{home.path / name} changed meanwhile", remedy="try again")
            self._sync()
        except OSError as error:
            raise _cannot_write(self.target, error) from None

    def finish(self) -> None:
        """The trailer, then the name: now it is whole. Raises `UserError` when the disk refuses."""
        assert self._file is not None  # noqa: S101 - `write_body` comes first
        try:
            self._file.write(self._digest.digest())
            self._sync()
            os.replace(self.aside, self.target)
            sync_folder(self.target.parent)
        except OSError as error:
            raise _cannot_write(self.target, error) from None

    def _write(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101
        self._digest.update(data)
        self._file.write(data)

    def _sync(self) -> None:
        assert self._file is not None  # noqa: S101
        self._file.flush()
        os.fsync(self._file.fileno())


def header_of(home: Home, kind: str, id_: bytes, created_ms: int, key: bytes) -> Header:
    """The header for a home whose stores are closed. Raises `UserError`."""
    files = tuple((name, _size(home.path / name)) for name in files_of(home))
    if len(files) > ARRAY_ITEMS_MAX:
        raise UserError(f"{home} holds more files than one file carries")
    return Header(kind, id_, created_ms, key, files)


class PackageReader:
    """A home's file, opened; `header` is read and its sizes agree with the file's. Use as a context manager.

    Raises `UserError` when it is no such file, of a later version, or cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = sha256()
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(
                f"cannot read {path} ({error.strerror})", remedy="name the file that was written"
            ) from None
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PackageReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read_header(self) -> Header:
        start = self._take(len(HOME_FILE_MAGIC) + _LENGTH_BYTES)
        if start[: len(HOME_FILE_MAGIC)] not in (HOME_FILE_MAGIC, _BEFORE):
            what = (
                "from a newer aslp2p" if start.startswith(HOME_FILE_MAGIC[:-1]) else "not the file of a home"
            )
            raise UserError(f"{self.path} is {what}", remedy="name the file that `asl move out` wrote")
        length = int.from_bytes(start[len(HOME_FILE_MAGIC) :], "big")
        if length > HOME_FILE_HEADER_BYTES_MAX:
            raise self._damaged("its header is too long")
        packed = self._take(length)
        try:
            header = _parse(canonical.decode(packed, bytes_max=HOME_FILE_HEADER_BYTES_MAX))
        except ArtifactError as error:
            raise self._damaged(error.message) from None
        whole = len(start) + length + header.size + _DIGEST_BYTES
        if os.fstat(self._file.fileno()).st_size != whole:
            raise self._damaged("it is cut off, or longer than it says")
        return header

    def extract(self, folder: Path, progress: Progress) -> None:
        """Every file below the new folder `folder`, synced. Raises `UserError`; the folder is gone then."""
        try:
            shutil.rmtree(folder, ignore_errors=True)  # left by a crash
            folder.mkdir(mode=0o700)
            done = 0
            for name, size in self.header.files:
                path = folder / name
                for above in (path.parent.parent, path.parent):  # `parents` would not be private
                    above.mkdir(mode=0o700, exist_ok=True)
                with _taking(path) as take:
                    left = size
                    while left:
                        data = self._take(min(MIB, left))
                        take(data)
                        left -= len(data)
                        done += len(data)
                        progress(done, self.header.size)
            self._require_digest()
            for below in (*folder.rglob("*"), folder):
                if below.is_dir():
                    sync_folder(below)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise _cannot_write(folder, error) from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def require_whole(self) -> None:
        """Read it to its end. Raises `UserError` unless every byte is what was written."""
        left = self.header.size
        while left:
            left -= len(self._take(min(MIB, left)))
        self._require_digest()

    def _require_digest(self) -> None:
        expected = self._digest.digest()
        if self._take(_DIGEST_BYTES) != expected:
            raise self._damaged("its digest is not that of its bytes")

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            raise self._damaged("it is cut off")
        self._digest.update(data)
        return data

    def _damaged(self, what: str) -> UserError:
        return UserError(
            f"{self.path} is not whole: {what}", remedy="copy it again, or finish what was writing it"
        )


def _size(path: Path) -> int:
    return packed_size(path) if is_packed(path.name) else path.stat().st_size


def _stream(path: Path) -> Iterator[bytes]:
    if is_packed(path.name):
        yield from packed(path)
        return
    with path.open("rb") as file:
        while data := file.read(MIB):
            yield data


@contextmanager
def _taking(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Takes the bytes of what is listed as `path`; they are on disk when the block ends well."""
    if is_packed(path.name):
        unpacking = Unpacking(path)
        yield unpacking.feed
        unpacking.end()
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())


def _parse(fields: object) -> Header:
    if not isinstance(fields, list) or len(fields) != 6 or fields[0] != TAG:
        raise ArtifactError("A3", f"its header is not an array of 6 that begins with {TAG}")
    _, kind, id_, created_ms, key, files = fields
    if kind not in (MOVE, BACKUP) or type(id_) is not bytes or len(id_) != ID_BYTES:
        raise ArtifactError("A3", "its header names no kind or id")
    if type(key) is not bytes or len(key) != KEY_BYTES or not _is_uint(created_ms):
        raise ArtifactError("A3", "its header names no key or time")
    if type(files) is not list or not all(_is_file(one) for one in files):
        raise ArtifactError("A3", "its header lists what no home has")
    names = [one[0] for one in files]
    if len(set(names)) != len(names) or not {"key", "version"} <= set(names):
        raise ArtifactError("A3", "its header lists a file twice, or no key")
    return Header(kind, id_, created_ms, key, tuple((name, size) for name, size in files))


def _is_file(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 2
        and isinstance(one[0], str)
        and bool(_NAME.fullmatch(one[0]))
        and _is_uint(one[1])
    )


def _is_uint(value: object) -> bool:
    return type(value) is int and 0 <= value <= UINT_MAX


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path} ({error.strerror})", remedy="see that there is room and that it is allowed"
    )
