"""The history, as a folder needs it: which version is followed, its bytes, and what is proposed to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from aslp2p.worktree.disk import Reading
from aslp2p.worktree.trees import Entry, Found


class Version(NamedTuple):
    """What is followed, as it is now."""

    height: int
    entries: dict[str, Entry]
    waiting: Collection[str]
    """Paths about which a proposal of this machine waits."""


class Remote(Protocol):
    """The history, as a folder needs it. Raises `UserError` for one file, and goes on with the next."""

    name: str
    """What this machine is called."""
    problems: dict[str, str]
    """Paths whose proposals were not taken now, and why; grows."""
    refused: dict[str, str]
    """Paths whose proposals the witness refused, and why; grows."""

    def version(self) -> Version:
        """The version that is followed."""

    def lacking(self, entries: dict[str, Entry], /) -> set[str]:
        """Those whose bytes have not all come."""

    def read_ahead(self, entries: Sequence[Entry], /) -> None:
        """These are asked for next, in about this order: many small ones can be read at once."""

    def chunks(self, path: str, entry: Entry, /) -> Iterable[bytes]:
        """The bytes of `entry`."""

    def put(
        self,
        path: str,
        found: Found,
        modified_ms: int,
        expects: str,
        opened: Callable[[], AbstractContextManager[Reading]],
        /,
    ) -> None:
        """Propose a file; `opened` gives it, and raises where it is not the one that was found any more.
        Whoever has read it looks again (`require_unchanged`)."""

    def remove(self, path: str, expects: str, /) -> None:
        """Propose a removal."""

    def settle(self) -> bool:
        """Wait for what was proposed. False when some of it still waits: the witness is not there."""
