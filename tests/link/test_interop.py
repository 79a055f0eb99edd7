"""XXpsk0 with the `noiseprotocol` package on the other side, from the prologue to past a rekey (G2).

The other side shares no code with ours: proofs and records are put together here from docs/link.md.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from nacl.signing import VerifyKey
from noise.connection import Keypair, NoiseConnection

from aslp2p.link.session import Established, MessageReceived, Session
from tests.link.links import ALICE, HOME, JAMES, PROLOGUE, Identity, initiator, responder, secret

pytestmark = pytest.mark.filterwarnings("ignore:One of ephemeral keypairs is already set")


def foreign(*, as_initiator: bool) -> Any:
    noise = NoiseConnection.from_name(b"Noise_XXpsk0_25519_ChaChaPoly_BLAKE2b")
    if as_initiator:
        noise.set_as_initiator()
    else:
        noise.set_as_responder()
    noise.set_psks(HOME.psk)
    noise.set_prologue(PROLOGUE)
    noise.set_keypair_from_private_bytes(Keypair.STATIC, secret("static foreign"))
    noise.set_keypair_from_private_bytes(Keypair.EPHEMERAL, secret("ephemeral foreign"))
    noise.start_handshake()
    return noise


def framed(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + bytes(body)


def frames(stream: bytes) -> list[bytes]:
    bodies = []
    while stream:
        (size,) = struct.unpack(">H", stream[:2])
        bodies.append(stream[2 : 2 + size])
        stream = stream[2 + size :]
    return bodies


def statement(handshake_hash: bytes, role: bytes) -> bytes:
    body = handshake_hash + role + HOME.id
    return b"DSSEv1 10 asl.link/1 97 " + body


def proof(identity: Identity, handshake_hash: bytes, role: bytes) -> bytes:
    signature = identity.sign(statement(handshake_hash, role))
    packed: bytes = msgpack.packb([1, identity.key, signature, b"token", "foreign"])
    return packed


def check_proof(plaintext: bytes, identity: Identity, handshake_hash: bytes, role: bytes) -> None:
    version, key, signature, token, name = msgpack.unpackb(plaintext)
    assert (version, key, token, name) == (1, identity.key, b"", "")
    VerifyKey(key).verify(statement(handshake_hash, role), signature)


def link(*, foreign_initiates: bool) -> tuple[Session, Any]:
    """An established link between one of our sessions and the package."""
    noise = foreign(as_initiator=foreign_initiates)
    if foreign_initiates:
        session = responder(JAMES)
        session.receive(framed(noise.write_message()))
        assert noise.read_message(*frames(session.take_output())) == b""
        third = framed(noise.write_message())
        hash_ = noise.get_handshake_hash()
        events = session.receive(third + framed(noise.encrypt(proof(ALICE, hash_, b"\0"))))
        assert events == [Established(HOME, ALICE.key, b"token", "foreign")]
        (sealed,) = frames(session.take_output())
        check_proof(noise.decrypt(sealed), JAMES, hash_, b"\1")
    else:
        session = initiator(ALICE)
        assert noise.read_message(*frames(session.take_output())) == b""
        session.receive(framed(noise.write_message()))
        third, sealed = frames(session.take_output())
        assert noise.read_message(third) == b""
        hash_ = noise.get_handshake_hash()
        check_proof(noise.decrypt(sealed), ALICE, hash_, b"\0")
        events = session.receive(framed(noise.encrypt(proof(JAMES, hash_, b"\1"))))
        assert events == [Established(HOME, JAMES.key, b"token", "foreign")]
    return session, noise


@pytest.mark.parametrize("foreign_initiates", [True, False])
def test_handshake_proofs_and_messages(foreign_initiates: bool) -> None:
    session, noise = link(foreign_initiates=foreign_initiates)
    session.send(b"one")
    session.send(b"two")
    assert [noise.decrypt(body) for body in frames(session.take_output())] == [b"\0\0\0\3one\0\0\0\3two"]
    plaintext = b"\0\0\0\5three\0\0\0\4four"
    assert session.receive(framed(noise.encrypt(plaintext[:11])) + framed(noise.encrypt(plaintext[11:]))) == [
        MessageReceived(b"three"),
        MessageReceived(b"four"),
    ]


@pytest.mark.parametrize("foreign_initiates", [True, False])
def test_rekey_after_16384_frames_of_a_direction(foreign_initiates: bool) -> None:
    """The proof is the first of them; the nonce goes on."""
    session, noise = link(foreign_initiates=foreign_initiates)
    for number in range(2, 16_384 + 3):
        session.send(b"x")
        (body,) = frames(session.take_output())
        assert noise.decrypt(body) == b"\0\0\0\1x"
        assert session.receive(framed(noise.encrypt(b"\0\0\0\1y"))) == [MessageReceived(b"y")]
        if number == 16_384:
            noise.rekey_inbound_cipher()
            noise.rekey_outbound_cipher()
