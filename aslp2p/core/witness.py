"""The witness: numbers, signs and emits the next snapshot as soon as there is something to list.

It tries the pending proposals in order on a draft of the state; what applies is listed, what does not is
answered
with a signed rejection, what lacks content waits (G6). One promise a height: (epoch, height, id) is in the
signing
journal, in the same transaction as the snapshot, before anybody can see it (S1). After a quiet time the next
proposal is emitted at once; in a busy one, snapshots are spaced a few milliseconds so that each lists many.
"""

from __future__ import annotations

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Proposal, Put, Rejection, Snapshot
from aslp2p.core.audit import Audit
from aslp2p.core.chain import Chain
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.spread import Spreader
from aslp2p.errors import Rejected
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.reader import JournalRow, PutJournal
from aslp2p.ledger.state import NotApplicable, apply_action
from aslp2p.limits import BATCH_SPACING_MS, SNAPSHOT_PROPOSALS_MAX, TEXT_BYTES_MAX


class Witness:
    """Emits while this node's key is the one that the head appoints."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        chain: Chain,
        contents: Contents,
        spreader: Spreader,
        audit: Audit,
    ) -> None:
        self._context = context
        self._pending = pending
        self._chain = chain
        self._contents = contents
        self._spreader = spreader
        self._audit = audit
        self._emitted_ms = -(10**9)
        self._looked_at: tuple[object, ...] = ()

    @property
    def is_witness(self) -> bool:
        context = self._context
        return context.founded and context.ledger.head.standing.next_witness == context.key

    def idle_reason(self) -> str | None:
        """Why this node, appointed as it is, may not emit now; None if it may."""
        context = self._context
        head = context.ledger.head
        epoch = head.standing.next_epoch
        if not self._audit.done:
            return "the history is still being audited"
        if context.ledger.equivocation_in(epoch, context.key) is not None:
            return "two histories are signed with this key in this epoch"
        if context.ledger.conflict() is not None:
            return "two final histories exclude each other"
        if context.store.journal_at("emit", epoch, head.height + 1) is not None:
            return f"this key has signed another @{head.height + 1} already"
        last = context.store.journal("emit", last=1)
        if (
            last
            and last[0].epoch == epoch
            and not context.ledger.contains(head.branch, head.height, last[0].subject)
        ):
            return "the branch that this key signed in this epoch is not followed any more (S13)"
        return None

    @property
    def wake_at_ms(self) -> int | None:
        if not self.is_witness or not self._pending.proposals or self._looked_at == self._state():
            return None
        return max(self._context.now.mono, self._emitted_ms + BATCH_SPACING_MS)

    def _state(self) -> tuple[object, ...]:
        """What an attempt to emit depends on: no second attempt while it is the same."""
        return (
            self._context.ledger.head.id,
            self._pending.open.digest(),
            self._contents.arrived,
            self._audit.done,
        )

    def emit(self) -> None:
        """Emit the next snapshot if there is something to list and nothing forbids it."""
        if not self.is_witness or not self._pending.proposals:
            return
        if self._context.now.mono < self._emitted_ms + BATCH_SPACING_MS or self._looked_at == self._state():
            return
        if self.idle_reason() is None:
            listed = self._choose()
            if listed:
                self._sign(listed)
        self._looked_at = self._state()
        if len(self._pending.proposals) >= SNAPSHOT_PROPOSALS_MAX:
            self._looked_at = ()

    def _choose(self) -> list[Verified[Proposal]]:
        ledger = self._context.ledger
        draft = ledger.draft()
        members = dict(ledger.head.members)
        standing = ledger.head.standing
        listed: list[Verified[Proposal]] = []
        for proposal in list(self._pending.proposals.values()):
            action = proposal.statement.action
            if isinstance(action, AUTHORITY_ACTIONS):
                continue
            try:
                if isinstance(action, Put) and not self._contents.complete(action):
                    continue
                apply_action(draft, members, standing, proposal)
            except NotApplicable as refused:
                self._reject(proposal, refused.reason_code, refused.reason)
                continue
            except Rejected as refused:
                self._reject(proposal, "refused", refused.reason)
                continue
            draft.set(b"p" + proposal.id, b"")
            listed.append(proposal)
            if len(listed) == SNAPSHOT_PROPOSALS_MAX:
                break
        return listed

    def _sign(self, listed: list[Verified[Proposal]]) -> None:
        context = self._context
        head = context.ledger.head
        ids = tuple(proposal.id for proposal in listed)
        frontier, _ = head.frontier.extend(ids)
        statement = Snapshot(
            common_id=context.common_id,
            height=head.height + 1,
            previous=head.id,
            epoch=head.standing.next_epoch,
            created_ms=max(0, context.now.wall),
            proposals=ids,
            log_size=frontier.size,
            log_root=frontier.root(),
            certificate=None,
            settlement=None,
        )
        snapshot = sign_statement(statement, context.signer)
        row = JournalRow("emit", statement.epoch, statement.height, snapshot.id, snapshot.raw)
        context.store.apply([PutJournal(row)])
        self._emitted_ms = context.now.mono
        self._chain.offer(snapshot, None)

    def _reject(self, proposal: Verified[Proposal], code: str, reason: str) -> None:
        context = self._context
        text = reason.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")
        statement = Rejection(context.common_id, proposal.id, code, text, max(0, context.now.wall))
        rejection = sign_statement(statement, context.signer)
        self._pending.add_rejection(rejection)
        self._spreader.add(rejection)
        if proposal.key == context.key:
            context.publish("proposal", id=proposal.id.hex(), state="rejected", code=code, text=text)
