"""Folders that the daemon keeps in step with a Common: one task each, and one sync after another in a thread.

A sync runs at the start, when the history moves or bytes come that it lacked, when something in the folder
has changed and then been quiet for `QUIET_S`, every hour, and every `AGAIN_S` while something is left to do.
It speaks to the control socket as `asl sync` does, so both do the same. A folder whose base is not the one
that was added, because its disk is not mounted or it was exchanged, is left alone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import trio
from msgspec.structs import replace

from aslp2p.control.client import Client, File
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.watching import Watch
from aslp2p.errors import AslError, UserError
from aslp2p.home import Home
from aslp2p.home.followed import FollowedFolder, load_followed, save_followed
from aslp2p.limits import PUTS_IN_FLIGHT_MAX, VIEW_PAGE_MAX
from aslp2p.worktree.base import has_base, opened_base
from aslp2p.worktree.common import Proposals
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.sync import Sync, require_same
from aslp2p.worktree.trees import TreeStep

QUIET_S = 2.0
"""A change is proposed once the folder has been quiet for so long."""
BUSY_S = 60.0
"""A folder that is never quiet is synced so often."""
AGAIN_S = 60.0
FULL_SCAN_S = 3600.0
SETTLE_S = 20.0
"""How long a sync waits for the witness; what is not listed then is looked at when the history moves."""
_LOOK_S = 0.1

logger = logging.getLogger(__name__)


class _Followed:
    """One folder, while the daemon runs."""

    def __init__(self, entry: FollowedFolder) -> None:
        self.entry = entry
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.wake = trio.Event()
        self.approved = False
        self.refused: set[TreeStep] = set()
        self.bytes_came = False
        """Since the last sync began: what it then lacked may be there."""
        self.watched = ""
        self.report: Report | None = None
        self.problem = ""

    def look_for_bytes(self) -> None:
        """Sync again where bytes were lacking and some have come."""
        if self.bytes_came and self.report is not None and self.report.lacking:
            self.wake.set()

    def shown(self) -> dict[str, Any]:
        """What `asl folder list` shows."""
        report = self.report
        return {
            "folder": self.entry.folder,
            "path": self.entry.path,
            "common": self.entry.common,
            "receive": self.entry.receive,
            "send": self.entry.send,
            "paused": self.entry.paused,
            "problem": self.problem or self.watched,
            "height": None if report is None else report.height,
            "waits": report is not None and report.waits,
            "braked": 0 if report is None else report.braked,
            "held": 0 if report is None else report.held,
            "said": {} if report is None else dict(list({**report.said, **report.out}.items())[:100]),
            "conflicts": [] if report is None else report.conflicts[:100],
        }


class Folders:
    """Every folder that follows a Common of this home. `run` it; control methods change what is followed."""

    def __init__(self, home: Home, events: EventSource) -> None:
        self._home = home
        self._events = events
        self._folders: dict[str, _Followed] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for entry in load_followed(self._home):
                    self._start(entry)
            except AslError as error:
                logger.error("no folder is followed: %s", error)
            task_status.started()
            await self._hear()

    # --- what the control methods do ------------------------------------------------------------------

    async def add(self, entry: FollowedFolder) -> None:
        """Follow a folder from now on. Raises `UserError` when it is followed, or follows something else."""
        for other in self._folders:
            if os.path.commonpath((other, entry.folder)) in (other, entry.folder):
                raise UserError(f"{other} is followed already", remedy=f"type: asl folder remove {other}")

        def marked() -> str:
            with Folder(entry.folder, str(self._home)), opened_base(entry.folder) as base:
                require_same(base, entry.common, entry.path, entry.folder)
                return base.id

        entry = replace(entry, base=await trio.to_thread.run_sync(marked))
        self._start(entry)
        self._save()

    async def remove(self, folder: str) -> None:
        """Follow it no longer; its files stay."""
        one = self._one(folder)
        one.scope.cancel()
        await one.ended.wait()
        del self._folders[folder]
        self._save()

    def change(self, folder: str, *, paused: bool) -> None:
        """Pause, or go on."""
        one = self._one(folder)
        one.entry = replace(one.entry, paused=paused)
        self._save()
        one.wake.set()

    def approve(self, folder: str) -> None:
        """The removals of the next sync are meant, however many."""
        one = self._one(folder)
        one.approved = True
        one.wake.set()

    def shown(self, common: str = "") -> list[dict[str, Any]]:
        """Those that follow the Common of this id, or all."""
        return [one.shown() for one in self._folders.values() if common in ("", one.entry.common)]

    def _one(self, folder: str) -> _Followed:
        if folder not in self._folders:
            raise UserError(f"{folder} is not followed", remedy="see `asl folder list`")
        return self._folders[folder]

    def _save(self) -> None:
        save_followed(self._home, [one.entry for one in self._folders.values()])

    # --- following ------------------------------------------------------------------------------------

    def _start(self, entry: FollowedFolder) -> None:
        one = self._folders[entry.folder] = _Followed(entry)
        self._nursery.start_soon(self._follow, one)

    async def _hear(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_of, ["head", "proposal"], self._wake_all)
            nursery.start_soon(self._hear_of, ["contents"], self._bytes_came)

    async def _hear_of(self, topics: list[str], do: Callable[[], None]) -> None:
        subscription = self._events.subscribe(topics)
        try:
            while await subscription.take():
                do()
        finally:
            subscription.close()

    def _wake_all(self) -> None:
        """The history has moved, or a proposal of this machine is settled."""
        for one in self._folders.values():
            one.wake.set()

    def _bytes_came(self) -> None:
        """Who lacks some looks whether these are they."""
        for one in self._folders.values():
            one.bytes_came = True
            one.look_for_bytes()

    async def _follow(self, one: _Followed) -> None:
        watch = Watch(one.entry.folder)
        try:
            with one.scope:
                while True:
                    one.wake = trio.Event()
                    if not one.entry.paused:
                        await trio.to_thread.run_sync(watch.cover)
                        one.watched = watch.problem
                        one.bytes_came = False
                        await self._sync(one)
                        one.look_for_bytes()
                    await self._until_due(one, watch)
        finally:
            watch.close()
            one.ended.set()

    async def _until_due(self, one: _Followed, watch: Watch) -> None:
        left = (
            one.problem
            or watch.problem
            or (one.report is not None and (one.report.again or one.report.waits))
        )
        with trio.move_on_after(AGAIN_S if left else FULL_SCAN_S):
            async with trio.open_nursery() as nursery:

                async def quiet() -> None:
                    await watch.changed()
                    with trio.move_on_after(BUSY_S):
                        while True:
                            with trio.move_on_after(QUIET_S) as silence:
                                await watch.changed()
                            if silence.cancelled_caught:
                                break
                    nursery.cancel_scope.cancel()

                nursery.start_soon(quiet)
                await one.wake.wait()
                nursery.cancel_scope.cancel()

    async def _sync(self, one: _Followed) -> None:
        await self._run_once(one)
        height = None if one.report is None else one.report.height
        self._events.publish(
            "folder", common=one.entry.common, folder=one.entry.folder, height=height, problem=one.problem
        )

    async def _run_once(self, one: _Followed) -> None:
        entry, approved = one.entry, one.approved
        one.approved = False
        before = one.problem
        try:
            one.report = await trio.to_thread.run_sync(
                _sync_once, str(self._home), entry, approved, one.refused
            )
            one.problem = ""
        except (AslError, OSError) as error:
            one.problem = str(error)
            if one.problem != before:
                logger.warning("%s is not in step: %s", entry.folder, error)


def _sync_once(home: str, entry: FollowedFolder, approved: bool, refused: set[TreeStep]) -> Report:
    """One run, in a thread. It makes no folder and no base: what it follows may go at any moment."""
    lost = UserError(
        f"{entry.folder} is not the folder that was added: not mounted, or another one",
        remedy=f"see to it, or type: asl folder remove {entry.folder}",
    )
    if not has_base(entry.folder):
        raise lost
    ways = Ways(receive=entry.receive, send=entry.send, approved=approved)
    with (
        Client.of_home(home) as client,
        Folder(entry.folder, home, make=False) as disk,
        opened_base(entry.folder, make=False) as base,
    ):
        if base.id != entry.base:
            raise lost
        calls = _Calls(client, entry.common)
        remote = Proposals(calls, entry.path, _Settling(calls))
        return Sync(disk, base, remote, hidden=entry.hidden, ways=ways, refused=refused).run()


class _Calls:
    """The daemon that this is, through its own control socket."""

    def __init__(self, client: Client, common: str) -> None:
        self._client = client
        self._common = common

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        """The answer to one question."""
        answer: dict[str, Any] = self._client.call(question, common=self._common, **params)
        return answer

    def long(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a method about the Common that takes as long as it takes."""
        answer: dict[str, Any] = self._client.call_long(lambda: None, method, common=self._common, **params)
        return answer

    def write_out(self, content: str, size: int, descriptor: int) -> None:
        """Write the content of `size` bytes into an open, empty file."""
        self.long("content.write", id=content, size=size, file=File(descriptor))


