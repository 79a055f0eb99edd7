"""More snapshots with what the rules say of them: the edges that told verifiers of the text apart.

Each was found by a one-line mistake in a verifier that no other vector noticed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aslp2p.artifacts.types import Erase, Expel, Forget, Named, Rename, RevokeInvite
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
    named,
    person,
    policy,
)
from tests.ledger.cases import Build, Case, Scene, invited, joint, plain

GUS, HAL = person("gus"), person("hal")
CONTENT = b"\x0c" * 32
ALL = (ANN, BEN, CLEO, DAN, EVE)


# --- bases --------------------------------------------------------------------------------------------


def both(old: dict[str, Any], new: dict[str, Any]) -> Scene:
    """A joint phase of two policies of ann, ben and cleo that differ in what is named."""

    def scene() -> tuple[World, Node]:
        world = World(policy((ANN, BEN, CLEO), 2, **old))
        return world, world.install(world.chain(world.root, 1), policy((ANN, BEN, CLEO), 2, **new))

    return scene


def of_two_and_three() -> tuple[World, Node]:
    """2 of ann and ben, and 2 of ann, cleo and dan: not settled."""
    world = World(policy((ANN, BEN), 2))
    return world, world.install(world.root, policy((ANN, CLEO, DAN), 2), ANN, BEN, CLEO)


def of_three_and_two() -> tuple[World, Node]:
    world = World(policy((ANN, CLEO, DAN), 2))
    return world, world.install(world.root, policy((ANN, BEN), 2), ANN, BEN, CLEO)


def witness_of_no_authority() -> tuple[World, Node]:
    """dan, a member, is the witness and has signed."""
    world, base = plain()
    return world, world.puts(world.rotate(base, DAN), "x")


def handed_to_a_member() -> tuple[World, Node]:
    world, base = plain()
    return world, world.rotate(base, DAN)


def handed_back() -> tuple[World, Node]:
    """dan's last snapshot hands over to ann, who has signed nothing yet."""
    world, base = witness_of_no_authority()
    return world, world.rotate(base, ANN, epoch=2)


def put_in_sizes(*sizes: int) -> Scene:
    """One content was put with these sizes, and is nowhere now."""

    def scene() -> tuple[World, Node]:
        world = World()
        puts = [world.put(f"f{number}", DAN, content=CONTENT, size=size) for number, size in enumerate(sizes)]
        over = [world.put(f"f{number}", DAN) for number in range(len(sizes))]
        return world, world.after(world.root, *puts, *over)

    return scene


def renamed_away() -> tuple[World, Node]:
    """eve had been admitted as dan after he was expelled; he is forgotten, and she is called eve again."""
    world = World()
    base = world.after(
        world.root,
        world.propose(Expel(DAN.key), BEN),
        world.admit(EVE, ANN, "dan"),
        world.propose(Forget(DAN.key), BEN),
        world.propose(Rename(EVE.key, "eve"), EVE),
    )
    return world, base


def given_again() -> tuple[World, Node]:
    """eve, forgotten, was called eve; an authority gave that name to fay, who is called fay again."""
    world = World()
    base = world.after(
        world.root,
        world.admit(EVE),
        world.propose(Expel(EVE.key), BEN),
        world.propose(Forget(EVE.key), BEN),
        world.admit(FAY),
        world.propose(Rename(FAY.key, "eve"), ANN),
        world.propose(Rename(FAY.key, "fay"), FAY),
    )
    return world, base


def inviter_left() -> tuple[World, Node]:
    """dan, who proposed nothing, let eve in by an invite that cleo passed on, and is expelled."""
    world = World()
    return world, world.after(
        world.root, world.admit(EVE, CLEO, token=world.shown(EVE, DAN)), world.propose(Expel(DAN.key), BEN)
    )


def revoked_by_an_authority() -> tuple[World, Node]:
    """An authority revoked dan's second invite."""
    world, base = plain()
    return world, world.after(base, world.propose(RevokeInvite(world.invite(DAN, number=2)[0].id), BEN))


# --- what is refused ----------------------------------------------------------------------------------


def labelled(name: str, base: Scene = plain) -> tuple[Scene, Build]:
    """eve becomes an authority under this label."""
    new = policy((), 2, witnesses=(*named((ANN, BEN)), Named(name, EVE.key)))
    return base, lambda w, n: w.install(n, new, ANN, BEN)


