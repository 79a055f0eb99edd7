"""What a store keeps about the Common that it belongs to, from `init` or an invite (section 11)."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.invite import GivenFloor, Hint, Invite
from aslp2p.artifacts.token import bear, make_token
from aslp2p.artifacts.types import Genesis, Named, Policy
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.floor import Floor, read_given_floor
from aslp2p.ledger.history import found_common
from aslp2p.ledger.joining import META_NAME_CHOSEN, Belonging, founding, joining, on_paper, read_belonging
from aslp2p.ledger.reader import PutMeta
from aslp2p.store.memory import MemoryStore

SECRET = bytes([5] * 32)
BEN = bytes([6] * 32)


class Key:
    def __init__(self) -> None:
        self._signing = SigningKey(bytes([1] * 32))
        self.key = bytes(self._signing.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message).signature


_, TOKEN = make_token(bytes(32), 2**50, 1, bytes(32), Key())


def genesis(name: str = "home") -> Verified[Genesis]:
    key = Key()
    named = (Named("ann", key.key),)
    return sign_statement(
        Genesis(
            name,
            Policy(
                witnesses=named,
                threshold=1,
                rotation_allowed=True,
                grace_period_ms=1000,
                participants="invited",
                protocol=1,
            ),
            named,
            None,
            1,
            bytes(32),
        ),
        key,
    )


def test_an_empty_store_belongs_to_nothing() -> None:
    assert read_belonging(MemoryStore()) is None


def test_a_founded_common() -> None:
    store, founder = MemoryStore(), genesis()
    found_common(store, founder)
    store.apply(founding(founder.id, SECRET, "ann", name_chosen=True))
    assert read_belonging(store) == Belonging(founder.id, "home", True, SECRET, b"", (), "ann")
    assert store.meta(META_NAME_CHOSEN) is not None


def test_a_joined_common_is_called_as_the_invite_says_until_its_genesis_is_here() -> None:
    store, founder = MemoryStore(), genesis()
    invite = Invite(founder.id, "invited", SECRET, TOKEN, (Hint("10.0.0.1", 4000),))
    store.apply(joining(invite, BEN, "ben", name_chosen=False))
    assert read_belonging(store) == Belonging(
        founder.id, "invited", False, SECRET, bear(TOKEN, BEN), (Hint("10.0.0.1", 4000),), "ben"
    )
    assert store.meta(META_NAME_CHOSEN) is None
    found_common(store, founder)
    belonging = read_belonging(store)
    assert belonging is not None and (belonging.name, belonging.founded) == ("home", True)


def test_a_common_that_is_followed_on_paper_is_called_as_its_bundle_says() -> None:
    store, founder = MemoryStore(), genesis()
    store.apply(on_paper(founder.id, SECRET, "home", "ben", name_chosen=True))
    assert read_belonging(store) == Belonging(founder.id, "home", False, SECRET, b"", (), "ben")


def test_a_store_that_contradicts_itself_is_not_opened() -> None:
    store = MemoryStore()
    found_common(store, genesis())
    store.apply([PutMeta("common-id", genesis("other").id)])
    with pytest.raises(InvariantBroken, match="another Common's genesis"):
        read_belonging(store)
    store.apply([PutMeta("common-id", genesis().id)])
    with pytest.raises(InvariantBroken, match="no network secret"):
        read_belonging(store)


def test_the_floor_of_an_invite_is_given_before_the_first_contact() -> None:
    """F5: the higher of the invite's and what a person was told; the genesis is nothing to be given."""
    low, high = GivenFloor(3, b"\x03" * 32), Floor(9, b"\x09" * 32)
    for given, told, expected in [
        (None, None, None),
        (low, None, Floor(3, b"\x03" * 32)),
        (None, high, high),
        (low, high, high),
        (GivenFloor(12, b"\x0c" * 32), high, Floor(12, b"\x0c" * 32)),
    ]:
        store = MemoryStore()
        invite = Invite(bytes(32), "home", SECRET, TOKEN, (), given)
        store.apply(joining(invite, Key().key, "ben", name_chosen=False, floor=told))
        assert read_given_floor(store) == expected
    for given, expected in [(None, None), (low, Floor(3, b"\x03" * 32))]:
        store = MemoryStore()
        store.apply(on_paper(bytes(32), SECRET, "home", "ben", name_chosen=False, floor=given))
        assert read_given_floor(store) == expected
