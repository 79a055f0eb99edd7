"""Homes that found a Common together: keys made here, all of them members from genesis on, nothing put yet.

This is what `init`, `invite` and `join` come to, without the minutes of a person typing them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Genesis, Named, Policy
from aslp2p.home import Home
from aslp2p.home.key import SecretKey, create_key
from aslp2p.home.names import choose_name
from aslp2p.ledger.history import found_common
from aslp2p.ledger.joining import founding
from aslp2p.limits import NETWORK_SECRET_BYTES, PROTOCOL_VERSION
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Household:
    """Homes of one Common called `bench`; the first is its witness."""

    common_id: bytes
    network_secret: bytes
    homes: Sequence[Home]
    keys: Sequence[SecretKey]

    def store_path(self, node: int) -> Path:
        return self.homes[node].common_folder(self.common_id) / STORE_NAME


def found(
    folder: Path,
    count: int,
    *,
    authorities: int = 1,
    threshold: int = 1,
    grace_period_ms: int = 30 * DAY_MS,
    homeless: Sequence[Named] = (),
) -> Household:
    """`count` homes n0, n1, … in `folder`; the first `authorities` of them are the policy's. `homeless` are
    members too, whose keys are kept elsewhere."""
    homes = [Home(folder / f"n{node}") for node in range(count)]
    keys = []
    for home in homes:
        home.create()
        keys.append(create_key(home))
        choose_name(home, home.path.name)
    members = tuple(Named(home.path.name, key.key) for home, key in zip(homes, keys, strict=True))
    policy = Policy(
        witnesses=members[:authorities],
        threshold=threshold,
        rotation_allowed=True,
        grace_period_ms=grace_period_ms,
        participants="invited",
        protocol=PROTOCOL_VERSION,
    )
    now_ms = int(time.time() * 1000)
    everybody = (*members, *homeless)
    genesis = sign_statement(Genesis("bench", policy, everybody, None, now_ms, os.urandom(32)), keys[0])
    secret = os.urandom(NETWORK_SECRET_BYTES)
    for home in homes:
        with closing(SqliteStore(home.create_common_folder(genesis.id) / STORE_NAME)) as store:
            found_common(store, genesis)
            store.apply(founding(genesis.id, secret, home.path.name, name_chosen=True))
            store.commit()
        home.set_default_common(genesis.id)
    return Household(genesis.id, secret, homes, keys)
