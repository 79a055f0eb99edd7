"""Signed artifacts, decoded from bytes independently: `[type, body, key, signature]`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgpack
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

GENESIS, PROPOSAL, SNAPSHOT = "asl.common.genesis/1", "asl.common.proposal/1", "asl.common.snapshot/1"
ENDORSEMENT, COSIGNATURE = "asl.common.endorsement/1", "asl.common.cosignature/1"
TAKEOVERS = ("witness-recovery", "witness-revocation")
SUCCESSIONS = ("witness-rotation", *TAKEOVERS)
CERTIFIED_ACTIONS = (*SUCCESSIONS, "policy-change")


class Unreadable(ValueError):
    """Bytes that are no signed artifact."""


@dataclass(frozen=True)
class Artifact:
    """One signed artifact; `body` is the positional array."""

    raw: bytes
    id: bytes
    type: str
    key: bytes
    body: list[Any]
    message: bytes
    signature: bytes


def pae(type_: str, body: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(type_), type_.encode(), len(body), body)


@lru_cache(maxsize=65_536)
def read(raw: bytes) -> Artifact:
    """The artifact that `raw` holds, its signature not checked. Raises `Unreadable`."""
    try:
        type_, body, key, signature = msgpack.unpackb(raw, raw=False)
        message = pae(type_, body)
        return Artifact(
            raw, sha256(message + key).digest(), type_, key, msgpack.unpackb(body), message, signature
        )
    except Exception as error:
        raise Unreadable(f"no artifact: {error}") from None


def read_message(message: bytes, key: bytes) -> Artifact:
    """The statement that `key` signed as `message` (PAE), as seen when it was signed."""
    _, name_size, rest = message.split(b" ", 2)
    type_ = rest[: int(name_size)].decode()
    body = rest[int(name_size) + 1 :].split(b" ", 1)[1]
    return Artifact(b"", sha256(message + key).digest(), type_, key, msgpack.unpackb(body), message, b"")


@lru_cache(maxsize=65_536)
def holds(signer: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 signature verifies."""
    try:
        VerifyKey(signer).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def verifies(artifact: Artifact) -> bool:
    return holds(artifact.key, artifact.message, artifact.signature)


def action_of(proposal: Artifact) -> list[Any]:
    """`[tag, field, …]`."""
    action: list[Any] = proposal.body[3]
    return action


def log_root(peaks: list[tuple[int, bytes]]) -> bytes:
    """RFC 9162's tree hash from complete subtrees (level, hash), largest first."""
    if not peaks:
        return sha256(b"").digest()
    root = peaks[-1][1]
    for _, peak in reversed(peaks[:-1]):
        root = sha256(b"\x01" + peak + root).digest()
    return root


def log_append(peaks: list[tuple[int, bytes]], leaf: bytes) -> list[tuple[int, bytes]]:
    """The subtrees with one leaf more."""
    peaks = [*peaks, (0, sha256(b"\x00" + leaf).digest())]
    while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
        (level, left), (_, right) = peaks[-2:]
        peaks[-2:] = [(level + 1, sha256(b"\x01" + left + right).digest())]
    return peaks
