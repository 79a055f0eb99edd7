"""Signatures that tell verification equations apart (2.2, A5): made with scalars, not by signing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count

import nacl.bindings

from aslp2p.artifacts.canonical import encode
from aslp2p.artifacts.envelope import pae
from tests.ledger.builder import ANN

ORDER = 2**252 + 27742317777372353535851937790883648493
TORSION = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
"""A point of order 8."""
IDENTITY = b"\x01" + bytes(31)
NONCE = 4711
TYPE = "asl.common.endorsement/1"


def _scalar() -> int:
    """Ann's secret scalar."""
    half = bytearray(hashlib.sha512(b"\x01" * 32).digest()[:32])
    half[0] &= 248
    half[31] = half[31] & 127 | 64
    return int.from_bytes(half, "little")


def base(scalar: int) -> bytes:
    """`scalar` times the base point."""
    return nacl.bindings.crypto_scalarmult_ed25519_base_noclamp((scalar % ORDER).to_bytes(32, "little"))


def challenge(point: bytes, key: bytes, message: bytes) -> int:
    """SHA-512(R || A || M), not reduced."""
    return int.from_bytes(hashlib.sha512(point + key + message).digest(), "little")


def with_torsion(message: bytes) -> bytes:
    """By ann, with an R that has a part of small order: only an equation with the cofactor takes it."""
    point = nacl.bindings.crypto_core_ed25519_add(base(NONCE), TORSION)
    return point + _answer(point, ANN.key, message)


def with_no_nonce(message: bytes) -> bytes:
    """By ann, R being the identity: the equation holds, and R is of small order."""
    return IDENTITY + (challenge(IDENTITY, ANN.key, message) * _scalar() % ORDER).to_bytes(32, "little")


def by_nobody(message: bytes) -> bytes:
    """By the identity as a key: the equation holds for anybody, and A is of small order."""
    del message
    return base(NONCE) + NONCE.to_bytes(32, "little")


def _answer(point: bytes, key: bytes, message: bytes) -> bytes:
    return ((NONCE + challenge(point, key, message) * _scalar()) % ORDER).to_bytes(32, "little")


def _by_mixed_key(wanted: Callable[[int], bool]) -> bytes:
    """An endorsement by ann's key with a part of small order added, the first whose challenge is `wanted`.

    R has no such part, so the equation holds where the challenge that is multiplied is divisible by 8.
    """
    key = nacl.bindings.crypto_core_ed25519_add(ANN.key, TORSION)
    point = base(NONCE)
    for created_ms in count():
        body = encode([bytes(32), bytes(32), 1, created_ms])
        message = pae(TYPE, body)
        if wanted(challenge(point, key, message)):
            return encode([TYPE, body, key, point + _answer(point, key, message)])
    raise AssertionError


def reduced() -> bytes:
    """Holds where the challenge is reduced mod L before it is multiplied, and not where it is not."""
    return _by_mixed_key(lambda number: number % ORDER % 8 == 0 and number % 8 != 0)


def not_reduced() -> bytes:
    """The other way round."""
    return _by_mixed_key(lambda number: number % ORDER % 8 != 0 and number % 8 == 0)
