"""Invites and their tokens, good and bad (docs/spec.md 2.6)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from aslp2p.artifacts.canonical import decode, encode
from aslp2p.artifacts.envelope import Signer, sign_statement
from aslp2p.artifacts.invite import GivenFloor, Hint, Invite
from aslp2p.artifacts.token import bear, make_token
from aslp2p.artifacts.types import Beacon
from aslp2p.limits import UINT_MAX
from tests.ledger.builder import ANN, BEN, CLEO, bad_signature

KELVIN = "\u212a"
"""A letter that some tables fold to the k of ASCII."""


DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


def armoured(value: Any) -> str:
    """The text form of a packed invite, whatever is in it."""
    packed = encode(value)
    data = packed + hashlib.sha256(b"asl1" + packed).digest()[:4]
    return "asl1" + base64.b32encode(data).decode().rstrip("=").lower()


def not_invites(good: str) -> dict[str, str]:
    """Texts that are no invite, by what is wrong."""
    whole: list[Any] = [bytes(32), "home", bytes(32), b"", [["host", 1]], None]

    def having(place: int, value: Any) -> str:
        return armoured([*whole[:place], value, *whole[place + 1 :]])

    with_k = next(text for text in (having(3, bytes([count])) for count in range(256)) if "k" in text)
    ended = next(text for text in (having(3, bytes(count)) for count in range(5)) if len(text) % 8 != 4)
    damaged = base64.b32decode(good[4:].upper() + "=" * (-len(good[4:]) % 8))
    flipped = base64.b32encode(damaged[:-1] + bytes([damaged[-1] ^ 1])).decode().rstrip("=").lower()
    return {
        "empty": "",
        "its beginning alone": "asl1",
        "a letter that only Unicode folds": with_k.replace("k", KELVIN, 1),
        "a digit that base32 lacks": good[:-1] + "1",
        "another checksum": "asl1" + flipped,
        "not an array": armoured("invite"),
        "five fields": armoured(whole[:5]),
        "seven fields": armoured([*whole, None]),
        "a Common id of 31 bytes": having(0, bytes(31)),
        "a Common id that is text": having(0, "x" * 32),
        "a name with a slash": having(1, "a/b"),
        "no name": having(1, ""),
        "a name of 65 bytes": having(1, "n" * 65),
        "a network secret of 33 bytes": having(2, bytes(33)),
        "a token of 513 bytes": having(3, bytes(513)),
        "no token": having(3, None),
        "nine addresses": having(4, [["host", 1]] * 9),
        "an address without a port": having(4, [["host"]]),
        "an address without a host": having(4, [["", 1]]),
        "a host of 256 bytes": having(4, [["h" * 256, 1]]),
        "a host with a space": having(4, [["a b", 1]]),
        "a host that is not ASCII": having(4, [["bü", 1]]),
        "a host with a control character": having(4, [["a\x7f", 1]]),
        "port 0": having(4, [["host", 0]]),
        "port 65,536": having(4, [["host", 65_536]]),
        "a port that is true": having(4, [["host", True]]),
        "a floor at the genesis": having(5, [0, bytes(32)]),
        "a floor above 2^53 - 1": having(5, [UINT_MAX + 1, bytes(32)]),
        "a floor of 31 bytes": having(5, [1, bytes(31)]),
        "a floor without a height": having(5, [bytes(32)]),
        "a floor with its height as text": having(5, ["1", bytes(32)]),
        "more than 3 KiB": armoured([*whole, bytes(3072)]),
        "spare bits that are not zero": ended[:-1] + DIGITS[DIGITS.index(ended[-1]) ^ 1],
    }


def invites() -> dict[str, Any]:
    hints = (Hint("192.0.2.7", 4242), Hint("fe80::1%eth0", 1))
    most = tuple(Hint("h" * 255, 65_535) for _ in range(8))
    found = [
        Invite(bytes(range(32)), "home", bytes(range(32, 64)), b"", ()),
        Invite(b"\x07" * 32, "Büro", b"\x08" * 32, b"token" * 40, hints),
        Invite(b"\x07" * 32, "home", b"\x08" * 32, b"", hints, GivenFloor(43, b"\x09" * 32)),
        Invite(b"\x07" * 32, "n" * 64, b"\x08" * 32, bytes(512), most, GivenFloor(UINT_MAX, b"\x09" * 32)),
        Invite(b"\x06" * 32, "n", b"\x08" * 32, b"", (Hint("!", 1), Hint("~", 2))),
    ]
    text = found[0].encode()
    artifact, token = make_token(bytes(32), UINT_MAX, 3, b"\x03" * 32, ANN)
    other, _ = make_token(bytes(32), UINT_MAX, 3, b"\x04" * 32, ANN)
    shown = bear(token, BEN.key)
    signature = decode(shown, bytes_max=len(shown))[1]
    beacon = sign_statement(Beacon(bytes(32), 0, 0, bytes(32), 0), ANN).raw
    refused: dict[str, tuple[str, Signer, bytes]] = {
        "by another key": ("A5", CLEO, shown),
        "with another token's signature": ("A5", BEN, encode([other.raw, signature])),
        "as it stands in the invite": ("A3", BEN, token),
        "the artifact alone": ("A3", BEN, artifact.raw),
        "with an inviter's signature that does not verify": (
            "A5",
            BEN,
            encode([bad_signature(artifact).raw, signature]),
        ),
        "a beacon": ("A3", BEN, encode([beacon, signature])),
        "a short signature": ("A3", BEN, encode([artifact.raw, signature[1:]])),
        "a signature that is text": ("A3", BEN, encode([artifact.raw, "x" * 64])),
        "three parts": ("A3", BEN, encode([artifact.raw, signature, None])),
        "a trailing byte": ("A3", BEN, shown + b"\x00"),
        "more than 512 bytes": ("A4", BEN, encode([artifact.raw, signature, bytes(300)])),
    }
    return {
        "valid": [
            {
                "text": one.encode(),
                "common_id": one.common_id.hex(),
                "name": one.name,
                "network_secret": one.network_secret.hex(),
                "token": one.token.hex(),
                "hints": [[hint.host, hint.port] for hint in one.hints],
                "floor": None if one.floor is None else [one.floor.height, one.floor.id.hex()],
            }
            for one in found
        ],
        "same": [text.upper(), f" {text[:9]}-{text[9:]}\n", f"\t{text[:40].upper()}\r\n-{text[40:]}"],
        "tokens": [{"token": token.hex(), "key": BEN.key.hex(), "shown": shown.hex()}],
        "not_shown": [
            {"name": name, "rule": rule, "key": signer.key.hex(), "shown": data.hex()}
            for name, (rule, signer, data) in refused.items()
        ],
        "invalid": [text[:-1], text[:-1] + ("a" if text[-1] != "a" else "b"), "asl2" + text[4:], text[4:]],
        "not_invites": [{"name": name, "text": text} for name, text in not_invites(text).items()],
    }
