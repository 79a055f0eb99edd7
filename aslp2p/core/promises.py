"""The one place where this node's key makes promises: classify, decide by the table, journal, sign (S1, S11).

Every signature that binds (endorsement, cosignature, emission) is made here, and is in the signing journal,
in the same transaction as what it changes, before any effect of the step leaves the machine. Once the journal
is in doubt (S11) it is not read any more either: it may be what is damaged.
"""

from __future__ import annotations

from aslp2p.artifacts.envelope import Verified, decode_artifact, read_stored_as, sign_statement
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Proposal,
    Snapshot,
    Statement,
    Succession,
)
from aslp2p.core.certificates import Certificates
from aslp2p.core.context import Context
from aslp2p.core.pace import Pace
from aslp2p.errors import Rejected
from aslp2p.ledger import epochs
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.journal import COSIGN, EMIT, ENDORSE, ENDORSE_POLICY, META_STALE
from aslp2p.ledger.reader import JournalRow, PutJournal, PutMeta, SnapshotRow
from aslp2p.ledger.stances import (
    WHY,
    Stance,
    classify_cosignature,
    classify_emission,
    classify_endorsement,
    decide,
    endorsed_epoch,
    last_cosigned,
    stance_of,
)
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import revoked_keys

JOURNAL_LOOKED_THROUGH = 1000
"""Promises of one kind, the newest, in which the artifact itself is looked for."""


