"""Snapshots with what the rules say of them: what the gate's tests and the published vectors are made of.

Each case names the first rule that refuses it, on a base that is good; or is accepted. The names say what is
wrong (or, of those accepted, what is special).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from msgspec import structs

from aslp2p.artifacts.types import (
    Admit,
    Erase,
    Expel,
    Forget,
    Named,
    Remove,
    Rename,
    RevokeInvite,
    Rotation,
    Shown,
)
from aslp2p.limits import ADMITS_PER_MEMBER_MAX, EPOCH_MAX, PROPOSALS_PER_SNAPSHOT_MAX
from tests.ledger.builder import (
    ANN,
    BEN,
    CLEO,
    DAN,
    EVE,
    FAY,
    GUS,
    LARGE,
    Key,
    Node,
    World,
    bad_signature,
    named,
    person,
    policy,
    swap,
)

Build = Callable[[World, Node], Node]
Scene = Callable[[], tuple[World, Node]]


@dataclass(frozen=True)
class Case:
    """`build` gives a world, a base that is accepted, and a candidate; `rule` is empty if that is too."""

    name: str
    rule: str
    scene: Scene
    make: Build

    def build(self) -> tuple[World, Node, Node]:
        world, base = self.scene()
        return world, base, self.make(world, base)


# --- bases --------------------------------------------------------------------------------------------


def plain() -> tuple[World, Node]:
    world = World()
    return world, world.chain(world.root, 2)


def root() -> tuple[World, Node]:
    world = World()
    return world, world.root


def then(scene: Scene, make: Build) -> Scene:
    """`scene` and one snapshot more."""

    def build() -> tuple[World, Node]:
        world, base = scene()
        return world, make(world, base)

    return build


def renewed() -> tuple[World, Node]:
    """ann goes on in epoch 1."""
    world, base = plain()
    return world, world.rotate(base, ANN)


def handed_over() -> tuple[World, Node]:
    """The tip appoints ben, who has signed nothing yet."""
    world, base = plain()
    return world, world.rotate(base, BEN)


def second_reign() -> tuple[World, Node]:
    world, base = renewed()
    return world, world.chain(base, 2, "d")


def joint() -> tuple[World, Node]:
    """2 of ann, ben, cleo, and 2 of cleo, dan, eve: not settled."""
    world = World()
    return world, world.install(world.chain(world.root, 1), policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN)


def joint_for_long() -> tuple[World, Node]:
    """The change is the second of its line, and two snapshots stand on it."""
    world, base = joint()
    return world, world.chain(base, 2, "above")


def settled() -> tuple[World, Node]:
    world, base = joint()
    return world, world.after(base, settlement=world.settlement(base, ANN, CLEO, DAN))


def revoked() -> tuple[World, Node]:
    """3 of ann, ben, cleo, fay; ann is revoked, and cleo the witness."""
    world = World(policy((ANN, BEN, CLEO, FAY), 3), members=(ANN, BEN, CLEO, DAN, FAY))
    return world, world.revoke(world.chain(world.root, 1), CLEO, ANN, BEN, CLEO, FAY)


def revoked_while_joint() -> tuple[World, Node]:
    """2 of ann, ben, cleo, and 3 of ann, ben, cleo, dan; ann is revoked since."""
    world = World()
    base = world.install(world.root, policy((ANN, BEN, CLEO, DAN), 3), ANN, BEN, CLEO)
    return world, world.revoke(base, CLEO, ANN, BEN, CLEO, DAN)


def expelled() -> tuple[World, Node]:
    world = World(members=(ANN, BEN, CLEO, DAN, FAY))
    return world, world.after(world.chain(world.root, 1), world.propose(Expel(DAN.key), BEN))


def fixed() -> tuple[World, Node]:
    """Rotation is not allowed."""
    world = World(policy((ANN, BEN, CLEO), 2, rotation_allowed=False))
    return world, world.chain(world.root, 1)


def closed() -> tuple[World, Node]:
    """Only authorities admit."""
    world = World(policy((ANN, BEN, CLEO), 2, participants="authorities"))
    return world, world.chain(world.root, 1)


def alone() -> tuple[World, Node]:
    """1 of 1."""
    world = World(policy((ANN,), 1), members=(ANN, DAN))
    return world, world.chain(world.root, 1)


# --- what is refused ----------------------------------------------------------------------------------


def made_of(key: Key, label: str = "x") -> str:
    """The name that `label` becomes where it is taken."""
    return f"{label}-{key.key.hex()[:16]}"


GENESES: dict[str, tuple[str, Callable[[], World]]] = {
    "no authority": ("P1", lambda: World(policy((), 1))),
    "1 of 2": ("P1", lambda: World(policy((ANN, BEN), 1))),
    "0 of 3": ("P1", lambda: World(policy((ANN, BEN, CLEO), 0))),
    "4 of 3": ("P1", lambda: World(policy((ANN, BEN, CLEO), 4))),
    "one key twice": ("P1", lambda: World(policy((ANN, ANN, BEN), 2))),
    "one label twice": (
        "P1",
        lambda: World(policy((), 2, witnesses=(Named("x", ANN.key), Named("x", BEN.key)))),
    ),
    "a later protocol": ("A4", lambda: World(policy((ANN,), 1, protocol=2))),
    "one anchor twice": ("P6", lambda: World(anchors=(*named((ANN, BEN, CLEO)), Named("other", ANN.key)))),
    "one name twice": ("P6", lambda: World(anchors=(*named((ANN, BEN, CLEO)), Named("ann", DAN.key)))),
    "a witness that is no anchor": ("P6", lambda: World(witness=EVE)),
    "an authority that is no anchor": ("P6", lambda: World(members=(ANN, BEN))),
    "an anchor with a name made of another's key": (
        "P6",
        lambda: World(anchors=(*named((ANN, BEN, CLEO)), Named(made_of(EVE), DAN.key))),
    ),
}


REFUSED: dict[str, tuple[str, Build]] = {
    "another Common's": ("V1", lambda w, n: w.puts(n, "b", common_id=bytes(32))),
    "height": ("V2", lambda w, n: w.puts(n, "b", height=n.height + 2)),
    "signer": ("V3", lambda w, n: w.puts(n, "b", signer=BEN)),
    "epoch above": ("V3", lambda w, n: w.puts(n, "b", epoch=1)),
    "signature": ("A5", lambda w, n: swap(x := w.puts(n, "b"), signed=bad_signature(x.snapshot))),
    "a proposal's signature": (
        "A5",
        lambda w, n: swap(x := w.puts(n, "b"), proposals=(bad_signature(x.proposals[0]),)),
    ),
    "a proposal twice": ("V7", lambda w, n: w.after(n, p := w.put("b"), p)),
    "a proposal twice, beside one more": (
        "V7",
        lambda w, n: swap(w.after(n, p := w.put("b"), p), proposals=(p, w.put("c"))),
    ),
    "a proposal of before": ("V7", lambda w, n: w.after(n, n.proposals[0])),
    "a stranger's proposal": ("V7", lambda w, n: w.after(n, w.put("b", EVE))),
    "another Common's proposal": ("V7", lambda w, n: w.after(n, World(name="else").put("b"))),
    "what does not apply": ("V7", lambda w, n: w.after(n, w.put("b"), w.put("b", expects=b""))),
    "log size": ("V7", lambda w, n: w.puts(n, "b", log_size=n.frontier.size)),
    "log root": ("V7", lambda w, n: w.puts(n, "b", log_root=bytes(32))),
    "paper without a certificate": ("V7", lambda w, n: w.after(n, w.rotation(n, BEN))),
    "paper that is not first": (
        "V7",
        lambda w, n: w.after(n, w.rotation(n, BEN), w.change(policy((ANN,), 1)), certificate=()),
    ),
    "a certificate for nothing": ("V6", lambda w, n: w.after(n, certificate=())),
    "a certificate for a put": ("V6", lambda w, n: w.after(n, w.put("b"), certificate=())),
    "a settlement of nothing": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN))),
    "an expelled authority": ("P6", lambda w, n: w.after(n, w.propose(Expel(BEN.key), CLEO))),
    "an expelled witness": ("P6", lambda w, n: w.after(n, w.propose(Expel(ANN.key), CLEO))),
}


def rotated(world: World, node: Node, *by: object, **proposal: Any) -> Node:
    """A transition to ben with everything as told."""
    fields: dict[str, Any] = {
        "epoch": 1,
        "base_height": node.height,
        "base_id": node.id,
        "new_witness": BEN.key,
        "reason": "",
    }
    author = proposal.pop("author", ANN)
    one = world.propose(Rotation(**(fields | proposal)), author)
    return world.after(node, one, certificate=world.certificate(one, *(by or (ANN, BEN))))  # type: ignore[arg-type]


ROTATIONS: dict[str, tuple[str, Build]] = {
    "by another than the witness": ("V4", lambda w, n: rotated(w, n, author=BEN)),
    "a base that is not here": ("V4", lambda w, n: rotated(w, n, base_id=bytes(32))),
    "a base above": ("V4", lambda w, n: rotated(w, n, base_height=n.height + 1)),
    "without the incoming witness": ("V4", lambda w, n: rotated(w, n, ANN, CLEO)),
    "without a quorum": ("V6", lambda w, n: rotated(w, n, BEN)),
    "by somebody who is no authority": ("V6", lambda w, n: rotated(w, n, ANN, BEN, DAN)),
    "to a stranger": ("V7", lambda w, n: rotated(w, n, ANN, BEN, EVE, new_witness=EVE.key)),
    "too far": ("V6", lambda w, n: rotated(w, n, epoch=EPOCH_MAX + 1)),
    "endorsed for another epoch": (
        "V6",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN, epoch=2)),
    ),
    "endorsed for another proposal": (
        "V6",
        lambda w, n: w.after(n, w.rotation(n, BEN), certificate=w.certificate(w.rotation(n, BEN), ANN, BEN)),
    ),
    "endorsed for another Common": (
        "V6",
        lambda w, n: w.after(
            n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN, common_id=bytes(32))
        ),
    ),
    "out of order": (
        "V6",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN)[::-1]),
    ),
    "one signer twice": (
        "V6",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=(w.endorsement(p, BEN).raw, w.endorsement(p, BEN, created_ms=1).raw),
        ),
    ),
    "an endorsement that is none": (
        "A3",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), certificate=(p.raw,)),
    ),
    "one bad signature among good ones": (
        "A5",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=tuple(
                one.raw
                for one in sorted(
                    (w.endorsement(p, ANN), w.endorsement(p, CLEO), bad_signature(w.endorsement(p, BEN))),
                    key=lambda one: one.key,
                )
            ),
        ),
    ),
    "signed by the incoming witness": (
        "V3",
        lambda w, n: w.after(
            n, p := w.rotation(n, BEN), certificate=w.certificate(p, ANN, BEN), signer=BEN, epoch=1
        ),
    ),
    "listed twice": (
        "V7",
        lambda w, n: w.after(n, p := w.rotation(n, BEN), p, certificate=w.certificate(p, ANN, BEN)),
    ),
    "with the incoming witness expelled beside it": (
        "P6",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, DAN),
            w.propose(Expel(DAN.key), BEN),
            certificate=w.certificate(p, ANN, BEN, DAN),
        ),
    ),
}


TAKEOVERS: dict[str, tuple[str, Build]] = {
    "proposed by no authority": ("V5", lambda w, n: w.recover(n, CLEO, author=DAN)),
    "proposed by a stranger": ("V7", lambda w, n: w.recover(n, CLEO, author=EVE)),
    "on another base": (
        "V5",
        lambda w, n: w.after(
            n,
            p := w.recovery(n.line()[0], CLEO),
            signer=CLEO,
            epoch=1,
            certificate=w.certificate(p, BEN, CLEO),
        ),
    ),
    "signed by another": (
        "V5",
        lambda w, n: w.after(
            n, p := w.recovery(n, CLEO), signer=BEN, epoch=1, certificate=w.certificate(p, BEN, CLEO)
        ),
    ),
    "in another epoch": (
        "V5",
        lambda w, n: w.after(
            n, p := w.recovery(n, CLEO), signer=CLEO, epoch=2, certificate=w.certificate(p, BEN, CLEO)
        ),
    ),
    "without a quorum": ("V6", lambda w, n: w.recover(n, CLEO, BEN)),
    "with a quorum of non-authorities": ("V6", lambda w, n: w.recover(n, CLEO, BEN, DAN)),
    "by a stranger": ("V7", lambda w, n: w.recover(n, EVE)),
    "too far": ("V6", lambda w, n: w.recover(n, CLEO, epoch=EPOCH_MAX + 1)),
    "abandoning its parent": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(n.id,))),
    "abandoning an ancestor": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(bytes(32), n.line()[0].id))),
    "abandoning genesis": ("S9", lambda w, n: w.recover(n, CLEO, abandons=(w.id,))),
    "revoking the new witness": ("V8", lambda w, n: w.revoke(n, CLEO, CLEO)),
    "revoking an unknown key": ("V8", lambda w, n: w.revoke(n, CLEO, EVE)),
    "revoked proposes its own": ("V8", lambda w, n: w.revoke(n, CLEO, BEN, ANN, CLEO)),
    "revoked one counts not": ("V6", lambda w, n: w.revoke(n, CLEO, ANN, ANN, CLEO, author=CLEO)),
    "expelling whom it appoints": (
        "P6",
        lambda w, n: w.recover(n, DAN, also=(w.propose(Expel(DAN.key), BEN),)),
    ),
}


CHANGES: dict[str, tuple[str, Build]] = {
    "no quorum of the old": ("P3", lambda w, n: w.install(n, policy((ANN, DAN), 2), ANN, DAN)),
    "no quorum of the new": ("P3", lambda w, n: w.install(n, policy((DAN, EVE), 2), ANN, BEN, DAN)),
    "endorsed for an epoch": (
        "P3",
        lambda w, n: w.after(
            n, p := w.change(policy((ANN, BEN), 2)), certificate=w.certificate(p, ANN, BEN, epoch=1)
        ),
    ),
    "endorsed by somebody of neither": (
        "P3",
        lambda w, n: w.install(n, policy((ANN, BEN), 2), ANN, BEN, DAN),
    ),
    "of a policy that is not in force": (
        "P3",
        lambda w, n: w.install(n, policy((ANN, BEN), 2), replaces=bytes(32)),
    ),
    "to one that P1 refuses": ("P1", lambda w, n: w.install(n, policy((ANN, BEN), 1))),
    "to a later protocol": ("A4", lambda w, n: w.install(n, policy((ANN, BEN), 2, protocol=2))),
    "a new authority expelled beside it": (
        "P6",
        lambda w, n: w.after(
            n,
            p := w.change(policy((ANN, BEN, DAN), 2)),
            w.propose(Expel(DAN.key), BEN),
            certificate=w.certificate(p, ANN, BEN),
        ),
    ),
}


SETTLEMENTS: dict[str, tuple[str, Build]] = {
    "a quorum of the new policy only": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, DAN, EVE))),
    "a quorum of the old policy only": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN))),
    "nobody": ("P4", lambda w, n: w.after(n, settlement=())),
    "a stranger's too": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, FAY))),
    "another epoch": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, epoch=1))),
    "another Common": (
        "P4",
        lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, common_id=bytes(32))),
    ),
    "below the change": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n.line()[0], CLEO, DAN, ANN))),
    "above the parent": (
        "P4",
        lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, height=n.height + 1)),
    ),
    "another branch": (
        "P4",
        lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN, snapshot=bytes(32))),
    ),
    "out of order": ("P4", lambda w, n: w.after(n, settlement=w.settlement(n, CLEO, DAN, ANN)[::-1])),
}


def invited() -> tuple[World, Node]:
    """dan has let eve in with an invite of two uses, and revoked another one of his; fay is expelled."""
    world = World(members=(ANN, BEN, CLEO, DAN, FAY))
    spare = world.invite(DAN, number=2)[0]
    first = world.after(
        world.root,
        world.admit(EVE, CLEO, token=world.shown(EVE, DAN, uses=2)),
        world.propose(RevokeInvite(spare.id), DAN),
        world.propose(Expel(FAY.key), FAY),
    )
    return world, first


def spent() -> tuple[World, Node]:
    world, base = invited()
    return world, world.after(base, world.admit(GUS, DAN, token=world.shown(GUS, DAN, uses=2)))


def forgotten() -> tuple[World, Node]:
    """eve was admitted, expelled, and is forgotten; gus was expelled after he had put something."""
    world = World()
    return world, world.after(
        world.root,
        world.admit(EVE),
        world.admit(GUS),
        world.put("a", GUS),
        world.propose(Expel(EVE.key), BEN),
        world.propose(Expel(GUS.key), BEN),
        world.propose(Forget(EVE.key), CLEO),
    )


def crowded() -> tuple[World, Node]:
    """dan has let in as many as one member may."""
    world = World()
    guests = [Key(number, f"guest {number}") for number in range(100, 100 + ADMITS_PER_MEMBER_MAX)]
    return world, world.after(world.root, *(world.admit(guest, DAN) for guest in guests))


def filled(places: int) -> Scene:
    """ben has let in whom he likes, until so many keys were ever members."""

    def build() -> tuple[World, Node]:
        world = World()
        node = world.root
        keys = [sha256(b"%d" % number).digest() for number in range(places - 4)]
        guests = [world.propose(Admit(key, f"g{number}", None), BEN) for number, key in enumerate(keys)]
        for first in range(0, len(guests), PROPOSALS_PER_SNAPSHOT_MAX):
            node = world.after(node, *guests[first : first + PROPOSALS_PER_SNAPSHOT_MAX])
        return world, node

    return build


def by_token(who: Key, author: Key, by: Key, **invite: Any) -> Build:
    return lambda w, n: w.after(n, w.admit(who, author, token=w.shown(who, by, **invite)))


def with_token(change: Callable[[World, Shown], Shown]) -> Build:
    """gus is admitted by ann with a changed token of dan's."""
    return lambda w, n: w.after(n, w.admit(GUS, ANN, token=change(w, w.shown(GUS, DAN, number=3))))


