"""Contents that are taken in, and read, beside a store's transaction: by threads that are not the store's.

How it works. A content is written beside the others (`contents`), under a name of its own, and synced with
whatever else has come; then the store's owner is told where it is, and its transaction takes it over
(`PutStaged`) or removes it (`DropStaged`). What a crash leaves of it goes when the store is opened. Reading
needs no transaction: a content is written once, and whoever reads it hashes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

from aslp2p.ledger.reader import Staged
from aslp2p.store.contents import NEW, SMALL_BYTES_MAX, ContentFiles, folder_of, sync_all
from aslp2p.store.copying import copy


class Stage:
    """Of the store in the file `store`. Any thread may call any of this.

    Contents of at most `small_bytes_max` bytes are rows, and none of this one's business.
    """

    def __init__(self, store: Path, *, small_bytes_max: int = SMALL_BYTES_MAX) -> None:
        self.small_bytes_max = small_bytes_max
        self._files = ContentFiles(folder_of(store), read_only=True)
        self._folder = folder_of(store) / NEW
        self._numbers = count()

    def write(self, id_: bytes, data: bytes | memoryview) -> Staged:
        """`data`, whose id is known to be `id_`, in a file; not synced yet. Raises `OSError`, and leaves
        nothing then."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self._folder / f"s{next(self._numbers)}"
        rest = memoryview(data)
        size = len(rest)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BaseException:
            with suppress(OSError):
                os.unlink(place)
            raise
        finally:
            os.close(descriptor)
        return Staged(id_, size, place)

    def sync(self, staged: Sequence[Staged]) -> list[Staged]:
        """The same, on disk; with the reason each, where they are not."""
        descriptors: list[int] = []
        try:
            for one in staged:
                descriptors.append(os.open(one.place, os.O_RDONLY | os.O_CLOEXEC))
            sync_all(descriptors)
        except OSError as error:
            return [Staged(one.id, one.size, one.place, error) for one in staged]
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return list(staged)

    def discard(self, staged: Iterable[Staged]) -> None:
        """Remove what nothing has taken over."""
        for one in staged:
            with suppress(OSError):  # taken over after all, or it goes with the next opening
                os.unlink(one.place)

    def read(self, id_: bytes, size: int, header: bytes = b"") -> bytearray | None:
        """`header` and the content; None where it is in no file of that size, or is not what its id says: ask
        the store then. Raises `OSError`."""
        data = bytearray(len(header) + size)
        data[: len(header)] = header
        with ExitStack() as opened:
            return None if self._open(id_, memoryview(data)[len(header) :], opened) is None else data

    def copy(self, id_: bytes, size: int, descriptor: int, at: int) -> bool:
        """Write the content into the open file at `at` (`copying`); False where `read` gives none.

        Raises `OSError`.
        """
        data = bytearray(size)
        with ExitStack() as opened:
            source = self._open(id_, memoryview(data), opened)
            if source is not None:
                copy(data, source, descriptor, at)
            return source is not None

    def _open(self, id_: bytes, view: memoryview, opened: ExitStack) -> int | None:
        """The content's file, open, and read into `view`; None where there is none of just that."""
        try:
            file = opened.enter_context(self._files.place(id_).open("rb", buffering=0))
        except FileNotFoundError:
            return None
        at = 0
        while at < len(view) and (read := file.readinto(view[at:])):
            at += read
        whole = at == len(view) and not file.read(1)
        return file.fileno() if whole and sha256(view).digest() == id_ else None
