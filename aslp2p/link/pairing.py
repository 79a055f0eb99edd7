"""Pairing by a short code: how a new machine gets an invite from one that is in (SPAKE2, RFC 9382's design).

How it works, J being who joins and I the inviter; only commands load this, and daemons carry the messages:

    1. J -> I   J's SPAKE2 element          anybody can send one: it is the one guess that a code allows
    2. I -> J   I's SPAKE2 element          tells nothing about the words
    3. J -> I   sealed: J's name and key    opens only if both know the words
    4. I -> J   sealed: I's name, the Common's, what J is to be called ("": as it likes)
    5. I -> J   sealed: the invite, once I's person said yes; empty for no

J proves first that it knows the words, so a guesser learns one thing: that its guess was right or wrong. What
was recorded is of no use again, for I's element is new each time. Who is in the middle and does not know the
words shares no key with either side. The four words that both show are of everything that was said in 1 to 4,
under the key: equal words, one conversation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError

from aslp2p.artifacts import canonical
from aslp2p.artifacts.pairing_code import PairingCode
from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.words import words_of
from aslp2p.errors import ArtifactError, LinkError
from aslp2p.limits import KEY_BYTES, PAIRING_MESSAGE_BYTES_MAX

INVITER, JOINER = b"asl.pairing/1 inviter", b"asl.pairing/1 joiner"
SHOWN_WORDS = 4
Entropy = Callable[[int], bytes]


class WrongCode(LinkError):
    """The other side does not know this code's words, or somebody is in the middle who does not."""

    code = "link.pairing"

    def __init__(self) -> None:
        super().__init__("the words of the code do not agree")


class Joiner(NamedTuple):
    """What the inviter is told: a name that the other machine likes, and its key. Both are claims."""

    name: str
    key: bytes


class Welcome(NamedTuple):
    """What the joiner is told: who invites, into which Common, what it is to be called ("": its choice)."""

    name: str
    common: str
    called: str


class _Side:
    """What both sides keep: the transcript, and from message 2 on a key for each direction."""

    def __init__(self) -> None:
        self._said: list[bytes] = []
        self._root = b""

    def _agree(self, exchange: Any, element: bytes) -> None:
        """Raises `WrongCode` for what is no element of the other side's."""
        try:
            self._root = exchange.finish(element)
        except (SPAKEError, ValueError, AssertionError):
            raise WrongCode() from None

    def _derive(self, purpose: bytes) -> bytes:
        said = b"".join(len(message).to_bytes(4, "big") + message for message in self._said)
        return hashlib.blake2b(said, digest_size=KEY_BYTES, key=self._root, person=purpose).digest()

    def _seal(self, by: bytes, fields: list[Any]) -> bytes:
        # Each message has a key of its own, of all that was said before it: so no nonce is ever used again.
        message = crypto_aead_xchacha20poly1305_ietf_encrypt(
            canonical.encode(fields), by, _NONCE, self._derive(_PERSONS[by])
        )
        self._said.append(message)
        return message

    def _open(self, by: bytes, message: bytes) -> list[Any]:
        """Raises `WrongCode` unless `by` sealed this next."""
        try:
            data = crypto_aead_xchacha20poly1305_ietf_decrypt(message, by, _NONCE, self._derive(_PERSONS[by]))
            fields = canonical.decode(data, bytes_max=PAIRING_MESSAGE_BYTES_MAX)
        except (CryptoError, ArtifactError, ValueError):
            raise WrongCode() from None
        self._said.append(message)
        return fields if isinstance(fields, list) else []

    def words(self) -> tuple[str, ...]:
        """Four words of what was said so far, for people to compare once message 4 is there."""
        return words_of(self._derive(b"asl.pair.words"), SHOWN_WORDS)


_NONCE = bytes(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
_PERSONS = {INVITER: b"asl.pair.inviter", JOINER: b"asl.pair.joiner"}


class InviterSide(_Side):
    """The side that made the code. Call `answer`, `hear`, `welcome` and `give` once each, in this order."""

    def __init__(self, code: PairingCode, entropy: Entropy) -> None:
        super().__init__()
        self._exchange = SPAKE2_A(code.secret, idA=INVITER, idB=JOINER, entropy_f=entropy)

    def answer(self, element: bytes) -> bytes:
        """Message 2 for message 1. Raises `WrongCode`."""
        own: bytes = self._exchange.start()
        self._agree(self._exchange, element)
        self._said += [element, own]
        return own

    def hear(self, message: bytes) -> Joiner:
        """Who joins, by message 3. Raises `WrongCode`."""
        fields = self._open(JOINER, message)
        if [type(one) for one in fields] != [str, bytes]:
            raise WrongCode()
        joiner = Joiner(*fields)
        if name_problem(joiner.name) or len(joiner.key) != KEY_BYTES:
            raise WrongCode()
        return joiner

    def welcome(self, welcome: Welcome) -> bytes:
        """Message 4."""
        return self._seal(INVITER, list(welcome))

    def give(self, invite: str) -> bytes:
        """Message 5; "" where the person said no."""
        return self._seal(INVITER, [invite])


class JoinerSide(_Side):
    """The side that was told the code. Call `begin`, `introduce`, `hear` and `take` once each, in order."""

    def __init__(self, code: PairingCode, entropy: Entropy) -> None:
        super().__init__()
        self._exchange = SPAKE2_B(code.secret, idA=INVITER, idB=JOINER, entropy_f=entropy)
        self._element = b""

    def begin(self) -> bytes:
        """Message 1."""
        self._element = self._exchange.start()
        return self._element

    def introduce(self, element: bytes, joiner: Joiner) -> bytes:
        """Message 3 for message 2. Raises `WrongCode`."""
        self._agree(self._exchange, element)
        self._said += [self._element, element]
        return self._seal(JOINER, list(joiner))

    def hear(self, message: bytes) -> Welcome:
        """Who invites, by message 4. Raises `WrongCode`."""
        fields = self._open(INVITER, message)
        if [type(one) for one in fields] != [str, str, str]:
            raise WrongCode()
        welcome = Welcome(*fields)
        if any(name_problem(one) for one in (welcome.name, welcome.common, welcome.called or "any")):
            raise WrongCode()
        return welcome

    def take(self, message: bytes) -> str:
        """The invite of message 5, not judged yet; "" where the inviter's person said no. Raises
        `WrongCode`."""
        fields = self._open(INVITER, message)
        if [type(one) for one in fields] != [str]:
            raise WrongCode()
        return str(fields[0])
