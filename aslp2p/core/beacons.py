"""Beacons: the witness's signs of life between snapshots (section 8), made here and heard from others."""

from __future__ import annotations

from aslp2p.artifacts.envelope import Signed, sign_statement
from aslp2p.artifacts.types import Beacon
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.core.role import Roles
from aslp2p.core.silence_monitor import SilenceMonitor
from aslp2p.core.spread import Spreader
from aslp2p.core.witness import Witness
from aslp2p.ledger.reader import PutMeta
from aslp2p.limits import BEACON_RESERVE
from aslp2p.recovery import beacon_interval_ms

META_BEACON = "beacon"


class Beacons(Part):
    """Sends this witness's own, takes others'. The counter only grows, across restarts: a stretch of it is
    reserved on disk before any of it is used."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        promises: Promises,
        witness: Witness,
        roles: Roles,
        silence_monitor: SilenceMonitor,
        spreader: Spreader,
    ) -> None:
        self._context = context
        self._pending = pending
        self._promises = promises
        self._witness = witness
        self._roles = roles
        self._silence_monitor = silence_monitor
        self._spreader = spreader
        self._sent_ms = -(10**9)
        reserved = context.store.meta(META_BEACON)
        self._counter = int.from_bytes(reserved, "big") if reserved else 0
        self._reserved = self._counter

    def take(self, signed: Signed[Beacon], source: int | None) -> bool:
        """A sign of life; whether it was new. Raises `ArtifactError` (A5)."""
        context = self._context
        statement = signed.statement
        standing = context.ledger.head.standing
        if statement.common_id != context.common_id or signed.key != standing.next_witness:
            return False
        if statement.epoch != standing.next_epoch:
            return False
        if signed.key == context.key:
            if statement.counter > self._reserved:
                context.verifier.verify(signed)
                self._promises.mark_stale("the same key was heard on another machine")
            return False
        if self._silence_monitor.knows_beacon(statement.epoch, statement.counter):
            return False
        verified = context.verifier.verify(signed)
        fresh = self._silence_monitor.heard_beacon(statement.epoch, statement.counter)
        if fresh:
            self._pending.beacon = verified
            self._spreader.add(verified, source=source)
        return fresh

    @property
    def wake_at_ms(self) -> int | None:
        return self._due_ms() if self._sends() else None

    def _sends(self) -> bool:
        context = self._context
        if not context.peers or not self._witness.is_witness:
            return False
        return self._promises.stale_reason() is None

    def _due_ms(self) -> int:
        return self._sent_ms + beacon_interval_ms(self._roles.now.grace_ms)

    def tick(self) -> None:
        """Send one if it is due, and if this witness could emit as well."""
        context = self._context
        now = context.now.mono
        if not self._sends() or now < self._due_ms():
            return
        self._sent_ms = now
        if self._witness.idle_reason() is not None:
            return
        self._counter += 1
        if self._counter > self._reserved:
            self._reserved = self._counter + BEACON_RESERVE
            context.must_last()
            context.store.apply([PutMeta(META_BEACON, self._reserved.to_bytes(8, "big"))])
        head = context.ledger.head
        statement = Beacon(context.common_id, head.standing.next_epoch, head.height, head.id, self._counter)
        self._pending.beacon = beacon = sign_statement(statement, context.signer)
        self._spreader.add(beacon)
