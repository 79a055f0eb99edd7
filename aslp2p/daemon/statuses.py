"""What the running daemon says of each of its Commons: for `status`, metrics, and calling a person."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import trio

from aslp2p.errors import AslError
from aslp2p.home import Home
from aslp2p.home.names import name_is_chosen
from aslp2p.home.notices import Notice
from aslp2p.ledger.history import META_HEAD
from aslp2p.ledger.reader import Reader
from aslp2p.views.commons import common_status, unreadable
from aslp2p.views.conditions.find import Lasting
from aslp2p.views.notices import condition_notices, used_invites
from aslp2p.views.view import View

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ReportingNode(Protocol):
    """One Common in the running daemon."""

    @property
    def id(self) -> bytes: ...

    @property
    def name(self) -> str: ...

    async def query(self, function: Callable[[Reader], T], /) -> T:
        """What `function` answers in the store's thread, between two batches."""

    def live(self) -> dict[str, Any]:
        """What only the running node knows (see `docs/control.md`): links, catch-up, addresses …"""


async def commons_status(
    home: Home, own_key: bytes, nodes: Mapping[bytes, ReportingNode], unopened: Mapping[str, Exception]
) -> list[dict[str, Any]]:
    """Each Common as `status` shows it, with `live`; what cannot be read says why, and hides no other."""
    default, chosen = home.default_common(), name_is_chosen(home)

    def about(reader: Reader) -> dict[str, Any]:
        return common_status(reader, own_key=own_key, name_chosen=chosen, default=default)

    commons = []
    for node in list(nodes.values()):
        try:
            one = await node.query(about)
        except Exception as error:  # whatever its store holds: the others are told about all the same
            logger.warning("status of %s: %s", node.name, error, exc_info=not isinstance(error, AslError))
            one = unreadable(node.id.hex(), node.name, error, default=default)
        commons.append({**one, "live": node.live()})
    return commons + [unreadable(id_, id_, error, default=default) for id_, error in unopened.items()]


async def machine_status(home: Home, *, network: bool) -> dict[str, Any]:
    """What `status` says of the machine itself: whether others could reach it, the room on its disk, its
    clock."""
    usage = await trio.to_thread.run_sync(shutil.disk_usage, home.path)
    return {"network": network, "free_bytes": usage.free, "wall_ms": time.time_ns() // 1_000_000}


class Conditions:
    """What is not as it should be, and since when: one memory for whoever asks and whoever tells."""

    def __init__(self) -> None:
        self._lasting = Lasting()

    def look(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """The conditions worth saying, of what `status` answers (see `views.conditions`)."""
        return self._lasting.look(answer, int(trio.current_time() * 1000))


class Occasions:
    """What a person may have to be told of the Commons of a home."""

    def __init__(
        self,
        home: Home,
        own_key: bytes,
        nodes: Callable[[], Mapping[bytes, ReportingNode]],
        unopened: Mapping[str, Exception],
        conditions: Conditions,
        network: Callable[[], bool],
    ) -> None:
        self._home = home
        self._own_key = own_key
        self._nodes = nodes
        self._unopened = unopened
        self._conditions = conditions
        self._network = network
        self._looked_at: dict[bytes, bool] = {}

    async def find(self) -> list[Notice]:
        """All that are there now. Raises what reading a store raises."""
        nodes = self._nodes()
        answer = {
            "daemon": {},
            "machine": await machine_status(self._home, network=self._network()),
            "commons": await commons_status(self._home, self._own_key, nodes, self._unopened),
        }
        found = list(condition_notices(self._conditions.look(answer)))
        for node in nodes.values():
            found += await node.query(self._invites)
        return found

    def _invites(self, reader: Reader) -> list[Notice]:
        if reader.meta(META_HEAD) is None:
            return []
        view = View(reader, own_key=self._own_key, name_chosen=False)
        return used_invites(view, self._own_key, self._looked_at)
