"""The witness: numbers, signs and emits the next snapshot as soon as there is something to say.

A complete certificate (`certificates.py`) goes first, alone, on the parent that it is for. A joint policy is
settled as soon as the cosignatures are here. Otherwise it tries the pending proposals in order on a draft of
the state; what applies is listed, what does not is answered with a signed rejection, what lacks content waits
(G6). Whoever has many waits for those with few (`turns`, G5). After a quiet time the next proposal is emitted
at once; in a busy one, snapshots are spaced so that each lists many.
"""

from __future__ import annotations

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Erase, Proposal, Put, Rejection, Snapshot
from aslp2p.core.certificates import Ready
from aslp2p.core.floors import Office, Shared, Sync
from aslp2p.core.part import Part
from aslp2p.core.turns import Turns
from aslp2p.errors import Rejected
from aslp2p.ledger.actions import apply_action
from aslp2p.ledger.facts import proposal_key
from aslp2p.ledger.gate import AUTHORITY_ACTIONS, Tip
from aslp2p.ledger.joining import META_LINKED
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import NotApplicable, is_admitted
from aslp2p.limits import BATCH_SPACING_MS, RETURN_WAIT_MS, SNAPSHOT_PROPOSALS_MAX, TEXT_BYTES_MAX
from aslp2p.recovery import grace_ms

APART_MS = 86_400_000
"""When a witness that nobody can reach looks again: longer than any command lasts."""


def was_renewed(standing: Standing) -> bool:
    """Whether this snapshot hands the office to the witness that had it (S12). Who endorsed that cannot
    cosign it, for it is of the epoch before (S4): an empty snapshot of the new one makes both final."""
    return standing.next_epoch != standing.epoch and standing.next_witness == standing.witness


