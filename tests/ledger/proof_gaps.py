"""Brief proofs that leave out a part of the history, made by hand: what may be in a gap, and what not (10.2).

`years()` in `proofs` has gaps too, but what its settlement names is the parent of the snapshot that settles.
Here joint phases, reigns and rotations are longer than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from aslp2p.artifacts.merkle import TiledNodes, inclusion_proof
from aslp2p.artifacts.proof_file import BRIEF, Listed, Proof
from aslp2p.artifacts.types import Rotation
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Key, Node, World, embed, policy
from tests.ledger.proofs import BOTH, EARLY, at, good, years

NEW = policy((ANN, CLEO, DAN), 2)


def brief(world: World, tip: Node, shown: Iterable[int], *quorum: Key) -> Proof:
    """A proof of the last put, that `tip` lists and `quorum` makes final: the snapshots at `shown` and it."""
    log = [one for node in tip.line() for one in node.proposals]
    tiles = TiledNodes(lambda start, stop: [one.id for one in log[start:stop]], lambda level, number: None)
    line = [node for node in tip.line() if node.height in {*shown, tip.height}]
    certified = {one.proposals[0].id for one in line if one.snapshot.statement.certificate is not None}
    listed = [
        Listed(one, index, tuple(inclusion_proof(index, len(log), tiles)))
        for index, one in enumerate(log)
        if one.id in certified or index == len(log) - 1
    ]
    cosignatures = sorted((world.cosignature(tip, by) for by in quorum), key=lambda one: one.key)
    snapshots = tuple(node.snapshot for node in line)
    return Proof(
        BRIEF, world.genesis, snapshots, tip.height, tuple(cosignatures), tuple(listed), len(log) - 1
    )


class Joint:
    """@1 put   @2 the change   @3 @4 @5 empty, in a gap   @6 what a test makes of it   @7 put, final

    2 of 3 (ann, ben, cleo) become 2 of 3 (ann, cleo, dan); ann is the witness throughout.
    """

    def __init__(self) -> None:
        self.world = world = World()
        self.change = world.install(world.puts(world.root, "a"), NEW, ANN, BEN, CLEO)
        third = world.after(self.change)
        fourth = world.after(third)
        self.nodes = {2: self.change, 3: third, 4: fourth, 5: world.after(fourth)}

    def settlement(self, *named: tuple[int, Key]) -> tuple[bytes, ...]:
        """Cosignatures of the snapshots at these heights."""
        return embed(self.world.cosignature(self.nodes[height], by) for height, by in named)

    def settled(self, settlement: tuple[bytes, ...]) -> Proof:
        node = self.world.puts(self.nodes[5], "six", settlement=settlement)
        return self.finished(node)

    def finished(self, node: Node, *quorum: Key) -> Proof:
        tip = self.world.puts(node, "tip")
        return brief(self.world, tip, (2, 6), *(quorum or (CLEO, DAN)))


def settled_in_a_gap() -> Proof:
    joint = Joint()
    return joint.settled(joint.settlement((3, ANN), (4, BEN), (2, CLEO)))


def one_height_of_two() -> Proof:
    """Two of the cosignatures name one snapshot in the gap."""
    joint = Joint()
    return joint.settled(joint.settlement((4, ANN), (4, BEN), (3, CLEO)))


def two_snapshots_of_one_height() -> Proof:
    joint = Joint()
    other = joint.world.cosignature(joint.nodes[4], ANN, snapshot=bytes(32))
    papers = [other, *(joint.world.cosignature(joint.nodes[4], by) for by in (BEN, CLEO))]
    return joint.settled(embed(papers))


def in_another_epoch() -> Proof:
    joint = Joint()
    papers = [joint.world.cosignature(joint.nodes[4], ANN, epoch=9)]
    return joint.settled(
        embed([*papers, *(joint.world.cosignature(joint.nodes[3], by) for by in (BEN, CLEO))])
    )


def of_another_snapshot() -> Proof:
    """cleo's cosignature names a snapshot at the height of the change, and not that."""
    joint = Joint()
    other = joint.world.cosignature(joint.nodes[2], CLEO, snapshot=bytes(32))
    papers = [joint.world.cosignature(joint.nodes[height], by) for height, by in ((3, ANN), (4, BEN))]
    return joint.settled(embed([other, *papers]))


