"""Random scenarios: each seed draws a topology, a policy, a workload and a handful of faults.

A swarm switches most options off in each run, so that what is on gets in each other's way undisturbed
(Groce and others, "Swarm testing"). Some seeds are staged instead (`staged.py`), some go through years
(`lifetimes.py`). What is drawn stays within what P1 says the policy survives, so that safety must always
hold; liveness is asked for where a quorum is left in the calm.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from simulations import lifetimes
from simulations.names import name_of
from simulations.network import Weather
from simulations.scenario import HOUR, MINUTE, SECOND, Expect, Scenario, Step, Workload
from simulations.staged import EVERY, MACHINES_MIN, staged

POLICIES = ((1, 1), (2, 2), (3, 2), (3, 2), (3, 2), (3, 3), (4, 3), (4, 3), (5, 3), (5, 4))
"""(authorities, threshold); the everyday one most often."""
GRACES_MS = (30 * SECOND, 2 * MINUTE, 5 * MINUTE)
PUTS_MAX = 60
"""Proposals in a run, about: what many more would find, more runs find sooner."""
NODES_MAX = 7
CALM = ("jump", "drift", "join", "expel", "invent", "garbage", "foreign", "mute", "rotate", "recover")
"""What leaves the witness heard, whatever clocks say, and though a person asks for another too early."""
DOUBTFUL = ("equivocate", "double", "copy", "restore", "disk-lost")
"""What makes a key sign two histories, or leaves it a journal that does not know what it signed."""
SHORT = (SECOND, 30 * SECOND)
BUSY = ((0, 0), (0, 20), (0, 300))
"""How long inputs wait for company: nothing, a slow disk, a laptop that does something else."""


def draw(seed: int, *, nodes_max: int = NODES_MAX) -> Scenario:
    """The scenario of `seed`; the same for ever, as long as this file does not change."""
    return replace(_draw(seed, nodes_max), busy_ms=Random(f"busy/{seed}").choice(BUSY))


def _draw(seed: int, nodes_max: int) -> Scenario:
    random = Random(f"swarm/{seed}")
    authorities, threshold = random.choice([one for one in POLICIES if one[0] <= nodes_max])
    machines = random.randint(authorities, nodes_max)
    grace = random.choice(GRACES_MS)
    base = Scenario(
        name="swarm",
        about=f"drawn from seed {seed}",
        machines=machines,
        authorities=authorities,
        threshold=threshold,
        grace_period_ms=grace,
        participants=random.choice(("invited", "invited", "authorities")),
        recovery=random.choice(("auto", "auto", "ask")),
        answer_ms=random.choice(((SECOND, MINUTE), (MINUTE, 10 * MINUTE))),
        weather=_weather(random),
        lasts_ms=grace * random.choice((3, 6, 12)),
        heals_ms=HOUR,
        workload=Workload(
            random.choice(((SECOND, 20 * SECOND), (10 * SECOND, MINUTE), (MINUTE, 5 * MINUTE))),
            random.choice(("any", "any", "participants", "first")),
            random.choice(("put", "mix")),
            random.choice((50, 200, 20_000)),
        ),
    )
    steps = _faults(random, base)
    lives = _can_go_on(base, steps)
    # Without a quorum to revoke it, an equivocating witness leaves two heads: F3 asks no more.
    converged = lives or not any(step.do in DOUBTFUL for step in steps)
    takeovers = (0, 0) if _stays(base, steps) else None
    if nodes_max >= MACHINES_MIN and seed % EVERY == 0:
        return staged(random, base, seed // EVERY)
    if nodes_max >= lifetimes.MACHINES_MIN and seed % lifetimes.EVERY == 0:
        return lifetimes.lifetime(random, base)
    return replace(
        base,
        workload=_seldom(base.workload, base.lasts_ms),
        steps=tuple(steps),
        # Where nobody can say that it goes on, daemons may try in vain for as long as they are let.
        heals_ms=HOUR if lives else 15 * MINUTE,
        expect=Expect(
            progress=lives, converged=converged, takeovers=takeovers, final=lives and _settles(base, steps)
        ),
    )


def _seldom(work: Workload | None, lasts_ms: int) -> Workload | None:
    """The same work with longer pauses, where a run would have more than `PUTS_MAX` proposals."""
    if work is None:
        return None
    least, most = work.every_ms
    wanted = 2 * lasts_ms // PUTS_MAX
    if least + most >= wanted:
        return work
    return replace(work, every_ms=(least * wanted // (least + most), most * wanted // (least + most)))


def _weather(random: Random) -> Weather:
    delay = random.choice(((1, 5), (1, 50), (20, 400)))
    if random.random() < 0.6:
        return Weather(delay)
    return Weather(
        delay,
        random.choice((0.0, 0.001, 0.01)),
        random.choice((0.0, 0.05, 0.3)),
        random.choice((0.0, 0.05, 0.3)),
    )


def _faults(random: Random, base: Scenario) -> list[Step]:
    """A few kinds of faults; each kind is in or out for the whole run."""
    grace, lasts = base.grace_period_ms, base.lasts_ms
    often = (lasts // 20 + 1, lasts // 4 + 1)
    short, long = SHORT, (grace // 2 + 1, 3 * grace)
    late = lasts * 9 // 10
    jump = str(random.choice((-1, 1)) * random.randint(1, 10 * grace))

    def again(do: str, on: str, for_ms: tuple[int, int] | None = None, **options: str) -> Step:
        return Step(do, on, every_ms=often, for_ms=for_ms, options=options)

    def once(do: str, on: str, **options: str) -> Step:
        return Step(do, on, at_ms=random.randint(0, lasts), options=options)

    kinds: list[list[Step]] = [
        [again("crash", random.choice(("any", "witness", "any-authority")), random.choice((short, long)))],
        [again("power", random.choice(("any", "witness", "any-authority")), random.choice((short, long)))],
        [again("pause", random.choice(("any", "witness")), random.choice((short, long)))],
        [again("sleep", random.choice(("any", "witness", "half")), long)],
        [again("cut", random.choice(("witness", "half", "minority", "any")), long)],
        [again("cut", random.choice(("witness", "any")), long, way=random.choice(("in", "out")))],
        [again("clog", random.choice(("witness", "any", "half")), random.choice((short, long)))],
        [again("rain", "any", long, loss="0.05", duplicate="0.2", reorder="0.2")],
        [again("jump", random.choice(("any", "half", "all")), long, by=jump)],
        [again("drift", "any", long, ppm=str(random.randint(-50_000, 50_000)))],
        [again("disk-full", "any", random.choice((short, long)))],
        [again("disk-error", "any", random.choice((short, long)))],
        [once("rotate", "witness")],
        [again("rotate", "witness")],
        [once("recover", "any-authority")],
        [once("policy", "witness", **_policy(random, base))],
        [once("join", "witness", count="2")],
        [once("expel", "any-participant")],
        [once("invent", "any-participant")],
        [once("garbage", "any-participant"), once("foreign", "any-participant")],
        [again("forge", "any-participant")],
        [again("forge", "any-authority")],
        [again("forge", "witness")],
        # Whoever joins late takes the whole history in ranges, some of them spoilt.
        [
            Step("tamper", "participants", at_ms=0),
            Step("join", "witness", at_ms=late, options={"count": "1"}),
        ],
    ]
    kinds.append([Step("policy", "witness", every_ms=often, options=_policy(random, base))])
    if base.machines > base.authorities:
        kinds.append([again("mute", "any-participant", long)])
    if base.authorities - 1 >= base.threshold:
        kinds += [[once("quit", "witness")], [once("quit", "any-other")]]
        # Again and again: people may be too late for a base that a busy Common has left behind (S3).
        someone = random.choice((name_of(1), name_of(1), name_of(base.machines - 1)))
        kinds += [[again("revoke", someone)]]
    if base.survives_lying() >= 1:
        kinds += [[once("equivocate", "witness"), once("revoke", "witness")]]
        kinds += [[once("double", "any-authority")], [once("copy", "any-authority")]]
        second = name_of(1)
        kinds += [[Step("double", second, at_ms=0), again("revoke", second), once("quit", "witness")]]
        kinds += [
            [once("backup", "first"), Step("restore", "first", at_ms=lasts - 1)],
            [once("disk-lost", "first")],
        ]
    if random.random() < 0.2:  # nothing that keeps the witness from being heard: nobody may take its place
        kinds = [kind for kind in kinds if all(step.do in CALM for step in kind)]
    chosen = random.sample(kinds, random.randint(1, 5))
    return _survived(base, [step for kind in chosen for step in kind])


def _survived(base: Scenario, steps: list[Step]) -> list[Step]:
    """Without the keys that sign two histories, or may, beyond those that every policy survives (P1)."""
    wanted = [step.options for step in steps if step.do == "policy"]
    policies = [(int(one["authorities"]), int(one["threshold"])) for one in wanted]
    every = [base] + [replace(base, authorities=n, threshold=t) for n, t in policies]
    liars = min(one.survives_lying() for one in every)
    suspect = [number for number, step in enumerate(steps) if step.do in DOUBTFUL]
    gone = {*suspect[max(0, liars) :]}
    return [step for number, step in enumerate(steps) if number not in gone]


def _policy(random: Random, base: Scenario) -> dict[str, str]:
    authorities = random.randint(1, min(base.machines, 5))
    return {
        "authorities": str(authorities),
        "threshold": str(random.randint(authorities // 2 + 1, authorities)),
        "keeps": str(random.randint(1, base.authorities)),
    }


def _stays(base: Scenario, steps: list[Step]) -> bool:
    """Whether the witness is heard all along, so that nobody may take its place (S2)."""
    if base.weather.loss:
        return False
    calm = {*CALM}
    done = {step.do for step in steps}
    if base.threshold < 2:
        calm.discard("recover")
    if base.grace_period_ms >= 5 * MINUTE and all(
        step.for_ms == SHORT for step in steps if step.do in ("crash", "pause")
    ):
        calm |= {"crash", "pause"}
    return done <= calm


def _settles(base: Scenario, steps: list[Step]) -> bool:
    """Whether finality is sure to go on in the calm: nothing that waits for people is open, whoever asked
    for a recovery holds up no quorum (S12), and no liar has a say in a new policy."""
    done = {step.do for step in steps}
    asked = int("recover" in done)
    liars = {"forge", "tamper", "invent", "garbage", "foreign", "mute", "recover", "expel"}
    if base.recovery != "auto" or done & {"rotate", "revoke"} or ("policy" in done and done & liars):
        return False
    return base.authorities - _harmed(steps) - asked >= base.threshold


def _harmed(steps: list[Step]) -> int:
    return sum(step.do == "quit" or step.do in DOUBTFUL for step in steps)


def _can_go_on(base: Scenario, steps: list[Step]) -> bool:
    """Whether a quorum of healthy authorities is sure to be left in the calm: then liveness may be asked."""
    harmed = _harmed(steps)
    if any(step.do == "forge" and step.on != "any-participant" for step in steps):
        return False  # each time it may be another one, and whoever forges is shut out for long
    revoked = sum(step.do == "revoke" for step in steps)
    changed = any(step.do == "policy" for step in steps)
    if revoked and (changed or base.authorities - revoked < base.threshold):
        return False
    shaken = changed or revoked
    return base.authorities - harmed >= base.threshold and not (harmed and shaken)
