"""Which branch: what is told to a node in several orders, and what it then follows (docs/spec.md, 5 and 7).

Each scene builds a small tree and says itself what comes of it; the tests play it through both verifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeAlias

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Cosignature
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, policy
from tests.ledger.grown import Grown

Told: TypeAlias = "Node | Signed[Cosignature]"
ORDERS_MAX = 8


@dataclass(frozen=True)
class Scene:
    """`tell` in one order, or in several of those that have parents first; `head` is followed at the end."""

    world: World
    tell: tuple[Told, ...]
    head: Node
    final: Node
    conflict: tuple[Node, ...] = ()
    evidence: tuple[tuple[Node, ...], ...] = ()
    superseded: tuple[Node, ...] = ()
    pending: tuple[Node, ...] = ()
    """The snapshots whose proposals are pending: beside the head's line, or above a head held back."""
    own: Key | None = None
    refused: tuple[Told, ...] = ()
    """Of what is told: cosignatures that count for nothing."""
    refused_as: str = "P2"
    given: Node | None = None
    """The floor that was given before anything was told (section 11)."""
    floor: Node | None = None
    """Where the floor rests; None: at the genesis, or where it was given."""


def cosigned(world: World, node: Node, *by: Key) -> list[Told]:
    return [world.cosignature(node, one) for one in by]


def lines(*tips: Node) -> list[Told]:
    """Every snapshot up to each tip once, parents first."""
    return list({one.id: one for tip in tips for one in tip.line()}.values())


def orders(tell: tuple[Told, ...]) -> list[list[int]]:
    """Up to `ORDERS_MAX` orders of everything, parents before children: from both ends of all that there
    are of the last few, and the whole one backwards as far as that goes."""
    needs: list[set[int]] = []
    places = {one.id: place for place, one in enumerate(tell) if isinstance(one, Node)}
    for one in tell:
        below = one.snapshot.statement.previous if isinstance(one, Node) else one.statement.snapshot
        needs.append({places[below]} if below in places else set())

    def possible(order: Iterable[int]) -> list[int]:
        """`order`, each held back until what it needs is here."""
        waiting, done = list(order), list[int]()
        while waiting:
            one = next(one for one in waiting if needs[one] <= set(done))
            waiting.remove(one)
            done.append(one)
        return done

    count = len(tell)
    found = [list(range(count)), possible(reversed(range(count)))]
    tail = range(max(0, count - 4), count)
    for last in permutations(tail):
        found.append(possible((*last, *range(tail[0]))))
    distinct = [list(order) for order in dict.fromkeys(map(tuple, found))]
    step = max(1, len(distinct) // ORDERS_MAX)
    return distinct[::step][:ORDERS_MAX]


# --- F1 -----------------------------------------------------------------------------------------------


def _fork() -> tuple[World, Node, Node, Node]:
    """A base, what the old witness emitted above it, and a takeover of a higher epoch on it."""
    world = World()
    base = world.puts(world.root, "a")
    old = world.chain(base, 2, "old")
    return world, base, old, world.puts(world.recover(base, BEN), "new")


def final_before_epoch() -> Scene:
    world, _base, old, taken = _fork()
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, ANN, CLEO)),
        old,
        old,
        superseded=tuple(taken.line()[1:]),
        pending=(taken,),
    )


def final_by_what_contains_it() -> Scene:
    """One cosigned the first, another the second: the first is final, and what stands on it is followed."""
    world, _base, old, taken = _fork()
    low = old.line()[1]
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, low, ANN), *cosigned(world, old, CLEO)),
        old,
        low,
        superseded=tuple(taken.line()[1:]),
        pending=(taken,),
    )


def final_below_the_fork() -> Scene:
    world, base, old, taken = _fork()
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, base, ANN, BEN)),
        taken,
        base,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def not_quite_final() -> Scene:
    world, _base, old, taken = _fork()
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, CLEO)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def one_key_twice() -> Scene:
    """P5: it counts once, on whatever it signs."""
    world, _base, old, taken = _fork()
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, CLEO), *cosigned(world, old.line()[1], CLEO)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def cosignatures_that_do_not_count() -> Scene:
    world, _base, old, taken = _fork()
    bad = [
        world.cosignature(old, DAN),
        world.cosignature(old, EVE),
        world.cosignature(old, ANN, epoch=1),
        world.cosignature(old, ANN, height=old.height - 1),
    ]
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, CLEO), *bad),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
        refused=tuple(bad),
    )


