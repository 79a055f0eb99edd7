"""The running daemon: all Commons of one home, and what they share: key, port, mDNS, control socket."""

from __future__ import annotations

import logging
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import trio

from aslp2p.artifacts.keys import short
from aslp2p.core.duplicate_keys import DUPLICATE_KEY
from aslp2p.core.effects import Topic
from aslp2p.core.node import NodeCore, doubt_journal
from aslp2p.daemon.adapters import Wishes, announced, read_adapters
from aslp2p.daemon.addresses import Source
from aslp2p.daemon.announcement import Announcement, make_tag
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_listener import claim_socket_path
from aslp2p.daemon.control_server import serve_control
from aslp2p.daemon.desktop import Desktop
from aslp2p.daemon.dialer import Dialer
from aslp2p.daemon.discovery import run_discovery
from aslp2p.daemon.folders import Folders
from aslp2p.daemon.mdns import Found
from aslp2p.daemon.methods import control_methods
from aslp2p.daemon.node import CommonNode
from aslp2p.daemon.notices import Notices, Way
from aslp2p.daemon.notify_command import NotifyCommand
from aslp2p.daemon.pairing import Pairings
from aslp2p.daemon.statuses import Conditions, Occasions
from aslp2p.daemon.transport import Transport, address_text, connect
from aslp2p.daemon.waiting_bundles import judge_waiting
from aslp2p.daemon.worker import read_clocks
from aslp2p.errors import AslError, UserError
from aslp2p.home import Home
from aslp2p.home.config import KEYS, Config, keep_of, load_config
from aslp2p.home.files import is_there
from aslp2p.home.key import SecretKey
from aslp2p.home.names import name_is_chosen
from aslp2p.ledger.joining import Belonging, read_belonging
from aslp2p.ledger.reader import Reader
from aslp2p.store.lost import read_lost
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from aslp2p.store.stage import Stage
from aslp2p.views.commons import common_status

logger = logging.getLogger(__name__)

ADDRESSES_POLL_S = 5.0
TOPICS: tuple[str, ...] = (*get_args(Topic), "condition", "folder")
"""Of events: all that the core publishes; `condition`, when a node turns read-only or back; `folder`, when a
folder that follows has been looked at."""


class _Followed:
    """A Common that runs: its node, its dialer, and the scope that ends both."""

    def __init__(self, node: CommonNode, dialer: Dialer) -> None:
        self.node = node
        self.dialer = dialer
        self.scope = trio.CancelScope()
        self.ended = trio.Event()


