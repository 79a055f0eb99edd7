"""Signed artifacts: `[type, body, key, signature]` (A2), and who may say that one is verified (A5).

    bytes --decode_artifact--> Signed[T] ----------.
                                                   Verifier --> Verified[T]
    a store's bytes --read_stored--> Stored[T] ----'

The signature covers `PAE(type, body)`; the id is the SHA-256 of that followed by the key. So an id names a
*statement by a signer*: a second valid signature over it is the same artifact. Three kinds say what is known
of one, and mypy tells them apart. `Signed` was decoded, and its signature may be anything. `Stored` was read
back, and says whether its signature was verified before. `Verified` was checked in this process, or before it
was stored, or made here. Only a `Verifier` and `sign_statement` make `Verified`; what stands on a signature
takes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec
from msgspec import Struct
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from aslp2p.artifacts import canonical
from aslp2p.artifacts.types import ACTION_NAMES, TYPE_OF, TYPES, Proposal, Statement
from aslp2p.errors import ArtifactError, NewerArtifact
from aslp2p.limits import ARTIFACT_BYTES_MAX, KEY_BYTES, SIGNATURE_BYTES

S = TypeVar("S", bound=Statement)
S_co = TypeVar("S_co", bound=Statement, covariant=True)


def pae(type_: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what a domain key signs, always under a type of its own."""
    name = type_.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


class Signed(Struct, Generic[S_co], frozen=True, eq=False):
    """A decoded artifact. `raw` are the bytes as they came; the signature is *not* checked yet."""

    raw: bytes
    id: bytes
    type: str
    key: bytes
    body: bytes
    signature: bytes
    statement: S_co

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signed) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class Stored(Signed[S_co], frozen=True, eq=False):
    """An artifact that was read back from a store, its checksum intact."""

    audited: bool
    """Whether its signature was verified before it was stored, or since."""


class Verified(Signed[S_co], frozen=True, eq=False):
    """An artifact whose signature was verified, here or before it was stored, or made here."""


class Signer(Protocol):
    """A domain key that can sign (Ed25519)."""

    @property
    def key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


