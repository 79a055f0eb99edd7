"""Writes the vectors beside this file; see README.md for what they say. Nothing here is random.

    python -m tests.vectors.generate

writes all files again. A test fails when what is written differs from what is there: frozen vectors change
only with the protocol.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aslp2p.artifacts.bundle import BundleReader
from aslp2p.artifacts.canonical import encode
from aslp2p.artifacts.content import encode_manifest
from aslp2p.artifacts.envelope import Signed, decode_artifact, pae, sign_statement
from aslp2p.artifacts.merkle import Frontier, TiledNodes, inclusion_proof
from aslp2p.artifacts.proof_file import encode_proof
from aslp2p.artifacts.token import bear, make_token, read_shown
from aslp2p.artifacts.types import (
    Admit,
    Beacon,
    Cosignature,
    Endorsement,
    Erase,
    Expel,
    Forget,
    InviteToken,
    PolicyChange,
    Recovery,
    Rejection,
    Remove,
    Rename,
    Revocation,
    RevokeInvite,
    Rotation,
)
from aslp2p.ledger.facts import Entry, unpack
from aslp2p.ledger.proof import check_proof
from aslp2p.limits import CHUNK_BYTES, CONTENT_BYTES_MAX, UINT_MAX
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Node, World, bad_signature, feed, policy, swap
from tests.ledger.cases import ACCEPTED, GENESES, REFUSALS, Case, plain, second_reign
from tests.ledger.edges import EDGES
from tests.ledger.proof_gaps import REFUSED, VALID
from tests.ledger.proofs import BAD, GOOD, bad, good, years
from tests.vectors import branches, floors, large
from tests.vectors import bundles as published
from tests.vectors.bounds import bounds
from tests.vectors.invites import invites
from tests.vectors.messages import messages
from tests.vectors.signatures import (
    ORDER,
    TORSION,
    by_nobody,
    not_reduced,
    reduced,
    with_no_nonce,
    with_torsion,
)

HERE = Path(__file__).parent
UNSEEN = "\u00ad\u115f\u1160\u180b\u200b\u200c\u200d\u2060\u3164\ufe00\ufe0f\U000e0100\U000e01ef"
"""What shows as nothing, and stands in no name."""
P_PLUS_ONE = b"\xee" + b"\xff" * 30 + b"\x7f"
"""The point 1 in bytes that are not canonical."""
Vectors = dict[str, Any]


# --- canonical ----------------------------------------------------------------------------------------


def shown(value: Any) -> Any:
    """A value in JSON: bytes as {"bytes": hex}, integers beyond 2^53 as {"int": decimal}."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > UINT_MAX:
        return {"int": str(value)}
    return [shown(item) for item in value] if isinstance(value, list) else value


VALUES: list[Any] = [
    None,
    False,
    True,
    *(0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, 2**63, 2**64 - 1),
    *(-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)),
    *("", "a", "é", "家", "x" * 31, "x" * 32, "x" * 255, "x" * 256),
    *(b"", b"\x00", bytes(255), bytes(256)),
    [],
    [None],
    [1] * 15,
    [1] * 16,
    ["a", b"a", [1, [True]]],
    [[[[[[[[None]]]]]]]],
    [None] * 2048,
    bytes(4093),
]

