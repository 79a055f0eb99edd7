"""The Noise protocol framework, revision 34, for one suite: 25519, ChaChaPoly, BLAKE2b.

One engine runs every pattern of `_PATTERNS`, with `psk0` to `psk3` where the pattern is long enough. It is
split as the specification is: a `CipherState` encrypts under a counter, a `SymmetricState` hashes and mixes
what was seen, a `HandshakeState` walks the tokens of a pattern. Private keys are arguments, so a handshake
is a function of its inputs.

1. A handshake that failed once is over: the caller drops the object (its hashes have moved on).
2. An all-zero Diffie-Hellman result is refused: the peer sent a low-order point, and everybody knows the
   secret.
3. A nonce is used once: 2^64 - 1 is kept for `rekey`, and reaching it is an error, never a wrap.

What the peer causes is `LinkError`; writing out of turn, or a key that is missing, is a bug:
`InvariantBroken`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import blake2b

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as SodiumRuntimeError

from aslp2p.errors import InvariantBroken, LinkError

KEY_BYTES = 32
TAG_BYTES = 16
HASH_BYTES = 64
NONCE_MAX = 2**64 - 1
"""Reserved for `rekey`; no message is encrypted under it."""

_SUITE = "25519_ChaChaPoly_BLAKE2b"
_PATTERNS: dict[str, tuple[str, ...]] = {
    "NN": ("e", "e ee"),
    "XX": ("e", "e ee s es", "s se"),
}


def _tokens(pattern: str) -> list[list[str]]:
    """The tokens of each message of a pattern such as `XXpsk0` or `NNpsk0+psk2`."""
    name = re.fullmatch(r"([A-Z]+)((?:psk[0-3](?:\+psk[0-3])*)?)", pattern)
    if name is None or name[1] not in _PATTERNS:
        raise InvariantBroken(f"unknown Noise pattern {pattern!r}")
    messages = [message.split() for message in _PATTERNS[name[1]]]
    for digit in re.findall(r"[0-3]", name[2]):
        place = int(digit)
        if place > len(messages):
            raise InvariantBroken(f"the Noise pattern {pattern!r} has no message for psk{place}")
        if place == 0:
            messages[0].insert(0, "psk")
        else:
            messages[place - 1].append("psk")
    return messages


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """`outputs` values of 64 bytes (section 4.3)."""
    secret = hmac.digest(chaining_key, material, "blake2b")
    values: list[bytes] = []
    last = b""
    for index in range(1, outputs + 1):
        last = hmac.digest(secret, last + bytes([index]), "blake2b")
        values.append(last)
    return values


def _dh(private: bytes | None, public: bytes | None) -> bytes:
    if private is None or public is None:
        raise InvariantBroken("a Noise key that this pattern needs was not given")
    try:
        return crypto_scalarmult(private, public)  # refuses an all-zero result itself
    except SodiumRuntimeError:
        raise LinkError("the peer sent a low-order X25519 key") from None


class CipherState:
    """ChaCha20-Poly1305 under one key with a counter as nonce (section 5.1)."""

    __slots__ = ("_key", "nonce")

    def __init__(self, key: bytes, nonce: int = 0) -> None:
        self._key = key
        self.nonce = nonce

    def _nonce_bytes(self) -> bytes:
        if self.nonce >= NONCE_MAX:
            raise InvariantBroken("a Noise cipher has used all its nonces")
        return b"\0\0\0\0" + self.nonce.to_bytes(8, "little")

    def encrypt(self, plaintext: bytes, ad: bytes | None = None) -> bytes:
        """The ciphertext, 16 bytes longer than `plaintext`; raises `InvariantBroken` if no nonce is left."""
        ciphertext = crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, self._nonce_bytes(), self._key)
        self.nonce += 1
        return ciphertext

    def decrypt(self, ciphertext: bytes, ad: bytes | None = None) -> bytes:
        """The plaintext; raises `LinkError`, the nonce unmoved, if it is not authentic."""
        if len(ciphertext) < TAG_BYTES:
            raise LinkError("a ciphertext shorter than its tag")
        nonce = self._nonce_bytes()
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, ad, nonce, self._key)
        except CryptoError:
            raise LinkError("bytes that are not authentic") from None
        self.nonce += 1
        return plaintext

    def rekey(self) -> None:
        """Replaces the key by a one-way function of itself; the nonce goes on (sections 4.2 and 11.3)."""
        nonce = b"\0\0\0\0" + NONCE_MAX.to_bytes(8, "little")
        stream = crypto_aead_chacha20poly1305_ietf_encrypt(bytes(KEY_BYTES), None, nonce, self._key)
        self._key = stream[:KEY_BYTES]


class SymmetricState:
    """The running hash `h`, the chaining key and the cipher that comes of them (section 5.2)."""

    __slots__ = ("_chaining_key", "_cipher", "h")

    def __init__(self, protocol: bytes) -> None:
        self.h = protocol.ljust(HASH_BYTES, b"\0")  # every name here is shorter than a hash
        self._chaining_key = self.h
        self._cipher: CipherState | None = None

    def mix_hash(self, data: bytes) -> None:
        self.h = blake2b(self.h + data).digest()

    def mix_key(self, material: bytes) -> None:
        self._chaining_key, key = _hkdf(self._chaining_key, material, 2)
        self._cipher = CipherState(key[:KEY_BYTES])

    def mix_key_and_hash(self, material: bytes) -> None:
        self._chaining_key, digest, key = _hkdf(self._chaining_key, material, 3)
        self.mix_hash(digest)
        self._cipher = CipherState(key[:KEY_BYTES])

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        sent = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.h)
        self.mix_hash(sent)
        return sent

    def decrypt_and_hash(self, received: bytes) -> bytes:
        plaintext = received if self._cipher is None else self._cipher.decrypt(received, self.h)
        self.mix_hash(received)
        return plaintext

    def tag_bytes(self) -> int:
        """How much longer than its plaintext the next ciphertext is."""
        return 0 if self._cipher is None else TAG_BYTES

    def split(self) -> tuple[CipherState, CipherState]:
        """The ciphers of initiator to responder and of responder to initiator."""
        first, second = _hkdf(self._chaining_key, b"", 2)
        return CipherState(first[:KEY_BYTES]), CipherState(second[:KEY_BYTES])


class HandshakeState:
    """One side of one handshake (section 5.3). `ephemeral` and `static` are X25519 private keys.

    `psks` are taken in the order of the pattern's modifiers. An ephemeral key belongs to one handshake only.
    """

    def __init__(
        self,
        pattern: str,
        *,
        initiator: bool,
        prologue: bytes,
        ephemeral: bytes,
        static: bytes | None = None,
        psks: Sequence[bytes] = (),
    ) -> None:
        self._messages = _tokens(pattern)
        if sum(message.count("psk") for message in self._messages) != len(psks):
            raise InvariantBroken(f"{len(psks)} pre-shared keys for the Noise pattern {pattern}")
        if any(len(key) != KEY_BYTES for key in (ephemeral, static or ephemeral, *psks)):
            raise InvariantBroken("a Noise key has 32 bytes")
        self._initiator = initiator
        self._next = 0
        self._ephemeral = ephemeral
        self._static = static
        self._psks = list(psks)
        self._remote_ephemeral: bytes | None = None
        self.remote_static: bytes | None = None
        self._symmetric = SymmetricState(f"Noise_{pattern}_{_SUITE}".encode())
        self._symmetric.mix_hash(prologue)

    @property
    def finished(self) -> bool:
        """Whether every message of the pattern has been written or read."""
        return self._next == len(self._messages)

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that name this handshake and everything in it, once it is finished (section 11.2)."""
        return self._symmetric.h

    def _turn(self, *, writing: bool) -> list[str]:
        if self.finished or (self._next % 2 == 0) != (writing == self._initiator):
            raise InvariantBroken("a Noise message out of turn")
        self._next += 1
        return self._messages[self._next - 1]

    def write_message(self, payload: bytes = b"") -> bytes:
        """The next handshake message, `payload` inside; encrypted as far as the pattern has keys by then."""
        symmetric = self._symmetric
        parts: list[bytes] = []
        for token in self._turn(writing=True):
            if token == "e":
                public = crypto_scalarmult_base(self._ephemeral)
                parts.append(public)
                self._mix_ephemeral(public)
            elif token == "s":
                if self._static is None:
                    raise InvariantBroken("this Noise pattern needs a static key")
                parts.append(symmetric.encrypt_and_hash(crypto_scalarmult_base(self._static)))
            else:
                self._mix(token)
        parts.append(symmetric.encrypt_and_hash(payload))
        return b"".join(parts)

    def read_message(self, message: bytes) -> bytes:
        """The payload of the peer's next message; raises `LinkError` for anything that is not authentic."""
        symmetric = self._symmetric
        at = 0
        for token in self._turn(writing=False):
            if token == "e":
                public = self._cut(message, at, KEY_BYTES)
                self._remote_ephemeral = public
                self._mix_ephemeral(public)
                at += KEY_BYTES
            elif token == "s":
                size = KEY_BYTES + symmetric.tag_bytes()
                self.remote_static = symmetric.decrypt_and_hash(self._cut(message, at, size))
                at += size
            else:
                self._mix(token)
        return symmetric.decrypt_and_hash(message[at:])

    @staticmethod
    def _cut(message: bytes, at: int, size: int) -> bytes:
        if len(message) < at + size:
            raise LinkError("a handshake message that is too short")
        return message[at : at + size]

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        if any("psk" in message for message in self._messages):
            self._symmetric.mix_key(public)  # section 9.2: no key may come of the psk alone

    def _mix(self, token: str) -> None:
        """Mixes `psk`, or the result of `ee`, `es` or `se`, whose letters name the initiator's key first."""
        if token == "psk":
            self._symmetric.mix_key_and_hash(self._psks.pop(0))
            return
        own, other = (token[0], token[1]) if self._initiator else (token[1], token[0])
        private = self._ephemeral if own == "e" else self._static
        public = self._remote_ephemeral if other == "e" else self.remote_static
        self._symmetric.mix_key(_dh(private, public))

    def split(self) -> tuple[CipherState, CipherState]:
        """The ciphers to send and to receive with, in this order, once the handshake is finished."""
        if not self.finished:
            raise InvariantBroken("a Noise handshake split before its end")
        to_responder, to_initiator = self._symmetric.split()
        return (to_responder, to_initiator) if self._initiator else (to_initiator, to_responder)
