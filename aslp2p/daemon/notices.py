"""Calling the person: what `views.notices` finds is kept on disk and told on every way that there is.

How it works. After each event, and every minute, the occasions of now are held against what is kept: what is
new is kept, and told on each way until that way took it; what has passed and was seen is dropped, so that its
next occasion is a new one. A way that fails (no desktop yet, a command that ends with an error) is tried
again, at longer and longer intervals, and holds up no other.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import trio

from aslp2p.daemon.control_events import EventSource
from aslp2p.errors import AslError
from aslp2p.home import Home
from aslp2p.home.notices import KeptNotice, Notice, load_notices, save_notices
from aslp2p.limits import NOTICES_MAX
from aslp2p.views.notices import disk_notice, folder_notices

logger = logging.getLogger(__name__)

LOOK_S = 60.0
SETTLE_S = 1.0
"""Events come in bursts: they are looked at together."""
RETRY_S = 15.0
RETRY_MAX_S = 3600.0


class Way(Protocol):
    """How a person is reached."""

    name: str

    async def tell(self, kept: KeptNotice) -> None:
        """Tell one notice. Raises `CannotTell`."""


class CannotTell(Exception):
    """A person cannot be reached this way just now; the text says why."""


class Notices:
    """All that its person is to be told. `folders` and `find` give the occasions of now; `run` it."""

    def __init__(
        self,
        home: Home,
        events: EventSource,
        ways: Sequence[Way],
        folders: Callable[[], list[dict[str, Any]]],
        find: Callable[[], Awaitable[list[Notice]]],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._folders = folders
        self._find = find
        self._home = home
        self._events = events
        self._ways = ways
        self._retry_s = retry_s
        self._kept: dict[str, KeptNotice] = {}
        self._changed = {way.name: trio.Event() for way in ways}

    async def run(self) -> None:
        """Until cancelled."""
        first = self._load()
        async with trio.open_nursery() as nursery:
            for way in self._ways:
                nursery.start_soon(self._keep_telling, way)
            subscription = self._events.subscribe(["*"])
            try:
                while True:
                    await self._look(first)
                    first = False
                    with trio.move_on_after(LOOK_S):
                        await subscription.take()
                        await trio.sleep(SETTLE_S)
            finally:
                subscription.close()

    # --- what the control methods do ------------------------------------------------------------------

    def shown(self) -> list[dict[str, Any]]:
        """What nobody has seen yet, oldest first."""
        return [notice_json(kept) for kept in self._kept.values() if not kept.seen]

    def see(self, keys: Iterable[str]) -> None:
        """A person has seen these. Raises as `save_notices` does."""
        for key in keys:
            if key in self._kept:
                self._kept[key].seen = True
        self._forget_passed()
        save_notices(self._home, list(self._kept.values()))

    # --- keeping --------------------------------------------------------------------------------------

    def _load(self) -> bool:
        """Whether nothing was ever kept here."""
        try:
            kept = load_notices(self._home)
        except AslError as error:
            logger.error("what was told already is not known: %s", error)
            return True
        self._kept = {one.notice.key: one for one in kept or ()}
        return kept is None

    async def _look(self, first: bool) -> None:
        try:
            found = [*await self._find(), *folder_notices(self._folders())]
            free = await trio.to_thread.run_sync(_free_bytes, self._home)
        except Exception as error:  # whatever a store holds: the person hears of the rest with the next look
            logger.warning("cannot tell what a person has to know: %s", error)
            return
        disk = self._kept.get("disk")
        found += disk_notice(free, already=disk is not None and not disk.over)
        if self._take(found, first=first):
            try:
                save_notices(self._home, list(self._kept.values()))
            except AslError as error:
                logger.warning("what is told now may be told again: %s", error)
            for event in self._changed.values():
                event.set()

    def _take(self, found: Sequence[Notice], *, first: bool) -> bool:
        """Whether anything is new or has passed. Invites that were used before this machine told of any are
        no news (`first`)."""
        now, changed = {notice.key: notice for notice in found}, False
        for key, kept in self._kept.items():
            if not kept.over and key not in now:
                kept.over = changed = True
            elif kept.over and key in now:
                self._kept[key] = KeptNotice(now[key], _now_ms())
                changed = True
        for key, notice in now.items():
            if key not in self._kept and len(self._kept) < NOTICES_MAX:
                self._kept[key] = KeptNotice(notice, _now_ms(), seen=first and notice.kind == "invite")
                changed = True
        self._forget_passed()
        return changed or first

    def _forget_passed(self) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if not (kept.over and kept.seen)}

    # --- telling --------------------------------------------------------------------------------------

    async def _keep_telling(self, way: Way) -> None:
        wait = self._retry_s
        while True:
            self._changed[way.name] = trio.Event()
            untold = [
                kept for kept in self._kept.values() if not (kept.over or kept.seen or way.name in kept.told)
            ]
            try:
                for kept in untold:
                    await way.tell(kept)
                    kept.told.append(way.name)
                    save_notices(self._home, list(self._kept.values()))
            except CannotTell as error:
                logger.debug("%s: %s", way.name, error)
                with trio.move_on_after(wait):
                    await self._changed[way.name].wait()
                wait = min(2 * wait, RETRY_MAX_S)
            except AslError as error:  # told, and not written down: it may be told again after a restart
                logger.warning("%s", error)
            else:
                wait = self._retry_s
                await self._changed[way.name].wait()


def notice_json(kept: KeptNotice) -> dict[str, Any]:
    """One notice for scripts, on the control socket and for `notify.command`."""
    notice = kept.notice
    return {
        "key": notice.key,
        "kind": notice.kind,
        "common": notice.common,
        "text": notice.text,
        "remedy": notice.remedy,
        "urgent": notice.urgent,
        "at_ms": kept.at_ms,
        "over": kept.over,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _free_bytes(home: Home) -> int:
    return shutil.disk_usage(home.path).free
