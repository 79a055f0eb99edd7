"""A Common in memory, and machines whose folders are on simulated disks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from random import Random

from aslp2p.limits import CHUNK_BYTES
from aslp2p.worktree.base import Base
from aslp2p.worktree.disk import Reading
from aslp2p.worktree.doing import require_unchanged
from aslp2p.worktree.remote import Version
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.sync import Sync
from aslp2p.worktree.trees import Entry, Found, Like, Put, Remove
from simulations.folder_disk import Killed, MemoryDisk
from tests.worktree.model import Common


class MemoryRemote:
    """A `Common` as a `Remote`, with bytes."""

    def __init__(self, common: Common, name: str, contents: dict[str, bytes]) -> None:
        self.common = common
        self.name = name
        self.contents = contents
        self.missing: set[str] = set()
        self.stubborn = False
        """The witness refuses all."""
        self.proposed = 0
        self.problems: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def version(self) -> Version:
        entries = {
            path: Entry(like, len(self.contents[like.content]), 0) for path, like in self.common.tree.items()
        }
        return Version(
            self.common.height, entries, {step.path for who, step in self.common.open if who == self.name}
        )

    def lacking(self, entries: dict[str, Entry], /) -> set[str]:
        return {path for path, entry in entries.items() if entry.like.content in self.missing}

    def read_ahead(self, entries: Sequence[Entry], /) -> None:
        """All of it is here at once."""

    def chunks(self, path: str, entry: Entry, /) -> Iterator[bytes]:
        yield self.contents[entry.like.content]

    def put(
        self,
        path: str,
        found: Found,
        modified_ms: int,
        expects: str,
        opened: Callable[[], AbstractContextManager[Reading]],
        /,
    ) -> None:
        with opened() as file:
            data = b"".join(iter(lambda: file.read(CHUNK_BYTES), b""))
            require_unchanged(file, found)
        content = sha256(data).hexdigest()
        assert content == found.like.content
        self.contents[content] = data
        self.proposed += 1
        self.common.open.append((self.name, Put(path, found, expects)))

    def remove(self, path: str, expects: str, /) -> None:
        self.common.open.append((self.name, Remove(path, expects)))

    def settle(self) -> bool:
        for _, step in self.common.open:
            if self.stubborn or not self.common.list_one(step):
                self.refused[step.path] = "refused"
        self.common.open.clear()
        return True


class Machine:
    """A folder on a simulated disk, with what it remembers; a kill loses what was not committed."""

    def __init__(self, common: Common, name: str, contents: dict[str, bytes]) -> None:
        self.disk = MemoryDisk()
        self.db = sqlite3.connect(":memory:", isolation_level="IMMEDIATE")
        self.base = Base(self.db)
        self.remote = MemoryRemote(common, name, contents)
        self.hidden = True

    def sync(self, kill_at: int | None = None, power: Random | None = None, **ways: bool) -> Report | None:
        """What came of it; None: it was killed before call number `kill_at`, or with `power` the machine lost
        its power then."""
        self.disk.calls, self.disk.kill_at = 0, kill_at
        try:
            meant = Ways(**{"approved": True, **ways})
            return Sync(self.disk, self.base, self.remote, hidden=self.hidden, ways=meant).run()
        except Killed:
            self.db.rollback()
            if power is not None:
                self.disk.power_cut(power)
            return None
        finally:
            self.disk.kill_at = None


def like(data: bytes, executable: bool = False) -> Like:
    return Like(sha256(data).hexdigest(), executable)
