"""How a domain key proves itself inside a link: the plaintext of the first transport frame each way (G2).

A proof is the canonical array `[version, key, signature, token, name]`; the signature is the domain key's
over `PAE("asl.link/1", handshake hash || role || Common id)`. The handshake hash covers both static keys,
both ephemeral keys and the network secret, so a proof holds in one link only; the role byte keeps it from
being sent back to its maker; and PAE under a type of its own keeps it from being anything else that a
domain key signs (A5). The token and the name are not signed: the link's encryption authenticates them as
the same peer's.
"""

from __future__ import annotations

from dataclasses import dataclass

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import Signer, pae, signature_holds
from aslp2p.errors import UPDATE, ArtifactError, InvariantBroken, LinkError
from aslp2p.limits import (
    KEY_BYTES,
    LINK_NAME_BYTES_MAX,
    LINK_PROOF_BYTES_MAX,
    LINK_TOKEN_BYTES_MAX,
    SIGNATURE_BYTES,
)

PROTOCOL = "asl.link/1"
VERSION = 1
_SHAPE = (int, bytes, bytes, bytes, str)


@dataclass(frozen=True, slots=True)
class KeyProof:
    """What a peer proved, its domain key, and what it said: an invite's token or b"", its name or ""."""

    key: bytes
    token: bytes
    name: str


def _statement(handshake_hash: bytes, common_id: bytes, *, by_initiator: bool) -> bytes:
    """What is signed: 64 bytes, 1 byte (0 for the initiator, 1 for the responder), 32 bytes."""
    return pae(PROTOCOL, handshake_hash + (b"\0" if by_initiator else b"\1") + common_id)


def check_claims(token: bytes, name: str) -> None:
    """Raises `InvariantBroken` for a token or a name of ours that no peer would accept."""
    if len(token) > LINK_TOKEN_BYTES_MAX or len(name.encode()) > LINK_NAME_BYTES_MAX:
        raise InvariantBroken(
            f"a link's token has at most {LINK_TOKEN_BYTES_MAX} bytes and its name {LINK_NAME_BYTES_MAX}"
        )


def make_proof(
    signer: Signer, handshake_hash: bytes, common_id: bytes, *, by_initiator: bool, token: bytes, name: str
) -> bytes:
    """The proof's bytes, at most `LINK_PROOF_BYTES_MAX`."""
    signature = signer.sign(_statement(handshake_hash, common_id, by_initiator=by_initiator))
    return canonical.encode([VERSION, signer.key, signature, token, name])


def read_proof(data: bytes, handshake_hash: bytes, common_id: bytes, *, by_initiator: bool) -> KeyProof:
    """The peer's proof, its signature verified; raises `LinkError` for anything else."""
    try:
        parts = canonical.decode(data, bytes_max=LINK_PROOF_BYTES_MAX, array_max=len(_SHAPE))
    except ArtifactError as error:
        raise LinkError(f"no proof of a domain key: {error.message}") from None
    if type(parts) is not list or tuple(map(type, parts)) != _SHAPE:
        raise LinkError("no proof of a domain key: not a version, three byte strings and a name")
    version, key, signature, token, name = parts
    if version != VERSION:
        raise LinkError(f"a proof of version {version} is unknown to this version; {UPDATE}")
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise LinkError("a proof whose key or signature has the wrong size")
    if len(token) > LINK_TOKEN_BYTES_MAX or len(name.encode()) > LINK_NAME_BYTES_MAX:
        raise LinkError("a proof whose token or name is too long")
    if not signature_holds(key, _statement(handshake_hash, common_id, by_initiator=by_initiator), signature):
        raise LinkError("a proof whose signature does not verify")
    return KeyProof(key, token, name)
