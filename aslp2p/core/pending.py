"""What is open at this node: pending proposals, rejections, successions and what was signed for them.

Bounded by author and in all, persisted as it comes, and loaded again on start. A proposal stays pending until
history lists it or the witness rejects it; moving to another branch makes it pending again (F4).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from aslp2p.artifacts.envelope import Verified, read_stored
from aslp2p.artifacts.types import Beacon, Cosignature, Endorsement, Proposal, Rejection, Statement
from aslp2p.core.context import Context
from aslp2p.gossip.openset import OpenSet
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.reader import CloseArtifacts, DropArtifacts, PutArtifacts
from aslp2p.limits import COSIGNATURES_PER_SIGNER_MAX, PENDING_MAX, PENDING_PER_AUTHOR_MAX, REJECTIONS_MAX

S = TypeVar("S", bound=Statement)


class Pending:
    """The open set with its bookkeeping; everything in it has a verified signature."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.open = OpenSet()
        self.proposals: dict[bytes, Verified[Proposal]] = {}
        self.special: dict[bytes, Verified[Proposal]] = {}
        """Those of `proposals` that may need endorsements: successions, policy changes, and erasures."""
        self.endorsements: dict[bytes, dict[bytes, Verified[Endorsement]]] = {}
        """By proposal, then by signer."""
        self.cosignatures: dict[bytes, list[Verified[Cosignature]]] = {}
        """By signer, the newest on each line: one, unless the signer lies, or is about to move (S5)."""
        self.rejections: OrderedDict[bytes, Verified[Rejection]] = OrderedDict()
        """By proposal."""
        self.beacon: Verified[Beacon] | None = None
        """The newest, for peers that learn only its id; not history, so not stored."""
        self.revision = 0
        """Grows with every change of what is open."""
        self._by_author: Counter[bytes] = Counter()
        ids = [id_ for id_, _ in context.store.open_artifacts()]
        rows = context.store.artifact_rows(ids)
        stored = (read_stored(rows[id_].raw, audited=rows[id_].audited) for id_ in ids)
        for artifact in context.verifier.verify_all(stored):
            self._keep(artifact)

    def _keep(self, artifact: Verified[Statement]) -> None:
        if not self.open.add(artifact):
            return
        self.revision += 1
        statement = artifact.statement
        if isinstance(statement, Proposal):
            self.proposals[artifact.id] = cast("Verified[Proposal]", artifact)
            self._by_author[artifact.key] += 1
            if isinstance(statement.action, Certified):
                self.special[artifact.id] = cast("Verified[Proposal]", artifact)
        elif isinstance(statement, Rejection):
            self.rejections[statement.proposal] = cast("Verified[Rejection]", artifact)
        elif isinstance(statement, Endorsement):
            signed = self.endorsements.setdefault(statement.proposal, {})
            signed[artifact.key] = cast("Verified[Endorsement]", artifact)
        elif isinstance(statement, Cosignature):
            signed_by = self.cosignatures.setdefault(artifact.key, [])
            signed_by.append(cast("Verified[Cosignature]", artifact))

    def room_for(self, author: bytes, count: int = 1) -> bool:
        """Whether `count` more proposals of `author` may be pending. Nobody has more of them than there is
        room left: however many authors write as fast as they can, there is as much left for one more."""
        free = PENDING_MAX - len(self.proposals)
        return self._by_author[author] + count <= min(PENDING_PER_AUTHOR_MAX, free)

    def count_of(self, author: bytes) -> int:
        return self._by_author[author]

    def by_author(self) -> Iterable[tuple[bytes, int]]:
        """How many proposals of each key are pending."""
        return self._by_author.items()

    def add(self, *artifacts: Verified[Statement]) -> None:
        """Keep and persist open artifacts that are new."""
        new = [one for one in artifacts if one.id not in self.open]
        if new:
            self._context.store.apply([PutArtifacts(new, open=True)])
            for one in new:
                self._keep(one)

    def add_rejection(self, rejection: Verified[Rejection]) -> None:
        """Keep a rejection and close the proposal it refuses; the oldest rejections beyond a bound are
        closed."""
        self.add(rejection)
        self.close([rejection.statement.proposal])
        while len(self.rejections) > REJECTIONS_MAX:
            _, oldest = self.rejections.popitem(last=False)
            self.close([oldest.id])

    def close(self, ids: Iterable[bytes], *, store: bool = True) -> list[Verified[Proposal]]:
        """These are open no more, nor are endorsements of them; returns the proposals among them."""
        closed = []
        gone = []
        every = list(ids)
        for proposal_id in list(every):
            every += [one.id for one in self.endorsements.get(proposal_id, {}).values()]
        for id_ in every:
            artifact = self.open.get(id_)
            if artifact is not None:
                self.open.discard(id_)
                self.revision += 1
                gone.append(id_)
                self._forget(artifact)
                proposal = self.proposals.pop(id_, None)
                if proposal is not None:
                    self._by_author[proposal.key] -= 1
                    if not self._by_author[proposal.key]:
                        del self._by_author[proposal.key]
                    closed.append(proposal)
        if gone and store:
            self._context.store.apply([CloseArtifacts(gone)])
        return closed

    def forget(self, proposals: Sequence[bytes]) -> None:
        """As if these had never come, nor endorsements of them: they may come again."""
        gone = list(proposals)
        for proposal in proposals:
            gone += [one.id for one in self.endorsements.get(proposal, {}).values()]
        if gone:
            self.close(proposals, store=False)
            self._context.store.apply([DropArtifacts(gone)])

    def _forget(self, artifact: Verified[Statement]) -> None:
        statement = artifact.statement
        self.special.pop(artifact.id, None)
        if isinstance(statement, Endorsement):
            signed = self.endorsements.get(statement.proposal, {})
            signed.pop(artifact.key, None)
            if not signed:
                self.endorsements.pop(statement.proposal, None)
        elif isinstance(statement, Cosignature):
            kept = [one for one in self.cosignatures.get(artifact.key, ()) if one.id != artifact.id]
            self.cosignatures[artifact.key] = kept

    def add_cosignature(
        self, cosignature: Verified[Cosignature], overtaken: Sequence[Verified[Cosignature]]
    ) -> None:
        """Keep an authority's newest cosignature of a line open; those that it overtakes are facts of their
        branch and open no more. Beyond a bound those of the lowest snapshots go, the same ones everywhere."""
        self.add(cosignature)
        kept = [one for one in self.cosignatures[cosignature.key] if one not in overtaken]
        kept.sort(key=lambda one: (one.statement.epoch, one.statement.height, one.id), reverse=True)
        gone = [*overtaken, *kept[COSIGNATURES_PER_SIGNER_MAX:]]
        if gone:
            ids = [one.id for one in gone]
            self.close(ids, store=False)
            self._context.store.apply([DropArtifacts(ids)])

    def close_rejections(self, witness: bytes) -> None:
        """Only those by `witness`, who is in office, stay open: nobody takes others', so whoever was away
        would differ from everybody for ever."""
        self.close([one.id for one in self.rejections.values() if one.key != witness])
        for id_ in [id_ for id_, one in self.rejections.items() if one.key != witness]:
            del self.rejections[id_]

    def forget_rejections(self, proposals: Iterable[bytes]) -> None:
        """History lists these after all (another witness, another branch)."""
        for id_ in proposals:
            rejection = self.rejections.pop(id_, None)
            if rejection is not None:
                self.close([rejection.id])