class _Settling:
    """Asks again and again what has become of proposals, as long as `SETTLE_S` while nothing moves."""

    def __init__(self, calls: _Calls) -> None:
        self._calls = calls
        self._left: dict[str, str] = {}
        self._gave_up = False
        """Nothing has moved for `SETTLE_S`: the witness is not there, and nothing waits for it again."""

    def add(self, proposal: str, _path: str, /) -> None:
        """Wait for this one too, not letting very many wait at once while the witness is there."""
        self._left[proposal] = ""
        if len(self._left) % PUTS_IN_FLIGHT_MAX == 0:
            self._until(PUTS_IN_FLIGHT_MAX)

    def finish(self) -> dict[str, str]:
        """Of those that are not listed, why; empty while they wait."""
        self._until(0)
        return self._left

    def _until(self, count: int) -> None:
        until = time.monotonic() + SETTLE_S
        while not self._gave_up and len(before := self._waiting()) > count:
            for state in self._calls.ask("settled", ids=before[:VIEW_PAGE_MAX])["settled"]:
                if state["state"] == "witnessed":
                    del self._left[state["id"]]
                elif state["state"] != "pending":
                    self._left[state["id"]] = state.get("text") or state["state"]
            if len(self._waiting()) < len(before):
                until = time.monotonic() + SETTLE_S
            elif time.monotonic() < until:
                time.sleep(_LOOK_S)
            else:
                self._gave_up = True

    def _waiting(self) -> list[str]:
        return [id_ for id_, why in self._left.items() if not why]
