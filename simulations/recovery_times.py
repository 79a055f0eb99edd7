"""How long a Common is without a witness, many times over: as built, and with other spreads of waiting.

Five authorities, three must sign, daemons endorse by themselves, links of 1 to 20 ms. The witness's machine
dies at a random moment; the clock stops when the next witness's first snapshot is there. The k-th successor
waits `grace + spread * (k + jitter / 2)` (S7): the product's spread is its round, and a trial may try another
one, nought included, in the place of `proposes_after_ms`. Nothing else of the node is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from aslp2p.artifacts.types import Named, Policy
from aslp2p.core import auto_succession
from aslp2p.core.effects import Effect, Publish
from simulations.machine import Node
from simulations.names import name_of
from simulations.scenario import SECOND
from simulations.world import World

AUTHORITIES, THRESHOLD = 5, 3
DELAY_MS = (1, 20)
CHUNK = 25
GIVE_UP = 60
"""Grace periods after which a trial counts as infinite."""


@dataclass(frozen=True)
class Setting:
    """One line of the figure: `spread_ms` None is the product's own; `dead` successors are gone as well."""

    name: str
    grace_ms: int = 10 * SECOND
    spread_ms: int | None = None
    dead: int = 0


SPREADS = (
    Setting("all at once", spread_ms=0),
    Setting("5 ms apart", spread_ms=5),
    Setting("50 ms apart", spread_ms=50),
    Setting("a round (0.5 s) apart: as built"),
    Setting("2 s apart", spread_ms=2 * SECOND),
)
GRACES = (
    Setting("1 s", grace_ms=SECOND),
    Setting("10 s"),
    Setting("60 s", grace_ms=60 * SECOND),
    Setting("10 s, the first successor is gone too", dead=1),
)


@contextmanager
def _spread(spread_ms: int | None) -> Iterator[None]:
    """Let successors wait otherwise in this process, for a while."""
    own = vars(auto_succession)["proposes_after_ms"]

    def other(grace: int, turn: int, jitter: float) -> int:
        return grace + round((spread_ms or 0) * (turn + jitter / 2))

    if spread_ms is not None:
        vars(auto_succession)["proposes_after_ms"] = other
    try:
        yield
    finally:
        vars(auto_succession)["proposes_after_ms"] = own


def trial_ms(setting: Setting, seed: int) -> float:
    """One disappearance: the milliseconds without a witness, infinite if none follows."""
    with _spread(setting.spread_ms):
        world = World(seed, delay_ms=DELAY_MS)
        names = [name_of(place) for place in range(AUTHORITIES)]
        for name in names:
            world.add_node(name).options = {"auto": True}
        named = tuple(Named(name, world.nodes[name].key) for name in names)
        world.found(
            names[0],
            names,
            Policy(
                witnesses=named,
                threshold=THRESHOLD,
                rotation_allowed=True,
                grace_period_ms=setting.grace_ms,
                participants="invited",
                protocol=1,
            ),
        )
        followed: list[int] = []

        def hear(node: Node, effect: Effect) -> None:
            if isinstance(effect, Publish) and effect.topic == "witness":
                followed.append(world.now_ms)

        world.listeners.append(hear)
        for name in names:
            world.start(name)
        world.mesh()
        world.run(2 * SECOND + Random(seed).randrange(setting.grace_ms // 5))
        for name in names[: 1 + setting.dead]:
            world.crash(name)
        gone_ms = world.now_ms
        found = world.run_until(lambda: bool(followed), GIVE_UP * setting.grace_ms)
        return float(followed[0] - gone_ms) if found else float("inf")


def _chunk(setting: Setting, first: int, count: int) -> list[float]:
    return [trial_ms(setting, seed) for seed in range(first, first + count)]


def measure(
    settings: Sequence[Setting],
    trials: int,
    *,
    workers: int,
    seed: int = 0,
    done: Callable[[int], None] = lambda count: None,
) -> list[list[float]]:
    """The sorted times of `trials` of each setting, over `workers` processes; the same for the same seed."""
    with ProcessPoolExecutor(workers) as pool:
        waiting = [
            [pool.submit(_chunk, one, seed + at, min(CHUNK, trials - at)) for at in range(0, trials, CHUNK)]
            for one in settings
        ]
        found = []
        for chunks in waiting:
            times: list[float] = []
            for chunk in chunks:
                times += chunk.result()
                done(len(chunk.result()))
            found.append(sorted(times))
        return found
