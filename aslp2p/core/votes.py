"""Endorsements and cosignatures as they come: kept once they count, put aside while what they are about is
not here, refused with a rule when they never can. And what came that is signed with our own key (S11)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import cast

from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Cosignature, Endorsement, Proposal, Snapshot, Succession
from aslp2p.core.attempts import Attempts
from aslp2p.core.certificates import Certificates
from aslp2p.core.chain import Chain
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.core.spread import Spreader
from aslp2p.errors import Incomplete, Rejected
from aslp2p.gossip.messages import Want
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.journal import COSIGN, EMIT, ENDORSE, ENDORSE_POLICY
from aslp2p.limits import WAITING_PAPER_MAX


class Votes(Part):
    """Judges what others signed about open proposals and about heads."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        certificates: Certificates,
        promises: Promises,
        chain: Chain,
        attempts: Attempts,
        spreader: Spreader,
    ) -> None:
        self._context = context
        self._pending = pending
        self._certificates = certificates
        self._promises = promises
        self._chain = chain
        self._attempts = attempts
        self._spreader = spreader
        self._waiting: OrderedDict[
            bytes, tuple[Verified[Endorsement] | Verified[Cosignature], int | None]
        ] = OrderedDict()
        self._retried_at = 0
        """How many snapshots had been accepted when what waits was last looked at."""

    def take_endorsement(self, signed: Signed[Endorsement], source: int | None) -> bool:
        """Keep an endorsement that can count; whether it was of use. Raises `Rejected` (V6, P3),
        `ArtifactError` (A5)."""
        context = self._context
        statement = signed.statement
        if signed.id in self._pending.open or statement.common_id != context.common_id:
            return False
        proposal = self._pending.special.get(statement.proposal)
        if proposal is None:
            if context.store.artifact(statement.proposal) is not None:
                return False  # listed or given up already
            self._wait(context.verifier.verify(signed), source)
            if source is not None:
                context.send(source, Want((statement.proposal,)))
            return True
        action = cast("Certified", proposal.statement.action)
        standing = self._certificates.standing_for(action)
        if standing is None:
            self._wait(context.verifier.verify(signed), source)  # nobody can say yet who may endorse it
            return True
        if not self._certificates.may_endorse(action, signed.key, standing):
            raise Rejected("V6", "an endorsement by a key that is no authority", subject=signed.id)
        epoch = action.epoch if isinstance(action, Succession) else 0
        if statement.epoch != epoch:
            raise Rejected("V6", "an endorsement for another epoch than its proposal's", subject=signed.id)
        if signed.key in self._certificates.endorsements(proposal.id):
            return False
        verified = context.verifier.verify(signed)
        if signed.key == context.key:
            kind = ENDORSE_POLICY if epoch == 0 else ENDORSE
            self._promises.hear_own(kind, proposal.id, signed.id, "an endorsement")
        self._pending.add(verified)
        self._attempts.see(proposal.id, context.now.mono)
        self._spreader.add(verified, source=source)
        context.publish("paper", proposal=proposal.id.hex(), endorsed_by=context.name_of(signed.key))
        return True

    def take_cosignature(self, signed: Signed[Cosignature], source: int | None) -> bool:
        """Keep a cosignature that counts; whether it was of use. Raises `ArtifactError` (A5)."""
        context = self._context
        at = signed.statement
        known = list(self._pending.cosignatures.get(signed.key, ()))
        if any(one.id == signed.id for one in known):
            return False
        mine = signed.key == context.key
        older = any(self._older(signed, one) for one in known)
        if older and not mine:
            return False
        verified = context.verifier.verify(signed)
        if mine and context.store.snapshot(at.snapshot) is not None:
            self._promises.hear_own(COSIGN, at.snapshot, signed.id, "a cosignature")
            if older and self._promises.stale_reason() is None:
                return False
        before = context.ledger.final_height()
        try:
            change = context.ledger.add_cosignature(verified)
        except Incomplete:
            self._wait(verified, source)
            return True
        except Rejected:
            return False
        self._pending.add_cosignature(verified, [one for one in known if self._older(one, verified)])
        self._spreader.add(verified, source=source)
        if change is not None:
            self._chain.settle((), change)
        final = context.ledger.final_height()
        if final > before:
            context.publish("final", height=final)
        return True

    def _older(self, signed: Signed[Cosignature], known: Signed[Cosignature]) -> bool:
        """Whether `known` says more: its snapshot contains the other's.

        Nothing else makes one older, no higher epoch either: a liar cosigns lines that exclude each other,
        and what is final on one of them must not depend on which was heard first (F1).
        """
        one, other = signed.statement, known.statement
        if one.snapshot == other.snapshot:
            return True
        row = self._context.store.snapshot(other.snapshot)
        return row is not None and self._context.ledger.contains(row.branch, row.height, one.snapshot)

    # --- what waits ---------------------------------------------------------------------------------

    def _wait(self, signed: Verified[Endorsement] | Verified[Cosignature], source: int | None) -> None:
        """Look at it again later. What is forged has been refused: later nobody could be blamed for it."""
        self._waiting[signed.id] = (signed, source)
        if len(self._waiting) > WAITING_PAPER_MAX:
            del self._waiting[self._least_wanted()]

    def _least_wanted(self) -> bytes:
        """Which one goes when there are too many: the oldest of who signed the most, so that nobody pushes
        out what another has signed; of no authority first."""
        authorities = self._context.ledger.head.standing.authorities()
        counts = Counter(signed.key for signed, _ in self._waiting.values())
        key = max(counts, key=lambda one: (one not in authorities, counts[one]))
        return next(id_ for id_, (signed, _) in self._waiting.items() if signed.key == key)

    def awaits(self, proposal: bytes, author: bytes) -> bool:
        """Whether an authority other than its author has endorsed this proposal, which is not open here."""
        authorities = self._context.ledger.head.standing.authorities() - {author}
        return any(
            isinstance(signed.statement, Endorsement)
            and signed.statement.proposal == proposal
            and signed.key in authorities
            for signed, _ in self._waiting.values()
        )

    def waits(self, id_: bytes) -> bool:
        """Whether an endorsement or a cosignature waits for what it is about."""
        return id_ in self._waiting

    def _may_judge_more(self) -> bool:
        """Whether snapshots came, perhaps beside our line, since something was last found to lack one."""
        return bool(self._waiting) and self._retried_at != self._chain.accepted

    @property
    def wake_at_ms(self) -> int | None:
        return self._context.now.mono if self._may_judge_more() else None

    def tick(self) -> None:
        """Look again at what waits if snapshots came."""
        if self._may_judge_more():
            self.retry_waiting()

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """What waits may be about the new head."""
        if self._waiting:
            self.retry_waiting()

    def retry_waiting(self) -> None:
        """Judge again what waited for a proposal or a snapshot."""
        self._retried_at = self._chain.accepted
        waiting, self._waiting = self._waiting, OrderedDict()
        for signed, source in waiting.values():
            statement = signed.statement
            here = (
                self._pending.special.get(statement.proposal)
                if isinstance(statement, Endorsement)
                else self._context.store.snapshot(statement.snapshot)
            )
            if here is None:
                self._wait(signed, source)
                continue
            try:
                if isinstance(statement, Endorsement):
                    self.take_endorsement(cast("Signed[Endorsement]", signed), None)
                else:
                    self.take_cosignature(cast("Signed[Cosignature]", signed), None)
            except Rejected:
                continue

    # --- hearing oneself (S11) ------------------------------------------------------------------------

    def saw_own_snapshot(self, id_: bytes, epoch: int) -> None:
        """A snapshot signed by this node's key came from outside (S11)."""
        if self._context.store.snapshot(id_) is None:
            self._saw_own(id_, epoch)

    def _saw_own(self, id_: bytes, epoch: int) -> None:
        self._promises.hear_own(EMIT, id_, id_, f"a snapshot of epoch {epoch}")

    def heard_own(self, snapshot: Signed[Snapshot]) -> None:
        """A snapshot of this key was accepted, however it came: in a push, a range or a bundle (S11)."""
        if not self._context.store.journal_holds(EMIT, snapshot.id):
            self._saw_own(snapshot.id, snapshot.statement.epoch)
