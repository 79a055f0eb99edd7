"""Histories for tests of what is read from them: made through the gate, in a memory store."""

from __future__ import annotations

from nacl.signing import SigningKey

from aslp2p.artifacts.content import ContentBuilder
from aslp2p.artifacts.envelope import VERIFIER, Verified, sign_statement
from aslp2p.artifacts.types import (
    Action,
    Endorsement,
    Genesis,
    Named,
    Policy,
    Proposal,
    Put,
    Rejection,
    Rotation,
    Snapshot,
)
from aslp2p.ledger.gate import Ancestry, judge, judge_genesis
from aslp2p.ledger.reader import (
    BranchRow,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutMeta,
    PutSnapshot,
    SnapshotRow,
)
from aslp2p.ledger.state import Draft
from aslp2p.store.memory import MemoryStore
from aslp2p.views.view import View

DAY_MS = 86_400_000


class Key:
    """A domain key from one number."""

    def __init__(self, number: int) -> None:
        self._signing = SigningKey(bytes([number] * 32))
        self.key = bytes(self._signing.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message).signature


class History:
    """One Common in `store`: 2 of 3 of `ann` (its witness), `ben` and `cleo`."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.ann, self.ben, self.cleo = Key(1), Key(2), Key(3)
        named = (Named("ann", self.ann.key), Named("ben", self.ben.key), Named("cleo", self.cleo.key))
        self.policy = Policy(
            witnesses=named,
            threshold=2,
            rotation_allowed=True,
            grace_period_ms=30 * DAY_MS,
            participants="invited",
            protocol=1,
        )
        genesis = sign_statement(Genesis("home", self.policy, named, None, 1000, bytes(32)), self.ann)
        self.id = genesis.id
        draft = Draft(self.store, 0, 0)
        self.tip = judge_genesis(genesis, draft)
        self.witness = self.ann
        self._salt = 0
        row = SnapshotRow(genesis.id, 0, 0, b"", 0, genesis.key, 0, genesis.raw)
        self.store.apply([PutSnapshot(row), PutFacts(0, 0, draft.seal())])
        self._move(row)

    def propose(self, action: Action, author: Key | None = None, *, open_: bool = True) -> Verified[Proposal]:
        """A stored proposal by `author`, the witness unless said otherwise."""
        self._salt += 1
        statement = Proposal(self.id, 2000 + self._salt, self._salt.to_bytes(8, "big"), action)
        proposal = sign_statement(statement, author or self.ann)
        self.store.apply([PutArtifacts([proposal], open=open_)])
        return proposal

    def put(
        self, path: str, data: bytes, author: Key | None = None, *, stored: bool = True
    ) -> Verified[Proposal]:
        """A stored proposal that puts `data`, which is stored unless said otherwise."""
        builder = ContentBuilder()
        pieces = builder.feed(data)
        content = builder.finish()
        if stored:
            self.store.apply([PutContent(*piece) for piece in (*pieces, *content.last)])
        return self.propose(Put(path, content.id, content.size, "", False, 0, None), author)

    def emit(
        self, *proposals: Verified[Proposal], certificate: tuple[bytes, ...] | None = None, epoch: int = 0
    ) -> int:
        """The height of the next snapshot, which lists `proposals`."""
        ids = tuple(one.id for one in proposals)
        frontier, _ = self.tip.frontier.extend(ids)
        height = self.tip.height + 1
        statement = Snapshot(
            self.id,
            height,
            self.tip.id,
            epoch,
            3000 + height,
            ids,
            frontier.size,
            frontier.root(),
            certificate,
            None,
        )
        snapshot = sign_statement(statement, self.witness)
        judged = judge(
            snapshot,
            proposals,
            self.tip,
            self.id,
            Draft(self.store, 0, self.tip.height),
            Ancestry(self._id_at, lambda _: 0, lambda _: False),
            VERIFIER,
        )
        self.tip = judged.tip
        row = SnapshotRow(
            snapshot.id, 0, height, statement.previous, epoch, snapshot.key, frontier.size, snapshot.raw
        )
        self.store.apply([PutSnapshot(row), PutFacts(0, height, judged.changes), PutArtifacts(proposals)])
        self._move(row)
        return height

    def rotate(self, to: Key, epoch: int, reason: str) -> int:
        """The height of the transition that hands the office to `to`."""
        action = Rotation(epoch, self.tip.height, self.tip.id, to.key, reason)
        proposal = self.propose(action, self.witness)
        endorsements = [
            sign_statement(Endorsement(self.id, proposal.id, epoch, 1), signer)
            for signer in (self.ann, self.ben, to)
        ]
        by_key = {one.key: one.raw for one in endorsements}
        height = self.emit(proposal, certificate=tuple(by_key[key] for key in sorted(by_key)))
        self.witness = to
        return height

    def reject(self, proposal: Verified[Proposal], code: str, text: str) -> None:
        rejection = sign_statement(Rejection(self.id, proposal.id, code, text, 9000), self.witness)
        self.store.apply([PutArtifacts([rejection], open=True)])

    def view(self, asker: Key | None = None) -> View:
        return View(self.store, own_key=None if asker is None else asker.key)

    def _id_at(self, height: int) -> bytes | None:
        row = self.store.snapshot_at(0, height)
        return None if row is None else row.id

    def _move(self, row: SnapshotRow) -> None:
        branch = BranchRow(0, -1, -1, row.height, row.id, row.height)
        self.store.apply([PutBranch(branch), PutMeta("head", row.id)])
        self.store.commit()
