"""Artifacts at their bounds and one beyond, field by field (docs/spec.md 2.3, A3 and A4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from aslp2p.artifacts.canonical import encode
from aslp2p.artifacts.envelope import pae
from aslp2p.limits import UINT_MAX
from tests.ledger.builder import ANN, BEN, CLEO

ID = bytes(32)
NAMED = ["ann", ANN.key]
POLICY = [[NAMED, ["ben", BEN.key]], 2, True, 200, "invited", 1]
PUT = ["put", "a", ID, 1, "", False, 0, None]
TOKEN = [b"x", bytes(64)]
SUCCESSION = [1, 0, ID, CLEO.key, ""]
BODIES: dict[str, list[Any]] = {
    "genesis": ["home", POLICY, [NAMED], None, 0, ID],
    "proposal": [ID, 0, bytes(8), PUT],
    "snapshot": [ID, 1, ID, 0, 0, [], 0, ID, None, None],
    "endorsement": [ID, ID, 0, 0],
    "cosignature": [ID, 0, 1, ID, 0],
    "beacon": [ID, 0, 0, ID, 0],
    "rejection": [ID, ID, "full", "", 0],
    "invite": [ID, 0, 1, CLEO.key],
}
ACTIONS: dict[str, list[Any]] = {
    "put": PUT,
    "remove": ["remove", "a", None],
    "admit": ["admit", CLEO.key, "cleo", TOKEN],
    "expel": ["expel", CLEO.key],
    "forget": ["forget", CLEO.key],
    "rename": ["rename", CLEO.key, "cleo"],
    "revoke-invite": ["revoke-invite", ID],
    "erase": ["erase", ID, ""],
    "policy-change": ["policy-change", POLICY, ID],
    "witness-rotation": ["witness-rotation", *SUCCESSION],
    "witness-recovery": ["witness-recovery", *SUCCESSION, []],
    "witness-revocation": ["witness-revocation", *SUCCESSION, [], CLEO.key, []],
}


class Field(NamedTuple):
    """What a place takes (`good`), what is of another kind (A3), and what is out of bounds (A4)."""

    good: tuple[Any, ...]
    kind: tuple[Any, ...]
    bounds: tuple[Any, ...]


def number(least: int, most: int) -> Field:
    return Field((least, most), (None, True, str(least), b""), (least - 1, most + 1))


def blob(size: int) -> Field:
    return Field((b"\xff" * size,), (None, "x" * size, [0]), (bytes(size - 1), bytes(size + 1), b""))


def maybe(field: Field) -> Field:
    return Field((None, *field.good), tuple(one for one in field.kind if one is not None), field.bounds)


def many(item: Any, most: int, kind: Any = 1, *beyond: Any) -> Field:
    """`kind` is an item of another kind; each of `beyond` is one out of its bounds."""
    return Field(([], [item] * most), (None, b"", [kind]), ([item] * (most + 1), *([one] for one in beyond)))


def text(good: tuple[str, ...], bad: tuple[str, ...]) -> Field:
    return Field(good, (None, b"a", 1), bad)


HIDDEN = (*range(0x00, 0x20, 0x1F), 0x7F, 0x9F, 0x61C, 0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069, 0xFEFF)
"""The ends of what no text holds, and, below, what is next to them."""
BESIDE = (0x20, 0x7E, 0xA0, 0x61B, 0x61D, 0x2010, 0x2027, 0x202F, 0x2065, 0x206A, 0xFEFE, 0xFF00)
UNSEEN = (0xAD, 0x115F, 0x1160, 0x180B, 0x180C, 0x180D, 0x180F, 0x200B, 0x200D, 0x2060, 0x3164, 0xFE00)
UNSEEN_TOO = (0xFE0F, 0xE0100, 0xE01EF, 0x200C)
"""What no name holds besides."""
SEEN = (0xAC, 0xAE, 0x115E, 0x1161, 0x180A, 0x180E, 0x2061, 0x3163, 0x3165, 0xFDFF, 0xFE10, 0xE00FF, 0xE01F0)

NAMES = text(
    ("n", "é" * 32, "...", "a b", *(f"a{chr(one)}b" for one in SEEN)),
    (
        *("", "n" * 65, "é" * 32 + "n", ".", "..", "a/b", "a:b", "a@b", " a", "a "),
        *(f"a{chr(one)}b" for one in (*UNSEEN, *UNSEEN_TOO, *HIDDEN)),
    ),
)
LONGEST = "/".join(["x" * 255] * 3 + ["x" * 254, "x"])
"""A path of 1,024 bytes."""
PATHS = text(
    (
        *("a", "...", "a/b/c", " ", "é" * 127 + "x", LONGEST),
        *(f"a{chr(one)}b" for one in (*BESIDE, *UNSEEN, *UNSEEN_TOO)),
    ),
    (
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/../b", "x" * 256, "é" * 128),
        LONGEST + "x",
        *(f"a{chr(one)}b" for one in HIDDEN),
    ),
)
TEXTS = text(("", "é" * 256, *map(chr, BESIDE)), ("é" * 256 + "x", *map(chr, HIDDEN)))
MEDIA_TYPES = text(("", "~" * 128, " "), ("~" * 129, "\x1f", "\x7f", "é"))
CODES = text(("A", "z", "0", "9z-.Z", "c" * 32), ("", "c" * 33, "-a", ".a", "a_b", "a b", "é", "[", "`"))
BOOLEANS = Field((True, False), (None, 0, "true"), ())
EXPECTS = Field((None, b"", ID), (0, "x" * 32, []), (bytes(31), bytes(33), b"\x00"))
UINT, POS, KEY = number(0, UINT_MAX), number(1, UINT_MAX), blob(32)
ARTIFACTS = many(b"x", 64, "x", b"")

POLICY_FIELDS: dict[int, Field] = {
    0: many(NAMED, 32, [1, ANN.key]),
    1: number(0, 32),
    2: BOOLEANS,
    3: number(200, 315_360_000_000),
    4: text(("invited", "authorities"), ("", "Invited", "invited ")),
    5: POS,
}
BODY_FIELDS: dict[str, dict[int, Field]] = {
    "genesis": {0: NAMES, 2: many(NAMED, 64, [1, ANN.key]), 3: maybe(KEY), 4: UINT, 5: KEY},
    "proposal": {0: KEY, 1: UINT, 2: blob(8)},
    "snapshot": {
        0: KEY,
        1: POS,
        2: KEY,
        3: UINT,
        4: UINT,
        5: many(ID, 1024, 1, bytes(31)),
        6: UINT,
        7: KEY,
        8: maybe(many(b"x", 65, "x", b"")),
        9: maybe(ARTIFACTS),
    },
    "endorsement": {0: KEY, 1: KEY, 2: UINT, 3: UINT},
    "cosignature": {0: KEY, 1: UINT, 2: POS, 3: KEY, 4: UINT},
    "beacon": {0: KEY, 1: UINT, 2: UINT, 3: KEY, 4: UINT},
    "rejection": {0: KEY, 1: KEY, 2: CODES, 3: TEXTS, 4: UINT},
    "invite": {0: KEY, 1: UINT, 2: number(1, 1_000), 3: KEY},
}
SUCCESSION_FIELDS = {1: POS, 2: UINT, 3: KEY, 4: KEY, 5: TEXTS}
ABANDONS = {6: many(ID, 64)}
ACTION_FIELDS: dict[str, dict[int, Field]] = {
    "put": {
        1: PATHS,
        2: KEY,
        3: number(0, 34_358_689_792),
        4: MEDIA_TYPES,
        5: BOOLEANS,
        6: UINT,
        7: EXPECTS,
    },
    "remove": {1: PATHS, 2: EXPECTS},
    "admit": {1: KEY, 2: NAMES, 3: Field((None, TOKEN), (0, b"", [b"x"]), ())},
    "expel": {1: KEY},
    "forget": {1: KEY},
    "rename": {1: KEY, 2: NAMES},
    "revoke-invite": {1: KEY},
    "erase": {1: KEY, 2: TEXTS},
    "policy-change": {2: KEY},
    "witness-rotation": SUCCESSION_FIELDS,
    "witness-recovery": SUCCESSION_FIELDS | ABANDONS,
    "witness-revocation": SUCCESSION_FIELDS | ABANDONS | {7: KEY, 8: many(ID, 8)},
}
TOKEN_FIELDS = {
    0: Field((bytes(512),), (None, "x"), (b"", bytes(513))),
    1: Field((), (None, "x" * 64), (bytes(63), bytes(65))),
}


def signed(type_: str, fields: Any, *, body: bytes | None = None, name: str | None = None) -> bytes:
    """A whole artifact of ann with this body, whatever is in it."""
    whole = name or f"asl.common.{type_}/1"
    data = encode(fields) if body is None else body
    return encode([whole, data, ANN.key, ANN.sign(pae(whole, data))])


def proposal(action: Any) -> bytes:
    return signed("proposal", [*BODIES["proposal"][:3], action])


def _with(fields: list[Any], place: int, value: Any) -> list[Any]:
    return [*fields[:place], value, *fields[place + 1 :]]


def _places() -> Iterator[tuple[str, Field, Callable[[Any], bytes]]]:
    """(name, what the place takes, what makes an artifact with a value there)"""

    def in_body(type_: str, place: int) -> Callable[[Any], bytes]:
        return lambda value: signed(type_, _with(BODIES[type_], place, value))

    def in_action(base: list[Any], place: int, *inside: int) -> Callable[[Any], bytes]:
        """At `place` of the action, or deeper."""
        if not inside:
            return lambda value: proposal(_with(base, place, value))
        return lambda value: proposal(_with(base, place, _with(base[place], inside[0], value)))

    def in_named(place: int) -> Callable[[Any], bytes]:
        return lambda value: signed("genesis", _with(BODIES["genesis"], 2, [_with(NAMED, place, value)]))

    for type_, fields in BODY_FIELDS.items():
        for place, field in fields.items():
            yield f"{type_} {place}", field, in_body(type_, place)
    for action, fields in ACTION_FIELDS.items():
        for place, field in fields.items():
            yield f"{action} {place}", field, in_action(ACTIONS[action], place)
    for place, field in POLICY_FIELDS.items():
        yield f"policy {place}", field, in_action(ACTIONS["policy-change"], 1, place)
    for place, field in TOKEN_FIELDS.items():
        yield f"token {place}", field, in_action(ACTIONS["admit"], 3, place)
    for place, whole in {0: NAMES, 1: KEY}.items():
        one = Field(whole.good[:1], whole.kind[:1], whole.bounds[:1])
        yield f"named {place}", one, in_named(place)


def good() -> list[tuple[str, bytes]]:
    """(name, artifact): every field at its bounds."""
    found = [
        (f"{name}: good {number}", make(value))
        for name, field, make in _places()
        for number, value in enumerate(field.good)
    ]
    return [*found, ("snapshot: a body of 96 KiB", signed("snapshot", _body_of(96 << 10)))]


def _body_of(size: int) -> list[Any]:
    """A snapshot's fields whose encoding has exactly `size` bytes."""
    base = _with(BODIES["snapshot"], 8, [b"x"])
    rest = size - len(encode(base)) + 1 - 4
    fields = _with(base, 8, [bytes(rest)])
    while len(encode(fields)) != size:
        rest += size - len(encode(fields))
        fields = _with(base, 8, [bytes(rest)])
    return fields


