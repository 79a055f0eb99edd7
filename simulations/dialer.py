"""Who links with whom: what the daemon's discovery, dialling and back-off come to.

A machine that is on looks for others after a short while, links with those that it reaches until it has
`links` of them (with all, while there are at most `all_up_to`), and waits ever longer, up to a minute, while
some are missing. Who was blamed is left alone for a minute at first, twice as long each time.
"""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from simulations.world import World

LINKS = 8
BACKOFF_MS_MIN = 1_000
BACKOFF_MS_MAX = 60_000
LIVED_MS = 5_000
BLAME_MS_MIN = 60_000
BLAME_MS_MAX = 3_600_000


class Dialer:
    """Keeps the machines of a world linked; made once, before they start."""

    def __init__(
        self,
        world: World,
        *,
        links: int = LINKS,
        all_up_to: int = 0,
        delay_ms: tuple[int, int] = (20, 1_500),
        static: Collection[str] = (),
    ) -> None:
        self._world = world
        self._links = links
        self._all_up_to = all_up_to
        self._static = tuple(static)
        """Machines that have each other's addresses in their configuration."""
        self._delay_ms = delay_ms
        self._random = Random(world.random.getrandbits(64))
        self._pause: dict[str, int] = {}
        self._planned: dict[str, int] = {}
        self._blamed: dict[tuple[str, str], tuple[int, int]] = {}
        self._failed: dict[tuple[str, str], tuple[int, int]] = {}
        """(who, whom) to (until when it is not tried again, the pause)."""
        self._changes = world.network.changes
        world.dialer = self

    def started(self, name: str) -> None:
        """A machine is on, or awake, or its surroundings changed: it looks around."""
        self._pause[name] = BACKOFF_MS_MIN
        for pair in [pair for pair in self._failed if name in pair]:
            del self._failed[pair]
        self._plan(name, self._random.randint(*self._delay_ms))

    def lost(self, name: str, peer: str, lived_ms: int) -> None:
        """A link of this machine has ended; one that did not live is tried again ever more rarely."""
        if lived_ms < LIVED_MS:
            pause = min(BACKOFF_MS_MAX, 2 * self._failed.get((name, peer), (0, BACKOFF_MS_MIN // 2))[1])
            self._failed[name, peer] = (self._world.now_ms + pause, pause)
        else:
            self._failed.pop((name, peer), None)
        self._plan(name, self._random.randint(*self._delay_ms))

    def blamed(self, name: str, peer: str) -> None:
        """`name` has closed its link with `peer` and blames it."""
        until, pause = self._blamed.get((name, peer), (0, 0))
        if self._world.now_ms > until + 4 * pause:
            pause = 0
        pause = min(BLAME_MS_MAX, 2 * pause or BLAME_MS_MIN)
        self._blamed[name, peer] = (self._world.now_ms + pause, pause)

    def look_around(self) -> None:
        """The network has changed somewhere: everybody that lacks links tries again soon (mDNS tells)."""
        for name, node in self._world.nodes.items():
            if node.on and len(node.links) < self._wanted():
                self.started(name)

    def _wanted(self) -> int:
        others = len(self._world.nodes) - 1
        return others if others <= self._all_up_to else min(self._links, others)

    def _plan(self, name: str, delay_ms: int) -> None:
        at = self._world.now_ms + delay_ms
        planned = self._planned.get(name)
        if planned is None or at < planned:
            self._planned[name] = at
            self._world.plan(delay_ms, self._dial, name, at)

    def _dial(self, name: str, at: int) -> None:
        if self._planned.get(name) != at:
            return
        del self._planned[name]
        world = self._world
        node = world.nodes[name]
        if not node.on:
            return
        lacking = self._link_static(name)
        missing = self._wanted() - len(node.links)
        if missing <= 0 and not lacking:
            return
        linked = node.peers
        others = [other for other in world.nodes if other != name and other not in linked]
        if len(others) > 4 * max(1, missing):
            others = self._random.sample(others, 4 * max(1, missing))
        else:
            self._random.shuffle(others)
        for other in others:
            if missing > 0 and self._may_link(name, other) and world.connect(name, other) is not None:
                missing -= 1
        if missing > 0 or lacking:
            pause = self._pause.get(name, BACKOFF_MS_MIN)
            self._pause[name] = min(BACKOFF_MS_MAX, 2 * pause)
            self._plan(name, pause + self._random.randrange(pause // 2 + 1))
        else:
            self._pause[name] = BACKOFF_MS_MIN

    def _link_static(self, name: str) -> bool:
        """Dial the configured machines and the inviter first, which take such a link however many they have;
        whether some are lacking."""
        node = self._world.nodes[name]
        peers = node.peers
        known = (*(self._static if name in self._static else ()), *([node.inviter] if node.inviter else ()))
        lacking = [other for other in known if other != name and other not in peers]
        for other in lacking:
            if self._may_link(name, other, configured=True):
                self._world.connect(name, other)
        return any(other not in peers for other in lacking)

    def _may_link(self, name: str, other: str, *, configured: bool = False) -> bool:
        world = self._world
        node = world.nodes[other]
        if not node.on or not world.network.open(name, other) or not world.network.open(other, name):
            return False
        if len(node.links) >= max(2 * self._links, self._wanted()) and not configured:
            return False
        if self._failed.get((name, other), (0, 0))[0] > world.now_ms:
            return False
        ways = ((name, other), (other, name))
        return all(self._blamed.get(way, (0, 0))[0] <= world.now_ms for way in ways)