def revokes_invite(author: Key, by: Key, number: int) -> Build:
    return lambda w, n: w.after(n, w.propose(RevokeInvite(w.invite(by, number=number)[0].id), author))


MEMBERS_REFUSED: list[tuple[str, str, Scene, Build]] = [
    (
        "a token whose invite is none",
        "A3",
        invited,
        with_token(lambda w, one: structs.replace(one, invite=b"\xc0")),
    ),
    (
        "a token whose invite is a beacon",
        "A3",
        invited,
        with_token(lambda w, one: structs.replace(one, invite=w.endorsement(w.put(), ANN).raw)),
    ),
    (
        "a token whose inviter did not sign",
        "A5",
        invited,
        with_token(lambda w, one: structs.replace(one, invite=bad_signature(w.invite(DAN, number=3)[0]).raw)),
    ),
    (
        "a token that was made out to another key",
        "A5",
        invited,
        with_token(lambda w, one: w.shown(EVE, DAN, number=3)),
    ),
    (
        "a token of another Common",
        "V7",
        invited,
        with_token(lambda w, one: w.shown(GUS, DAN, number=3, common_id=bytes(32))),
    ),
    ("a token of a stranger", "V7", invited, by_token(GUS, ANN, person("hal"))),
    ("a token of an expelled key", "V7", invited, by_token(GUS, ANN, FAY)),
    ("a token used once too often", "V7", spent, by_token(person("hal"), BEN, DAN, uses=2)),
    ("a token of a revoked invite", "V7", invited, by_token(GUS, DAN, DAN, number=2)),
    (
        "a token of an invite that an authority revoked",
        "V7",
        then(invited, lambda w, n: revokes_invite(BEN, DAN, 5)(w, n)),
        by_token(GUS, DAN, DAN, number=5),
    ),
    ("a member's token where only authorities admit", "P6", closed, by_token(EVE, CLEO, DAN)),
    ("an expelled key with an authority's token, by a member", "P6", invited, by_token(FAY, DAN, ANN)),
    ("a forgotten key by a member", "P6", forgotten, by_token(EVE, DAN, ANN)),
    ("a forgotten name by a member", "V7", forgotten, lambda w, n: w.after(n, w.admit(FAY, DAN, "eve"))),
    ("a name made of another key", "V7", plain, lambda w, n: w.after(n, w.admit(EVE, ANN, made_of(FAY)))),
    ("a guest of a member beyond its places", "A4", filled(1024), lambda w, n: w.after(n, w.admit(EVE, DAN))),
    ("a guest of an authority beyond its places", "A4", filled(1920), lambda w, n: w.after(n, w.admit(EVE))),
    ("the 65th guest of one member", "A4", crowded, lambda w, n: w.after(n, w.admit(EVE, DAN))),
    ("the 65th guest of one member, by a token", "A4", crowded, by_token(EVE, ANN, DAN)),
    ("a member renames another", "P6", plain, lambda w, n: w.after(n, w.propose(Rename(ANN.key, "A"), DAN))),
    (
        "a rename to a taken name",
        "V7",
        plain,
        lambda w, n: w.after(n, w.propose(Rename(DAN.key, "ann"), DAN)),
    ),
    ("a rename of a stranger", "P6", plain, lambda w, n: w.after(n, w.propose(Rename(EVE.key, "e")))),
    (
        "a rename to a forgotten name",
        "V7",
        forgotten,
        lambda w, n: w.after(n, w.propose(Rename(DAN.key, "eve"), DAN)),
    ),
    ("a member forgets", "P6", expelled, lambda w, n: w.after(n, w.propose(Forget(DAN.key), FAY))),
    ("a member is forgotten", "P6", plain, lambda w, n: w.after(n, w.propose(Forget(DAN.key)))),
    ("a key is forgotten twice", "P6", forgotten, lambda w, n: w.after(n, w.propose(Forget(EVE.key)))),
    (
        "a key that put something is forgotten",
        "V7",
        forgotten,
        lambda w, n: w.after(n, w.propose(Forget(GUS.key))),
    ),
    (
        "a key that left is forgotten",
        "V7",
        invited,
        lambda w, n: w.after(n, w.propose(Forget(FAY.key))),
    ),
    (
        "an inviter is forgotten",
        "V7",
        then(invited, lambda w, n: w.after(n, w.propose(Expel(DAN.key)))),
        lambda w, n: w.after(n, w.propose(Forget(DAN.key))),
    ),
    ("an invite revoked twice", "V7", invited, revokes_invite(DAN, DAN, 2)),
    ("an authority leaves", "P6", plain, lambda w, n: w.after(n, w.propose(Expel(BEN.key), BEN))),
    (
        "the witness leaves",
        "P6",
        then(plain, lambda w, n: w.puts(w.rotate(n, DAN), "x")),
        lambda w, n: w.after(n, w.propose(Expel(DAN.key), DAN)),
    ),
]


