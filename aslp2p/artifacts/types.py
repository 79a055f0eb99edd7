"""The statements that artifacts make: frozen positional records, one per type of `docs/spec.md`.

A record is decoded from a canonical array by msgspec in strict mode (no `"42"`, `True` or `42.0` for 42) and
says nothing about truth: that is the ledger's business. What a record can check of itself (a path that leaves
the tree, a name with control characters) it checks here, so such bytes are no artifact at all (A4).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from aslp2p.artifacts import text
from aslp2p.limits import (
    ABANDONS_MAX,
    ANCHORS_MAX,
    ARTIFACT_BYTES_MAX,
    AUTHORITIES_MAX,
    CONTENT_BYTES_MAX,
    EVIDENCE_MAX,
    GENESIS_BODY_BYTES_MAX,
    GRACE_PERIOD_MS_MAX,
    GRACE_PERIOD_MS_MIN,
    INVITE_TOKEN_BYTES_MAX,
    INVITE_USES_MAX,
    PROPOSAL_BODY_BYTES_MAX,
    PROPOSALS_PER_SNAPSHOT_MAX,
    SIGNATURE_BYTES,
    SMALL_BODY_BYTES_MAX,
    SNAPSHOT_BODY_BYTES_MAX,
    UINT_MAX,
)

Uint: TypeAlias = Annotated[int, Meta(ge=0, le=UINT_MAX)]
Positive: TypeAlias = Annotated[int, Meta(ge=1, le=UINT_MAX)]
Hash: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Embedded: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=ARTIFACT_BYTES_MAX)]


def _require(problem: str | None) -> None:
    if problem:
        raise ValueError(problem)


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of every statement and of what it is made of."""


class Named(Record, frozen=True):
    """A key and its label: a trust anchor, or an authority of a policy."""

    name: str
    key: Key

    def __post_init__(self) -> None:
        _require(text.name_problem(self.name))


class Policy(Record, frozen=True, kw_only=True):
    """Who may replace the witness (section 3). `ledger.policy` judges it by P1; order is the order of
    succession."""

    witnesses: Annotated[tuple[Named, ...], Meta(max_length=AUTHORITIES_MAX)]
    threshold: Annotated[int, Meta(ge=0, le=AUTHORITIES_MAX)]
    rotation_allowed: bool
    grace_period_ms: Annotated[int, Meta(ge=GRACE_PERIOD_MS_MIN, le=GRACE_PERIOD_MS_MAX)]
    participants: Literal["invited", "authorities"]
    protocol: Positive


# --- actions --------------------------------------------------------------------------------------

Expects: TypeAlias = Annotated[bytes, Meta(max_length=32)] | None
"""`None`: anything; `b""`: nothing there; 32 bytes: exactly that artifact."""


def _require_expects(expects: bytes | None) -> None:
    if expects is not None and len(expects) not in (0, 32):
        raise ValueError("`expects` is nil, empty or one id")


class Put(Record, frozen=True, tag="put"):
    path: str
    content: Hash
    size: Annotated[int, Meta(ge=0, le=CONTENT_BYTES_MAX)]
    media_type: str
    executable: bool
    modified_ms: Uint
    """When the file was changed, by its author's word; 0: not known."""
    expects: Expects

    def __post_init__(self) -> None:
        _require(text.path_problem(self.path) or text.media_type_problem(self.media_type))
        _require_expects(self.expects)


class Remove(Record, frozen=True, tag="remove"):
    path: str
    expects: Expects

    def __post_init__(self) -> None:
        _require(text.path_problem(self.path))
        _require_expects(self.expects)


class Shown(Record, frozen=True):
    """An invite's token as a joiner shows it: the invite, and its bearer's signature for one domain key
    (section 2.6). `token` judges it."""

    invite: Annotated[bytes, Meta(min_length=1, max_length=INVITE_TOKEN_BYTES_MAX)]
    signature: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Admit(Record, frozen=True, tag="admit"):
    """`token` is what lets `key` in, whoever proposes it; without one its author does."""

    key: Key
    name: str
    token: Shown | None

    def __post_init__(self) -> None:
        _require(text.name_problem(self.name))


class Expel(Record, frozen=True, tag="expel"):
    """By an authority, or by the member itself, who leaves."""

    key: Key


class Forget(Record, frozen=True, tag="forget"):
    """An expelled key that said nothing gives its place back."""

    key: Key


class Rename(Record, frozen=True, tag="rename"):
    key: Key
    name: str

    def __post_init__(self) -> None:
        _require(text.name_problem(self.name))


class RevokeInvite(Record, frozen=True, tag="revoke-invite"):
    """`invite` is the id of an `InviteToken`, by its inviter or an authority."""

    invite: Hash


class Erase(Record, frozen=True, tag="erase"):
    """The bytes of `content` are to exist nowhere any more; with a certificate where others put it too."""

    content: Hash
    reason: str

    def __post_init__(self) -> None:
        _require(text.text_problem(self.reason))


class PolicyChange(Record, frozen=True, tag="policy-change"):
    """`replaces` is the id of the proposal, or genesis, that installed the policy in force."""

    policy: Policy
    replaces: Hash