class Promises:
    """Signs for this node, by the rules of `ledger/stances.py`."""

    def __init__(self, context: Context, certificates: Certificates) -> None:
        self._context = context
        self._certificates = certificates
        self.pace = Pace(context)

    # --- stance -----------------------------------------------------------------------------------

    @property
    def stance(self) -> Stance:
        return stance_of(self._context.ledger, self._context.store)

    def stale_reason(self) -> str | None:
        """Why this key signs no promises any more (S11), or None; nor while others go on by a protocol that
        this version does not know (A4)."""
        raw = self._context.store.meta(META_STALE)
        return self._context.outdated() if raw is None else raw.decode()

    def mark_stale(self, reason: str) -> None:
        """The journal of this key may be old: from now on it endorses, cosigns and emits nothing (S11)."""
        if self._context.store.meta(META_STALE) is None:
            self._context.must_last()
            self._context.store.apply([PutMeta(META_STALE, reason.encode())])
            self._context.publish("notice", code="stale-key", text=reason)

    def vouch(self) -> None:
        """The owner of a 1-of-1 Common takes responsibility for the journal, in so many words (S11)."""
        self._context.store.apply([PutMeta(META_STALE, None)])

    def endorsed_epoch(self) -> int:
        """The highest epoch for which this key has endorsed a succession; -1 if none that counts."""
        return -1 if self.stale_reason() is not None else endorsed_epoch(self._context.ledger)

    def ceiling(self, judging: Standing) -> int:
        """The highest epoch that this key may endorse (S1) for what `judging` judges at the head: of two
        policies in force the new one alone counts where it alone decides (P4)."""
        head = self._context.ledger.head
        return epochs.ceiling(
            head.standing.next_epoch,
            self.endorsed_epoch(),
            judging.policies,
            self._certificates.reached_epochs(),
            revoked_keys(head.members),
        )

    def last_cosigned(self) -> JournalRow | None:
        """The last snapshot that this key cosigned."""
        return None if self.stale_reason() is not None else last_cosigned(self._context.ledger)

    def _require_journal(self) -> None:
        if self.stale_reason() is not None:
            raise Rejected("S11", WHY["S11"])

    # --- questions --------------------------------------------------------------------------------

    def refusal_to_emit(self, epoch: int, parent: SnapshotRow) -> str | None:
        """Why this key may not emit on `parent` in `epoch`; None if it may."""
        context = self._context
        try:
            self._require_journal()
            decide(self.stance, classify_emission(context.ledger, context.store, epoch, parent))
        except Rejected as refused:
            return refused.message
        return None

    def may_cosign(self, row: SnapshotRow) -> bool:
        context = self._context
        try:
            self._require_journal()
            decide(self.stance, classify_cosignature(context.ledger, context.store, row))
        except Rejected:
            return False
        return True

    def require_endorsable(self, proposal: bytes, action: Certified) -> None:
        """Raises `Rejected` (S1, S3, S11, F1) where `endorse` would; nothing is signed."""
        context = self._context
        self._require_journal()
        ceiling = self.ceiling(self._certificates.judging(context.ledger.head, action))
        ask = classify_endorsement(context.ledger, context.store, proposal, action, ceiling)
        decide(self.stance, ask)

    # --- promises ---------------------------------------------------------------------------------

    def endorse(self, proposal: Verified[Proposal], action: Certified) -> Verified[Endorsement]:
        """Endorse what needs a certificate; the same one again gives the same endorsement.

        Raises `Rejected` (S1, S3, S11, S14, F1).
        """
        context = self._context
        self.require_endorsable(proposal.id, action)
        kind = ENDORSE if isinstance(action, Succession) else ENDORSE_POLICY
        if context.store.journal_holds(kind, proposal.id):
            return self._promised(kind, proposal.id)
        if kind == ENDORSE:
            self.pace.require_room()
            self.pace.note_endorsed(proposal.key)
        epoch = action.epoch if isinstance(action, Succession) else 0
        statement = Endorsement(context.common_id, proposal.id, epoch, max(0, context.now.wall))
        endorsement = sign_statement(statement, context.signer)
        self._journal(kind, epoch, 0, proposal.id, endorsement)
        return endorsement

    def _holds(self, kind: str, subject: bytes, id_: bytes) -> bool:
        store = self._context.store
        if not store.journal_holds(kind, subject):
            return False
        held = [row.raw for row in store.journal(kind, last=JOURNAL_LOOKED_THROUGH) if row.subject == subject]
        return not held or any(decode_artifact(raw).id == id_ for raw in held)

    def _promised(self, kind: str, subject: bytes) -> Verified[Endorsement]:
        context = self._context
        for row in context.store.journal(kind, last=JOURNAL_LOOKED_THROUGH):
            if row.subject == subject:
                return context.verifier.verify(read_stored_as(Endorsement, row.raw, audited=True))
        raise LookupError("a promise of the journal")

    def cosign(self, row: SnapshotRow) -> Verified[Cosignature]:
        """Cosign a stored snapshot. Raises `Rejected` (S4, S5, S11, F1)."""
        context = self._context
        self._require_journal()
        decide(self.stance, classify_cosignature(context.ledger, context.store, row))
        statement = Cosignature(context.common_id, row.epoch, row.height, row.id, max(0, context.now.wall))
        cosignature = sign_statement(statement, context.signer)
        self._journal(COSIGN, row.epoch, row.height, row.id, cosignature)
        return cosignature

    def emit(self, statement: Snapshot, parent: SnapshotRow) -> Verified[Snapshot]:
        """Sign the next snapshot on `parent`. Raises `Rejected` (S1, S11, S13, F1)."""
        context = self._context
        self._require_journal()
        decide(self.stance, classify_emission(context.ledger, context.store, statement.epoch, parent))
        snapshot = sign_statement(statement, context.signer)
        self._journal(EMIT, statement.epoch, statement.height, snapshot.id, snapshot)
        return snapshot

    def _journal(
        self, kind: str, epoch: int, height: int, subject: bytes, promise: Verified[Statement]
    ) -> None:
        self._context.must_last()
        self._context.store.apply([PutJournal(JournalRow(kind, epoch, height, subject, promise.raw))])

    # --- hearing oneself --------------------------------------------------------------------------

    def hear_own(self, kind: str, subject: bytes, id_: bytes, what: str) -> None:
        """The artifact `id_`, signed with this key, came from outside: if the journal lacks it, the journal
        is old (S11). That it holds another signature for the same subject does not help: it was made again.
        """
        if self.stale_reason() is None and not self._holds(kind, subject, id_):
            self.mark_stale(f"others hold {what} signed with this key that this machine does not know of")
