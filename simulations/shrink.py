"""Making a failure small: fewer steps, fewer machines, less time, as long as the same check stays broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from simulations.network import Weather
from simulations.result import Result, run
from simulations.scenario import Scenario

TRIES_MAX = 200


def shrink(
    scenario: Scenario,
    seed: int,
    *,
    tell: Callable[[str], None] = lambda text: None,
    tries_max: int = TRIES_MAX,
) -> tuple[Scenario, Result]:
    """The smallest scenario found that breaks the gravest of what `scenario` breaks, and its result.

    Raises `ValueError` if it breaks nothing.
    """
    best, result = scenario, run(scenario, seed)
    if not result.code:
        raise ValueError("it holds")
    gravest, tries, progress = result.broken[0], 0, True
    while progress and tries < tries_max:
        progress = False
        for smaller, what in _smaller(best):
            tries += 1
            found = run(smaller, seed)
            if gravest in found.broken:
                best, result, progress = smaller, found, True
                tell(f"{what}: still {found.problem}")
                break
            if tries >= tries_max:
                break
    return best, result


def _smaller(scenario: Scenario) -> Iterator[tuple[Scenario, str]]:
    for place in range(len(scenario.steps)):
        steps = scenario.steps[:place] + scenario.steps[place + 1 :]
        yield replace(scenario, steps=steps), f"without step {place + 1} ({scenario.steps[place].do})"
    if scenario.workload is not None:
        yield replace(scenario, workload=None), "without everyday work"
    if scenario.machines > scenario.authorities:
        yield replace(scenario, machines=scenario.machines - 1), f"{scenario.machines - 1} machines"
    weather = scenario.weather
    if weather != (still := Weather(weather.delay_ms)):
        yield replace(scenario, weather=still), "in good weather"
    if scenario.lasts_ms > 2 * scenario.grace_period_ms:
        half = scenario.lasts_ms // 2
        steps = tuple(one for one in scenario.steps if max(one.at_ms or 0, one.from_ms) < half)
        yield replace(scenario, lasts_ms=half, steps=steps), "half as long"
