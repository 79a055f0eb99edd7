"""How the parts of a node are made and who tells whom: floor by floor, each knowing only what is below it.

What a lower floor has to say to a higher one goes through `Upwards`, which is the node itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.core.accounts import Accounts
from aslp2p.core.admission import Admission
from aslp2p.core.attempts import Attempts
from aslp2p.core.audit import Audit
from aslp2p.core.author import Author
from aslp2p.core.auto_succession import AutoSuccession
from aslp2p.core.beacons import Beacons
from aslp2p.core.catchup import Catchup
from aslp2p.core.certificates import Certificates
from aslp2p.core.chain import Chain
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.cosigner import Cosigner
from aslp2p.core.duplicate_keys import DuplicateKeys
from aslp2p.core.erasing import Erasing
from aslp2p.core.floors import Office, Shared, Sync
from aslp2p.core.guests import Guests
from aslp2p.core.intake import Intake
from aslp2p.core.keeping import Keeping
from aslp2p.core.part import Part
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.core.reconciler import Reconciler
from aslp2p.core.requests import Requests
from aslp2p.core.role import Roles
from aslp2p.core.silence_monitor import SilenceMonitor
from aslp2p.core.spread import Spreader
from aslp2p.core.tolls import Tolls
from aslp2p.core.turns import Turns
from aslp2p.core.unanswered import Unanswered
from aslp2p.core.votes import Votes
from aslp2p.core.witness import Witness
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.keeping import Keep


class Wiring:
    """The parts of one node; `NodeCore` is what is done with them."""

    def __init__(self, context: Context, *, auto: bool, apart: bool, keep: Keep) -> None:
        self._context = context
        if context.store.meta("genesis") is not None:
            context.open_ledger()
        self._make_shared()
        self._make_sync()
        self._make_office(apart=apart)
        self._make_authority(auto=auto)
        self._make_ways_in()
        self._keeping = Keeping(
            context, self._pending.proposals, self._contents, self._accounts.of, keep, apart=apart
        )
        self._deciding: tuple[Part, ...] = (
            self._votes,
            self._silence_monitor,
            self._succession,
            self._cosigner,
            self._beacons,
        )
        """They have nothing to do before there is a genesis."""
        self._following: tuple[Part, ...] = (
            self._witness,
            self._audit,
            self._chain,
            self._contents,
            self._catchup,
            self._duplicate_keys,
            self._reconciler,
            self._guests,
            self._keeping,
        )
        self._parts = (*self._following, *self._deciding)

    def _make_shared(self) -> None:
        self._pending = Pending(self._context)
        self._spreader = Spreader(self._context)
        self._accounts = Accounts(self._context, self._pending)
        self._tolls = Tolls()
        self._shared = Shared(self._context, self._pending, self._spreader)

    def _make_sync(self) -> None:
        context = self._context
        self._contents = Contents(context, self._pending.proposals)
        self._chain = Chain(context, self._pending, self._spreader, self._contents, self)
        self._catchup = Catchup(context, self._chain, self._contents)
        self._audit = Audit(context, self._chain, self._catchup)
        self._sync = Sync(self._chain, self._contents, self._catchup, self._audit)

    def _make_office(self, *, apart: bool) -> None:
        context = self._context
        self._certificates = Certificates(context, self._pending, self._is_awaited)
        self._promises = Promises(context, self._certificates)
        self._roles = Roles(context)
        self._attempts = Attempts()
        self._office = Office(self._certificates, self._promises, self._roles, self._attempts)
        turns = Turns(context, self._pending, self._accounts, self._tolls)
        self._witness = Witness(self._shared, self._sync, self._office, turns, apart=apart)

    def _make_authority(self, *, auto: bool) -> None:
        context, pending, roles = self._context, self._pending, self._roles
        unanswered = Unanswered(context, pending, self._contents, roles)
        self._silence_monitor = SilenceMonitor(context, roles, self._certificates, self._catchup, unanswered)
        self._beacons = Beacons(
            context, pending, self._promises, self._witness, roles, self._silence_monitor, self._spreader
        )
        self._votes = Votes(
            context, pending, self._certificates, self._promises, self._chain, self._attempts, self._spreader
        )
        self._cosigner = Cosigner(context, self._promises, self._audit, self._votes, roles)
        self._succession = AutoSuccession(
            self._shared, self._office, self._audit, self._witness, self._silence_monitor, auto=auto
        )
        self._requests = Requests(
            context, pending, self._certificates, self._promises, self._succession, roles, self._attempts
        )

    def _make_ways_in(self) -> None:
        context = self._context
        self._intake = Intake(
            self._shared,
            self._sync,
            self._accounts,
            self._certificates,
            self._succession,
            self._votes,
            self._beacons,
        )
        self._reconciler = Reconciler(context, self._pending, self._chain, self._catchup, self._witness)
        self._author = Author(context, self._pending, self._contents, self._spreader, self._accounts)
        self._erasing = Erasing(context, self._pending.proposals, self._contents)
        self._admission = Admission(context)
        self._guests = Guests(context, self._pending, self._admission, self._author)
        self._duplicate_keys = DuplicateKeys(context, self._promises)

    # --- all parts together -----------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        """When a Tick is due, on the monotonic clock; None when nothing is."""
        first: int | None = None
        for part in self._parts:  # after every step: a plain loop
            at = part.wake_at_ms
            if at is not None and (first is None or at < first):
                first = at
        return first

    def _tick(self) -> None:
        if self._context.founded:
            for part in self._deciding:
                part.tick()
        for part in self._following:
            part.tick()

    def _link_lost(self, link: int) -> None:
        for part in self._parts:
            part.link_lost(link)

    # --- what goes upwards ------------------------------------------------------------------------

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """In this order: silence is counted anew, attempts that are over are closed, what waited is judged,
        what is erased is written down, and what is put stays."""
        for part in (self._silence_monitor, self._succession, self._votes, self._erasing, self._keeping):
            part.head_moved(change, listed)

    def heard_own(self, snapshot: Signed[Snapshot]) -> None:
        """As `Upwards.heard_own`."""
        self._votes.heard_own(snapshot)

    def _is_awaited(self, proposal: bytes, author: bytes) -> bool:
        return self._votes.awaits(proposal, author)