def final_and_given_up() -> Scene:
    """F1's "never left" ends where a certificate abandons: what is given up is final no more (S9)."""
    world = World()
    base = world.puts(world.root, "a")
    old = world.chain(base, 2, "old")
    taken = world.recover(base, BEN, abandons=(old.id,))
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, ANN, CLEO)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def what_stands_on_what_is_given_up() -> Scene:
    world = World()
    base = world.puts(world.root, "a")
    old = world.chain(base, 2, "old")
    taken = world.recover(base, BEN, abandons=(old.line()[1].id,))
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, ANN, CLEO)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def given_up_elsewhere() -> Scene:
    """Naming a snapshot that is on another line takes nothing from this one."""
    world, base, old, taken = _fork()
    other = world.recover(base, CLEO, epoch=3, abandons=(taken.id,))
    return Scene(
        world,
        (*lines(old, taken, other), *cosigned(world, old, ANN, CLEO)),
        old,
        old,
        superseded=(*taken.line()[1:], other),
        pending=(taken,),
    )


def two_finals() -> Scene:
    """The higher one is followed; nothing more is signed."""
    world, _base, old, taken = _fork()
    low = taken.line()[1]
    return Scene(
        world,
        (*lines(old, taken), *cosigned(world, old, ANN, CLEO), *cosigned(world, low, BEN, CLEO)),
        old,
        old,
        conflict=(old, low),
        superseded=tuple(taken.line()[1:]),
        pending=(taken,),
    )


def _joint() -> tuple[World, Node]:
    world = World()
    base = world.puts(world.root, "a")
    return world, world.install(base, policy((CLEO, DAN, EVE), 2), ANN, CLEO, DAN)


def joint_by_one_policy() -> Scene:
    """Under both policies nothing is final; the parent of the change is, by the old one alone."""
    world, change = _joint()
    tip = world.puts(change, "b")
    taken = world.recover(change, DAN, BEN, CLEO, DAN, author=DAN)
    parent = change.parent
    assert parent is not None
    return Scene(
        world,
        (*lines(tip, taken), *cosigned(world, tip, ANN, BEN)),
        taken,
        parent,
        superseded=(tip,),
        pending=(tip,),
    )


def joint_by_the_new_policy() -> Scene:
    world, change = _joint()
    tip = world.puts(change, "b")
    taken = world.recover(change, DAN, BEN, CLEO, DAN, author=DAN)
    return Scene(
        world,
        (*lines(tip, taken), *cosigned(world, tip, DAN, EVE)),
        taken,
        world.root,
        superseded=(tip,),
        pending=(tip,),
    )


def joint_by_both() -> Scene:
    world, change = _joint()
    tip = world.puts(change, "b")
    taken = world.recover(change, DAN, BEN, CLEO, DAN, author=DAN)
    return Scene(
        world,
        (*lines(tip, taken), *cosigned(world, tip, ANN, CLEO, EVE)),
        tip,
        tip,
        superseded=(taken,),
        floor=change,
    )


def a_settlement_proves_finality() -> Scene:
    """Its cosignatures count as if they had been told."""
    world, change = _joint()
    settled = world.after(change, settlement=world.settlement(change, ANN, CLEO, DAN))
    taken = world.recover(change, DAN, BEN, CLEO, DAN, author=DAN)
    return Scene(world, tuple(lines(settled, taken)), taken, change, superseded=(settled,), floor=change)


def a_revoked_key_counts_below() -> Scene:
    """V8: below its revocation it made final; on and above it, it makes nothing final."""
    world = World(policy((ANN, BEN, CLEO, DAN), 3), members=(ANN, BEN, CLEO, DAN))
    base = world.puts(world.root, "a")
    revoked = world.revoke(base, CLEO, ANN, BEN, CLEO, DAN)
    tip = world.after(revoked, world.put("b", CLEO))
    late = [world.cosignature(tip, ANN)]
    return Scene(
        world,
        (
            *lines(tip),
            *cosigned(world, base, ANN),
            *cosigned(world, tip, BEN, CLEO),
            *late,
        ),
        tip,
        base,
        refused=tuple(late),
    )


