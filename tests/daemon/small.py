"""What a shell can be tested with: a store that says no when told to, and a core that one can see through."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

from aslp2p.core.effects import Close, Effect, Publish, Send, Step
from aslp2p.core.inputs import Input, LinkDown, LinkUp, Now, OwnAddresses, Received, Tick, Withdraw
from aslp2p.core.jobs import Core, Report
from aslp2p.daemon.worker import Worker
from aslp2p.errors import UserError
from aslp2p.ledger.reader import PutMeta, Store, Write
from aslp2p.store.memory import MemoryStore

PATIENCE_S = 20.0


class SmallStore(MemoryStore):
    """Counts commits; `dirty` while something is applied and not committed; raises `refusal` if any.

    `refused_often` is set when five commits were refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self.committed = threading.Event()
        self.dirty = False
        self.closed = False
        self.refusal: Exception | None = None
        self.refusals = 0
        self.refused_often = threading.Event()
        self.refuse_apply = False

    def apply(self, writes: Iterable[Write]) -> None:
        self.committed.clear()
        if self.refusal is not None and self.refuse_apply:
            self.rollback()
            raise self.refusal
        self.dirty = True
        super().apply(writes)

    def commit(self) -> None:
        if self.refusal is not None:
            self.rollback()
            self.refusals += 1
            if self.refusals >= 5:
                self.refused_often.set()
            raise self.refusal
        super().commit()
        if self.dirty:
            self.commits += 1
            self.committed.set()
        self.dirty = False

    def rollback(self) -> None:
        super().rollback()
        self.dirty = False

    def close(self) -> None:
        super().close()
        self.closed = True


class SmallCore:
    """Keeps each message under a number and echoes it. What it begins with makes the core do more:

    `raise`: raise `errors[0]`; `refuse` (a command): raise `UserError`; `close`, `blame`: close that link;
    `quiet`: no echo; `big`: answer with a MiB; `gossip`: what it writes need not last.
    """

    def __init__(self, store: Store, errors: list[Exception] | None = None) -> None:
        self.store = store
        self.errors = errors if errors is not None else []
        self.links: dict[int, LinkUp] = {}
        self.seen: list[Input] = []
        self.wake_at_ms: int | None = None
        self.sleepless = False
        """Whether it wants a tick after every tick."""
        self.promises = 0
        """What each of its steps for a command says that it signed, in a round of a minute."""
        self.lives_asked = 0

    def step(self, event: Input, now: Now, /) -> Step:
        self.seen.append(event)
        match event:
            case LinkUp():
                self.links[event.link] = event
                return Step([Publish("peers", {"count": len(self.links)})])
            case LinkDown():
                self.links.pop(event.link, None)
            case Received():
                if event.link not in self.links:
                    raise AssertionError(f"a message from the unknown link {event.link}")
                durable = not event.data.startswith(b"gossip")
                return Step(self._obey(event.data, event.link), durable=durable)
            case Withdraw():
                durable = not event.proposal.startswith(b"gossip")
                told: list[Effect] = [] if durable else [Publish("proposal", {})]
                effects = told + self._obey(event.proposal, None)
                return Step(effects, event.proposal, durable, [60_000] * self.promises)
            case Tick():
                self.wake_at_ms = 0 if self.sleepless else None
            case OwnAddresses():
                pass
        return Step()

    def _obey(self, data: bytes, link: int | None) -> list[Effect]:
        word = data.partition(b" ")[0]
        if word == b"refuse":
            raise UserError("no", remedy="do not")
        number = int(self.store.meta("count") or b"0")
        self.store.apply([PutMeta("count", b"%d" % (number + 1)), PutMeta(f"m{number}", data[:64])])
        if word == b"raise":
            raise self.errors[0]
        if link is None:
            return []
        if word in (b"close", b"blame"):
            return [Send(link, b"bye"), Close(link, "told to", word == b"blame")]
        if word == b"quiet":
            return []
        return [Send(link, bytes(1 << 20) if word == b"big" else b"echo " + data)]

    def live(self) -> dict[str, Any]:
        self.lives_asked += 1
        return {"catching_up_to": None, "audited_height": len(self.links)}


class Bench:
    """A worker on its own, with a `SmallStore` and `SmallCore`s; `reports` are what it delivered."""

    def __init__(self, make_core: Callable[[Store], Core] | None = None, *, probe_s: float = 0.01) -> None:
        self.store = SmallStore()
        self.errors: list[Exception] = []
        self.cores: list[SmallCore] = []
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self.dirty_deliveries = 0
        self.worker = Worker("test", self.store, make_core or self._core, self._deliver, probe_s=probe_s)

    def _core(self, store: Store) -> Core:
        core = SmallCore(store, self.errors)
        self.cores.append(core)
        return core

    def _deliver(self, report: Report) -> None:
        self.dirty_deliveries += self.store.dirty
        self.reports.put(report)

    def next(self, wanted: Callable[[Report], object]) -> Report:
        """The next report for which `wanted` is true; those before it are dropped."""
        while True:
            report = self.reports.get(timeout=PATIENCE_S)
            if wanted(report):
                return report


class Slot:
    """A `Reply` that remembers."""

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None

    def succeed(self, value: Any) -> None:
        self.value = value

    def fail(self, error: BaseException) -> None:
        self.error = error
