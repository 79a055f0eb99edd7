"""The history of one Common: what was accepted, on which branch, and which branch is followed (V9, F1 to F4).

`Ledger` stands between the gate and the store. It finds the parent, lets the gate judge, places what passed
on a branch, notices equivocation, and chooses the head. It holds the tips of branches in memory (a few
hundred bytes each and the members) and nothing that grows with the history.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby, pairwise
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import (
    VERIFIER,
    Signed,
    Verified,
    Verifier,
    decode_as,
    of_type,
    read_stored_as,
)
from aslp2p.artifacts.types import Cosignature, Genesis, Proposal, Snapshot
from aslp2p.errors import ArtifactError, AslError, Incomplete, InvariantBroken, Rejected
from aslp2p.ledger.abandonment import Abandonment, effective, read_abandonments
from aslp2p.ledger.audited import audited_to
from aslp2p.ledger.choice import Line, Place, choose, common_height
from aslp2p.ledger.facts import is_abandoned, load_members, standing_at
from aslp2p.ledger.finality import counting_on, keep_cosignature, known_final, settling
from aslp2p.ledger.floor import (
    GENESIS_FLOOR,
    META_GIVEN_FLOOR,
    Floor,
    FloorMove,
    log_floor_move,
    put_floor,
    read_floor,
    read_given_floor,
    stands_on,
)
from aslp2p.ledger.gate import Ancestry, Deferred, Judged, Tip, judge, judge_deferred, judge_genesis
from aslp2p.ledger.journal import Journal
from aslp2p.ledger.outlook import Outlook, look
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import (
    BranchRow,
    DropBranchAbove,
    PutBranch,
    PutFacts,
    PutMeta,
    PutSnapshot,
    Reader,
    SnapshotRow,
    Store,
    Write,
    row_at,
)
from aslp2p.ledger.standing import Standing, settled
from aslp2p.ledger.state import Draft, revoked_keys
from aslp2p.ledger.tree import load_frontier
from aslp2p.limits import (
    BELOW_PROPOSALS_MAX,
    BELOW_SNAPSHOTS_MAX,
    BRANCHES_BELOW_MAX,
    BRANCHES_FOR_TAKEOVERS,
    BRANCHES_MAX,
    EVIDENCE_PAIRS_MAX,
    EVIDENCE_PER_REIGN_MAX,
    MIB,
)

META_GENESIS = "genesis"
META_HEAD = "head"
META_EVIDENCE = "evidence"
LOOKED_AT_ONCE = 256


class Evidence(Struct, frozen=True, array_like=True):
    """Two snapshots that one witness signed for one (epoch, height) (F3). `parent` is what both stand on, or
    what `one` stands on if the histories parted before that witness's epoch."""

    epoch: int
    witness: bytes
    height: int
    parent: bytes
    one: bytes
    other: bytes


Placed: TypeAlias = Judged | Deferred
"""What passed the gate, on its branch."""
P = TypeVar("P", bound=Judged | Deferred)


class HeadChange(Struct, frozen=True):
    """The head moved. `fork_height` is the last height that both lines share: old.height when it only
    grew."""

    old: Tip
    new: Tip
    fork_height: int


class Run(Struct, frozen=True):
    """What `accept_run` took, how the head moved, and what stopped it."""

    accepted: tuple[Placed, ...]
    change: HeadChange | None
    error: AslError | None


def found_common(store: Store, genesis: Verified[Genesis]) -> None:
    """Make `store` the store of the Common that `genesis` founds.

    Raises `Rejected` (P1, P6, A4), and `ArtifactError` (A3) for an artifact of another type.
    """
    of_type(Genesis, genesis)
    draft = Draft(store, 0, -1)
    tip = judge_genesis(genesis, draft)
    store.apply(
        [
            PutBranch(BranchRow(0, -1, -1, 0, genesis.id, 0)),
            PutSnapshot(SnapshotRow(genesis.id, 0, 0, bytes(32), 0, genesis.key, 0, genesis.raw)),
            PutFacts(0, 0, draft.seal()),
            PutMeta(META_GENESIS, genesis.raw),
            PutMeta(META_HEAD, tip.id),
            put_floor(Floor(0, genesis.id)),
        ]
    )


def read_genesis(reader: Reader) -> Verified[Genesis] | None:
    """The genesis of the store's Common, or None before a joiner has received it."""
    raw = reader.meta(META_GENESIS)
    return None if raw is None else VERIFIER.verify(read_stored_as(Genesis, raw, audited=True))