# --- F2 -----------------------------------------------------------------------------------------------


def higher_epoch() -> Scene:
    world, _base, old, taken = _fork()
    longer = world.chain(old, 3, "longer")
    return Scene(
        world,
        tuple(lines(longer, taken)),
        taken,
        world.root,
        superseded=tuple(longer.line()[1:]),
        pending=tuple(longer.line()[1:]),
    )


def the_epoch_of_the_tip() -> Scene:
    """A rotation to epoch 7 stands in the epoch of its own witness until the next one has signed."""
    world = World()
    base = world.puts(world.root, "a")
    rotated = world.rotate(base, CLEO, epoch=7)
    taken = world.recover(base, BEN)
    return Scene(world, tuple(lines(rotated, taken)), taken, world.root, superseded=(rotated,))


def the_epoch_that_was_handed_over() -> Scene:
    world = World()
    base = world.puts(world.root, "a")
    rotated = world.puts(world.rotate(base, CLEO, epoch=7), "b")
    taken = world.recover(base, BEN)
    return Scene(world, tuple(lines(rotated, taken)), rotated, world.root, superseded=(taken,))


def a_branch_upon_a_branch() -> Scene:
    world, _base, old, taken = _fork()
    again = world.recover(old.line()[1], CLEO, epoch=2)
    return Scene(
        world,
        tuple(lines(old, taken, again)),
        again,
        world.root,
        superseded=(old, *taken.line()[1:]),
        pending=(old, taken),
    )


# --- F3 -----------------------------------------------------------------------------------------------


def _twice(length: int = 2) -> tuple[World, Node, Node, Node]:
    """One witness signed two histories on a base; the first has the smaller id where they part."""
    world = World()
    base = world.puts(world.root, "a")
    one, other = world.puts(base, "one"), world.puts(base, "other")
    low, high = sorted((one, other), key=lambda node: node.id)
    return world, base, world.chain(low, length - 1, "low"), world.chain(high, length - 1, "high")


def the_smaller_id() -> Scene:
    """Nothing above the first of the two is adopted, and no length helps."""
    world, _base, low, high = _twice(3)
    a, b = low.line()[1], high.line()[1]
    return Scene(
        world,
        tuple(lines(low, high)),
        a,
        world.root,
        evidence=((a, b),),
        superseded=tuple(high.line()[1:]),
        pending=(*high.line()[1:], *low.line()[2:]),
    )


def an_authority_stays() -> Scene:
    world, base, low, high = _twice(3)
    first = high.line()[2]
    a, b = low.line()[1], high.line()[1]
    return Scene(
        world,
        (base, b, first, *low.line()[1:], high),
        first,
        world.root,
        evidence=((a, b),),
        superseded=tuple(low.line()[1:]),
        own=BEN,
    )


def a_member_does_not_stay() -> Scene:
    world, _base, low, high = _twice(3)
    a, b = low.line()[1], high.line()[1]
    return Scene(
        world,
        (*high.line(), *low.line()[1:]),
        a,
        world.root,
        evidence=((a, b),),
        superseded=tuple(high.line()[1:]),
        own=DAN,
    )


def an_authority_leaves_for_a_higher_epoch() -> Scene:
    world, _base, low, high = _twice(2)
    a, b = low.line()[1], high.line()[1]
    taken = world.recover(a, CLEO)
    return Scene(
        world,
        (*high.line(), *low.line()[1:], taken),
        taken,
        world.root,
        evidence=((a, b),),
        superseded=(low, *high.line()[1:]),
        own=BEN,
    )


def an_authority_leaves_for_what_is_final() -> Scene:
    world, _base, low, high = _twice(2)
    a, b = low.line()[1], high.line()[1]
    return Scene(
        world,
        (*high.line(), *low.line()[1:], *cosigned(world, low, ANN, CLEO)),
        low,
        low,
        evidence=((a, b),),
        superseded=tuple(high.line()[1:]),
        own=BEN,
    )


