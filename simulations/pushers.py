"""One key that uses up what everybody needs: epochs, or the silence that has to pass (S1, S2, S12, V6).

Neither takes a quorum. An attempt at a recovery in an epoch far ahead binds whoever joins in; a witness that
signs its signs of life in advance is heard long after it has stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Beacon, Endorsement, Recovery
from simulations.liars import linked, new_proposal, tell
from simulations.scenario import MINUTE

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

LEAPS = (1, 1_000, 2**19 - 1, 2**19, 2**20 - 1, 2**20, 2**40, 2**52)
"""How far ahead an attempt is: at the bounds that a rule names, and beyond them."""
WITHHELD_MS = (MINUTE, 10 * MINUTE)
SHOWN_TO = ("one", "all", "nobody")


def push(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """This authority attempts a recovery far ahead, with its own signature, and shows it to some; to the
    others, if at all, much later."""
    for name in _culprits(play, names):
        play.distrust(name, "pushes epochs")
        node, head = play.world.nodes[name], play.head_of(name)
        if head is None or not node.on:
            continue
        leap = int(options.get("leap", "0")) or play.random.choice(LEAPS)
        raws: list[bytes] = []
        for number in range(int(options.get("count", "1"))):
            epoch = min(head.standing.next_epoch + leap + number, 2**52)
            raws += _attempt(play, node, Recovery(epoch, head.height, head.id, node.key, "", ()))
        peers = linked(play, name)
        shown = play.random.choice(SHOWN_TO)
        if shown == "all":
            tell(play, name, peers, *raws)
        elif shown == "one" and peers:
            tell(play, name, [play.random.choice(peers)], *raws)
        if shown != "all":
            play.world.plan(play.random.randint(*WITHHELD_MS), _show, play, name, raws)


def _culprits(play: Stage, names: Sequence[str]) -> Sequence[str]:
    """Never more than one of those in power pushes, and never one whom the others cannot spare."""
    lying = [name for name in play.choose("authorities") if name in play.liars]
    return lying[:1] or [name for name in names if play.spares(name)]


def _attempt(play: Stage, node: Node, action: Recovery) -> list[bytes]:
    proposal = new_proposal(play, node, action)
    wall = max(0, node.clock.now(play.world.now_ms).wall)
    statement = Endorsement(play.world.common_id, proposal.id, action.epoch, wall)
    return [proposal.raw, sign_statement(statement, node.signer).raw]


def _show(play: Stage, name: str, raws: Sequence[bytes]) -> None:
    if play.world.nodes[name].on:
        tell(play, name, linked(play, name), *raws)


def hide(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """The witness goes for good, and whoever lies with it relays what it signed in advance (S2)."""
    for name in names:
        head, node = play.head_of(name), play.world.nodes[name]
        relays = [one for one in play.coalition if one != name]
        if head is None or node.key != head.standing.next_witness or not relays:
            continue
        if not play.spares(name):
            continue
        play.distrust(name, "signed its signs of life in advance")
        play.unbound.add(name)
        play.gone.add(name)
        play.switch_off(name)
        every_ms = max(1, play.scenario.grace_period_ms // 20)
        at = (head.standing.next_epoch, head.height, head.id)
        play.world.plan(every_ms, _relay, play, name, at, 10**6, every_ms)


def _relay(play: Stage, name: str, at: tuple[int, int, bytes], counter: int, every_ms: int) -> None:
    """One more sign of life of a machine that is off; until somebody else is the witness."""
    newest = play.newest_head()
    if newest is None or newest.standing.next_witness != play.world.nodes[name].key:
        return
    epoch, height, head = at
    node = play.world.nodes[name]
    beacon = sign_statement(Beacon(play.world.common_id, epoch, height, head, counter), node.signer)
    for relay in play.coalition:
        if relay != name:
            tell(play, relay, linked(play, relay), beacon.raw)
    play.world.plan(every_ms, _relay, play, name, at, counter + 1, every_ms)
