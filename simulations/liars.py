"""Keys that lie: what somebody with a key and own software can do, through the real codec.

A liar's machine runs the real node for everything else, so that its lies arrive over links that are let in.
Whoever lies is no longer trusted by the checkers, and counts against what P1 says a policy survives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aslp2p.artifacts.envelope import Signed, Verified, decode_as, sign_statement
from aslp2p.artifacts.merkle import Frontier
from aslp2p.artifacts.types import (
    Cosignature,
    Endorsement,
    Genesis,
    Named,
    Policy,
    PolicyChange,
    Proposal,
    Put,
    Snapshot,
)
from aslp2p.core.effects import Effect, Publish
from aslp2p.gossip.messages import Have, Heads, Push, encode_message
from aslp2p.ledger.history import load_tip
from simulations.keys import SeededKey

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

Undo = Callable[[], None]


def tell(
    play: Stage, source: str, targets: Sequence[str], *raws: bytes, contents: Sequence[bytes] = ()
) -> None:
    """Push artifacts to some of those that `source` is linked to."""
    message = encode_message(Push(tuple(raws), tuple(contents)))
    node = play.world.nodes[source]
    play.unbound.add(source)
    play.world.exposure.collect(source, node.signer)
    play.world.exposure.sent(play.world.now_ms, source, node.key, message, None)
    for target in targets:
        play.world.inject(source, target, message)


def linked(play: Stage, name: str) -> list[str]:
    """Those that this machine has a link with."""
    return sorted(play.world.nodes[name].peers)


def new_proposal(play: Stage, node: Node, action: Any) -> Verified[Proposal]:
    """A proposal that this machine signs."""
    wall = node.clock.now(play.world.now_ms).wall
    statement = Proposal(play.world.common_id, max(0, wall), play.random.randbytes(8), action)
    return sign_statement(statement, node.signer)


def _snapshot(
    play: Stage, node: Node, listed: Sequence[Signed[Proposal]], back: int
) -> Verified[Snapshot] | None:
    """Another child of what stood `back` snapshots ago, if this key was appointed there."""
    head = play.head_of(node.name)
    if head is None:
        return None
    height = max(0, head.height - back)
    parent = load_tip(node.store, head.branch, height)
    if parent.standing.next_witness != node.key:
        return None
    ids = tuple(one.id for one in listed)
    frontier, _ = parent.frontier.extend(ids)
    wall = max(0, node.clock.now(play.world.now_ms).wall)
    statement = Snapshot(
        play.world.common_id, parent.height + 1, parent.id, parent.standing.next_epoch, wall, ids,
        frontier.size, frontier.root(), None, None,
    )  # fmt: skip
    return sign_statement(statement, node.signer)


def equivocate(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """The witness signs two more histories, from up to `back` snapshots ago, for half of its peers each."""
    back = int(options.get("back", "2"))
    for name in names:
        play.distrust(name, "signed two histories")
        node = play.world.nodes[name]
        peers = linked(play, name)
        play.random.shuffle(peers)
        for group in (peers[: len(peers) // 2], peers[len(peers) // 2 :]):
            put = new_proposal(
                play, node, Put(f"lie/{play.serial()}", bytes(32), 0, "text/plain", False, 0, None)
            )
            snapshot = _snapshot(play, node, [put], play.random.randint(0, back))
            if snapshot is not None:
                tell(play, name, group, put.raw, snapshot.raw)


def double(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """From now on this authority signs every succession and snapshot that it hears of, bound by nothing."""
    for name in names:
        play.distrust(name, "signs whatever it is asked")
        node = play.world.nodes[name]
        play.world.listeners.append(_Signer(play, node).hear)


class _Signer:
    def __init__(self, play: Stage, node: Node) -> None:
        self._play = play
        self._node = node
        self._done: set[bytes] = set()

    def hear(self, node: Node, effect: Effect) -> None:
        if node is not self._node or not isinstance(effect, Publish) or effect.topic not in ("paper", "head"):
            return
        if node.name in self._play.world.nodes and node.on:
            self._play.world.plan(1, self._sign_all)

    def _sign_all(self) -> None:
        play, node = self._play, self._node
        if not node.on:
            return
        wall = max(0, node.clock.now(play.world.now_ms).wall)
        raws = []
        for id_, raw in node.store.open_artifacts():
            if id_ in self._done or not raw.startswith(b"\x94\xb5asl.common.proposal/1"):
                continue
            action = decode_as(Proposal, raw).statement.action
            epoch = 0 if isinstance(action, PolicyChange) else getattr(action, "epoch", None)
            if epoch is not None:
                self._done.add(id_)
                statement = Endorsement(play.world.common_id, id_, epoch, wall)
                raws.append(sign_statement(statement, node.signer).raw)
        for branch in node.store.branches():
            row = node.store.snapshot(branch.tip_id)
            if row is not None and row.height and row.id not in self._done:
                self._done.add(row.id)
                cosigned = Cosignature(play.world.common_id, row.epoch, row.height, row.id, wall)
                raws.append(sign_statement(cosigned, node.signer).raw)
        if raws:
            tell(play, node.name, linked(play, node.name), *raws)


def invent(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """`common@999`, signed with a member's key that nobody appointed."""
    for name in names:
        play.distrust(name, "invents a history")
        node = play.world.nodes[name]
        head = play.head_of(name)
        if head is None:
            continue
        for height, previous in ((999, play.random.randbytes(32)), (head.height + 1, head.id)):
            statement = Snapshot(
                play.world.common_id, height, previous, head.standing.next_epoch, 0, (), head.frontier.size,
                head.frontier.root(), None, None,
            )  # fmt: skip
            snapshot = sign_statement(statement, node.signer)
            tell(play, name, linked(play, name), snapshot.raw)
        claim = Heads(1, play.random.randbytes(32), 999, 999, 998, bytes(128))
        for target in linked(play, name):
            play.world.inject(name, target, encode_message(claim))


