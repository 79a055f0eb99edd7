"""Retired keys that lie together: whoever was an authority once, and is none now, tries what that was worth.

The coalition holds every key that a policy has left behind (of those whose owners lie), and the liars among
the present authorities, who are never more than P1 allows. It signs other histories on bases at which its
keys were a quorum, and shows them to everybody; or first to machines that join, from a machine of its own.

A machine that does not know yet that those keys have retired cannot tell the two apart; it is not judged by
what it then believes (`Stage.distrust`). Everybody else has to stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import decode_as, sign_statement
from aslp2p.artifacts.types import Named, Policy, Put, Recovery, Snapshot
from aslp2p.core.inputs import Import
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.facts import standing_at
from aslp2p.ledger.finality import final_height
from aslp2p.ledger.history import load_tip
from aslp2p.ledger.policy import authority_keys, satisfies_all
from simulations import people
from simulations.keys import SeededKey
from simulations.liars import linked
from simulations.rival import Rival

if TYPE_CHECKING:
    from aslp2p.ledger.gate import Tip
    from aslp2p.ledger.standing import Standing
    from simulations.machine import Node
    from simulations.stage import Stage

NOTHING = content_id(b"")
PUSHED_MAX = 200
"""Artifacts in one message."""
LIES = 0.95
"""The chance that whoever held a retired key lies."""
MANY = (20, 40)
EPOCHS = (1, 2, 5, 2**19, 2**19 + 1)
TOO_FAR = 2**52 + 1
"""An epoch that no certificate may have (V6)."""
GOES_TOO_FAR = 0.15


@dataclass(frozen=True)
class Past:
    """The true line as a trusted machine has it: what was in force at each height."""

    node: Node
    branch: int
    standings: tuple[Standing, ...]

    def change_above(self, height: int) -> tuple[int, bytes] | None:
        """Height and id of the lowest policy change above `height`."""
        for at in range(height + 1, len(self.standings)):
            if self.standings[at].change_height == at:
                row = self.node.store.snapshot_at(self.branch, at)
                return None if row is None else (at, row.id)
        return None

    def tip(self, height: int) -> Tip:
        return load_tip(self.node.store, self.branch, height)

    def id_at(self, height: int) -> bytes:
        row = self.node.store.snapshot_at(self.branch, height)
        assert row is not None
        return row.id


def past_of(play: Stage) -> Past | None:
    """The line of the newest head that a trusted machine stands on."""
    heads = {
        name: (head.standing.next_epoch, head.height, name)
        for name in play.trusted()
        if (head := play.head_of(name)) is not None
    }
    if not heads:
        return None
    name = max(heads, key=lambda one: heads[one])
    node, head = play.world.nodes[name], play.head_of(name)
    assert head is not None
    standings = tuple(standing_at(node.store, head.branch, at) for at in range(head.height + 1))
    return Past(node, head.branch, standings)


def retired(play: Stage) -> list[str]:
    """The machines whose keys an earlier policy lists, and not the newest one, once that is final: settled or
    not, they have no power any more (F5)."""
    past = past_of(play)
    if past is None:
        return []
    standing = past.standings[-1]
    change = standing.change_height
    if standing.joint and not knows_final(past.node, (change, past.id_at(change))):
        return []
    ever = frozenset[bytes]().union(*(one.authorities() for one in past.standings))
    gone = ever - authority_keys(standing.policies[-1])
    return [name for name, node in play.world.nodes.items() if node.key in gone and name not in play.dens]


def recruit(play: Stage) -> dict[bytes, SeededKey]:
    """The keys of the coalition, with those that have joined it now."""
    for name in retired(play):
        if name not in play.asked:
            play.asked.add(name)
            if play.random.random() < LIES:
                play.coalition.append(name)
                play.distrust(name, "holds a retired key, and lies")
                play.unbound.add(name)
    return {play.world.nodes[name].key: play.world.nodes[name].signer for name in play.coalition}


def bases(past: Past, keys: Mapping[bytes, SeededKey]) -> list[int]:
    """The heights below the newest policy at which `keys` were a quorum of all that was in force."""
    held = frozenset(keys)
    return [
        at for at, standing in enumerate(past.standings[:-1])
        if satisfies_all(standing.policies, held) and past.change_above(at) is not None
    ]  # fmt: skip


def collude(play: Stage, _names: Sequence[str], options: Mapping[str, str]) -> None:
    """The coalition shows everybody whom it reaches one of its histories."""
    keys, past = recruit(play), past_of(play)
    if past is None or not keys:
        return
    how = options.get("how", "any")
    if how in BY_STICK:
        hand_round(play, BY_STICK[how](play, past, keys))
        return
    kinds = list(KINDS) if how == "any" else [how]
    play.random.shuffle(kinds)
    for kind in kinds:
        if raws := KINDS[kind](play, past, keys):
            spread(play, past, raws)
            return


def choose_base(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> int | None:
    """A base for a lie; whoever does not know the change above it may believe that, and is not judged."""
    found = bases(past, keys)
    if not found:
        return None
    at = play.random.choice((found[0], found[-1], play.random.choice(found)))
    change = past.change_above(at)
    assert change is not None
    _leave_out_who_cannot_know(play, change)
    return at


def _leave_out_who_cannot_know(play: Stage, change: tuple[int, bytes]) -> None:
    for name in play.trusted():
        if not knows_final(play.world.nodes[name], change):
            play.mislead(name, "heard retired keys before it knew that they had retired")


def knows_final(node: Node, change: tuple[int, bytes]) -> bool:
    """Whether by this machine's disk the snapshot that carries the change is final."""
    height, id_ = change
    head = node.store.snapshot(node.store.meta("head") or b"")
    if head is None or head.height < height:
        return False
    row = node.store.snapshot_at(head.branch, height)
    final = final_height(node.store, head.branch, head.height)
    return row is not None and row.id == id_ and final >= height


