"""Invites: text that survives copying, scanning and retyping, or says that it did not (section 11)."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.invite import GivenFloor, Hint, Invite
from aslp2p.artifacts.token import borne, make_token, read_shown
from aslp2p.errors import InvariantBroken, UsageError
from aslp2p.limits import UINT_MAX
from tests.ledger.builder import ANN, BEN

ID, SECRET, TOKEN = bytes(range(32)), bytes(range(32, 64)), b"token" * 40
INVITE = Invite(ID, "home", SECRET, TOKEN, (Hint("192.0.2.7", 4242), Hint("fe80::1%eth0", 1)))
TEXT = INVITE.encode()
SWAP = next(at for at in range(9, len(TEXT)) if TEXT[at] != TEXT[at + 1])

hosts = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
invites = st.builds(
    Invite,
    st.binary(min_size=32, max_size=32),
    st.sampled_from(["home", "Büro", "x" * 64]),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=512),
    st.lists(st.builds(Hint, hosts, st.integers(1, 65535)), max_size=8).map(tuple),
    st.none() | st.builds(GivenFloor, st.integers(1, UINT_MAX), st.binary(min_size=32, max_size=32)),
)


def armour(packed: bytes, prefix: str = "asl1") -> str:
    """The text form by the spec, without the code under test."""
    data = packed + sha256(prefix.encode() + packed).digest()[:4]
    return prefix + base64.b32encode(data).decode().rstrip("=").lower()


def pack(*fields: Any) -> bytes:
    packed: bytes = msgpack.packb(list(fields), use_bin_type=True)
    return packed


def test_the_text_form_is_the_one_of_the_spec() -> None:
    packed = pack(ID, "home", SECRET, TOKEN, [["192.0.2.7", 4242], ["fe80::1%eth0", 1]], None)
    assert armour(packed) == TEXT
    assert TEXT.isalnum()
    assert TEXT.islower()


@settings(max_examples=60, deadline=None)
@given(invites)
def test_an_invite_comes_back(invite: Invite) -> None:
    text = invite.encode()
    assert Invite.parse(text) == invite
    assert Invite.parse(text.upper()) == invite


def test_the_largest_invite_comes_back() -> None:
    """Every field as long as it may be: what has more than these bytes breaks another bound too (2.6)."""
    hints = tuple(Hint("h" * 255, 65535 - number) for number in range(8))
    invite = Invite(ID, "ü" * 32, SECRET, bytes(512), hints, GivenFloor(UINT_MAX, ID))
    assert Invite.parse(invite.encode()) == invite
    assert len(invite.encode()) == len("asl1") + -(-8 * (2_783 + 4) // 5)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.upper(),
        f"  {TEXT}\n",
        "\r\n".join(TEXT[start : start + 60] for start in range(0, len(TEXT), 60)),
        "-".join(TEXT[start : start + 4] for start in range(0, len(TEXT), 4)),
        "ASL1 " + TEXT[4:],
    ],
)
def test_case_white_space_and_hyphens_do_not_matter(text: str) -> None:
    assert Invite.parse(text) == INVITE


@settings(max_examples=150, deadline=None)
@given(st.integers(4, len(TEXT) - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_mistyped_character_is_found(position: int, typed: str) -> None:
    text = TEXT[:position] + typed + TEXT[position + 1 :]
    if text == TEXT:
        assert Invite.parse(text) == INVITE
        return
    with pytest.raises(UsageError, match="copy the invite again"):
        Invite.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *(TEXT[:-count] for count in range(1, 17)),
        TEXT[:60] + TEXT[61:],
        TEXT + "a",
        TEXT + "=",
        TEXT[:SWAP] + TEXT[SWAP + 1] + TEXT[SWAP] + TEXT[SWAP + 2 :],
        TEXT[:9] + "0" + TEXT[10:],
        TEXT[:9] + "ß" + TEXT[11:],
        TEXT[:9] + "é" + TEXT[10:],
        TEXT[:9] + "\ud800" + TEXT[10:],
        "asl1",
        "asl1aaaa",
        TEXT + TEXT,
    ],
)
def test_a_damaged_invite_says_so(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Invite.parse(text)
    assert str(caught.value) == (
        "this invite is damaged: a character is missing or mistyped; copy the invite again"
    )


def test_every_text_has_one_reading_and_every_invite_one_text() -> None:
    """The last character's spare bits are not free: other letters there are refused."""
    readings = {}
    for size in range(5):
        text = Invite(ID, "home", SECRET, bytes(size)).encode()
        for letter in "abcdefghijklmnopqrstuvwxyz234567":
            try:
                readings[text[:-1] + letter] = Invite.parse(text[:-1] + letter)
            except UsageError:
                continue
        assert text in readings
    assert len(readings) == 5


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "first character"),
        ("hello", "first character"),
        (TEXT[1:], "first character"),
        ("aslx" + TEXT[4:], "first character"),
        ("asl2" + TEXT[4:], "newer aslp2p"),
        (armour(b"anything", "asl9"), "newer aslp2p"),
        ("asl1" + " " * 20_000, "paste the invite alone"),
    ],
)
def test_what_is_no_invite(text: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Invite.parse(text)
    assert remedy in caught.value.remedy


GOOD: tuple[Any, ...] = (ID, "home", SECRET, TOKEN, [["h", 1]], [7, ID])


def but(position: int, value: Any) -> tuple[Any, ...]:
    return (*GOOD[:position], value, *GOOD[position + 1 :])


WRONG = [
    but(0, ID[:-1]),
    but(0, "x" * 32),
    but(1, ""),
    but(1, "a\x1b"),
    but(1, "a@b"),
    but(1, b"home"),
    but(2, SECRET + b"x"),
    but(3, bytes(513)),
    but(3, None),
    but(4, None),
    but(4, [["h", 1]] * 9),
    but(4, ["h"]),
    but(4, [["h"]]),
    but(4, [["h", 1, 1]]),
    but(4, [["h", "1"]]),
    but(4, [["h", True]]),
    but(4, [[b"h", 1]]),
    but(4, [["", 1]]),
    but(4, [["h" * 256, 1]]),
    but(4, [["h h", 1]]),
    but(4, [["hé", 1]]),
    but(4, [["h\n", 1]]),
    but(4, [["h", 0]]),
    but(4, [["h", 65536]]),
    but(5, b""),
    but(5, [7]),
    but(5, [7, ID, 0]),
    but(5, [ID, 7]),
    but(5, [True, ID]),
    but(5, [0, ID]),
    but(5, [UINT_MAX + 1, ID]),
    but(5, [7, ID[:-1]]),
    GOOD[:-1],
    (*GOOD, 0),
]


@pytest.mark.parametrize("fields", WRONG)
def test_an_intact_invite_with_impossible_fields_is_refused(fields: tuple[Any, ...]) -> None:
    good = Invite.parse(armour(pack(*GOOD)))
    assert (good.hints, good.floor) == ((Hint("h", 1),), GivenFloor(7, ID))
    with pytest.raises(UsageError, match="this invite can") as caught:
        Invite.parse(armour(pack(*fields)))
    assert "asl invite" in caught.value.remedy


@pytest.mark.parametrize(
    "packed", [b"", b"\xc0", b"\x05", pack(*GOOD) + b"\x00", b"\xdc\x00\x06" + pack(*GOOD)[1:], bytes(4000)]
)
def test_an_intact_invite_that_is_not_canonical_is_refused(packed: bytes) -> None:
    with pytest.raises(UsageError, match="this invite can") as caught:
        Invite.parse(armour(packed))
    assert "asl invite" in caught.value.remedy


@pytest.mark.parametrize(
    "invite",
    [
        Invite(ID[:-1], "home", SECRET, TOKEN),
        Invite(ID, "", SECRET, TOKEN),
        Invite(ID, "home", b"", TOKEN),
        Invite(ID, "home", SECRET, bytes(513)),
        Invite(ID, "home", SECRET, TOKEN, (Hint("h", 0),)),
        Invite(ID, "home", SECRET, TOKEN, (Hint("h", 1),) * 9),
        Invite(ID, "home", SECRET, TOKEN, (), GivenFloor(0, ID)),
    ],
)
def test_no_invite_is_written_that_could_not_be_read(invite: Invite) -> None:
    with pytest.raises(InvariantBroken):
        invite.encode()


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.binary(max_size=80).map(armour)))
def test_any_text_is_an_invite_or_the_users_error(text: str) -> None:
    with pytest.raises(UsageError):
        Invite.parse(text)


def test_a_joiner_shows_the_token_made_out_to_its_key() -> None:
    """Section 11: an invite without a token shows nothing; one whose token is none says what to do."""
    artifact, token = make_token(ID, 2**40, 1, bytes(32), ANN)
    shown = Invite(ID, "home", SECRET, token).shown_by(BEN.key)
    assert borne(read_shown(shown), BEN.key).id == artifact.id
    assert Invite(ID, "home", SECRET, b"").shown_by(BEN.key) == b""
    with pytest.raises(UsageError, match="cannot be used") as caught:
        INVITE.shown_by(BEN.key)
    assert "asl invite" in caught.value.remedy


def test_secrets_stay_out_of_logs() -> None:
    shown = repr(INVITE)
    assert "home" in shown
    assert repr(SECRET)[2:-1] not in shown
    assert "token" not in shown