def read_snapshot(row: SnapshotRow) -> Signed[Snapshot]:
    """A stored snapshot above genesis as the artifact that it is; it may not be audited yet (G4)."""
    return decode_as(Snapshot, row.raw)


def load_tip(reader: Reader, branch: int, height: int) -> Tip:
    """Everything that is known at a stored snapshot; costs a few reads and its members."""
    row = row_at(reader, branch, height)
    return Tip(
        row.id,
        branch,
        height,
        standing_at(reader, branch, height),
        load_members(reader, branch, height),
        load_frontier(reader, branch, row),
    )


def head_tip(reader: Reader) -> Tip | None:
    """The head of the store, for readers without a ledger; None before there is a genesis."""
    id_ = reader.meta(META_HEAD)
    row = None if id_ is None else reader.snapshot(id_)
    return None if row is None else load_tip(reader, row.branch, row.height)


def read_evidence(reader: Reader) -> list[Evidence]:
    """Every equivocation that this node has seen, oldest first."""
    raw = reader.meta(META_EVIDENCE)
    return [] if raw is None else msgspec.convert(canonical.decode(raw, bytes_max=MIB), list[Evidence])


def read_abandoned(reader: Reader) -> list[bytes]:
    """The ids that certificates on the floor abandon (S9, F5), sorted."""
    floor = read_floor(reader) or GENESIS_FLOOR
    return sorted({one.given_up for one in effective(reader, floor, read_abandonments(reader))})