def put_by_dan() -> tuple[World, Node]:
    """dan put a large content and removed it."""
    world = World()
    return world, world.after(
        world.root, world.large("a", DAN), world.propose(Remove("a", None), DAN), world.put("small", DAN)
    )


def put_by_two() -> tuple[World, Node]:
    world, base = put_by_dan()
    return world, world.after(base, world.large("b", CLEO), world.propose(Remove("b", None), CLEO))


def erased() -> tuple[World, Node]:
    world, base = put_by_dan()
    return world, world.after(base, world.propose(Erase(LARGE, "private"), DAN))


def revived() -> tuple[World, Node]:
    """A quorum erased what was put again since, and is gone again."""
    world, base = put_by_two()
    tip = erases_with(ANN, BEN)(world, base)
    return world, world.after(tip, world.large("b", CLEO), world.propose(Remove("b", None), CLEO))


def erases_by_the_same(world: World, node: Node) -> Node:
    """The certificate that erased it the first time, once more."""
    before = next(one for one in node.line() if one.snapshot.statement.certificate is not None)
    return world.after(node, *before.proposals, certificate=before.snapshot.statement.certificate)


def still_there() -> tuple[World, Node]:
    world, base = put_by_two()
    return world, world.after(base, world.large("again", CLEO))


def two_policies() -> tuple[World, Node]:
    """2 of ann, ben, cleo, and 2 of cleo, dan, eve: not settled."""
    world, base = put_by_two()
    return world, world.install(base, policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN)


