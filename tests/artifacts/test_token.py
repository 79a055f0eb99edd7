"""Invite tokens: good in the invite for whoever has it, on links for one domain key (P6, section 11)."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.token import bear, borne, expires_ms, invite_id, make_token, read_shown
from aslp2p.artifacts.types import Shown
from aslp2p.errors import ArtifactError
from aslp2p.limits import INVITE_TOKEN_BYTES_MAX, INVITE_USES_MAX, UINT_MAX
from tests.ledger.builder import ANN, BEN, CLEO

COMMON, SEED = bytes([1] * 32), bytes([2] * 32)
ARTIFACT, TOKEN = make_token(COMMON, UINT_MAX, INVITE_USES_MAX, SEED, ANN)


def test_a_token_that_is_borne_names_its_inviter_and_what_it_is_good_for() -> None:
    found = borne(read_shown(bear(TOKEN, BEN.key)), BEN.key)
    assert (found.id, found.key) == (ARTIFACT.id, ANN.key)
    assert (found.statement.common_id, found.statement.expires_ms, found.statement.uses) == (
        COMMON,
        UINT_MAX,
        INVITE_USES_MAX,
    )
    assert len(TOKEN) < len(bear(TOKEN, BEN.key)) <= INVITE_TOKEN_BYTES_MAX, "the largest there is"


def test_an_invite_is_revoked_by_the_id_of_its_artifact() -> None:
    assert invite_id(TOKEN) == ARTIFACT.id
    with pytest.raises(ArtifactError):
        invite_id(bear(TOKEN, BEN.key))


def test_until_when_an_invite_is_good_can_be_read_before_it_is_used() -> None:
    _, token = make_token(bytes(32), 1_234, 1, bytes(32), ANN)
    assert expires_ms(token) == 1_234
    with pytest.raises(ArtifactError):
        expires_ms(b"none")


def test_what_is_seen_on_a_link_is_worth_nothing_to_whom_it_is_shown() -> None:
    shown = bear(TOKEN, BEN.key)
    assert SEED not in shown
    with pytest.raises(ArtifactError) as caught:
        borne(read_shown(shown), CLEO.key)
    assert caught.value.rule == "A5"
    with pytest.raises(ArtifactError):
        bear(shown, CLEO.key)


def test_a_seed_that_does_not_fit_is_no_token() -> None:
    with pytest.raises(ArtifactError, match="does not make the key"):
        bear(msgpack.packb([ARTIFACT.raw, bytes(32)]), BEN.key)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        bear(data, BEN.key)
    with pytest.raises(ArtifactError):
        read_shown(data)
    with pytest.raises(ArtifactError):
        borne(Shown(data, bytes(64)), BEN.key)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_flipped_bit_is_noticed(data: st.DataObject) -> None:
    shown = bytearray(bear(TOKEN, BEN.key))
    at = data.draw(st.integers(0, 8 * len(shown) - 1))
    shown[at // 8] ^= 1 << at % 8
    with pytest.raises(ArtifactError):
        borne(read_shown(bytes(shown)), BEN.key)
