"""What the methods of the control socket need of the running daemon, and of one Common in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import trio

from aslp2p.core.inputs import Command
from aslp2p.daemon import statuses
from aslp2p.daemon.bulk import Bulk
from aslp2p.daemon.folders import Folders
from aslp2p.daemon.notices import Notices
from aslp2p.daemon.pairing import Pairings
from aslp2p.home import Home


class AskedNode(statuses.ReportingNode, Protocol):
    """One Common in the running daemon, as its methods need it."""

    @property
    def importing(self) -> trio.Lock:
        """Held while a bundle is taken in."""

    async def command(self, command: Command, /) -> Any:
        """The answer of `NodeCore.step`, once it is on disk. Raises `UserError`, and nothing has changed."""

    async def commands(self, commands: Sequence[Command], /) -> list[Any]:
        """The answer of each, or the `UserError` that refuses it, once all of them are on disk."""

    @property
    def bulk(self) -> Bulk:
        """Takes contents in beside the store."""

    @property
    def places(self) -> Callable[[], list[dict[str, Any]]]:
        """Where members may be dialled, and how that went."""


class AskedDaemon(Protocol):
    """The running daemon, as its methods need it."""

    @property
    def home(self) -> Home: ...

    @property
    def own_key(self) -> bytes: ...

    @property
    def port(self) -> int: ...

    @property
    def started_ms(self) -> int: ...

    @property
    def nodes(self) -> Mapping[bytes, AskedNode]: ...

    @property
    def folders(self) -> Folders: ...

    @property
    def notices(self) -> Notices: ...

    @property
    def pairings(self) -> Pairings: ...

    @property
    def unopened(self) -> Mapping[str, Exception]:
        """Why a Common is not followed: the first 16 digits of its id, and what its store raised."""

    @property
    def conditions(self) -> statuses.Conditions: ...

    @property
    def network(self) -> bool:
        """Whether this machine has an address that others could reach."""

    @property
    def foreign(self) -> Sequence[dict[str, Any]]:
        """Machines of Commons that are none of ours, as they announce themselves: `addresses`, and how many
        `commons` are announced there. Nothing of these is followed or dialled."""

    async def open_common(self, common_id: bytes, /) -> None:
        """Start following a Common whose folder `init` or `join` has made; one that runs learns of a new
        invite.
        """

    async def forget(self, common_id: bytes, /) -> None:
        """Stop following a Common and remove its folder."""

    def stop(self) -> None:
        """End the daemon cleanly, soon after this returns."""
