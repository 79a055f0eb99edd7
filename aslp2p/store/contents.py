"""Large contents and chunks as files, `ab/cdef…` by their ids, beside the database that says which are here.

How it works. A content is written to a file in `new/`. `settle`, before the database commits, syncs what is
new, renames it into its place and syncs the folders: so whatever a committed row names is on disk, whole.
What a transaction drops is removed after it is committed; until then it stands in the file `dropped`, so that
the next opening goes on with it after a crash. A crash between the other steps leaves files that no
row names: they are worth nothing, do no harm, and go when the same content comes again or with `asl fsck
--repair`; those in `new/` go when the store is opened.

SQLite writes each byte twice, and a deleted blob frees nothing on disk; for small contents it is still by far
the faster (`SMALL_BYTES_MAX`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from aslp2p.limits import ID_BYTES, KIB

SMALL_BYTES_MAX = 64 * KIB
"""Contents up to here are rows of the database (measured: `docs/benchmarks.md`)."""
OPEN_MAX = 32
"""Files that are written and not yet synced, each with a descriptor."""
TOGETHER_MIN, TOGETHER_MAX = 8, 8
"""From how many files, and how many at once, are synced side by side."""
NEW = "new"
DROPPED = "dropped"
SUFFIX = ".contents"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class ContentFiles:
    """The files below `folder`, which need not exist. Raises `OSError`."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._new: dict[bytes, Path] = {}
        """What the open transaction has put, and where it is until it is settled."""
        self._unsynced: list[int] = []
        self._settled: list[bytes] = []
        self._dropped: set[bytes] = set()
        self._made = 0
        self._folders: set[Path] = set()
        """To be synced, for what was made in them."""
        if not read_only:
            for name in _names(folder / NEW):
                os.unlink(folder / NEW / name)

    # --- one transaction ----------------------------------------------------------------------------

    def put(self, id_: bytes, data: bytes) -> None:
        """Part of the open transaction, and read as such."""
        self._discard(id_)
        if not self._made:
            self._make(self.folder)
            self._make(self.folder / NEW)
        self._made += 1
        path = self.folder / NEW / str(self._made)
        self._new[id_] = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._unsynced.append(descriptor)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        self._dropped.discard(id_)
        if len(self._unsynced) >= OPEN_MAX:
            self._sync()

    def adopt(self, id_: bytes, place: Path) -> None:
        """Part of the open transaction, and read as such: a file in `new/` that is synced already."""
        self._discard(id_)
        self._folders |= {self.folder.parent, self.folder}
        self._new[id_] = place
        self._dropped.discard(id_)

    def drop(self, id_: bytes) -> None:
        """Gone once the transaction is committed."""
        self._discard(id_)
        self._dropped.add(id_)

    def erase(self, ids: Iterable[bytes]) -> None:
        """Gone at once, for good, whatever becomes of the transaction: a row that still names one is of what
        is erased again."""
        for id_ in ids:
            self._discard(id_)
            place = self.place(id_)
            with suppress(FileNotFoundError):
                os.unlink(place)
                self._folders.add(place.parent)

    def settle(self) -> None:
        """All that was put is on disk and in its place when this returns, and what is to go written down."""
        self._write_down()
        self._sync()
        while self._new:
            id_, path = next(iter(self._new.items()))
            place = self.place(id_)
            if place.parent not in self._folders:
                self._make(place.parent)
                self._folders.add(place.parent)
            os.rename(path, place)
            del self._new[id_]
            self._settled.append(id_)
        with ExitStack() as opened:
            descriptors = []
            for folder in sorted(self._folders):
                descriptors.append(os.open(folder, _OPEN_FOLDER))
                opened.callback(os.close, descriptors[-1])
            sync_all(descriptors)
        self._folders.clear()

    def committed(self) -> None:
        """The transaction is on disk: what it dropped goes."""
        self._settled.clear()
        if not self._dropped:
            return
        while self._dropped:
            with suppress(OSError):  # no row names it any more
                os.unlink(self.place(self._dropped.pop()))
        self.forget_dropped()

    def forget(self) -> list[bytes]:
        """The transaction is no more. Gives what was in its place already: the caller knows whether a row
        still names it, and removes it if not."""
        settled, self._settled = self._settled, []
        self._dropped.clear()
        while self._unsynced:
            os.close(self._unsynced.pop())
        for path in self._new.values():
            with suppress(OSError):  # it is worth nothing, and goes with the next opening
                os.unlink(path)
        self._new.clear()
        return settled

    def _write_down(self) -> None:
        """What goes once the transaction is committed, before it is."""
        going = sorted(id_ for id_ in self._dropped if self.place(id_).exists())
        if going:
            descriptor = os.open(
                self.folder / DROPPED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            self._unsynced.append(descriptor)
            os.write(descriptor, b"".join(going))
            self._folders.add(self.folder)

    def dropped(self) -> list[bytes]:
        """What a transaction was dropping when it was interrupted, committed or not."""
        try:
            data = (self.folder / DROPPED).read_bytes()
        except FileNotFoundError:
            return []
        return [data[at : at + ID_BYTES] for at in range(0, len(data) - ID_BYTES + 1, ID_BYTES)]

    def forget_dropped(self) -> None:
        """All of that is done."""
        with suppress(OSError):
            os.unlink(self.folder / DROPPED)

    def _discard(self, id_: bytes) -> None:
        path = self._new.pop(id_, None)
        if path is not None:
            os.unlink(path)

    def _make(self, folder: Path) -> None:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._folders.add(folder.parent)

    def _sync(self) -> None:
        descriptors, self._unsynced = self._unsynced, []
        try:
            sync_all(descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    # --- reading --------------------------------------------------------------------------------------

    def place(self, id_: bytes) -> Path:
        """Where a content is, or would be."""
        name = id_.hex()
        return self.folder / name[:2] / name[2:]

    def read(self, id_: bytes) -> bytes | None:
        """The bytes that are stored under an id, whatever they are; None where there are none."""
        try:
            with (self._new.get(id_) or self.place(id_)).open("rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def ids(self) -> Iterator[bytes]:
        """Of every file that is in a place of its own, in order."""
        for folder in _names(self.folder):
            for name in _names(self.folder / folder) if len(folder) == 2 else ():
                with suppress(ValueError):
                    if len(id_ := bytes.fromhex(folder + name)) == ID_BYTES:
                        yield id_

    def copy_to(self, folder: Path) -> None:
        """All that is in its place also below the new `folder`: as a link, since nobody changes such a file,
        or as a copy on another disk. Raises `OSError`."""
        target = ContentFiles(folder, read_only=True)
        for id_ in self.ids():
            source, place = self.place(id_), target.place(id_)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except OSError:
                shutil.copyfile(source, place)

    def remove(self, ids: Iterable[bytes]) -> None:
        """At once: no row names these."""
        for id_ in ids:
            with suppress(FileNotFoundError):
                os.unlink(self.place(id_))


def folder_of(store: Path) -> Path:
    """Where the contents of the store in the file `store` are."""
    return store.with_suffix(SUFFIX)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync_all(descriptors: list[int]) -> None:
    """On disk when this returns. Many at once: a file system's journal commits what waits together."""
    if len(descriptors) < TOGETHER_MIN:
        for descriptor in descriptors:
            os.fsync(descriptor)
        return
    with ThreadPoolExecutor(TOGETHER_MAX) as pool:
        for done in [pool.submit(os.fsync, descriptor) for descriptor in descriptors]:
            done.result()


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` as durable as what they name. Raises `OSError`."""
    descriptor = os.open(folder, _OPEN_FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
