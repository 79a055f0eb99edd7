"""A second reading of docs/spec.md, 2.3 and 2.6: what each artifact holds. Imports nothing of aslp2p."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.independent_verifier.encoding import (
    CONTENT_MOST,
    UINT_MAX,
    Refused,
    decode,
    holds,
    is_code,
    is_media_type,
    is_name,
    is_path,
    is_text,
    pae,
)

Kind = Callable[[Any], Any]
"""Gives the value if it is of the kind and in bounds; raises A3 for another kind, A4 for out of bounds."""


def _require(kind: type, value: Any) -> None:
    if type(value) is not kind:
        raise Refused("A3", f"a {type(value).__name__} where a {kind.__name__} belongs")


def number(least: int, most: int = UINT_MAX) -> Kind:
    def check(value: Any) -> int:
        _require(int, value)
        if not least <= value <= most:
            raise Refused("A4", "a number out of bounds")
        return int(value)

    return check


def blob(least: int, most: int) -> Kind:
    def check(value: Any) -> bytes:
        _require(bytes, value)
        if not least <= len(value) <= most:
            raise Refused("A4", "bytes of another length")
        return bytes(value)

    return check


def text(good: Callable[[str], bool]) -> Kind:
    def check(value: Any) -> str:
        _require(str, value)
        if not good(value):
            raise Refused("A4", "a text that is not allowed")
        return str(value)

    return check


def boolean(value: Any) -> bool:
    _require(bool, value)
    return bool(value)


def maybe(kind: Kind) -> Kind:
    return lambda value: None if value is None else kind(value)


def many(kind: Kind, most: int) -> Kind:
    def check(value: Any) -> list[Any]:
        _require(list, value)
        if len(value) > most:
            raise Refused("A4", "too many")
        return [kind(item) for item in value]

    return check


def record(**fields: Kind) -> Kind:
    def check(value: Any) -> dict[str, Any]:
        _require(list, value)
        if len(value) != len(fields):
            raise Refused("A3", "another number of fields")
        return {name: kind(item) for (name, kind), item in zip(fields.items(), value, strict=True)}

    return check


def expects(value: Any) -> bytes | None:
    if value is None:
        return None
    _require(bytes, value)
    if len(value) not in (0, 32):
        raise Refused("A4", "neither empty nor an id")
    return bytes(value)


UINT, POS, ID, KEY = number(0), number(1), blob(32, 32), blob(32, 32)
NAMED = record(name=text(is_name), key=KEY)
POLICY = record(
    witnesses=many(NAMED, 32),
    threshold=number(0, 32),
    rotation_allowed=boolean,
    grace_period_ms=number(200, 315_360_000_000),
    participants=text(lambda word: word in ("invited", "authorities")),
    protocol=POS,
)
SUCCESSION: dict[str, Kind] = {
    "epoch": POS,
    "base_height": UINT,
    "base_id": ID,
    "new_witness": KEY,
    "reason": text(is_text),
}
ABANDONS = many(ID, 64)
ACTIONS = {
    "put": record(
        path=text(is_path),
        content=ID,
        size=number(0, CONTENT_MOST),
        media_type=text(is_media_type),
        executable=boolean,
        modified_ms=UINT,
        expects=expects,
    ),
    "remove": record(path=text(is_path), expects=expects),
    "admit": record(
        key=KEY, name=text(is_name), token=maybe(record(invite=blob(1, 512), signature=blob(64, 64)))
    ),
    "expel": record(key=KEY),
    "forget": record(key=KEY),
    "rename": record(key=KEY, name=text(is_name)),
    "revoke-invite": record(invite=ID),
    "erase": record(content=ID, reason=text(is_text)),
    "policy-change": record(policy=POLICY, replaces=ID),
    "witness-rotation": record(**SUCCESSION),
    "witness-recovery": record(**SUCCESSION, abandons=ABANDONS),
    "witness-revocation": record(**SUCCESSION, abandons=ABANDONS, revoked=KEY, evidence=many(ID, 8)),
}


def action(value: Any) -> dict[str, Any]:
    _require(list, value)
    if not value or type(value[0]) is not str:
        raise Refused("A3", "an action begins with its name")
    if value[0] not in ACTIONS:
        raise Refused("A4", "an unknown action")
    fields: dict[str, Any] = ACTIONS[value[0]](value[1:])
    return {"name_of_action": value[0], **fields}


ARTIFACT = blob(1, 128 << 10)
TYPES: dict[str, tuple[int, Kind]] = {
    "genesis": (
        32 << 10,
        record(
            name=text(is_name),
            policy=POLICY,
            anchors=many(NAMED, 64),
            predecessor=maybe(ID),
            created_ms=UINT,
            salt=blob(32, 32),
        ),
    ),
    "proposal": (16 << 10, record(common_id=ID, created_ms=UINT, salt=blob(8, 8), action=action)),
    "snapshot": (
        96 << 10,
        record(
            common_id=ID,
            height=POS,
            previous=ID,
            epoch=UINT,
            created_ms=UINT,
            proposals=many(ID, 1024),
            log_size=UINT,
            log_root=blob(32, 32),
            certificate=maybe(many(ARTIFACT, 65)),
            settlement=maybe(many(ARTIFACT, 64)),
        ),
    ),
    "endorsement": (2 << 10, record(common_id=ID, proposal=ID, epoch=UINT, created_ms=UINT)),
    "cosignature": (2 << 10, record(common_id=ID, epoch=UINT, height=POS, snapshot=ID, created_ms=UINT)),
    "beacon": (2 << 10, record(common_id=ID, epoch=UINT, height=UINT, head=ID, counter=UINT)),
    "rejection": (
        2 << 10,
        record(common_id=ID, proposal=ID, code=text(is_code), text=text(is_text), created_ms=UINT),
    ),
    "invite": (2 << 10, record(common_id=ID, expires_ms=UINT, uses=number(1, 1000), bearer=KEY)),
}


class Artifact(NamedTuple):
    kind: str
    id: bytes
    key: bytes
    fields: dict[str, Any]
    message: bytes
    signature: bytes

    def verify(self) -> None:
        if not holds(self.key, self.message, self.signature):
            raise Refused("A5", "the signature does not hold")


def read(raw: bytes, kind: str | None = None) -> Artifact:
    """The artifact in `raw`, of this kind if one is named; its signature is not looked at."""
    parts = decode(raw, 128 << 10)
    if type(parts) is not list or len(parts) != 4:
        raise Refused("A3", "not four fields")
    for part, type_ in zip(parts, (str, bytes, bytes, bytes), strict=True):
        _require(type_, part)
    name, body, key, signature = parts
    KEY(key)
    blob(64, 64)(signature)
    found = name.removeprefix("asl.common.").removesuffix("/1")
    if name != f"asl.common.{found}/1" or found not in TYPES:
        raise Refused("A4", "an unknown type")
    most, check = TYPES[found]
    fields = check(decode(body, most))
    if kind not in (None, found):
        raise Refused("A3", f"a {found} where a {kind} belongs")
    message = pae(name, body)
    return Artifact(found, hashlib.sha256(message + key).digest(), key, fields, message, signature)


# --- 2.6 ----------------------------------------------------------------------------------------------

HINT = record(
    host=text(lambda host: 1 <= len(host) <= 255 and all("!" <= letter <= "~" for letter in host)),
    port=number(1, 65_535),
)
INVITE = record(
    common_id=ID,
    name=text(is_name),
    network_secret=blob(32, 32),
    token=blob(0, 512),
    hints=many(HINT, 8),
    floor=maybe(record(height=POS, id=ID)),
)


def invite(text: str) -> dict[str, Any]:
    """The fields of an invite's text; `ValueError` if it is none, whatever is wrong with it."""
    compact = "".join(letter for letter in text if not letter.isspace() and letter != "-")
    if not compact.isascii() or compact[:4].lower() != "asl1":
        raise ValueError("an invite begins with asl1")
    digits = compact[4:].upper()
    try:
        data = base64.b32decode(digits + "=" * (-len(digits) % 8))
    except binascii.Error:
        raise ValueError("not base32") from None
    if base64.b32encode(data).decode().rstrip("=") != digits:
        raise ValueError("spare bits")
    packed, check = data[:-4], data[-4:]
    if hashlib.sha256(b"asl1" + packed).digest()[:4] != check:
        raise ValueError("damaged")
    try:
        fields: dict[str, Any] = INVITE(decode(packed, 3 << 10))
    except Refused as refused:
        raise ValueError(str(refused)) from None
    return fields


def borne(shown: bytes, key: bytes) -> Artifact:
    """The invite that the domain `key` may show so."""
    parts = decode(shown, 512)
    if type(parts) is not list or [type(part) for part in parts] != [bytes, bytes] or len(parts[1]) != 64:
        raise Refused("A3", "not an artifact and a signature")
    found = read(parts[0], "invite")
    found.verify()
    if not holds(found.fields["bearer"], pae("asl.bearer/1", found.id + key), parts[1]):
        raise Refused("A5", "another key's")
    return found
