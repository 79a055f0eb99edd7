"""Proofs for tests and vectors: a household's years in memory, and what a liar makes of a good proof."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from msgspec.structs import replace

from aslp2p.artifacts.canonical import decode, encode
from aslp2p.artifacts.envelope import VERIFIER, Signed, sign_statement
from aslp2p.artifacts.merkle import TiledNodes, inclusion_proof
from aslp2p.artifacts.proof_file import BRIEF, Listed, Proof, decode_proof, encode_proof
from aslp2p.artifacts.types import Rotation
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.reader import PutArtifacts
from aslp2p.limits import PROOF_BYTES_MAX
from aslp2p.store.memory import MemoryStore
from aslp2p.views.proof_maker import prove
from aslp2p.views.view import View
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    EVE,
    FAY,
    Key,
    Node,
    World,
    bad_signature,
    embed,
    feed,
    policy,
)

PEOPLE = (ANN, BEN, CLEO, DAN, EVE, FAY)
Change = Callable[[Proof], Proof | bytes]


class Years:
    """What happens, under 2 of 3 (ann, ben, cleo) at first, ann being the witness:

    @1 @2 puts      @3 dan admits eve    @4 put          @5 rotation to eve   @6 @7 puts   @8 recovery by cleo
    @9 @10 puts     @11 2 of 3 (ann, cleo, dan) is proposed   @12 put   @13 it is settled  @14 to @17 puts
    @18 ann is revoked, dan is the witness                    @19 @20 puts
    """

    def __init__(self) -> None:
        self.world = world = World()
        node = world.chain(world.root, 2)
        node = world.after(node, world.admit(EVE, DAN))
        node = before = world.puts(node, "early")
        node = world.rotate(node, EVE, base=before.parent)
        node = world.after(node, world.put("six", EVE))
        node = world.after(node, world.put("seven", EVE))
        node = world.recover(node, CLEO)
        node = world.puts(node, "nine")
        node = world.after(node, world.put("ten", EVE), world.put("two", DAN))
        node = changed = world.install(node, policy((ANN, CLEO, DAN), 2), ANN, BEN, CLEO, author=CLEO)
        node = world.puts(node, "twelve")
        cosigned = ((node, ANN), (changed, BEN), (changed, CLEO))
        node = world.after(node, settlement=embed(world.cosignature(at, by) for at, by in cosigned))
        for number in range(14, 18):
            node = world.after(node, world.put(f"late/{number}", DAN))
        node = world.revoke(node, DAN, ANN, CLEO, DAN, author=DAN)
        node = world.after(node, world.put("nineteen", DAN))
        self.tip = world.after(node, world.put("twenty", DAN))
        self.nodes = {node.height: node for node in self.tip.line()}

    def view(self, *cosigned: tuple[int, Key], upto: int = 20) -> View:
        """The history up to a height in a store, with these cosignatures: (height, by whom)."""
        tip = self.nodes[upto]
        store = MemoryStore()
        found_common(store, self.world.genesis)
        ledger = Ledger(store)
        for node in tip.line():
            store.apply([PutArtifacts(VERIFIER.verify_all(node.proposals))])
        feed(ledger, tip)
        for height, by in cosigned:
            ledger.add_cosignature(self.world.cosignature(self.nodes[height], by))
        return View(store)

    def proof(self, path: str, *cosigned: tuple[int, Key], brief: bool = False, upto: int = 20) -> Proof:
        answer = prove(self.view(*cosigned, upto=upto), path, brief=brief)
        return decode_proof(base64.b64decode(answer["proof"]))


@cache
def years() -> Years:
    return Years()


BOTH = ((20, CLEO), (19, DAN))
GOOD: dict[str, tuple[str, Iterable[tuple[int, Key]], bool, int]] = {
    "whole, of what is final": ("two", BOTH, False, 20),
    "whole, of what is witnessed": ("twenty", (), False, 20),
    "brief, early, to a final snapshot above all changes": ("early", BOTH, True, 20),
    "brief, by a member who was admitted on the way": ("seven", ((17, CLEO), (16, DAN)), True, 20),
    "brief, under a policy change that is not settled": (
        "nine",
        ((12, ANN), (12, BEN), (12, CLEO)),
        True,
        12,
    ),
    "brief, before anything changed": ("c/0", ((2, ANN), (2, BEN)), True, 4),
    "brief, cosigned above a rotation that is not in the final log": ("c/1", ((4, ANN), (5, BEN)), True, 5),
}
"""Proofs that hold: what is proved, by which cosignatures, whether brief, and how high the history is."""


def good(name: str) -> Proof:
    path, cosigned, brief, upto = GOOD[name]
    return years().proof(path, *cosigned, brief=brief, upto=upto)


BEFORE = "brief, before anything changed"
EARLY = "brief, early, to a final snapshot above all changes"
WHOLE = "whole, of what is final"
JOINT = "brief, under a policy change that is not settled"


def _signer(key: bytes) -> Key:
    return next(one for one in PEOPLE if one.key == key)


def at(height: int, **changes: Any) -> Change:
    """The snapshot at `height` with other fields, signed again by its signer."""

    def make(proof: Proof) -> Proof:
        line = [
            sign_statement(replace(one.statement, **changes), _signer(one.key))
            if one.statement.height == height
            else one
            for one in proof.line
        ]
        return replace(proof, line=tuple(line))

    return make


def without(*heights: int) -> Change:
    return lambda proof: replace(
        proof, line=tuple(one for one in proof.line if one.statement.height not in heights)
    )


def by(height: int, key: Key) -> Change:
    """The snapshot at `height` signed by another key."""
    return lambda proof: replace(
        proof,
        line=tuple(
            sign_statement(one.statement, key) if one.statement.height == height else one
            for one in proof.line
        ),
    )


def listed(change: Callable[[list[Listed]], list[Listed]]) -> Change:
    return lambda proof: replace(proof, listed=tuple(change(list(proof.listed))))


def cosigned(change: Callable[[list[Signed[Any]]], list[Signed[Any]]]) -> Change:
    return lambda proof: replace(proof, cosignatures=tuple(change(list(proof.cosignatures))))


def field(position: int, value: Any) -> Change:
    """One field of the file replaced, whatever it is."""

    def make(proof: Proof) -> bytes:
        fields = decode(encode_proof(proof), bytes_max=PROOF_BYTES_MAX)
        fields[position] = value
        return encode(fields)

    return make


def endorsed_by(height: int, *keys: Key) -> Change:
    """The certificate at `height` made again, by other endorsers."""

    def make(proof: Proof) -> Proof:
        node = years().nodes[height]
        return at(height, certificate=years().world.certificate(node.proposals[0], *keys))(proof)  # type: ignore[return-value]

    return make


def settled_by(*wrong: tuple[int, dict[str, Any]]) -> Change:
    """The settlement at @13 by ann, cleo and ben, of @11, but for the first of them: these."""

    def make(proof: Proof) -> Proof:
        told = years()
        of = [*wrong, *[(11, {})] * 3][:3]
        papers = [
            told.world.cosignature(told.nodes[height], who, **changes)
            for (height, changes), who in zip(of, (ANN, CLEO, BEN), strict=True)
        ]
        return at(13, settlement=embed(papers))(proof)  # type: ignore[return-value]

    return make


def _certified_missing(all_: list[Listed]) -> list[Listed]:
    return [one for one in all_ if getattr(one.proposal.statement.action, "epoch", None) is None]


def _broken(one: Listed, **changes: Any) -> Listed:
    return replace(one, **changes)


BAD: list[tuple[str, str, str, Change]] = [
    ("a trailing byte", "A3", EARLY, lambda proof: encode_proof(proof) + b"\x00"),
    (
        "a field too many",
        "A3",
        EARLY,
        lambda proof: encode([*decode(encode_proof(proof), bytes_max=PROOF_BYTES_MAX), 0]),
    ),
    ("an empty array", "A3", EARLY, lambda proof: encode([])),
    ("a tag that is no string", "A3", EARLY, field(0, 1)),
    ("a number that is a boolean", "A3", EARLY, field(7, True)),
    ("no array", "A3", EARLY, lambda proof: encode("asl.proof/1")),
    ("a kind that is no string", "A3", EARLY, field(1, 0)),
    ("an index that is no number", "A3", EARLY, field(7, "1")),
    ("a listed proposal without a path", "A3", EARLY, field(6, [[b"\x90", 0]])),
    ("a path that is no byte string", "A3", EARLY, field(6, [[b"\x90", 0, "path"]])),
    ("an artifact that is no byte string", "A3", EARLY, field(2, None)),
    ("a line that is no array", "A3", EARLY, field(3, b"")),
    ("an artifact of another type", "A3", EARLY, lambda proof: field(2, proof.line[0].raw)(proof)),
    ("an artifact of no bytes", "A4", EARLY, field(3, [b""])),
    ("a path of 65 hashes", "A4", EARLY, field(6, [[b"\x90", 0, bytes(65 * 32)]])),
    ("a number below zero", "A4", EARLY, field(7, -1)),
    ("a number out of bounds", "A4", EARLY, field(7, 2**53)),
    ("a later version", "A4", EARLY, field(0, "asl.proof/2")),
    ("an unknown kind", "A4", EARLY, field(1, "short")),
    (
        "a path of 33 bytes",
        "A4",
        EARLY,
        lambda proof: field(6, [[proof.listed[0].proposal.raw, 0, bytes(33)]])(proof),
    ),
    ("65 cosignatures", "A4", EARLY, lambda proof: field(5, [proof.cosignatures[0].raw] * 65)(proof)),
    (
        "a genesis that is not signed",
        "A5",
        EARLY,
        lambda proof: replace(proof, genesis=bad_signature(proof.genesis)),
    ),
    (
        "a snapshot that is not signed",
        "A5",
        EARLY,
        lambda proof: replace(proof, line=(*proof.line[:-1], bad_signature(proof.line[-1]))),
    ),
    (
        "a cosignature that is not signed",
        "A5",
        EARLY,
        cosigned(lambda all_: [all_[0], bad_signature(all_[1])]),
    ),
    (
        "a proposal that is not signed",
        "A5",
        EARLY,
        listed(lambda all_: [_broken(all_[0], proposal=bad_signature(all_[0].proposal)), *all_[1:]]),
    ),
    ("another Common", "V1", EARLY, lambda proof: replace(proof, genesis=World(name="away").genesis)),
    ("a snapshot of another Common", "V1", EARLY, at(20, common_id=bytes(32))),
    ("a snapshot that does not follow", "V2", EARLY, at(20, previous=bytes(32))),
    (
        "snapshots upside down",
        "V2",
        EARLY,
        lambda proof: replace(proof, line=(*proof.line[:-2], proof.line[-1], proof.line[-2])),
    ),
    ("a snapshot twice", "V2", EARLY, lambda proof: replace(proof, line=(proof.line[0], *proof.line))),
    ("a gap above what is final", "V2", BEFORE, lambda proof: _line(proof, 2, 4)),
    ("a log that goes on from elsewhere", "V7", EARLY, at(20, log_size=99)),
    ("a log that goes back", "V7", EARLY, at(8, log_size=1)),
    ("a rotation left out", "V7", EARLY, without(5)),
    ("a takeover left out, and its proposal", "V3", EARLY, lambda proof: leave_out(proof, 18)),
    ("a snapshot by who is not the witness", "V3", EARLY, by(20, CLEO)),
    ("a rotation without the incoming witness", "V4", EARLY, endorsed_by(5, ANN, BEN)),
    ("a takeover by who is not its new witness", "V5", EARLY, by(8, BEN)),
    ("a rotation with another base", "V4", EARLY, lambda proof: _rotated_elsewhere()),
    ("a rotation with a base in another reign", "V4", EARLY, lambda proof: rotated_across_a_gap(1)),
    ("a recovery that abandons what it stands on", "S9", EARLY, lambda proof: _abandoned(0)),
    ("a recovery that abandons its base, in a gap", "S9", EARLY, lambda proof: without(1)(_abandoned(1))),
    ("a takeover with another base", "V5", EARLY, at(8, previous=bytes(32))),
    ("a certificate one short", "V6", EARLY, endorsed_by(8, BEN)),
    ("a certificate by the revoked", "V6", EARLY, endorsed_by(18, ANN, CLEO)),
    ("a policy change one short", "P3", EARLY, endorsed_by(11, ANN, DAN)),
    (
        "a settlement one short",
        "P4",
        EARLY,
        lambda proof: at(13, settlement=years().world.settlement(years().nodes[11], ANN, BEN))(proof),
    ),
    ("a settlement by the revoked", "P4", EARLY, lambda proof: _settled_by_revoked()),
    (
        "a settlement with a cosignature of another epoch, in a gap",
        "P4",
        EARLY,
        settled_by((12, {"epoch": 9})),
    ),
    (
        "a settlement cosigned in two snapshots of one height, in a gap",
        "P4",
        EARLY,
        settled_by((12, {}), (12, {"snapshot": bytes(32)})),
    ),
    ("a settlement cosigned below the change", "P4", EARLY, settled_by((10, {}))),
    ("a settlement cosigned above its parent", "P4", EARLY, settled_by((12, {"height": 13}))),
    (
        "a settlement cosigned in another snapshot than the line's",
        "P4",
        EARLY,
        settled_by((11, {"snapshot": bytes(32)})),
    ),
    (
        "a log that is not the final one's",
        "V7",
        EARLY,
        listed(lambda all_: [_broken(all_[0], path=all_[0].path[::-1]), *all_[1:]]),
    ),
    (
        "another index",
        "V7",
        EARLY,
        listed(lambda all_: [_broken(all_[0], index=all_[0].index + 1), *all_[1:]]),
    ),
    ("no path", "V7", EARLY, listed(lambda all_: [_broken(all_[0], path=()), *all_[1:]])),
    ("proposals out of order", "V7", EARLY, listed(lambda all_: [all_[1], all_[0], *all_[2:]])),
    ("a subject that is not there", "V7", EARLY, lambda proof: replace(proof, subject=0)),
    ("a subject that is no put", "V7", EARLY, lambda proof: replace(proof, subject=proof.listed[0].index)),
    (
        "an author whose admission is not shown",
        "V7",
        "brief, by a member who was admitted on the way",
        listed(lambda all_: [one for one in all_ if one.index != 2]),
    ),
    ("a proposal that is listed above what is final", "V7", EARLY, listed(lambda all_: [*all_, _late(0)])),
    ("a proposal that nothing lists", "V7", EARLY, listed(lambda all_: [*all_, _late(5)])),
    ("a proposal twice", "V7", EARLY, listed(lambda all_: [all_[0], *all_])),
    ("a proposal of another Common", "V7", EARLY, lambda proof: _of_another()),
    ("an author who is no member", "V7", EARLY, lambda proof: _by_stranger()),
    ("an author who is revoked", "V7", EARLY, lambda proof: _by_revoked()),
    ("a revoked author, admitted again", "V7", EARLY, lambda proof: _by_readmitted()),
    ("a certificate for a proposal at another index", "V9", EARLY, at(8, log_size=7)),
    ("a certificate for what is not listed first", "V9", EARLY, at(8, proposals=(bytes(32),))),
    ("a certificate without its proposal", "V9", EARLY, listed(_certified_missing)),
    ("no cosignature", "P2", EARLY, cosigned(lambda all_: [])),
    ("a cosignature short", "P2", EARLY, cosigned(lambda all_: all_[:1])),
    ("a cosignature twice", "P2", EARLY, cosigned(lambda all_: [all_[0], all_[0]])),
    ("cosignatures enough, and one twice", "P2", EARLY, cosigned(lambda all_: [all_[0], *all_])),
    (
        "cosignatures enough, and one that does not count",
        "P2",
        EARLY,
        lambda proof: _cosign(proof, (20, BEN), (20, CLEO), (20, DAN)),
    ),
    ("a cosignature of another Common", "P2", EARLY, lambda proof: _cosign_as(proof, common_id=bytes(32))),
    ("a cosignature of another epoch", "P2", EARLY, lambda proof: _cosign_as(proof, epoch=9)),
    ("cosignatures out of order", "P2", EARLY, cosigned(lambda all_: all_[::-1])),
    ("a cosignature by the revoked", "P2", EARLY, lambda proof: _cosign(proof, (20, ANN), (20, CLEO))),
    (
        "a cosignature by who is no authority any more",
        "P2",
        EARLY,
        lambda proof: _cosign(proof, (20, BEN), (20, CLEO)),
    ),
    ("a cosignature below", "P2", EARLY, lambda proof: _cosign(proof, (18, DAN), (20, CLEO))),
    (
        "a cosignature of another snapshot",
        "P2",
        EARLY,
        lambda proof: replace(
            proof,
            cosignatures=tuple(
                years().world.cosignature(years().nodes[20], one, snapshot=bytes(32))
                for one in sorted((CLEO, DAN), key=lambda key: key.key)
            ),
        ),
    ),
    ("one policy of two", "P2", JOINT, lambda proof: _cosign(proof, (12, BEN), (12, CLEO))),
    ("nothing final", "P2", EARLY, lambda proof: replace(proof, final=None, cosignatures=())),
    ("a final snapshot that is not there", "P2", EARLY, lambda proof: replace(proof, final=10)),
    ("whole: cosignatures of nothing", "P2", WHOLE, lambda proof: replace(proof, final=None)),
    ("whole: the final one beyond the line", "P2", WHOLE, lambda proof: replace(proof, final=21)),
    (
        "whole: the final one beyond the line, and nothing cosigned",
        "P2",
        WHOLE,
        lambda proof: replace(proof, final=21, cosignatures=()),
    ),
    (
        "whole: a quorum of a later policy",
        "P2",
        WHOLE,
        lambda proof: replace(_cosign(proof, (14, DAN), (13, CLEO)), final=10),
    ),
    (
        "whole: an index that is not the place",
        "V7",
        WHOLE,
        listed(lambda all_: [_broken(all_[0], index=1), *all_[1:]]),
    ),
    ("whole: a snapshot short", "V2", WHOLE, without(4)),
    ("whole: a proposal short", "V9", WHOLE, listed(lambda all_: all_[:-1])),
    (
        "whole: a proposal too many",
        "V7",
        WHOLE,
        listed(lambda all_: [*all_, _broken(all_[-1], index=len(all_))]),
    ),
    ("whole: proposals of a snapshot in another order", "V7", WHOLE, lambda proof: listed(_turned)(proof)),
    (
        "whole: a subject that is listed above what is final",
        "V7",
        WHOLE,
        lambda proof: replace(proof, subject=proof.listed[-1].index),
    ),
    ("whole: a path", "V7", WHOLE, listed(lambda all_: [_broken(all_[0], path=(bytes(32),)), *all_[1:]])),
    ("whole: a certificate one short", "V6", WHOLE, endorsed_by(8, BEN)),
    (
        "whole: nothing",
        "V9",
        WHOLE,
        lambda proof: replace(proof, line=(), listed=(), final=None, cosignatures=()),
    ),
]
"""What does not hold: its rule, the proof that it is made of, and what is done to that."""


def leave_out(proof: Proof, height: int) -> Proof:
    id_ = years().nodes[height].proposals[0].id
    kept = without(height)(proof)
    assert isinstance(kept, Proof)
    return replace(kept, listed=tuple(one for one in proof.listed if one.proposal.id != id_))


def _line(proof: Proof, *heights: int) -> Proof:
    return replace(proof, line=tuple(years().nodes[height].snapshot for height in heights))


def _late(above: int) -> Listed:
    """The put that @20 lists, at its place above the log of @19, or higher by `above`."""
    return Listed(years().nodes[20].proposals[0], years().nodes[19].frontier.size + above)


def _turned(all_: list[Listed]) -> list[Listed]:
    """The two puts of @10 in each other's place."""
    first = years().nodes[9].frontier.size
    one, other = all_[first], all_[first + 1]
    return [
        *all_[:first],
        _broken(other, index=one.index),
        _broken(one, index=other.index),
        *all_[first + 2 :],
    ]


