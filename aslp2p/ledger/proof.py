"""Judging a proof that something is in a Common, with nothing but the Common's id (section 10.2).

How it works. A *whole* proof holds the history from genesis, and every snapshot goes through the gate. A
*brief* one holds the snapshots that move authority and, further up, one that is final:

1. Certificates and settlements are judged by the gate's own functions, against what is known at their parent.
   Between two snapshots of the line may be a gap: whatever moves authority in it would have to be there.
2. The log root of the final snapshot binds the rest to it: each certified proposal, each `admit` that lets a
   key count as a member, and what is proved, comes with its inclusion path. A succession or policy change is
   listed with its certificate or not at all (V7), so being in that log is having been carried out.
3. A quorum of what is in force at the final snapshot has cosigned it, or something that contains it. At least
   one of them does not lie (P1), and cosigned only what its own gate accepted whole.

So a brief proof rests on its cosignatures where a whole one judges, and without them it proves nothing.
Neither knows what came later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import msgspec
from msgspec import Struct

from aslp2p.artifacts.envelope import VERIFIER, Signed, Verifier, decode_artifact, decode_as
from aslp2p.artifacts.merkle import verify_inclusion
from aslp2p.artifacts.proof_file import WHOLE, Listed, Proof
from aslp2p.artifacts.types import Admit, Cosignature, Erase, Proposal, Put, Rotation, Snapshot
from aslp2p.errors import Incomplete, Rejected
from aslp2p.ledger.certificate import Parent, require_settlement
from aslp2p.ledger.facts import SEVERAL, Held, Member, Members
from aslp2p.ledger.gate import (
    AUTHORITY_ACTIONS,
    Ancestry,
    Tip,
    apply_certified,
    certify,
    judge,
    judge_genesis,
    next_standing,
    require_appointed,
    settles_first,
)
from aslp2p.ledger.members import set_member
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import ADMITTED, Draft, is_admitted, revoked_keys
from aslp2p.limits import ERASABLE_BYTES_MIN

_AT_ITS_WORD = Held(ERASABLE_BYTES_MIN, SEVERAL, 0, b"")
"""What a brief proof knows of a content that is erased: what the quorum says that erased it."""


class TraceStep(Struct, frozen=True):
    """One change of authority on the way from genesis: what did it, and who is the witness from then on."""

    height: int
    by: str
    """`genesis`, the action's name, or `policy-settled`."""
    witness: str
    endorsed_by: tuple[str, ...]


class Proven(Struct, frozen=True):
    """What a proof that holds says. Names are those of the history."""

    common: str
    path: str
    content: bytes
    size: int
    executable: bool
    author: str
    author_key: bytes
    created_ms: int
    """By the author's clock."""
    proposal: bytes
    height: int | None
    """The snapshot that lists it; None in a brief proof, which knows only that it is not above `top`."""
    top: int
    """The highest snapshot that the proof speaks of: the final one, or without one the last."""
    snapshot: bytes
    emitted_ms: int
    """By the clock of its witness."""
    witness: str
    cosigned_by: tuple[str, ...]
    """Who made it final; empty where it is not."""
    whole: bool
    trace: tuple[TraceStep, ...]


class _Nothing:
    """What is stored below genesis."""

    def fact(self, branch: int, key: bytes, height: int, /) -> bytes | None:
        return None


def check_proof(proof: Proof, common_id: bytes, verifier: Verifier = VERIFIER) -> Proven:
    """What `proof` proves about the Common `common_id`.

    Raises `Rejected` or `ArtifactError` with the first rule that fails, in the order of section 10.2.
    """
    if proof.genesis.id != common_id:
        raise Rejected("V1", "it is about another Common", subject=proof.genesis.id, against=common_id)
    walk = (_Whole if proof.kind == WHOLE else _Brief)(proof, verifier)
    walk.go()
    return walk.proven(walk.cosigners())


