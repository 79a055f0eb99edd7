"""Machines that join over the years, and who reaches them first.

A *den* is a machine of the coalition (`retired.py`) that holds its history and nothing of the one that
followed. Whoever joins by it hears of nobody else for a while. Who was given a floor with the invite has to
see through that; who was not cannot, and is not judged any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aslp2p.artifacts.types import Admit
from aslp2p.core.inputs import Import
from simulations import people
from simulations.people import everything
from simulations.retired import Past, bases, expose, past_of, recruit
from simulations.rival import Rival

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

Undo = Callable[[], None]


def newcomer(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo | None:
    """Somebody joins by an invite of `names`, and is at first where nobody is but a den of the coalition."""
    token = people.make_invite(play, names[0])
    if token is None:
        return None
    name = people.add_joiner(play, names[0], token, floor=options.get("floor") == "given")
    den = _den(play, play.world.nodes[name]) if options.get("first") == "den" else None
    if den is None:
        play.switch_on([name])
        return None
    if options.get("floor") != "given":
        play.mislead(name, "joined by retired keys that lie, and was given no floor")
    play.world.network.move([name], den)
    play.switch_on([name])

    def undo() -> None:
        play.world.network.come_home([name, den])
        play.world.network_changed()

    return undo


def _den(play: Stage, joiner: Node) -> str | None:
    """A machine that serves a history of the coalition; None where its keys were never a quorum."""
    keys, past = recruit(play), past_of(play)
    if past is None or not (found := bases(past, keys)):
        return None
    base = play.random.choice((found[0], found[-1]))
    owner = next(one for one in play.coalition if play.world.nodes[one].key in keys)
    den = f"{owner} {play.serial()}"
    play.dens.add(den)
    play.distrust(den, "serves a history of retired keys")
    play.add_machine(den, like=play.world.nodes[owner])
    play.world.give_genesis(den)
    play.world.network.move([den], den)
    play.switch_on([den])
    rival = Rival(play, past.tip(base), keys)
    rival.take_over(max(rival.epoch, past.standings[-1].next_epoch) + 1)
    rival.emit(rival.proposal(Admit(joiner.key, joiner.name, None), rival.witness))
    rival.cosign()
    for one in play.coalition:
        expose(play, one, rival.raws)
    people.command(play, den, _up_to(past, base, rival))
    return den


def _up_to(past: Past, base: int, rival: Rival) -> Import:
    """All of the history up to `base`, and the rival on it."""
    whole = everything(past.node)
    ids = {past.id_at(at) for at in range(1, base + 1)}
    snapshots = [row.raw for row in map(past.node.store.snapshot, sorted(ids)) if row is not None]
    proposals = [raw for raw in whole.artifacts if raw.startswith(people.PROPOSAL_RAW)]
    return Import((*snapshots, *proposals, *rival.raws), whole.contents)