def _conspired(world: World, tip: Node, *quorum: Key) -> Proof:
    """A brief proof of what `tip` lists, cosigned by a quorum that lies. Each snapshot lists one proposal."""
    nodes = tip.line()
    log = [node.proposals[0] for node in nodes]
    tiles = TiledNodes(lambda start, stop: [one.id for one in log[start:stop]], lambda level, number: None)
    return Proof(
        BRIEF,
        world.genesis,
        tuple(node.snapshot for node in nodes),
        tip.height,
        tuple(sorted((world.cosignature(tip, by) for by in quorum), key=lambda one: one.key)),
        tuple(
            Listed(one, index, tuple(inclusion_proof(index, len(log), tiles)))
            for index, one in enumerate(log)
        ),
        len(log) - 1,
    )


def _by_stranger() -> Proof:
    world = World()
    return _conspired(world, world.after(world.root, world.put("a", FAY)), ANN, BEN)


def _by_revoked() -> Proof:
    world = World()
    gone = world.revoke(world.root, BEN, ANN)
    return _conspired(world, world.after(gone, world.put("a", ANN)), BEN, CLEO)


def _by_readmitted() -> Proof:
    world = World()
    again = world.revoke(world.root, BEN, ANN)
    again = world.after(again, world.admit(ANN, BEN))
    return _conspired(world, world.after(again, world.put("a", ANN)), BEN, CLEO)


