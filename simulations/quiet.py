"""Months pass quickly where nothing happens: heads that say nothing new are carried but once in an hour.

Where everybody is linked and nobody has anything to say, nearly all of a world's work is that each machine
tells each other one every minute where it stands. A message that was told already changes nothing but time
(G5), so a world that is to show weeks of waiting loses most of those.
"""

from __future__ import annotations

from dataclasses import dataclass

from aslp2p.gossip.messages import Heads, kind_of
from simulations.machine import Node
from simulations.scenario import HOUR, MINUTE
from simulations.world import World

NEW_MS = 5 * MINUTE
"""How long heads are news: a link that has just come up carries them in any case."""


@dataclass
class _Told:
    data: bytes
    links: tuple[int, ...]
    since_ms: int
    carried_ms: int


class Quiet:
    """Swallows stale heads of one world from now on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[str, _Told] = {}
        world.on_send = self._carried

    def _carried(self, node: Node, data: bytes) -> bytes | None:
        if kind_of(data) is not Heads:
            return data
        now, links = self._world.now_ms, tuple(node.links)
        told = self._told.get(node.name)
        if told is None or told.data != data or told.links != links:
            self._told[node.name] = _Told(data, links, now, now)
            return data
        if now - told.since_ms > NEW_MS and told.carried_ms < now < told.carried_ms + HOUR:
            return None
        told.carried_ms = now
        return data