class _Walk(ABC):
    """Along the line of a proof, with what is known after each of its snapshots."""

    def __init__(self, proof: Proof, verifier: Verifier) -> None:
        self.proof = proof
        self.verifier = verifier
        self.genesis = verifier.verify(proof.genesis)
        self.draft = Draft(_Nothing(), 0, -1)
        self.tip = judge_genesis(self.genesis, self.draft)
        self.line: dict[int, Signed[Snapshot]] = {}
        self.ids = {0: self.genesis.id}
        self.held = {self.genesis.id}
        self.standings = {0: self.tip.standing}
        self.gone: dict[int, frozenset[bytes]] = {}
        self.members: dict[bytes, Member] = dict(self.tip.members)
        self.trace = [TraceStep(0, "genesis", self.name(self.genesis.key), ())]

    @abstractmethod
    def go(self) -> None:
        """Judge the line. Raises as `check_proof`."""

    def keep(self, snapshot: Signed[Snapshot], standing: Standing, members: Members) -> None:
        height = snapshot.statement.height
        self.line[height] = snapshot
        self.ids[height] = snapshot.id
        self.held.add(snapshot.id)
        self.standings[height] = standing
        self.gone[height] = revoked_keys(members)

    def note(self, snapshot: Signed[Snapshot], action: object, endorsers: frozenset[bytes]) -> None:
        statement = snapshot.statement
        witness = self.name(self.standings[statement.height].next_witness)
        if statement.certificate is not None and not isinstance(action, Erase):
            config = action.__struct_config__  # type: ignore[attr-defined]
            names = tuple(sorted(map(self.name, endorsers)))
            self.trace.append(TraceStep(statement.height, str(config.tag), witness, names))
        if statement.settlement is not None:
            self.trace.append(TraceStep(statement.height, "policy-settled", witness, ()))

    def name(self, key: bytes) -> str:
        member = self.members.get(key)
        return key.hex()[:8] if member is None else member.name

    def cosigners(self) -> tuple[str, ...]:
        """Judge that the snapshot at `proof.final` is final (section 7); names those who made it so."""
        proof, bottom = self.proof, self.proof.final
        if bottom is None:
            if proof.cosignatures:
                raise Rejected("P2", "it has cosignatures and names nothing that they make final")
            return ()
        keys = [one.key for one in proof.cosignatures]
        if any(left >= right for left, right in pairwise(keys)):
            raise Rejected("P2", "its cosignatures are not sorted by key with each key once")
        for one in self.verifier.verify_all(proof.cosignatures):
            at = one.statement
            named = self.line.get(at.height)
            if (
                at.common_id != self.genesis.id
                or at.height < bottom
                or named is None
                or (named.id, named.statement.epoch) != (at.snapshot, at.epoch)
            ):
                raise Rejected(
                    "P2", "a cosignature is of nothing that contains the final one", subject=one.id
                )
            if one.key not in self.standings[at.height].authorities() - self.gone[at.height]:
                raise Rejected("P2", "a cosignature is by a key that does not count there", subject=one.id)
        if not satisfies_all(self.standings[bottom].policies, frozenset(keys)):
            raise Rejected(
                "P2", "its cosignatures are no quorum of what is in force", subject=self.ids[bottom]
            )
        return tuple(sorted(map(self.name, keys)))

    def top(self) -> Signed[Snapshot]:
        """The final snapshot, or without one the last."""
        if not self.line:
            raise Rejected("V9", "it holds no snapshot")
        return self.line[max(self.line) if self.proof.final is None else self.proof.final]

    def subject(self) -> tuple[Signed[Proposal], Put]:
        """What is proved. Raises `Rejected` (V7)."""
        top = self.top().statement
        if self.proof.subject < top.log_size:
            for one in self.proof.listed:
                action = one.proposal.statement.action
                if one.index == self.proof.subject and isinstance(action, Put):
                    return one.proposal, action
        raise Rejected("V7", "what it proves is no put in the log of its snapshot")

    def proven(self, cosigned_by: tuple[str, ...]) -> Proven:
        top = self.top()
        proposal, put = self.subject()
        height = None
        if self.proof.kind == WHOLE:
            height = min(at for at, one in self.line.items() if one.statement.log_size > self.proof.subject)
        return Proven(
            common=self.genesis.statement.name,
            path=put.path,
            content=put.content,
            size=put.size,
            executable=put.executable,
            author=self.name(proposal.key),
            author_key=proposal.key,
            created_ms=proposal.statement.created_ms,
            proposal=proposal.id,
            height=height,
            top=top.statement.height,
            snapshot=top.id,
            emitted_ms=top.statement.created_ms,
            witness=self.name(top.key),
            cosigned_by=cosigned_by,
            whole=self.proof.kind == WHOLE,
            trace=tuple(self.trace),
        )


