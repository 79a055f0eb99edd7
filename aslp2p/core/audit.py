"""Auditing what a catch-up showed early (G4).

Every signature of every snapshot and proposal is verified in the background, lowest first; until that reaches
the head this node neither emits, cosigns nor endorses. A signature that fails is blamed on its relay and
asked of others; what nobody can prove in time is rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aslp2p.artifacts.envelope import Signed, Verified, decode_as, of_type
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.core.catchup import Catchup
from aslp2p.core.chain import Chain
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.gossip.messages import Want
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.limits import AUDIT_BATCH, IDS_PER_MESSAGE_MAX, PENDING_MAX, REPAIR_MS

REPAIR_STEP_MS = REPAIR_MS // 30
ASK_AGAIN_MS = 10_000


class Audit(Part):
    """The audit under way and the artifacts that it asked for again."""

    def __init__(self, context: Context, chain: Chain, catchup: Catchup) -> None:
        self._context = context
        self._chain = chain
        self._catchup = catchup
        self._repair: dict[bytes, SnapshotRow] = {}
        self._repair_since_ms = 0
        self._repair_asked: set[int] = set()
        self._missing: dict[bytes, None] = {}
        self._asked_ms = -ASK_AGAIN_MS
        self._stepped_ms = 0

    @property
    def done(self) -> bool:
        """Whether every signature up to the head was verified."""
        ledger = self._context.ledger
        return ledger.audited_on(ledger.head.branch) >= ledger.head.height

    @property
    def wake_at_ms(self) -> int | None:
        """At once while there is something to audit; now and then while something is asked for."""
        if not self._context.founded:
            return None
        due = [self._asked_ms + ASK_AGAIN_MS] if self._missing and self._context.peers else []
        if not self._catchup.holds_up and not self.done:
            due.append(self._stepped_ms + REPAIR_STEP_MS if self._repair else self._context.now.mono)
        return min(due, default=None)

    def tick(self) -> None:
        """Verify every signature of the next unaudited snapshots; a failure starts a repair."""
        context = self._context
        if not context.founded:
            return
        self.ask_again()
        if self._catchup.holds_up:
            return
        self._stepped_ms = context.now.mono
        if self._repair:
            self._give_up_repair()
            return
        rows = context.ledger.unaudited(AUDIT_BATCH)
        if not rows:
            return
        snapshots = [decode_as(Snapshot, row.raw) for row in rows]
        ids = [id_ for snapshot in snapshots for id_ in snapshot.statement.proposals]
        stored = context.store.artifact_rows(ids)
        proposals = [decode_as(Proposal, one.raw) for one in stored.values() if not one.audited]
        proven, bad = context.verifier.sift(proposals)
        self._chain.keep(proven)
        sound, bad_snapshots = context.verifier.sift(snapshots)
        bad |= bad_snapshots | {id_ for id_ in ids if id_ not in stored}
        proofs = {one.id: one for one in sound}
        good: Verified[Snapshot] | None = None
        for row, snapshot in zip(rows, snapshots, strict=True):
            wrong = [id_ for id_ in (row.id, *snapshot.statement.proposals) if id_ in bad]
            if wrong:
                self._start_repair(row, wrong, lies=any(id_ == row.id or id_ in stored for id_ in wrong))
                break
            good = proofs[row.id]
        if good is not None:
            context.ledger.mark_audited(good)
            context.out.busy = True

    def _start_repair(self, row: SnapshotRow, wrong: Sequence[bytes], *, lies: bool) -> None:
        """Ask for `wrong` again. Who brought them is to blame if they are `lies`; what is only not here
        (our disk may have lost it) is nobody's fault."""
        context = self._context
        self._repair = dict.fromkeys(wrong, row)
        self._repair_since_ms = context.now.mono
        self._repair_asked = set()
        for link in self._catchup.relays_of(row.branch, row.height) if lies else ():
            context.close(link, f"a signature in @{row.height} does not verify", blame=True)
        self._ask_for_repair()

    def _ask_for_repair(self) -> None:
        """Ask every peer once; who comes later is asked when it comes."""
        ids = tuple(self._repair)[:IDS_PER_MESSAGE_MAX]
        for peer in list(self._context.peers.values()):
            if peer.link not in self._repair_asked:
                self._repair_asked.add(peer.link)
                peer.expect(len(ids))
                self._context.send(peer.link, Want(ids))

    def repair(self, signed: Signed[Snapshot] | Signed[Proposal]) -> bool:
        """Take an artifact that was asked for again; whether it was. Raises `ArtifactError` (A5): nobody who
        is honest gives what it has not checked."""
        if signed.id not in self._repair and signed.id not in self._missing:
            return False
        if isinstance(signed.statement, Snapshot):
            snapshot = self._context.verifier.verify(of_type(Snapshot, signed))
            self._context.ledger.put_back(snapshot)
        else:
            self._chain.keep([self._context.verifier.verify(of_type(Proposal, signed))])
        self._missing.pop(signed.id, None)
        self._repair.pop(signed.id, None)
        return True

    def lost(self, ids: Sequence[bytes]) -> None:
        """The store found these damaged: ask for them until they are here again."""
        self._missing.update(dict.fromkeys(ids))
        self.ask_again()

    def ask_again(self) -> None:
        """Ask every peer for what is missing, now and then."""
        now, peers = self._context.now.mono, self._context.peers
        if self._missing and peers and now >= self._asked_ms + ASK_AGAIN_MS:
            self._asked_ms = now
            ids = tuple(self._missing)[:IDS_PER_MESSAGE_MAX]
            for peer in list(peers.values()):
                peer.expect(len(ids))
                self._context.send(peer.link, Want(ids))

    def _give_up_repair(self) -> None:
        """What none of those can prove who could be asked is rolled back."""
        now = self._context.now.mono
        if not self._context.peers:
            self._repair_since_ms = now
        self._ask_for_repair()
        if now - self._repair_since_ms < REPAIR_MS:
            return
        context, ledger = self._context, self._context.ledger
        row = next(iter(self._repair.values()))
        self._repair = {}
        if not ledger.contains(ledger.head.branch, ledger.head.height, row.id):
            return  # the head has left that line; if it comes back, so does the audit
        proven = self._forget_unproven(ledger.doomed(row.branch, row.height - 1))
        change = ledger.roll_back(row.branch, row.height - 1)
        self._catchup.forget_relays(row.branch, row.height)
        context.publish(
            "notice",
            code="rolled-back",
            text=f"@{row.height} and what follows was rolled back: nobody has its proof",
        )
        if change is not None:
            self._chain.rolled_back(change, proven)

    def _forget_unproven(self, doomed: Mapping[int, int]) -> list[Signed[Proposal]]:
        """Forget what is listed above its height on any branch of `doomed` and does not verify; returns what
        does, at most as much as may be pending."""
        store, ledger = self._context.store, self._context.ledger
        proven: list[Signed[Proposal]] = []
        for branch, above in doomed.items():
            height, top = above + 1, ledger.tip_height(branch)
            while height <= top and (rows := store.snapshots(branch, height, AUDIT_BATCH)):
                height += len(rows)
                ids = [id_ for row in rows for id_ in decode_as(Snapshot, row.raw).statement.proposals]
                good = self._chain.stored(ids)
                proven += good[: PENDING_MAX - len(proven)]
        return proven
