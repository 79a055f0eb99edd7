"""One Common in the running daemon: its thread, its links, and what goes to and fro between them.

Inputs go into the thread's queue (`worker`), those of links as long as there is room. What comes back is
carried out here, in order, in the trio thread and without waiting: sends and closes on links, events for the
control socket, hints for the dialer, answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import trio

from aslp2p.artifacts.envelope import Signer
from aslp2p.artifacts.keys import short
from aslp2p.core.effects import (
    AtWork,
    Await,
    Close,
    Effect,
    Give,
    HeardCopy,
    Hints,
    Publish,
    Rank,
    Send,
    Slow,
)
from aslp2p.core.inputs import Command, Import, Lost, MarkStale, Now, OwnAddresses
from aslp2p.core.jobs import Core, Inputs, Life, Mode, Question, Report
from aslp2p.daemon.bulk import Bulk, Stage
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.link import Link
from aslp2p.daemon.links import Links
from aslp2p.daemon.live import live_json
from aslp2p.daemon.log_limiter import LogLimiter
from aslp2p.daemon.worker import PROBE_S, Leave, Worker, read_clocks
from aslp2p.errors import Damaged, UserError
from aslp2p.ledger.joining import Belonging, read_belonging
from aslp2p.ledger.reader import Reader, Store
from aslp2p.link.session import Event, Network

logger = logging.getLogger(__name__)

T = TypeVar("T")

PUT_OUT = frozenset({"expelled", "revoked"})
"""Codes of refusals after which trying is of no use."""


class CommonNode:
    """The node of the Common that `store` belongs to. Made in the trio thread; `run` it.

    `stage` is of the same store (None: it has no files).
    `make_core` makes a core on the store, in the node's thread; `twin_at` says where a copy of our key was
    heard. The dialer sets `on_hints`, which gets addresses that peers tell, `on_change`, which is called
    when a link ends or the node's condition turns, and `places`, which says where members were dialled.
    `on_copy` is called when a copy of our key was heard (S11).
    """

    def __init__(  # noqa: PLR0913 - what a Common is made of, and clocks for tests
        self,
        store: Store,
        belonging: Belonging,
        make_core: Callable[[Store], Core],
        identity: Signer,
        events: EventSource,
        *,
        stage: Stage | None = None,
        twin_at: Callable[[], str | None] = lambda: None,
        clocks: Callable[[], Now] = read_clocks,
        probe_s: float = PROBE_S,
    ) -> None:
        self.belonging = belonging
        self.on_hints: Callable[[Sequence[str]], None] = lambda addresses: None
        self.on_change: Callable[[], None] = lambda: None
        self.on_copy: Callable[[], None] = lambda: None
        self.places: Callable[[], list[dict[str, Any]]] = list
        self.addresses: tuple[str, ...] = ()
        self.importing = trio.Lock()
        self.condition = Life(Mode.RUNNING, "", 0)
        self._events = events
        self._twin_at = twin_at
        self._clocks = clocks
        self._trio = trio.lowlevel.current_trio_token()
        self._settled = trio.Event()
        self._stale = trio.Event()
        self._closed = False
        self._found_damaged = ""
        """What a question found damaged last, until all is read again."""
        self._live: dict[str, Any] = {}
        self._log = LogLimiter(logger)
        self._worker = Worker(
            short(belonging.common_id), store, make_core, self._hear, clocks=clocks, probe_s=probe_s
        )
        self.bulk = Bulk(stage, self._worker.put, self.query)
        self.links = Links(identity.key, self._worker.put, self.bulk)

    # --- who it is ------------------------------------------------------------------------------------

    @property
    def id(self) -> bytes:
        return self.belonging.common_id

    @property
    def name(self) -> str:
        return self.belonging.name

    @property
    def network(self) -> Network:
        belonging = self.belonging
        return Network(
            belonging.common_id, belonging.network_secret, token=belonging.token, name=belonging.own_name
        )

    @property
    def accepts_links(self) -> bool:
        return self.links.taking

    @property
    def answers_links(self) -> bool:
        """Whether who links is told something, be it only why nothing comes of it."""
        return self.links.taking or self.links.farewell is not None

    # --- life -----------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then links end, and the store is closed with all that was done on disk.

        Started when the core has been made, or cannot be (`condition`).
        """
        self._worker.start()
        try:
            await self._settled.wait()
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.bulk.run, self.links.queue)
                nursery.start_soon(self._read_belonging)
        finally:
            with trio.CancelScope(shield=True):
                await self.links.close_all("this machine stops")
                self._closed = True
                self._worker.put(Leave())
                await trio.to_thread.run_sync(self._worker.join)

    async def _read_belonging(self) -> None:
        while True:
            await self._stale.wait()
            self._stale = trio.Event()
            with suppress(Exception):  # asked again at the next change
                belonging = await self.query(read_belonging)
                if belonging is not None:
                    self.belonging = belonging

    def refresh(self) -> None:
        """Read again what `init` or `join` wrote about belonging to the Common."""
        self._stale.set()

    # --- asking and telling ---------------------------------------------------------------------------

    async def query(self, function: Callable[[Reader], T], /) -> T:
        """What `function` answers in the node's thread, between two batches; raises what it raises.

        What it finds damaged is fetched again from peers.
        """
        self._require_open()
        answer: _Answer[T] = _Answer()
        self._worker.put(Question(function, answer))
        try:
            return await answer.wait()
        except Damaged as error:
            self._found_damaged = error.message
            if error.ids:
                self.tell_lost(error.ids)
                error.remedy = "it is asked for again from the other machines: try again in a moment"
            raise

    async def command(self, command: Command, /) -> Any:
        """The core's answer, once everything that it wrote is on disk.

        Raises `UserError` (nothing has changed then), `DiskFault` while the node is read-only, `NodeStopped`.
        """
        await self.links.room.take(1, _size(command))
        return await self._given(command).wait()

    async def commands(self, commands: Sequence[Command], /) -> list[Any]:
        """The answer to each, or the `UserError` that refuses it, once all that they wrote is on disk: they
        wait for the disk together. Raises as `command` does for anything else.
        """
        await self.links.room.take(len(commands), sum(map(_size, commands)))
        answers: list[Any] = []
        for given in [self._given(command) for command in commands]:
            try:
                answers.append(await given.wait())
            except UserError as error:
                answers.append(error)
        return answers

    def _given(self, command: Command) -> _Answer[Any]:
        """Room for it is taken, and given back when it has had its turn."""
        size, answer = _size(command), _Answer[Any]()
        if self._closed:
            self.links.room.give(1, size)
        self._require_open()
        self._worker.put(
            Inputs((command,), size, self.condition.era, answer, lambda: self.links.room.give(1, size))
        )
        return answer

    def _require_open(self) -> None:
        if self._closed:
            raise UserError("this Common is closed here", remedy="start `asl up` again")

    def tell_addresses(self, addresses: Sequence[str]) -> None:
        """Where this node can be dialled now; the core tells its peers."""
        self.addresses = tuple(addresses)
        self._worker.put(Inputs((OwnAddresses(self.addresses),), 0, self.condition.era))

    def mark_stale(self, reason: str) -> None:
        """The journal of this machine's key may be old: the core signs no promises from now on (S11)."""
        self._worker.put(Inputs((MarkStale(reason),), 0, self.condition.era))

    def tell_lost(self, ids: Sequence[bytes]) -> None:
        """These are damaged in the store: the core forgets them and asks peers for them."""
        if ids:
            self._log.warning("damaged, and asked for again: %s", ", ".join(id_.hex()[:12] for id_ in ids))
            self._worker.put(Inputs((Lost(tuple(ids)),), 0, self.condition.era))

    @property
    def is_admitted(self) -> bool:
        """Whether this machine is a member, as the core knew a moment ago."""
        return bool(self._live.get("admitted"))

    @property
    def other_authorities(self) -> frozenset[bytes]:
        """Whose links matter most, as the core said last."""
        return frozenset(self._live.get("other_authorities", ()))

    @property
    def was_put_out(self) -> bool:
        """Whether a machine said that our key is no member's any more, and none has spoken with it since."""
        return not PUT_OUT.isdisjoint(self._live.get("refusals", {}))

    def live(self) -> dict[str, Any]:
        """What only the running node knows (see `live`); what the core says in it is at most 0.25 s old."""
        return live_json(
            self._live,
            self.links.open,
            self.condition,
            self.addresses,
            trio.current_time(),
            mono_ms=self._clocks().mono,
            twin_at=self._twin_at(),
            found_damaged=self._found_damaged,
        )

    async def serve_link(self, link: Link, first: Sequence[Event], /) -> None:
        """Run an established link to its end (see `Links.serve`)."""
        await self.links.serve(link, first)
        self.on_change()

    # --- what the thread reports ----------------------------------------------------------------------

    def _hear(self, report: Report) -> None:
        """In the node's thread."""
        with suppress(trio.RunFinishedError):
            self._trio.run_sync_soon(self._carry_out, report)

    def _carry_out(self, report: Report) -> None:
        if report.live is not None:
            self._live = report.live
        self._perform(report.effects)
        if report.condition is not None:
            self._turn(report.condition)
        report.answer()

    def _turn(self, condition: Life) -> None:
        before, self.condition = self.condition, condition
        running = condition.mode is Mode.RUNNING
        self.bulk.era = condition.era if running else -1
        self.links.taking = running and not self._closed
        self.links.farewell = None if self._closed else condition.farewell
        self.links.close_older(condition.era, condition.reason or "this Common starts again")
        self._settled.set()
        self.on_change()
        if condition.mode is not before.mode:
            self._publish("condition", {"mode": condition.mode.value, "reason": condition.reason})
        if running and self.addresses:
            self.tell_addresses(self.addresses)

    def _perform(self, effects: Iterable[Effect]) -> None:
        touched: dict[int, Link] = {}
        for effect in effects:
            try:
                if type(effect) is Send:
                    if link := self.links.get(effect.link):
                        link.send(effect.data)
                        touched[effect.link] = link
                elif type(effect) is Close:
                    if link := self.links.get(effect.link):
                        link.close(effect.reason, blame=effect.blame)
                elif type(effect) is Give:
                    if link := self.links.get(effect.link):
                        self.bulk.give(link, effect)
                        touched[effect.link] = link
                elif type(effect) is Await:
                    self.bulk.awaits(effect.ids)
                elif type(effect) is Rank:
                    if link := self.links.get(effect.link):
                        link.account, link.office = effect.account, effect.office
                elif type(effect) is Slow:
                    for turns in (self.links.fair, self.bulk.fair):
                        turns.slow(effect.account, effect.pause_ms / 1000)
                elif type(effect) is AtWork:
                    self.links.fair.at_work(effect.account)
                elif type(effect) is Publish:
                    self._publish(effect.topic, effect.data)
                elif type(effect) is HeardCopy:
                    self.on_copy()
                elif type(effect) is Hints:
                    self.on_hints(effect.addresses)
            except Exception as error:  # here it would end the daemon, and every other Common with it
                self._log.error("cannot do a %s: %s (%s)", type(effect).__name__, error, type(error).__name__)
        for link in touched.values():
            try:
                link.flush()
            except Exception as error:
                logger.critical("cannot send: %s", error, exc_info=error)
                link.abort("a bug of ours")

    def _publish(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "members" or not self.belonging.founded:
            self._stale.set()
        self._events.publish(topic, common=self.id.hex(), **data)


def _size(command: Command) -> int:
    """About how many bytes a command brings along."""
    if isinstance(command, Import):
        return sum(map(len, (*command.artifacts, *command.contents, *command.manifests)))
    return sum(len(data) for _, data in getattr(command, "pieces", ()))


class _Answer(Generic[T]):
    """What a command or a question gets, in the trio thread."""

    def __init__(self) -> None:
        self._come = trio.Event()
        self._value: T
        self._error: BaseException | None = None

    def succeed(self, value: T) -> None:
        self._value = value
        self._come.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._come.set()

    async def wait(self) -> T:
        await self._come.wait()
        if self._error is not None:
            # One fault may fail many commands: each raises it anew.
            raise self._error.with_traceback(None)
        return self._value
