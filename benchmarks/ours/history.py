"""A long history in a moment: real signed snapshots of one put each, through the ledger into the stores.

All stores hold the same head and get the same writes, the signing journal of the witness its own. What the
ledger takes in runs it judges as a catch-up does; that all is signed well is known here, for it was signed
here, so it counts as audited. Nothing is synced before the end: who is interrupted starts again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Proposal, Put, Snapshot
from aslp2p.home.key import SecretKey
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.reader import JournalRow, PutArtifacts, PutContent, PutJournal, Write
from aslp2p.store.sqlite import SqliteStore
from benchmarks.cluster import BenchmarkError, key_of, value_of

BATCH = 2000
CACHE_KIB = 300_000


class _Mirrored(SqliteStore):
    """A store whose writes others get too."""

    def __init__(self, path: Path, others: Sequence[SqliteStore]) -> None:
        self.others: Sequence[SqliteStore] = ()
        super().__init__(path)
        self.others = others

    def apply(self, writes: Iterable[Write]) -> None:
        writes = list(writes)
        super().apply(writes)
        for other in self.others:
            other.apply(writes)

    def commit(self) -> None:
        super().commit()
        for other in self.others:
            other.commit()


def extend(paths: Sequence[Path], witness: SecretKey, author: SecretKey, first: int, count: int) -> None:
    """Puts entries `first` and up, `count` of them, into the stopped stores `paths`, the witness's first.

    Raises `BenchmarkError` when their heads are not the same.
    """
    with ExitStack() as stack:
        others = [stack.enter_context(closing(SqliteStore(path))) for path in paths[1:]]
        store = stack.enter_context(closing(_Mirrored(paths[0], others)))
        if len({one.meta("head") for one in (store, *others)}) != 1:
            raise BenchmarkError("the nodes do not stand at one head")
        for one in (store, *others):
            one.db.execute("PRAGMA synchronous=OFF")
            one.db.execute(f"PRAGMA cache_size=-{CACHE_KIB // len(paths)}")
        ledger = Ledger(store)
        for start in range(first, first + count, BATCH):
            _batch(ledger, store, witness, author, range(start, min(start + BATCH, first + count)))
            store.commit()


def _batch(ledger: Ledger, store: _Mirrored, witness: SecretKey, author: SecretKey, sequences: range) -> None:
    head = ledger.head
    height, previous, frontier = head.height, head.id, head.frontier
    now_ms = int(time.time() * 1000)
    run: list[tuple[Verified[Snapshot], tuple[Verified[Proposal]]]] = []
    writes: list[Write] = []
    for sequence in sequences:
        value = value_of(sequence).encode()
        put = Put(key_of(sequence), content_id(value), len(value), "", False, 0, None)
        statement = Proposal(ledger.common_id, now_ms, sequence.to_bytes(8, "big"), put)
        proposal = sign_statement(statement, author)
        frontier, _ = frontier.extend((proposal.id,))
        height += 1
        snapshot = sign_statement(
            Snapshot(
                ledger.common_id,
                height,
                previous,
                head.standing.next_epoch,
                now_ms,
                (proposal.id,),
                frontier.size,
                frontier.root(),
                None,
                None,
            ),
            witness,
        )
        previous = snapshot.id
        run.append((snapshot, (proposal,)))
        writes.append(PutContent(put.content, value))
    taken = ledger.accept_run(run)
    if taken.error is not None:
        raise BenchmarkError(f"a history that the ledger refuses: {taken.error}")
    writes.append(PutArtifacts([one for _, (one,) in run]))
    store.apply(writes)
    ledger.mark_audited(run[-1][0])
    SqliteStore.apply(
        store,
        [
            PutJournal(JournalRow("emit", one.statement.epoch, one.statement.height, one.id, one.raw))
            for one, _ in run
        ],
    )
