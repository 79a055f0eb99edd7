"""Taking snapshots in: one by one as they come, and what follows when the head moves.

A snapshot whose proposals are here is judged at once. Otherwise it waits, and the peer that sent it is asked
for what is missing. Only what its signer has really signed waits. Where there is no room left, a snapshot is
dropped that came over the link with the most of them, so nobody crowds out the others. One whose parent is
missing starts a catch-up (`catchup.py`). A refusal blames the sender (V9), unless it is by one of our own
bounds (A4), which nobody else can know."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from msgspec import Struct

from aslp2p.artifacts.envelope import Signed, Verified, decode_as, read_stored, read_stored_as
from aslp2p.artifacts.types import Proposal, Snapshot
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.part import Part, Upwards
from aslp2p.core.pending import Pending
from aslp2p.core.spread import Spreader
from aslp2p.errors import ArtifactError, AslError, Incomplete, PeerFault, Rejected, UserError
from aslp2p.gossip.messages import Want
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.choice import common_height
from aslp2p.ledger.facts import Member, listed_at
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.history import HeadChange, Placed, read_snapshot
from aslp2p.ledger.reader import DropArtifacts, PutArtifacts, PutUnaudited, SnapshotRow
from aslp2p.ledger.state import is_admitted, revoked_keys
from aslp2p.limits import IDS_PER_MESSAGE_MAX, PENDING_MAX, REQUEST_TIMEOUT_MS, WAITING_SNAPSHOTS_MAX


def is_fault(error: AslError) -> bool:
    """Whether whoever sent what gave this error is to blame for it."""
    return isinstance(error, PeerFault) and not (isinstance(error, Rejected) and error.rule == "A4")


def is_newer(error: AslError) -> bool:
    """Whether only a later version understands what gave this error (A4)."""
    return isinstance(error, PeerFault) and error.newer


class _Waiting(Struct, frozen=True):
    snapshot: Signed[Snapshot]
    source: int
    asked_ms: int


class Chain(Part):
    """The node's way into the ledger."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        spreader: Spreader,
        contents: Contents,
        upwards: Upwards,
    ) -> None:
        self._context = context
        self._contents = contents
        self._pending = pending
        self._spreader = spreader
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self._shared: frozenset[bytes] = frozenset()
        """The snapshots that are evidence and open."""
        self._waited = context.founded and context.ledger.waits_for_floor is not None
        """Whether snapshots came while the floor was waited for."""
        self._told_of: set[int] = set()
        """The branches below the floor that people here were told of."""
        self._upwards = upwards
        self.has_orphans = False
        """Whether a snapshot came whose parent is not here: a reason for a catch-up, which takes it back."""
        self.accepted = 0
        """Snapshots that this process took in, on any branch."""

    def wants(self, id_: bytes) -> bool:
        """Whether a snapshot is neither accepted nor waiting."""
        return id_ not in self._waiting and self._context.store.snapshot(id_) is None

    # --- one by one -------------------------------------------------------------------------------

    def offer(self, snapshot: Signed[Snapshot], source: int | None) -> bool:
        """Take a snapshot from the link `source` (or our own, None); whether it was accepted now."""
        context = self._context
        proposals = self._proposals_of(snapshot)
        try:
            result = context.ledger.accept(snapshot, proposals)
        except Incomplete as incomplete:
            if source is not None:
                self._wait(snapshot, source, incomplete)
            return False
        except (Rejected, ArtifactError) as refused:
            if source is None:
                raise
            self._waiting.pop(snapshot.id, None)
            if is_fault(refused) or is_newer(refused):
                self._refuse(snapshot, source, refused)
            return False
        self._waiting.pop(snapshot.id, None)
        if result is None:
            return False
        judged, change = result
        self._spreader.add(judged.snapshot, source=source)
        self.settle([judged], change)
        self._retry(snapshot.id)
        return True

    def take_in(self, snapshot: Signed[Snapshot], proposals: Sequence[Signed[Proposal]]) -> AslError | None:
        """Accept a snapshot of a range with every signature verified; what was wrong with it."""
        try:
            result = self._context.ledger.accept(snapshot, proposals)
        except (Incomplete, Rejected, ArtifactError) as error:
            return error
        if result is not None:
            self.settle([result[0]], result[1])
        return None

    def rolled_back(self, change: HeadChange, proven: Sequence[Signed[Proposal]]) -> None:
        """The head went back because nobody could prove what stood above; `proven` are proposals that were
        listed there, pending again (F4)."""
        self._moved(change, ())
        self._reopen(proven)

    def move_floor(self, snapshot: bytes) -> None:
        """A person here moves the floor to the policy change of `snapshot`, and the head with it (F5).

        Raises `UserError` where it is not here, or carries none; nothing has changed then.
        """
        context = self._context
        if not context.founded:
            raise UserError("nothing of this Common has arrived yet", remedy="wait until it has")
        try:
            change = context.ledger.move_floor(snapshot, max(0, context.now.wall))
        except (Incomplete, Rejected) as error:
            raise UserError(error.message, remedy="see which there are: asl floor") from None
        context.must_last()
        context.publish(
            "notice",
            code="floor-moved",
            text=f"the floor was moved by hand to @{context.ledger.floor.height}",
        )
        if change is not None:
            self.settle((), change)

    def _refuse(self, snapshot: Signed[Snapshot], source: int, error: AslError) -> None:
        text = f"snapshot {snapshot.id.hex()[:12]} refused: {error.message}"
        self._context.fault(source, text, error)

    def _proposals_of(self, snapshot: Signed[Snapshot]) -> list[Signed[Proposal]]:
        found: list[Signed[Proposal]] = []
        missing = []
        for id_ in snapshot.statement.proposals:
            proposal = self._pending.proposals.get(id_)
            if proposal is None:
                missing.append(id_)
            else:
                found.append(proposal)
        return [*found, *self.stored(missing)] if missing else found

    def stored(self, ids: Sequence[bytes]) -> list[Verified[Proposal]]:
        """Those of `ids` that are in the store and proven. What was not audited yet (G4) is verified now;
        what fails is forgotten, and asked for again by whoever needs it."""
        context = self._context
        rows = context.store.artifact_rows(ids)
        stored = [read_stored_as(Proposal, row.raw, audited=row.audited) for row in rows.values()]
        proven, bad = context.verifier.sift(stored)
        if fresh := [one for one in proven if not rows[one.id].audited]:
            context.store.apply([PutArtifacts(fresh)])
        if bad:
            context.store.apply([DropArtifacts(sorted(bad))])
        return proven

    # --- waiting ----------------------------------------------------------------------------------

    def _wait(self, snapshot: Signed[Snapshot], source: int, incomplete: Incomplete) -> None:
        context = self._context
        peer = context.peers.get(source)
        previous = snapshot.statement.previous
        orphan = incomplete.missing == (previous,)
        if peer is None or (orphan and previous not in self._waiting):
            if peer is not None:
                # It may be a lie; then nobody, this peer included, can give what leads there.
                self.has_orphans = True
                peer.tell_head(snapshot.id, snapshot.statement.height, snapshot.statement.epoch)
            return
        if (error := self._problem(snapshot)) is not None:
            self._refuse(snapshot, source, error)
            return
        self._waiting[snapshot.id] = _Waiting(snapshot, source, context.now.mono)
        if len(self._waiting) > WAITING_SNAPSHOTS_MAX:
            self._make_room()
        if not orphan:
            self._ask(peer, incomplete.missing)

    def _problem(self, snapshot: Signed[Snapshot]) -> AslError | None:
        """What can be said against a snapshot before its proposals are here."""
        head = self._context.ledger.head
        statement = snapshot.statement
        appointed = (head.standing.next_epoch, head.standing.next_witness)
        ordinary = statement.certificate is None and statement.previous == head.id
        if ordinary and (statement.epoch, snapshot.key) != appointed:
            return Rejected(
                "V3", "its signer and epoch are not what its parent appoints", subject=snapshot.id
            )
        try:
            self._context.verifier.verify_all([snapshot])
        except ArtifactError as error:
            return error
        return None

    def _make_room(self) -> None:
        by_source = Counter(waiting.source for waiting in self._waiting.values())
        most = max(by_source.values())
        for id_, waiting in self._waiting.items():
            if by_source[waiting.source] == most:
                del self._waiting[id_]
                return

    def _ask(self, peer: Peer, missing: Sequence[bytes]) -> None:
        ids = tuple(missing[:IDS_PER_MESSAGE_MAX])
        peer.expect(len(ids))
        self._context.send(peer.link, Want(ids))

    def proposals_came(self) -> None:
        """Proposals arrived: judge again what waited for them."""
        for waiting in list(self._waiting.values()):
            if waiting.snapshot.id in self._waiting and not self._lacking(waiting.snapshot):
                self.offer(waiting.snapshot, waiting.source)

    def _lacking(self, snapshot: Signed[Snapshot]) -> list[bytes]:
        ids = [id_ for id_ in snapshot.statement.proposals if id_ not in self._pending.proposals]
        stored = self._context.store.artifacts(ids)
        return [id_ for id_ in ids if id_ not in stored]

    def _retry(self, parent: bytes) -> None:
        for waiting in list(self._waiting.values()):
            if waiting.snapshot.statement.previous == parent and waiting.snapshot.id in self._waiting:
                self.offer(waiting.snapshot, waiting.source)

    @property
    def wake_at_ms(self) -> int | None:
        """When what waits has waited long enough."""
        if not self._waiting:
            return None
        return next(iter(self._waiting.values())).asked_ms + REQUEST_TIMEOUT_MS + 1

    def tick(self) -> None:
        """Give up waiting for what nobody sent: a catch-up can still bring it."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        for id_ in [id_ for id_, waiting in self._waiting.items() if waiting.asked_ms < before]:
            del self._waiting[id_]

    def share_evidence(self) -> None:
        """Keep both snapshots of every equivocation among what everybody should have, until that key is dead:
        who was away, or joins later, finds no rival on the line that it catches up with (F3)."""
        ledger = self._context.ledger
        if not ledger.evidence and not self._shared:
            return
        gone = revoked_keys(ledger.head.members)
        pairs = [(one.one, one.other) for one in ledger.evidence if one.witness not in gone]
        ids = frozenset(id_ for pair in pairs for id_ in pair)
        for id_ in sorted(self._shared - ids):
            self._pending.open.discard(id_)
        rows = [self._context.store.snapshot(id_) for id_ in sorted(ids - self._shared)]
        snapshots = [read_snapshot(row) for row in rows if row is not None]
        for snapshot in self._context.verifier.sift(snapshots)[0]:
            self._pending.open.add(snapshot)
        self._shared = ids

    # --- what follows -----------------------------------------------------------------------------

    def settle(self, placed: Sequence[Placed], change: HeadChange | None) -> None:
        """Store the proposals of what was accepted, and tell everybody that the head moved."""
        self.accepted += len(placed)
        for one in placed:
            self._waiting.pop(one.snapshot.id, None)
            if one.snapshot.key == self._context.key:
                self._upwards.heard_own(one.snapshot)
            self._context.learned += 1 + len(one.snapshot.statement.proposals)
        # What is open is stored already.
        listed = [proposal for one in placed for proposal in one.proposals]
        new = [proposal for proposal in listed if proposal.id not in self._pending.open]
        self.keep([proposal for proposal in new if isinstance(proposal, Verified)])
        self._keep_unaudited([proposal for proposal in new if not isinstance(proposal, Verified)])
        if change is not None:
            self._moved(change, placed)
        self._reopen_aside(placed)
        self._tell_of_retired_keys(placed)

    def _tell_of_retired_keys(self, placed: Sequence[Placed]) -> None:
        """Tell people, once a line, who signed a history that leaves out the floor (F5). What an honest
        witness signed and a succession left behind is of a lower epoch than what is followed there."""
        context = self._context
        ledger = context.ledger
        for one in placed:
            beside = ledger.id_at(ledger.head.branch, one.tip.height)
            row = None if beside is None else context.store.snapshot(beside)
            if one.tip.branch in self._told_of or row is None or ledger.on_floor(one.tip.id):
                continue
            if row.height > ledger.floor.height or one.tip.standing.epoch >= row.epoch:
                self._told_of.add(one.tip.branch)
                name = context.name_of(one.snapshot.key)
                text = f"retired keys signed another history: @{one.tip.height} by {name}; it moves nobody"
                context.publish("notice", code="retired-keys", text=text)

    def keep(self, proven: Sequence[Verified[Proposal]]) -> None:
        """Store listed proposals, also in the place of bytes that nobody has verified."""
        if proven:
            self._context.store.apply([PutArtifacts(proven)])

    def _keep_unaudited(self, listed: Sequence[Signed[Proposal]]) -> None:
        """Keep what the audit will verify. Of two copies that differ and that nobody has verified the good
        one is kept: whoever sends it is not blamed for the other one."""
        if not listed:
            return
        context = self._context
        stored = context.store.artifact_rows([one.id for one in listed])
        rivals = [
            one
            for one in listed
            if (row := stored.get(one.id)) is not None and not row.audited and row.raw != one.raw
        ]
        self.keep(context.verifier.sift(rivals)[0])
        context.store.apply([PutUnaudited(listed)])

    def lists(self, proposal: bytes) -> bool:
        """Whether the followed line lists `proposal`."""
        head = self._context.ledger.head
        return listed_at(self._context.store, head.branch, head.height, proposal) is not None

    def unanswered(self, ids: Sequence[bytes]) -> set[bytes]:
        """While this node is the witness: those of `ids` that are proposals stored here which neither its
        line lists nor it has rejected. A rejection ends with the reign of who signed it: whoever was away
        then has what it rejected open still, and only the new witness can answer."""
        context = self._context
        if context.ledger.head.standing.next_witness != context.key:
            return set()
        left = [id_ for id_ in ids if id_ not in self._pending.rejections and not self.lists(id_)]
        found = set()
        for id_, row in context.store.artifact_rows(left).items():
            statement = read_stored(row.raw, audited=row.audited).statement
            if isinstance(statement, Proposal) and not isinstance(statement.action, AUTHORITY_ACTIONS):
                found.add(id_)
        return found

    def _reopen_aside(self, placed: Sequence[Placed]) -> None:
        """What only a snapshot beside our line lists is pending here, like what was superseded; so is what
        stands above a head that evidence holds back: perhaps it is never followed (F3, F4)."""
        ledger = self._context.ledger
        head = ledger.head
        if ledger.waits_for_floor is not None:
            self._waited = True
            return  # most of it will be our line, once the floor is here
        if self._waited:
            self._waited = False
            self._reopen_beside()
        for one in placed:
            if one.tip.height <= head.height and ledger.id_at(head.branch, one.tip.height) == one.tip.id:
                continue
            self._reopen(one.proposals)

    def _reopen_beside(self) -> None:
        """What came while the floor was waited for, and is beside our line, is pending too (F4)."""
        ledger = self._context.ledger
        head = ledger.head
        for row in ledger.branches():
            fork = common_height((row.branch, row.tip_height), (head.branch, head.height), ledger.id_at)
            listed = self._listed(row.branch, fork, row.tip_height, ())
            self._reopen(islice(listed, PENDING_MAX))

    def _reopen(self, proposals: Iterable[Signed[Proposal]]) -> int:
        """Make those pending again that our line does not list and whose authors are members; returns how
        many."""
        context = self._context
        head = context.ledger.head
        again: list[Signed[Proposal]] = []
        counts: Counter[bytes] = Counter()
        for proposal in proposals:
            special = isinstance(proposal.statement.action, AUTHORITY_ACTIONS)
            if self.lists(proposal.id) or special or not is_admitted(head.members, proposal.key):
                continue
            counts[proposal.key] += 1
            room = self._pending.room_for(proposal.key, counts[proposal.key])
            if proposal.id in self._pending.rejections or not room:
                continue
            again.append(proposal)
        good, _ = context.verifier.sift(again)
        self._pending.add(*good)
        self._contents.want_pending(good)
        return len(good)

    def _moved(self, change: HeadChange, placed: Sequence[Placed]) -> None:
        context = self._context
        context.must_last()
        listed = list(self._listed(change.new.branch, change.fork_height, change.new.height, placed))
        ids = [proposal.id for proposal in listed]
        closed = self._pending.close(ids)
        self._pending.forget_rejections(ids)
        if change.new.members is not change.old.members:
            self._pending.close(self._of_nobody(change.new.members))
        if change.new.standing.next_witness != change.old.standing.next_witness:
            self._pending.close_rejections(change.new.standing.next_witness)
        if change.fork_height < change.old.height:
            self._supersede(change)
        self._contents.want_listed(listed)
        context.publish(
            "head",
            height=change.new.height,
            id=change.new.id.hex(),
            fork=change.fork_height,
            log_size=change.new.frontier.size,
        )
        for proposal in closed:
            if proposal.key == context.key:
                context.publish("proposal", id=proposal.id.hex(), state="witnessed", height=change.new.height)
        self._upwards.head_moved(change, listed)

    def _of_nobody(self, members: Mapping[bytes, Member]) -> list[bytes]:
        """What is pending of keys that are members no more: nobody will list it, whoever is witness. Our own
        is ours to give up."""
        return [
            id_
            for id_, one in self._pending.proposals.items()
            if one.key != self._context.key
            and not isinstance(one.statement.action, AUTHORITY_ACTIONS)
            and not is_admitted(members, one.key)
        ]

    def _listed(
        self, branch: int, above: int, height: int, placed: Sequence[Placed]
    ) -> Iterable[Signed[Proposal]]:
        """The proposals that the line of `branch` lists at heights above `above`, in order; `placed` need not
        be read again."""
        rows: list[SnapshotRow] = []
        at = above + 1
        known = {one.tip.height: one.proposals for one in placed if one.tip.branch == branch}
        while at <= height:
            if at in known:
                yield from known[at]
                at += 1
                continue
            rows = self._context.store.snapshots(branch, at, 64)
            for row in rows:
                if row.height > height or row.height in known:
                    break
                ids = read_snapshot(row).statement.proposals
                stored = self._context.store.artifacts(ids)
                yield from (decode_as(Proposal, stored[id_]) for id_ in ids if id_ in stored)
                at = row.height + 1
            if not rows:
                return

    def _supersede(self, change: HeadChange) -> None:
        """What only the superseded snapshots listed is pending again (F4)."""
        old = change.old
        count = self._reopen(self._listed(old.branch, change.fork_height, old.height, ()))
        self._context.publish(
            "notice",
            code="superseded",
            text=f"snapshots @{change.fork_height + 1} to @{old.height} were superseded; "
            f"{count} of their proposals are pending again",
        )
