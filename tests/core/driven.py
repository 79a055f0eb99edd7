"""A driver on its own: a core to see through, a store that says no when told to, and a clock moved by hand.

What is carried out stands in `Bench.log`, together with each commit, in the order in which it happened:

    commit              something reached the disk
    send 1 echo a       an effect
    answer put          a command's answer, or `refused …`
    done                a job had its turn
    running, read-only… the condition
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from aslp2p.core.driver import Driver
from aslp2p.core.effects import Close, Effect, Publish, Send, Step
from aslp2p.core.inputs import Input, LinkUp, Lost, Now, Received, Tick, Withdraw
from aslp2p.core.jobs import Inputs, Question, Report, Spent
from aslp2p.errors import UserError
from aslp2p.ledger.reader import PutMeta, Reader, Store, Write
from aslp2p.store.memory import MemoryStore

MIB = 1 << 20


class Words(MemoryStore):
    """Raises `refusal`, if there is one, at a commit of something, or at a write (`refuse_writes`)."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log
        self.refusal: Exception | None = None
        self.refuse_writes = False
        self._dirty = False

    def apply(self, writes: Iterable[Write]) -> None:
        if self.refusal is not None and self.refuse_writes:
            raise self.refusal
        self._dirty = True
        super().apply(writes)

    def commit(self) -> None:
        if not self._dirty:
            return
        if self.refusal is not None:
            raise self.refusal
        super().commit()
        self._dirty = False
        self.log.append("commit")

    def rollback(self) -> None:
        super().rollback()
        self._dirty = False

    def words(self) -> list[str]:
        """What was kept, in order."""
        return [(self.meta(f"w{number}") or b"").decode() for number in range(self.count())]

    def count(self) -> int:
        return int(self.meta("count") or b"0")


class Listener:
    """A core that keeps each word and echoes it. The first one says more: `lazy` need not last, `refuse` is
    refused, `raise` raises `Bench.error`, `big` answers with a MiB, `later` wants a tick at once, `signs`
    says that it signed."""

    def __init__(self, bench: Bench, store: Store) -> None:
        self._bench = bench
        self._store = store
        self.seen: list[Input] = []
        self.wake_at_ms: int | None = None
        self.sleepless = False

    def step(self, event: Input, now: Now, /) -> Step:
        self.seen.append(event)
        if isinstance(event, Received):
            return self._hear(event.data.decode(), event.link)
        if isinstance(event, Withdraw):
            return self._hear(event.proposal.decode(), None)
        if isinstance(event, Tick):
            self.wake_at_ms = now.mono if self.sleepless else None
            self._keep("tick")
            return Step([Publish("peers", {})])
        if isinstance(event, Lost):
            self._keep("lost")
        return Step(durable=False)

    def _hear(self, text: str, link: int | None) -> Step:
        word = text.partition(" ")[0]
        if word == "refuse":
            raise UserError("no")
        self._keep(text)
        if word == "raise":
            raise self._bench.error
        if word == "later":
            self.wake_at_ms = 0
        promises = [60_000] * self._bench.promises if word == "signs" else []
        effects: list[Effect] = [Publish("proposal", {})]
        if link is not None:
            effects = [Send(link, bytes(MIB) if word == "big" else b"echo " + text.encode())]
        return Step(effects, text, word != "lazy", promises)

    def _keep(self, word: str) -> None:
        number = int(self._store.meta("count") or b"0")
        self._store.apply([PutMeta("count", b"%d" % (number + 1)), PutMeta(f"w{number}", word.encode())])

    def live(self) -> dict[str, Any]:
        return {"seen": len(self.seen)}


class Bench:
    """A driver, and the shell around it: `turn` carries out what one turn says."""

    def __init__(self, *, probe_ms: int = 3_000, tells: bool = False) -> None:
        self.log: list[str] = []
        self.now_ms = 1_000_000
        self.store = Words(self.log)
        self.cores: list[Listener] = []
        self.error: Exception = ZeroDivisionError("a bug")
        self.fails_to_start: Exception | None = None
        self.promises = 0
        self.cpu_s = 0.0
        self.lives: list[dict[str, Any]] = []
        self.driver = Driver(
            self.store, self._make, self._clocks, probe_ms=probe_ms, meter=self._meter, tells=tells
        )
        self.carry_out(self.driver.start())

    def _make(self, store: Store) -> Listener:
        if self.fails_to_start is not None:
            raise self.fails_to_start
        self.cores.append(Listener(self, store))
        return self.cores[-1]

    def _clocks(self) -> Now:
        return Now(self.now_ms, self.now_ms)

    def _meter(self) -> float:
        self.cpu_s += 0.25
        return self.cpu_s

    # --- what goes in -------------------------------------------------------------------------------

    def says(self, *words: str, link: int = 1, era: int | None = None, spent: Spent | None = None) -> None:
        """What a peer says in one job."""
        era = self.driver.condition.era if era is None else era
        inputs = [Received(link, word.encode()) for word in words]
        size = sum(map(len, words))
        self.driver.put(Inputs(inputs, size, era, None, lambda: self.log.append("done"), spent))

    def links(self, link: int, era: int | None = None) -> None:
        era = self.driver.condition.era if era is None else era
        self.driver.put(Inputs((LinkUp(link, bytes(32), b"", "ann", "", True),), 0, era))

    def types(self, word: str) -> None:
        """A person's command."""
        self.driver.put(Inputs((Withdraw(word.encode()),), 0, 0, _Told(self.log)))

    def asks(self, function: Callable[[Reader], Any]) -> None:
        self.driver.put(Question(function, _Told(self.log)))

    # --- what comes out -----------------------------------------------------------------------------

    def turn(self) -> list[str]:
        """Have one turn; returns what came into the log."""
        start = len(self.log)
        for report in self.driver.turn():
            self.carry_out(report)
        return self.log[start:]

    def after(self, ms: int) -> list[str]:
        """A turn when this time has passed."""
        self.now_ms += ms
        return self.turn()

    def carry_out(self, report: Report) -> None:
        self.log += [f"log: {note.text}" for note in report.notes]
        if report.condition is not None:
            self.log.append(report.condition.mode.value)
        self.log += map(_shown, report.effects)
        if report.live is not None:
            self.lives.append(report.live)
        report.answer()


class _Told:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def succeed(self, value: Any) -> None:
        self._log.append(f"answer {value}")

    def fail(self, error: BaseException) -> None:
        self._log.append(f"refused {type(error).__name__}: {error}")


def _shown(effect: Effect) -> str:
    match effect:
        case Send():
            return f"send {effect.link} {effect.data[:40].decode() if effect.data[0] else 'a MiB'}"
        case Close():
            return f"close {effect.link}{', blamed' if effect.blame else ''}: {effect.reason}"
        case Publish():
            return f"tell {effect.topic}"
        case _:
            return repr(effect)