class _Whole(_Walk):
    """Genesis, every snapshot above it, and every proposal that they list: the gate itself judges."""

    def go(self) -> None:
        listed = [one.proposal for one in self.proof.listed]
        for position, one in enumerate(self.proof.listed):
            if one.index != position or one.path:
                raise Rejected("V7", "its proposals are not the whole log", subject=one.proposal.id)
        ancestry = Ancestry(self.ids.get, lambda at: self.standings[at].epoch, self.held.__contains__)
        tip: Tip = self.tip
        for snapshot in self.proof.line:
            start = tip.frontier.size
            proposals = listed[start : start + len(snapshot.statement.proposals)]
            try:
                judged = judge(snapshot, proposals, tip, self.genesis.id, self.draft, ancestry, self.verifier)
            except Incomplete:
                raise Rejected("V9", "a proposal is not in it", subject=snapshot.id) from None
            # The gate finds them by id; `subject` and the trace go by their place.
            if tuple(one.id for one in proposals) != snapshot.statement.proposals:
                raise Rejected("V7", "its proposals are not in the order of the log", subject=snapshot.id)
            tip = judged.tip
            self.members = dict(tip.members)
            self.keep(snapshot, tip.standing, tip.members)
            certified = snapshot.statement.certificate or ()
            action = proposals[0].statement.action if certified else None
            self.note(snapshot, action, frozenset(map(_signer, certified)))
        if tip.frontier.size != len(listed):
            raise Rejected("V7", "it holds proposals that nothing lists")
        if self.proof.final is not None and self.proof.final not in self.line:
            raise Rejected("P2", "what is to be final is not in it")