NOT_CANONICAL: dict[str, tuple[str, bytes]] = {
    "nothing": ("A3", b""),
    "a trailing byte": ("A3", b"\xc0\x00"),
    "a missing byte": ("A3", b"\x92\x01"),
    "the code that is never used": ("A3", b"\xc1"),
    "an empty map": ("A3", b"\x80"),
    "a map": ("A3", b"\x81\xa1a\x01"),
    "a float": ("A3", b"\xcb\x3f\xf0" + bytes(6)),
    "a short float": ("A3", b"\xca\x3f\x80\x00\x00"),
    "an extension": ("A3", b"\xd4\x01\x00"),
    "a time stamp": ("A3", b"\xd6\xff" + bytes(4)),
    "5 in 8 bits": ("A3", b"\xcc\x05"),
    "255 in 16 bits": ("A3", b"\xcd\x00\xff"),
    "65535 in 32 bits": ("A3", b"\xce\x00\x00\xff\xff"),
    "1 in 64 bits": ("A3", b"\xcf" + bytes(7) + b"\x01"),
    "a positive number as a signed one": ("A3", b"\xd0\x05"),
    "-1 in 8 bits": ("A3", b"\xd0\xff"),
    "a string with a longer header": ("A3", b"\xd9\x01a"),
    "bytes with a longer header": ("A3", b"\xc5\x00\x01a"),
    "an array with a longer header": ("A3", b"\xdc\x00\x01\xc0"),
    "UTF-8 cut short": ("A3", b"\xa1\xc3"),
    "UTF-8 for a surrogate": ("A3", b"\xa3\xed\xa0\x80"),
    "UTF-8 with an overlong form": ("A3", b"\xa2\xc0\xaf"),
    "a string of 255 bytes in 16 bits": ("A3", b"\xda\x00\xff" + b"x" * 255),
    "a string of 256 bytes in 32 bits": ("A3", b"\xdb\x00\x00\x01\x00" + b"x" * 256),
    "a string of 31 bytes in 8 bits": ("A3", b"\xd9\x1f" + b"x" * 31),
    "256 bytes in 32 bits": ("A3", b"\xc6\x00\x00\x01\x00" + bytes(256)),
    "255 bytes in 16 bits": ("A3", b"\xc5\x00\xff" + bytes(255)),
    "an array of 15 in 16 bits": ("A3", b"\xdc\x00\x0f" + b"\xc0" * 15),
    "an array of 16 in 32 bits": ("A3", b"\xdd\x00\x00\x00\x10" + b"\xc0" * 16),
    "127 in 8 bits": ("A3", b"\xcc\x7f"),
    "2^32 - 1 in 64 bits": ("A3", b"\xcf\x00\x00\x00\x00\xff\xff\xff\xff"),
    "-32 in 8 bits": ("A3", b"\xd0\xe0"),
    "-128 in 16 bits": ("A3", b"\xd1\xff\x80"),
    "-32768 in 32 bits": ("A3", b"\xd2\xff\xff\x80\x00"),
    "-2^31 in 64 bits": ("A3", b"\xd3\xff\xff\xff\xff\x80\x00\x00\x00"),
    "a length cut short": ("A3", b"\xc5\x01"),
    "UTF-8 above U+10FFFF": ("A3", b"\xa4\xf4\x90\x80\x80"),
    "a byte of UTF-8 that continues nothing": ("A3", b"\xa1\x80"),
    "an extension of 8 bits": ("A3", b"\xc7\x01\x00\x00"),
    "a map of 16 bits": ("A3", b"\xde\x00\x00"),
    "a map of 32 bits": ("A3", b"\xdf\x00\x00\x00\x00"),
    "the beginning of a map of 32 bits": ("A3", b"\xdf"),
    "the beginning of an extension": ("A3", b"\xd4"),
    "more than 4,096 bytes": ("A4", b"\xc5\x0f\xfe" + bytes(4094)),
    "nine arrays inside each other": ("A4", b"\x91" * 9 + b"\xc0"),
    "2,049 items": ("A4", b"\xdc\x08\x01" + b"\xc0" * 2049),
}


def canonical() -> Vectors:
    return {
        "valid": [{"hex": encode(value).hex(), "value": shown(value)} for value in VALUES],
        "invalid": [
            {"name": name, "rule": rule, "hex": data.hex()} for name, (rule, data) in NOT_CANONICAL.items()
        ],
    }


# --- artifacts ----------------------------------------------------------------------------------------


