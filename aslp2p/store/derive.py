"""The state, derived again from the signed history and held against the facts that are stored.

How it works. Branch by branch, oldest first, every snapshot is judged again on the state stored at its parent
(`ledger.rejudge`); the facts that it makes must be those that stand at its height, and there must be no
others. That only reads, a snapshot at a time. `derive_again` puts all facts aside and makes them anew in one
transaction: afterwards all follow from the history, or nothing has changed.

The cosignatures among the facts do not follow from the history: they are left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Protocol

from aslp2p.errors import AslError, Damaged, DiskFault, Incomplete
from aslp2p.ledger.facts import COSIGNATURE, shown
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.history import load_tip
from aslp2p.ledger.reader import BranchRow, PutFacts, SnapshotRow, Store
from aslp2p.ledger.rejudge import Changes, judge_stored
from aslp2p.store.check import Finding

PAGE = 100
DERIVED_AGAIN = "derived again from the history: asl fsck --repair"
FETCHED_AGAIN = "fetched again from a peer: asl up, then look again"
_FOLLOWS = f"substr(key, 1, 1) <> x'{COSIGNATURE.hex()}'"

Progress = Callable[[int], None]
"""Called with how many snapshots more have been judged."""


class Derivable(Store, Protocol):
    """A store whose facts are rows (`sqlite.py`)."""

    db: sqlite3.Connection


def differing(store: Derivable, step: Progress) -> Iterator[Finding]:
    """Where the facts of each branch are first not what its history makes; nothing where they all are."""
    for line in store.branches():
        count = 0
        try:
            for row, changes in _judged(store, line, step):
                count += len(changes)
                wrong = [key for key, value in changes.items() if _stored(store, row, key) != value]
                if wrong:
                    what = f"the state of branch {line.branch} at @{row.height}, {shown(wrong[0])}, is not"
                    yield Finding("fact", f"{what} what the history makes it", (), DERIVED_AGAIN)
                    break
            else:
                stored = _count(store, line.branch)
                if stored != count:
                    what = f"branch {line.branch} has {stored} facts, and its history makes {count}"
                    yield Finding("fact", what, (), DERIVED_AGAIN)
        except DiskFault as error:
            if not isinstance(error, Damaged):
                raise
            yield _not_judged(line, error, DERIVED_AGAIN)
        except Exception as error:  # a wrong state makes the gate stumble in ways that a right one cannot
            yield _not_judged(line, error, DERIVED_AGAIN)


def derive_again(store: Derivable, step: Progress) -> Finding | None:
    """Make all facts anew, durably; None once that is done, else what stands in the way (nothing changed).

    Raises `DiskFault` when the disk refuses.
    """
    line: BranchRow | None = None
    try:
        store.apply([])  # opens the transaction
        store.db.execute(f"DELETE FROM fact WHERE {_FOLLOWS}")  # noqa: S608 - a constant
        for line in store.branches():
            for row, changes in _judged(store, line, step):
                store.apply([PutFacts(row.branch, row.height, changes)])
    except AslError as error:
        store.rollback()
        if line is None or (isinstance(error, DiskFault) and not isinstance(error, Damaged)):
            raise
        return _not_judged(line, error, FETCHED_AGAIN)
    except BaseException:
        store.rollback()
        raise
    store.commit()
    return None


def _judged(store: Derivable, line: BranchRow, step: Progress) -> Iterator[tuple[SnapshotRow, Changes]]:
    """The snapshots of one branch above its fork, each with the facts that it makes.

    The next one is judged when the one before has been dealt with.
    """
    genesis = store.snapshot_at(0, 0)
    if genesis is None:
        raise Incomplete("genesis is not stored", ())
    parent: Tip | None = None
    if line.parent >= 0:
        parent = load_tip(store, line.parent, line.fork_height)
    height = line.fork_height + 1
    while height <= line.tip_height:
        rows = store.snapshots(line.branch, height, PAGE)
        for row in rows:
            parent, changes = judge_stored(store, row, parent, genesis.id)
            yield row, changes
        if not rows:
            raise Incomplete(f"snapshot {height} is not stored", ())
        height += len(rows)
        step(len(rows))


def _stored(store: Derivable, row: SnapshotRow, key: bytes) -> bytes | None:
    return store.fact(row.branch, key, row.height)


def _count(store: Derivable, branch: int) -> int:
    sql = f"SELECT count(*) FROM fact WHERE branch = ? AND {_FOLLOWS}"  # noqa: S608 - a constant
    return int(store.db.execute(sql, (branch,)).fetchone()[0])


def _not_judged(line: BranchRow, error: Exception, remedy: str) -> Finding:
    """What is missing, or damaged and signed, has to be fetched first, whatever else is wrong."""
    ids = tuple(getattr(error, "ids", ()) or getattr(error, "missing", ()))
    why = getattr(error, "message", "") or f"{type(error).__name__}: {error}"
    what = f"branch {line.branch} cannot be judged again ({why})"
    return Finding("fact", what, ids, FETCHED_AGAIN if ids else remedy)
