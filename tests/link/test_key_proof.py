"""The domain key inside the link: what is no proof, and our own key at the other end (G2, A3, A5)."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.errors import LinkError, SelfLink
from aslp2p.limits import LINK_PROOF_BYTES_MAX
from aslp2p.link.session import Established
from tests.link.links import ALICE, HOME, JAMES, TEAM, Puppet, exchange, initiator, responder, secret

ORDER = 2**252 + 27742317777372353535851937790883648493


def test_an_honest_puppet_is_believed() -> None:
    """Or the refusals below would prove nothing."""
    session = responder()
    puppet = Puppet(session, initiator=True)
    assert session.receive(puppet.say(puppet.prove(token=b"t", name="n"))) == [
        Established(HOME, ALICE.key, b"t", "n")
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"key": JAMES.key[::-1]}, "does not verify"),
        ({"key": bytes(32)}, "does not verify"),
        ({"key": b"\1" + bytes(31)}, "does not verify"),
        ({"signature": bytes(64)}, "does not verify"),
        ({"handshake_hash": bytes(64)}, "does not verify"),
        ({"role": b"\1"}, "does not verify"),
        ({"role": b""}, "does not verify"),
        ({"common_id": TEAM.id}, "does not verify"),
        ({"common_id": b""}, "does not verify"),
        ({"type_": "asl.common.proposal/1"}, "does not verify"),
        ({"version": 2}, "a proof of version 2 is unknown to this version; update this machine"),
        ({"version": 0}, "a proof of version 0 is unknown to this version; update this machine"),
        ({"version": True}, "not a version"),
        ({"version": "1"}, "not a version"),
        ({"version": None}, "not a version"),
        ({"version": 1.0}, "a float"),
        ({"key": bytes(range(31))}, "wrong size"),
        ({"key": bytes(range(33))}, "wrong size"),
        ({"signature": bytes(63)}, "wrong size"),
        ({"token": bytes(513)}, "too long"),
        ({"name": "x" * 65}, "too long"),
        ({"token": "text"}, "not a version"),
        ({"name": b"bytes"}, "not a version"),
        ({"token": {}}, "canonical"),
        ({"token": bytes(550), "name": "x" * 64}, "at most"),
    ],
    ids=str,
)
def test_what_is_no_proof(changed: dict[str, object], reason: str) -> None:
    session = responder()
    puppet = Puppet(session, initiator=True)
    plaintext = puppet.prove(**changed)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match=reason if len(plaintext) <= LINK_PROOF_BYTES_MAX else "a frame of"):
        session.receive(puppet.say(plaintext))
    assert session.take_output() == b""


def test_a_malleable_signature_is_refused() -> None:
    """A5: S + L verifies under a lax check."""
    session = responder()
    puppet = Puppet(session, initiator=True)
    signature = msgpack.unpackb(puppet.prove())[2]
    again = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    with pytest.raises(LinkError, match="does not verify"):
        session.receive(puppet.say(puppet.prove(signature=signature[:32] + again)))


@pytest.mark.parametrize(
    "plaintext",
    [
        b"\xc0",
        b"\x01",
        b"\x90",
        b"\x94\x01\xa0\xa0\xa0",
        b"\x96" + b"\x01" * 6,
        b"\xc1",
        b"a message that comes before the proof",
    ],
)
def test_other_values_are_no_proof(plaintext: bytes) -> None:
    session = responder()
    puppet = Puppet(session, initiator=True)
    with pytest.raises(LinkError, match="no proof of a domain key"):
        session.receive(puppet.say(plaintext))


@pytest.mark.parametrize(
    ("cut", "instead"),
    [
        (slice(0, 1), b"\xdc\x00\x05"),
        (slice(1, 2), b"\xcc\x01"),
        (slice(-1, None), b""),
        (slice(-1, None), b"\xa0\xc0"),
    ],
    ids=["a longer array header", "a longer integer", "a byte too few", "a byte too many"],
)
def test_another_encoding_of_a_proof_is_refused(cut: slice, instead: bytes) -> None:
    """A3: one encoding only."""
    session = responder()
    puppet = Puppet(session, initiator=True)
    changed = bytearray(puppet.prove())
    changed[cut] = instead
    with pytest.raises(LinkError, match="no proof"):
        session.receive(puppet.say(bytes(changed)))


def test_a_reflected_proof_is_refused() -> None:
    """The initiator's own proof comes back to it: right key, right handshake, wrong role."""
    session = initiator()
    puppet = Puppet(session, initiator=False)
    with pytest.raises(LinkError, match="does not verify"):
        session.receive(puppet.say(puppet.proof))


def test_a_proof_relayed_from_another_link_is_refused() -> None:
    """Somebody in the middle who knows the secret runs a link with each side and passes Alice's proof on."""
    alice, james = initiator(), responder()
    towards_alice, towards_james = Puppet(alice, initiator=False), Puppet(james, initiator=True)
    assert towards_alice.handshake_hash != towards_james.handshake_hash
    with pytest.raises(LinkError, match="does not verify"):
        james.receive(towards_james.say(towards_alice.proof))


def test_reflected_handshake_messages_are_refused() -> None:
    """What an initiator sends, sent back to it, is no answer."""
    session = initiator()
    with pytest.raises(LinkError):
        session.receive(session.take_output())
    both = responder(), responder(process="x")
    both[0].receive(initiator().take_output())
    with pytest.raises(LinkError):
        both[1].receive(both[0].take_output())


@settings(max_examples=60, deadline=None)
@given(plaintext=st.binary(min_size=1, max_size=LINK_PROOF_BYTES_MAX))
def test_any_plaintext_is_a_link_error(plaintext: bytes) -> None:
    session = responder()
    puppet = Puppet(session, initiator=True)
    with pytest.raises(LinkError):
        session.receive(puppet.say(plaintext))


@pytest.mark.parametrize("same_process", [True, False])
def test_our_own_key_at_the_other_end(same_process: bool) -> None:
    """Our own address dialled, or a copied home (S11): told apart by the X25519 key of the process."""
    one = initiator(ALICE, process="one")
    other = responder(ALICE, process="one" if same_process else "other")
    with pytest.raises(SelfLink) as caught:
        exchange(one, other)
    assert caught.value.same_process is same_process
    assert caught.value.code == "link.self"
    assert ("ourselves" in str(caught.value)) is same_process
    assert other.take_output() == b""
    with pytest.raises(SelfLink) as answered:
        one.receive(caught.value.answer)
    assert answered.value.same_process is same_process, "both ends know"


def test_our_own_key_answering() -> None:
    """The initiator notices as well, if the other side lets it come so far."""
    session = initiator(ALICE)
    puppet = Puppet(session, initiator=False)
    with pytest.raises(SelfLink):
        session.receive(puppet.say(puppet.prove(ALICE, role=b"\1")))


def test_somebody_elses_static_key_is_no_self_link() -> None:
    session = initiator(ALICE)
    puppet = Puppet(session, initiator=False)
    assert secret("static i") != secret("static puppet")
    assert session.receive(puppet.say(puppet.prove(JAMES, role=b"\1"))) == [
        Established(HOME, JAMES.key, b"", "")
    ]
