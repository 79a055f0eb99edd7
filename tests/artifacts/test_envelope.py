"""Signed artifacts: one id for a statement by a signer, strict signatures, named errors only (A2 to A5)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgpack
import nacl.bindings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.envelope import (
    VERIFIER,
    Signed,
    Verified,
    Verifier,
    decode_artifact,
    decode_as,
    pae,
    read_stored,
    read_stored_as,
    sign_statement,
    signature_holds,
    verify_signature,
)
from aslp2p.artifacts.types import TYPE_OF, TYPES, Beacon, Cosignature, InviteToken, Proposal
from aslp2p.errors import ArtifactError
from aslp2p.limits import ARTIFACT_BYTES_MAX
from tests.ledger.builder import ANN, BEN, World

ORDER = 2**252 + 27742317777372353535851937790883648493
TORSION = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
"""A point of order 8."""

BEACON = Beacon(bytes(32), 1, 2, b"\x07" * 32, 3)
SIGNED = sign_statement(BEACON, ANN)


def pack(*fields: Any) -> bytes:
    packed: bytes = msgpack.packb(list(fields), use_bin_type=True)
    return packed


def test_an_artifact_to_the_byte() -> None:
    """A2, from the bytes of the specification alone."""
    type_ = b"asl.common.beacon/1"
    body = b"\x95\xc4\x20" + bytes(32) + b"\x01\x02\xc4\x20" + b"\x07" * 32 + b"\x03"
    message = b"DSSEv1 19 asl.common.beacon/1 %d " % len(body) + body
    signature = ANN.sign(message)
    raw = (
        b"\x94" + b"\xb3" + type_ + b"\xc4" + bytes([len(body)]) + body
        + b"\xc4\x20" + ANN.key + b"\xc4\x40" + signature
    )  # fmt: skip
    assert SIGNED.raw == raw
    assert pae(type_.decode(), body) == message
    assert SIGNED.id == hashlib.sha256(message + ANN.key).digest()
    found = decode_artifact(raw)
    assert found == SIGNED
    assert type(found) is Signed
    assert (found.type, found.body, found.key, found.signature) == (type_.decode(), body, ANN.key, signature)
    assert found.statement == BEACON


def test_pae_counts_bytes() -> None:
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_a_second_signature_is_the_same_artifact() -> None:
    """A2: the id names the statement by the signer; neither evidence nor a second vote."""
    seed = bytes([1]) * 32
    scalar = bytearray(hashlib.sha512(seed).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    message = pae(SIGNED.type, SIGNED.body)
    other = signature_with(int.from_bytes(scalar, "little"), 4711, message)
    assert other != SIGNED.signature
    again = verify_signature(decode_artifact(pack(SIGNED.type, SIGNED.body, ANN.key, other)))
    assert again.id == SIGNED.id
    assert again == SIGNED
    assert hash(again) == hash(SIGNED)
    assert again != BEACON
    assert sign_statement(BEACON, BEN).id != SIGNED.id


def signature_with(scalar: int, nonce: int, message: bytes, *, add: bytes | None = None) -> bytes:
    """An Ed25519 signature by ann's key with a chosen nonce, R moved by a point `add`."""
    point = nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
    if add is not None:
        point = nacl.bindings.crypto_core_ed25519_add(point, add)
    challenge = int.from_bytes(hashlib.sha512(point + ANN.key + message).digest(), "little")
    return point + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")


def test_signatures_that_do_not_hold() -> None:
    """A5: malleable, small-order, non-canonical, or of anything else."""
    message = b"a message"
    good = ANN.sign(message)
    assert signature_holds(ANN.key, message, good)
    large = (int.from_bytes(good[32:], "little") + ORDER).to_bytes(32, "little")
    assert not signature_holds(ANN.key, message, good[:32] + large)
    assert not signature_holds(ANN.key, message + b"!", good)
    assert not signature_holds(BEN.key, message, good)
    assert not signature_holds(ANN.key, message, good[:32] + bytes(32))
    one = b"\x01" + bytes(31)
    for small in (one, bytes(32), TORSION, b"\xec" + b"\xff" * 30 + b"\x7f"):
        assert not signature_holds(small, message, one + bytes(32))
        assert not signature_holds(small, message, small + bytes(32))
    # the point one, written as p + 1: the same point in bytes that are not canonical
    assert not signature_holds(b"\xee" + b"\xff" * 30 + b"\x7f", message, one + bytes(32))


