"""A Common that outlives its quorums: policies follow each other, and the keys that retire lie together.

Each year people appoint another quorum, which hands the office over to one of its own; some of the others
are away and hear of it late. Then every key that has ever retired signs, below the change and with all the
others, what a key can: takeovers on old bases, with and without giving up what came since, in near and far
epochs, histories upon them, and cosignatures of all that. Honest machines hear it in any order.

What has to hold: whoever knew that a change is final is on a history that has it, does not halt, blames
nobody, and can go on; a joiner that was given the floor moves to no other; and one that holds the honest
history and learns only last that it is final is not led away before (S9).
"""

from __future__ import annotations

from random import Random

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Cosignature, Proposal, Recovery
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Rotate
from aslp2p.ledger.floor import Floor, give_floor
from aslp2p.ledger.gate import Tip
from tests.model.calm import quorum_is_up, rounds_max, settle_down
from tests.model.checks import Violation, places_of, require_own_promises
from tests.model.liar import FAR, Liar
from tests.model.network import WALL_MS, Machine, Network, key, policy_of

NAMES = "abcdefghi"
JOINER = "z"
YEARS = 3


class Years:
    """One Common; `run` raises `Violation` where a promise was broken."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random = Random(f"years {seed}")
        first = ["a"] if random.random() < 0.4 else ["a", "b", "c"]
        policy = policy_of(first, len(first) // 2 + 1)
        self.network = Network(random, policy, witness="a", honest=list(NAMES), liars=())
        self.retired: list[Liar] = []
        self.changes: list[bytes] = []
        """The snapshots that carry the changes which everybody was to know."""
        self.tip = self.network.genesis.id
        """The newest snapshot of the honest history."""
        self.lies: set[int] = set()
        """Where on the heap lies what keys have signed since they retired."""
        self.attacks = 0

    def run(self) -> int:
        """How many attacks were played."""
        for _ in range(YEARS):
            self._live()
            away = self._change()
            self._retire()
            self._attack(away)
            self._require_unmoved()
        self._joiners()
        if quorum_is_up(self.network) and (rounds := settle_down(self.network)) is None:
            raise Violation(f"not on one head after {rounds_max(self.network)} calm rounds: {rounds}")
        self._require_unmoved()
        require_own_promises(self.network, places_of(self.network))
        return self.attacks

    # --- what people do ---------------------------------------------------------------------------

    def _witness(self) -> Machine:
        """Whom the honest history appoints."""
        appointed = self.network.tip(self.tip).standing.next_witness
        return next(machine for machine in self.network.machines.values() if machine.signer.key == appointed)

    def _tell(self, machines: list[Machine]) -> None:
        """These hear everything that honest people said, and cosign."""
        for _ in range(2):
            for machine in machines:
                machine.see([one for one in machine.left() if one not in self.lies])
                machine.tick()
                self.tip = max(self.tip, machine.head.id, key=self._height)

    def _height(self, id_: bytes) -> int:
        return self.network.tip(id_).height

    def _live(self) -> None:
        witness = self._witness()
        self._tell([witness])
        for _ in range(self.random.randint(1, 3)):
            witness.step(Propose(self.network.next_put()))
            witness.tick()
        self._tell(list(self.network.machines.values()))

    def _change(self) -> list[Machine]:
        """Another quorum of three, of whom at most one was in the old one, is appointed, settled, and takes
        the office; who was away, and hears nothing of it yet."""
        machines = self.network.machines
        old = {one.key for one in self.network.tip(self.tip).standing.policies[-1].witnesses}
        fresh = [name for name in machines if key(name) not in old]
        kept = [name for name in machines if key(name) in old]
        few = len(fresh) < 3 * (YEARS - len(self.changes))
        stays = len(kept) > 1 and (few or self.random.random() < 0.5)
        names = [*(kept[:1] if stays else ()), *fresh][:3]
        counted = [
            machine for machine in machines.values() if machine.signer.key in old or machine.name in names
        ]
        away = [one for one in machines.values() if one not in counted and self.random.random() < 0.5]
        present = [one for one in machines.values() if one not in away]
        self._agree(present, self._ask(machines[names[0]], ChangePolicy(policy_of(names, 2))), counted)
        self._tell(present)
        if self.network.tip(self.tip).standing.joint:
            raise Violation("P4: a change that everybody cosigned was not settled")
        at = next(one for one in reversed(self.network.snapshots) if one.statement.certificate is not None)
        self.changes.append(at.id)
        if self._witness().name not in names:
            self._agree(present, self._ask(self._witness(), Rotate(key(names[-1]), "")), counted)
        witness = self._witness()
        witness.step(Propose(self.network.next_put()))
        witness.tick()
        self._tell(present)
        return away

    @staticmethod
    def _ask(machine: Machine, command: ChangePolicy | Rotate) -> bytes:
        proposal = machine.step(command)
        if not isinstance(proposal, bytes):
            raise Violation(f"{machine.name} could not ask: {machine.refused[-1].message}")
        return proposal

    def _agree(self, present: list[Machine], proposal: bytes, counted: list[Machine]) -> None:
        self._tell(present)
        for machine in counted:
            machine.step(Endorse(proposal))
        self._tell(present)

    def _retire(self) -> None:
        """Whoever was an authority, and is none any more, has sold its key."""
        now = {one.key for one in self.network.tip(self.tip).standing.policies[-1].witnesses}
        before = self.network.tip(self.changes[-1]).standing.policies[0]
        for one in before.witnesses:
            if one.key not in now:
                name = next(name for name in NAMES if key(name) == one.key)
                self.network.machines.pop(name)
                self.network.liars = (*self.network.liars, name)
                self.retired.append(Liar(self.network, name))

    # --- what retired keys do ---------------------------------------------------------------------

    def _attack(self, away: list[Machine]) -> None:
        known = [machine for machine in self.network.machines.values() if machine not in away]
        for _ in range(self.random.randint(2, 4)):
            since = len(self.network.heap)
            self._lie()
            self.lies.update(range(since, len(self.network.heap)))
            self.attacks += 1
            late = self._who_learns_late() if self.random.random() < 0.5 else None
            for machine in self.random.sample(known, len(known)):
                news = [one for one in range(since, len(self.network.heap)) if one in machine.left()]
                self.random.shuffle(news)
                machine.take(news)
                machine.tick()
            if late is not None:
                self._require_late_proof(late)
        self._tell(away)

    def _below(self) -> list[Tip]:
        """The snapshots below the newest change, where the retired were somebody."""
        heap, line = self.network.heap, self.network.line(self.changes[-1])[:-1]
        ids = [self.network.genesis.id, *(heap[one].signed.id for one in line)]
        return [self.network.tip(id_) for id_ in ids]

    def _lie(self) -> None:
        """All who have retired sign what is best for them on one old snapshot, and what stands upon it."""
        liar = self.random.choice(self.retired)
        bases = [tip for tip in self._below() if liar.signer.key in tip.standing.authorities()]
        if not bases:
            return
        base = self.random.choice(bases[-4:])
        if base.standing.next_witness == liar.signer.key and self.random.random() < 0.4:
            liar.go_on_from(base, self.random.randint(1, 4))
        else:
            self._take_over(liar, base)
        top = self.network.snapshots[-1].id
        if self.random.random() < 0.7:
            for one in self.retired:
                one.cosign(top)

    def _take_over(self, liar: Liar, base: Tip) -> None:
        ways: list[tuple[bytes, ...]] = [(), (self.changes[-1],), tuple(sorted({self.changes[-1], self.tip}))]
        epoch = base.standing.next_epoch + (FAR if self.random.random() < 0.2 else self.random.randint(1, 9))
        action = Recovery(epoch, base.height, base.id, liar.signer.key, "", self.random.choice(ways))
        proposal = self._said(liar, action)
        for one in self.retired:
            one.endorse_this(proposal)
        if liar.use_paper():
            liar.go_on_from(self.network.tip(self.network.snapshots[-1].id), self.random.randint(0, 3))

    def _said(self, liar: Liar, action: Recovery) -> Verified[Proposal]:
        statement = Proposal(self.network.genesis.id, WALL_MS, self.random.randbytes(8), action)
        proposal = sign_statement(statement, liar.signer)
        self.network.lie(liar.name, proposal)
        return proposal

    # --- what has to hold -------------------------------------------------------------------------

    def _require_unmoved(self) -> None:
        """F5: whoever knew the newest change to be final is where it is, and has not stopped."""
        for machine in self.network.machines.values():
            self._require_on(machine, self.changes[-1], machine.name)
        if self.network.refusals:
            who, item, why = self.network.refusals[0]
            if item.by in self.network.machines:
                raise Violation(f"G5: {who} blames {item.by}, who is honest: {why}")

    def _require_on(self, machine: Machine, change: bytes, who: str) -> None:
        line = {self.network.heap[one].signed.id for one in self.network.line(machine.head.id)}
        if change not in line:
            raise Violation(f"F5: {who} has left a policy change that it knew to be final")
        if machine.ledger.conflict() is not None:
            raise Violation(f"F5: {who} has halted for keys that have retired")
        if machine.ledger.floor.id != change:
            raise Violation(f"F5: the floor of {who} is not the newest change")

    def _joiner(self, floor: Floor | None = None) -> Machine:
        """Somebody without a key that counts, who has the genesis and maybe was given a floor."""
        machine = Machine(self.network, JOINER)
        if floor is not None:
            machine.store.apply([give_floor(floor)])
            machine.store.commit()
            machine.start()
        return machine

    def _who_learns_late(self) -> Machine:
        """Somebody who holds the history up to the newest change, and no proof that it is final."""
        machine = self._joiner()
        machine.take(self.network.line(self.changes[-1]))
        return machine

    def _require_late_proof(self, machine: Machine) -> None:
        """S9: what retired keys give up hides no finality that is proved afterwards. (What they cosigned is
        left out: whoever comes so late and hears that first cannot know better.)"""
        heap = self.network.heap
        machine.take(
            [one for one in sorted(self.lies) if not isinstance(heap[one].signed.statement, Cosignature)]
        )
        for _ in range(2):
            machine.take([one for one in machine.left() if one not in self.lies])
        self._require_on(machine, self.changes[-1], "who learned it late")

    def _joiners(self) -> None:
        """Section 11: with a floor given whatever comes first moves nobody."""
        place = self.network.tip(self.changes[-1])
        machine = self._joiner(Floor(place.height, place.id))
        machine.take(sorted(self.lies))
        if machine.head.id not in (self.network.genesis.id, *self.changes):
            raise Violation("section 11: a joiner has adopted what it was not to follow")
        machine.take(machine.left())
        machine.take(machine.left())
        self._require_on(machine, self.changes[-1], "a joiner with a floor given")