def statements() -> list[tuple[str, Signed[Any]]]:
    """One of each type and action, with edges of their fields."""
    world = World(predecessor=b"\x05" * 32)
    tip = world.puts(world.root, "a")
    ids = (b"\x01" * 32, b"\x02" * 32)
    _, token = make_token(world.id, UINT_MAX, 1000, b"\x03" * 32, ANN)
    shown = read_shown(bear(token, DAN.key))
    new = policy((ANN, BEN), 2, participants="authorities", rotation_allowed=False, grace_period_ms=200)
    actions = {
        "put": world.put(
            "photos/1 ü.jpg", media_type="image/jpeg", executable=True, modified_ms=UINT_MAX, expects=b""
        ),
        "put whose path has a joiner": world.put("👩\u200d👧"),
        "put that expects": world.put("x" * 255, expects=ids[0], size=34_358_689_792),
        "remove": world.propose(Remove("a", None)),
        "admit": world.admit(DAN),
        "admit with a token": world.propose(Admit(DAN.key, "dan", shown), CLEO),
        "expel": world.propose(Expel(DAN.key), BEN),
        "forget": world.propose(Forget(DAN.key), BEN),
        "rename": world.propose(Rename(DAN.key, "Daniel"), DAN),
        "revoke-invite": world.propose(RevokeInvite(ids[1])),
        "erase": world.propose(Erase(ids[0], "it was never meant for here"), DAN),
        "policy-change": world.propose(PolicyChange(new, world.id)),
        "witness-rotation": world.propose(Rotation(1, 0, world.id, BEN.key, "moving out")),
        "witness-recovery": world.propose(Recovery(2**52, 1, tip.id, CLEO.key, "", ids), BEN),
        "witness-revocation": world.propose(
            Revocation(2, 1, tip.id, CLEO.key, "stolen", (), ANN.key, ids), CLEO
        ),
    }
    invite = InviteToken(world.id, UINT_MAX, 1, CLEO.key)
    return [
        ("genesis", world.genesis),
        *((f"proposal: {name}", proposal) for name, proposal in actions.items()),
        ("snapshot", tip.signed),
        ("snapshot with a certificate", world.rotate(tip, BEN).signed),
        ("snapshot with a settlement", world.after(tip, settlement=world.settlement(tip, ANN)).signed),
        ("endorsement", sign_statement(Endorsement(world.id, ids[0], 7, 1), BEN)),
        ("cosignature", sign_statement(Cosignature(world.id, 0, 1, tip.id, 2), CLEO)),
        ("beacon", sign_statement(Beacon(world.id, 0, 0, world.id, UINT_MAX), ANN)),
        ("rejection", sign_statement(Rejection(world.id, ids[0], "name-taken", "ann is taken", 3), ANN)),
        ("invite", sign_statement(invite, DAN)),
        ("endorsement by a key with a part of small order", decode_artifact(reduced())),
    ]


def envelope(*fields: Any) -> bytes:
    return encode(list(fields))


