"""Judging a bundle by itself, in memory: as a machine would that has nothing but this file.

The same import as everywhere, into a store that forgets; the key that it runs under is a stranger to the
Common.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, NamedTuple

from aslp2p.artifacts.envelope import Signer
from aslp2p.artifacts.types import Snapshot
from aslp2p.core.inputs import Import, Now
from aslp2p.core.intake import Imported
from aslp2p.core.node import NodeCore
from aslp2p.errors import UserError
from aslp2p.ledger.reader import Reader
from aslp2p.store.memory import MemoryStore
from aslp2p.transfer.alone import Alone
from aslp2p.transfer.incoming import check_bundle


class JudgedBundle(NamedTuple):
    """What a bundle's artifacts make: a store to ask, and the first snapshot that the gate did not take."""

    reader: Reader
    failure: dict[str, Any] | None
    waiting: int


def judge_bundle(file: IO[bytes], signer: Signer, entropy: Callable[[int], bytes]) -> JudgedBundle:
    """Judge all of a bundle from its genesis on. Raises `UserError` if it is not whole or has no genesis."""
    bundle = check_bundle(file)
    if bundle.genesis is None:
        raise UserError(
            "the bundle lacks its genesis, so nothing in it can be traced to one",
            remedy="import it where its Common is followed, and ask there",
        )
    store = MemoryStore()
    alone = Alone(
        store,
        lambda store: NodeCore(store, common_id=bundle.common_id, signer=signer, entropy=entropy),
        lambda: Now(0, 0),
    )
    imported: Imported = alone.command(Import(tuple(one.raw for one in bundle.artifacts.values())))
    failures = []
    for refused in imported.refused:
        one = bundle.artifacts[refused.id]
        if isinstance(one.statement, Snapshot):
            against = refused.against or one.statement.previous
            failures.append(
                {
                    "height": one.statement.height,
                    "rule": refused.rule,
                    "reason": refused.reason,
                    "subject": refused.id.hex(),
                    "snapshot": refused.id.hex(),
                    "against": against.hex(),
                }
            )
    failures.sort(key=lambda one: (one["height"], one["subject"]))
    return JudgedBundle(store, failures[0] if failures else None, len(imported.waiting))
