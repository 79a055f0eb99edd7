"""What an authority's node does for succession: hears and makes endorsements and cosignatures, counts
silence, beacons.

It proposes a recovery when its turn has come (S7), endorses by itself only in `auto` and only what S2
allows, renews
a witness that is well (S12), and cosigns heads in the background (section 7). Every promise goes through the
`Keyring`; every certificate is put into a snapshot by `witness.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

from aslp2p.artifacts.envelope import Signed, Verified, sign_statement
from aslp2p.artifacts.types import (
    Beacon,
    Cosignature,
    Endorsement,
    Proposal,
    Recovery,
    Revocation,
    Rotation,
    Snapshot,
)
from aslp2p.core.audit import Audit
from aslp2p.core.catchup import Catchup
from aslp2p.core.chain import Chain
from aslp2p.core.context import Context
from aslp2p.core.keyring import Keyring
from aslp2p.core.paper import Paper, Special
from aslp2p.core.pending import Pending
from aslp2p.core.seat import Seats
from aslp2p.core.spread import Spreader
from aslp2p.core.witness import Witness
from aslp2p.errors import Incomplete, Rejected
from aslp2p.gossip.messages import Want
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import PutMeta
from aslp2p.ledger.succession import COSIGN, EMIT, ENDORSE, ENDORSE_POLICY
from aslp2p.limits import (
    BEACON_RESERVE,
    COSIGN_SPACING_MS,
    PAUSE_MS,
    SILENCE_SAVE_MS,
    WAITING_PAPER_MAX,
)
from aslp2p.recovery import (
    beacon_interval_ms,
    decode_silence,
    proposes_after_ms,
    round_ms,
)

META_SILENCE = "silence"
META_BEACON = "beacon"


class Succession:
    """See the module's text. `auto` is `recovery.mode`."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        paper: Paper,
        keyring: Keyring,
        chain: Chain,
        catchup: Catchup,
        audit: Audit,
        witness: Witness,
        spreader: Spreader,
        *,
        auto: bool,
    ) -> None:
        self._context = context
        self._pending = pending
        self._paper = paper
        self._keyring = keyring
        self._chain = chain
        self._catchup = catchup
        self._audit = audit
        self._witness = witness
        self._spreader = spreader
        self._auto = auto
        self._seats = Seats(context)
        self.silence = decode_silence(context.store.meta(META_SILENCE))
        self._saved_ms = 0
        self._jitter = 0.0
        self._beaconed_ms = -(10**9)
        reserved = context.store.meta(META_BEACON)
        self._counter = int.from_bytes(reserved, "big") if reserved else 0
        self._reserved = self._counter
        self._cosigned_ms = -(10**9)
        self._cosign_tried: tuple[object, ...] = ()
        self._paused_until_ms = -(10**9)
        self._renews_again_ms = -(10**9)
        self._first_seen: dict[bytes, int] = {}
        self._by_person: set[bytes] = set()
        self._waiting: OrderedDict[
            bytes, tuple[Verified[Endorsement] | Verified[Cosignature], int | None]
        ] = OrderedDict()
        self._retried_at = 0
        """How many snapshots had been accepted when the waiting paper was last looked at."""
        self._draw_jitter()

    # --- who this node is -------------------------------------------------------------------------

    @property
    def is_authority(self) -> bool:
        """Whether this node's key is a usable authority at the head."""
        return self._seats.now.is_authority

    def connected_authorities(self) -> frozenset[bytes]:
        """The other authorities that this node has a link to."""
        return self._seats.now.others & {peer.key for peer in self._context.peers.values()}

    def hears_quorum(self) -> bool:
        """S10: whether this node and the authorities linked to it are a quorum of every policy in force."""
        head = self._context.ledger.head
        heard = self.connected_authorities() | {self._context.key}
        return satisfies_all(head.standing.policies, heard - self._seats.now.gone)

    def _watching(self) -> bool:
        """S2: linked to another authority and caught up with it."""
        context = self._context
        head = context.ledger.head
        others = self.connected_authorities() - {head.standing.next_witness}
        if not others or self._catchup.holds_up:
            return False
        return any(
            peer.key in others
            and peer.height >= 0
            and (peer.head == head.id or context.store.snapshot(peer.head) is not None)
            for peer in context.peers.values()
        )

    def _grace(self) -> int:
        return self._seats.now.grace_ms

    def _draw_jitter(self) -> None:
        self._jitter = self._context.draw(1000) / 1000

    # --- hearing ----------------------------------------------------------------------------------

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
        action = cast("Special", proposal.statement.action)
        standing = self._paper.standing_for(action)
        if standing is None:
            self._wait(context.verifier.verify(signed), source)  # nobody can say yet who may endorse it
            return True
        if not self._paper.may_endorse(action, signed.key, standing):
            raise Rejected("V6", "an endorsement by a key that is no authority", subject=signed.id)
        epoch = action.epoch if isinstance(action, Rotation | Recovery | Revocation) else 0
        if statement.epoch != epoch:
            raise Rejected("V6", "an endorsement for another epoch than its proposal's", subject=signed.id)
        if signed.key in self._paper.endorsements(proposal.id):
            return False
        verified = context.verifier.verify(signed)
        if signed.key == context.key:
            kind = ENDORSE_POLICY if epoch == 0 else ENDORSE
            self._keyring.hear_own(kind, proposal.id, signed.id, "an endorsement")
        self._pending.add(verified)
        self._first_seen.setdefault(proposal.id, context.now.mono)
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
            self._keyring.hear_own(COSIGN, at.snapshot, signed.id, "a cosignature")
            if older and self._keyring.stale_reason() is None:
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
            self._chain.settle((), change, {})
        final = context.ledger.final_height()
        if final > before:
            context.publish("final", height=final)
        return True

    def _older(self, signed: Signed[Cosignature], known: Signed[Cosignature]) -> bool:
        """Whether `known`, of the same line or a newer epoch, says more.

        Of one epoch it does only if its snapshot contains the other's: a liar cosigns lines that exclude each
        other, and what is final on one of them must not depend on which was heard first (F1).
        """
        one, other = signed.statement, known.statement
        if one.epoch != other.epoch or one.height > other.height:
            return one.epoch < other.epoch
        if one.snapshot == other.snapshot:
            return True
        row = self._context.store.snapshot(other.snapshot)
        return row is not None and self._context.ledger.contains(row.branch, row.height, one.snapshot)

    def take_beacon(self, signed: Signed[Beacon], source: int | None) -> bool:
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
                self._keyring.mark_stale("the same key was heard on another machine")
            return False
        if statement.counter <= self.silence.counter and statement.epoch == self.silence.epoch:
            return False
        verified = context.verifier.verify(signed)
        self._pass_time()
        if self.silence.epoch != statement.epoch:
            self.silence.heard(statement.epoch)
        fresh = self.silence.heard_beacon(statement.epoch, statement.counter)
        if fresh:
            self._pending.beacon = verified
            self._spreader.add(verified, source=source)
        return fresh

    def _wait(self, signed: Verified[Endorsement] | Verified[Cosignature], source: int | None) -> None:
        """Look at it again later. What is forged has been refused: later nobody could be blamed for it."""
        self._waiting[signed.id] = (signed, source)
        if len(self._waiting) > WAITING_PAPER_MAX:
            self._waiting.popitem(last=False)

    def waits(self, id_: bytes) -> bool:
        """Whether an endorsement or a cosignature waits for what it is about."""
        return id_ in self._waiting

    def _may_judge_more(self) -> bool:
        """Whether snapshots came, perhaps beside our line, since paper was last found to lack one."""
        return bool(self._waiting) and self._retried_at != self._chain.accepted

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

    def saw_own_snapshot(self, id_: bytes, epoch: int) -> None:
        """A snapshot signed by this node's key came from outside (S11)."""
        if self._context.store.snapshot(id_) is None:
            self._saw_own(id_, epoch)

    def _saw_own(self, id_: bytes, epoch: int) -> None:
        self._keyring.hear_own(EMIT, id_, id_, f"a snapshot of epoch {epoch}")

    def heard_own(self, snapshot: Signed[Snapshot]) -> None:
        """A snapshot of this key was accepted, however it came: in a push, a range or a bundle (S11)."""
        if not self._context.store.journal_holds(EMIT, snapshot.id):
            self._saw_own(snapshot.id, snapshot.statement.epoch)

    def noticed_proposal(self, proposal: Verified[Proposal]) -> None:
        """A succession or policy change is open: start its round, tell the person."""
        for old in self._paper.make_room(proposal.key):
            self._first_seen.pop(old.id, None)
            self._by_person.discard(old.id)
        self._first_seen.setdefault(proposal.id, self._context.now.mono)
        self._context.publish("paper", proposal=proposal.id.hex(), endorsed_by=None)

    def head_moved(self, change: HeadChange, _listed: object) -> None:
        """A new head is a sign of life of its witness; paper that cannot come to anything is closed."""
        self._pass_time()  # first count up to now, then forget it
        self.silence.heard(change.new.standing.next_epoch)
        self._draw_jitter()
        for proposal in self._paper.prune():
            self._first_seen.pop(proposal.id, None)
            self._by_person.discard(proposal.id)
            if proposal.key == self._context.key and not self._listed_on_head(proposal.id):
                self._context.publish(
                    "proposal", id=proposal.id.hex(), state="overtaken", height=change.new.height
                )
        if change.new.standing.next_witness != change.old.standing.next_witness:
            self._announce(change)
        if self._waiting:
            self.retry_waiting()

    def _listed_on_head(self, proposal: bytes) -> bool:
        head = self._context.ledger.head
        return self._context.store.fact(head.branch, b"p" + proposal, head.height) is not None

    def _announce(self, change: HeadChange) -> None:
        context = self._context
        new, old = change.new.standing, change.old.standing
        name = context.name_of(new.next_witness)
        if old.next_witness == context.key:
            text = f"this machine is not the witness any more: {name} is, since @{new.changed_height}"
            context.publish("notice", code="stepped-down", text=text)
        context.publish("witness", name=name, height=new.changed_height, by=new.changed_by)

    # --- time -------------------------------------------------------------------------------------

    def _pass_time(self) -> None:
        now = self._context.now
        self.silence.pass_time(now.mono, now.wall, self._grace(), self._watching())

    def silent_ms(self) -> int:
        """How long the witness has been silent here; 0 where nobody counts."""
        if not self._counts_silence():
            return 0
        return self.silence.silent_ms(self._context.now.mono)

    @property
    def wake_at_ms(self) -> int | None:
        context = self._context
        if not context.founded:
            return None
        now = context.now.mono
        due: list[int] = []
        if self._may_judge_more():
            due.append(now)
        if self._beacons():
            due.append(self._beaconed_ms + beacon_interval_ms(self._grace()))
        if self._would_cosign():
            due.append(max(now, self._cosigned_ms + COSIGN_SPACING_MS, self._paused_until_ms))
        counts = self._counts_silence()
        if counts and self.silence.watching != self._watching():
            due.append(now)  # heads were heard, or a catch-up ended: a gap ends, or begins (S2)
        if counts and self.silence.watching:
            silent = self.silent_ms()
            marks = [self._grace(), self._proposes_at() or 0]
            due += [now + mark - silent for mark in marks if mark > silent]
            due.append(self._saved_ms + self._save_interval())
            due += self._round_ends()
        due += [at for at in (self._renewal_at(),) if at is not None]
        return min(due) if due else None

    def tick(self) -> None:
        """Do what is due."""
        context = self._context
        if not context.founded:
            return
        now = context.now.mono
        if self._may_judge_more():
            self.retry_waiting()
        if self.silence.epoch != context.ledger.head.standing.next_epoch:
            self._pass_time()
            self.silence.heard(context.ledger.head.standing.next_epoch)
        if self._counts_silence():
            self._pass_time()
            if now >= self._saved_ms + self._save_interval():
                self._saved_ms = now
                context.store.apply([PutMeta(META_SILENCE, self.silence.encode())])
            self._propose_recovery()
            if self._auto:
                self._endorse_by_itself()
        self._endorse_renewals()
        self._renew()
        self._cosign()
        self._beacon()

    def links_changed(self) -> None:
        """Being alone is a gap, not silence (S2): count up to the change."""
        if self._context.founded and self._counts_silence():
            self._pass_time()

    def _save_interval(self) -> int:
        return max(SILENCE_SAVE_MS, min(round_ms(self._grace()) // 4, 120 * SILENCE_SAVE_MS))

    def _counts_silence(self) -> bool:
        """Whether silence matters here: at an authority that is not the witness itself."""
        seat = self._seats.now
        return seat.is_authority and not seat.is_witness

    # --- beacons ----------------------------------------------------------------------------------

    def _beacons(self) -> bool:
        context = self._context
        if not context.peers or not self._witness.is_witness:
            return False
        return self._keyring.stale_reason() is None

    def _beacon(self) -> None:
        context = self._context
        now = context.now.mono
        if not self._beacons() or now < self._beaconed_ms + beacon_interval_ms(self._grace()):
            return
        if self._witness.idle_reason() is not None:
            self._beaconed_ms = now
            return
        self._beaconed_ms = now
        self._counter += 1
        if self._counter > self._reserved:
            self._reserved = self._counter + BEACON_RESERVE
            context.must_last()
            context.store.apply([PutMeta(META_BEACON, self._reserved.to_bytes(8, "big"))])
        head = context.ledger.head
        statement = Beacon(context.common_id, head.standing.next_epoch, head.height, head.id, self._counter)
        self._pending.beacon = beacon = sign_statement(statement, context.signer)
        self._spreader.add(beacon)

    # --- cosigning --------------------------------------------------------------------------------

    def _would_cosign(self) -> bool:
        if not self.is_authority or not self._audit.done:
            return False
        head = self._context.ledger.head
        return head.height > 0 and self._cosign_tried != self._cosign_state()

    def _cosign_state(self) -> tuple[object, ...]:
        return (self._context.ledger.head.id, self._keyring.endorsed_epoch())

    def _cosign(self) -> None:
        """Cosign the head (section 7), at most so often, unless a promise or a person says otherwise."""
        context = self._context
        now = context.now.mono
        if not self._would_cosign() or now < max(
            self._cosigned_ms + COSIGN_SPACING_MS, self._paused_until_ms
        ):
            return
        self._cosign_tried = self._cosign_state()
        head = context.ledger.head
        row = context.store.snapshot(head.id)
        last = self._keyring.last_cosigned()
        if row is None or (last is not None and last.subject == head.id) or not self._keyring.may_cosign(row):
            return
        self._cosigned_ms = now
        self.take_cosignature(self._keyring.cosign(row), None)

    # --- recovery ---------------------------------------------------------------------------------

    def _proposes_at(self) -> int | None:
        """The silence after which this authority proposes itself (S7); None if it has no turn."""
        seat = self._seats.now
        # Where the others cannot replace this witness, status says so.
        if seat.turn is None or not seat.replaceable or self._keyring.stale_reason() is not None:
            return None
        return proposes_after_ms(seat.grace_ms, seat.turn, self._jitter)

    def _open_recoveries(self) -> list[Verified[Proposal]]:
        """Takeovers that can still get their quorum: on our head, of an epoch that we may endorse."""
        head = self._context.ledger.head
        return [one for one, action in self._paper.takeovers() if action.base_id == head.id]

    def _round_ends(self) -> list[int]:
        """When attempts that have no quorum yet are tried again (S7)."""
        if self._proposes_at() is None:
            return []
        return [at for at in (self._try_again_at(),) if at is not None and at > self._context.now.mono]

    def _try_again_at(self) -> int | None:
        """A round after the last attempt, each authority in its turn. Where people are asked, what can still
        get its quorum has a grace period besides: somebody may be away for long, or for good."""
        attempts = self._open_recoveries()
        seen = [self._first_seen.get(one.id, self._context.now.mono) for one in attempts]
        if not seen:
            return None
        seat = self._seats.now
        wait = round(round_ms(seat.grace_ms) * (1 + (seat.turn or 0) + self._jitter))
        if not self._auto and any(
            self._paper.can_get_there(one, cast("Special", one.statement.action)) for one in attempts
        ):
            wait += self._grace()
        return max(seen) + wait

    def _propose_recovery(self) -> None:
        context = self._context
        after = self._proposes_at()
        if after is None or not self._watching() or self.silent_ms() < after or not self._audit.done:
            return
        if self._open_recoveries():
            again = self._try_again_at()
            if again is None or context.now.mono < again:
                return
        self._draw_jitter()
        head = context.ledger.head
        action = Recovery(
            epoch=self.next_epoch(),
            base_height=head.height,
            base_id=head.id,
            new_witness=context.key,
            reason="the witness is silent",
            abandons=(),
        )
        proposal = self.propose(action)
        if self._auto:
            self._try_endorse(proposal, action)
        else:
            name = context.name_of(head.standing.next_witness)
            text = f"the witness {name} is silent; people are asked to endorse a new one"
            context.publish("notice", code="recovery-proposed", text=text)

    def next_epoch(self) -> int:
        """The epoch for a new succession: above the head's, our own promises, and what others have
        endorsed."""
        head = self._context.ledger.head
        return max(head.standing.next_epoch, self._keyring.endorsed_epoch(), self._paper.highest_epoch()) + 1

    def propose(self, action: Special) -> Verified[Proposal]:
        """Sign, keep and spread a succession or policy change."""
        context = self._context
        statement = Proposal(context.common_id, max(0, context.now.wall), context.entropy(8), action)
        proposal = sign_statement(statement, context.signer)
        self._pending.add(proposal)
        self._spreader.add(proposal)
        self.noticed_proposal(proposal)
        return proposal

    def _endorse_by_itself(self) -> None:
        """`auto`: endorse a recovery on our head, once the silence measured here is long enough (S2)."""
        if self.silent_ms() < self._grace() or not self._watching() or not self._audit.done:
            return
        for proposal in self._open_recoveries():
            action = proposal.statement.action
            if isinstance(action, Recovery) and not action.abandons and action.new_witness == proposal.key:
                self._try_endorse(proposal, action)

    def _try_endorse(self, proposal: Verified[Proposal], action: Special) -> bool:
        """Endorse if the table of promises allows it; whether there is an endorsement of ours now."""
        if self._context.key in self._paper.endorsements(proposal.id):
            return True
        try:
            self.add_endorsement(self._keyring.endorse(proposal, action))
        except Rejected:
            return False
        return True

    def add_endorsement(self, endorsement: Verified[Endorsement]) -> None:
        """Keep and spread an endorsement of ours; it is in the journal already."""
        self._pending.add(endorsement)
        self._spreader.add(endorsement)
        self._context.publish(
            "paper",
            proposal=endorsement.statement.proposal.hex(),
            endorsed_by=self._context.name_of(self._context.key),
        )

    def note_person(self, proposal: bytes) -> None:
        """A person has endorsed this: renewals of the witness wait for it."""
        self._by_person.add(proposal)

    def pause_finality(self) -> None:
        """A person's succession has to be proposed again on a newer base: do not run ahead of it
        meanwhile."""
        self._paused_until_ms = self._context.now.mono + PAUSE_MS

    # --- renewal (S12) ----------------------------------------------------------------------------

    def _attempt_above(self) -> tuple[int, int] | None:
        """(epoch, when first seen) of the highest endorsed attempt above our own epoch that is not our
        rotation."""
        found: tuple[int, int] | None = None
        for proposal, action in self._paper.open():
            if not self._paper.endorsements(proposal.id):
                continue
            if isinstance(action, Recovery | Revocation):
                seen = (action.epoch, self._first_seen.get(proposal.id, self._context.now.mono))
                found = seen if found is None else max(found, seen)
        return found

    def _renewal_at(self) -> int | None:
        if not self._witness.is_witness or self._attempt_above() is None or self._renewal_open():
            return None
        attempt = self._attempt_above()
        if attempt is None:
            return None
        return max(attempt[1] + round_ms(self._grace()), self._renews_again_ms)

    def _renewal_open(self) -> bool:
        attempt = self._attempt_above()
        return any(
            isinstance(action, Rotation) and attempt is not None and action.epoch > attempt[0]
            for _, action in self._paper.open()
        )

    def _renew(self) -> None:
        """A witness that is well but sees an attempt of a higher epoch asks for a rotation to itself above
        it."""
        at = self._renewal_at()
        if at is None or self._context.now.mono < at:
            return
        if self._witness.idle_reason() is not None:
            self._renews_again_ms = self._context.now.mono + round_ms(self._grace()) // 4
            return
        context = self._context
        head = context.ledger.head
        action = Rotation(self.next_epoch(), head.height, head.id, context.key, "the witness is well")
        proposal = self.propose(action)
        self._try_endorse(proposal, action)

    def _endorse_renewals(self) -> None:
        """Without asking, unless somebody here or a revocation wants this witness gone."""
        if not self.is_authority or not self._audit.done:
            return
        head = self._context.ledger.head
        witness = head.standing.next_witness
        for proposal, action in self._paper.open():
            if not isinstance(action, Rotation) or action.new_witness != witness or proposal.key != witness:
                continue
            if self._context.key in self._paper.endorsements(proposal.id) or self._contested(witness):
                continue
            if self._paper.may_ride(proposal):
                self._try_endorse(proposal, action)

    def _contested(self, witness: bytes) -> bool:
        return any(
            (isinstance(action, Revocation) and action.revoked == witness) or one.id in self._by_person
            for one, action in self._paper.takeovers()
        )