def broken_artifacts() -> list[tuple[str, str, bytes]]:
    """Bytes that are no artifact, or whose signature does not hold."""
    good = World().put("a")
    type_, body, key, signature = good.type, good.body, good.key, good.signature
    fields = [
        good.statement.common_id,
        2001,
        good.statement.salt,
        ["put", "a", bytes(32), 1, "", False, 0, None],
    ]
    assert encode(fields) == body

    def with_fields(position: int, value: Any) -> bytes:
        return envelope(type_, encode([*fields[:position], value, *fields[position + 1 :]]), key, signature)

    def with_action(*action: Any) -> bytes:
        return with_fields(3, list(action))

    def with_uses(uses: int) -> bytes:
        return envelope("asl.common.invite/1", encode([bytes(32), 1, uses, BEN.key]), key, signature)

    larger = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    small = b"\x01" + bytes(31)
    message = pae(type_, body)
    return [
        ("not an array", "A3", encode("artifact")),
        ("three fields", "A3", envelope(type_, body, key)),
        ("five fields", "A3", envelope(type_, body, key, signature, None)),
        ("a short signature", "A4", envelope(type_, body, key, signature[1:])),
        ("a long signature", "A4", envelope(type_, body, key, signature + b"\x00")),
        ("a long key", "A4", envelope(type_, body, key + b"\x00", signature)),
        ("a body that is not bytes", "A3", envelope(type_, fields, key, signature)),
        ("a trailing byte", "A3", good.raw + b"\x00"),
        ("a body with a trailing byte", "A3", envelope(type_, body + b"\x00", key, signature)),
        (
            "a body with a longer integer",
            "A3",
            envelope(type_, body.replace(b"\xcd\x07\xd1", b"\xce\x00\x00\x07\xd1"), key, signature),
        ),
        ("a field too few", "A3", envelope(type_, encode(fields[:-1]), key, signature)),
        ("a field too many", "A3", envelope(type_, encode([*fields, None]), key, signature)),
        ("a number that is a string", "A3", with_fields(1, "2001")),
        ("a number that is true", "A3", with_fields(1, True)),
        ("an id that is text", "A3", with_fields(0, "x" * 32)),
        ("a short key", "A4", envelope(type_, body, key[1:], signature)),
        ("a short id", "A4", with_fields(0, bytes(31))),
        ("a negative time", "A4", with_fields(1, -1)),
        ("a number above 2^53 - 1", "A4", with_fields(1, UINT_MAX + 1)),
        ("an unknown type", "A4", envelope("asl.common.proposal/2", body, key, signature)),
        ("an unknown action", "A4", with_action("vote", bytes(32))),
        (
            "a body that is too large",
            "A4",
            with_action("put", "a", bytes(32), 1, "x" * 16_400, False, 0, None),
        ),
        ("a path that leaves the tree", "A4", with_action("put", "../a", bytes(32), 1, "", False, 0, None)),
        ("a path with an empty part", "A4", with_action("put", "a//b", bytes(32), 1, "", False, 0, None)),
        ("a path that turns its direction", "A4", with_action("remove", "a\u202eb", None)),
        ("a put without the time", "A3", with_action("put", "a", bytes(32), 1, "", False, None)),
        ("a time before 1970", "A4", with_action("put", "a", bytes(32), 1, "", False, -1, None)),
        ("a name with an at sign", "A4", with_action("admit", bytes(32), "a@b", None)),
        *(
            (f"a name with U+{ord(unseen):04X}", "A4", with_action("rename", bytes(32), f"a{unseen}b"))
            for unseen in UNSEEN
        ),
        ("an admit without its token", "A3", with_action("admit", bytes(32), "a")),
        ("a token in one byte string", "A3", with_action("admit", bytes(32), "a", encode([b"x", bytes(64)]))),
        ("a token with half a signature", "A4", with_action("admit", bytes(32), "a", [b"x", bytes(32)])),
        ("a token without an invite", "A4", with_action("admit", bytes(32), "a", [b"", bytes(64)])),
        ("a token of 513 bytes", "A4", with_action("admit", bytes(32), "a", [bytes(513), bytes(64)])),
        ("an id of an invite as text", "A3", with_action("revoke-invite", "x" * 32)),
        ("a reason of two lines", "A4", with_action("erase", bytes(32), "a\nb")),
        ("an invite for nobody", "A4", with_uses(0)),
        ("an invite for 1,001", "A4", with_uses(1001)),
        ("an expectation of 31 bytes", "A4", with_action("remove", "a", bytes(31))),
        ("another key's signature", "A5", envelope(type_, body, BEN.key, signature)),
        ("a signature over other bytes", "A5", with_fields(1, 2002)),
        ("a signature of all zeros", "A5", envelope(type_, body, key, bytes(64))),
        ("a malleable signature: S + L", "A5", envelope(type_, body, key, signature[:32] + larger)),
        ("a key of small order", "A5", envelope(type_, body, small, small + bytes(32))),
        ("a key of order 8", "A5", envelope(type_, body, TORSION, small + bytes(32))),
        ("a key that is not canonical", "A5", envelope(type_, body, P_PLUS_ONE, small + bytes(32))),
        ("an R of small order", "A5", envelope(type_, body, key, with_no_nonce(message))),
        (
            "a key of small order with an R that is not",
            "A5",
            envelope(type_, body, small, by_nobody(message)),
        ),
        ("a challenge that is not reduced", "A5", not_reduced()),
        ("an R of small order added", "A5", envelope(type_, body, key, with_torsion(message))),
    ]


def artifacts() -> Vectors:
    return {
        "keys": {
            one.name: {"seed": (bytes([number]) * 32).hex(), "key": one.key.hex()}
            for number, one in enumerate((ANN, BEN, CLEO, DAN), 1)
        },
        "valid": [
            {
                "name": name,
                "type": one.type,
                "body": one.body.hex(),
                "pae": pae(one.type, one.body).hex(),
                "key": one.key.hex(),
                "signature": one.signature.hex(),
                "artifact": one.raw.hex(),
                "id": one.id.hex(),
            }
            for name, one in statements()
        ],
        "invalid": [
            {"name": name, "rule": rule, "artifact": raw.hex()} for name, rule, raw in broken_artifacts()
        ],
    }


# --- logs, content, invites ---------------------------------------------------------------------------


