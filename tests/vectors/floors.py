"""Which branch, where a floor moves more than once or waits, and who may give up what (F5, F5a, S9).

Scenes like those of `branches`, about what a verifier gets wrong that asks for one change instead of the
next, for one policy instead of all, or counts whoever signed.
"""

from __future__ import annotations

from collections.abc import Callable

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Cosignature
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, bad_signature, policy
from tests.ledger.grown import Grown
from tests.vectors.branches import Scene, cosigned, lines


def _twice_grown() -> tuple[Grown, Node, Node]:
    """A second change above the first, settled by its own quorums, and the tip upon it."""
    grown = Grown()
    world = grown.world
    second = world.install(
        grown.tip, policy((BEN, CLEO, DAN, EVE), 3), BEN, CLEO, DAN, replaces=_installed(grown)
    )
    settled = world.after(second, settlement=world.settlement(second, BEN, CLEO, EVE))
    return grown, second, world.puts(settled, "later")


def _installed(grown: Grown) -> bytes:
    """What installed the policy in force: the proposal of the first change."""
    return grown.change.proposals[0].id


def one_change_after_the_other() -> Scene:
    """dan took part in another change, which holds his floor below two. What he cosigned for the lower of
    them takes him to that one, and nothing is in his way any more to the next (F5a)."""
    grown, second, tip = _twice_grown()
    world = grown.world
    other = world.install(grown.low, policy((DAN, EVE), 2), ANN, DAN, EVE)
    tell = (
        *(*lines(other), *cosigned(world, other, DAN)),
        *(*lines(tip)[1:], *cosigned(world, tip, BEN, CLEO, EVE)),
        *cosigned(world, grown.change, DAN),
    )
    return Scene(world, tell, tip, tip, own=DAN, floor=second, superseded=(other,))


def what_was_cosigned_off_the_floor() -> Scene:
    """dan took part in two changes beside each other; from the one that his floor is at he goes on as if he
    had never cosigned the other (F5a)."""
    grown, second, tip = _twice_grown()
    world = grown.world
    aside = world.install(world.puts(grown.low, "aside"), policy((DAN, EVE), 2), ANN, DAN, EVE)
    tell = (
        *(*lines(aside), *cosigned(world, aside, DAN)),
        *(grown.change, *cosigned(world, grown.change, DAN)),
        *(*tip.line()[2:], *cosigned(world, tip, BEN, CLEO, EVE)),
    )
    return Scene(world, tell, tip, tip, own=DAN, floor=second, superseded=tuple(aside.line()[1:]))


def the_floor_moves_until_it_rests() -> Scene:
    """As above, and what dan cosigns in the end stands on both changes: his floor passes both at once."""
    grown, second, tip = _twice_grown()
    world = grown.world
    other = world.install(grown.low, policy((DAN, EVE), 2), ANN, DAN, EVE)
    tell = (
        *(*lines(other), *cosigned(world, other, DAN)),
        *(*lines(tip)[1:], *cosigned(world, tip, BEN, CLEO, EVE, DAN)),
    )
    return Scene(world, tell, tip, tip, own=DAN, floor=second, superseded=(other,))


def a_certificate_off_the_floor() -> Scene:
    """ben and cleo are a quorum of both policies; what they sign on a base that leaves out the floor gives up
    nothing all the same."""
    world = World(policy((ANN, BEN, CLEO), 2), members=(ANN, BEN, CLEO, DAN))
    low = world.puts(world.root, "low")
    change = world.install(low, policy((BEN, CLEO, DAN), 2), ANN, BEN, CLEO, DAN)
    tip = world.puts(world.after(change, settlement=world.settlement(change, ANN, BEN, CLEO, DAN)), "tip")
    rival = world.recover(low, BEN, BEN, CLEO, abandons=(tip.id,))
    return Scene(
        world,
        (*lines(rival, tip), *cosigned(world, tip, CLEO, DAN)),
        tip,
        tip,
        superseded=(rival,),
        given=change,
        floor=change,
    )


def given_up_with_the_key_that_is_revoked() -> Scene:
    """cleo endorses her own revocation, and counts for nothing in it: without her nobody gives up what two
    policies made final."""
    world = World(policy((ANN, BEN, CLEO), 2), members=(ANN, BEN, CLEO, DAN))
    low = world.puts(world.root, "low")
    change = world.install(low, policy((ANN, CLEO, DAN), 2), ANN, CLEO, DAN)
    rival = world.revoke(low, BEN, CLEO, ANN, BEN, CLEO, abandons=(change.id,))
    return Scene(
        world,
        (*lines(rival, change), *cosigned(world, change, ANN, CLEO)),
        change,
        change,
        superseded=(rival,),
        floor=change,
    )


def given_up_with_a_key_that_is_revoked_there() -> Scene:
    """dan may endorse below his revocation; of what is final above it he gives up nothing."""
    world = World(policy((ANN, BEN, CLEO, DAN), 3), members=(ANN, BEN, CLEO, DAN))
    low = world.puts(world.root, "low")
    tip = world.puts(world.revoke(low, BEN, DAN, ANN, BEN, CLEO), "tip")
    rival = world.recover(low, CLEO, BEN, CLEO, DAN, epoch=2, abandons=(tip.id,))
    return Scene(
        world,
        (*lines(rival, tip), *cosigned(world, tip, ANN, BEN, CLEO)),
        tip,
        tip,
        superseded=(rival,),
    )


