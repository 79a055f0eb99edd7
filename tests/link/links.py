"""Links to test with: real keys that are the same in every run, and a peer that may say anything."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import msgpack
from nacl.signing import SigningKey

from aslp2p.link.frames import FrameCipher, frame
from aslp2p.link.noise import HandshakeState
from aslp2p.link.session import Event, Network, Session


def secret(name: str) -> bytes:
    """32 bytes that nobody guesses, the same in every run."""
    return sha256(name.encode()).digest()


class Identity:
    """A domain key."""

    def __init__(self, name: str) -> None:
        self._key = SigningKey(secret(f"domain {name}"))

    @property
    def key(self) -> bytes:
        return bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


ALICE = Identity("alice")
JAMES = Identity("james")
HOME = Network(secret("home id"), secret("home psk"))
TEAM = Network(secret("team id"), secret("team psk"))
PROLOGUE = b"asl.link/1" + HOME.id


def initiator(
    identity: Identity = ALICE,
    network: Network = HOME,
    *,
    token: bytes = b"",
    name: str = "",
    process: str = "i",
) -> Session:
    return Session(
        initiator=True,
        networks=[replace(network, token=token, name=name)],
        identity=identity,
        static_private=secret(f"static {process}"),
        ephemeral_private=secret("ephemeral i"),
    )


def responder(
    identity: Identity = JAMES,
    *networks: Network,
    token: bytes = b"",
    name: str = "",
    process: str = "r",
    attempt: str = "",
) -> Session:
    return Session(
        initiator=False,
        networks=[replace(network, token=token, name=name) for network in networks or [HOME]],
        identity=identity,
        static_private=secret(f"static {process}"),
        ephemeral_private=secret(f"ephemeral r{attempt}"),
    )


def exchange(one: Session, other: Session) -> tuple[list[Event], list[Event]]:
    """Carries bytes both ways until both are silent; returns what each side saw."""
    seen: tuple[list[Event], list[Event]] = ([], [])
    while (there := one.take_output()) + (back := other.take_output()):
        seen[1].extend(other.receive(there))
        seen[0].extend(one.receive(back))
    return seen


def linked() -> tuple[Session, Session]:
    """An established initiator and responder."""
    one, other = initiator(), responder()
    exchange(one, other)
    return one, other


class Puppet:
    """A peer that knows the network's secret, shakes hands as it should, and then says what a test wants."""

    def __init__(self, session: Session, *, initiator: bool, network: Network = HOME) -> None:
        noise = HandshakeState(
            "XXpsk0",
            initiator=initiator,
            prologue=b"asl.link/1" + network.id,
            ephemeral=secret("ephemeral puppet"),
            static=secret("static puppet"),
            psks=[network.psk],
        )
        if initiator:
            session.receive(frame(noise.write_message()))
            noise.read_message(session.take_output()[2:])
            session.receive(frame(noise.write_message()))
        else:
            noise.read_message(session.take_output()[2:])
            session.receive(frame(noise.write_message()))
            self.received = session.take_output()
            noise.read_message(self.received[2:66])
        self.handshake_hash = noise.handshake_hash
        outgoing, incoming = noise.split()
        self.outgoing, self.incoming = FrameCipher(outgoing), FrameCipher(incoming)
        if not initiator:
            self.proof = self.incoming.open(self.received[68:])

    def say(self, plaintext: bytes) -> bytes:
        """The next frame, with `plaintext` in it."""
        return frame(self.outgoing.seal(plaintext))

    def prove(
        self,
        identity: Identity = ALICE,
        *,
        type_: str = "asl.link/1",
        handshake_hash: bytes | None = None,
        role: bytes = b"\0",
        common_id: bytes = HOME.id,
        version: object = 1,
        key: object = None,
        signature: object = None,
        token: object = b"",
        name: object = "",
    ) -> bytes:
        """The plaintext of a proof as an initiator makes it, except for what a test wants otherwise."""
        body = (self.handshake_hash if handshake_hash is None else handshake_hash) + role + common_id
        signed = identity.sign(b"DSSEv1 %d %b %d %b" % (len(type_), type_.encode(), len(body), body))
        parts = [version, key or identity.key, signature or signed, token, name]
        packed: bytes = msgpack.packb(parts, use_bin_type=True)
        return packed