def cut_but_final_above() -> Scene:
    world, _base, low, high = _twice(3)
    a, b = low.line()[1], high.line()[1]
    second = high.line()[2]
    return Scene(
        world,
        (*lines(low, high), *cosigned(world, second, ANN, CLEO)),
        second,
        second,
        evidence=((a, b),),
        superseded=tuple(low.line()[1:]),
        pending=(*low.line()[1:], high),
    )


def cut_but_a_higher_epoch_above() -> Scene:
    world, _base, low, high = _twice(2)
    a, b = low.line()[1], high.line()[1]
    taken = world.recover(high, BEN)
    return Scene(
        world,
        tuple(lines(low, taken)),
        taken,
        world.root,
        evidence=((a, b),),
        superseded=tuple(low.line()[1:]),
        pending=tuple(low.line()[1:]),
    )


def three_histories() -> Scene:
    world = World()
    base = world.puts(world.root, "a")
    tips = [world.chain(world.puts(base, name), 1, f"on-{name}") for name in ("x", "y", "z")]
    tips.sort(key=lambda tip: tip.line()[1].id)
    first, *others = tips
    forks = tuple(tip.line()[1] for tip in tips)
    left = tuple(node for tip in others for node in tip.line()[1:])
    return Scene(
        world,
        tuple(lines(*tips)),
        forks[0],
        world.root,
        evidence=(forks,),
        superseded=left,
        pending=(*left, first),
    )


def parted_before_the_witness_came() -> Scene:
    """ann parts and hands both parts to ben in one epoch: his first snapshots of one height are evidence."""
    world = World()
    one, other = sorted(
        (world.rotate(world.puts(world.root, name), BEN) for name in ("x", "y")), key=lambda node: node.id
    )
    first, second = world.chain(one, 2, "one"), world.chain(other, 2, "other")
    low, high = sorted((first, second), key=lambda tip: tip.line()[0].id)
    return Scene(
        world,
        tuple(lines(first, second)),
        low.line()[2],
        world.root,
        evidence=((low.line()[0], high.line()[0]), (low.line()[2], high.line()[2])),
        superseded=tuple(high.line()),
        pending=(high.line()[0], *high.line()[2:], *low.line()[3:]),
    )


def one_epoch_begun_at_two_heights() -> Scene:
    """Two takeovers of one witness in one epoch: caught at the first height that it signed twice."""
    world = World()
    low = world.puts(world.root, "a")
    high = world.puts(low, "b")
    first = world.chain(world.recover(low, CLEO), 2, "x")
    second = world.chain(world.recover(high, CLEO), 2, "y")
    one, other = sorted((first, second), key=lambda tip: tip.line()[1].id)
    pair = (first.line()[2], second.line()[2])
    followed = one.line()[2]
    left = [node for node in other.line()[1:] if node is not low]
    assert followed.id in {node.id for node in pair}
    return Scene(
        world,
        tuple(lines(first, second)),
        followed,
        world.root,
        evidence=(pair,),
        superseded=tuple(left),
        pending=(*(node for node in left if node.snapshot.statement.certificate is None), *one.line()[3:]),
    )


def one_epoch_of_two_witnesses() -> Scene:
    """Authorities endorsed two successions of one epoch: no evidence against a witness, nothing is cut, and
    the smaller id at the fork is followed to its tip."""
    world = World()
    base = world.puts(world.root, "a")
    one, other = sorted((world.recover(base, BEN), world.recover(base, CLEO)), key=lambda node: node.id)
    first, second = world.chain(one, 1, "x"), world.chain(other, 2, "y")
    return Scene(
        world,
        tuple(lines(first, second)),
        first,
        world.root,
        superseded=tuple(second.line()[1:]),
        pending=tuple(second.line()[2:]),
    )