def decode_artifact(raw: bytes) -> Signed[Statement]:
    """The artifact that `raw` encodes, its signature unchecked.

    Raises `ArtifactError` citing A3 (not canonical, or not of its type's shape: how many fields, of which
    kinds) or A4 (unknown type or action, out of bounds), and nothing else, whatever the bytes.
    """
    parts = canonical.decode(raw, bytes_max=ARTIFACT_BYTES_MAX)
    if type(parts) is not list or len(parts) != 4:
        raise ArtifactError("A3", "an artifact is an array of type, body, key and signature")
    type_, body, key, signature = parts
    if (
        type(type_) is not str
        or type(body) is not bytes
        or type(key) is not bytes
        or type(signature) is not bytes
    ):
        raise ArtifactError("A3", "an artifact is a string and three byte strings")
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise ArtifactError("A4", "a key has 32 bytes and a signature 64")
    known = TYPES.get(type_)
    if known is None:
        raise NewerArtifact(f"the artifact type {type_[:64]!r}")
    record, body_max = known
    value = canonical.decode(body, bytes_max=body_max)
    try:
        statement = msgspec.convert(value, record, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        if record is Proposal and (action := _unknown_action(value)) is not None:
            raise NewerArtifact(f"the action {action[:64]!r}") from None
        raise ArtifactError(_rule_of(error), f"not a {type_}: {error}") from None
    identity = sha256(pae(type_, body) + key).digest()
    return Signed(raw, identity, type_, key, body, signature, statement)


def _unknown_action(body: Any) -> str | None:
    """The name of the action in a proposal's decoded body, if it is one that is not known."""
    if type(body) is not list or len(body) != len(Proposal.__struct_fields__):
        return None
    action = body[-1]
    if type(action) is not list or not action or type(action[0]) is not str:
        return None
    return None if action[0] in ACTION_NAMES else action[0]


def _rule_of(error: msgspec.ValidationError) -> str:
    """A3 for what has another shape, A4 for what has the shape and a value that is unknown or out of bounds.

    msgspec says which only in words: "Expected `int`, got `str`" is a shape.
    """
    text = str(error)
    return "A3" if text.startswith("Expected ") and ", got " in text else "A4"


def decode_as(record: type[S], raw: bytes) -> Signed[S]:
    """`decode_artifact` for bytes that must hold a `record`; raises `ArtifactError` (A3) for another type."""
    return of_type(record, decode_artifact(raw))


def read_stored(raw: bytes, *, audited: bool) -> Stored[Statement]:
    """What a store holds as `raw`; `audited` is what the store says of it, or what follows from the place
    where it keeps it. Raises `ArtifactError` (A3, A4) for what is none."""
    one = decode_artifact(raw)
    return Stored(one.raw, one.id, one.type, one.key, one.body, one.signature, one.statement, audited)


def read_stored_as(record: type[S], raw: bytes, *, audited: bool) -> Stored[S]:
    """`read_stored` for bytes that must hold a `record`; raises `ArtifactError` (A3) for another type."""
    return cast("Stored[S]", of_type(record, read_stored(raw, audited=audited)))


def of_type(record: type[S], signed: Signed[Any]) -> Signed[S]:
    """`signed`, which must hold a `record`; raises `ArtifactError` (A3) for another type."""
    if type(signed.statement) is not record:
        raise ArtifactError("A3", f"a {signed.type} where a {TYPE_OF[record]} belongs")
    return cast("Signed[S]", signed)


def signature_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Libsodium's single, strict verification: low-order and non-canonical keys and malleable signatures
    fail (A5)."""
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


class Verifier:
    """Checks signatures, and nobody else makes `Verified` of what came from elsewhere.

    A pure function of the bytes: subclasses may remember results or use more threads. What is verified
    already, or was audited before it was stored, costs nothing."""

    def holds(self, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
        """For each (key, message, signature), whether it verifies."""
        return [signature_holds(*item) for item in items]

    def verify(self, signed: Signed[S]) -> Verified[S]:
        """`signed` with its proof in the type; raises `ArtifactError` (A5)."""
        return self.verify_all((signed,))[0]

    def verify_all(self, many: Iterable[Signed[S]]) -> list[Verified[S]]:
        """All of `many`, verified; raises `ArtifactError` (A5) naming the first that fails."""
        signed = list(many)
        if bad := self.failing(signed):
            one = next(one for one in signed if one.id == bad[0])
            raise ArtifactError("A5", f"the signature of {one.type} {one.id.hex()[:12]} does not verify")
        return [_vouch(one) for one in signed]

    def sift(self, many: Iterable[Signed[S]]) -> tuple[list[Verified[S]], set[bytes]]:
        """Those of `many` that verify, in their order, and the ids of those that do not."""
        signed = list(many)
        bad = set(self.failing(signed))
        return [_vouch(one) for one in signed if one.id not in bad], bad

    def failing(self, many: Iterable[Signed[Any]]) -> list[bytes]:
        """The ids of those of `many` whose signature does not verify."""
        unproven = [one for one in many if not _is_proven(one)]
        answers = self.holds([(one.key, pae(one.type, one.body), one.signature) for one in unproven])
        return [one.id for one, holds in zip(unproven, answers, strict=True) if not holds]


VERIFIER = Verifier()


def _is_proven(signed: Signed[Any]) -> bool:
    return type(signed) is Verified or (isinstance(signed, Stored) and signed.audited)


def _vouch(signed: Signed[S]) -> Verified[S]:
    if type(signed) is Verified:
        return signed
    return Verified(
        signed.raw, signed.id, signed.type, signed.key, signed.body, signed.signature, signed.statement
    )


def verify_signature(signed: Signed[S]) -> Verified[S]:
    """`signed`, once its signature has verified; raises `ArtifactError` citing A5."""
    return VERIFIER.verify(signed)


def sign_statement(statement: S, signer: Signer) -> Verified[S]:
    """The artifact in which `signer` makes `statement`."""
    type_ = TYPE_OF[type(statement)]
    body = canonical.encode(msgspec.to_builtins(statement, builtin_types=(bytes,)))
    message = pae(type_, body)
    signature = signer.sign(message)
    raw = canonical.encode([type_, body, signer.key, signature])
    return Verified(raw, sha256(message + signer.key).digest(), type_, signer.key, body, signature, statement)