def bad() -> list[tuple[str, str, bytes]]:
    """(name, rule, artifact): every field of another kind, and beyond its bounds."""
    found = [
        (f"{name}: bad {number}", rule, make(value))
        for name, field, make in _places()
        for number, (rule, value) in enumerate(
            [*(("A3", value) for value in field.kind), *(("A4", value) for value in field.bounds)]
        )
    ]
    for type_, fields in BODIES.items():
        found.append((f"{type_}: a field too few", "A3", signed(type_, fields[:-1])))
        found.append((f"{type_}: a field too many", "A3", signed(type_, [*fields, None])))
    for name, fields in ACTIONS.items():
        found.append((f"{name}: a field too few", "A3", proposal(fields[:-1])))
        found.append((f"{name}: a field too many", "A3", proposal([*fields, None])))
    small = {"genesis": 32, "proposal": 16, "endorsement": 2, "beacon": 2, "invite": 2, "snapshot": 96}
    for type_, kib in {**small, "cosignature": 2, "rejection": 2}.items():
        padded = [*BODIES[type_], b""]
        padded[-1] = bytes((kib << 10) + 1 - len(encode(padded)) - 2)
        while len(encode(padded)) <= kib << 10:
            padded[-1] += b"\x00"
        found.append((f"{type_}: a body of {kib} KiB and a byte", "A4", signed(type_, padded)))
    beacon = BODIES["beacon"]
    return [
        *found,
        ("a policy that is nil", "A3", signed("genesis", _with(BODIES["genesis"], 1, None))),
        ("a policy with a field too few", "A3", proposal(["policy-change", POLICY[:-1], ID])),
        ("an action that is empty", "A3", proposal([])),
        ("an action that is text", "A3", proposal("put")),
        ("an action without a name", "A3", proposal([ID])),
        ("a body that is no array", "A3", signed("beacon", "x")),
        ("an empty body", "A3", signed("beacon", None, body=b"")),
        (
            "a type with something before it",
            "A4",
            signed("beacon", beacon, name="x.asl.common.beacon/1"),
        ),
        ("a type without its number", "A4", signed("beacon", beacon, name="asl.common.beacon")),
        ("a type that is its last word", "A4", signed("beacon", beacon, name="beacon")),
        ("a bearer's type", "A4", signed("beacon", beacon, name="asl.bearer/1")),
    ]


def either() -> list[tuple[str, bytes]]:
    """Artifacts that break A3 and A4 at once."""
    return [
        ("a path out of bounds, then a size that is text", proposal(_with(_with(PUT, 1, ""), 3, "1"))),
        (
            "a size that is text, then an expectation of 31 bytes",
            proposal(_with(_with(PUT, 3, "1"), 7, bytes(31))),
        ),
        ("a negative time in a body with a field too many", signed("endorsement", [ID, ID, 0, -1, None])),
        (
            "too many endorsements, none of them bytes",
            signed("snapshot", _with(BODIES["snapshot"], 8, [1] * 66)),
        ),
        ("an unknown type whose body does not decode", signed("vote", None, body=b"\xc1")),
    ]


def bounds() -> dict[str, Any]:
    return {
        "valid": [{"name": name, "artifact": raw.hex()} for name, raw in good()],
        "invalid": [{"name": name, "rule": rule, "artifact": raw.hex()} for name, rule, raw in bad()],
        "either": [{"name": name, "rules": ["A3", "A4"], "artifact": raw.hex()} for name, raw in either()],
    }