def by_who_is_no_authority() -> Proof:
    joint = Joint()
    return joint.settled(joint.settlement((3, ANN), (4, BEN), (2, CLEO), (3, EVE)))


def settled_twice() -> Proof:
    """@7 settles again what @6 has settled."""
    joint = Joint()
    node = joint.world.puts(joint.nodes[5], "six", settlement=joint.settlement((3, ANN), (4, BEN), (2, CLEO)))
    again = [joint.world.cosignature(node, by) for by in (ANN, CLEO, DAN)]
    tip = joint.world.puts(node, "tip", settlement=embed(again))
    return brief(joint.world, tip, (2, 6), CLEO, DAN)


def taken_over(*, revokes: Key | None = None, settled_by: tuple[tuple[int, Key], ...]) -> Proof:
    """@6 is a takeover by dan on @5 that carries the settlement; the new policy alone endorses it (P4)."""
    joint = Joint()
    world, base = joint.world, joint.nodes[5]
    paper = joint.settlement(*settled_by)
    if revokes is None:
        node = world.recover(
            base, DAN, CLEO, DAN, author=DAN, settlement=paper, also=[world.put("six", CLEO)]
        )
    else:
        node = world.revoke(base, DAN, revokes, CLEO, DAN, author=DAN, settlement=paper)
    return joint.finished(node)


def settled_across_a_rotation(base: int = 5, *, other: bool = False) -> Proof:
    """@6 is a rotation to dan that also settles; its base is in the gap, and what ann and ben cosigned."""
    joint = Joint()
    world = joint.world
    proposal = world.rotation(joint.nodes[base], DAN)
    snapshot = {"snapshot": bytes(32)} if other else {}
    papers = [world.cosignature(joint.nodes[4], by, **snapshot) for by in (ANN, BEN)]
    papers.append(world.cosignature(joint.nodes[2], CLEO))
    certificate = world.certificate(proposal, ANN, BEN, CLEO, DAN)
    node = world.after(
        joint.nodes[5], proposal, certificate=certificate, settlement=embed(papers), appoints=(1, DAN)
    )
    return joint.finished(node)


def rotated_while_joint() -> Proof:
    """@5 hands over to ben in epoch 1: what was cosigned in the gap below it has epoch 0, above it 1."""
    world = World()
    change = world.install(world.puts(world.root, "a"), NEW, ANN, BEN, CLEO)
    third = world.after(change)
    fifth = world.rotate(world.after(third), BEN, ANN, BEN, CLEO)
    sixth = world.after(fifth)
    papers = [world.cosignature(node, by) for node, by in ((third, ANN), (sixth, BEN), (fifth, CLEO))]
    tip = world.puts(world.puts(world.after(sixth), "settled", settlement=embed(papers)), "tip")
    return brief(world, tip, (2, 5, 8), CLEO, DAN)


def rotated(*, base: int, heights: tuple[int, ...] = (4,), author: Key = ANN) -> Proof:
    """@4 hands over from ann to dan; what lies below is in a gap, but for `heights`."""
    world = World()
    nodes = [world.root, *world.chain(world.root, 3).line()]
    proposal = world.rotation(nodes[base], DAN, author=author)
    node = world.after(
        nodes[3], proposal, certificate=world.certificate(proposal, ANN, BEN, DAN), appoints=(1, DAN)
    )
    return brief(world, world.puts(node, "tip"), heights, ANN, BEN)


def rotated_by_who_comes_next(base: int) -> Proof:
    """@1 hands over to dan, and dan in @2 at once to cleo."""
    world = World()
    first = world.rotate(world.root, DAN)
    below = [world.root, first][base]
    proposal = world.propose(Rotation(2, below.height, below.id, CLEO.key, "not me"), DAN)
    node = world.after(
        first, proposal, certificate=world.certificate(proposal, ANN, BEN, CLEO), appoints=(2, CLEO)
    )
    return brief(world, world.puts(node, "tip"), (1, 2), ANN, BEN)


