"""How an authority's node counts the witness's silence (S2): only while it is linked and caught up, across
restarts and nights."""

from __future__ import annotations

from collections.abc import Sequence

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Proposal
from aslp2p.core.catchup import Catchup
from aslp2p.core.certificates import Certificates
from aslp2p.core.context import Context
from aslp2p.core.part import Part
from aslp2p.core.role import Roles
from aslp2p.core.unanswered import Unanswered
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import PutMeta
from aslp2p.limits import FETCHING_GRACES, SILENCE_SAVE_MS
from aslp2p.recovery import decode_silence, round_ms

META_SILENCE = "silence"


class SilenceMonitor(Part):
    """Who is heard here, and for how long the witness has not been."""

    def __init__(
        self,
        context: Context,
        roles: Roles,
        certificates: Certificates,
        catchup: Catchup,
        unanswered: Unanswered,
    ) -> None:
        self._context = context
        self._roles = roles
        self._certificates = certificates
        self._catchup = catchup
        self._unanswered = unanswered
        self._counted: bool | None = None
        """Whether silence mattered when time last passed; None: not known since the start."""
        self._silence = decode_silence(context.store.meta(META_SILENCE))
        self._saved_ms: int | None = None
        """When the count was saved last; None: not since the start, which may have ended a gap."""
        self._saved_silent_ms = 0
        self.no_room_since_ms: int | None = None
        """Since when the witness has said that its disk takes no writes, and nothing else that counts."""
        self.heard_mono_ms: int | None = None
        """When the witness last gave a sign of life, whether it is counted here or not; None: not yet."""

    def connected_authorities(self) -> frozenset[bytes]:
        """The other authorities that this node has a link to."""
        return self._roles.now.others & {peer.key for peer in self._context.peers.values()}

    def hears_quorum(self) -> bool:
        """S10: whether this node and the authorities linked to it are a quorum of every policy in force."""
        role = self._roles.now
        heard = self.connected_authorities() | {self._context.key}
        return satisfies_all(role.deciding.policies, heard - role.gone)

    @property
    def watches(self) -> bool:
        """S2: linked to another authority and caught up with it."""
        context = self._context
        if self._catchup.holds_up:
            return False
        head, others = context.ledger.head, self._roles.now.others
        witness = head.standing.next_witness
        return any(
            peer.key in others
            and peer.key != witness
            and peer.height >= 0
            and (peer.head == head.id or context.store.snapshot(peer.head) is not None)
            for peer in context.peers.values()
        )

    @property
    def counts(self) -> bool:
        """Whether silence matters here: at an authority that is not the witness itself, or has stopped for a
        successor, who may never come (S10)."""
        role = self._roles.now
        return role.is_authority and (not role.is_witness or self._certificates.is_superseded())

    @property
    def counting(self) -> bool:
        """Whether silence was counted when time last passed."""
        return self._silence.watching

    def silent_ms(self) -> int:
        """How long the witness has been silent here; 0 where nobody counts."""
        if not self.counts:
            return 0
        return self._silence.silent_ms(self._context.now.mono)

    # --- signs of life ----------------------------------------------------------------------------

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """A new head is a sign of life of its witness; but like a beacon where it lists nothing."""
        self._pass_time()  # first count up to now, then forget it
        self.heard_mono_ms = self._context.now.mono
        epoch = change.new.standing.next_epoch
        if listed or epoch != self._silence.epoch or self._is_alive():
            self._silence.heard(epoch)
            self.no_room_since_ms = None

    def _is_alive(self) -> bool:
        """Whether what says no more than that the witness is there is a sign of life (S2)."""
        return not self.counts or not self._unanswered.hides_a_silence()

    def knows_beacon(self, epoch: int, counter: int) -> bool:
        """Whether a beacon of this epoch with this counter, or a higher one, was heard."""
        return epoch == self._silence.epoch and counter <= self._silence.counter

    def heard_beacon(self, epoch: int, counter: int) -> bool:
        """Whether it is new; if it is, it ends the silence, unless it only hides it (S2)."""
        self._pass_time()
        self.heard_mono_ms = self._context.now.mono
        if self._silence.epoch != epoch:
            self._silence.heard(epoch)
        ends = self._is_alive()
        fresh = self._silence.heard_beacon(epoch, counter, ends=ends)
        if fresh and ends:
            self.no_room_since_ms = None
        return fresh

    def heard_no_room(self, key: bytes) -> None:
        """A machine says that its disk takes no writes. Of the witness that is a sign of life, for
        `FETCHING_GRACES` grace periods from when it was first said (S2)."""
        standing = self._context.ledger.head.standing
        if key != standing.next_witness:
            return
        self._pass_time()
        now = self.heard_mono_ms = self._context.now.mono
        if self.no_room_since_ms is None or self._silence.epoch != standing.next_epoch:
            self.no_room_since_ms = now
        if now - self.no_room_since_ms < FETCHING_GRACES * self._roles.now.grace_ms:
            self._silence.heard(standing.next_epoch)

    def link_lost(self, link: int) -> None:
        self.links_changed()

    def links_changed(self) -> None:
        """Being alone is a gap, not silence (S2): count up to the change."""
        if self._context.founded and self.counts:
            self._pass_time()

    # --- time -------------------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        if not self._context.founded or not self.counts:
            return None
        if self._silence.watching != self.watches:
            return self._context.now.mono  # heads were heard, or a catch-up ended: a gap ends, or begins (S2)
        return self._save_at_ms() if self._silence.watching else None

    def tick(self) -> None:
        """Count up to now, and save the count now and then."""
        context = self._context
        epoch, counts = context.ledger.head.standing.next_epoch, self.counts
        begins = counts and self._counted is False
        self._counted = counts
        if self._silence.epoch != epoch or begins:
            self._pass_time()
            self._silence.heard(epoch)
        if counts:
            self._pass_time()
            if context.now.mono >= self._save_at_ms():
                self._saved_ms, self._saved_silent_ms = context.now.mono, self.silent_ms()
                context.store.apply([PutMeta(META_SILENCE, self._silence.encode())])

    def _pass_time(self) -> None:
        now = self._context.now
        self._silence.pass_time(now.mono, now.wall, self._roles.now.grace_ms, self.watches)

    def _save_at_ms(self) -> int:
        """Due at once after a start, and when a silence has ended that is on the disk: who is on for an hour
        a week would else lose every gap that counted, or add up gaps between which the witness was heard."""
        now = self._context.now.mono
        if self._saved_ms is None or self._saved_silent_ms - self.silent_ms() > SILENCE_SAVE_MS:
            return now
        return self._saved_ms + self._save_interval()

    def _save_interval(self) -> int:
        grace = self._roles.now.grace_ms
        return max(SILENCE_SAVE_MS, min(round_ms(grace) // 4, 120 * SILENCE_SAVE_MS))
