"""A node without a network: the core on the store of a stopped home, for paper that comes and goes as files.

It is the daemon's core with the daemon's driver and rules: what is imported is judged by the same gate, and
what this key promises goes through the same table and the same journal (S1 to S13). `settle` lets it do what
a daemon without any link would do by itself: emit what a complete certificate or pending proposals ask for,
cosign.

A witness that was ever linked with another machine may have been replaced since, and here it would not hear
of it: it emits only when its owner says that nobody can be heard (`emit`, S10). Waiting costs nothing here:
where the core wants to be woken later, its monotonic clock is set forward.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from aslp2p.artifacts.envelope import Signer
from aslp2p.core.inputs import Command, Now
from aslp2p.core.node import NodeCore, doubt_journal
from aslp2p.errors import UserError
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.reader import Reader, Store
from aslp2p.store.sqlite import SqliteStore
from aslp2p.transfer.alone import Alone
from aslp2p.transfer.incoming import taking

T = TypeVar("T")
SETTLE_MS = 10_000
"""How far ahead the core is woken: above every wait that ends by itself where nobody is linked."""
TURNS_MAX = 10_000


class Offline:
    """The node of the Common that `store` belongs to. Whoever makes it holds the home's lock alone.

    Raises `UserError` when the store belongs to no Common.
    """

    live = False

    def __init__(
        self,
        store: SqliteStore,
        signer: Signer,
        *,
        entropy: Callable[[int], bytes],
        clocks: Callable[[], Now],
        emit: bool = False,
    ) -> None:
        belonging = read_belonging(store)
        if belonging is None:
            raise UserError(f"{store.path} belongs to no Common", remedy="import a bundle with --follow")
        self.common_id = belonging.common_id
        self._store = store
        self._clocks = clocks
        self._ahead_ms = 0
        self._signer = signer
        self._entropy = entropy
        self._emit = emit
        self._alone = Alone(store, self._make_core, self._now)

    def command(self, command: Command) -> Any:
        """The core's answer, once all that it wrote is on disk. Raises `UserError`; nothing has changed
        then.
        """
        return self._alone.command(command)

    def query(self, function: Callable[[Reader], T]) -> T:
        """What `function` answers of the store."""
        return function(self._store)

    def take(self, file: IO[bytes], folder: Path) -> dict[str, Any]:
        """Import the bundle in `file`; the report of `incoming.taking`. Raises `UserError`."""
        steps = taking(file, folder, self.common_id)
        try:
            wanted = next(steps)
            while True:
                answer = self.query(wanted) if callable(wanted) else self.command(wanted)
                wanted = steps.send(answer)
        except StopIteration as done:
            report: dict[str, Any] = done.value
            return report

    def settle(self) -> bool:
        """Do all that is due now or soon, all on disk; whether something to emit was held back (S10)."""
        for _ in range(TURNS_MAX):
            wake = self._alone.wake_at_ms
            if wake is None or wake > self._clocks().mono + SETTLE_MS:
                break
            self._ahead_ms = max(self._ahead_ms, wake - self._clocks().mono)
            self._alone.turn()
        self._alone.sync()
        return self._core.withholds

    def _make_core(self, store: Store) -> NodeCore:
        self._core = NodeCore(
            store,
            common_id=self.common_id,
            signer=self._signer,
            entropy=self._entropy,
            apart=not self._emit,
        )
        doubt_journal(self._core, self._store.journal_fault, self._now())
        return self._core

    def _now(self) -> Now:
        now = self._clocks()
        return Now(now.mono + self._ahead_ms, now.wall)
