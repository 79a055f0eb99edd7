"""What an authority's node does for succession by itself: proposes a recovery when its turn has come (S7),
endorses, in `auto` and only what S2 allows, and renews a witness that is well (S12).

`Promises` makes every promise; `requests.py` has what people ask; `witness.py` puts every certificate into
a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence

from aslp2p.artifacts.envelope import Signed, Verified, sign_statement
from aslp2p.artifacts.types import (
    Endorsement,
    Proposal,
    Recovery,
    Revocation,
    Rotation,
    Takeover,
)
from aslp2p.core.audit import Audit
from aslp2p.core.floors import Office, Shared
from aslp2p.core.part import Part
from aslp2p.core.silence_monitor import SilenceMonitor
from aslp2p.core.witness import Witness
from aslp2p.errors import Rejected
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.facts import listed_at
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.standing import Standing
from aslp2p.recovery import proposes_after_ms, round_ms


class AutoSuccession(Part):
    """See the module's text. `auto` is `recovery.mode`."""

    def __init__(
        self,
        shared: Shared,
        office: Office,
        audit: Audit,
        witness: Witness,
        silence_monitor: SilenceMonitor,
        *,
        auto: bool,
    ) -> None:
        self._context, self._pending, self._spreader = shared
        self._certificates, self._promises, self._roles, self._attempts = office
        self._audit = audit
        self._witness = witness
        self._silence_monitor = silence_monitor
        self._auto = auto
        self._jitter = 0.0
        self._renews_again_ms = -(10**9)
        self._draw_jitter()

    def _draw_jitter(self) -> None:
        self._jitter = self._context.draw(1000) / 1000

    # --- proposals and heads ----------------------------------------------------------------------

    def noticed_proposal(self, proposal: Verified[Proposal]) -> None:
        """Somebody's succession or policy change is open: start its round, tell the person, and endorse it if
        it is what they want."""
        self._notice(proposal)
        self._endorse_wanted()

    def _notice(self, proposal: Verified[Proposal]) -> None:
        for old in self._certificates.make_room(proposal.key):
            self._attempts.forget(old.id)
        self._attempts.see(proposal.id, self._context.now.mono)
        self._context.publish("paper", proposal=proposal.id.hex(), endorsed_by=None)

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """Close what cannot come to anything any more."""
        self._draw_jitter()
        self._attempts.head_moved(change.old, change.new)
        self.close_what_is_over()
        if change.new.standing.next_witness != change.old.standing.next_witness:
            self._announce(change)
        self._endorse_wanted()

    def close_what_is_over(self) -> None:
        """Close what cannot come to anything any more, as the head or the floor has moved."""
        for proposal in self._certificates.prune():
            self._attempts.forget(proposal.id)
            if proposal.key == self._context.key and not self._listed_on_head(proposal.id):
                height = self._context.ledger.head.height
                self._context.publish("proposal", id=proposal.id.hex(), state="overtaken", height=height)

    def _listed_on_head(self, proposal: bytes) -> bool:
        head = self._context.ledger.head
        return listed_at(self._context.store, head.branch, head.height, proposal) is not None

    def _announce(self, change: HeadChange) -> None:
        context = self._context
        new, old = change.new.standing, change.old.standing
        name = context.name_of(new.next_witness)
        if old.next_witness == context.key:
            text = f"this machine is not the witness any more: {name} is, since @{new.changed_height}"
            context.publish("notice", code="stepped-down", text=text)
        context.publish("witness", name=name, height=new.changed_height, by=new.changed_by)

    # --- time -------------------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        context = self._context
        if not context.founded:
            return None
        now = context.now.mono
        due: list[int] = []
        if self._silence_monitor.counts and self._silence_monitor.counting:
            silent = self._silence_monitor.silent_ms()
            marks = [self._roles.now.grace_ms, self._proposes_at() or 0]
            due += [now + mark - silent for mark in marks if mark > silent]
            due += self._round_ends()
        due += [at for at in (self._renewal_at(), self._promises.pace.held_until) if at is not None]
        return min(due) if due else None

    def tick(self) -> None:
        """Do what is due."""
        if self._promises.pace.resumes():
            self._endorse_wanted()
        if self._silence_monitor.counts:
            self._propose_recovery()
            if self._auto:
                self._endorse_by_itself()
        self._endorse_renewals()
        self._renew()

    # --- recovery ---------------------------------------------------------------------------------

    def _proposes_at(self) -> int | None:
        """The silence after which this authority proposes itself (S7); None if it has no turn."""
        role = self._roles.now
        # Where the others cannot replace this witness, status says so.
        if role.turn is None or not role.replaceable or self._promises.stale_reason() is not None:
            return None
        return proposes_after_ms(role.grace_ms, role.turn, self._jitter)

    def _was_silent(self, duration_ms: int) -> bool:
        """S2: whether this node, linked and caught up, has heard nothing of the witness for so long."""
        return (
            self._silence_monitor.watches
            and self._silence_monitor.silent_ms() >= duration_ms
            and self._audit.done
        )

    def _open_recoveries(self) -> list[tuple[Verified[Proposal], Takeover]]:
        """Takeovers that can still get their quorum: on our head, of an epoch that we may endorse."""
        head = self._context.ledger.head
        return [one for one in self._certificates.takeovers() if one[1].base_id == head.id]

    def _round_ends(self) -> list[int]:
        """When attempts that have no quorum yet are tried again (S7)."""
        if self._proposes_at() is None:
            return []
        return [at for at in (self._try_again_at(),) if at is not None and at > self._context.now.mono]

    def _try_again_at(self) -> int | None:
        """A round after the last attempt, each authority in its turn. Where people are asked, what can still
        get its quorum has a grace period besides: somebody may be away for long, or for good."""
        attempts = self._open_recoveries()
        seen = [self._attempts.since(one.id, self._context.now.mono) for one, _ in attempts]
        if not seen:
            return None
        role = self._roles.now
        wait = round(round_ms(role.grace_ms) * (1 + (role.turn or 0) + self._jitter))
        if not self._auto and any(self._certificates.can_get_there(one, action) for one, action in attempts):
            wait += self._roles.now.grace_ms
        return max(seen) + wait

    def _propose_recovery(self) -> None:
        context = self._context
        after = self._proposes_at()
        if after is None or not self._was_silent(after) or self._is_stuck():
            return
        if self._open_recoveries():
            if self._asks_already():
                return
            again = self._try_again_at()
            if again is None or context.now.mono < again:
                return
        if context.now.mono < self._promises.pace.proposes_at():
            return
        self._draw_jitter()
        head = context.ledger.head
        action = Recovery(
            epoch=self.next_epoch(self._roles.now.deciding),
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

    def _asks_already(self) -> bool:
        """Whether people are asked for this very authority and can still say yes: asked for the same again
        and again, their endorsements would be divided. The others ask in their turn."""
        return not self._auto and any(
            action.new_witness == self._context.key and self._certificates.can_get_there(one, action)
            for one, action in self._certificates.takeovers()
            if action.base_id == self._context.ledger.head.id
        )

    def _is_stuck(self) -> bool:
        """Whether too many have cosigned beside our head for any recovery on it: people have to give
        something up (S9), and attempts in ever higher epochs would only be in their way."""
        role = self._roles.now
        standing = role.deciding
        free = standing.authorities() - role.gone - {standing.next_witness} - self._certificates.held_back()
        return not satisfies_all(standing.policies, free)

    def next_epoch(self, judging: Standing) -> int:
        """The epoch for a new succession that `judging` judges at the head: one above the head's, our own
        promises, and what its authorities have endorsed; what lies above our ceiling is reached in steps
        (S1)."""
        head = self._context.ledger.head
        counted = judging.authorities() - self._roles.now.gone
        endorsed = [epoch for key, epoch in self._certificates.endorsed_epochs().items() if key in counted]
        highest = max(head.standing.next_epoch, self._promises.endorsed_epoch(), *endorsed)
        return min(highest + 1, self._promises.ceiling(judging))

    def propose(self, action: Certified) -> Verified[Proposal]:
        """Sign, keep and spread a succession or policy change."""
        context = self._context
        statement = Proposal(context.common_id, max(0, context.now.wall), context.entropy(8), action)
        proposal = sign_statement(statement, context.signer)
        self._promises.pace.note_proposed()
        self._pending.add(proposal)
        self._spreader.add(proposal)
        self._notice(proposal)  # and no more: another endorsement now could forbid the one that follows (S1)
        return proposal

    def _endorse_by_itself(self) -> None:
        """`auto`: endorse a recovery on our head, once the silence measured here is long enough (S2)."""
        if not self._was_silent(self._roles.now.grace_ms):
            return
        for proposal, action in self._open_recoveries():
            if isinstance(action, Recovery) and not action.abandons and action.new_witness == proposal.key:
                self._try_endorse(proposal, action)

    def _endorse_wanted(self) -> None:
        """What a person here wants is endorsed again when somebody proposes it on a newer base (S3)."""
        if not self._audit.done or self._promises.stale_reason() is not None:
            return
        for proposal, action in self._certificates.takeovers():
            if not self._attempts.wants(action) or not self._roles.now.is_authority:
                continue
            if self._try_endorse(proposal, action):
                self._attempts.note_person(proposal.id)

    def _try_endorse(self, proposal: Verified[Proposal], action: Certified) -> bool:
        """Endorse if the table of promises and the pace (S14) allow it; whether there is an endorsement of
        ours now."""
        key, standing = self._context.key, self._certificates.standing_for(action)
        if key in self._certificates.endorsements(proposal.id):
            return True
        if standing is None or not self._certificates.may_endorse(action, key, standing):
            return False  # it would not count at its base, and whoever spreads it is blamed (V6)
        if not self._promises.pace.may_endorse(proposal.key):
            return False
        try:
            self.add_endorsement(self._promises.endorse(proposal, action))
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

    # --- renewal (S12) ----------------------------------------------------------------------------

    def _attempts_above(self) -> tuple[int, int] | None:
        """(the highest epoch, until when one of them may still come to something) of the endorsed successions
        above our own epoch that are no rotations of ours: takeovers, and rotations of a reign that is over.
        """
        attempts = self._certificates.attempts()
        if not attempts:
            return None
        stands_still = self._stands_still()
        untils = [self._given_until(proposal, action, stands_still) for proposal, action in attempts]
        return max(action.epoch for _, action in attempts), max(untils)

    def _given_until(self, proposal: Verified[Proposal], action: Certified, stands_still: bool) -> int:
        """When an attempt has come to nothing: after a round; but what people want waits for people, and a
        renewal above it would be the end of it (S1). While nothing becomes final each author is waited for
        once: otherwise whoever asks for something new again and again would stop finality for ever."""
        now, grace = self._context.now.mono, self._roles.now.grace_ms
        since = self._attempts.since(proposal.id, now)
        if stands_still:
            since = min(since, self._attempts.heard_in_standstill(proposal.key, now))
        return since + round_ms(grace) + (grace if self._waits_for_people(proposal.id, action) else 0)

    def _stands_still(self) -> bool:
        """Whether nothing of the head's epoch is final while something waits to be."""
        return self._standstill_since() is not None

    def _standstill_since(self) -> int | None:
        ledger = self._context.ledger
        return self._attempts.standstill_since(ledger.head, ledger.final_height(), self._context.now.mono)

    def _waits_for_people(self, proposal: bytes, action: Certified) -> bool:
        """Whether people may still be thinking about it. Nobody is asked about a rotation that cannot be
        carried out any more (V4), whoever has endorsed it."""
        if isinstance(action, Rotation):
            return False
        return isinstance(action, Revocation) or self._attempts.by_person(proposal)

    def _renewal_at(self) -> int | None:
        if not self._witness.is_witness or (since := self._standstill_since()) is None:
            return None  # what is signed in this epoch is final, or nothing is: nobody waits for a renewal
        if (attempts := self._attempts_above()) is None:
            return None
        epoch, until = attempts
        for proposal, action in self._certificates.open():
            if (
                isinstance(action, Rotation)
                and action.epoch > epoch
                and self._certificates.may_ride(proposal)
            ):
                return None  # it is asked for already
        due = max(until, since + round_ms(self._roles.now.grace_ms))
        return max(due, self._renews_again_ms, self._promises.pace.proposes_at())

    def _renew(self) -> None:
        """A witness that is well, but nothing of whose present epoch has become final for a round, asks for a
        rotation to itself above the attempts that it sees; at most once a round."""
        at = self._renewal_at()
        if at is None or self._context.now.mono < at:
            return
        if self._witness.idle_reason() is not None:
            self._renews_again_ms = self._context.now.mono + round_ms(self._roles.now.grace_ms) // 4
            return
        context = self._context
        self._renews_again_ms = context.now.mono + round_ms(self._roles.now.grace_ms)
        head = context.ledger.head
        action = Rotation(
            self.next_epoch(head.standing), head.height, head.id, context.key, "the witness is well"
        )
        proposal = self.propose(action)
        self._try_endorse(proposal, action)

    def _endorse_renewals(self) -> None:
        """Without asking, unless people are still asked for something else, or somebody here wants another
        witness, and may still have it. The highest first: whoever asked for it is bound to it (S4)."""
        if not self._roles.now.is_authority or not self._audit.done:
            return
        head = self._context.ledger.head
        witness = head.standing.next_witness
        renewals = [
            (action.epoch, proposal.id, proposal, action)
            for proposal, action in self._certificates.open()
            if isinstance(action, Rotation) and action.new_witness == witness == proposal.key
            if self._context.key not in self._certificates.endorsements(proposal.id)
        ]
        for *_, proposal, action in sorted(renewals, key=lambda one: one[:2], reverse=True):
            if not self._contested() and self._certificates.may_ride(proposal):
                self._try_endorse(proposal, action)

    def _contested(self) -> bool:
        return any(self._is_in_the_way(one, action) for one, action in self._certificates.takeovers())

    def _is_in_the_way(self, takeover: Verified[Proposal], action: Takeover) -> bool:
        """Whether a renewal has to wait for this."""
        if self._attempts.by_person(takeover.id) and self._certificates.can_get_there(takeover, action):
            return True
        early = self._context.now.mono < self._given_until(takeover, action, self._stands_still())
        return early and self._waits_for_people(takeover.id, action)
