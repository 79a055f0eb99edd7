"""Situations that chance hardly ever brings about: a part of the swarm is staged, the rest of it drawn.

Each stands for a rule that a run has to be steered towards before anybody can break it: where single faults
meet at random, joint policies last for seconds, the first attempt at a recovery succeeds, and a history that
was signed twice is overtaken before two machines compare it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from simulations.names import name_of
from simulations.network import Weather
from simulations.scenario import HOUR, MINUTE, SECOND, Expect, Scenario, Step, Workload

EVERY = 4
"""One seed of the swarm in so many is staged, the situations in turn: a hundred hold about two of each."""
MACHINES_MIN = 7
"""What a staged scenario may need."""


def staged(random: Random, base: Scenario, number: int) -> Scenario:
    """The situation of that number, round and round, with the weather, the grace period and the people of
    `base` where they fit."""
    return SITUATIONS[number % len(SITUATIONS)](random, replace(base, heals_ms=HOUR, expect=Expect()))


def _of(random: Random, base: Scenario, *policies: tuple[int, int]) -> Scenario:
    """Under one of `policies`, up to two machines more than it needs."""
    authorities, threshold = random.choice(policies)
    return replace(
        base,
        authorities=authorities,
        threshold=threshold,
        machines=min(MACHINES_MIN, authorities + random.randint(0, 2)),
    )


def _quiet(base: Scenario) -> Scenario:
    """Nothing but beacons tells that the witness is there, and none of them is lost."""
    grace = base.grace_period_ms
    return replace(
        base,
        recovery="auto",
        weather=Weather(base.weather.delay_ms),
        workload=Workload((2 * grace, 4 * grace)),
        expect=Expect(takeovers=(0, 0)),
    )


def _relayed(random: Random, base: Scenario) -> Scenario:
    """The other authorities hear from the witness through participants only (section 8)."""
    base = _quiet(replace(base, machines=random.randint(5, 7), authorities=3, threshold=2))
    grace = base.grace_period_ms
    cut = Step(
        "cut", "witness", every_ms=(grace, 4 * grace), for_ms=(3 * grace // 2, 3 * grace),
        options={"to": "authorities"},
    )  # fmt: skip
    return replace(base, lasts_ms=12 * grace, steps=(cut,))


def _clocks_lost(random: Random, base: Scenario) -> Scenario:
    """All others are off for a moment and come back with clocks far ahead (S2)."""
    grace = 5 * MINUTE
    base = _quiet(_of(random, replace(base, grace_period_ms=grace), (3, 2), (4, 3), (5, 3)))
    ahead = str(random.randint(2, 10) * grace)
    reset = Step(
        "reset", "others", every_ms=(grace // 2, grace), for_ms=(SECOND, 5 * SECOND), options={"by": ahead}
    )
    return replace(base, lasts_ms=6 * grace, steps=(reset,))


def _all_at_once(random: Random, base: Scenario) -> Scenario:
    """The witness is gone, and everybody finds out at the same moment: votes split (S7)."""
    base = _of(random, base, (3, 2), (4, 3), (5, 4))
    grace = base.grace_period_ms
    gone = random.randint(0, grace)
    steps = (
        Step("quit", "witness", at_ms=gone),
        Step("pause", "others", at_ms=gone + SECOND, for_ms=(5 * grace // 4, 2 * grace)),
    )
    return replace(base, recovery="auto", lasts_ms=5 * grace, steps=steps)


def _two_rooms(random: Random, base: Scenario) -> Scenario:
    """The witness is gone, and neither half can replace it; each tries for long (S7)."""
    authorities, threshold = random.choice(((5, 3), (5, 4)))
    grace = random.choice((30 * SECOND, 2 * MINUTE))
    steps = (Step("quit", "witness", at_ms=0), Step("cut", "half", at_ms=grace // 2))
    return replace(
        base, machines=5, authorities=authorities, threshold=threshold, grace_period_ms=grace,
        recovery="auto", lasts_ms=24 * MINUTE, steps=steps,
    )  # fmt: skip


def _two_histories(random: Random, base: Scenario) -> Scenario:
    """The witness signs two histories, and there is no quorum without it: nothing decides but F3."""
    authorities = random.choice((2, 3))
    lasts = 3 * base.grace_period_ms
    return replace(
        base, machines=authorities + random.randint(3, 4), authorities=authorities, threshold=authorities,
        lasts_ms=lasts, heals_ms=15 * MINUTE, expect=Expect(progress=False, converged=False),
        steps=(
            Step("equivocate", "witness", at_ms=random.randint(lasts // 3, lasts), options={"back": "0"}),
        ),
    )  # fmt: skip


def _policies(random: Random, base: Scenario) -> Scenario:
    """One policy change after the other, each with a quorum that needs new authorities, while handovers hold
    up what settles them (P2, P3, P4, S4)."""
    base = _of(random, replace(base, answer_ms=(SECOND, MINUTE)), (3, 2), (4, 3))
    authorities = random.randint(2, 4)
    threshold = random.randint(authorities // 2 + 1, authorities)
    change = {
        "authorities": str(authorities),
        "threshold": str(threshold),
        "keeps": str(random.randint(1, threshold - 1)),
    }
    base = replace(base, machines=base.authorities + authorities - 1)
    steps = (
        Step("policy", "witness", every_ms=(5 * SECOND, 30 * SECOND), options=change),
        Step("rotate", "witness", every_ms=(5 * SECOND, MINUTE)),
    )
    return replace(base, lasts_ms=10 * MINUTE, steps=steps, expect=Expect(progress=False))


def _revoked(random: Random, base: Scenario) -> Scenario:
    """A stolen key is revoked in a Common that has time for it, and goes on as if it were not (V8); who takes
    over from the witness may be asleep when the last one signs (S10), or the witness not hear of it (V5)."""
    base = _of(random, replace(base, answer_ms=(SECOND, MINUTE)), (4, 3), (5, 3))
    workload = Workload((MINUTE, 5 * MINUTE), "any", "put", 200)
    stolen, by = name_of(random.randint(0, 1)), name_of(2)
    steps = (
        Step("revoke", stolen, every_ms=(2 * MINUTE, 6 * MINUTE), options={"by": by}),
        Step("sleep", by, every_ms=(MINUTE, 4 * MINUTE), for_ms=(MINUTE, 4 * MINUTE)),
        Step(
            "cut",
            "first",
            every_ms=(5 * MINUTE, 10 * MINUTE),
            for_ms=(2 * MINUTE, 5 * MINUTE),
            options={"way": "in"},
        ),
    )
    return replace(base, workload=workload, lasts_ms=40 * MINUTE, steps=steps)


def _asleep_by_then(random: Random, base: Scenario) -> Scenario:
    """Who is to take over from a revoked witness sleeps while the last ones sign: the witness sees a complete
    certificate and nobody who carries it out (S10). The others are a quorum without either of them."""
    base = _of(random, base, (5, 3))
    by, asks = name_of(1), random.randint(2 * MINUTE, 5 * MINUTE)
    steps = (
        Step("revoke", "first", at_ms=asks, options={"by": by}),
        Step("sleep", by, at_ms=asks + 10 * SECOND, for_ms=(3 * MINUTE, 4 * MINUTE)),
    )
    return replace(
        base, grace_period_ms=5 * MINUTE, answer_ms=(30 * SECOND, MINUTE), lasts_ms=asks + 6 * MINUTE,
        workload=Workload((SECOND, 10 * SECOND), "any", "put", 200), weather=Weather(base.weather.delay_ms),
        steps=steps,
    )  # fmt: skip


def _apart(random: Random, base: Scenario) -> Scenario:
    """The witness goes on in a house of its own while the others replace it, and who endorsed that sleeps as
    it has to become final: two branches, none of them final (F2, F4, S5)."""
    base = _of(random, base, (3, 2), (4, 3), (5, 3))
    grace = base.grace_period_ms
    workload = Workload((SECOND, grace // 4), "any", "put", 200)
    cut = Step("cut", "witness", every_ms=(2 * grace, 5 * grace), for_ms=(3 * grace // 2, 3 * grace))
    sleep = Step("sleep", "any-other", every_ms=(grace // 4, grace), for_ms=(grace // 2, 2 * grace))
    return replace(
        base, recovery="ask", answer_ms=(SECOND, grace // 4), workload=workload, lasts_ms=20 * grace,
        steps=(cut, sleep),
    )  # fmt: skip


def _half_deaf(random: Random, base: Scenario) -> Scenario:
    """The witness goes on alone while it is replaced, and who answers for that hears nothing of what comes of
    it: two branches for minutes, neither of them final (F2, F4)."""
    base = _of(random, base, (3, 2), (4, 3))
    grace, away = 30 * SECOND, random.randint(4 * MINUTE, 6 * MINUTE)
    alone = Step("cut", "first", at_ms=MINUTE, for_ms=(away, away))
    # By then they have been asked, and nobody has answered.
    deaf = [
        Step(
            "cut", name_of(place), at_ms=110 * SECOND, for_ms=(away, away + 2 * MINUTE),
            options={"way": "in"},
        )
        for place in range(2, base.authorities)
    ]  # fmt: skip
    return replace(
        base, grace_period_ms=grace, recovery="ask", answer_ms=(30 * SECOND, 50 * SECOND),
        lasts_ms=12 * MINUTE,
        workload=Workload((5 * SECOND, 30 * SECOND), random.choice(("any", "first")), "put", 200),
        weather=Weather(base.weather.delay_ms), steps=(alone, *deaf),
    )  # fmt: skip


def _spoilt(random: Random, base: Scenario) -> Scenario:
    """Whoever is away for long, or joins late, gets its history from others, and some of them spoil
    signatures in it (G4)."""
    base = _of(random, base, (3, 2), (2, 2))
    lasts = 8 * MINUTE
    steps = (
        Step("tamper", "participants", at_ms=0),
        Step("crash", "any-other", every_ms=(MINUTE, 2 * MINUTE), for_ms=(MINUTE, 3 * MINUTE)),
        Step("join", "witness", at_ms=lasts * 3 // 4, options={"count": "2"}),
    )
    return replace(
        base, machines=base.authorities + random.randint(2, 3), grace_period_ms=5 * MINUTE, lasts_ms=lasts,
        weather=Weather(base.weather.delay_ms), workload=Workload((SECOND, 4 * SECOND), "any", "put", 200),
        steps=steps,
    )  # fmt: skip


def _asked_in_vain(random: Random, base: Scenario) -> Scenario:
    """Somebody asks to replace a witness that is well: no daemon joins in (S2). Whoever asked may not cosign
    its snapshots any more; where there is no quorum without them, the witness renews itself above it (S12).
    """
    base = _of(random, base, (2, 2), (3, 2), (3, 3), (4, 4))
    lasts = 10 * MINUTE
    asks = Step("recover", name_of(base.authorities - 1), at_ms=random.randint(MINUTE, lasts // 2))
    return replace(
        base, recovery="auto", weather=Weather(base.weather.delay_ms), lasts_ms=lasts, steps=(asks,),
        expect=Expect(takeovers=(0, 0), final=True),
    )  # fmt: skip


def _by_stick(random: Random, base: Scenario) -> Scenario:
    """The witness goes on alone while it is replaced, and hears of that from a stick: nobody else has ever
    seen what it listed last (F4)."""
    base = _of(random, base, (3, 2), (4, 3), (5, 3))
    grace, away = 30 * SECOND, random.randint(8 * MINUTE, 12 * MINUTE)
    steps = (
        Step("cut", "first", at_ms=MINUTE, for_ms=(away, away)),
        Step("courier", name_of(1), at_ms=away - MINUTE, options={"to": "first"}),
    )
    return replace(
        base, grace_period_ms=grace, recovery="auto", lasts_ms=away + 2 * MINUTE,
        workload=Workload((5 * SECOND, 30 * SECOND), random.choice(("any", "first")), "put", 200),
        weather=Weather(base.weather.delay_ms), steps=steps,
    )  # fmt: skip


SITUATIONS: tuple[Callable[[Random, Scenario], Scenario], ...] = (
    _relayed,
    _clocks_lost,
    _all_at_once,
    _two_rooms,
    _two_histories,
    _policies,
    _revoked,
    _asleep_by_then,
    _apart,
    _half_deaf,
    _by_stick,
    _spoilt,
    _asked_in_vain,
)
