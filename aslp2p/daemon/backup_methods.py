"""The control method that copies the stores of a home while its daemon runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.reader import Reader
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from aslp2p.daemon.asked import AskedDaemon


class BackupMethods:
    """`backup.…`, of all Commons of `daemon`."""

    def __init__(self, daemon: AskedDaemon) -> None:
        self._daemon = daemon

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {"backup.stores": self.stores}

    async def stores(self, folder: str) -> dict[str, Any]:
        """Copy each store into `folder`, an absolute path, as `commons/ID/store.db` and as it is at one
        moment; its Common waits meanwhile."""
        if not Path(folder).is_absolute():
            raise UsageError(f"{folder} is no absolute path")
        unopened: Mapping[str, Exception] = self._daemon.unopened
        if unopened:
            raise UserError(
                f"{min(unopened)} cannot be opened, so a copy would lack it",
                remedy="stop the daemon and type this again",
            )
        for node in list(self._daemon.nodes.values()):
            place = Path(folder) / "commons" / node.id.hex()[:16]
            await node.query(partial(_copy, place))
        return {}


def _copy(place: Path, reader: Reader) -> None:
    """In the node's thread."""
    if not isinstance(reader, SqliteStore):
        raise UserError("this store is in no file", remedy="it cannot be copied")
    for above in (place.parent, place):
        above.mkdir(mode=0o700, exist_ok=True)
    reader.copy_to(place / STORE_NAME)
