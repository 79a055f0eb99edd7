"""A member that fills places: those of members, of names, of what is pending (P6, A4, G5).

Everything it signs is in order, one by one; that it is so much of it must not keep anybody else out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aslp2p.artifacts.token import bear, make_token, read_shown
from aslp2p.artifacts.types import Admit, Expel, Put
from aslp2p.limits import INVITE_SEED_BYTES
from simulations.keys import SeededKey
from simulations.liars import linked, new_proposal, tell
from simulations.names import name_of
from simulations.retired import NOTHING
from simulations.scenario import DAY

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

AT_ONCE = 100
"""Proposals in one message."""
NEXT_NAMES = 4
"""So many names of machines that are yet to come are taken."""


def fill(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """`count` keys are admitted, names of machines to come taken, files put; an authority expels who came."""
    for name in names:
        if not play.spares(name):
            continue
        play.distrust(name, "fills places")
        node = play.world.nodes[name]
        what = options.get("what", "any")
        count = int(options.get("count", "100"))
        kind = play.random.choice(("keys", "invite", "names", "junk", "newcomers")) if what == "any" else what
        actions = _actions(play, node, kind, count)
        for first in range(0, len(actions), AT_ONCE):
            raws = [new_proposal(play, node, one).raw for one in actions[first : first + AT_ONCE]]
            contents = [b""] if kind == "junk" else []
            tell(play, name, linked(play, name), *raws, contents=contents)


def _actions(play: Stage, node: Node, kind: str, count: int) -> list[Any]:
    match kind:
        case "keys":
            return [_admit(play, f"filler {play.serial()}") for _ in range(count)]
        case "names":
            here = len(play.world.nodes)
            return [_admit(play, name_of(place)) for place in range(here, here + NEXT_NAMES)]
        case "junk":
            return [
                Put(f"{node.name}/junk/{play.serial()}", NOTHING, 0, "text/plain", False, 0, None)
                for _ in range(count)
            ]
        case "invite":
            return _used_again(play, node)
        case _:
            came = [other for other in play.world.nodes.values() if other.inviter and other is not node]
            return [Expel(other.key) for other in came]


def _admit(play: Stage, name: str) -> Admit:
    return Admit(SeededKey(f"filler {play.serial()}").key, name, None)


def _used_again(play: Stage, node: Node) -> list[Any]:
    """Several keys that one invite of one use is to let in."""
    wall = max(0, node.clock.now(play.world.now_ms).wall)
    seed = play.random.randbytes(INVITE_SEED_BYTES)
    _, token = make_token(play.world.common_id, wall + DAY, 1, seed, node.signer)
    found = []
    for _ in range(NEXT_NAMES):
        name = f"guest {play.serial()}"
        key = SeededKey(name).key
        found.append(Admit(key, name, read_shown(bear(token, key))))
    return found