class Daemon:
    """Made before trio runs; `run` it. Takes over `listeners`."""

    def __init__(
        self, home: Home, config: Config, identity: SecretKey, listeners: Sequence[socket.socket]
    ) -> None:
        self.home = home
        self.own_key = identity.key
        self.port: int = listeners[0].getsockname()[1]
        self.started_ms = time.time_ns() // 1_000_000
        self.stopped = trio.Event()
        self._config = config
        self._written = load_config(home)
        self._identity = identity
        self._listeners = listeners
        self._wishes = Wishes(config.listen_announce, config.listen_except)
        self._commons: dict[bytes, _Followed] = {}
        self.unopened: dict[str, Exception] = {}
        self.foreign: list[dict[str, Any]] = []
        self._told_of_foreign = False
        self._events = EventSource(TOPICS)
        self.folders = Folders(home, self._events)
        self.conditions = Conditions()
        occasions = Occasions(
            home, identity.key, lambda: self.nodes, self.unopened, self.conditions, lambda: self.network
        )
        self.notices = Notices(home, self._events, ways_to_tell(config), self.folders.shown, occasions.find)
        self._transport = Transport(identity, lambda: [one.node for one in self._commons.values()])
        self._transport.on_duplicate_key = self._heard_duplicate_key
        self._addresses: tuple[str, ...] = ()
        self._control_path = ""
        self._announce, self._rescan = trio.open_memory_channel[None](1)
        self._opening = trio.Lock()
        self.pairings = Pairings(self._announce_anew, connect)
        self._transport.pairings = self.pairings

    @property
    def nodes(self) -> Mapping[bytes, CommonNode]:
        return {id_: one.node for id_, one in self._commons.items()}

    @property
    def network(self) -> bool:
        """Whether this machine has an address that others could reach."""
        return bool(self._addresses)

    async def ready_line(self) -> str:
        """What `asl up` prints when it is ready."""
        chosen = name_is_chosen(self.home)

        def about(reader: Reader) -> str:
            status = common_status(reader, own_key=self.own_key, name_chosen=chosen, default=None)
            if status["height"] is None:
                return f"{status['name']} (joining)"
            return f"{status['name']}@{status['height']} (witness: {status['witness']['shown']})"

        commons = []
        for one in self._commons.values():
            try:
                commons.append(await one.node.query(about))
            except AslError as error:  # it runs, and `asl status` says the same
                commons.append(f"{one.node.name} ({error.message})")
        return f"asl: {', '.join(commons)} on port {self.port}; control {self._control_path}"

    def stop(self) -> None:
        """End the daemon cleanly, soon after this returns."""
        self.stopped.set()

    async def makes_progress(self) -> None:
        """Returns once the thread of every Common has answered: none of them hangs."""
        for one in list(self._commons.values()):
            await one.node.query(lambda reader: None)

    def reload(self) -> None:
        """Read `config.toml` again. The log's level and new static peers count at once; the log says what
        waits for the next start, and why a file that holds a mistake changes nothing."""
        try:
            config = load_config(self.home)
        except AslError as error:
            logger.error("the configuration stays as it was: %s", error)
            return
        before, self._written = self._written, config
        changed = {path for path in KEYS if _value(config, path) != _value(before, path)}
        if "log.level" in changed:
            logging.getLogger().setLevel(config.log_level.upper())
        if "peers.static" in changed:
            for one in self._commons.values():
                one.dialer.add(config.peers_static, Source.STATIC)
        waiting = sorted(changed - {"log.level", "peers.static"})
        logger.info(
            "the configuration is read again: %s",
            f"{', '.join(waiting)} will count from the next start" if waiting else "all of it counts",
        )

    # --- life -----------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Started when commands are answered and peers accepted.

        Raises `UserError` when the control socket cannot be had or no store can be opened.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._control_path = claim_socket_path(str(self.home))
            folders = self.home.commons()
            for folder in folders:
                try:
                    await self._open(folder)
                except AslError as error:
                    if len(folders) == 1:
                        raise
                    logger.error("%s is not followed: %s", folder.name, error)
                    self.unopened[folder.name] = error
            await self._look_at_addresses()
            await nursery.start(self.pairings.run)
            nursery.start_soon(self._transport.serve, self._listeners)
            nursery.start_soon(self._follow_addresses)
            if self._config.mdns_enabled:
                nursery.start_soon(self._discover)
            serve = partial(serve_control, claim=lambda: claim_socket_path(str(self.home)))
            await nursery.start(serve, self._control_path, control_methods(self), self._events)
            await nursery.start(self.folders.run)
            nursery.start_soon(self.notices.run)
            task_status.started()

    # --- Commons --------------------------------------------------------------------------------------

    async def open_common(self, common_id: bytes, /) -> None:
        """Start following the Common whose folder `init` or `join` has made; one that runs reads its store's
        settings again. Raises `UserError` and `DiskFault`."""
        if common_id in self._commons:
            self._commons[common_id].node.refresh()
            return
        folder = self.home.common_folder(common_id)
        if not folder.is_dir():
            raise UserError(f"there is no Common {short(common_id)} in {self.home}", remedy="join it first")
        await self._open(folder)
        self._announce_anew()

    async def forget(self, common_id: bytes, /) -> None:
        """Stop following a Common and remove its folder. Raises `UserError` when that cannot be done."""
        one = self._commons.pop(common_id, None)
        if one is None:
            raise UserError(f"no Common {short(common_id)} is followed here", remedy="see `asl common list`")
        one.scope.cancel()
        await one.ended.wait()
        self._announce_anew()
        folder = self.home.common_folder(common_id)
        aside = folder.with_name(f".forgotten-{folder.name}")
        try:
            folder.rename(aside)  # from here on it is none of the home's Commons, whatever interrupts us
            await trio.to_thread.run_sync(shutil.rmtree, aside)
            if self.home.default_common() == common_id:
                self.home.default.unlink()
        except OSError as error:
            raise UserError(
                f"cannot remove {folder} ({error.strerror})", remedy="remove it by hand"
            ) from None

    async def _open(self, folder: Path) -> None:
        async with self._opening:
            store, belonging, lost = await trio.to_thread.run_sync(_open_store, folder / STORE_NAME)
            if belonging.common_id in self._commons:
                store.close()
                return
            node = CommonNode(
                store,
                belonging,
                lambda _: self._make_core(store, belonging),
                self._identity,
                self._events,
                stage=Stage(folder / STORE_NAME),
                twin_at=lambda: self._transport.twin_at,
            )
            node.on_copy = self._heard_duplicate_key
            one = _Followed(node, Dialer(node, self._transport, folder))
            await self._nursery.start(self._follow, one)
            self._commons[belonging.common_id] = one
            self.unopened.pop(folder.name, None)
            one.dialer.add(self._config.peers_static, Source.STATIC)
            node.tell_addresses(self._addresses)
            recent = [id_ for found in store.opened_with if found.table == "snapshot" for id_ in found.ids]
            node.tell_lost(list(dict.fromkeys((*recent, *lost))))
            if self._transport.twin_at is not None:
                node.mark_stale(DUPLICATE_KEY)

    def _make_core(self, store: SqliteStore, belonging: Belonging) -> NodeCore:
        core = NodeCore(
            store,
            common_id=belonging.common_id,
            signer=self._identity,
            entropy=secrets.token_bytes,
            auto=self._config.recovery_mode == "auto",
            keep=keep_of(self._config),
        )
        doubt_journal(core, store.journal_fault, read_clocks())
        return core

    def _heard_duplicate_key(self) -> None:
        for one in self._commons.values():
            one.node.mark_stale(DUPLICATE_KEY)

    async def _follow(
        self, one: _Followed, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            with one.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(one.node.run)
                    nursery.start_soon(one.dialer.run)
                    nursery.start_soon(judge_waiting, one.node, self.home.common_folder(one.node.id))
                    task_status.started()
        finally:
            one.ended.set()

    # --- being found ----------------------------------------------------------------------------------

    async def _discover(self) -> None:
        await run_discovery(
            port=self.port,
            tags=lambda nonce: [make_tag(secret, nonce) for secret in self._secrets()],
            on_hint=self._on_hint,
            on_lost=self._on_lost,
            on_state=lambda state: logger.info("%s", state),
            on_foreign=self._on_foreign,
            interfaces=self._config.mdns_interfaces or None,
            wishes=self._wishes,
            codes=self.pairings,
            rescan=self._rescan,
        )

    def _secrets(self) -> list[bytes]:
        return [one.node.network.psk for one in self._commons.values()]

    def _on_hint(self, hint: Announcement) -> None:
        for one in self._commons.values():
            if make_tag(one.node.network.psk, hint.nonce) in hint.tags:
                one.dialer.on_announcement(hint)

    def _on_lost(self, instance: str) -> None:
        for one in self._commons.values():
            one.dialer.on_lost(instance)

    def _on_foreign(self, announcements: Sequence[Found]) -> None:
        self.foreign = [
            {
                "addresses": [address_text(host, found.port) for host in found.hosts],
                "commons": len(set(found.tags)),
            }
            for found in announcements
            if found.tags  # a machine that is only about to join announces none
        ]
        if self.foreign and not self._told_of_foreign:
            self._told_of_foreign = True
            self._nursery.start_soon(self._tell_of_foreign, self.foreign[0]["addresses"][0])

    async def _tell_of_foreign(self, where: str) -> None:
        """Say on the terminal of `asl up`, once, that another Common is there, if ours may be a mistake: it
        is the only one, and holds its founder and nothing else."""

        def unused(reader: Reader) -> bool:
            status = common_status(reader, own_key=self.own_key, name_chosen=False, default=None)
            return status["height"] == 0 and status["members"] == 1 and status["witness"]["self"] is True

        if len(self._commons) != 1:
            return
        (one,) = self._commons.values()
        with suppress(AslError):  # a store that cannot be read holds something
            if await one.node.query(unused):
                print(
                    f"asl: another Common is announced at {where}; this one, {one.node.name}, is empty. If "
                    "you meant to join that one, type there: asl invite, and here: asl join CODE",
                    flush=True,
                )

    def _announce_anew(self) -> None:
        with suppress(trio.WouldBlock):  # one that waits will do
            self._announce.send_nowait(None)

    async def _follow_addresses(self) -> None:
        while True:
            await trio.sleep(ADDRESSES_POLL_S)
            await self._look_at_addresses()

    async def _look_at_addresses(self) -> None:
        """Learn where this machine can be dialled now, and tell the nodes if that is new."""
        try:
            adapters = await trio.to_thread.run_sync(read_adapters, None, self._wishes)
        except OSError as error:
            logger.warning("cannot read the network adapters: %s", error)
            return
        bound = {listener.getsockname()[0] for listener in self._listeners}
        hosts = [
            host
            for host in announced(adapters)
            if not host.startswith("fe80")
            and (host in bound or ("::" if ":" in host else "0.0.0.0") in bound)  # noqa: S104
        ]
        if not hosts:  # an address with a scope is this machine's own business
            hosts = [host for host in bound if host not in ("0.0.0.0", "::") and "%" not in host]  # noqa: S104
        addresses = tuple(address_text(host, self.port) for host in hosts)
        if addresses == self._addresses:
            return
        self._addresses = addresses
        for one in self._commons.values():
            one.node.tell_addresses(addresses)
            one.node.links.close_moved()


def ways_to_tell(config: Config) -> list[Way]:
    """How the person of this machine wants to be called."""
    ways: list[Way] = [Desktop()] if config.notify_desktop else []
    return [*ways, NotifyCommand(config.notify_command)] if config.notify_command else ways


def _value(config: Config, path: str) -> object:
    """The value of the key `path`, such as `log.level`."""
    return getattr(config, path.replace(".", "_"))


def _open_store(path: Path) -> tuple[SqliteStore, Belonging, list[bytes]]:
    """The store at `path`, what it belongs to, and what `asl fsck` says is to be fetched again.

    Raises `UserError`, `DiskFault`.
    """
    if not is_there(path):
        raise UserError(f"there is no store at {path}", remedy="remove its folder, and join again")
    store = SqliteStore(path)
    try:
        belonging = read_belonging(store)
        if belonging is None:
            raise UserError(f"{path} belongs to no Common", remedy="remove its folder, and join again")
        lost = read_lost(store)
    except BaseException:
        store.close()
        raise
    return store, belonging, lost
