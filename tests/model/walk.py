"""A guided random walk: what happens next is drawn, but what leads somewhere is drawn more often.

A *leaning* says what a walk tends to: the weight of each kind of event, and how often the walk takes the next
step towards its goal instead (a policy change that settles, then a takeover). Everything follows from the
seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from msgspec import Struct

from aslp2p.artifacts.types import Policy, PolicyChange, Recovery, Revocation, Snapshot
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Recover, Revoke, Rotate
from tests.model.calm import quorum_is_up, rounds_max, settle_down
from tests.model.checks import Place, Violation, keys_of, require_sound
from tests.model.liar import Liar
from tests.model.motifs import Motifs
from tests.model.network import KEYS, Machine, Network, key, policy_of

Weights = dict[str, int]


class Size(Struct, frozen=True):
    """n authorities, threshold t, and how many of them may lie: by P1 at most 2t - n - 1."""

    n: int
    t: int
    liars: int = 0


class Leaning(Struct, frozen=True):
    weights: Weights
    goal: float = 0.0
    """How often a step is the next one towards a settled policy change and a takeover."""
    steps: int = 70
    sizes: Sequence[Size] = (Size(3, 2), Size(4, 3, 1), Size(5, 3))
    lying_witness: float = 0.5
    """How often the first witness is a liar: an authority where P1 allows one, else none of them."""
    outsiders: int = 3
    """Members that are no authorities, and may become some."""
    shared: int | None = None
    """How many authorities a new policy keeps; None: any number."""


EVENTS: Weights = {
    "put": 14, "tick": 14, "take": 22, "take all": 6, "take paper": 8, "recover": 6, "rotate": 4, "policy": 2,
    "endorse": 24, "restart": 2, "power fails": 3, "revoke": 1, "lie: emit": 12, "lie: endorse": 6,
    "lie: cosign": 6, "lie: propose": 3, "lie: paper": 8,
}  # fmt: skip


class Outcome(Struct):
    """What a walk came to."""

    seed: int
    settled: bool = False
    taken_over_after: bool = False
    takeovers: int = 0
    rotations: int = 0
    final: int = 0
    snapshots: int = 0
    equivocations: int = 0
    rounds: int = 0
    """Until all were on one head, once it was calm; 0 where no quorum was up."""


class Walk:
    """One walk; `run` raises `Violation` where a promise was broken."""

    def __init__(self, seed: int, leaning: Leaning) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.leaning = leaning
        size = random.choice(leaning.sizes)
        authorities = list("abcdefg"[: size.n])
        outsiders = list("abcdefg"[size.n : size.n + leaning.outsiders])
        liars: list[str] = []
        lies = random.random() < leaning.lying_witness
        if lies:
            liars = authorities[: size.liars] or ["z"]
            random.shuffle(authorities)
        honest = [name for name in authorities + outsiders if name not in liars]
        witness = liars[0] if lies else random.choice(authorities)
        policy = policy_of(authorities, size.t)
        self.network = Network(random, policy, witness=witness, honest=honest, liars=liars)
        self.liars = [Liar(self.network, name) for name in liars]
        self.motifs = Motifs(self.network, self.liars, random)
        self.events: dict[str, Callable[[], object]] = {
            "put": self._put,
            "tick": lambda: self._someone().tick(),
            "take": self._take,
            "take all": lambda: self._take_all(self._taker()),
            "take paper": self._take_paper,
            "recover": self._recover,
            "rotate": self._rotate,
            "policy": self._policy,
            "endorse": self._endorse_something,
            "restart": lambda: self._someone().restart(),
            "power fails": self._power_fails,
            "revoke": self._revoke,
            "advance": self.motifs.advance,
            "fork": self.motifs.fork,
            "hear": self.motifs.hear,
            "learn": self.motifs.learn,
            "take over": self._take_over,
            "hand over": self._hand_over,
            "change": self._change,
            "settle": self.motifs.settle,
        }
        for liar in self.liars:
            self.events |= {
                "tear": self.motifs.tear,
                "lie: emit": liar.equivocate,
                "lie: endorse": liar.endorse,
                "lie: cosign": self._lie_cosigning,
                "lie: propose": liar.propose,
                "lie: paper": liar.use_paper,
            }
        self._keenness = [random.choice((1, 10, 10)) for _ in self.network.machines]
        self._names = [name for name in leaning.weights if name in self.events]
        self._weights = [leaning.weights[name] for name in self._names]

    def run(self) -> Outcome:
        """Walk, let it become calm where a quorum is up, and judge all of it; raises `Violation`."""
        self.walk()
        outcome = self._outcome(require_sound(self.network))
        if quorum_is_up(self.network):
            rounds = settle_down(self.network)
            if rounds is None:
                raise Violation(f"not on one head after {rounds_max(self.network)} calm rounds")
            outcome.rounds = rounds
            require_sound(self.network)
        return outcome

    def walk(self) -> None:
        for _ in range(self.leaning.steps):
            if self.random.random() < self.leaning.goal:
                self._towards_goal()
            else:
                self.events[self.random.choices(self._names, self._weights)[0]]()

    # --- events -----------------------------------------------------------------------------------

    def _someone(self) -> Machine:
        return self.random.choice(list(self.network.machines.values()))

    def _put(self) -> None:
        witnesses = [machine for machine in self.network.machines.values() if machine.is_witness]
        if witnesses:
            machine = self.random.choice(witnesses)
            machine.step(Propose(self.network.next_put()))
            machine.tick()

    def _taker(self) -> Machine:
        """Somebody who looks at the heap; who does so often, and who hardly ever, differs by the walk."""
        return self.random.choices(list(self.network.machines.values()), self._keenness)[0]

    def _take(self) -> None:
        """Some of what lies there, mostly in order."""
        machine = self._taker()
        left = machine.left()
        few = sorted(self.random.sample(left, min(len(left), self.random.randint(1, 8))))
        if self.random.random() < 0.2:
            self.random.shuffle(few)
        machine.take(few)

    def _take_all(self, machine: Machine) -> None:
        machine.take(machine.left())

    def _take_paper(self) -> None:
        """All but snapshots: what has to be signed by many reaches people who know little of the rest."""
        machine = self._taker()
        heap = self.network.heap
        machine.take([one for one in machine.left() if not isinstance(heap[one].signed.statement, Snapshot)])

    def _anybody(self) -> bytes:
        return key(self.random.choice([*self.network.machines, *self.network.liars]))

    def _authority(self) -> Machine:
        """Somebody whose signature counts, where he stands, if there is anybody."""
        counting = [one for one in self.network.machines.values() if one.core.live()["is_authority"]]
        return self.random.choice(counting or list(self.network.machines.values()))

    def _recover(self) -> None:
        self._authority().step(Recover("", self._anybody() if self.random.random() < 0.2 else None))

    def _rotate(self) -> None:
        for machine in self.network.machines.values():
            if machine.is_witness:
                machine.step(Rotate(self._anybody(), ""))

    def new_policy(self, old: Policy) -> Policy:
        """n' authorities with a threshold that P1 takes, and no more liars than it allows."""
        names = [name for name in KEYS if name in self.network.machines or name in self.network.liars]
        while True:
            size = self.random.choice(self.leaning.sizes)
            kept = [name for name in names if key(name) in keys_of(old)]
            fresh = [name for name in names if key(name) not in keys_of(old)]
            share = self.leaning.shared
            share = self.random.randint(1, size.n) if share is None else share
            chosen = self.random.sample(kept, min(share, len(kept)))
            chosen += self.random.sample(fresh, min(len(fresh), size.n - len(chosen)))
            t = len(chosen) // 2 + 1 if len(chosen) < size.n else size.t
            lying = sum(name in self.network.liars for name in chosen)
            if lying <= max(0, 2 * t - len(chosen) - 1):
                return policy_of(chosen, t)

    def _policy(self) -> None:
        machine = self._someone()
        machine.step(ChangePolicy(self.new_policy(machine.head.standing.policies[-1])))

    def _take_over(self) -> None:
        proposers = {machine.name: machine for machine in (self._authority(), self._authority())}
        to = self._anybody() if self.random.random() < 0.2 else None
        self.motifs.take_over(list(proposers.values())[: self.random.randint(1, 2)], to)

    def _hand_over(self) -> None:
        to = [self._someone().signer.key if self.random.random() < 0.8 else self._anybody()]
        if self.random.random() < 0.4:
            to[:0] = [key(name) for name in self.network.liars][:1]
        self.motifs.hand_over(to)

    def _change(self) -> None:
        machine = self._someone()
        self.motifs.change_policy(machine, self.new_policy(machine.head.standing.policies[-1]))

    def _endorse_something(self) -> None:
        machine = self._authority() if self.random.random() < 0.8 else self._someone()
        special = list(machine.core._pending.special)
        if special:
            machine.step(Endorse(self.random.choice(special[-6:])))

    def _revoke(self) -> None:
        for liar in self.network.liars:
            self._someone().step(Revoke(key(liar), ""))

    def _lie_cosigning(self) -> None:
        """All liars cosign one snapshot, the newer the likelier."""
        if self.network.snapshots:
            snapshot = self.random.choice(self.network.snapshots[-self.random.randint(1, 12) :])
            for liar in self.liars:
                liar.cosign(snapshot.id)

    def _power_fails(self) -> None:
        machine = self._someone()
        what = self.random.choice(("tick", "endorse", "take"))
        special = list(machine.core._pending.special)
        if what == "endorse" and special:
            machine.step(Endorse(self.random.choice(special)), power_fails=True)
        elif what == "take" and machine.left():
            machine.take([self.random.choice(machine.left())], power_fails=True)
        else:
            machine.tick(power_fails=True)

    # --- towards a policy change that settles, and a takeover --------------------------------------

    def _towards_goal(self) -> None:
        """Some of the machines look at what there is and do what is needed next, each for itself."""
        machines = [machine for machine in self.network.machines.values() if self.random.random() < 0.7]
        self.random.shuffle(machines)
        for machine in machines:
            self._take_all(machine)
            standing = machine.head.standing
            settled = not standing.joint and standing.policies[0] != self.network.genesis.statement.policy
            kinds = Recovery | Revocation if settled else PolicyChange
            wanted = [one for one, action in machine.core._certificates.open() if isinstance(action, kinds)]
            if wanted:
                machine.step(Endorse(wanted[0].id))
            elif settled and self.random.random() < 0.3:
                machine.step(Recover(""))
            elif not standing.joint and not settled and self.random.random() < 0.5:
                machine.step(ChangePolicy(self.new_policy(standing.policies[-1])))
            machine.tick()
        for liar in self.liars:
            liar.use_paper()

    # --- what came of it --------------------------------------------------------------------------

    def _outcome(self, places: dict[bytes, Place]) -> Outcome:
        network = self.network
        outcome = Outcome(self.seed, snapshots=len(network.snapshots))
        for place in places.values():
            line = [places[id_] for id_ in place.line]
            settled = [one.height for one in line if one.settles]
            outcome.settled |= bool(settled)
            takeovers = [one.height for one in line if one.takeover]
            outcome.taken_over_after |= bool(settled and takeovers) and max(takeovers) > min(settled)
            outcome.takeovers += place.takeover
            outcome.rotations += place.appoints[0] != place.epoch
        outcome.final = max(machine.ledger.final_height() for machine in network.machines.values())
        outcome.equivocations = len(network.oracle.evidence)
        return outcome