def _of_another() -> Proof:
    world = World()
    away = world.propose(world.put("a").statement.action, common_id=bytes(32))
    return _conspired(world, world.after(world.root, away), ANN, BEN)


def _rotated_elsewhere() -> Proof:
    """The base is at the height of genesis, and another."""
    world = World()
    proposal = world.propose(Rotation(1, 0, bytes(32), DAN.key, "moving out"))
    paper = world.certificate(proposal, ANN, BEN, DAN)
    node = world.after(world.chain(world.root, 1), proposal, certificate=paper, appoints=(1, DAN))
    return _conspired(world, world.after(node, world.put("a")), ANN, BEN)


def rotated_across_a_gap(base: int) -> Proof:
    """@1 appoints dan, @2 and @3 are left out, @4 is a rotation with the snapshot at `base` as its base."""
    world = World()
    nodes = [world.root, world.rotate(world.root, DAN)]
    nodes += world.chain(nodes[1], 2).line()[1:]
    node = world.rotate(nodes[3], ANN, base=nodes[base])
    proof = without(2, 3)(_conspired(world, world.after(node, world.put("a")), ANN, BEN))
    assert isinstance(proof, Proof)
    return proof


def _abandoned(height: int) -> Proof:
    """@2 is a recovery that gives up the snapshot at `height` below it."""
    world = World()
    base = world.chain(world.root, 1)
    given_up = (world.root, base)[height].id
    node = world.recover(base, CLEO, abandons=(given_up,))
    return _conspired(world, world.after(node, world.put("a")), BEN, CLEO)


def _settled_by_revoked() -> Proof:
    """@1 changes the policy, @2 revokes ann, and ann's cosignature of @1 is to settle it at @3."""
    world = World()
    changed = world.install(world.root, policy((ANN, BEN, CLEO), 2, participants="authorities"))
    node = world.revoke(changed, BEN, ANN)
    node = world.after(node, world.put("a", BEN), settlement=world.settlement(changed, ANN, BEN))
    return _conspired(world, node, BEN, CLEO)


def _cosign_as(proof: Proof, **changes: Any) -> Proof:
    """A quorum's cosignatures of @20, each with other fields."""
    signed = [years().world.cosignature(years().nodes[20], key, **changes) for key in (CLEO, DAN)]
    return replace(proof, cosignatures=tuple(sorted(signed, key=lambda one: one.key)))


def _cosign(proof: Proof, *by: tuple[int, Key]) -> Proof:
    signed = [years().world.cosignature(years().nodes[height], key) for height, key in by]
    return replace(proof, cosignatures=tuple(sorted(signed, key=lambda one: one.key)))


def bad(base: str, change: Change) -> bytes:
    changed = change(good(base))
    return changed if isinstance(changed, bytes) else encode_proof(changed)
