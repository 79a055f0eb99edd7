"""Taking snapshots in: one by one as they come, and what follows when the head moves.

A snapshot whose proposals are here is judged at once; what is missing is asked of the peer that sent it, and
the
snapshot waits, bounded. One whose parent is missing starts a catch-up (`catchup.py`). Refusals blame the
sender (V9).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from aslp2p.artifacts.content import has_manifest
from aslp2p.artifacts.envelope import Signed, decode_as, trust_stored
from aslp2p.artifacts.types import Proposal, Put, Snapshot
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.spread import Spreader
from aslp2p.errors import ArtifactError, Incomplete, Rejected
from aslp2p.gossip.messages import Want as WantMessage
from aslp2p.ledger.gate import AUTHORITY_ACTIONS, Judged
from aslp2p.ledger.history import HeadChange, read_snapshot
from aslp2p.ledger.reader import PutArtifacts, SnapshotRow
from aslp2p.ledger.state import is_admitted
from aslp2p.limits import IDS_PER_MESSAGE_MAX, REQUEST_TIMEOUT_MS, WAITING_SNAPSHOTS_MAX

Accepted = Mapping[bytes, tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]]


def _contents_of(proposals: Iterable[Signed[Proposal]]) -> list[tuple[bytes, bool]]:
    """What these put: content ids, and whether each is a manifest's."""
    actions = (proposal.statement.action for proposal in proposals)
    return [(action.content, has_manifest(action.size)) for action in actions if isinstance(action, Put)]


class HeadListener(Protocol):
    """A part of the node that has to know when the head moves."""

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """`listed` are the proposals that the new line lists above the fork, in order."""


class _Waiting(Struct, frozen=True):
    snapshot: Signed[Snapshot]
    source: int
    asked_ms: int