def erases(author: Key, content: bytes = LARGE) -> Build:
    return lambda w, n: w.after(n, w.propose(Erase(content, ""), author))


def erases_with(*by: Key, author: Key = DAN, content: bytes = LARGE, **endorsement: Any) -> Build:
    def make(world: World, node: Node) -> Node:
        one = world.propose(Erase(content, ""), author)
        return world.after(node, one, certificate=world.certificate(one, *by, **endorsement))

    return make


ERASURES_REFUSED: list[tuple[str, str, Scene, Build]] = [
    ("erasing what others put too", "V7", put_by_two, erases(DAN)),
    ("erasing what another put", "V7", put_by_dan, erases(ANN)),
    ("erasing what nobody put", "V7", put_by_dan, erases(DAN, b"\x08" * 32)),
    ("erasing what anybody has", "V7", put_by_dan, erases(DAN, bytes(32))),
    (
        "erasing what a path holds",
        "V7",
        put_by_dan,
        lambda w, n: w.after(n, w.large("again", DAN), w.propose(Erase(LARGE, ""), DAN)),
    ),
    ("erasing twice", "V7", erased, erases(DAN)),
    ("erasing by a quorum what a path holds", "V7", still_there, erases_with(ANN, BEN)),
    ("erasing by a quorum what nobody put", "V7", put_by_two, erases_with(ANN, BEN, content=b"\x08" * 32)),
    ("erasing by a quorum what anybody has", "V7", put_by_two, erases_with(ANN, BEN, content=bytes(32))),
    ("erasing twice by a quorum", "V7", erased, erases_with(ANN, BEN)),
    ("erasing by the same certificate again", "V7", revived, erases_by_the_same),
    ("erasing by too few", "V6", put_by_two, erases_with(BEN)),
    ("erasing by one policy of two", "V6", two_policies, erases_with(CLEO, DAN)),
    ("erasing endorsed by no authority", "V6", put_by_two, erases_with(ANN, BEN, DAN)),
    ("erasing endorsed for an epoch", "V6", put_by_two, erases_with(ANN, BEN, epoch=1)),
    ("erasing endorsed for something else", "V6", put_by_two, erases_with(ANN, BEN, proposal=bytes(32))),
    ("erasing proposed by a stranger", "V7", put_by_two, erases_with(ANN, BEN, author=EVE)),
    (
        "erasing by a quorum that is not first",
        "V7",
        put_by_two,
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            w.propose(Erase(LARGE, ""), DAN),
            certificate=w.certificate(p, ANN, BEN),
        ),
    ),
]