def test_verification_is_without_the_cofactor() -> None:
    """A5: an R with a torsion part passes some libraries' batch equations; it never does here."""
    scalar = bytearray(hashlib.sha512(bytes([1]) * 32).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    number = int.from_bytes(scalar, "little")
    assert signature_holds(ANN.key, b"m", signature_with(number, 4711, b"m"))
    assert not signature_holds(ANN.key, b"m", signature_with(number, 4711, b"m", add=TORSION))


def test_verifying_gives_the_proof_in_the_type() -> None:
    found = decode_artifact(SIGNED.raw)
    proven = verify_signature(found)
    assert type(proven) is Verified
    assert verify_signature(proven) is proven
    assert type(VERIFIER.verify(read_stored(SIGNED.raw, audited=False))) is Verified
    bad = decode_artifact(pack(SIGNED.type, SIGNED.body, BEN.key, SIGNED.signature))
    with pytest.raises(ArtifactError) as caught:
        VERIFIER.verify_all([found, bad])
    assert caught.value.rule == "A5"
    assert bad.id.hex()[:12] in caught.value.message


def test_what_is_verified_is_not_verified_again() -> None:
    seen: list[int] = []

    class Counting(Verifier):
        def holds(self, items: Any) -> list[bool]:
            seen.append(len(items))
            return super().holds(items)

    unproven = decode_artifact(SIGNED.raw)
    bad_raw = pack(SIGNED.type, SIGNED.body, BEN.key, SIGNED.signature)
    audited = read_stored(bad_raw, audited=True)
    unaudited = read_stored(SIGNED.raw, audited=False)
    assert all(type(one) is Verified for one in Counting().verify_all([SIGNED, unproven, SIGNED, audited]))
    assert seen == [1]
    Counting().verify_all([unaudited])
    assert seen == [1, 1], "what was stored in haste is"


def test_sifting_gives_what_verifies_in_its_order_and_names_the_rest() -> None:
    good = decode_artifact(SIGNED.raw)
    bad = decode_artifact(pack(SIGNED.type, SIGNED.body, BEN.key, SIGNED.signature))
    other = sign_statement(SIGNED.statement, BEN)
    proven, rest = VERIFIER.sift([other, good])
    assert [one.id for one in proven] == [other.id, good.id] and rest == set()
    proven, rest = VERIFIER.sift([good, bad, read_stored(bad.raw, audited=False)])
    assert [one.id for one in proven] == [good.id] and rest == {bad.id}
    assert all(type(one) is Verified for one in proven)


def test_what_was_stored_as_another_type() -> None:
    assert read_stored_as(Beacon, SIGNED.raw, audited=True).audited
    with pytest.raises(ArtifactError) as caught:
        read_stored_as(Proposal, SIGNED.raw, audited=True)
    assert caught.value.rule == "A3"


def test_an_artifact_of_another_type() -> None:
    assert decode_as(Beacon, SIGNED.raw) == SIGNED
    with pytest.raises(ArtifactError) as caught:
        decode_as(Cosignature, SIGNED.raw)
    assert caught.value.rule == "A3"


GOOD: list[Any] = [SIGNED.type, SIGNED.body, SIGNED.key, SIGNED.signature]
WRONG: dict[str, tuple[str, bytes]] = {
    "no array": ("A3", msgpack.packb(7)),
    "text": ("A3", msgpack.packb("asl.common.beacon/1")),
    "three fields": ("A3", pack(*GOOD[:3])),
    "five fields": ("A3", pack(*GOOD, 0)),
    "type as bytes": ("A3", pack(b"asl.common.beacon/1", *GOOD[1:])),
    "body as text": ("A3", pack(GOOD[0], "x", *GOOD[2:])),
    "body not in bytes": ("A3", pack(GOOD[0], msgpack.unpackb(SIGNED.body), *GOOD[2:])),
    "key as text": ("A3", pack(*GOOD[:2], "k" * 32, GOOD[3])),
    "signature as nil": ("A3", pack(*GOOD[:3], None)),
    "a short key": ("A4", pack(*GOOD[:2], GOOD[2][1:], GOOD[3])),
    "a long signature": ("A4", pack(*GOOD[:3], GOOD[3] + b"\x00")),
    "an unknown type": ("A4", pack("asl.common.gossip/1", *GOOD[1:])),
    "a later type": ("A4", pack("asl.common.beacon/2", *GOOD[1:])),
    "an empty type": ("A4", pack("", *GOOD[1:])),
    "a body of another type": ("A3", pack("asl.common.genesis/1", *GOOD[1:])),
    "a body that is no array": ("A3", pack(GOOD[0], b"\xc0", *GOOD[2:])),
    "an empty body": ("A3", pack(GOOD[0], b"", *GOOD[2:])),
    "a body with a byte more": ("A3", pack(GOOD[0], SIGNED.body + b"\x00", *GOOD[2:])),
    "a body that is too large": ("A4", pack(GOOD[0], bytes(2049), *GOOD[2:])),
    "a map in the body": ("A3", pack(GOOD[0], b"\x80", *GOOD[2:])),
    "an artifact that is too large": ("A4", pack(GOOD[0], bytes(ARTIFACT_BYTES_MAX), *GOOD[2:])),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_artifact(name: str) -> None:
    rule, raw = WRONG[name]
    with pytest.raises(ArtifactError) as caught:
        decode_artifact(raw)
    assert caught.value.rule == rule


def refusal(raw: bytes) -> str | None:
    """The rule, or None for an artifact, whose bytes must then be the only ones it has."""
    try:
        found = decode_artifact(raw)
    except ArtifactError as refused:
        return refused.rule
    assert found.raw == raw
    assert pack(found.type, found.body, found.key, found.signature) == raw
    return None


@given(st.binary(max_size=300))
def test_any_bytes_are_an_artifact_or_a_named_error(raw: bytes) -> None:
    assert refusal(raw) in ("A3", "A4")


@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=200))
def test_any_body_is_a_statement_or_a_named_error(type_: str, body: bytes) -> None:
    assert refusal(pack(type_, body, bytes(32), bytes(64))) in ("A3", "A4", None)


@given(st.data())
def test_a_changed_byte_is_another_artifact_or_refused(data: st.DataObject) -> None:
    world = World()
    good = data.draw(
        st.sampled_from([world.genesis.raw, world.put("a").raw, world.puts(world.root, "a").signed.raw])
    )
    raw = bytearray(good)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    if refusal(bytes(raw)) is None:
        found = decode_artifact(bytes(raw))
        before = decode_artifact(good)
        if found.id == before.id:  # only the signature changed
            assert found.signature != before.signature
        with pytest.raises(ArtifactError):
            verify_signature(found)


def test_every_type_has_one_name() -> None:
    assert TYPE_OF[InviteToken] == "asl.common.invite/1"
    assert len(TYPE_OF) == len(TYPES) == 8