def revoking_and_settling(*cosigners: Key) -> Build:
    """cleo takes over from ann, who is revoked by it, and settles what these have cosigned."""

    def make(world: World, node: Node) -> Node:
        one = world.revocation(node, CLEO, ANN)
        return world.after(
            node,
            one,
            signer=CLEO,
            epoch=1,
            certificate=world.certificate(one, BEN, CLEO, DAN),
            settlement=world.settlement(node, *cosigners),
        )

    return make


def joint_of_four() -> tuple[World, Node]:
    """2 of ann, ben, cleo, and 3 of ann, ben, cleo, dan: not settled."""
    world = World()
    return world, world.install(world.root, policy((ANN, BEN, CLEO, DAN), 3), ANN, BEN, CLEO)


EDGES_REFUSED: list[tuple[str, str, Scene, Build]] = [
    (
        "endorsements out of order, and one that is none",
        "A3",
        plain,
        lambda w, n: w.after(
            n, p := w.rotation(n, BEN), certificate=(*w.certificate(p, ANN, BEN)[::-1], p.raw)
        ),
    ),
    (
        "an endorsement that is not signed, and one of another Common",
        "V6",
        plain,
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=embed(
                [
                    bad_signature(w.endorsement(p, ANN)),  # type: ignore[list-item]
                    w.endorsement(p, BEN, common_id=bytes(32)),
                ]
            ),
        ),
    ),
    (
        "a proposal twice, by who is not the witness",
        "V7",
        plain,
        lambda w, n: w.after(n, p := w.put("b"), p, signer=BEN),
    ),
    ("another epoch and another log size", "V3", plain, lambda w, n: w.puts(n, "b", epoch=1, log_size=9)),
    (
        "a second change of the policy that is replaced",
        "P3",
        joint,
        lambda w, n: w.install(n, policy((ANN, BEN), 2), *ALL),
    ),
    (
        "a rotation where the new policy allows none",
        "V4",
        both({}, {"rotation_allowed": False}),
        lambda w, n: w.rotate(n, BEN),
    ),
    (
        "a rotation where the old policy allows none",
        "V4",
        both({"rotation_allowed": False}, {}),
        lambda w, n: w.rotate(n, BEN),
    ),
    (
        "a member admits where the new policy lets authorities only",
        "P6",
        both({}, {"participants": "authorities"}),
        lambda w, n: w.after(n, w.admit(EVE, DAN)),
    ),
    (
        "a member admits where the old policy lets authorities only",
        "P6",
        both({"participants": "authorities"}, {}),
        lambda w, n: w.after(n, w.admit(EVE, DAN)),
    ),
    (
        "a revocation that leaves the old policy too few",
        "V8",
        of_two_and_three,
        lambda w, n: w.revoke(n, CLEO, BEN, ANN, BEN, CLEO, DAN, author=CLEO),
    ),
    (
        "a revocation that leaves the new policy too few",
        "V8",
        of_three_and_two,
        lambda w, n: w.revoke(n, CLEO, BEN, ANN, BEN, CLEO, DAN, author=CLEO),
    ),
    (
        "a takeover at another height of its base",
        "V5",
        plain,
        lambda w, n: w.after(
            n,
            p := w.recovery(_at_height(n, n.height + 1), CLEO),
            signer=CLEO,
            epoch=1,
            certificate=w.certificate(p, BEN, CLEO),
        ),
    ),
    (
        "one signer twice beside enough others",
        "V6",
        plain,
        lambda w, n: w.after(
            n,
            p := w.rotation(n, BEN),
            certificate=embed(
                [*(w.endorsement(p, one) for one in (ANN, BEN, CLEO)), w.endorsement(p, ANN, created_ms=1)]
            ),
        ),
    ),
    (
        "one cosigner twice beside enough others",
        "P4",
        joint,
        lambda w, n: w.after(
            n,
            settlement=embed(
                [*(w.cosignature(n, one) for one in (ANN, CLEO, DAN)), w.cosignature(n, ANN, created_ms=1)]
            ),
        ),
    ),
    (
        "a settlement by whom the same snapshot revokes",
        "P4",
        joint_of_four,
        revoking_and_settling(ANN, BEN, CLEO),
    ),
    ("a file put inside a file at the top", "V7", plain, lambda w, n: w.after(n, w.put("a"), w.put("a/b"))),
    (
        "erasing what has 63 bytes",
        "V7",
        put_in_sizes(63),
        lambda w, n: w.after(n, w.propose(Erase(CONTENT, ""), DAN)),
    ),
    (
        "the witness that is no authority expelled",
        "P6",
        witness_of_no_authority,
        lambda w, n: w.after(n, w.propose(Expel(DAN.key), BEN)),
    ),
    (
        "who is appointed and has not signed expelled",
        "P6",
        handed_to_a_member,
        lambda w, n: w.after(n, w.propose(Expel(DAN.key), BEN)),
    ),
    (
        "who has just handed over expelled",
        "P6",
        handed_back,
        lambda w, n: w.after(n, w.propose(Expel(DAN.key), BEN)),
    ),
    (
        "the deposed witness expelled in the takeover",
        "P6",
        witness_of_no_authority,
        lambda w, n: w.recover(n, CLEO, epoch=2, also=(w.propose(Expel(DAN.key), BEN),)),
    ),
    (
        "a new authority expels beside the change that makes it one",
        "P6",
        plain,
        lambda w, n: w.after(
            n,
            p := w.change(policy((ANN, BEN, DAN), 2)),
            w.admit(FAY),
            w.propose(Expel(FAY.key), DAN),
            certificate=w.certificate(p, ANN, BEN),
        ),
    ),
    ("an inviter forgotten", "V7", inviter_left, lambda w, n: w.after(n, w.propose(Forget(DAN.key), BEN))),
    (
        "an invite revoked after an authority revoked it",
        "V7",
        revoked_by_an_authority,
        lambda w, n: w.after(n, w.propose(RevokeInvite(w.invite(DAN, number=2)[0].id), DAN)),
    ),
    (
        "a name that ends in another key's digits",
        "V7",
        plain,
        lambda w, n: w.after(n, w.admit(EVE, ANN, f"eve-{FAY.key.hex()[:16]}")),
    ),
]