def _proof(world: World, node: Node) -> tuple[bytes, ...]:
    """That `node`, in a joint phase, is final under both policies."""
    return world.settlement(node, ANN, CLEO, DAN)


LEAVING: dict[str, tuple[str, Build]] = {
    "the old quorum alone": (
        "V6",
        lambda w, n: w.recover(n, CLEO, ANN, BEN, author=CLEO, settlement=_proof(w, n)),
    ),
    "an endorsement by a key of the old policy beside the new quorum": (
        "V6",
        lambda w, n: w.recover(n, EVE, BEN, DAN, EVE, author=DAN, settlement=_proof(w, n)),
    ),
    "proposed by a key of the old policy": (
        "V5",
        lambda w, n: w.recover(n, EVE, DAN, EVE, author=BEN, settlement=_proof(w, n)),
    ),
    "no quorum of the new policy": (
        "V6",
        lambda w, n: w.recover(n, EVE, DAN, author=DAN, settlement=_proof(w, n)),
    ),
    "a proof that is none, before everything else that is wrong": (
        "P4",
        lambda w, n: w.recover(n, EVE, DAN, author=BEN, settlement=w.settlement(n, ANN, CLEO)),
    ),
    "a proof that is none, with both quorums": (
        "P4",
        lambda w, n: w.recover(n, EVE, BEN, CLEO, DAN, author=CLEO, settlement=w.settlement(n, DAN, EVE)),
    ),
    "a proof that rests on the key that it revokes": (
        "P4",
        lambda w, n: w.revoke(n, EVE, CLEO, DAN, EVE, author=DAN, settlement=_proof(w, n)),
    ),
    "the revoked key's endorsement counted": (
        "V6",
        lambda w, n: w.revoke(
            n, DAN, CLEO, CLEO, DAN, author=DAN, settlement=w.settlement(n, ANN, BEN, CLEO, DAN, EVE)
        ),
    ),
    "a rotation that only the new quorum endorsed": (
        "V6",
        lambda w, n: w.after(
            n,
            p := w.rotation(n, DAN),
            certificate=w.certificate(p, DAN, EVE),
            settlement=_proof(w, n),
            appoints=(1, DAN),
        ),
    ),
}