def garbage(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """Bytes that are no message, cut-off messages, useless ids."""
    for name in names:
        play.distrust(name, "sends garbage")
        for target in linked(play, name):
            for _ in range(int(options.get("count", "10"))):
                useless = encode_message(Have(tuple(play.random.randbytes(32) for _ in range(20))))
                kinds = (play.random.randbytes(60), useless, useless[: play.random.randrange(len(useless))])
                play.world.inject(name, target, kinds[play.random.randrange(3)])


def foreign(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """Another Common's genesis, snapshot and proposal, all of them good there."""
    signer = SeededKey("somebody else")
    anchor = Named("stranger", signer.key)
    policy = Policy(
        witnesses=(anchor,),
        threshold=1,
        rotation_allowed=True,
        grace_period_ms=3_600_000,
        participants="invited",
        protocol=1,
    )
    genesis = sign_statement(Genesis("common", policy, (anchor,), None, 0, bytes(32)), signer)
    action = Put("a", bytes(32), 0, "text/plain", False, 0, None)
    proposal = sign_statement(Proposal(genesis.id, 0, bytes(8), action), signer)
    frontier = Frontier().append(proposal.id)
    statement = Snapshot(genesis.id, 1, genesis.id, 0, 0, (proposal.id,), 1, frontier.root(), None, None)
    snapshot = sign_statement(statement, signer)
    for name in names:
        play.distrust(name, "sends another Common's artifacts")
        for raw in (genesis.raw, proposal.raw, snapshot.raw):
            tell(play, name, linked(play, name), raw)


def mute(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    """Takes everything and passes nothing on but where it stands."""
    for name in names:
        play.distrust(name, "passes nothing on")
        play.mute.add(name)

    def undo() -> None:
        play.mute.difference_update(names)

    return undo


def sybils(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """`count` machines of one person, all admitted, all linked with whom they can, all mute for ever."""
    from simulations.people import join

    before = set(play.world.nodes)
    join(play, names[:1], {"count": options["count"]})
    for name in play.world.nodes:
        if name not in before:
            play.distrust(name, "is one of many of one person")
            play.mute.add(name)