class Chain:
    """The node's way into the ledger."""

    def __init__(self, context: Context, pending: Pending, spreader: Spreader, contents: Contents) -> None:
        self._context = context
        self._contents = contents
        self._pending = pending
        self._spreader = spreader
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self.listeners: list[HeadListener] = []
        self.orphans: list[tuple[int, bytes]] = []
        """(link, id) of snapshots whose parent is not here: reasons for a catch-up."""
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
            context.close(source, f"snapshot {snapshot.id.hex()[:12]} refused: {refused.message}", blame=True)
            return False
        self._waiting.pop(snapshot.id, None)
        if result is None:
            return False
        judged, change = result
        self._spreader.add(context.verifier.verify(snapshot), source=source)
        self.settle([judged], change, {snapshot.id: (snapshot, proposals)})
        self._retry(snapshot.id)
        return True

    def take_in(self, snapshot: Signed[Snapshot], accepted: Accepted) -> bool:
        """Accept a snapshot of a range with every signature verified; whether it was good."""
        try:
            result = self._context.ledger.accept(snapshot, accepted[snapshot.id][1])
        except (Incomplete, Rejected, ArtifactError):
            return False
        if result is not None:
            self.settle([result[0]], result[1], accepted)
        return True

    def rolled_back(self, change: HeadChange) -> None:
        """The head went back because nobody could prove what stood above."""
        self._moved(change, {})

    def _proposals_of(self, snapshot: Signed[Snapshot]) -> list[Signed[Proposal]]:
        found: list[Signed[Proposal]] = []
        missing = []
        for id_ in snapshot.statement.proposals:
            proposal = self._pending.proposals.get(id_)
            if proposal is None:
                missing.append(id_)
            else:
                found.append(proposal)
        if missing:
            stored = self._context.store.artifacts(missing)
            found += [trust_stored(decode_as(Proposal, raw)) for raw in stored.values()]
        return found

    def _wait(self, snapshot: Signed[Snapshot], source: int, incomplete: Incomplete) -> None:
        peer = self._context.peers.get(source)
        if incomplete.missing == (snapshot.statement.previous,):
            self.orphans.append((source, snapshot.id))
            if peer is not None and snapshot.statement.height > peer.height:
                # It may be a lie; then nobody, this peer included, can give what leads there.
                peer.head, peer.height = snapshot.id, snapshot.statement.height
                peer.epoch = snapshot.statement.epoch
            return
        self._waiting[snapshot.id] = _Waiting(snapshot, source, self._context.now.mono)
        if len(self._waiting) > WAITING_SNAPSHOTS_MAX:
            self._waiting.popitem(last=False)
        if peer is not None:
            self._context.send(source, WantMessage(incomplete.missing[:IDS_PER_MESSAGE_MAX]))

    def proposals_came(self) -> None:
        """Proposals arrived: judge again what waited for them."""
        for waiting in list(self._waiting.values()):
            if waiting.snapshot.id in self._waiting and self._complete(waiting.snapshot):
                self.offer(waiting.snapshot, waiting.source)

    def _complete(self, snapshot: Signed[Snapshot]) -> bool:
        lacking = [id_ for id_ in snapshot.statement.proposals if id_ not in self._pending.proposals]
        return len(self._context.store.artifacts(lacking)) == len(lacking)

    def _retry(self, parent: bytes) -> None:
        for waiting in list(self._waiting.values()):
            if waiting.snapshot.statement.previous == parent and waiting.snapshot.id in self._waiting:
                self.offer(waiting.snapshot, waiting.source)

    def expire(self) -> None:
        """Give up waiting for what nobody sent; the next comparison of heads starts over."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        for id_ in [id_ for id_, waiting in self._waiting.items() if waiting.asked_ms < before]:
            del self._waiting[id_]

    # --- what follows -----------------------------------------------------------------------------

    def settle(self, judged: Sequence[Judged], change: HeadChange | None, accepted: Accepted) -> None:
        """Store the proposals of what was accepted and tell everybody that the head moved."""
        self.accepted += len(judged)
        rows: list[tuple[bytes, str, bytes, bool]] = []
        for one in judged:
            snapshot, proposals = accepted[one.snapshot.id]
            here = {proposal.id: proposal for proposal in proposals}
            for id_ in snapshot.statement.proposals:
                if id_ not in self._pending.open:
                    rows.append((id_, here[id_].type, here[id_].raw, False))
        if rows:
            self._context.store.apply([PutArtifacts(rows)])
        if change is not None:
            self._moved(change, accepted)
        self._reopen_aside(judged, accepted)

    def _reopen_aside(self, judged: Sequence[Judged], accepted: Accepted) -> None:
        """What only a snapshot beside our line lists is pending here, like what was superseded (F4)."""
        ledger = self._context.ledger
        head = ledger.head
        for one in judged:
            if one.tip.height <= head.height and ledger.id_at(head.branch, one.tip.height) == one.tip.id:
                continue
            if one.tip.branch == head.branch and one.tip.height > head.height:
                continue  # ahead of a head that a conflict holds back (F3)
            self._reopen(accepted[one.snapshot.id][1])

    def _reopen(self, proposals: Iterable[Signed[Proposal]]) -> int:
        """Make those pending again that our line does not list and whose authors are members; returns how
        many."""
        context = self._context
        head = context.ledger.head
        again = []
        for proposal in proposals:
            listed = context.store.fact(head.branch, b"p" + proposal.id, head.height) is not None
            special = isinstance(proposal.statement.action, AUTHORITY_ACTIONS)
            if listed or special or not is_admitted(head.members, proposal.key):
                continue
            if proposal.id in self._pending.rejections or not self._pending.room_for(proposal.key):
                continue
            again.append(proposal)
        bad = set(context.verifier.failing(again))
        good = [trust_stored(proposal) for proposal in again if proposal.id not in bad]
        self._pending.add(*good)
        self._contents.want(_contents_of(good))
        return len(good)

    def _moved(self, change: HeadChange, accepted: Accepted) -> None:
        context = self._context
        listed = list(self._listed(change.new.branch, change.fork_height, change.new.height, accepted))
        ids = [proposal.id for proposal in listed]
        closed = self._pending.close(ids)
        self._pending.forget_rejections(ids)
        if change.fork_height < change.old.height:
            self._supersede(change)
        self._contents.want(_contents_of(listed))
        context.publish("head", height=change.new.height, id=change.new.id.hex(), fork=change.fork_height)
        for proposal in closed:
            if proposal.key == context.key:
                context.publish("proposal", id=proposal.id.hex(), state="witnessed", height=change.new.height)
        for listener in self.listeners:
            listener.head_moved(change, listed)

    def _listed(self, branch: int, above: int, height: int, accepted: Accepted) -> Iterable[Signed[Proposal]]:
        """The proposals that the line of `branch` lists at heights above `above`, in order."""
        rows: list[SnapshotRow] = []
        at = above + 1
        known = {snapshot.statement.height: (snapshot, listed) for snapshot, listed in accepted.values()}
        while at <= height:
            if at in known:
                snapshot, proposals = known[at]
                here = {proposal.id: proposal for proposal in proposals}
                yield from (here[id_] for id_ in snapshot.statement.proposals)
                at += 1
                continue
            rows = self._context.store.snapshots(branch, at, 64)
            for row in rows:
                if row.height > height or row.height in known:
                    break
                ids = read_snapshot(row).statement.proposals
                stored = self._context.store.artifacts(ids)
                yield from (trust_stored(decode_as(Proposal, stored[id_])) for id_ in ids)
                at = row.height + 1
            if not rows:
                return

    def _supersede(self, change: HeadChange) -> None:
        """What only the superseded snapshots listed is pending again (F4)."""
        old = change.old
        count = self._reopen(self._listed(old.branch, change.fork_height, old.height, {}))
        self._context.publish(
            "notice",
            code="superseded",
            text=f"snapshots @{change.fork_height + 1} to @{old.height} were superseded; "
            f"{count} of their proposals are pending again",
        )