ELSEWHERE: list[tuple[str, str, Scene, Build]] = [
    ("an expelled key admitted by a member", "P6", expelled, lambda w, n: w.after(n, w.admit(DAN, FAY))),
    ("a rotation into the epoch that is", "V6", renewed, lambda w, n: rotated(w, n, epoch=n.next_epoch)),
    ("a rotation on a base below the reign", "V4", second_reign, lambda w, n: on_base(w, n, n.line()[1])),
    (
        "a rotation on the base that ended the last reign",
        "V4",
        second_reign,
        lambda w, n: on_base(w, n, n.line()[2]),
    ),
    ("a rotation below a change of policy", "V4", joint, lambda w, n: on_base(w, n, n.line()[0])),
    (
        "a rotation below the one that its parent carries",
        "V4",
        handed_over,
        lambda w, n: on_base(w, n, n.line()[1]),
    ),
    ("the old witness after a rotation", "V3", handed_over, lambda w, n: w.puts(n, "x", signer=ANN, epoch=0)),
    ("a rotation where none is allowed", "V4", fixed, lambda w, n: w.rotate(n, BEN)),
    (
        "abandoning what is below its reign",
        "S9",
        second_reign,
        lambda w, n: w.recover(n, CLEO, abandons=(n.line()[0].id,)),
    ),
    (
        "a second change before the first is settled",
        "P3",
        joint,
        lambda w, n: w.install(
            n, policy((ANN, BEN), 2), ANN, BEN, CLEO, DAN, EVE, replaces=n.proposals[0].id
        ),
    ),
    ("a takeover by the old quorum alone", "V6", joint, lambda w, n: w.recover(n, CLEO, BEN, CLEO)),
    ("a takeover by the new quorum alone", "V6", joint, lambda w, n: w.recover(n, EVE, DAN, EVE, author=DAN)),
    (
        "a settlement of what is settled",
        "P4",
        settled,
        lambda w, n: w.after(n, settlement=w.settlement(n, DAN, EVE)),
    ),
    (
        "a takeover with a settlement of what is settled",
        "P4",
        settled,
        lambda w, n: w.recover(n, DAN, DAN, EVE, author=DAN, settlement=w.settlement(n, DAN, EVE)),
    ),
    (
        "a takeover by the policy that is gone",
        "V6",
        settled,
        lambda w, n: w.recover(n, CLEO, CLEO, author=CLEO),
    ),
    ("a revoked key's put", "V7", revoked, lambda w, n: w.after(n, w.put("x", ANN))),
    ("a revoked key admitted", "V8", revoked, lambda w, n: w.after(n, w.admit(ANN, BEN))),
    ("a revoked key's recovery", "V7", revoked, lambda w, n: w.recover(n, FAY, BEN, CLEO, FAY, author=ANN)),
    ("a revoked key's endorsement counted", "V6", revoked, lambda w, n: w.recover(n, FAY, ANN, BEN, FAY)),
    ("a revoked key appointed", "V7", revoked, lambda w, n: w.recover(n, ANN, BEN, CLEO, FAY)),
    ("a key revoked twice", "V8", revoked, lambda w, n: w.revoke(n, FAY, ANN, BEN, CLEO, FAY)),
    (
        "a revocation that leaves too few",
        "V8",
        revoked,
        lambda w, n: w.revoke(n, FAY, BEN, CLEO, FAY, author=CLEO),
    ),
    (
        "a revoked key as a new authority",
        "P3",
        revoked,
        lambda w, n: w.install(n, policy((ANN, BEN, CLEO), 2), BEN, CLEO, FAY, author=BEN),
    ),
    (
        "a settlement that counts a revoked key",
        "P4",
        revoked_while_joint,
        lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN, CLEO)),
    ),
    ("an expelled key's put", "V7", expelled, lambda w, n: w.after(n, w.put("x", DAN))),
    ("an expelled key admitted by itself", "V7", expelled, lambda w, n: w.after(n, w.admit(DAN, DAN))),
    ("an expelled key expelled", "P6", expelled, lambda w, n: w.after(n, w.propose(Expel(DAN.key), BEN))),
    ("a member admits where only authorities may", "P6", closed, lambda w, n: w.after(n, w.admit(EVE, DAN))),
    ("a name that is taken", "V7", plain, lambda w, n: w.after(n, w.admit(EVE, ANN, "dan"))),
    ("a key admitted twice", "V7", plain, lambda w, n: w.after(n, w.admit(DAN, ANN, "other"))),
    ("a member expels another", "P6", expelled, lambda w, n: w.after(n, w.propose(Expel(ANN.key), FAY))),
    *MEMBERS_REFUSED,
    *ERASURES_REFUSED,
    ("a file put where a folder is", "V7", plain, lambda w, n: w.puts(n, "c")),
    ("a file put inside a file", "V7", plain, lambda w, n: w.puts(n, "c/0/x")),
    ("a removal of nothing", "V7", plain, lambda w, n: w.after(n, w.propose(Remove("x", None)))),
    (
        "a removal of something else",
        "V7",
        plain,
        lambda w, n: w.after(n, w.propose(Remove("c/0", b"\x01" * 32))),
    ),
    (
        "a put over what it does not expect",
        "V7",
        plain,
        lambda w, n: w.after(n, w.put("c/0", expects=b"\x01" * 32)),
    ),
    (
        "a takeover in a 1-of-1 without its authority",
        "V5",
        alone,
        lambda w, n: w.recover(n, DAN, DAN, author=DAN),
    ),
]