class Ledger:
    """One Common's history over one store.

    `own_key` is this node's domain key: an authority does not move between two histories of one epoch (F3).
    """

    def __init__(self, store: Store, *, own_key: bytes = b"", verifier: Verifier = VERIFIER) -> None:
        genesis = read_genesis(store)
        head = head_tip(store)
        if genesis is None or head is None:
            raise InvariantBroken("a ledger was opened before its Common was founded")
        self._store = store
        self.revision = 0
        """Grows with every change of what is here: an answer that follows from history holds until then."""
        self._own_key = own_key
        self._verifier = verifier
        self.genesis = genesis
        self.common_id = genesis.id
        self.head = head
        self.floor = read_floor(store) or Floor(0, genesis.id)
        """The policy change that every line has to contain (F5)."""
        # A row without snapshots of its own is what `roll_back` leaves of a branch.
        self._branches = {row.branch: row for row in store.branches() if row.tip_height > row.fork_height}
        self._tips = {head.branch: head} if self._branches[head.branch].tip_id == head.id else {}
        self.evidence = read_evidence(store)
        self.journal = Journal(store)
        self._abandonments: list[Abandonment] | None = None
        """None once there may be others."""
        self._final: int | None = None
        self._outlook: Outlook | None = None
        """None once something came that can change it."""
        self._floor_policy = b""
        """What installed the newest policy at the floor."""
        self._given = read_given_floor(store)
        """The floor that was given, until it is taken or known to be of no use."""
        self.waits_for_floor: Floor | None = None
        """The floor that is not here: until it is, nothing is adopted, final or signed (F5)."""
        self._find_floor()

    # --- questions --------------------------------------------------------------------------------

    def id_at(self, branch: int, height: int) -> bytes | None:
        """The id of the snapshot at `height` on the line of `branch`."""
        if height < 0 or height > self._branches[branch].tip_height:
            return None
        row = self._store.snapshot_at(branch, height)
        return None if row is None else row.id

    def contains(self, branch: int, height: int, id_: bytes) -> bool:
        """Whether the line of `branch` up to `height` contains the snapshot `id_`."""
        row = self._store.snapshot(id_)
        return row is not None and row.height <= height and self.id_at(branch, row.height) == id_

    def on_floor(self, id_: bytes) -> bool:
        """Whether the line to the snapshot `id_` contains the floor (F5); False where `id_` is not here."""
        row = self._store.snapshot(id_)
        return row is not None and self.contains(row.branch, row.height, self.floor.id)

    def tip_at(self, branch: int, height: int) -> Tip:
        """What is known at a stored snapshot."""
        tip = self._tips.get(branch)
        if tip is not None and tip.height == height:
            return tip
        if (self.head.branch, self.head.height) == (branch, height):
            return self.head
        return load_tip(self._store, branch, height)

    def final_height(self) -> int:
        """The highest height on the head's line that is known to be final."""
        if self._final is None:
            place = (self.head.branch, self.head.height)
            given_up = effective(self._store, self.floor, self._given_up())
            self._final = known_final(self._store, place, self.floor, given_up)
        return self._final

    def _given_up(self) -> list[Abandonment]:
        """What certificates on any line give up (S9)."""
        if self._abandonments is None:
            self._abandonments = read_abandonments(self._store)
        return self._abandonments

    def deciding(self, tip: Tip, gone: Collection[bytes] = ()) -> tuple[Standing, tuple[bytes, ...] | None]:
        """What judges a takeover on `tip`, and the settlement that it has to carry for that (P4): while a
        change is unsettled but known to be final, without the keys in `gone`, the new policy alone."""
        standing = tip.standing
        if not standing.joint:
            return standing, None
        gone = {*revoked_keys(tip.members), *gone}
        settlement = settling(self._store, (tip.branch, tip.height), gone)
        return (standing if settlement is None else settled(standing)), settlement

    def audited_height(self) -> int:
        """Every signature on the head's line was verified up to here (G4)."""
        return audited_to(self._branches, self.head.branch, self.head.height)

    def audited_on(self, branch: int) -> int:
        """Every signature on the line of `branch` was verified up to here."""
        return audited_to(self._branches, branch, self._branches[branch].tip_height)

    def equivocation_in(self, epoch: int, witness: bytes) -> Evidence | None:
        """The lowest evidence against `witness` in `epoch`."""
        against = [one for one in self.evidence if (one.epoch, one.witness) == (epoch, witness)]
        return min(against, key=lambda one: one.height, default=None)

    def tip_height(self, branch: int) -> int:
        return self._branches[branch].tip_height

    def branches(self) -> list[BranchRow]:
        return [self._branches[branch] for branch in sorted(self._branches)]

    # --- accepting --------------------------------------------------------------------------------

    def accept(
        self, snapshot: Signed[Snapshot], proposals: Sequence[Signed[Proposal]]
    ) -> tuple[Judged, HeadChange | None] | None:
        """Judge `snapshot` with its listed proposals and place it; None if it is here already.

        Raises `Rejected` or `ArtifactError` (the first rule that fails), or `Incomplete` naming the parent or
        the proposals that are not here; then nothing has changed. Whoever decoded them need not have looked
        of which type they are.
        """
        of_type(Snapshot, snapshot)
        for proposal in proposals:
            of_type(Proposal, proposal)
        if self._store.snapshot(snapshot.id) is not None:
            return None
        parent = self._parent_of(snapshot)
        draft = Draft(self._store, parent.branch, parent.height)
        judged = judge(
            snapshot,
            proposals,
            parent,
            self.common_id,
            draft,
            self._ancestry(parent),
            self._verifier,
        )
        placed, writes = self._placement(judged, parent, audited=True)
        self._write(writes)
        return placed, self._follow([placed])

    def accept_run(self, run: Sequence[tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]]) -> Run:
        """Accept consecutive snapshots, verifying one signature a reign: each segment's last (G4).

        What comes out is unaudited until `mark_audited` has passed it. Raises nothing for bad input:
        `Run.error` says what stopped the run, and what was judged before it stays accepted.
        """
        accepted: list[Placed] = []
        error: Rejected | ArtifactError | Incomplete | None = None
        try:
            self._accept_segments(run, accepted)
        except (Rejected, ArtifactError, Incomplete) as stopped:
            error = stopped
        change = self._follow(accepted) if accepted else None
        return Run(tuple(accepted), change, error)

    def _accept_segments(
        self, run: Sequence[tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]], accepted: list[Placed]
    ) -> None:
        for _, group in groupby(run, key=lambda one: (one[0].key, one[0].statement.epoch)):
            segment = [one for one in group if self._store.snapshot(one[0].id) is None]
            if not segment:
                continue
            for (before, _), (after, _) in pairwise(segment):
                if after.statement.previous != before.id:
                    raise Rejected("V2", "a run that is no chain", subject=after.id, against=before.id)
            self._verifier.verify_all([segment[-1][0]])
            self._accept_segment(segment, accepted)

    def _accept_segment(
        self,
        segment: Sequence[tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]],
        accepted: list[Placed],
    ) -> None:
        parent = self._parent_of(segment[0][0])
        draft = Draft(self._store, parent.branch, parent.height)
        pending: list[Write] = []
        for snapshot, proposals in segment:
            if snapshot.statement.certificate is not None or snapshot.statement.settlement is not None:
                self._write(pending)
                pending = []
            ancestry = self._ancestry(parent)
            try:
                passed = judge_deferred(
                    snapshot,
                    proposals,
                    parent,
                    self.common_id,
                    draft,
                    ancestry,
                    self._verifier,
                )
                placed, writes = self._placement(passed, parent, audited=False)
            except BaseException:
                self._write(pending)
                raise
            pending += writes
            accepted.append(placed)
            if placed.tip.branch != parent.branch:
                # A new branch: reads below its fork go to the parent's, above it to what is written here.
                self._write(pending)
                pending = []
                draft = Draft(self._store, placed.tip.branch, placed.tip.height)
            parent = placed.tip
        self._write(_without_stale_branch_rows(pending))

    def _parent_of(self, snapshot: Signed[Snapshot]) -> Tip:
        previous = snapshot.statement.previous
        if self.head.id == previous:
            return self.head
        row = self._store.snapshot(previous)
        if row is None:
            raise Incomplete(f"the parent of snapshot {snapshot.statement.height} is not here", (previous,))
        return self.tip_at(row.branch, row.height)

    def _ancestry(self, parent: Tip) -> Ancestry:
        branch, top = parent.branch, parent.height

        def epoch_at(height: int) -> int:
            row = self._store.snapshot_at(branch, height)
            return -1 if row is None else row.epoch

        return Ancestry(
            lambda height: self.id_at(branch, height),
            epoch_at,
            lambda id_: self.contains(branch, top, id_),
        )

    def _placement(self, judged: P, parent: Tip, *, audited: bool) -> tuple[P, list[Write]]:
        """Give what passed its place: at the tip of its parent's branch, or as the start of a new branch."""
        tip, snapshot = judged.tip, judged.snapshot
        self._require_short(snapshot, parent)
        row = self._branches[parent.branch]
        if row.tip_id == parent.id:
            audited = audited and row.audited_height == parent.height
            row = msgspec.structs.replace(
                row,
                tip_height=tip.height,
                tip_id=tip.id,
                audited_height=tip.height if audited else row.audited_height,
            )
        else:
            self._require_place(judged, parent)
            self._outlook = None
            row = BranchRow(
                max(self._branches) + 1,
                parent.branch,
                parent.height,
                tip.height,
                tip.id,
                tip.height if audited else parent.height,
            )
        tip = msgspec.structs.replace(tip, branch=row.branch)
        if self._branches.keys() != {row.branch}:
            self._note_equivocation(snapshot, parent, row.branch)
        self._branches[row.branch] = row
        self._tips[row.branch] = tip
        if any(map(is_abandoned, judged.changes)):
            self._final = self._outlook = self._abandonments = None
        if judged.settled_by:
            self._final = self._outlook = None
        writes: list[Write] = [
            PutBranch(row),
            PutSnapshot(_row_of(snapshot, row.branch)),
            PutFacts(row.branch, tip.height, judged.changes),
        ]
        for cosignature in judged.settled_by:
            # It may embed the cosignature of a key that was revoked meanwhile, which counts for nothing.
            branch = counting_on(self._store, cosignature)
            if branch is not None:
                writes.append(keep_cosignature(branch, cosignature))
        return msgspec.structs.replace(judged, tip=tip), writes

    def _require_short(self, snapshot: Signed[Snapshot], parent: Tip) -> None:
        """Raises `Rejected` (A4) where a line that leaves out the floor is as long as it is kept: whoever has
        retired goes on with one for ever at no cost to itself."""
        floor = self.floor
        if self.waits_for_floor is not None or (
            parent.branch == self.head.branch and parent.height >= floor.height
        ):
            return
        place = self._store.snapshot(floor.id)
        if place is None or stands_on(self._store, parent.branch, parent.height, floor):
            return
        here = (parent.branch, parent.height)
        fork = common_height(here, (place.branch, place.height), self.id_at)
        proposals = snapshot.statement.log_size - row_at(self._store, parent.branch, fork).log_size
        if snapshot.statement.height - fork > BELOW_SNAPSHOTS_MAX or proposals > BELOW_PROPOSALS_MAX:
            raise Rejected("A4", "a line below the floor that is too long", subject=snapshot.id)

    def _require_place(self, judged: Placed, parent: Tip) -> None:
        """Raises `Rejected` (A4) if there is no place for another branch. Lines that come to nothing, below
        the floor or beside what is final, have few places of their own, and where there are more of them,
        from before that was final, they make room."""
        beside = [row for row in self.branches() if self._is_beside(row.branch, row.tip_height)]
        if self._is_beside(parent.branch, parent.height) and not self._gives_up_final(judged):
            full = len(beside) >= BRANCHES_BELOW_MAX
        else:
            takeover = judged.snapshot.statement.epoch != parent.standing.next_epoch
            places = BRANCHES_MAX - BRANCHES_BELOW_MAX - (0 if takeover else BRANCHES_FOR_TAKEOVERS)
            full = len(self._branches) - len(beside) >= places
            if not full and len(self._branches) >= BRANCHES_MAX:
                full = not self._make_room(beside)
            if full and self.waits_for_floor is not None:
                # Nobody knows yet which of these leads to the floor: the longest are the dearest to make.
                longest_first = sorted(self.branches(), key=lambda row: -row.tip_height)
                full = not self._make_room(longest_first)
        if full:
            raise Rejected("A4", "too many branches of one history", subject=judged.snapshot.id)

    def _is_beside(self, branch: int, height: int) -> bool:
        """Whether the line to (branch, height) leaves out what is final on the head's line."""
        final = self.final_height()
        return final > 0 and self.id_at(branch, min(height, final)) != self.id_at(self.head.branch, final)

    def _gives_up_final(self, judged: Placed) -> bool:
        """Whether the certificate of `judged` gives up something, by keys that satisfy the policies of what
        is final here (S9)."""
        if not any(map(is_abandoned, judged.changes)):
            return False
        standing = standing_at(self._store, self.head.branch, self.final_height())
        return satisfies_all(standing.policies, judged.endorsers)

    def _make_room(self, beside: Sequence[BranchRow]) -> bool:
        """Forget the last of the lines `beside` on which nothing stands that is evidence, or that this key
        cosigned last (S5); whether there was one."""
        last = self.journal.last_cosigned(self.floor)
        kept = {id_ for one in self.evidence for id_ in (one.one, one.other)}
        kept |= {self.head.id} | ({last.subject} if last is not None else set())
        rows = [self._store.snapshot(id_) for id_ in kept]
        needed = {row.branch for row in rows if row is not None}
        needed |= {row.parent for row in self.branches()}
        for row in reversed(beside):
            if row.branch not in needed:
                del self._branches[row.branch]
                self._tips.pop(row.branch, None)
                empty = BranchRow(
                    row.branch, row.parent, row.fork_height, row.fork_height, row.tip_id, row.fork_height
                )
                self._write([DropBranchAbove(row.branch, row.fork_height), PutBranch(empty)])
                self._final = self._outlook = None
                self._abandonments = None
                return True
        return False

    def _note_again(self) -> None:
        """Look for the equivocations on the floor (F3): what lies below it counts no more, and hid what is
        above it."""
        self.evidence = [one for one in self.evidence if self.on_floor(one.one) and self.on_floor(one.other)]
        rows = [row for row in self.branches() if self.on_floor(row.tip_id)]
        for number, row in enumerate(rows):
            for other in rows[:number]:
                self._note_pairs((row.branch, row.tip_height), (other.branch, other.tip_height))
        self._write([PutMeta(META_EVIDENCE, _packed(self.evidence))])

    def _note_pairs(self, one: Place, other: Place) -> None:
        """Keep the lowest equivocation of each reign between two lines."""
        height = common_height(one, other, self.id_at) + 1
        seen: set[tuple[int, bytes]] = set()
        while height <= min(one[1], other[1]):
            left = self._store.snapshots(one[0], height, LOOKED_AT_ONCE)
            right = self._store.snapshots(other[0], height, LOOKED_AT_ONCE)
            for a, b in zip(left, right, strict=False):
                reign = (a.epoch, a.signer)
                if reign == (b.epoch, b.signer) and reign not in seen and a.height <= min(one[1], other[1]):
                    seen.add(reign)
                    low, high = sorted((a, b), key=lambda row: row.id)
                    self._keep_evidence(Evidence(*reign, a.height, low.previous, low.id, high.id))
            height += min(len(left), len(right))

    def _note_equivocation(self, snapshot: Signed[Snapshot], parent: Tip, branch: int) -> None:
        """Keep the evidence that `snapshot`, about to be placed on `branch`, and another make together.

        Only the lowest of two histories is any use: above it every snapshot is another such pair.
        """
        height, reign = parent.height + 1, (snapshot.statement.epoch, snapshot.key)
        if self._cut(parent.branch, parent.height, reign) is not None:
            return
        if not stands_on(self._store, parent.branch, parent.height, self.floor):
            return  # of no line that counts (F5)
        for row in self.branches():
            other = self._store.snapshot_at(row.branch, height) if row.tip_height >= height else None
            if row.branch == branch or other is None or (other.epoch, other.signer) != reign:
                continue
            if not stands_on(self._store, row.branch, height, self.floor):
                continue
            below = self._store.snapshot(other.previous)
            if (
                other.previous != parent.id
                and (parent.standing.epoch, parent.standing.witness) == reign
                and below is not None
                and (below.epoch, below.signer) == reign
            ):
                continue  # they part further down, which is known
            pair = sorted([(snapshot.id, parent.id), (other.id, other.previous)])
            self._keep_evidence(Evidence(*reign, height, pair[0][1], pair[0][0], pair[1][0]))
            return

    def _keep_evidence(self, new: Evidence) -> None:
        if new in self.evidence:
            return
        against = [one for one in self.evidence if (one.epoch, one.witness) == (new.epoch, new.witness)]
        if len(against) >= EVIDENCE_PER_REIGN_MAX:
            self.evidence.remove(max(against, key=lambda one: one.height))
        elif len(self.evidence) >= EVIDENCE_PAIRS_MAX:
            return
        self.evidence.append(new)
        self._write([PutMeta(META_EVIDENCE, _packed(self.evidence))])

    def _cut(self, branch: int, top: int, reign: tuple[int, bytes]) -> int | None:
        """Where the line of `branch` up to `top` is cut off in this reign (F3): the height of the first of
        its snapshots that has a rival by the same witness in the same epoch."""
        cuts = []
        for one in self.evidence:
            if (one.epoch, one.witness) != reign or one.height > top:
                continue
            row = self._store.snapshot_at(branch, one.height)
            if row is None or (row.epoch, row.signer) != reign:
                continue
            if row.previous == one.parent or row.id in (one.one, one.other):
                cuts.append(one.height)
        return min(cuts, default=None)

    # --- choosing ---------------------------------------------------------------------------------

    def add_cosignature(self, cosignature: Verified[Cosignature]) -> HeadChange | None:
        """Keep a cosignature of a stored snapshot; it may make the head move (F1).

        Raises `Incomplete` when its snapshot is not here and `Rejected` (V1, P2) when it does not count.
        """
        at = cosignature.statement
        if at.common_id != self.common_id:
            raise Rejected("V1", "it belongs to another Common", subject=cosignature.id)
        if self._store.snapshot(at.snapshot) is None:
            raise Incomplete("the cosigned snapshot is not here", (at.snapshot,))
        branch = counting_on(self._store, cosignature)
        if branch is None:
            raise Rejected(
                "P2", "its signer is no usable authority there", subject=cosignature.id, against=at.snapshot
            )
        self._write([keep_cosignature(branch, cosignature)])
        self._final = self._outlook = None
        return self._choose() if self._has_to_choose(self.head) else None

    def conflict(self) -> tuple[bytes, bytes] | None:
        """The ids of two finals that exclude each other, if this node knows such (F1): it signs nothing
        more."""
        if len(self._branches) == 1 or self.waits_for_floor is not None:
            return None
        tips = self._reckon().tips
        return (tips[0].id, tips[1].id) if len(tips) > 1 else None

    def _write(self, writes: Sequence[Write]) -> None:
        self.revision += 1
        self._store.apply(writes)

    def _follow(self, placed: Sequence[Placed]) -> HeadChange | None:
        """The head after snapshots were placed. Growing the followed branch is the everyday case and needs no
        choice."""
        tip = placed[-1].tip
        if self._given is not None or self.waits_for_floor is not None:
            self._find_floor()
        grows = all(one.tip.branch == self.head.branch for one in placed) and tip.height > self.head.height
        cut = self.evidence and self.equivocation_in(tip.standing.epoch, tip.standing.witness)
        if grows and not cut and not self._has_to_choose(tip):
            return self._move(tip)
        return self._choose()

    def _has_to_choose(self, tip: Tip) -> bool:
        """Whether more can have changed than that the line of `tip` is longer: with one branch, and no policy
        change above the floor, it cannot."""
        if self._outlook is not None:
            return self.head.branch not in self._outlook.finals
        single = len(self._branches) == 1 and self.waits_for_floor is None
        return not single or tip.standing.installed[-1].id != self._floor_policy

    def _choose(self) -> HeadChange | None:
        if self.waits_for_floor is not None:
            return None
        lines = self._lines()
        own = self._own_key in self.head.standing.authorities()
        current = None
        if self.head.branch in self._reckon().finals:
            here = self._line(self._branches[self.head.branch])
            current = msgspec.structs.replace(
                here, height=self.head.height, id=self.head.id, epoch=self.head.standing.epoch
            )
        best = choose(lines, current, own, self.id_at)
        if best.id == self.head.id:
            return None
        row = self._store.snapshot(best.id)
        branch = best.branch if row is None else row.branch
        return self._move(self.tip_at(branch, best.height))

    def _move(self, tip: Tip) -> HeadChange:
        old, self.head = self.head, tip
        if len(self._branches) > 1:
            self._final = None
        fork = common_height((old.branch, old.height), (tip.branch, tip.height), self.id_at)
        self._write([PutMeta(META_HEAD, tip.id)])
        return HeadChange(old, tip, fork)

    def _lines(self) -> list[Line]:
        return [self._line(self._branches[branch]) for branch in sorted(self._reckon().finals)]

    def _line(self, row: BranchRow) -> Line:
        """The line of a branch, cut where its witness signed two histories (F3)."""
        final = self._reckon().finals[row.branch]
        height = row.tip_height
        tip = self._store.snapshot(row.tip_id)
        if tip is None:
            raise InvariantBroken(f"branch {row.branch} has no tip")
        cut = self._cut(row.branch, row.tip_height, (tip.epoch, tip.signer))
        if cut is not None:
            height = min(height, max(cut, final.height))
            if self._own_key in self.head.standing.authorities() and self.contains(
                row.branch, row.tip_height, self.head.id
            ):
                height = max(height, self.head.height)
        id_ = self.id_at(row.branch, height) or b""
        return Line(row.branch, height, id_, tip.epoch, final.height, final.id)

    # --- the floor (F5) ---------------------------------------------------------------------------

    def _reckon(self) -> Outlook:
        """What is final and what conflicts; the floor moves where that says so, and is written."""
        if self._outlook is None:
            branches = self.branches()
            outlook = look(self._store, branches, self.floor, self._given_up(), self.journal)
            if outlook.floor != self.floor:
                self._set_floor(outlook.floor)
            self._outlook = outlook
        return self._outlook

    def _set_floor(self, floor: Floor) -> None:
        self.floor = floor
        self._write([put_floor(floor)])
        self._final = self._outlook = None
        self._find_floor()
        self._note_again()

    def _find_floor(self) -> None:
        """Find out whether the floor is here, and take the given one once its snapshot is: that raises the
        floor, and never lowers it or moves it aside."""
        row = self._store.snapshot(self.floor.id)
        if row is None:
            self.waits_for_floor = self.floor
            return
        self.waits_for_floor = None
        self._floor_policy = standing_at(self._store, row.branch, row.height).installed[-1].id
        given = self._given
        if given is None:
            return
        row = self._store.snapshot(given.id)
        if row is None and given.height > self.floor.height:
            self.waits_for_floor = given
            return
        self._given = None
        if row is not None and row.height > self.floor.height and self.on_floor(row.id):
            self._set_floor(Floor(row.height, row.id))

    def reconsider(self) -> HeadChange | None:
        """Move the head where the floor that this ledger was opened with says so."""
        return None if self.on_floor(self.head.id) else self._choose()

    def move_floor(self, id_: bytes, at_ms: int) -> HeadChange | None:
        """A person decides which policy change every line has to contain, wherever it is; that is logged for
        ever, with their clock's `at_ms`.

        Raises `Incomplete` where the snapshot is not here, `Rejected` (F5) where it carries no policy change.
        """
        row = self._store.snapshot(id_)
        if row is None:
            raise Incomplete("the policy change is not here", (id_,))
        standing = standing_at(self._store, row.branch, row.height)
        if row.height and standing.change_height != row.height:
            raise Rejected("F5", "it carries no policy change", subject=id_)
        new = Floor(row.height, row.id)
        move = FloorMove(self.floor, new, at_ms)
        self._write([log_floor_move(self._store, move), PutMeta(META_GIVEN_FLOOR, None)])
        self._given = None
        self._set_floor(new)
        return self._choose()

    # --- auditing ---------------------------------------------------------------------------------

    def unaudited(self, count: int) -> list[SnapshotRow]:
        """The next `count` snapshots on the head's line that nobody has audited here, lowest first."""
        first = self.audited_height() + 1
        if first > self.head.height:
            return []
        rows = self._store.snapshots(self.head.branch, first, count)
        branch = rows[0].branch if rows else 0
        return [row for row in rows if row.branch == branch]

    def mark_audited(self, snapshot: Verified[Snapshot]) -> None:
        """Everything up to `snapshot` on its branch was audited. Raises `InvariantBroken` if that is not
        stored."""
        row = self._store.snapshot(snapshot.id)
        if row is None:
            raise InvariantBroken("what was audited is not stored")
        old = self._branches[row.branch]
        if row.height > old.audited_height:
            self._branches[row.branch] = new = msgspec.structs.replace(old, audited_height=row.height)
            self._write([PutBranch(new)])

    def put_back(self, snapshot: Verified[Snapshot]) -> None:
        """Store a sound copy of an accepted snapshot whose bytes are bad or damaged, or were lost. What no
        branch has a place for is left out."""
        statement = snapshot.statement
        for branch in self.branches():
            if not branch.fork_height < statement.height <= branch.tip_height:
                continue
            if self.id_at(branch.branch, statement.height - 1) == statement.previous:
                self._write([PutSnapshot(_row_of(snapshot, branch.branch))])
                return

    def doomed(self, branch: int, height: int) -> dict[int, int]:
        """What goes if `branch` is rolled back to `height`: each branch, and above which height."""
        found = {branch: height}
        for row in self.branches():
            if row.parent in found and row.fork_height > found[row.parent]:
                found[row.branch] = row.fork_height
        return found

    def roll_back(self, branch: int, height: int) -> HeadChange | None:
        """Forget what stands above `height` on `branch` and on branches that fork from there (G4).

        `height` is on `branch` itself or where it forks; anything else is an `InvariantBroken`. What the
        forgotten snapshots were evidence of, or abandoned, is forgotten with them. Of a branch of which
        nothing is left the store keeps a row without snapshots of its own; its number is free.
        """
        kept = self._store.snapshot_at(branch, height)
        if kept is None or height < self._branches[branch].fork_height:
            raise InvariantBroken(f"nothing at {branch}:{height} to roll back to")
        doomed = self.doomed(branch, height)
        for number, above in doomed.items():
            row = self._branches.pop(number)
            self._tips.pop(number, None)
            if number == branch:
                audited = min(row.audited_height, height)
                row = BranchRow(number, row.parent, row.fork_height, height, kept.id, audited)
            else:
                row = BranchRow(number, branch, height, height, kept.id, height)
            if row.tip_height > row.fork_height:
                self._branches[number] = row
            self._write([DropBranchAbove(number, above), PutBranch(row)])
        self._final = self._outlook = None
        self._abandonments = None
        self._find_floor()
        self.evidence = [
            one for one in self.evidence if self._store.snapshot(one.one) and self._store.snapshot(one.other)
        ]
        self._write([PutMeta(META_EVIDENCE, _packed(self.evidence))])
        if self.head.branch not in doomed or self.head.height <= doomed[self.head.branch]:
            return self._choose()  # a history that was cut off may not be any more
        old, self.head = self.head, self.tip_at(kept.branch, kept.height)
        self._write([PutMeta(META_HEAD, kept.id)])
        elsewhere = self._choose()
        return HeadChange(old, self.head, elsewhere.fork_height if elsewhere else height)

    # --- composing --------------------------------------------------------------------------------

    def draft(self) -> Draft:
        """A draft on the head, for a witness that tries what applies."""
        return Draft(self._store, self.head.branch, self.head.height)


def _row_of(snapshot: Signed[Snapshot], branch: int) -> SnapshotRow:
    """How an accepted snapshot is stored on its branch."""
    statement = snapshot.statement
    return SnapshotRow(
        snapshot.id,
        branch,
        statement.height,
        statement.previous,
        statement.epoch,
        snapshot.key,
        statement.log_size,
        snapshot.raw,
    )


def _packed(evidence: Sequence[Evidence]) -> bytes:
    return canonical.encode([msgspec.to_builtins(one, builtin_types=(bytes,)) for one in evidence])


def _without_stale_branch_rows(writes: list[Write]) -> list[Write]:
    """Of the rows that one run writes for its branch only the last matters."""
    last = max((i for i, write in enumerate(writes) if isinstance(write, PutBranch)), default=-1)
    return [write for i, write in enumerate(writes) if not isinstance(write, PutBranch) or i == last]