class Rotation(Record, frozen=True, tag="witness-rotation"):
    epoch: Positive
    base_height: Uint
    base_id: Hash
    new_witness: Key
    reason: str

    def __post_init__(self) -> None:
        _require(text.text_problem(self.reason))


class Recovery(Record, frozen=True, tag="witness-recovery"):
    epoch: Positive
    base_height: Uint
    base_id: Hash
    new_witness: Key
    reason: str
    abandons: Annotated[tuple[Hash, ...], Meta(max_length=ABANDONS_MAX)]

    def __post_init__(self) -> None:
        _require(text.text_problem(self.reason))


class Revocation(Record, frozen=True, tag="witness-revocation"):
    epoch: Positive
    base_height: Uint
    base_id: Hash
    new_witness: Key
    reason: str
    abandons: Annotated[tuple[Hash, ...], Meta(max_length=ABANDONS_MAX)]
    revoked: Key
    evidence: Annotated[tuple[Hash, ...], Meta(max_length=EVIDENCE_MAX)]

    def __post_init__(self) -> None:
        _require(text.text_problem(self.reason))


Takeover: TypeAlias = Recovery | Revocation
Succession: TypeAlias = Rotation | Takeover
Action: TypeAlias = (
    Put
    | Remove
    | Admit
    | Expel
    | Forget
    | Rename
    | RevokeInvite
    | Erase
    | PolicyChange
    | Rotation
    | Recovery
    | Revocation
)


ACTION_NAMES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Action))
"""How the actions that are known begin."""


# --- statements -----------------------------------------------------------------------------------


class Genesis(Record, frozen=True):
    """`common@0`, signed by the first witness: the only moment of absolute authority."""

    name: str
    policy: Policy
    anchors: Annotated[tuple[Named, ...], Meta(max_length=ANCHORS_MAX)]
    predecessor: Hash | None
    created_ms: Uint
    salt: Hash

    def __post_init__(self) -> None:
        _require(text.name_problem(self.name))


class Proposal(Record, frozen=True):
    common_id: Hash
    created_ms: Uint
    salt: Annotated[bytes, Meta(min_length=8, max_length=8)]
    action: Action


class Snapshot(Record, frozen=True):
    """`certificate` and `settlement` hold whole signed artifacts, sorted by their signers' keys."""

    common_id: Hash
    height: Positive
    previous: Hash
    epoch: Uint
    created_ms: Uint
    proposals: Annotated[tuple[Hash, ...], Meta(max_length=PROPOSALS_PER_SNAPSHOT_MAX)]
    log_size: Uint
    log_root: Hash
    certificate: Annotated[tuple[Embedded, ...], Meta(max_length=2 * AUTHORITIES_MAX + 1)] | None
    settlement: Annotated[tuple[Embedded, ...], Meta(max_length=2 * AUTHORITIES_MAX)] | None


class Endorsement(Record, frozen=True):
    """`epoch` is the succession's, or 0 for a policy change (P3)."""

    common_id: Hash
    proposal: Hash
    epoch: Uint
    created_ms: Uint


class Cosignature(Record, frozen=True):
    common_id: Hash
    epoch: Uint
    height: Positive
    snapshot: Hash
    created_ms: Uint


class Beacon(Record, frozen=True):
    common_id: Hash
    epoch: Uint
    height: Uint
    head: Hash
    counter: Uint


class Rejection(Record, frozen=True):
    common_id: Hash
    proposal: Hash
    code: str
    text: str
    created_ms: Uint

    def __post_init__(self) -> None:
        _require(text.code_problem(self.code) or text.text_problem(self.text))


class InviteToken(Record, frozen=True):
    """A member's word that whoever holds the key `bearer` may be let in; not part of history (section 11)."""

    common_id: Hash
    expires_ms: Uint
    uses: Annotated[int, Meta(ge=1, le=INVITE_USES_MAX)]
    bearer: Key


Statement: TypeAlias = (
    Genesis | Proposal | Snapshot | Endorsement | Cosignature | Beacon | Rejection | InviteToken
)

TYPES: dict[str, tuple[type[Statement], int]] = {
    "asl.common.genesis/1": (Genesis, GENESIS_BODY_BYTES_MAX),
    "asl.common.proposal/1": (Proposal, PROPOSAL_BODY_BYTES_MAX),
    "asl.common.snapshot/1": (Snapshot, SNAPSHOT_BODY_BYTES_MAX),
    "asl.common.endorsement/1": (Endorsement, SMALL_BODY_BYTES_MAX),
    "asl.common.cosignature/1": (Cosignature, SMALL_BODY_BYTES_MAX),
    "asl.common.beacon/1": (Beacon, SMALL_BODY_BYTES_MAX),
    "asl.common.rejection/1": (Rejection, SMALL_BODY_BYTES_MAX),
    "asl.common.invite/1": (InviteToken, SMALL_BODY_BYTES_MAX),
}
"""Type string to record and the most bytes its body may have (A4). Anything else is refused."""

TYPE_OF: dict[type, str] = {record: name for name, (record, _) in TYPES.items()}