def on_base(world: World, node: Node, base: Node) -> Node:
    """A rotation to cleo with everything right but its base, perhaps."""
    return world.rotate(node, CLEO, ANN, BEN, base=base)


def _in(scene: Scene, group: str, table: dict[str, tuple[str, Build]]) -> list[Case]:
    return [Case(f"{group}: {name}", rule, scene, make) for name, (rule, make) in table.items()]


REFUSALS: list[Case] = [
    *_in(plain, "a snapshot", REFUSED),
    *_in(plain, "a rotation", ROTATIONS),
    *_in(plain, "a takeover", TAKEOVERS),
    *_in(plain, "a policy change", CHANGES),
    *_in(joint, "a settlement", SETTLEMENTS),
    *_in(joint, "a takeover that settles", LEAVING),
    *(Case(*one) for one in ELSEWHERE),
]


# --- what is accepted ---------------------------------------------------------------------------------

ACCEPTABLE: list[tuple[str, Scene, Build]] = [
    ("a put", plain, lambda w, n: w.puts(n, "x")),
    ("nothing at all", plain, lambda w, n: w.after(n)),
    (
        "many actions in order",
        plain,
        lambda w, n: w.after(
            n,
            w.put("x/y"),
            w.propose(Remove("x/y", bytes(32))),
            w.put("x"),
            w.admit(EVE, DAN),
            w.put("z", EVE),
            w.propose(Expel(EVE.key), CLEO),
            w.admit(FAY, DAN, "eve"),
            w.admit(EVE, BEN, "eve2"),
        ),
    ),
    ("a rotation", plain, lambda w, n: w.rotate(n, DAN)),
    ("a rotation on a base of its reign", second_reign, lambda w, n: w.rotate(n, BEN, base=n.line()[3])),
    (
        "a rotation with more beside it",
        plain,
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            w.put("x"),
            certificate=w.certificate(p, ANN, BEN, CLEO),
            appoints=(1, BEN),
        ),
    ),
    ("the new witness after a rotation", handed_over, lambda w, n: w.puts(n, "x")),
    ("a renewal where rotation is not allowed", fixed, lambda w, n: w.rotate(n, ANN)),
    ("a rotation in a 1-of-1", alone, lambda w, n: w.rotate(n, DAN, ANN)),
    ("a rotation as far as epochs go", plain, lambda w, n: w.rotate(n, BEN, epoch=EPOCH_MAX)),
    ("a recovery", plain, lambda w, n: w.recover(n, CLEO)),
    ("a recovery in the last epoch", plain, lambda w, n: w.recover(n, CLEO, epoch=EPOCH_MAX)),
    ("a recovery far above a step", plain, lambda w, n: w.recover(n, CLEO, epoch=2**20 + 1)),
    ("a recovery after a rotation that nobody took up", handed_over, lambda w, n: w.recover(n, CLEO)),
    (
        "a recovery that abandons what is elsewhere",
        plain,
        lambda w, n: w.recover(n, BEN, abandons=(bytes(32), w.puts(n, "elsewhere").id)),
    ),
    ("a recovery under both policies", joint, lambda w, n: w.recover(n, EVE, BEN, CLEO, DAN, author=DAN)),
    ("a revocation", plain, lambda w, n: w.revoke(n, CLEO, ANN)),
    ("a revocation of a member", plain, lambda w, n: w.revoke(n, CLEO, DAN)),
    ("a revocation of an expelled key", expelled, lambda w, n: w.revoke(n, CLEO, DAN)),
    (
        "a revocation with an endorsement of the revoked",
        plain,
        lambda w, n: w.revoke(n, CLEO, ANN, ANN, BEN, CLEO),
    ),
    ("a recovery without the revoked key", revoked, lambda w, n: w.recover(n, FAY, BEN, CLEO, FAY)),
    ("a policy change", plain, lambda w, n: w.install(n, policy((ANN, BEN, EVE), 2))),
    ("a policy change by a member", plain, lambda w, n: w.install(n, policy((ANN, BEN), 2), author=DAN)),
    (
        "a new authority with a name that is taken",
        plain,
        lambda w, n: w.install(
            n, policy((), 2, witnesses=(*named((ANN, BEN)), Named("dan", EVE.key))), ANN, BEN
        ),
    ),
    (
        "a new authority with a name that is taken and too long for a suffix",
        then(root, lambda w, n: w.after(w.root, w.admit(FAY, name="ü" * 32))),
        lambda w, n: w.install(
            n, policy((), 2, witnesses=(*named((ANN, BEN)), Named("ü" * 32, EVE.key))), ANN, BEN
        ),
    ),
    (
        "a new authority with a forgotten name",
        forgotten,
        lambda w, n: w.install(n, policy((), 2, witnesses=(*named((ANN, BEN)), Named("eve", FAY.key)))),
    ),
    ("a forgotten key as a new authority", forgotten, lambda w, n: w.install(n, policy((ANN, BEN, EVE), 2))),
    ("an expelled key as a new authority", expelled, lambda w, n: w.install(n, policy((ANN, BEN, DAN), 2))),
    ("an expelled key as the new witness", expelled, lambda w, n: w.rotate(n, DAN)),
    ("an expelled key as the witness of a recovery", expelled, lambda w, n: w.recover(n, DAN)),
    ("an admit by a token", plain, by_token(EVE, DAN, DAN)),
    ("an admit by a token that another passes on", invited, by_token(GUS, CLEO, DAN, uses=2)),
    ("an admit by an authority's token where only they may", closed, by_token(EVE, DAN, CLEO)),
    ("a guest of an authority where members have no place", filled(1024), by_token(EVE, DAN, ANN)),
    ("the 65th guest, by an authority's token", crowded, by_token(EVE, DAN, ANN)),
    ("an expelled key with a token, by an authority", invited, by_token(FAY, BEN, DAN, number=4)),
    (
        "an invite that somebody else tried to revoke",
        then(invited, lambda w, n: revokes_invite(EVE, DAN, 5)(w, n)),
        by_token(GUS, DAN, DAN, number=5),
    ),
    ("a forgotten key by an authority", forgotten, lambda w, n: w.after(n, w.admit(EVE, BEN))),
    ("a forgotten name by an authority", forgotten, lambda w, n: w.after(n, w.admit(FAY, BEN, "eve"))),
    ("a name made of its own key", plain, lambda w, n: w.after(n, w.admit(EVE, ANN, made_of(EVE)))),
    ("a member leaves", plain, lambda w, n: w.after(n, w.propose(Expel(DAN.key), DAN), w.admit(EVE))),
    (
        "a member renames itself, and its old name is free",
        plain,
        lambda w, n: w.after(n, w.propose(Rename(DAN.key, "d"), DAN), w.admit(EVE, DAN, "dan")),
    ),
    ("an authority renames another", plain, lambda w, n: w.after(n, w.propose(Rename(BEN.key, "B"), CLEO))),
    ("an author erases alone", put_by_dan, erases(DAN)),
    ("a quorum erases", put_by_two, erases_with(ANN, BEN)),
    ("a quorum erases what one author put", put_by_dan, erases_with(ANN, BEN, author=ANN)),
    ("a quorum of both policies erases", two_policies, erases_with(ANN, CLEO, DAN)),
    (
        "what a quorum erased is put again, and erased by its author alone",
        then(put_by_dan, erases_with(ANN, BEN)),
        lambda w, n: w.after(
            n, w.large("b", DAN), w.propose(Remove("b", None), DAN), w.propose(Erase(LARGE, ""), DAN)
        ),
    ),
    (
        "a put of what was erased, and a quorum erases it again",
        then(erased, lambda w, n: w.after(n, w.large("b", CLEO), w.propose(Remove("b", None), CLEO))),
        erases_with(ANN, BEN),
    ),
    (
        "a put over the last one, which is erased beside it",
        then(root, lambda w, n: w.after(w.root, w.large("a", DAN))),
        lambda w, n: w.after(n, w.put("a", DAN, content=b"\x09" * 32), w.propose(Erase(LARGE, ""), DAN)),
    ),
    ("a settlement", joint, lambda w, n: w.after(n, settlement=w.settlement(n, ANN, CLEO, DAN))),
    (
        "a settlement beside a rotation",
        joint,
        lambda w, n: w.after(
            n,
            p := w.rotation(n, DAN),
            certificate=w.certificate(p, ANN, CLEO, DAN),
            settlement=w.settlement(n, ANN, CLEO, DAN),
            appoints=(1, DAN),
        ),
    ),
    (
        "a settlement with a revoked key's beside enough others",
        revoked_while_joint,
        lambda w, n: w.after(n, settlement=w.settlement(n, ANN, BEN, CLEO, DAN)),
    ),
    (
        "a takeover that settles: the new quorum alone",
        joint,
        lambda w, n: w.recover(n, EVE, DAN, EVE, author=DAN, settlement=_proof(w, n)),
    ),
    (
        "a takeover that settles, on what stands above the change",
        joint_for_long,
        lambda w, n: w.recover(n, DAN, CLEO, DAN, author=CLEO, settlement=_proof(w, n.line()[1])),
    ),
    (
        "a takeover that settles and revokes a key of the old policy",
        joint,
        lambda w, n: w.revoke(
            n, DAN, ANN, DAN, EVE, author=EVE, settlement=w.settlement(n, ANN, BEN, CLEO, DAN)
        ),
    ),
    ("a recovery by the settled policy", settled, lambda w, n: w.recover(n, DAN, DAN, EVE, author=DAN)),
    ("an authority admits where only they may", closed, lambda w, n: w.after(n, w.admit(EVE, CLEO))),
    ("an expelled key admitted again", expelled, lambda w, n: w.after(n, w.admit(DAN, BEN))),
]

ACCEPTED: list[Case] = [Case(name, "", scene, make) for name, scene, make in ACCEPTABLE]
