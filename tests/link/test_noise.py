"""The engine against the published vectors, and every way in which a handshake must fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt as encrypt

from aslp2p.errors import InvariantBroken, LinkError
from aslp2p.link.noise import NONCE_MAX, CipherState, HandshakeState
from tests.link.links import secret

VECTORS = Path(__file__).parents[1] / "vectors" / "noise" / "noise_25519_chachapoly_blake2b.json"
LOW_ORDER_POINTS = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def vectors() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"]
    return loaded


def side(vector: dict[str, Any], who: str) -> HandshakeState:
    static = vector.get(f"{who}_static")
    return HandshakeState(
        vector["protocol_name"].split("_")[1],
        initiator=who == "init",
        prologue=bytes.fromhex(vector[f"{who}_prologue"]),
        ephemeral=bytes.fromhex(vector[f"{who}_ephemeral"]),
        static=bytes.fromhex(static) if static else None,
        psks=[bytes.fromhex(psk) for psk in vector.get(f"{who}_psks", [])],
    )


def state(pattern: str, *, initiator: bool, static: bool = True, psks: int = 0) -> HandshakeState:
    who = "i" if initiator else "r"
    return HandshakeState(
        pattern,
        initiator=initiator,
        prologue=b"",
        ephemeral=secret(f"e {who}"),
        static=secret(f"s {who}") if static else None,
        psks=[secret(f"psk {number}") for number in range(psks)],
    )


def test_the_vectors_hold_the_patterns_that_they_should() -> None:
    names = {vector["protocol_name"].split("_")[1] for vector in vectors()}
    assert names == {"XX", "XXpsk3", "NNpsk0"}


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["protocol_name"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    """Every message of both sides to the byte, the handshake hash, and the transport that follows (G2)."""
    sides = [side(vector, "init"), side(vector, "resp")]
    ciphers: list[tuple[CipherState, CipherState]] = []
    for number, message in enumerate(vector["messages"]):
        payload, ciphertext = bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])
        writer, reader = number % 2, 1 - number % 2
        if not sides[0].finished:
            assert sides[writer].write_message(payload) == ciphertext
            assert sides[reader].read_message(ciphertext) == payload
            continue
        ciphers = ciphers or [one.split() for one in sides]
        assert ciphers[writer][0].encrypt(payload) == ciphertext
        assert ciphers[reader][1].decrypt(ciphertext) == payload
    assert ciphers
    assert [one.handshake_hash.hex() for one in sides] == [vector["handshake_hash"]] * 2


@pytest.mark.parametrize("pattern", ["XXpsk0", "XXpsk1", "XXpsk2", "XXpsk0+psk3", "NNpsk0+psk2", "NN"])
def test_both_sides_agree_in_every_pattern(pattern: str) -> None:
    psks = pattern.count("psk")
    one, other = state(pattern, initiator=True, psks=psks), state(pattern, initiator=False, psks=psks)
    while not one.finished:
        other.read_message(one.write_message(b"ping"))
        if not other.finished:
            assert one.read_message(other.write_message(b"pong")) == b"pong"
    assert one.handshake_hash == other.handshake_hash
    sending, _ = one.split()
    _, receiving = other.split()
    assert receiving.decrypt(sending.encrypt(b"after")) == b"after"


@pytest.mark.parametrize("pattern", ["IK", "xx", "XXpsk4", "XXpsk", "NNpsk3", "XXfallback", "XXpsk0psk3", ""])
def test_unknown_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(InvariantBroken):
        state(pattern, initiator=True)


def test_keys_of_the_wrong_number_or_size_are_refused() -> None:
    with pytest.raises(InvariantBroken, match="0 pre-shared keys"):
        state("XXpsk0", initiator=True)
    with pytest.raises(InvariantBroken, match="1 pre-shared keys"):
        state("XX", initiator=True, psks=1)
    for ephemeral, static, psk in [(31, 32, 32), (32, 33, 32), (32, 32, 31), (0, 32, 32)]:
        with pytest.raises(InvariantBroken, match="32 bytes"):
            HandshakeState(
                "XXpsk0",
                initiator=True,
                prologue=b"",
                ephemeral=bytes(ephemeral),
                static=bytes(static),
                psks=[bytes(psk)],
            )


def test_out_of_turn_is_refused() -> None:
    one, other = state("NN", initiator=True), state("NN", initiator=False)
    with pytest.raises(InvariantBroken, match="out of turn"):
        one.read_message(bytes(32))
    with pytest.raises(InvariantBroken, match="out of turn"):
        other.write_message()
    with pytest.raises(InvariantBroken, match="before its end"):
        one.split()
    other.read_message(one.write_message())
    one.read_message(other.write_message())
    with pytest.raises(InvariantBroken, match="out of turn"):
        one.write_message()


def test_a_missing_static_key_is_refused() -> None:
    one, other = state("XX", initiator=True, static=False), state("XX", initiator=False)
    other.read_message(one.write_message())
    one.read_message(other.write_message())
    with pytest.raises(InvariantBroken, match="needs a static key"):
        one.write_message()
    keyless = state("XX", initiator=False, static=False)
    keyless.read_message(state("XX", initiator=True).write_message())
    with pytest.raises(InvariantBroken, match="needs a static key"):
        keyless.write_message()


def test_a_diffie_hellman_without_its_key_is_refused() -> None:
    """NN with a static key of the peer that never came: `_mix` has nothing to mix."""
    one = state("NN", initiator=True)
    one._messages = [["es"]]
    with pytest.raises(InvariantBroken, match="was not given"):
        one.write_message()


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_low_order_points_are_refused(point: str) -> None:
    """Their shared secret is all zeros, whatever our key is."""
    other = state("NN", initiator=False)
    other.read_message(bytes.fromhex(point))
    with pytest.raises(LinkError, match="low-order"):
        other.write_message()
    one = state("NN", initiator=True)
    one.write_message()
    with pytest.raises(LinkError, match="low-order"):
        one.read_message(bytes.fromhex(point) + bytes(16))


def test_every_truncation_is_refused() -> None:
    one, other = state("XX", initiator=True), state("XX", initiator=False)
    first = one.write_message()
    for size in range(len(first)):
        with pytest.raises(LinkError, match="too short"):
            state("XX", initiator=False).read_message(first[:size])
    other.read_message(first)
    second = other.write_message()
    for size in range(len(second)):
        fresh = state("XX", initiator=True)
        fresh.write_message()
        with pytest.raises(LinkError):
            fresh.read_message(second[:size])


def test_a_failed_decryption_moves_no_nonce() -> None:
    sending, receiving = CipherState(secret("k")), CipherState(secret("k"))
    ciphertext = sending.encrypt(b"hello", b"ad")
    for wrong, ad in [(ciphertext[:-1], b"ad"), (ciphertext, b"da"), (b"short", b"ad"), (bytes(30), b"ad")]:
        with pytest.raises(LinkError):
            receiving.decrypt(wrong, ad)
    assert receiving.nonce == 0
    assert receiving.decrypt(ciphertext, b"ad") == b"hello"


def test_the_last_nonce_is_never_used() -> None:
    sending, receiving = CipherState(secret("k"), NONCE_MAX - 1), CipherState(secret("k"), NONCE_MAX - 1)
    last = sending.encrypt(b"last")
    assert receiving.decrypt(last) == b"last"
    with pytest.raises(InvariantBroken, match="all its nonces"):
        sending.encrypt(b"one more")
    with pytest.raises(InvariantBroken, match="all its nonces"):
        receiving.decrypt(last)


def test_rekey_changes_the_key_and_keeps_the_nonce() -> None:
    """Section 4.2: the new key is the first 32 bytes of 32 zeros encrypted under nonce 2^64 - 1."""
    cipher = CipherState(secret("k"))
    cipher.encrypt(b"one")
    cipher.rekey()
    key = encrypt(bytes(32), b"", bytes(4) + b"\xff" * 8, secret("k"))[:32]
    assert cipher.encrypt(b"two") == encrypt(b"two", b"", bytes(4) + b"\1" + bytes(7), key)