def one_height_in_two_epochs() -> Scene:
    """One witness signed the height in two epochs, appointed to each: no evidence."""
    world = World()
    base = world.puts(world.root, "a")
    old = world.chain(base, 2, "old")
    taken = world.puts(world.recover(base, ANN), "new")
    return Scene(
        world,
        tuple(lines(old, taken)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=tuple(old.line()[1:]),
    )


def rivals_below_a_new_epoch() -> Scene:
    """The line is cut in its tip's own reign only: what was signed twice below that is passed over."""
    world, _base, low, high = _twice(2)
    taken = world.chain(world.recover(high, BEN), 2, "new")
    a, b = low.line()[1], high.line()[1]
    return Scene(
        world,
        tuple(lines(low, taken)),
        taken,
        world.root,
        evidence=((a, b),),
        superseded=tuple(low.line()[1:]),
        pending=tuple(low.line()[1:]),
    )


# --- F4 -----------------------------------------------------------------------------------------------


def pending_again() -> Scene:
    """What only the superseded list is pending; what the new line lists too is not, nor a succession."""
    world = World()
    base = world.puts(world.root, "a")
    both, only = world.put("both"), world.put("only")
    rotation = world.rotate(world.after(base, both), CLEO)
    old = world.after(rotation, only)
    taken = world.after(world.recover(base, BEN, epoch=2), both)
    return Scene(
        world,
        tuple(lines(old, taken)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=(old,),
    )


def pending_of_members_only() -> Scene:
    """eve was admitted on the line that was left: her put is pending with nobody there."""
    world = World()
    base = world.puts(world.root, "a")
    admitted = world.after(base, world.admit(EVE))
    old = world.after(admitted, world.put("b", EVE))
    taken = world.recover(base, BEN)
    return Scene(
        world,
        tuple(lines(old, taken)),
        taken,
        world.root,
        superseded=tuple(old.line()[1:]),
        pending=(admitted,),
    )


# --- F5, F5a, S9, P4 ----------------------------------------------------------------------------------


def _beside(grown: Grown, *nodes: Node) -> dict[str, Any]:
    """What a scene has to say where the honest tip is followed and `nodes` are beside it."""
    return {
        "head": grown.tip,
        "final": grown.tip,
        "floor": grown.change,
        "superseded": nodes,
        "pending": _ordinary(nodes),
    }


def _ordinary(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Those that carry no certificate: a succession is not taken up again (F4)."""
    return tuple(one for one in nodes if one.snapshot.statement.certificate is None)


def retired_keys_abandon_the_change() -> Scene:
    """In any order: what ann gives up is final under two policies, and she is a quorum of one only."""
    grown = Grown()
    rival = grown.rival(abandons=(grown.change.id,))
    tell = (*lines(grown.tip, rival), *cosigned(grown.world, grown.tip, BEN, CLEO))
    return Scene(grown.world, tell, **_beside(grown, *rival.line()[1:]))


def retired_keys_abandon_a_later_snapshot() -> Scene:
    grown = Grown()
    rival = grown.rival(abandons=(grown.tip.id,))
    tell = (*lines(grown.tip, rival), *cosigned(grown.world, grown.tip, CLEO, DAN))
    return Scene(grown.world, tell, **_beside(grown, *rival.line()[1:]))


def retired_keys_make_a_second_final() -> Scene:
    """Whoever was given the floor is in no conflict, whoever it heard first."""
    grown = Grown()
    rival = grown.rival(epoch=9)
    tell = (
        *lines(rival, grown.tip),
        *cosigned(grown.world, rival, ANN),
        *cosigned(grown.world, grown.tip, BEN, CLEO),
    )
    return Scene(grown.world, tell, given=grown.change, **_beside(grown, *rival.line()[1:]))


def the_old_witness_signs_beside_the_floor() -> Scene:
    """No evidence, and nothing is cut."""
    grown = Grown()
    rival = grown.world.chain(grown.low, 3, "rival")
    tell = (*lines(rival, grown.tip), *cosigned(grown.world, grown.tip, BEN, CLEO))
    return Scene(grown.world, tell, given=grown.change, **_beside(grown, *rival.line()[1:]))


def a_floor_that_is_not_known_yet() -> Scene:
    grown = Grown()
    rival = grown.rival(epoch=9)
    tell = (*lines(rival), *cosigned(grown.world, rival, ANN))
    return Scene(grown.world, tell, grown.world.root, grown.world.root, given=grown.change)


def the_change_is_final_before_it_is_settled() -> Scene:
    """The floor is there as soon as both policies made it final."""
    grown = Grown()
    rival = grown.rival(abandons=(grown.change.id,))
    tell = (*lines(grown.change, rival), *cosigned(grown.world, grown.change, ANN, BEN, CLEO))
    return Scene(
        grown.world,
        tell,
        grown.change,
        grown.change,
        floor=grown.change,
        superseded=tuple(rival.line()[1:]),
        pending=_ordinary(tuple(rival.line()[1:])),
    )


def the_change_is_final_under_one_policy_only() -> Scene:
    grown = Grown()
    tell = (*lines(grown.change), *cosigned(grown.world, grown.change, ANN, BEN))
    return Scene(grown.world, tell, grown.change, grown.low)


def given_up_below_the_change_by_whom_it_concerns() -> Scene:
    """Below the change ann decides, and gives up what she made final there; nothing above it is final."""
    grown = Grown()
    world = grown.world
    below = world.puts(grown.low, "below")
    change = world.install(below, policy((BEN, CLEO, DAN), 2), ANN, BEN, CLEO)
    rival = grown.rival(abandons=(below.id,))
    return Scene(
        world,
        (*lines(change, rival), *cosigned(world, change, ANN, BEN)),
        rival,
        world.root,
        superseded=tuple(change.line()[1:]),
        pending=_ordinary(tuple(change.line()[1:])),
    )


def a_takeover_that_settles() -> Scene:
    """P4: its settlement proves that the change is final, and moves the floor."""
    grown = Grown()
    world = grown.world
    proof = world.settlement(grown.change, ANN, BEN, CLEO)
    taken = world.recover(grown.change, DAN, CLEO, DAN, author=DAN, settlement=proof)
    return Scene(world, tuple(lines(taken)), taken, grown.change, floor=grown.change)


def who_cosigned_another_change() -> Scene:
    """F5a: dan cosigned a change that came to nothing, and nothing of the other: his floor stays."""
    grown = Grown()
    world = grown.world
    other = world.install(grown.low, policy((DAN, EVE), 2), ANN, DAN, EVE)
    tell = (*lines(other), *cosigned(world, other, DAN), *lines(grown.tip)[1:])
    return Scene(
        world,
        (*tell, *cosigned(world, grown.tip, BEN, CLEO)),
        grown.tip,
        grown.tip,
        own=DAN,
        superseded=(other,),
        evidence=((other, grown.change),),
    )


def finals_exclude_each_other_and_one_is_ours() -> Scene:
    """F5a: cleo took part in the change on one of the two lines."""
    grown = Grown()
    world = grown.world
    rival = grown.rival(epoch=9)
    tell = (*lines(rival), *cosigned(world, rival, ANN), *lines(grown.change)[1:])
    return Scene(
        world,
        (*tell, *cosigned(world, grown.change, CLEO, ANN, BEN)),
        grown.change,
        grown.change,
        own=CLEO,
        floor=grown.change,
        superseded=tuple(rival.line()[1:]),
    )


SCENES: list[tuple[str, str, Callable[[], Scene]]] = [
    ("what is final wins before epochs", "F1", final_before_epoch),
    ("a descendant's cosignature counts", "F1", final_by_what_contains_it),
    ("what is final below the fork decides nothing", "F1", final_below_the_fork),
    ("one cosignature too few", "F1", not_quite_final),
    ("one key on two snapshots", "F1", one_key_twice),
    ("cosignatures that do not count", "P2", cosignatures_that_do_not_count),
    ("what is given up is final no more", "F1", final_and_given_up),
    ("what stands on what is given up", "F1", what_stands_on_what_is_given_up),
    ("given up on another line", "F1", given_up_elsewhere),
    ("two finals", "F1", two_finals),
    ("a joint phase by one policy", "F1", joint_by_one_policy),
    ("a joint phase by the new policy alone", "F1", joint_by_the_new_policy),
    ("a joint phase by both", "F1", joint_by_both),
    ("a settlement proves finality", "F1", a_settlement_proves_finality),
    ("a revoked key counts below its revocation", "V8", a_revoked_key_counts_below),
    ("a higher epoch wins", "F2", higher_epoch),
    ("the epoch of the tip, not of whom it appoints", "F2", the_epoch_of_the_tip),
    ("the epoch that was handed over", "F2", the_epoch_that_was_handed_over),
    ("a branch upon a branch", "F2", a_branch_upon_a_branch),
    ("two histories of one witness: the smaller id", "F3", the_smaller_id),
    ("an authority stays where it is", "F3", an_authority_stays),
    ("a member does not stay", "F3", a_member_does_not_stay),
    ("an authority leaves for a higher epoch", "F3", an_authority_leaves_for_a_higher_epoch),
    ("an authority leaves for what is final", "F3", an_authority_leaves_for_what_is_final),
    ("cut, but final above", "F3", cut_but_final_above),
    ("cut, but a higher epoch above", "F3", cut_but_a_higher_epoch_above),
    ("three histories", "F3", three_histories),
    ("histories that parted before the witness came", "F3", parted_before_the_witness_came),
    ("one epoch begun at two heights", "F3", one_epoch_begun_at_two_heights),
    ("one epoch of two witnesses", "F3", one_epoch_of_two_witnesses),
    ("one height in two epochs", "F3", one_height_in_two_epochs),
    ("rivals below a new epoch", "F3", rivals_below_a_new_epoch),
    ("what is pending again", "F4", pending_again),
    ("pending only of members", "F4", pending_of_members_only),
    ("retired keys abandon the change", "F5", retired_keys_abandon_the_change),
    ("retired keys abandon a later snapshot", "F5", retired_keys_abandon_a_later_snapshot),
    ("retired keys make a second final", "F5", retired_keys_make_a_second_final),
    ("the old witness signs beside the floor", "F5", the_old_witness_signs_beside_the_floor),
    ("a floor that is not known yet", "F5", a_floor_that_is_not_known_yet),
    ("the change is final before it is settled", "F5", the_change_is_final_before_it_is_settled),
    ("the change is final under one policy only", "F5", the_change_is_final_under_one_policy_only),
    ("given up below the change", "S9", given_up_below_the_change_by_whom_it_concerns),
    ("a takeover that settles", "P4", a_takeover_that_settles),
    ("who cosigned another change", "F5a", who_cosigned_another_change),
    ("finals exclude each other, and one is ours", "F5a", finals_exclude_each_other_and_one_is_ours),
]


def _artifact(told: Told, scene: Scene) -> dict[str, Any]:
    if isinstance(told, Node):
        return {"snapshot": told.signed.raw.hex(), "proposals": [one.raw.hex() for one in told.proposals]}
    found = {"cosignature": told.raw.hex()}
    return found | {"rule": scene.refused_as} if told in scene.refused else found


def _floor(scene: Scene) -> Node:
    if scene.floor is not None:
        return scene.floor
    told = {one.id for one in scene.tell}
    return scene.given if scene.given is not None and scene.given.id in told else scene.world.root


def vector(name: str, rule: str, build: Callable[[], Scene]) -> dict[str, Any]:
    scene = build()
    tell = scene.tell
    ids = {one.id for node in scene.head.line() for one in node.proposals}
    pending = {one.id for node in scene.pending for one in node.proposals} - ids
    return {
        "name": name,
        "rule": rule,
        "genesis": scene.world.genesis.raw.hex(),
        "own": None if scene.own is None else scene.own.key.hex(),
        "given": None if scene.given is None else scene.given.id.hex(),
        "artifacts": [_artifact(one, scene) for one in tell],
        "orders": [list(range(len(tell)))] if scene.own else orders(tell),
        "expect": {
            "head": scene.head.id.hex(),
            "floor": _floor(scene).id.hex(),
            "final": scene.final.id.hex(),
            "conflict": sorted(node.id.hex() for node in scene.conflict),
            "evidence": sorted(sorted(node.id.hex() for node in nodes) for nodes in scene.evidence),
            "superseded": sorted(node.id.hex() for node in scene.superseded),
            "pending": None if scene.own else sorted(id_.hex() for id_ in pending),
        },
    }
