"""The time between a policy change that is final and its settlement, drawn out (F5, P4).

Mostly it is a moment: the witness hears the last cosignature and settles with its next snapshot. Here it
hears nothing from when others have the change until much later. They make the change final among themselves,
and whoever that leaves behind lies at once, with keys that are still in force where nothing is settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aslp2p.ledger.policy import authority_keys
from simulations.retired import collude
from simulations.scenario import MINUTE, SECOND

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

LASTS_MS = (MINUTE, 3 * MINUTE)
AFTER_MS = (2 * SECOND, 10 * SECOND)
"""From when on they lie: by then the others have told each other what they cosigned."""


def linger(play: Stage, _names: Sequence[str], _options: Mapping[str, str]) -> None:
    """From now on every change waits for its settlement."""
    play.lingers = True


def heard_head(play: Stage, node: Node) -> None:
    """A machine has another head: where it is the first beside the witness to have a new change, and that
    makes the witness retire, the witness hears nothing from now on of what the others make of it."""
    head = node.core.head if node.core is not None else None
    if not play.lingers or play.calm or head is None or not head.standing.joint or node.name in play.liars:
        return
    standing, witness = head.standing, play.witness()
    change, appointed = standing.change_height, standing.next_witness
    retires = appointed not in authority_keys(standing.policies[-1])
    here = play.world.nodes[witness]
    if change in play.lingered or not retires or node.key == appointed or here.key != appointed:
        return
    play.lingered.add(change)
    play.world.plan(0, _deafen, play, witness)
    play.world.plan(play.random.randint(*AFTER_MS), collude, play, (), {"how": "any"})


def _deafen(play: Stage, witness: str) -> None:
    ways = [(other, witness) for other in play.world.nodes if other != witness]
    for way in ways:
        play.world.network.cut(*way)
    play.world.network_changed()
    play.note(witness, "hears nothing of a change that it has listed")
    play.world.plan(play.random.randint(*LASTS_MS), _hear_again, play, ways)


def _hear_again(play: Stage, ways: Sequence[tuple[str, str]]) -> None:
    if not play.calm:  # the calm mends everything by itself
        for way in ways:
            play.world.network.mend(*way)
        play.world.network_changed()