def _at_height(node: Node, height: int) -> Node:
    """The node under another height, for a base that names it so."""
    return replace(node, height=height)


# --- what is accepted ---------------------------------------------------------------------------------

EDGES_ACCEPTED: list[tuple[str, Scene, Build]] = [
    ("a rotation on genesis", plain, lambda w, n: w.rotate(n, CLEO, ANN, BEN, base=w.root)),
    (
        "erasing what has 64 bytes",
        put_in_sizes(64),
        lambda w, n: w.after(n, w.propose(Erase(CONTENT, ""), DAN)),
    ),
    (
        "erasing what one put says has 64 bytes",
        put_in_sizes(63, 64),
        lambda w, n: w.after(n, w.propose(Erase(CONTENT, ""), DAN)),
    ),
    (
        "a settlement without whom the same snapshot revokes",
        joint_of_four,
        revoking_and_settling(BEN, CLEO, DAN),
    ),
    ("a new authority with a name that is taken", *labelled("dan")),
    ("a new authority with a long name that is taken", *labelled("n" * 64, lambda: _named_long("n" * 64))),
    (
        "a new authority with a long name of two-byte letters",
        *labelled("é" * 32, lambda: _named_long("é" * 32)),
    ),
    ("a new authority with another key's digits", *labelled(f"eve-{FAY.key.hex()[:16]}")),
    ("a new authority with its own key's digits", *labelled(f"eve-{EVE.key.hex()[:16]}")),
    ("a new authority with digits and no hyphen", *labelled(f"eve_{FAY.key.hex()[:16]}")),
    ("a new authority with upper-case digits", *labelled(f"eve-{FAY.key.hex()[:16].upper()}")),
    ("a new authority with 15 digits", *labelled(f"eve-{FAY.key.hex()[:15]}")),
    ("a name of digits alone", plain, lambda w, n: w.after(n, w.admit(EVE, ANN, FAY.key.hex()[:16]))),
    (
        "a rename to the name that it has",
        plain,
        lambda w, n: w.after(n, w.propose(Rename(DAN.key, "dan"), DAN)),
    ),
    (
        "a forgotten key's name that another had since",
        renamed_away,
        lambda w, n: w.after(n, w.admit(FAY, EVE, "dan")),
    ),
    (
        "a reserved name that an authority gave and that is free again",
        given_again,
        lambda w, n: w.after(n, w.admit(GUS, FAY, "eve")),
    ),
    (
        "an authority that passes on a member's token",
        invited,
        lambda w, n: w.after(n, w.admit(HAL, ANN, token=w.shown(HAL, DAN, number=3))),
    ),
]


def _named_long(name: str) -> tuple[World, Node]:
    """A member has this name."""
    world, base = plain()
    return world, world.after(base, world.admit(FAY, ANN, name))


EDGES: list[Case] = [
    *(Case(name, "", scene, make) for name, scene, make in EDGES_ACCEPTED),
    *(Case(*one) for one in EDGES_REFUSED),
]