class Witness(Part):
    """Emits while this node's key is the one that the head, or a complete certificate, appoints."""

    def __init__(
        self,
        shared: Shared,
        sync: Sync,
        office: Office,
        turns: Turns,
        *,
        apart: bool,
    ) -> None:
        self._context, self._pending, self._spreader = shared
        self._chain, self._contents, self._catchup, self._audit = sync
        self._certificates = office.certificates
        self._promises = office.promises
        self._turns = turns
        self._apart = apart
        self._emitted_ms = -(10**9)
        self._looked_at: tuple[object, ...] = ()
        self._incomplete: dict[bytes, bytes] = {}
        """Puts that lack content, and one thing that each lacks: until that comes they cost nothing."""
        self._returned_ms: int | None = None
        self._heard_since = False

    @property
    def is_witness(self) -> bool:
        context = self._context
        return context.founded and context.ledger.head.standing.next_witness == context.key

    # --- coming back (S10) ------------------------------------------------------------------------

    def returned(self) -> None:
        """This machine was off or asleep: it may have been replaced, so it listens before it signs."""
        self._returned_ms = self._context.now.mono
        self._heard_since = False

    def heard_authority(self) -> None:
        """Another authority has told its head since this machine came back."""
        self._heard_since = True

    def _listens_until(self) -> int | None:
        context = self._context
        standing = context.ledger.head.standing
        if self._heard_since or self._returned_ms is None or standing.authorities() <= {context.key}:
            return None
        if self._apart:
            linked = context.store.meta(META_LINKED) is not None
            return context.now.mono + APART_MS if linked else None
        until = self._returned_ms + min(RETURN_WAIT_MS, grace_ms(standing.policies) // 4)
        return until if context.now.mono < until else None

    @property
    def withholds(self) -> bool:
        """Whether there is something to emit, and only the listening holds it up."""
        context = self._context
        if not self._has_reason() or self._listens_until() is None:
            return False
        head = context.ledger.head
        mine = self.is_witness and (
            any(
                not isinstance(one.statement.action, AUTHORITY_ACTIONS)
                for one in self._pending.proposals.values()
            )
            or self._settlement(head) is not None
        )
        return mine or self._certificates.ready() is not None

    # --- may it -----------------------------------------------------------------------------------

    def idle_reason(self, ready: Ready | None = None) -> str | None:
        """Why this node, appointed as it is, may not emit now; None if it may."""
        context = self._context
        if not self._audit.done:
            return "the history is still being audited"
        if self._catchup.holds_up:
            return "it is catching up"
        if self._listens_until() is not None:
            return "it has just come back and listens whether it was replaced (S10)"
        parent = ready.parent if ready is not None else context.ledger.head
        epoch = ready.epoch if ready is not None else parent.standing.next_epoch
        if context.ledger.equivocation_in(epoch, context.key) is not None:
            return "two histories are signed with this key in this epoch"
        if ready is None and self._certificates.is_superseded():
            successor = context.name_of(self._certificates.superseded_by() or b"")
            return f"{successor} is appointed by a complete certificate (S10)"
        row = context.store.snapshot(parent.id)
        if row is None:
            return "its parent is not here"
        return self._promises.refusal_to_emit(epoch, row)

    # --- when -------------------------------------------------------------------------------------

    def _has_reason(self) -> bool:
        context = self._context
        if not context.founded:
            return False
        if self._pending.special and any(True for _ in self._pending.endorsements):
            return True
        head = context.ledger.head
        return self.is_witness and bool(
            self._pending.proposals or head.standing.joint or was_renewed(head.standing)
        )

    @property
    def wake_at_ms(self) -> int | None:
        if not self._has_reason():
            return None
        now = self._context.now.mono
        listens = self._listens_until()
        if listens is not None:
            return listens
        if self._looked_at == self._state() and not self._turns.is_due():
            return self._turns.next_ms
        return max(now, self._emitted_ms + BATCH_SPACING_MS)

    def _state(self) -> tuple[object, ...]:
        """What an attempt to emit depends on: no second attempt while it is the same."""
        return (
            self._context.ledger.head.id,
            self._pending.open.digest(),
            self._contents.arrived,
            self._audit.done,
            self._catchup.holds_up,
            self._listens_until() is None,
            self._promises.stale_reason() is None,
        )

    def tick(self) -> None:
        """Emit the next snapshot if there is something to say and nothing forbids it."""
        if not self._has_reason() or (self._looked_at == self._state() and not self._turns.is_due()):
            return
        if self._context.now.mono < self._emitted_ms + BATCH_SPACING_MS:
            return
        self._turns.next_ms = None
        more = False
        ready = self._certificates.ready()
        if ready is not None and self.idle_reason(ready) is None:
            self._sign(
                ready.parent,
                ready.epoch,
                [ready.proposal],
                certificate=ready.certificate,
                settlement=ready.settlement,
            )
            more = True  # what waits, and after a renewal an empty one, goes on top
        elif self.is_witness and self.idle_reason() is None:
            head = self._context.ledger.head
            settlement = self._settlement(head)
            listed, more = self._choose(head)
            if listed or settlement is not None or was_renewed(head.standing):
                self._sign(head, head.standing.next_epoch, listed, settlement=settlement)
        self._looked_at = () if more else self._state()

    # --- what -------------------------------------------------------------------------------------

    def _choose(self, parent: Tip) -> tuple[list[Verified[Proposal]], bool]:
        """What applies of what has its turn, in order, and whether there is more of it; what does not is
        rejected."""
        draft = self._context.ledger.draft()
        members = dict(parent.members)
        listed: list[Verified[Proposal]] = []
        self._look_again()
        for proposal in self._turns.take(self._incomplete):
            action = proposal.statement.action
            try:
                # Whoever is a member no more is answered at once, whatever content is missing.
                if isinstance(action, Put) and is_admitted(members, proposal.key):
                    if proposal.id in self._incomplete:
                        continue
                    if (lacks := self._contents.missing_of(action)) is not None:
                        self._incomplete[proposal.id] = lacks
                        continue
                apply_action(draft, members, parent.standing, proposal)
            except NotApplicable as refused:
                if isinstance(action, Erase) and refused.reason_code == "no-certificate":
                    continue  # it waits for its endorsements
                if self._turns.may_refuse(proposal):
                    self._reject(proposal, refused.reason_code, refused.reason)
                continue
            draft.set(proposal_key(proposal.id), b"")
            listed.append(proposal)
            if len(listed) == SNAPSHOT_PROPOSALS_MAX:
                return listed, True
        return listed, False

    def _look_again(self) -> None:
        """Forget of what is pending no more that it lacked something, and of what that has come for."""
        come = self._contents.have_come(set(self._incomplete.values()))
        for id_, lacks in list(self._incomplete.items()):
            if lacks in come or id_ not in self._pending.proposals:
                del self._incomplete[id_]

    def _settlement(self, head: Tip) -> tuple[bytes, ...] | None:
        """Cosignatures that settle a joint policy (P4), if they are here."""
        return self._context.ledger.deciding(head)[1]

    def _sign(
        self,
        parent: Tip,
        epoch: int,
        listed: list[Verified[Proposal]],
        *,
        certificate: tuple[bytes, ...] | None = None,
        settlement: tuple[bytes, ...] | None = None,
    ) -> None:
        context = self._context
        ids = tuple(proposal.id for proposal in listed)
        frontier, _ = parent.frontier.extend(ids)
        statement = Snapshot(
            common_id=context.common_id,
            height=parent.height + 1,
            previous=parent.id,
            epoch=epoch,
            created_ms=max(0, context.now.wall),
            proposals=ids,
            log_size=frontier.size,
            log_root=frontier.root(),
            certificate=certificate,
            settlement=settlement,
        )
        row = context.store.snapshot(parent.id)
        if row is None:
            return
        try:
            snapshot = self._promises.emit(statement, row)
        except Rejected:
            return
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
