"""Open successions and policy changes at this node: their endorsements, and when these make a certificate.

Pure bookkeeping over the open set. `promises.py` says what may be signed, `auto_succession.py` when something
is proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import (
    Endorsement,
    Erase,
    PolicyChange,
    Proposal,
    Revocation,
    Rotation,
    Succession,
    Takeover,
)
from aslp2p.core.context import Context
from aslp2p.core.memo import Memo
from aslp2p.core.pending import Pending
from aslp2p.errors import Rejected
from aslp2p.ledger.certificate import Certified, Parent, require_fitting
from aslp2p.ledger.facts import Members, cosignatures_on, held_at, standing_at
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.policy import authority_keys, satisfies_all
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.ledger.stances import passes
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import is_admitted, revoked_keys
from aslp2p.limits import EPOCH_MAX, SPECIAL_PER_AUTHOR_MAX, UINT_MAX

"""What needs endorsements. Of erasures only those of what others put too: the rest authors erase alone."""


class Ready(Struct, frozen=True):
    """A complete certificate that this node may put into a snapshot on `parent`."""

    proposal: Verified[Proposal]
    certificate: tuple[bytes, ...]
    parent: Tip
    epoch: int
    settlement: tuple[bytes, ...] | None = None
    """What has to go with a takeover so that the new policy alone judges it (P4)."""


def _rank(action: Certified) -> int:
    """What stays open when an author has too much: policy changes, then attempts of higher epochs."""
    return action.epoch if isinstance(action, Succession) else UINT_MAX


def _may_ask(action: Succession, author: bytes, standing: Standing) -> bool:
    """S6: whether `author` may ask for this where `standing` holds."""
    if isinstance(action, Rotation):
        return author == standing.next_witness
    return author in standing.authorities()


class Certificates:
    """Which successions and policy changes are open, and how far their signatures have come."""

    def __init__(
        self, context: Context, pending: Pending, is_awaited: Callable[[bytes, bytes], bool]
    ) -> None:
        self._context = context
        self._pending = pending
        self._memo = Memo(context, pending)
        self._is_awaited = is_awaited
        """Whether somebody else than the author has endorsed a proposal that is not open here."""

    # --- what is open -----------------------------------------------------------------------------

    def open(self) -> list[tuple[Verified[Proposal], Certified]]:
        """Every open succession, policy change or erasure, in order of arrival."""
        return self._memo.ask(
            "open",
            lambda: [
                (one, cast("Certified", one.statement.action)) for one in self._pending.special.values()
            ],
        )

    def takeovers(self) -> list[tuple[Verified[Proposal], Takeover]]:
        """Those of them that appoint another witness."""
        return self._memo.ask("takeovers", self._list_takeovers)

    def _list_takeovers(self) -> list[tuple[Verified[Proposal], Takeover]]:
        return [(one, action) for one, action in self.open() if isinstance(action, Takeover)]

    def attempts(self) -> list[tuple[Verified[Proposal], Succession]]:
        """Endorsed takeovers, and rotations of a reign that is over: what binds somebody on our line and our
        witness cannot carry out (S12)."""
        return self._memo.ask("attempts", self._list_attempts)

    def _list_attempts(self) -> list[tuple[Verified[Proposal], Succession]]:
        return [
            (one, action)
            for one, action in self.open()
            if isinstance(action, Rotation | Takeover) and self.binds(one.id)
            if not (isinstance(action, Rotation) and self.may_ride(one))
        ]

    def is_relevant(self, proposal: Proposal, author: bytes) -> bool:
        """Whether a special proposal can still come to something at our head, or binds who endorsed it."""
        standing = self._context.ledger.head.standing
        action = proposal.action
        if isinstance(action, PolicyChange):
            return not standing.joint and action.replaces == standing.installed[-1].id
        if not isinstance(action, Succession):
            return isinstance(action, Erase)  # the witness answers it, or it waits, like any other proposal
        if not standing.next_epoch < action.epoch <= EPOCH_MAX or self.is_below_floor(action):
            return False
        if _may_ask(action, author, standing):
            return isinstance(action, Rotation) or self._is_member(author)
        # It may be out of reach on this line. Whoever has endorsed it stays bound all the same (S4), and that
        # has to be seen by the witness that can free them (S12).
        base = self.standing_for(action)
        return base is not None and _may_ask(action, author, base) and self._is_member(author)

    def is_below_floor(self, action: Certified) -> bool:
        """F5: whether this succession has a base that is here and leaves out the floor."""
        context = self._context
        if not isinstance(action, Succession) or context.store.snapshot(action.base_id) is None:
            return False
        return not context.ledger.on_floor(action.base_id)

    def _is_member(self, key: bytes) -> bool:
        return is_admitted(self._context.ledger.head.members, key)

    def room_for(self, author: bytes, action: Certified, proposal: bytes = b"") -> bool:
        """Whether `author` may have this open too: there is room, it overtakes a lower epoch, or it binds
        somebody (`_binding`)."""
        if isinstance(action, Erase):
            return True  # bounded with all that is pending
        binding = self._binding()
        ranks = [
            _rank(other)
            for one, other in self.open()
            if one.key == author and one.id not in binding and not isinstance(other, Erase)
        ]
        fits = len(ranks) < SPECIAL_PER_AUTHOR_MAX or min(ranks) < _rank(action)
        return fits or self._is_awaited(proposal, author)

    def make_room(self, author: bytes) -> list[Verified[Proposal]]:
        """Forget what `author` has open beyond the bound, attempts of the lowest epochs first, the same ones
        everywhere; returns them. Otherwise old attempts would keep out the new ones for ever (S7). Not what
        binds somebody; and what turns out to later may come again."""
        binding = self._binding()
        mine = [
            (_rank(action), one.id, one)
            for one, action in self.open()
            if one.key == author and one.id not in binding and not isinstance(action, Erase)
            if not self._is_awaited(one.id, author)
        ]
        dead = [one for *_, one in sorted(mine)[: max(0, len(mine) - SPECIAL_PER_AUTHOR_MAX)]]
        self._pending.forget([one.id for one in dead])
        return dead

    def _binding(self) -> frozenset[bytes]:
        return self._memo.ask("binding", self._find_binding)

    def _find_binding(self) -> frozenset[bytes]:
        """Of the open successions the highest that each authority has endorsed, its own ones apart: one for
        each. Who has endorsed it cosigns nothing below (S4), and whoever could free them has to know (S12),
        however many more its author proposes."""
        head = self._context.ledger.head
        counted = (head.standing.authorities() - revoked_keys(head.members)) | {self._context.key}
        highest: dict[bytes, tuple[int, bytes]] = {}
        for proposal, action in self.open():
            if isinstance(action, Succession):
                for key in counted & self.endorsements(proposal.id).keys() - {proposal.key}:
                    highest[key] = max((action.epoch, proposal.id), highest.get(key, (0, b"")))
        return frozenset(proposal for _, proposal in highest.values())

    def prune(self) -> list[Verified[Proposal]]:
        """Close what is not relevant any more, with its endorsements; returns the proposals. What binds
        somebody to a higher epoch than our head's stays, also when its author is no member any more."""
        epoch, binding = self._context.ledger.head.standing.next_epoch, self._binding()
        dead = [
            one
            for one, action in self.open()
            if not self.is_relevant(one.statement, one.key)
            and not (one.id in binding and _rank(action) > epoch and not self.is_below_floor(action))
        ]
        self._pending.close([one.id for one in dead])
        return dead

    # --- endorsements -----------------------------------------------------------------------------

    def endorsements(self, proposal: bytes) -> dict[bytes, Verified[Endorsement]]:
        """The endorsements of a proposal that are here, by signer."""
        return self._pending.endorsements.get(proposal, {})

    def standing_for(self, action: Certified) -> Standing | None:
        """What `action` is judged by, wherever our head is: the standing at its base (the same all through a
        reign, V4), or for a policy change or an erasure at our head, where it is open only while it may be
        carried out. None if its base is not here.
        """
        context = self._context
        if not isinstance(action, Succession):
            return context.ledger.head.standing
        base = context.store.snapshot(action.base_id)
        return None if base is None else standing_at(context.store, base.branch, base.height)

    def may_endorse(self, action: Certified, key: bytes, standing: Standing) -> bool:
        """Whether an endorsement by `key` can count for `action` (V4, V6, P3)."""
        if key in standing.authorities():
            return True
        if isinstance(action, PolicyChange):
            return key in authority_keys(action.policy)
        return isinstance(action, Rotation) and key == action.new_witness

    def endorsed_epochs(self) -> dict[bytes, int]:
        """The highest epoch that each key is known to have endorsed, on bases that contain the floor
        (F5b)."""
        found: dict[bytes, int] = {}
        for proposal, action in self.open():
            if not isinstance(action, Succession) or not self._context.ledger.on_floor(action.base_id):
                continue
            for key in self.endorsements(proposal.id):
                found[key] = max(action.epoch, found.get(key, 0))
        return found

    def reached_epochs(self) -> dict[bytes, int]:
        """The same of what each key has endorsed or proposed (S1)."""
        found = self.endorsed_epochs()
        for proposal, action in self.open():
            if isinstance(action, Succession) and self._context.ledger.on_floor(action.base_id):
                found[proposal.key] = max(action.epoch, found.get(proposal.key, 0))
        return found

    def signers(self, proposal: Verified[Proposal], action: Certified, members: Members) -> frozenset[bytes]:
        """The keys whose endorsements count."""
        gone = revoked_keys(members)
        if isinstance(action, Revocation):
            gone |= {action.revoked}
        return frozenset(self.endorsements(proposal.id)) - gone

    def quorum(
        self, proposal: Verified[Proposal], action: Certified, standing: Standing, members: Members
    ) -> bool:
        """Whether the endorsements here are a certificate at `standing` (V4, V6, P3)."""
        keys = self.signers(proposal, action, members)
        policies = standing.policies
        if isinstance(action, PolicyChange):
            policies = (*policies, action.policy)
        if isinstance(action, Rotation) and action.new_witness not in keys:
            return False
        return satisfies_all(policies, keys)

    def binds(self, proposal: bytes) -> bool:
        """Whether somebody whose cosignatures count on our line has endorsed this (S4)."""
        head = self._context.ledger.head
        counted = head.standing.authorities() - revoked_keys(head.members)
        return not counted.isdisjoint(self.endorsements(proposal))

    def can_get_there(self, proposal: Verified[Proposal], action: Takeover) -> bool:
        """Whether a takeover can still get its quorum (S7): without the witness that it replaces, without who
        is known to have endorsed another one of its epoch, or a higher one (S1), and without who is known to
        have cosigned what its base leaves out (S3)."""
        return self._memo.ask(("can", proposal.id), lambda: self._can_get_there(proposal, action))

    def _can_get_there(self, proposal: Verified[Proposal], action: Takeover) -> bool:
        head = self._context.ledger.head
        promised: dict[bytes, int] = {}
        for other, succession in self.open():
            if isinstance(succession, Succession):
                for key in self.endorsements(other.id):
                    promised[key] = max(succession.epoch, promised.get(key, 0))
        keys = self.signers(proposal, action, head.members)
        gone = revoked_keys(head.members) | {head.standing.next_witness}
        if isinstance(action, Revocation):
            gone |= {action.revoked}
        base = self._context.store.snapshot(action.base_id)
        if base is not None:
            gone |= self._held_back_from(base, action.abandons)
        standing = self.judging(head, action)
        free = {key for key in standing.authorities() - gone if promised.get(key, 0) < action.epoch}
        return satisfies_all(standing.policies, keys | free)

    def held_back(self) -> frozenset[bytes]:
        """The keys that are known to have cosigned beside our head: they may endorse no takeover on it that
        does not give that up (S3, S9)."""
        head = self._context.store.snapshot(self._context.ledger.head.id)
        return frozenset() if head is None else self._held_back_from(head)

    def _held_back_from(self, base: SnapshotRow, abandons: Collection[bytes] = ()) -> frozenset[bytes]:
        """The keys that are known to have cosigned what `base` neither contains nor passes (S3)."""
        context = self._context
        ledger, head = context.ledger, context.ledger.head
        cosigned = [
            (key, one.statement.snapshot) for key, ones in self._pending.cosignatures.items() for one in ones
        ]
        for key, (height, _) in cosignatures_on(context.store, head.branch, head.height).items():
            if (id_ := ledger.id_at(head.branch, height)) is not None:
                cosigned.append((key, id_))
        found: set[bytes] = set()
        for key, id_ in cosigned:
            row = context.store.snapshot(id_)
            if row is None or id_ in abandons or ledger.contains(base.branch, base.height, id_):
                continue
            if not passes(context.store, row, base):
                found.add(key)
        return frozenset(found)

    # --- certificates -----------------------------------------------------------------------------

    def ready(self) -> Ready | None:
        """The certificate that this node is the one to emit, if one is complete; the highest epoch first."""
        return self._memo.ask("ready", self._find_ready)

    def _find_ready(self) -> Ready | None:
        found: list[Ready] = []
        for proposal, action in self.open():
            if isinstance(action, Takeover):
                one = self._ready_takeover(proposal, action)
            else:
                one = self._ready_transition(proposal, action)
            found += [one] if one is not None else []
        return max(found, key=lambda one: (one.epoch, one.proposal.id), default=None)

    def _ready_transition(self, proposal: Verified[Proposal], action: Certified) -> Ready | None:
        head, me = self._context.ledger.head, self._context.key
        if head.standing.next_witness != me or self._is_overtaken(action):
            return None
        epoch = head.standing.next_epoch
        if not self.quorum(proposal, action, head.standing, head.members):
            return None
        if not self.fits(proposal, head, me, epoch):
            return None
        return Ready(proposal, self._certificate(proposal, action, head.standing), head, epoch)

    def _ready_takeover(self, proposal: Verified[Proposal], action: Takeover) -> Ready | None:
        """In a joint phase whose change is final the new policy alone judges it, if it carries the proof of
        that; without the proof both do (P4)."""
        context = self._context
        row = context.store.snapshot(action.base_id)
        if action.new_witness != context.key or row is None or row.height != action.base_height:
            return None
        parent = context.ledger.tip_at(row.branch, row.height)
        for standing, settlement in (self._deciding(parent, action), (parent.standing, None)):
            view = replace(parent, standing=standing)
            if self.quorum(proposal, action, standing, parent.members) and self.fits(
                proposal, view, context.key, action.epoch
            ):
                certificate = self._certificate(proposal, action, standing)
                return Ready(proposal, certificate, parent, action.epoch, settlement)
        return None

    def _deciding(self, tip: Tip, action: Takeover) -> tuple[Standing, tuple[bytes, ...] | None]:
        gone = (action.revoked,) if isinstance(action, Revocation) else ()
        return self._context.ledger.deciding(tip, gone)

    def judging(self, tip: Tip, action: Certified) -> Standing:
        """The standing by which `action` is judged on `tip`, as far as this node can prove it (P4)."""
        return self._deciding(tip, action)[0] if isinstance(action, Takeover) else tip.standing

    def _is_overtaken(self, action: Certified) -> bool:
        """Whether this witness asked for another successor after this one: its latest word counts. Having
        endorsed that, it would cosign nothing in the epoch of the earlier one (S4)."""
        me = self._context.key
        return isinstance(action, Rotation) and any(
            isinstance(other, Rotation) and other.epoch > action.epoch and other.new_witness != me
            for one, other in self.open()
            if one.key == me
        )

    def fits(self, proposal: Verified[Proposal], parent: Tip, signer: bytes, epoch: int) -> bool:
        """Whether the gate would take it on `parent`, by `signer` in `epoch`, once it is endorsed (V4 to V8,
        P3)."""
        context = self._context
        ledger = context.ledger
        view = Parent(
            parent.id,
            parent.height,
            parent.standing,
            parent.members,
            lambda height: ledger.id_at(parent.branch, height),
            lambda id_: ledger.contains(parent.branch, parent.height, id_),
            lambda content: held_at(context.store, parent.branch, parent.height, content),
        )
        try:
            require_fitting(proposal, view, signer=signer, epoch=epoch, subject=proposal.id)
        except Rejected:
            return False
        return True

    def may_ride(self, rotation: Verified[Proposal]) -> bool:
        """Whether the witness could carry out this rotation on our head: the reign of its base lasts (V4)."""
        head = self._context.ledger.head
        return self._memo.ask(
            ("may ride", rotation.id),
            lambda: self.fits(rotation, head, head.standing.next_witness, head.standing.next_epoch),
        )

    def _certificate(
        self, proposal: Verified[Proposal], action: Certified, standing: Standing
    ) -> tuple[bytes, ...]:
        endorsements = self.endorsements(proposal.id)
        keys = [key for key in endorsements if self.may_endorse(action, key, standing)]
        return tuple(endorsements[key].raw for key in sorted(keys))

    def is_superseded(self) -> bool:
        """Whether a complete certificate appoints another witness than this node (S10)."""
        return self.superseded_by() not in (None, self._context.key)

    def superseded_by(self) -> bytes | None:
        """The new witness of a complete takeover of a higher epoch than our head's (S10), if there is one."""
        return self._memo.ask("superseded by", self._find_superseding)

    def _find_superseding(self) -> bytes | None:
        head = self._context.ledger.head
        for proposal, action in self.takeovers():
            if self.is_below_floor(action):
                continue  # keys that have retired stop nobody
            if self.quorum(proposal, action, self.judging(head, action), head.members):
                return action.new_witness
        return None
