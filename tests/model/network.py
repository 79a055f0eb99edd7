"""A Common whose machines talk through a heap of artifacts: whoever wants may take any of them, in any order.

Honest machines are the real core over a store of their own. A step either is committed, and then whatever it
signed lies on the heap for all, or the power fails before the commit, and then it never was. Nothing else
connects them: no links, no clocks in common. What lies on the heap is also judged by an *oracle*, a ledger
that is shown everything at once; liars look at it to see what they could sign next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, Verified, read_stored, sign_statement
from aslp2p.artifacts.types import Endorsement, Genesis, Named, Policy, Proposal, Put, Snapshot, Statement
from aslp2p.core.driver import Driver
from aslp2p.core.inputs import Command, Import, Input, Now, Tick
from aslp2p.core.jobs import Answer, Inputs, Report
from aslp2p.core.node import NodeCore
from aslp2p.errors import ArtifactError, Incomplete, Rejected, UserError
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.reader import PutContent, Store
from aslp2p.store.memory import MemoryStore
from simulations.disk import Disk, PowerFailed
from simulations.keys import RememberingVerifier, SeededKey

WALL_MS = 1_800_000_000_000
STEP_MS = 1_200_000
"""Between two steps of a machine: longer than anything that it waits for."""
GRACE_MS = 1_000
CONTENT = b"x"
PUT = Put("p", content_id(CONTENT), len(CONTENT), "", False, 0, None)

VERIFIER = RememberingVerifier()
KEYS = {name: SeededKey(name) for name in "abcdefghiz"}


def key(name: str) -> bytes:
    return KEYS[name].key


def policy_of(names: Iterable[str], threshold: int) -> Policy:
    return Policy(
        witnesses=tuple(Named(name, key(name)) for name in names),
        threshold=threshold,
        rotation_allowed=True,
        grace_period_ms=GRACE_MS,
        participants="invited",
        protocol=1,
    )


class Item(Struct, frozen=True, eq=False):
    """Something on the heap, with what has to come along to judge it."""

    signed: Verified[Statement]
    raws: tuple[bytes, ...]
    by: str


class WokenCore(NodeCore):
    """The real core, woken by nobody: when a machine has a tick is for the walk to say."""

    wake_at_ms = None


class Machine:
    """An honest machine: the real core and its driver, its store, and how far down the heap it has looked."""

    def __init__(self, network: Network, name: str) -> None:
        self.name = name
        self.signer = KEYS[name]
        self.store = Disk()
        self.taken: set[int] = set()
        self.refused: list[UserError] = []
        self._network = network
        self._mono = 0
        found_common(self.store, network.genesis)
        self.store.apply([PutContent(PUT.content, CONTENT)])
        self.store.commit()
        self.start()

    def start(self) -> None:
        """Begin, or begin again with what is on the disk."""
        self._driver = Driver(self.store, self._make_core, self._now)
        self._heed(self._driver.start())

    def _make_core(self, store: Store) -> NodeCore:
        self.core = WokenCore(
            store,
            common_id=self._network.genesis.id,
            signer=self.signer,
            entropy=self._network.random.randbytes,
            verifier=VERIFIER,
        )
        return self.core

    def _now(self) -> Now:
        return Now(self._mono, WALL_MS + self._mono)

    def _heed(self, report: Report) -> None:
        """Raises what a driver takes for a bug."""
        report.answer()
        for note in report.notes:
            raise note.error or AssertionError(note.text)

    @property
    def head(self) -> Tip:
        assert self.core.head is not None
        return self.core.head

    @property
    def ledger(self) -> Ledger:
        return self.core._context.ledger

    @property
    def is_witness(self) -> bool:
        return self.head.standing.next_witness == self.signer.key

    def step(self, input_: Input, *, power_fails: bool = False) -> Any:
        """One step and its commit; its answer, or None if it was refused or the power failed before that."""
        self._mono += STEP_MS
        signed = self.signer.signed
        signed.clear()
        answer = Answer()
        reply = answer if isinstance(input_, Command) else None
        self._driver.put(Inputs((input_,), 0, self._driver.condition.era, reply))
        written = self.store.written
        self.store.fuse = 1 if power_fails else None
        try:
            for report in self._driver.turn():
                self._heed(report)
            answered = answer.value()
            self._heed(self._driver.sync())
        except UserError as refused:
            assert self.store.written == written and not signed, "a refused command has changed nothing"
            self.refused.append(refused)
            return None
        except PowerFailed:
            signed.clear()
            self.restart()
            return None
        finally:
            self.store.fuse = None
        for message, signature in signed:
            self._network.publish(self, artifact_of(message, self.signer.key, signature))
        signed.clear()
        return answered

    def take(self, numbers: Sequence[int], *, power_fails: bool = False) -> None:
        """Import these things from the heap; what cannot be judged yet stays there for later."""
        for number in numbers:
            item = self._network.heap[number]
            report = self.step(Import(item.raws, ()), power_fails=power_fails)
            if report is not None and not report.waiting:
                if report.refused:
                    first = report.refused[0]
                    self._network.refusals.append((self.name, item, f"{first.rule}: {first.reason}"))
                if report.new or report.known or self._network.random.random() < 0.5:
                    self.taken.add(number)

    def see(self, numbers: Iterable[int]) -> None:
        """Take those of these that this machine has not taken yet."""
        self.take([number for number in numbers if number not in self.taken])

    def left(self) -> list[int]:
        """What on the heap this machine has not taken yet, oldest first."""
        return [number for number in range(len(self._network.heap)) if number not in self.taken]

    def restart(self) -> None:
        """Go on with what is on the disk; what was only waited with may have to be taken again."""
        self.store.rollback()
        self.start()
        self.forget_certificates()

    def forget_certificates(self) -> None:
        """Look again at everything but snapshots."""
        heap = self._network.heap
        self.taken = {number for number in self.taken if isinstance(heap[number].signed.statement, Snapshot)}

    def tick(self, *, power_fails: bool = False) -> None:
        self.step(Tick(), power_fails=power_fails)


def artifact_of(message: bytes, by: bytes, signature: bytes) -> Verified[Statement]:
    """The artifact that a signature over a pre-authentication encoding makes."""
    _, length, rest = message.split(b" ", 2)
    type_, rest = rest[: int(length)], rest[int(length) + 1 :]
    _, body = rest.split(b" ", 1)
    raw = canonical.encode([type_.decode(), body, by, signature])
    return VERIFIER.verify(read_stored(raw, audited=True))


class Network:
    """Everybody, the heap, and the oracle."""

    def __init__(
        self,
        random: Random,
        policy: Policy,
        *,
        witness: str,
        honest: Sequence[str],
        liars: Sequence[str] = (),
    ) -> None:
        self.random = random
        self.liars = tuple(liars)
        names = sorted({*honest, *liars})
        anchors = tuple(Named(name, key(name)) for name in names)
        founded = Genesis("home", policy, anchors, None, WALL_MS, bytes(32))
        self.genesis = sign_statement(founded, KEYS[witness])
        self.heap: list[Item] = []
        self.snapshots: list[Verified[Snapshot]] = []
        """Everything on the heap that the oracle accepts, in the order in which it came."""
        self.proposals: dict[bytes, Verified[Proposal]] = {}
        self.numbers: dict[bytes, int] = {}
        """Where on the heap an artifact lies."""
        self.refusals: list[tuple[str, Item, str]] = []
        self.puts = 0
        store = MemoryStore()
        found_common(store, self.genesis)
        self.oracle = Ledger(store, verifier=VERIFIER)
        self.oracle_store = store
        self.machines = {name: Machine(self, name) for name in honest}
        for name in names:
            KEYS[name].signed.clear()

    # --- the heap ---------------------------------------------------------------------------------

    def publish(self, machine: Machine, signed: Verified[Statement]) -> None:
        """What a machine has signed and committed lies on the heap from now on."""
        statement = signed.statement
        raws = [signed.raw]
        if isinstance(statement, Snapshot):
            raws += machine.store.artifacts(statement.proposals).values()
            listed = [self.proposals[id_] for id_ in statement.proposals]
            self._judge(signed, listed)  # type: ignore[arg-type]
        self._lay(Item(signed, tuple(raws), machine.name))
        machine.taken.add(len(self.heap) - 1)

    def lie(self, liar: str, signed: Verified[Any], listed: Sequence[Verified[Proposal]] = ()) -> bool:
        """What a liar signs lies on the heap too; a snapshot only if some ledger would take it."""
        if isinstance(signed.statement, Snapshot):
            try:
                self._judge(signed, listed)
            except (Rejected, ArtifactError, Incomplete):
                return False
            self.proposals |= {one.id: one for one in listed}
        self._lay(Item(signed, (signed.raw, *(one.raw for one in listed)), liar))
        return True

    def _lay(self, item: Item) -> None:
        if isinstance(item.signed.statement, Proposal):
            self.proposals[item.signed.id] = item.signed  # type: ignore[assignment]
        self.numbers.setdefault(item.signed.id, len(self.heap))
        self.heap.append(item)

    def _judge(self, snapshot: Verified[Snapshot], listed: Sequence[Signed[Proposal]]) -> None:
        if self.oracle.accept(snapshot, listed) is not None:
            self.snapshots.append(snapshot)

    def line(self, id_: bytes) -> list[int]:
        """Where on the heap the snapshots from genesis to this one lie."""
        found: list[int] = []
        while id_ != self.genesis.id:
            found.append(self.numbers[id_])
            id_ = self.heap[found[-1]].signed.statement.previous  # type: ignore[union-attr]
        return found[::-1]

    def about(self, proposal: bytes) -> list[int]:
        """Where on the heap a proposal and its endorsements lie."""
        found = [self.numbers[proposal]] if proposal in self.numbers else []
        for number, item in enumerate(self.heap):
            at = item.signed.statement
            if isinstance(at, Endorsement) and at.proposal == proposal:
                found.append(number)
        return found

    def tip(self, id_: bytes) -> Tip:
        """What the oracle knows at a snapshot."""
        row = self.oracle_store.snapshot(id_)
        assert row is not None
        return self.oracle.tip_at(row.branch, row.height)

    def next_put(self) -> Put:
        self.puts += 1
        return Put(f"p{self.puts}", PUT.content, PUT.size, "", False, 0, None)
