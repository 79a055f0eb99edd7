"""How long until there is a new witness, by simulation: authorities come and go, and count the silence.

The first authority is the witness and disappears for good at time 0. Each other one is there with the
chance of `availability`, and away for `away_ms` on average when it is away. What it makes of the silence is
the product's own code (`recovery.Silence`, `turn_of`, `proposes_after_ms`), and so is what a quorum is; only
who is linked when is made up here: whoever is there is linked with everybody else who is there. Nothing of
the gossip is played, so that thirty days of grace period cost a millisecond; a test holds the result against
`NodeCore`s that play it in full.

With people (`answer_ms`): one proposal collects endorsements until it has its quorum, each person answers
after a while of that mean, counted from when their machine first has the proposal. Without (`auto`): there is
a new witness as soon as a quorum of those who found the witness silent is there at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from aslp2p.artifacts.types import Policy
from aslp2p.ledger.policy import satisfies
from aslp2p.recovery import Silence, proposes_after_ms, turn_of
from simulations.scenario import DAY, HOUR

GRACES_MAX = 100
"""After so many grace periods a trial is given up: there is no new witness."""


@dataclass(frozen=True)
class Habits:
    """How authorities are there: times are means of exponential distributions."""

    availability: float = 0.9
    away_ms: int = 8 * HOUR
    answer_ms: int | None = DAY
    """None: the daemons endorse by themselves (`recovery.mode: auto`)."""


@dataclass
class _Authority:
    key: bytes
    after_ms: int
    """The silence after which it proposes."""
    here: bool = True
    turns_ms: float = 0.0
    """When it next comes or goes."""
    silence: Silence = field(default_factory=lambda: Silence(None))
    answers_ms: float | None = None
    """When its person endorses; None before the proposal is known here."""
    knows: set[bytes] = field(default_factory=set)
    """The keys whose endorsements are here."""


class _Trial:
    def __init__(self, policy: Policy, habits: Habits, random: Random) -> None:
        self.policy, self.habits, self.random = policy, habits, random
        self.grace = policy.grace_period_ms
        self.now = 0.0
        self.proposer: _Authority | None = None
        self.others = [self._authority(witness.key) for witness in policy.witnesses[1:]]
        self._look()

    def _authority(self, key: bytes) -> _Authority:
        turn = turn_of((self.policy,), self.policy.witnesses[0].key, key, frozenset())
        assert turn is not None
        one = _Authority(key, proposes_after_ms(self.grace, turn, self.random.random()))
        one.here = self.random.random() < self.habits.availability
        one.turns_ms = self._stays(one)
        return one

    def _stays(self, one: _Authority) -> float:
        available = self.habits.availability
        if available >= 1:
            return float("inf")
        away = self.habits.away_ms
        mean = away * available / (1 - available) if one.here else away
        return self.now + self.random.expovariate(1 / mean) if mean else self.now

    def run(self) -> int | None:
        """When there is a new witness, in ms after the end of the old one; None if there never is."""
        if not self.habits.availability or not satisfies(self.policy, {one.key for one in self.others}):
            return None
        while self.now < GRACES_MAX * self.grace:
            if self._act():
                return round(self.now)
            self.now = self._next()
            for one in self.others:
                if one.turns_ms <= self.now:
                    one.here = not one.here
                    one.turns_ms = self._stays(one)
            self._look()
        return None

    def _here(self) -> list[_Authority]:
        return [one for one in self.others if one.here]

    def _look(self) -> None:
        """Count silence up to now (S2), by who is linked from now on."""
        linked = len(self._here()) > 1
        for one in self.others:
            one.silence.pass_time(round(self.now), round(self.now), self.grace, one.here and linked)

    def _silent(self, one: _Authority) -> int:
        return one.silence.silent_ms(round(self.now))

    def _act(self) -> bool:
        """Do what is due; whether there is a new witness now."""
        here = self._here()
        if self.proposer is None:
            ready = [one for one in here if one.silence.watching and self._silent(one) >= one.after_ms]
            if not ready:
                return False
            self.proposer = ready[0]
        if self.habits.answer_ms is None:
            silent = {one.key for one in here if one.silence.watching and self._silent(one) >= self.grace}
            return satisfies(self.policy, silent)
        if self.proposer.here or any(one.answers_ms is not None for one in here):
            for one in here:
                if one.answers_ms is None:
                    one.answers_ms = self.now + self.random.expovariate(1 / self.habits.answer_ms)
        known: set[bytes] = set()
        for one in here:
            if one.answers_ms is not None and one.answers_ms <= self.now:
                one.knows.add(one.key)
            known |= one.knows
        for one in here:
            one.knows = set(known)
        return self.proposer.here and satisfies(self.policy, self.proposer.knows)

    def _next(self) -> float:
        times = [one.turns_ms for one in self.others]
        for one in self._here():
            if one.silence.watching:
                silent = self._silent(one)
                marks = (self.grace, one.after_ms)
                times += [self.now + mark - silent for mark in marks if mark > silent]
            if one.answers_ms is not None and one.answers_ms > self.now:
                times.append(one.answers_ms)
        return max(min(times), self.now + 1)


def without_witness_ms(policy: Policy, habits: Habits, random: Random) -> int | None:
    """One trial: how long the Common is without a witness; None if for `GRACES_MAX` grace periods or ever."""
    return _Trial(policy, habits, random).run()


def trials(policy: Policy, habits: Habits, count: int, seed: int) -> list[float]:
    """`count` trials, sorted; infinite where there never was a new witness."""
    random = Random(f"{seed}/{policy.threshold}/{len(policy.witnesses)}")
    found = [without_witness_ms(policy, habits, random) for _ in range(count)]
    return sorted(float("inf") if one is None else float(one) for one in found)