def merkle() -> Vectors:
    leaves = [hashlib.sha256(b"%d" % number).digest() for number in range(70)]
    nodes = TiledNodes(lambda start, stop: leaves[start:stop], lambda level, number: None)
    sizes = (0, 1, 2, 3, 4, 5, 7, 8, 9, 33, 64, 70)
    roots = {size: Frontier().extend(leaves[:size])[0].root() for size in sizes}
    proofs = [
        {
            "index": index,
            "size": size,
            "leaf": leaves[index].hex(),
            "path": [node.hex() for node in inclusion_proof(index, size, nodes)],
            "root": roots[size].hex(),
            "valid": True,
        }
        for size, index in (
            (1, 0),
            (2, 1),
            (3, 2),
            (5, 0),
            (5, 4),
            (7, 3),
            (9, 8),
            (33, 31),
            (70, 0),
            (70, 69),
        )
    ]
    wrong = [
        proofs[4] | {"leaf": leaves[3].hex()},
        proofs[4] | {"index": 3},
        proofs[4] | {"root": roots[7].hex()},
        proofs[5] | {"path": proofs[5]["path"][:-1]},  # type: ignore[index]
        proofs[5] | {"path": [*proofs[5]["path"], leaves[0].hex()]},  # type: ignore[misc]
        proofs[4] | {"index": 5},
    ]
    return {
        "leaves": [leaf.hex() for leaf in leaves],
        "roots": [{"size": size, "root": root.hex()} for size, root in roots.items()],
        "proofs": [*proofs, *(one | {"valid": False} for one in wrong)],
    }


def content() -> Vectors:
    one, two = hashlib.sha256(b"one").digest(), hashlib.sha256(b"two").digest()
    size = CHUNK_BYTES + 1
    good = encode_manifest(size, [one, two])
    id_ = hashlib.sha256(good).hexdigest()
    manifests = {
        "another tag": ["asl.manifest/2", size, one + two],
        "a chunk too few": ["asl.manifest/1", size, one],
        "another size": ["asl.manifest/1", size + 1, one + two],
        "ids in an array": ["asl.manifest/1", size, [one, two]],
        "ids in an array of as many items as bytes": ["asl.manifest/1", size, [0] * 64],
        "a field too many": ["asl.manifest/1", size, one + two, None],
        "a smaller size": ["asl.manifest/1", size - 1, one + two],
        "a size that is text": ["asl.manifest/1", str(size), one + two],
        "a chunk too many": ["asl.manifest/1", size, one + two + one],
        "ids that are not whole": ["asl.manifest/1", size, one + two[1:]],
    }
    none = {"content that is one artifact": (CHUNK_BYTES, one), "nothing": (0, b"")}
    beyond = CONTENT_BYTES_MAX + 1
    return {
        "raw": [{"hex": data.hex(), "id": hashlib.sha256(data).hexdigest()} for data in (b"", b"hello")],
        "manifests": [{"size": size, "chunks": [one.hex(), two.hex()], "hex": good.hex(), "id": id_}],
        "largest": large.largest_manifest(),
        "invalid": [
            {"name": name, "rule": "A3", "size": size, "hex": encode(fields).hex()}
            for name, fields in manifests.items()
        ]
        + [
            {"name": name, "rule": "A4", "size": size, "hex": encode(["asl.manifest/1", size, ids]).hex()}
            for name, (size, ids) in none.items()
        ]
        + [
            {
                "name": "more than any",
                "rule": "A4",
                "size": beyond,
                "hex": encode(["asl.manifest/1", beyond, one]).hex(),
            }
        ]
        + large.manifests(),
    }


# --- histories ----------------------------------------------------------------------------------------


def judged(node: Node) -> dict[str, Any]:
    return {"snapshot": node.signed.raw.hex(), "proposals": [one.raw.hex() for one in node.proposals]}


def history(name: str, rule: str, world: World, base: Node, node: Node, expect: Any) -> dict[str, Any]:
    return {
        "name": name,
        "rule": rule,
        "genesis": world.genesis.raw.hex(),
        "history": [judged(one) for one in base.line()],
        "candidate": judged(node),
        "expect": expect,
    }


def afterwards(world: World, node: Node) -> dict[str, Any]:
    """What stands after an accepted candidate, as the ledger has it."""
    ledger = world.ledger()
    feed(ledger, node)
    tip = ledger.head
    facts = ledger._store.facts(tip.branch, b"t", tip.height)
    return {
        "epoch": node.next_epoch,
        "witness": node.next_signer.key.hex(),
        "policies": [one.id.hex() for one in tip.standing.installed],
        "members": {key.hex(): [one.name, one.status] for key, one in sorted(tip.members.items())},
        "contents": sorted(unpack(Entry, value).content.hex() for _, value, _ in facts),
    }


def of_case(case: Case) -> dict[str, Any]:
    world, base, node = case.build()
    expect: Any = {"rule": case.rule} if case.rule else "accepted"
    found = history(case.name, case.rule, world, base, node, expect)
    return found if case.rule else found | {"then": afterwards(world, node)}


