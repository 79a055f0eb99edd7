"""A proof that something is in a Common, as a file: its bytes, not whether it holds (section 10.2).

    ["asl.proof/1", kind, genesis, line, final, cosignatures, listed, subject]

`kind` is `whole` (the history from genesis on, every proposal with it) or `brief` (the snapshots that move
authority, and the final one with its cosignatures). `ledger.proof` judges both.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import Signed, decode_as
from aslp2p.artifacts.types import Cosignature, Genesis, Proposal, Snapshot, Statement
from aslp2p.errors import ArtifactError
from aslp2p.limits import (
    ARTIFACT_BYTES_MAX,
    AUTHORITIES_MAX,
    ID_BYTES,
    PROOF_BYTES_MAX,
    PROOF_LINE_MAX,
    PROOF_NODES_MAX,
    UINT_MAX,
)

TAG = "asl.proof/1"
WHOLE, BRIEF = "whole", "brief"
_FIELDS = 8
_COSIGNATURES_MAX = 2 * AUTHORITIES_MAX
"""Of two policies while a change is joint."""

S = TypeVar("S", bound=Statement)


class Listed(Struct, frozen=True):
    """A proposal, its index in the log, and its inclusion path, nearest the leaf first (none in `whole`)."""

    proposal: Signed[Proposal]
    index: int
    path: tuple[bytes, ...] = ()


class Proof(Struct, frozen=True):
    """A decoded proof; no signature in it is checked yet."""

    kind: str
    genesis: Signed[Genesis]
    line: tuple[Signed[Snapshot], ...]
    """Lowest first."""
    final: int | None
    """The height of the snapshot that the cosignatures make final; None where nothing is."""
    cosignatures: tuple[Signed[Cosignature], ...]
    listed: tuple[Listed, ...]
    subject: int
    """The index in the log of the proposal that is proved."""


def encode_proof(proof: Proof) -> bytes:
    """The bytes of `proof`, however many they are."""
    return canonical.encode(
        [
            TAG,
            proof.kind,
            proof.genesis.raw,
            [one.raw for one in proof.line],
            proof.final,
            [one.raw for one in proof.cosignatures],
            [[one.proposal.raw, one.index, b"".join(one.path)] for one in proof.listed],
            proof.subject,
        ]
    )


def decode_proof(data: bytes) -> Proof:
    """The proof that `data` encodes.

    Raises `ArtifactError` citing A3 (not canonical, not of this shape) or A4 (out of bounds, a later
    version), and nothing else, whatever the bytes.
    """
    fields = canonical.decode(data, bytes_max=PROOF_BYTES_MAX, array_max=PROOF_LINE_MAX)
    if type(fields) is not list or not fields or type(fields[0]) is not str:
        raise ArtifactError("A3", f"not an array that begins with {TAG}")
    if fields[0] != TAG:
        raise ArtifactError("A4", f"not an {TAG} but {fields[0][:64]!r}")
    if len(fields) != _FIELDS:
        raise ArtifactError("A3", f"a proof has {_FIELDS} fields")
    _, kind, genesis, line, final, cosignatures, listed, subject = fields
    if type(kind) is not str:
        raise ArtifactError("A3", "the kind of a proof is a string")
    if kind not in (WHOLE, BRIEF):
        raise ArtifactError("A4", f"a proof of kind {kind[:64]!r}, which is unknown")
    return Proof(
        kind,
        _artifact(Genesis, genesis),
        tuple(_artifact(Snapshot, raw) for raw in _array(line, PROOF_LINE_MAX)),
        None if final is None else _uint(final),
        tuple(_artifact(Cosignature, raw) for raw in _array(cosignatures, _COSIGNATURES_MAX)),
        tuple(_listed(one) for one in _array(listed, PROOF_LINE_MAX)),
        _uint(subject),
    )


def _listed(value: Any) -> Listed:
    fields = _array(value, 3)
    if len(fields) != 3 or type(fields[2]) is not bytes:
        raise ArtifactError("A3", "a listed proposal has its bytes, its index and its path")
    raw, index, path = fields
    if len(path) % ID_BYTES or len(path) > PROOF_NODES_MAX * ID_BYTES:
        raise ArtifactError("A4", f"a path of {len(path)} bytes")
    nodes = tuple(path[start : start + ID_BYTES] for start in range(0, len(path), ID_BYTES))
    return Listed(_artifact(Proposal, raw), _uint(index), nodes)


def _artifact(record: type[S], value: Any) -> Signed[S]:
    if type(value) is not bytes:
        raise ArtifactError("A3", "an artifact is a byte string")
    if not 1 <= len(value) <= ARTIFACT_BYTES_MAX:
        raise ArtifactError("A4", f"an artifact of {len(value)} bytes")
    return decode_as(record, value)


def _array(value: Any, most: int) -> list[Any]:
    if type(value) is not list:
        raise ArtifactError("A3", "an array belongs here")
    if len(value) > most:
        raise ArtifactError("A4", f"an array of {len(value)}; at most {most} are allowed")
    return value


def _uint(value: Any) -> int:
    if type(value) is not int:
        raise ArtifactError("A3", "a number belongs here")
    if not 0 <= value <= UINT_MAX:
        raise ArtifactError("A4", "a number out of bounds")
    return value
