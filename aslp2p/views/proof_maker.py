"""Making a proof that a file is in the Common (section 10.2); `ledger.proof` judges what is made here."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice
from typing import Any

from aslp2p.artifacts.envelope import Signed, decode_as
from aslp2p.artifacts.proof_file import BRIEF, WHOLE, Listed, Proof, encode_proof
from aslp2p.artifacts.types import (
    Admit,
    Cosignature,
    Genesis,
    PolicyChange,
    Proposal,
    Revocation,
    Snapshot,
    Succession,
)
from aslp2p.errors import InvariantBroken, Rejected, UserError
from aslp2p.ledger.facts import (
    cosignatures_on,
    entry_at,
    listed_at,
    member_changes,
    standing_at,
    standing_changes,
)
from aslp2p.ledger.finality import final_height
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.proof import check_proof
from aslp2p.ledger.reader import SnapshotRow
from aslp2p.ledger.state import ADMITTED
from aslp2p.ledger.tree import prove_inclusion
from aslp2p.limits import (
    CONTROL_LINE_BYTES_MAX,
    KIB,
    PROOF_BYTES_MAX,
    PROOF_LINE_MAX,
    PROOF_WHOLE_BYTES,
)
from aslp2p.views.tree import entry
from aslp2p.views.view import View

_STEPS_MAX = 1000

assert PROOF_BYTES_MAX * 4 // 3 + 8 * KIB < CONTROL_LINE_BYTES_MAX  # noqa: S101 - an answer holds a proof


def prove(view: View, path: str, at: int | None = None, brief: bool = False) -> dict[str, Any]:
    """A proof, in base64, that `path` was put as it was at `@at`: with the whole history when that is small
    (unless `brief`), else with what moves authority. `height` lists it, `final` is what is final above it.

    Raises `UserError` when there is no such file, or no proof can be made of it.
    """
    shown = entry(view, path, at)
    held = entry_at(view.reader, view.branch, view.at(at), path)
    if held is None:
        raise InvariantBroken("an entry that is shown and not there")
    maker = _Maker(view, held.proposal)
    proof = None if brief else maker.whole()
    if proof is None:
        proof = maker.brief()
    raw = encode_proof(proof)
    try:
        check_proof(proof, view.row(0).id)
    except Rejected as refused:  # somebody became a member above what is final, and acted there
        raise UserError(
            f"no brief proof can be made now ({refused.message})",
            remedy="ask again when more authorities have cosigned the newest versions: asl status",
        ) from None
    if len(raw) > PROOF_BYTES_MAX:
        raise UserError(
            f"this proof would have {len(raw)} bytes; one has at most {PROOF_BYTES_MAX}",
            remedy="ask again when more authorities have cosigned the newest versions: asl status",
        )
    return {
        "proof": base64.b64encode(raw).decode("ascii"),
        "kind": proof.kind,
        "size": len(raw),
        "snapshots": len(proof.line),
        "proposals": len(proof.listed),
        "height": maker.height,
        "final": proof.final,
        "entry": shown,
    }


class _Maker:
    """One proof of one listed proposal."""

    def __init__(self, view: View, proposal: bytes) -> None:
        self._view = view
        self._reader = view.reader
        self._index = self._index_of(proposal)
        row = self._reader.snapshot_holding(view.branch, self._index)
        if row is None:
            raise InvariantBroken("a listed proposal without its snapshot")
        self.height = row.height
        self._genesis = decode_as(Genesis, view.row(0).raw)
        final = final_height(self._reader, view.branch, view.height)
        self._final = final if final >= self.height else None
        self._cosignatures = self._quorum()
        self._top = max([self._final or self.height, *(one.statement.height for one in self._cosignatures)])

    def _index_of(self, proposal: bytes) -> int:
        index = listed_at(self._reader, self._view.branch, self._view.height, proposal)
        if index is None:
            raise InvariantBroken("what made an entry is not listed")
        return index

    def _quorum(self) -> tuple[Signed[Cosignature], ...]:
        """Cosignatures that make `_final` final, of the lowest snapshots: what is between is shown."""
        if self._final is None:
            return ()
        policies = standing_at(self._reader, self._view.branch, self._final).policies
        wanted = frozenset(witness.key for policy in policies for witness in policy.witnesses)
        held = cosignatures_on(self._reader, self._view.branch, self._view.height)
        taken: dict[bytes, Signed[Cosignature]] = {}
        for height, key, raw in sorted((at, key, raw) for key, (at, raw) in held.items() if key in wanted):
            if height >= self._final and not satisfies_all(policies, taken.keys()):
                taken[key] = decode_as(Cosignature, raw)
        return tuple(one for _, one in sorted(taken.items()))

    # --- whole ------------------------------------------------------------------------------------

    def whole(self) -> Proof | None:
        """The history up to what has to be shown, if that is small."""
        if self._top > PROOF_LINE_MAX or self._view.row(self._top).log_size > PROOF_LINE_MAX:
            return None
        line: list[Signed[Snapshot]] = []
        listed: list[Listed] = []
        size = len(self._genesis.raw)
        for row in self._reader.snapshots(self._view.branch, 1, self._top):
            snapshot = decode_as(Snapshot, row.raw)
            line.append(snapshot)
            raws = self._reader.artifacts(snapshot.statement.proposals)
            for id_ in snapshot.statement.proposals:
                listed.append(Listed(decode_as(Proposal, raws[id_]), len(listed)))
            size += len(row.raw) + sum(map(len, raws.values()))
            if size > PROOF_WHOLE_BYTES:
                return None
        return self._proof(WHOLE, line, listed)

    def _proof(self, kind: str, line: list[Signed[Snapshot]], listed: list[Listed]) -> Proof:
        return Proof(
            kind, self._genesis, tuple(line), self._final, self._cosignatures, tuple(listed), self._index
        )

    # --- brief ------------------------------------------------------------------------------------

    def brief(self) -> Proof:
        """What moves authority up to what is final, that and what is cosigned above it."""
        if self._final is None:
            raise UserError(
                f"@{self.height} is not final yet, and a brief proof rests on cosignatures",
                remedy="wait until `asl status` says so, or leave out --brief where the history is small",
            )
        heights = sorted({*self._moving(), *range(self._final, self._top + 1)})
        if len(heights) > PROOF_LINE_MAX:
            raise UserError(
                f"this proof would hold {len(heights)} snapshots; one holds at most {PROOF_LINE_MAX}",
                remedy="ask again when more authorities have cosigned the newest versions: asl status",
            )
        line = [decode_as(Snapshot, self._view.row(height).raw) for height in heights]
        wanted = {self._index: self._proposal(self._index)}
        for snapshot in line:
            statement = snapshot.statement
            self._want_member(snapshot.key, wanted)
            if statement.certificate is not None:
                wanted[statement.log_size - len(statement.proposals)] = self._read(statement.proposals[0])
        for proposal in list(wanted.values()):
            for key in _needed(proposal):
                self._want_member(key, wanted)
        final = self._view.row(self._final)
        return self._proof(BRIEF, line, [self._listed(at, one, final) for at, one in sorted(wanted.items())])

    def _moving(self) -> Iterator[int]:
        """The heights of snapshots with a certificate or settlement."""
        view = self._view
        changes = list(islice(standing_changes(self._reader, view.branch, -1, self._top), _STEPS_MAX))
        if len(changes) == _STEPS_MAX:
            raise UserError(f"authority moved more than {_STEPS_MAX} times; a proof of that is no small file")
        for height, _ in changes:
            statement = None if height == 0 else decode_as(Snapshot, view.row(height).raw).statement
            if statement is not None and (
                statement.certificate is not None or statement.settlement is not None
            ):
                yield height

    def _want_member(self, key: bytes, wanted: dict[int, Signed[Proposal]]) -> None:
        """What first made `key` a member, unless genesis or a policy change that is shown anyway did."""
        changes = member_changes(self._reader, self._view.branch, self._top, key)
        admitted = [member.by for member in changes if member.status == ADMITTED]
        if not admitted or admitted[-1] == self._genesis.id:
            return
        proposal = self._read(admitted[-1])
        index = self._index_of(proposal.id)
        if isinstance(proposal.statement.action, Admit) and index not in wanted:
            wanted[index] = proposal
            self._want_member(proposal.key, wanted)

    def _listed(self, index: int, proposal: Signed[Proposal], final: SnapshotRow) -> Listed:
        path: tuple[bytes, ...] = ()
        if index < final.log_size:
            path = prove_inclusion(self._reader, self._view.branch, final, index)
        return Listed(proposal, index, path)

    def _proposal(self, index: int) -> Signed[Proposal]:
        statement = decode_as(Snapshot, self._view.row(self.height).raw).statement
        return self._read(statement.proposals[index - (statement.log_size - len(statement.proposals))])

    def _read(self, id_: bytes) -> Signed[Proposal]:
        raw = self._reader.artifact(id_)
        if raw is None:
            raise InvariantBroken("an accepted snapshot lists a proposal that is not here")
        return decode_as(Proposal, raw)


def _needed(proposal: Signed[Proposal]) -> set[bytes]:
    """The keys that have to be members for `proposal` to be carried out."""
    action = proposal.statement.action
    keys = {proposal.key}
    if isinstance(action, Succession):
        keys.add(action.new_witness)
    if isinstance(action, Revocation):
        keys.add(action.revoked)
    if isinstance(action, PolicyChange):
        keys |= {witness.key for witness in action.policy.witnesses}
    return keys