def of_genesis(name: str, rule: str, build: Callable[[], World]) -> dict[str, Any]:
    return {
        "name": f"a genesis: {name}",
        "rule": rule,
        "genesis": build().genesis.raw.hex(),
        "history": [],
        "candidate": None,
        "expect": {"rule": rule},
    }


def incomplete() -> list[dict[str, Any]]:
    world, base = plain()
    lost = world.puts(base, "x")
    two = world.puts(base, "y", "z")
    orphan = history("a parent that is not here", "V9", world, base, world.puts(lost, "y"), "incomplete")
    short = history(
        "a proposal that is not here", "V9", world, base, swap(two, proposals=two.proposals[:1]), "incomplete"
    )
    return [orphan, short]


def story() -> list[dict[str, Any]]:
    """A household's years in one line: rotation, recovery, revocation, a change of policy and settlement."""
    world, base = second_reign()
    taken = world.chain(world.recover(base, CLEO), 1, "e")
    revoked = world.puts(world.revoke(taken, BEN, DAN), "f")
    joint = world.puts(world.install(revoked, policy((BEN, CLEO, ANN), 3), ANN, BEN, CLEO), "g")
    settled = world.after(joint, world.put("h"), settlement=world.settlement(joint, ANN, BEN, CLEO))
    tip = world.puts(settled, "i")
    forged = swap(tip, signed=bad_signature(tip.snapshot))
    name = "a household's years"
    good = history(name, "", world, settled, tip, "accepted") | {"then": afterwards(world, tip)}
    return [good, history(f"{name}, badly signed", "A5", world, settled, forged, {"rule": "A5"})]


def histories() -> Vectors:
    return {
        "vectors": [
            *(of_case(case) for case in ACCEPTED),
            *(of_case(case) for case in EDGES),
            *story(),
            *(of_genesis(name, rule, build) for name, (rule, build) in GENESES.items()),
            *(of_case(case) for case in REFUSALS),
            *incomplete(),
        ]
    }


def choices() -> Vectors:
    return {"vectors": [branches.vector(*scene) for scene in (*branches.SCENES, *floors.SCENES)]}


# --- proofs -------------------------------------------------------------------------------------------


def proofs() -> Vectors:
    common_id = years().world.id
    valid = []
    for name, proof in [(name, good(name)) for name in GOOD] + [(name, make()) for name, make in VALID]:
        says = check_proof(proof, common_id)
        valid.append(
            {
                "name": name,
                "proof": encode_proof(proof).hex(),
                "says": {
                    "path": says.path,
                    "content": says.content.hex(),
                    "author": says.author_key.hex(),
                    "top": says.top,
                    "snapshot": says.snapshot.hex(),
                    "cosigned_by": sorted(one.key.hex() for one in proof.cosignatures),
                },
            }
        )
    return {
        "common_id": common_id.hex(),
        "valid": valid,
        "invalid": [
            {"name": name, "rule": rule, "proof": bad(base, change).hex()} for name, rule, base, change in BAD
        ]
        + [{"name": name, "rule": rule, "proof": encode_proof(make()).hex()} for name, rule, make in REFUSED]
        + large.proofs(),
    }


# --- bundles ------------------------------------------------------------------------------------------


def bundles() -> Vectors:
    valid, heads = [], published.heads()
    for name, data in published.good().items():
        reader = BundleReader(io.BytesIO(data))
        records = list(reader.records())
        valid.append(
            {
                "name": name,
                "common_id": reader.common_id.hex(),
                "floor": None if reader.floor is None else [reader.floor.height, reader.floor.id.hex()],
                "bundle": data.hex(),
                "artifacts": [one.id.hex() for one in records if one.artifact is not None],
                "contents": [one.id.hex() for one in records if one.artifact is None],
                "head": heads[name].hex() if name in heads else None,
            }
        )
    invalid = [{"name": name, "rule": rule, "bundle": data.hex()} for name, rule, data in published.bad()]
    return {"valid": valid, "invalid": invalid}


FILES: dict[str, Callable[[], Vectors]] = {
    "canonical.json": canonical,
    "artifacts.json": artifacts,
    "bounds.json": bounds,
    "merkle.json": merkle,
    "content.json": content,
    "invites.json": invites,
    "histories.json": histories,
    "branches.json": choices,
    "proofs.json": proofs,
    "bundles.json": bundles,
    "messages.json": messages,
}


def text_of(name: str) -> str:
    """What the file `name` holds."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in FILES:
        (HERE / name).write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()