def given_up_by_the_new_policy_alone() -> Scene:
    """The new policy may take over in a joint phase (P4); what both made final there both have to give up."""
    grown = Grown()
    world = grown.world
    joint = world.chain(grown.change, 2, "joint")
    proof = world.settlement(grown.change, ANN, BEN, CLEO)
    rival = world.recover(grown.change, BEN, BEN, CLEO, settlement=proof, abandons=(joint.id,))
    return Scene(
        world,
        (*lines(rival, joint), *cosigned(world, joint, ANN, CLEO, DAN)),
        joint,
        joint,
        superseded=(rival,),
        floor=grown.change,
    )


def no_conflict_while_a_floor_is_waited_for() -> Scene:
    """Two finals exclude each other, and neither is known to stand on the floor: no conflict yet."""
    grown = Grown()
    world = grown.world
    one, other = grown.rival(epoch=5), grown.rival(epoch=9)
    tell = (*lines(one, other), *cosigned(world, one, ANN), *cosigned(world, other, ANN))
    return Scene(world, tell, world.root, world.root, given=grown.change)


def one_of_the_finals_is_ours_and_another_change_too() -> Scene:
    """cleo took part in a change that came to nothing as well: her floor goes to what is final (F5a)."""
    grown = Grown()
    world = grown.world
    other = world.install(grown.low, policy((CLEO, EVE), 2), ANN, CLEO, EVE)
    rival = grown.rival(epoch=9)
    tell = (
        *(*lines(other), *cosigned(world, other, CLEO)),
        *(*lines(rival)[1:], *cosigned(world, rival, ANN), grown.change),
        *cosigned(world, grown.change, CLEO, ANN, BEN),
    )
    return Scene(
        world,
        tell,
        grown.change,
        grown.change,
        own=CLEO,
        floor=grown.change,
        superseded=(other, *rival.line()[1:]),
    )


# --- what counts --------------------------------------------------------------------------------------


def cosignatures_that_are_not_signed() -> Scene:
    return _worthless("A5", lambda world, node, by: bad_signature(world.cosignature(node, by)))


def cosignatures_of_another_common() -> Scene:
    return _worthless("V1", lambda world, node, by: world.cosignature(node, by, common_id=bytes(32)))


def _worthless(rule: str, sign: Callable[[World, Node, Key], Signed[Cosignature]]) -> Scene:
    """What would make the lower epoch final, if any of it counted."""
    world = World()
    base = world.puts(world.root, "a")
    old, taken = world.puts(base, "old"), world.recover(base, BEN)
    bad = tuple(sign(world, old, one) for one in (ANN, CLEO))
    return Scene(
        world,
        (*lines(old, taken), *bad),
        taken,
        world.root,
        superseded=(old,),
        pending=(old,),
        refused=bad,
        refused_as=rule,
    )


def a_settlement_with_a_key_that_is_revoked() -> Scene:
    """It may be in there, and counts for nothing (V8); the others settle."""
    world = World(policy((ANN, BEN, CLEO, DAN), 3), members=(ANN, BEN, CLEO, DAN, EVE))
    change = world.install(world.root, policy((BEN, CLEO, DAN, EVE), 3), ANN, BEN, CLEO, DAN, EVE)
    gone = world.revoke(change, BEN, ANN, BEN, CLEO, DAN)
    tip = world.after(gone, settlement=world.settlement(gone, ANN, BEN, CLEO, DAN))
    return Scene(world, tuple(lines(tip)), tip, gone, floor=change)


def an_authority_leaves_for_a_higher_epoch_that_is_cut() -> Scene:
    """What was final is given up, and the highest epoch is that of a witness that signed two histories: how
    high the authority was says nothing of how far up it goes there."""
    world = World()
    base = world.puts(world.root, "a")
    here = world.chain(base, 4, "here")
    taken = world.recover(base, CLEO, epoch=2)
    low, high = sorted((world.puts(taken, name) for name in ("one", "other")), key=lambda node: node.id)
    followed, rival = low, high
    low, high = world.chain(low, 4, "low"), world.chain(high, 4, "high")
    gives_up = world.recover(base, BEN, abandons=(here.id,))
    return Scene(
        world,
        (*lines(here), *cosigned(world, here, ANN, CLEO), *lines(low, high)[1:], gives_up),
        followed,
        world.root,
        own=BEN,
        evidence=((followed, rival),),
        superseded=(*here.line()[1:], *high.line()[2:], gives_up),
    )


SCENES: list[tuple[str, str, Callable[[], Scene]]] = [
    ("one change after the other", "F5a", one_change_after_the_other),
    ("what was cosigned off the floor", "F5a", what_was_cosigned_off_the_floor),
    ("the floor moves until it rests", "F5", the_floor_moves_until_it_rests),
    ("a certificate off the floor gives up nothing", "F5", a_certificate_off_the_floor),
    ("given up with the key that is revoked", "S9", given_up_with_the_key_that_is_revoked),
    ("given up with a key that is revoked there", "S9", given_up_with_a_key_that_is_revoked_there),
    ("given up by the new policy alone", "S9", given_up_by_the_new_policy_alone),
    (
        "one of the finals is ours, and another change too",
        "F5a",
        one_of_the_finals_is_ours_and_another_change_too,
    ),
    ("cosignatures that are not signed", "A5", cosignatures_that_are_not_signed),
    ("cosignatures of another Common", "V1", cosignatures_of_another_common),
    ("a settlement with a key that is revoked", "V8", a_settlement_with_a_key_that_is_revoked),
    (
        "an authority leaves for a higher epoch that is cut",
        "F3",
        an_authority_leaves_for_a_higher_epoch_that_is_cut,
    ),
    ("no conflict while a floor is waited for", "F5", no_conflict_while_a_floor_is_waited_for),
]
