"""Invite tokens: a member's word that whoever holds a one-time key may be let in (section 11, P6).

How it works. The inviter makes a new Ed25519 key, signs an `InviteToken` that names it, and gives away both:

    token = [artifact, seed]          in the invite: whoever has it can use it
    shown = [artifact, signature]     on links: good for one domain key, and for nobody else

The signature is the one-time key's over `PAE("asl.bearer/1", the artifact's id || domain key)`, and the
domain key is proved in the link itself. A joiner shows the second form to any peer that knows the network
secret; what such a peer learns lets it in nowhere. The seed never leaves the invite, and is not kept once
`bear` has used it.
"""

from __future__ import annotations

from typing import Any

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from aslp2p.artifacts import canonical
from aslp2p.artifacts.envelope import (
    Signed,
    Signer,
    Verified,
    decode_as,
    pae,
    sign_statement,
    signature_holds,
    verify_signature,
)
from aslp2p.artifacts.types import InviteToken, Shown
from aslp2p.errors import ArtifactError
from aslp2p.limits import INVITE_SEED_BYTES, INVITE_TOKEN_BYTES_MAX, SIGNATURE_BYTES

TYPE = "asl.bearer/1"


def make_token(
    common_id: bytes, expires_ms: int, uses: int, seed: bytes, signer: Signer
) -> tuple[Verified[InviteToken], bytes]:
    """The artifact, and the token for an invite; `seed` (32 random bytes) makes its one-time key."""
    bearer, _ = crypto_sign_seed_keypair(seed)
    signed = sign_statement(InviteToken(common_id, expires_ms, uses, bearer), signer)
    return signed, canonical.encode([signed.raw, seed])


def invite_id(token: bytes) -> bytes:
    """The id of the invite in a token, by which it can be revoked. Raises `ArtifactError` for no token."""
    return _parts(token, INVITE_SEED_BYTES)[0].id


def expires_ms(token: bytes) -> int:
    """Until when the invite in a token is good. Raises `ArtifactError` for no token."""
    return _parts(token, INVITE_SEED_BYTES)[0].statement.expires_ms


def bear(token: bytes, key: bytes) -> bytes:
    """What the domain `key` shows on links for an invite's `token`, at most 512 bytes.

    Raises `ArtifactError` (A3, A4) for what is no token.
    """
    signed, seed = _parts(token, INVITE_SEED_BYTES)
    bearer, secret = crypto_sign_seed_keypair(seed)
    if bearer != signed.statement.bearer:
        raise ArtifactError("A3", "a token's seed does not make the key that it names")
    signature = crypto_sign(_claim(signed, key), secret)[:crypto_sign_BYTES]
    return canonical.encode([signed.raw, signature])


def read_shown(shown: bytes) -> Shown:
    """What a link carries, its signatures unchecked: what an `admit` holds. Raises `ArtifactError`."""
    signed, signature = _parts(shown, SIGNATURE_BYTES)
    return Shown(signed.raw, signature)


def borne(shown: Shown, key: bytes) -> Verified[InviteToken]:
    """The invite that lets the domain `key` in, its inviter's signature and its bearer's verified.

    Whether the inviter is a member, and the invite live, is the caller's to judge. Raises `ArtifactError`.
    """
    verified = verify_signature(decode_as(InviteToken, shown.invite))
    if not signature_holds(verified.statement.bearer, _claim(verified, key), shown.signature):
        raise ArtifactError("A5", "a token that is shown by a key that it was not made out to")
    return verified


def _claim(signed: Signed[InviteToken], key: bytes) -> bytes:
    return pae(TYPE, signed.id + key)


def _parts(data: bytes, size: int) -> tuple[Signed[InviteToken], bytes]:
    """The artifact, and the `size` bytes behind it."""
    parts: Any = canonical.decode(data, bytes_max=INVITE_TOKEN_BYTES_MAX)
    if type(parts) is not list or [type(part) for part in parts] != [bytes, bytes] or len(parts[1]) != size:
        raise ArtifactError("A3", f"a token is an artifact and {size} bytes")
    return decode_as(InviteToken, parts[0]), parts[1]