# --- what they sign -------------------------------------------------------------------------------


def _begun(
    play: Stage, past: Past, keys: Mapping[bytes, SeededKey], at: int, abandons: tuple[bytes, ...] = ()
) -> Rival:
    """A takeover on the base at `at`, and a little that is listed on it."""
    rival = Rival(play, past.tip(at), keys)
    head = past.standings[-1].next_epoch
    ahead = play.random.choice((rival.epoch, max(head, rival.epoch)))
    epoch = ahead + play.random.choice(EPOCHS)
    rival.take_over(TOO_FAR if play.random.random() < GOES_TOO_FAR else epoch, abandons)
    return rival


def _go_on(play: Stage, rival: Rival) -> None:
    for _ in range(play.random.randint(0, 3)):
        path = f"lie/{play.serial()}"
        rival.emit(rival.proposal(Put(path, NOTHING, 0, "text/plain", False, 0, None), rival.witness))


def _takeover(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """A takeover on an old base, cosigned by who had a say there."""
    at = choose_base(play, past, keys)
    if at is None:
        return []
    rival = _begun(play, past, keys, at)
    _go_on(play, rival)
    if play.random.random() < 0.8:
        rival.cosign()
    return rival.raws


def _abandons(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """The same, and it gives up what has become final since (S9)."""
    at = choose_base(play, past, keys)
    if at is None:
        return []
    change = past.change_above(at)
    assert change is not None
    above = range(at + 1, len(past.standings))
    heights = {play.random.choice((change[0], above[0], above[-1], play.random.choice(above)))}
    rival = _begun(play, past, keys, at, tuple(past.id_at(one) for one in sorted(heights)))
    _go_on(play, rival)
    if play.random.random() < 0.3:
        rival.cosign()
    return rival.raws


def _second(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """A second snapshot where one of them was the witness, below a change that has settled since (F3)."""
    heights = [
        at for at, standing in enumerate(past.standings)
        if at and standing.witness in keys and standing.changed_height <= at
    ]  # fmt: skip
    if not heights:
        return []
    settlements = [at for at in heights if past.standings[at - 1].joint and not past.standings[at].joint]
    at = play.random.choice(settlements or heights)
    row = past.node.store.snapshot_at(past.branch, at)
    assert row is not None
    if (change := past.change_above(at)) is not None:
        _leave_out_who_cannot_know(play, change)
    statement = decode_as(Snapshot, row.raw).statement
    again = sign_statement(_later(statement), keys[past.standings[at].witness])
    listed = (past.node.store.artifact(id_) for id_ in statement.proposals)
    return [*(raw for raw in listed if raw is not None), again.raw]


def _later(statement: Snapshot) -> Snapshot:
    return Snapshot(
        statement.common_id, statement.height, statement.previous, statement.epoch,
        statement.created_ms + 1, statement.proposals, statement.log_size, statement.log_root,
        statement.certificate, statement.settlement,
    )  # fmt: skip


def _change(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """A policy of their own instead of the one that followed, settled, with takeovers of its own."""
    at = choose_base(play, past, keys)
    if at is None or past.standings[at].joint:
        return []
    own = [SeededKey(f"invented {play.serial()}") for _ in range(3)]
    old = past.standings[at].policies[-1]
    named = tuple(Named(f"invented {number}", key.key) for number, key in enumerate(own))
    policy = Policy(
        witnesses=named,
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=old.grace_period_ms,
        participants=old.participants,
        protocol=1,
    )
    rival = _begun(play, past, {**keys, **{one.key: one for one in own}}, at)
    rival.change(policy)
    if play.random.random() < 0.7:
        rival.settle()
    _go_on(play, rival)
    rival.cosign()
    return rival.raws


def _epochs(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """Attempts at a recovery on old bases, with one signature each, in epochs far ahead (S1, S12)."""
    raws = []
    head = past.standings[-1].next_epoch
    for key in sorted(keys):
        heights = [at for at, one in enumerate(past.standings[:-1]) if key in one.authorities()]
        heights = [at for at in heights if past.change_above(at) is not None]
        if not heights:
            continue
        at = play.random.choice(heights)
        rival = Rival(play, past.tip(at), {key: keys[key]})
        epoch = max(head, rival.epoch) + play.random.choice(EPOCHS)
        raws += _attempt(rival, key, epoch)
    return raws


def _attempt(rival: Rival, key: bytes, epoch: int) -> list[bytes]:
    proposal = rival.proposal(Recovery(epoch, rival.height, rival.id, key, "", ()), key)
    return [proposal.raw, *rival.endorsements(proposal, epoch, [key])]


def _branches(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """As many takeovers on one base as there may be branches, or some."""
    at = choose_base(play, past, keys)
    if at is None:
        return []
    raws: list[bytes] = []
    for number in range(play.random.randint(*MANY)):
        rival = Rival(play, past.tip(at), keys)
        rival.take_over(rival.epoch + 1 + number)
        raws += rival.raws
    return raws


Kind = Callable[["Stage", Past, Mapping[bytes, SeededKey]], list[bytes]]
KINDS: dict[str, Kind] = {
    "takeover": _takeover,
    "abandons": _abandons,
    "second": _second,
    "change": _change,
    "epochs": _epochs,
    "branches": _branches,
}
"""What a coalition can try, by the word of a scenario file."""


def _too_far(play: Stage, past: Past, keys: Mapping[bytes, SeededKey]) -> list[bytes]:
    """A takeover in an epoch that no certificate may have (V6)."""
    at = choose_base(play, past, keys)
    if at is None:
        return []
    rival = Rival(play, past.tip(at), keys)
    rival.take_over(TOO_FAR)
    return rival.raws


BY_STICK: dict[str, Kind] = {"too-far": _too_far}
"""What comes to everybody on a stick: over a link it is dropped before anybody judges it. Only where it is
staged, never drawn."""


# --- showing it -----------------------------------------------------------------------------------


def spread(play: Stage, past: Past, raws: Sequence[bytes]) -> None:
    """Over every link that a machine of the coalition has; and on a stick to one machine, now and then."""
    for name in play.coalition:
        expose(play, name, raws)
    reached: set[str] = set()
    for name in play.coalition:
        for target in linked(play, name):
            if target not in reached:
                reached.add(target)
                for first in range(0, len(raws), PUSHED_MAX):
                    message = encode_message(Push(tuple(raws[first : first + PUSHED_MAX]), (b"",)))
                    play.world.inject(name, target, message)
    if play.random.random() < 0.3:
        for name in play.choose("any-honest"):
            people.command(play, name, Import(tuple(raws)))


def hand_round(play: Stage, raws: Sequence[bytes]) -> None:
    """On a stick, to every machine that does not lie."""
    if not raws:
        return
    for name in play.coalition:
        expose(play, name, raws)
    for name in play.trusted():
        people.command(play, name, Import(tuple(raws)))


def expose(play: Stage, name: str, raws: Sequence[bytes]) -> None:
    """Note that what this machine's key has signed for a lie has left it."""
    node = play.world.nodes[name]
    play.world.exposure.collect(name, node.signer)
    play.world.exposure.sent(play.world.now_ms, name, node.key, b"".join(raws), None)