class _Brief(_Walk):
    """Only what moves authority, bound to a final snapshot by its log."""

    def go(self) -> None:
        heights = {one.statement.height: one for one in self.proof.line}
        final = None if self.proof.final is None else heights.get(self.proof.final)
        if final is None:
            raise Rejected("P2", "what is to be final is not in it")
        self._judge_listed(final)
        height = 0
        for snapshot in self.proof.line:
            self._judge(snapshot, height, final.statement.height)
            height = snapshot.statement.height
        if self._rest:
            raise Rejected("V7", "it holds proposals that nothing on its line needs")

    def _judge_listed(self, final: Signed[Snapshot]) -> None:
        before = -1
        size, root = final.statement.log_size, final.statement.log_root
        for one in self.proof.listed:
            proposal = one.proposal
            if one.index <= before or proposal.statement.common_id != self.genesis.id:
                raise Rejected("V7", "its proposals are not of one log, in order", subject=proposal.id)
            before = one.index
            self.verifier.verify(proposal)
            if one.index >= size and not one.path:
                continue  # above what is final: a certificate there has to want it
            if not verify_inclusion(proposal.id, one.index, size, one.path, root):
                raise Rejected(
                    "V7", "a proposal is not in the final log", subject=proposal.id, against=final.id
                )
        self._size, self._rest = size, list(self.proof.listed)

    def _judge(self, snapshot: Signed[Snapshot], below: int, final: int) -> None:
        statement = snapshot.statement
        if statement.common_id != self.genesis.id:
            raise Rejected("V1", "it belongs to another Common", subject=snapshot.id)
        standing = self.standings[below]
        follows = statement.height == below + 1
        if statement.height <= below or (follows and statement.previous != self.ids[below]):
            raise Rejected("V2", "it does not follow what is below it", subject=snapshot.id)
        if not follows:
            if below >= final:
                raise Rejected("V2", "there is a gap above what is final", subject=snapshot.id)
            standing = _across(standing, below)
        start = statement.log_size - len(statement.proposals)
        size = self.line[below].statement.log_size if below else 0
        if start < size or (follows and start != size):
            raise Rejected("V7", "its log does not go on from what is below it", subject=snapshot.id)
        special = self._certified(snapshot, start)
        action = None if special is None else special.statement.action
        require_appointed(snapshot, action, standing, statement.previous)
        self.verifier.verify(snapshot)
        parent = self._parent(snapshot, standing, action)
        endorsers: frozenset[bytes] = frozenset()
        if special is not None:
            endorsers = certify(snapshot, special, parent, self._epoch_at, self.verifier).endorsers
            if not isinstance(action, Erase):
                apply_certified(special, self.draft, self.members)
        if statement.settlement is not None and not settles_first(snapshot, action):
            require_settlement(snapshot, parent, self._epoch_at, revoked_keys(self.members), self.verifier)
        self._take(statement.log_size)
        # V8 for its signer needs no check: it was admitted when it was appointed (V7), and what ends
        # membership here is a revocation only, which appoints somebody else.
        self.keep(snapshot, next_standing(snapshot, special, standing), self.members)
        self.note(snapshot, action, endorsers)

    def _epoch_at(self, height: int) -> int:
        """The epoch of a height on the line; in a gap everything is in the one that is appointed below it."""
        if height in self.standings:
            return self.standings[height].epoch
        return self.standings[max(at for at in self.standings if at < height)].next_epoch

    def _certified(self, snapshot: Signed[Snapshot], start: int) -> Signed[Proposal] | None:
        """The proposal that the certificate of `snapshot` is for, once all that is listed before is taken."""
        statement = snapshot.statement
        self._take(start)
        if statement.certificate is None:
            return None
        first = self._rest.pop(0) if self._rest else None
        if first is None or first.index != start or (first.proposal.id,) != statement.proposals[:1]:
            raise Rejected("V9", "the proposal of a certificate is not in it", subject=snapshot.id)
        return first.proposal

    def _take(self, stop: int) -> None:
        """Apply what is listed below `stop`: admitted keys become members; the rest changes nothing here."""
        while self._rest and self._rest[0].index < stop:
            self._apply(self._rest.pop(0))

    def _apply(self, one: Listed) -> None:
        proposal, action = one.proposal, one.proposal.statement.action
        if isinstance(action, AUTHORITY_ACTIONS):
            raise Rejected("V7", "what moves authority is not on its line", subject=proposal.id)
        if one.index >= self._size:
            raise Rejected("V7", "a proposal is not in the final log", subject=proposal.id)
        if not is_admitted(self.members, proposal.key):
            raise Rejected("V7", "an author is no admitted member", subject=proposal.id)
        if isinstance(action, Admit) and action.key not in self.members:
            member = Member(action.name, ADMITTED, proposal.id, False)
            set_member(self.draft, self.members, action.key, member)

    def _parent(self, snapshot: Signed[Snapshot], standing: Standing, action: object) -> Parent:
        """What is known of the snapshot below. What lies in a gap is taken at its signers' word: a rotation's
        base, and what a settlement's cosignatures name; of one height that is one snapshot."""
        statement = snapshot.statement
        here = {statement.height - 1: statement.previous}
        if isinstance(action, Rotation):
            here.setdefault(action.base_height, action.base_id)

        def id_at(height: int) -> bytes | None:
            if (id_ := self.ids.get(height, here.get(height))) is None:
                for raw in statement.settlement or ():
                    at = decode_as(Cosignature, raw).statement
                    here.setdefault(at.height, at.snapshot)
                id_ = here.get(height)
            return id_

        return Parent(
            statement.previous,
            statement.height - 1,
            standing,
            self.members,
            id_at,
            lambda id_: id_ in self.held or id_ == statement.previous,
            lambda content: _AT_ITS_WORD,
        )


def _across(standing: Standing, below: int) -> Standing:
    """The standing at the upper end of a gap above height `below`, in which nothing moves authority."""
    appointed = (standing.next_epoch, standing.next_witness)
    if (standing.epoch, standing.witness) == appointed:
        return standing
    return msgspec.structs.replace(standing, epoch=appointed[0], witness=appointed[1], reign_height=below + 1)


def _signer(raw: bytes) -> bytes:
    return decode_artifact(raw).key
