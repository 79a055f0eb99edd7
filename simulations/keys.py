"""Domain keys made from names, and a verifier that remembers.

A `SeededKey` keeps what it signed until the world has looked: `simulations.exposure` notes which of those
signatures ever left the machine. That is what the checkers judge promises by, not anything that a node says.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from nacl.signing import SigningKey

from aslp2p.artifacts.envelope import Verifier

KNOWN_MAX = 200_000


class SeededKey:
    """A domain key made from a name: the same name is the same key in every world."""

    def __init__(self, name: str) -> None:
        raw = name.encode()
        self._key = SigningKey(raw.ljust(32, b"\0") if len(raw) <= 32 else sha256(raw).digest())
        self.key = bytes(self._key.verify_key)
        self.signed: list[tuple[bytes, bytes]] = []
        """(message, signature) since the world last looked."""

    def sign(self, message: bytes) -> bytes:
        signature = self._key.sign(message).signature
        self.signed.append((message, signature))
        return signature


class RememberingVerifier(Verifier):
    """Verification is a pure function of the bytes, so the nodes of a world share its results."""

    def __init__(self, bound: int = KNOWN_MAX) -> None:
        self._known: dict[tuple[bytes, bytes, bytes], bool] = {}
        self._bound = bound

    def learn(self, key: bytes, message: bytes, signature: bytes) -> None:
        """This was signed here with that key: it verifies."""
        self._remember((key, message, signature), True)

    def holds(self, items: Iterable[tuple[bytes, bytes, bytes]]) -> list[bool]:
        answers = []
        for item in items:
            known = self._known.get(item)
            if known is None:
                known = super().holds([item])[0]
                self._remember(item, known)
            answers.append(known)
        return answers

    def _remember(self, item: tuple[bytes, bytes, bytes], holds: bool) -> None:
        if len(self._known) >= self._bound:
            self._known.clear()
        self._known[item] = holds
