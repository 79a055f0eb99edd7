"""The hunt: the first seed of the default sweep at which a planted mistake is noticed, and by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from simulations import swarm
from simulations.play import Play
from simulations.result import run
from tests.simulations.mutants.catalogue import ALL
from tests.simulations.mutants.plant import planted

SEEDS = 100
EVENTS_MAX = 300_000
"""A run that goes on for longer is given up, and is no catch."""


@dataclass(frozen=True)
class Catch:
    """Which mutant was noticed at which seed by which checks; `seed` is None if it escaped."""

    name: str
    seed: int | None = None
    broken: tuple[str, ...] = ()
    problem: str = ""


def hunt(name: str, seeds: Iterable[int]) -> Catch:
    """Play `seeds` in order with the mistake in place, up to the first run that does not hold."""
    with planted(ALL[name]):
        for seed in seeds:
            result = run(swarm.draw(seed), seed, prepare=_bound)
            if result.code and "Stopped" not in result.problem:
                return Catch(name, seed, tuple(result.broken), result.problem)
    return Catch(name)


def _bound(play: Play) -> None:
    play.world.stop_after = EVENTS_MAX


def hunt_all(
    names: Iterable[str], seeds: range, *, workers: int, done: Callable[[Catch], None] = lambda catch: None
) -> list[Catch]:
    """All of `names` over a pool of processes; `done` is told of each, the answer is in the order given."""
    names = list(names)
    found: dict[str, Catch] = {}
    with ProcessPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(hunt, name, seeds) for name in names]):
            catch = future.result()
            found[catch.name] = catch
            done(catch)
    return [found[name] for name in names]
