"""Worlds of years: policies follow each other, and the keys that they leave behind lie together.

A part of the swarm. What presses on such a world is drawn as everywhere in the swarm: most kinds are left
out of each run. In the end there has to be room for a member, for another witness and for one more policy.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from simulations.names import name_of
from simulations.network import Weather
from simulations.retired import KINDS
from simulations.scenario import HOUR, MINUTE, SECOND, Expect, Scenario, Step, Workload

EVERY = 5
"""One seed of the swarm in so many is a lifetime, where it is not staged."""
MACHINES_MIN = 7
FIRST = ((1, 1), (1, 1), (1, 1), (2, 2), (3, 2))
NEXT = ((3, 2), (3, 2), (3, 2), (4, 3), (5, 3), (5, 4), (2, 2), (1, 1))
"""(authorities, threshold) of the policies; at first whoever founded it decides alone, or nearly, so that few
retired keys are a quorum of what was in force then."""
PUTS = 30


def lifetime(random: Random, base: Scenario) -> Scenario:
    """A scenario with the weather, the grace period and the people of `base` where they fit."""
    authorities, threshold = random.choice(FIRST)
    generations = random.choice((3, 3, 4, 5))
    span = random.randint(4, 6) * MINUTE
    lasts = span * (generations + 1)
    steps = _generations(random, generations, span)
    steps += [Step("heed", "first", every_ms=(2 * MINUTE, 4 * MINUTE))]
    pressures = _pressures(random, base, span, lasts)
    for kind in random.sample(pressures, random.randint(2, 5)):
        steps += kind
    return replace(
        base,
        about=f"{base.about}, a lifetime",
        machines=MACHINES_MIN,
        authorities=authorities,
        threshold=threshold,
        participants="invited",
        grace_period_ms=random.choice((MINUTE, 2 * MINUTE, 5 * MINUTE)),
        answer_ms=(SECOND, 30 * SECOND),
        weather=Weather(base.weather.delay_ms),
        lasts_ms=lasts,
        heals_ms=3 * HOUR // 2,
        workload=Workload((lasts // PUTS, 2 * lasts // PUTS)),
        steps=tuple(steps),
        expect=Expect(room=True, final=base.recovery == "auto"),
    )


def _generations(random: Random, count: int, span: int) -> list[Step]:
    steps = []
    for number in range(count):
        authorities, threshold = random.choice(NEXT)
        options = {
            "authorities": str(authorities),
            "threshold": str(threshold),
            # The first ones retire all together: from then on somebody may lie who was a quorum.
            "keeps": str(random.choice((0, 0, 1, 1, 2)) if number else 0),
            "liars": str(random.randint(0, 1)),
        }
        steps.append(Step("generation", "any-authority", at_ms=number * span + MINUTE, options=options))
    return steps


def _pressures(random: Random, base: Scenario, span: int, lasts: int) -> list[list[Step]]:
    """What may press on it: each is in or out for the whole run, and retired keys are most of it."""
    often, seldom = (30 * SECOND, 2 * MINUTE), (2 * MINUTE, 6 * MINUTE)
    away = (span // 4, span)

    def again(do: str, on: str, every_ms: tuple[int, int], **options: str) -> Step:
        return Step(do, on, every_ms=every_ms, options=options)

    joining = [
        Step("newcomer", "any-authority", every_ms=(3 * MINUTE, 8 * MINUTE), for_ms=(MINUTE, 4 * MINUTE),
             from_ms=span, until_ms=lasts - 4 * MINUTE, options={"floor": floor, "first": first})
        for floor, first in (("given", "den"), ("none", "den"), ("none", "anybody"))
    ]  # fmt: skip
    how = random.choice(tuple(KINDS))
    return [
        [again("collude", "any-retired", often, how="any")],
        [again("collude", "any-retired", often, how="any")],
        [again("collude", "any-retired", often, how=how)],
        [again("collude", "any-retired", seldom, how="abandons"), joining[0]],
        [again("collude", "any-retired", often, how="takeover"), *joining],
        [again("collude", "any-retired", seldom, how="change"), joining[2]],
        [Step("linger", "first", at_ms=0)],
        [Step("linger", "first", at_ms=0)],
        [again("push", "any-other", seldom)],
        [
            again("push", "any-other", often, count="20", leap="1"),
            Step("crash", "witness", every_ms=seldom, for_ms=(span // 2, span)),
        ],
        [again("push", "any-retired", often)],
        [Step("hide", "witness", at_ms=random.randint(span, lasts))],
        [again("fill", "any-retired", often)],
        [again("fill", name_of(MACHINES_MIN - 1), seldom)],
        [again("expel", "any-retired", seldom)],
        [again("revoke", "any-retired", seldom)],
        [again("rotate", "witness", seldom)],
        [Step("crash", "any", every_ms=seldom, for_ms=away)],
        [Step("power", "any", every_ms=seldom, for_ms=(SECOND, 30 * SECOND))],
        [Step("cut", "any", every_ms=seldom, for_ms=away)],
        [again("courier", "any", seldom, to="any")],
    ]