def rotated_after_a_change(base: int) -> Proof:
    """@2 changes the policy, which begins a reign; @5 is a rotation, and the rest is in a gap."""
    world = World()
    change = world.install(world.puts(world.root, "a"), NEW, ANN, BEN, CLEO)
    nodes = {one.height: one for one in world.chain(change, 2).line()}
    proposal = world.rotation(nodes[base], DAN)
    paper = world.certificate(proposal, ANN, BEN, CLEO, DAN)
    node = world.after(nodes[4], proposal, certificate=paper, appoints=(1, DAN))
    return brief(world, world.puts(node, "tip"), (2, 5), ANN, BEN, CLEO)


def with_a_path_above() -> Proof:
    """What is listed above the final log has no path."""
    proof = good("brief, cosigned above a rotation that is not in the final log")
    *below, above = proof.listed
    return replace(proof, listed=(*below, replace(above, path=(bytes(32),))))


def with_the_longest_path() -> Proof:
    proof = good(EARLY)
    return replace(proof, listed=(replace(proof.listed[0], path=(bytes(32),) * 64), *proof.listed[1:]))


def with_the_most_cosignatures() -> Proof:
    proof = good(EARLY)
    return replace(proof, cosignatures=proof.cosignatures[:1] * 64)


def cosigned_above_the_line() -> Proof:
    world = years().world
    proof = years().proof("early", *BOTH, brief=True)
    late = [world.cosignature(years().nodes[20], by, height=21) for by in (CLEO, DAN)]
    return replace(proof, cosignatures=tuple(sorted(late, key=lambda one: one.key)))


def without_anything_listed() -> Proof:
    return replace(good(EARLY), listed=())


def whole_of_another_common() -> Proof:
    changed = at(20, common_id=bytes(32))(good("whole, of what is witnessed"))
    assert isinstance(changed, Proof)
    return changed


VALID: list[tuple[str, Callable[[], Proof]]] = [
    ("brief, settled by what lies in a gap of empty snapshots", settled_in_a_gap),
    ("brief, two cosignatures of one snapshot in a gap", one_height_of_two),
    ("brief, a takeover that settles", lambda: taken_over(settled_by=((3, ANN), (4, BEN), (2, CLEO)))),
    ("brief, a revocation that settles", lambda: taken_over(revokes=BEN, settled_by=((3, ANN), (4, CLEO)))),
    ("brief, a rotation that settles, its base in a gap", lambda: settled_across_a_rotation(4)),
    ("brief, a rotation in a joint phase", rotated_while_joint),
    ("brief, a rotation with the genesis as its base", lambda: rotated(base=0)),
    ("brief, a rotation with its parent as its base", lambda: rotated(base=3)),
    ("brief, a rotation straight after another", lambda: rotated_by_who_comes_next(1)),
    ("brief, a rotation with a policy change as its base", lambda: rotated_after_a_change(2)),
]
"""What holds: its name, and what makes it."""

REFUSED: list[tuple[str, str, Callable[[], Proof]]] = [
    ("a settlement of another epoch, deep in a gap", "P4", in_another_epoch),
    ("a settlement of two snapshots of one height, deep in a gap", "P4", two_snapshots_of_one_height),
    ("a settlement of another snapshot at a height that is shown", "P4", of_another_snapshot),
    ("a settlement by who is no authority", "P4", by_who_is_no_authority),
    ("a settlement of what is settled", "P4", settled_twice),
    (
        "a revocation that settles with whom it revokes",
        "P4",
        lambda: taken_over(revokes=BEN, settled_by=((3, BEN), (4, CLEO), (2, DAN))),
    ),
    (
        "a rotation that settles by another snapshot than its base",
        "P4",
        lambda: settled_across_a_rotation(4, other=True),
    ),
    ("a rotation that its witness did not ask for", "V4", lambda: rotated(base=3, author=BEN)),
    ("a rotation straight after another, with a base below", "V4", lambda: rotated_by_who_comes_next(0)),
    ("a rotation with a base below a policy change", "V4", lambda: rotated_after_a_change(1)),
    ("a path of what is listed above what is final", "V7", with_a_path_above),
    ("a path of 64 hashes", "V7", with_the_longest_path),
    ("64 cosignatures of one key", "P2", with_the_most_cosignatures),
    ("a cosignature above the line", "P2", cosigned_above_the_line),
    ("a certificate, and nothing listed", "V9", without_anything_listed),
    ("whole: a snapshot of another Common", "V1", whole_of_another_common),
]
"""What does not hold: its name, the rule, and what makes it."""
