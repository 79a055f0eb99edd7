"""A policy's chances over the years: no quorum is left (stuck), or one is in wrong hands (captured).

A Markov chain in continuous time over (lost keys, compromised keys). Each authority's key is lost, or copied
by somebody, at a yearly rate, each on its own; a lost one is replaced by a policy change after `replaced_ms`
on average, a compromised one is noticed and replaced after `noticed_ms`. The chain ends where the usable keys
are no quorum any more, for then no policy change can bring new ones in, or where the compromised ones are a
quorum. `chances` gives its exact distribution by uniformization: the chain is watched at the events of a
Poisson process that is faster than any of its states. `sampled` plays the same story with keys and the
product's own `satisfies`, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, exp
from random import Random

from aslp2p.artifacts.types import Named, Policy
from aslp2p.ledger.policy import satisfies, survival
from simulations.names import name_of
from simulations.scenario import DAY

YEAR = 365 * DAY
STUCK, CAPTURED, NEITHER = "stuck", "captured", "neither"
_EVENTS_AT_ONCE = 100.0
"""Poisson events in one slice: its weights stay far from the smallest float."""


@dataclass(frozen=True)
class Life:
    """What happens to authorities, and for how long it is looked at."""

    availability: float = 0.9
    lost_per_year: float = 0.02
    compromised_per_year: float = 0.005
    years: float = 10.0
    replaced_ms: int = 30 * DAY
    noticed_ms: int = 90 * DAY


def policy_of(n: int, t: int, grace_period_ms: int = 30 * DAY) -> Policy:
    """`t` of `n` with made-up keys: whether it may stand is for `policy_problem` to say."""
    witnesses = tuple(Named(name_of(place), (place + 1).to_bytes(32, "big")) for place in range(n))
    return Policy(
        witnesses=witnesses,
        threshold=t,
        rotation_allowed=True,
        grace_period_ms=grace_period_ms,
        participants="invited",
        protocol=1,
    )


def chances(policy: Policy, life: Life, *, captured_at: int | None = None) -> dict[str, float]:
    """The exact chances to be stuck, captured or neither within `life.years`.

    `captured_at` compromised keys end it, by default a quorum of them.
    """
    n, spare = len(policy.witnesses), survival(policy).silent
    takes = policy.threshold if captured_at is None else captured_at
    states = [(lost, bad) for lost in range(spare + 1) for bad in range(takes) if lost + bad <= n]
    place = {state: number for number, state in enumerate(states)}
    ends = {STUCK: len(states), CAPTURED: len(states) + 1}
    moves: list[list[tuple[int, float]]] = []
    for lost, bad in states:
        good = n - lost - bad
        rates = [
            ((lost + 1, bad), good * life.lost_per_year),
            ((lost, bad + 1), good * life.compromised_per_year),
            ((lost - 1, bad), lost * YEAR / life.replaced_ms),
            ((lost, bad - 1), bad * YEAR / life.noticed_ms),
        ]
        row = []
        for target, rate in rates:
            if rate > 0:
                end = STUCK if target[0] > spare else CAPTURED
                row.append((place.get(target, ends[end]), rate))
        moves.append(row)
    found = _after(moves, len(ends), life.years)
    return {STUCK: found[ends[STUCK]], CAPTURED: found[ends[CAPTURED]], NEITHER: sum(found[: len(states)])}


def _after(moves: list[list[tuple[int, float]]], ends: int, years: float) -> list[float]:
    """The distribution after `years` of the chain that begins in state 0; the last `ends` states absorb."""
    now = [0.0] * (len(moves) + ends)
    now[0] = 1.0
    pace = max(sum(rate for _, rate in row) for row in moves)
    if pace == 0:
        return now
    slices = max(1, round(pace * years / _EVENTS_AT_ONCE + 0.5))
    for _ in range(slices):
        now = _slice(moves, now, pace, pace * years / slices)
    return now


def _slice(moves: list[list[tuple[int, float]]], now: list[float], pace: float, events: float) -> list[float]:
    found = [0.0] * len(now)
    weight, seen, number = exp(-events), 0.0, 0
    while seen < 1 - 1e-15 and number < 10 * events + 100:
        for state, mass in enumerate(now):
            found[state] += weight * mass
        seen += weight
        number += 1
        weight *= events / number
        after = list(now)
        for state, row in enumerate(moves):
            for target, rate in row:
                moved = now[state] * rate / pace
                after[state] -= moved
                after[target] += moved
        now = after
    return found


def sampled(policy: Policy, life: Life, random: Random) -> str:
    """One story with the same rates, key by key: `stuck`, `captured` or `neither`."""
    fate = {witness.key: "good" for witness in policy.witnesses}
    years = 0.0
    rates = {
        "good": (("lost", life.lost_per_year), ("bad", life.compromised_per_year)),
        "lost": (("good", YEAR / life.replaced_ms),),
        "bad": (("good", YEAR / life.noticed_ms),),
    }
    while True:
        events = [(key, to, rate) for key, now in fate.items() for to, rate in rates[now] if rate > 0]
        if not events:
            return NEITHER
        years += random.expovariate(sum(rate for _, _, rate in events))
        if years > life.years:
            return NEITHER
        key, to, _ = random.choices(events, [rate for _, _, rate in events])[0]
        fate[key] = to
        if satisfies(policy, {one for one, now in fate.items() if now == "bad"}):
            return CAPTURED
        if not satisfies(policy, {one for one, now in fate.items() if now != "lost"}):
            return STUCK


def at_least(wanted: int, of: int, chance: float) -> float:
    """The chance that at least `wanted` of `of` independent things happen, each with `chance`; exact."""
    return sum(comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(max(0, wanted), of + 1))


def can_sign_now(policy: Policy, life: Life) -> float:
    """The chance that the others are a quorum at a given moment when the witness, one of all, is gone."""
    if not any(replaceable for _, replaceable in survival(policy).replaceable):
        return 0.0
    return at_least(policy.threshold, len(policy.witnesses) - 1, life.availability)
