"""The domain key at rest: whole, private, its own, or refused with what to do."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from aslp2p.errors import UserError
from aslp2p.home import Home
from aslp2p.home.key import (
    KdfCost,
    SecretKey,
    ask_passphrase,
    create_key,
    is_sealed,
    load_key,
    load_public_key,
    seal_key,
)

CHEAP = KdfCost(1, 8192)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def never() -> str:
    raise AssertionError("nobody may be asked")


@pytest.mark.parametrize("passphrase", [None, "correct horse", "", "\udcff not text", "Ü" * 1000])
def test_a_key_comes_back_and_signs(home: Home, passphrase: str | None) -> None:
    made = create_key(home, passphrase=passphrase, cost=CHEAP)
    assert home.key.stat().st_mode & 0o777 == 0o600
    assert is_sealed(home) == (passphrase is not None)
    assert load_public_key(home) == made.key
    loaded = load_key(home, never if passphrase is None else lambda: str(passphrase))
    assert loaded.key == made.key and len(made.key) == 32
    signature = loaded.sign(b"message")
    assert len(signature) == 64
    VerifyKey(made.key).verify(b"message", signature)


def test_rfc_8032_vector() -> None:
    """RFC 8032, 7.1, TEST 2."""
    secret = SecretKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert secret.key.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert secret.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_the_secret_does_not_show_or_leave() -> None:
    seed = os.urandom(32)
    secret = SecretKey(seed)
    for shown in (repr(secret), str(secret), f"{secret}"):
        assert seed.hex() not in shown and repr(seed) not in shown
        assert secret.key.hex()[:8] in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not leave"):
            leave(secret)
    assert not hasattr(secret, "__dict__")


def test_a_sealed_file_does_not_hold_the_seed(home: Home) -> None:
    seed = os.urandom(32)
    create_key(home, SecretKey(seed), passphrase="p", cost=CHEAP)
    assert seed.hex().encode() not in home.key.read_bytes()
    with pytest.raises(UserError, match="not the passphrase"):
        load_key(home, lambda: "q")


def test_a_key_is_never_replaced(home: Home) -> None:
    made = create_key(home)
    with pytest.raises(UserError, match="never replaced"):
        create_key(home)
    assert load_key(home).key == made.key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_what_to_type(home: Home, mode: int) -> None:
    create_key(home)
    home.key.chmod(mode)
    for use in (load_key, load_public_key, is_sealed):
        with pytest.raises(UserError, match=f"mode {mode:04o}.*chmod 600 {home.key}"):
            use(home)


def test_no_key_says_what_to_type(home: Home) -> None:
    with pytest.raises(UserError, match=r"there is no key at .*asl init"):
        load_key(home)


@pytest.mark.parametrize("passphrase", [None, "p"])
def test_a_file_cut_off_anywhere_is_damaged(home: Home, passphrase: str | None) -> None:
    create_key(home, passphrase=passphrase, cost=CHEAP)
    whole = home.key.read_bytes()
    for size in range(len(whole)):
        home.key.write_bytes(whole[:size])
        with pytest.raises(UserError, match="damaged"):
            load_key(home, lambda: "p")


def test_a_flipped_bit_anywhere_is_noticed(home: Home) -> None:
    made = create_key(home)
    whole = home.key.read_bytes()
    for at in range(len(whole)):
        for bit in (0x01, 0x02, 0x20, 0x80):  # 0x20: letter case
            changed = bytearray(whole)
            changed[at] ^= bit
            home.key.write_bytes(changed)
            problem = ""
            try:
                assert load_key(home).key == made.key  # hexadecimal of the seed in capitals is the same seed
            except UserError as error:
                problem = str(error)
            assert not problem or "damaged" in problem


@given(data=st.binary(max_size=300), sealed=st.booleans())
def test_any_bytes_are_a_key_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, sealed: bool
) -> None:
    home = Home(tmp_path_factory.getbasetemp() / "any-bytes")
    home.path.mkdir(exist_ok=True)
    head = f"aslp2p domain key 1\npublic: ed25519:{'0' * 64}\n".encode() if sealed else b""
    home.key.write_bytes(head + data + b"\n")
    home.key.chmod(0o600)
    with pytest.raises(UserError, match="damaged"):
        load_key(home, never)


@pytest.mark.parametrize("line", ["99 8192", "1 99999999999", "1", "-1 8192", "1 8192 00 00", "x y"])
def test_an_absurd_cost_is_refused_before_it_is_paid(home: Home, line: str) -> None:
    create_key(home, passphrase="p", cost=CHEAP)
    text = home.key.read_text()
    salt = text.split("argon2id: ")[1].split("\n")[0].split(" ")[2]
    home.key.write_text(text.replace(f"argon2id: 1 8192 {salt}", f"argon2id: {line} {salt}".rstrip()))
    with pytest.raises(UserError, match="damaged"):
        load_key(home, never)


def test_the_passphrase_comes_from_the_environment_or_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_passphrase({"ASL_PASSPHRASE": "p"}) == "p"
    assert ask_passphrase({"ASL_PASSPHRASE": ""}) == ""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(UserError, match="set ASL_PASSPHRASE"):
            ask_passphrase({})


def test_a_passphrase_changes_and_the_key_does_not(home: Home) -> None:
    made = create_key(home)
    seal_key(home, made, "one", cost=CHEAP)
    seal_key(home, load_key(home, lambda: "one"), "two", cost=CHEAP)
    assert load_key(home, lambda: "two").key == made.key and home.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="not the passphrase"):
        load_key(home, lambda: "one")
    before = home.key.read_bytes()
    with pytest.raises(UserError, match="holds another key"):
        seal_key(home, SecretKey.generate(), None)
    assert home.key.read_bytes() == before
