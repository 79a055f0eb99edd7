"""What people do together, each in several steps, any of which some of them miss.

A motif is drawn as one event of a walk. Whoever takes part sees one line and the paper at hand, and nothing
that others have said meanwhile: that is how people come to know little of each other, and how a missing rule
comes to harm within few walks.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from aslp2p.artifacts.types import Policy, Recovery, Rotation
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Recover, Rotate
from tests.model.liar import Liar
from tests.model.network import Machine, Network


class Motifs:
    """Plays them in `network`."""

    def __init__(self, network: Network, liars: list[Liar], random: Random) -> None:
        self._network = network
        self._liars = liars
        self._random = random
        self._forked: bytes | None = None
        """Where a lying witness last began two histories."""

    # --- who, and what they see --------------------------------------------------------------------

    def _some(self, often: float = 0.55) -> list[Machine]:
        """Some of the people, in any order."""
        found = [machine for machine in self._network.machines.values() if self._random.random() < often]
        self._random.shuffle(found)
        return found

    def _shown(self, machine: Machine, snapshot: bytes) -> None:
        """The machine sees the line of a snapshot, and may cosign it."""
        machine.see(self._network.line(snapshot))
        machine.tick()

    def _newest(self, since: int) -> bytes | None:
        """One of the snapshots that came since there were so many, mostly the last."""
        fresh = self._network.snapshots[since:]
        if not fresh:
            return None
        return fresh[-1].id if self._random.random() < 0.8 else self._random.choice(fresh).id

    def _show_news(self, since: int) -> None:
        newest = self._newest(since)
        if newest is not None:
            for machine in self._some():
                self._shown(machine, newest)

    def _sign(self, proposals: Iterable[bytes]) -> None:
        """Some people endorse these, one after the other; most see what they stand on as well."""
        ids = list(proposals)
        for machine in self._some(0.7):
            for id_ in ids:
                action = self._network.proposals[id_].statement.action
                if isinstance(action, Rotation | Recovery) and self._random.random() < 0.7:
                    machine.see(self._network.line(action.base_id))
                machine.see(self._network.about(id_))
                machine.step(Endorse(id_))

    def _collect(self, proposals: Iterable[bytes]) -> None:
        """Whoever may need it gets all paper there is about these, and emits if that is enough."""
        for id_ in proposals:
            for machine in self._network.machines.values():
                if self._random.random() < 0.8:
                    machine.see(self._network.about(id_))
                    machine.tick()

    # --- motifs -----------------------------------------------------------------------------------

    def advance(self) -> None:
        """One or two more snapshots, of which some people hear."""
        since = len(self._network.snapshots)
        witnesses = [machine for machine in self._network.machines.values() if machine.is_witness]
        for _ in range(self._random.randint(1, 2)):
            if witnesses and (not self._liars or self._random.random() < 0.5):
                machine = self._random.choice(witnesses)
                machine.step(Propose(self._network.next_put()))
                machine.tick()
            else:
                for liar in self._liars:
                    liar.equivocate()
        self._show_news(since)

    def fork(self) -> None:
        """A lying witness shows one half of the people one history, and the others another."""
        parents = [parent for liar in self._liars for parent in liar.appointing()]
        if not parents:
            return
        parent = self._random.choice(parents[:4])
        self._forked = parent.id
        left = self._some()
        right = [one for one in self._network.machines.values() if one not in left]
        for side in (left, right):
            since = len(self._network.snapshots)
            for liar in self._liars:
                liar.go_on_from(parent, self._random.randint(1, 3))
            newest = self._newest(since)
            if newest is not None:
                for machine in side:
                    self._shown(machine, newest)

    def tear(self) -> None:
        """The office is handed over on two histories, of which the new witness is shown one first; enough
        liars make the other final."""
        liar = self._random.choice(self._liars)
        bases = list(liar.appointing())[:4]
        to = self._random.choice(list(self._network.machines.values()))
        if not bases:
            return
        base = self._random.choice(bases)
        rotation = liar.rotate(base, base.standing.next_epoch + 1, to.signer.key)
        for other in self._liars:
            other.endorse_this(rotation)
        to.see([*self._network.line(base.id), *self._network.about(rotation.id)])
        to.step(Endorse(rotation.id))
        since = len(self._network.snapshots)
        liar.hand_over(base, self._random.randint(0, 1), rotation)
        if (newest := self._newest(since)) is not None:
            self._shown(to, newest)
            to.step(Propose(self._network.next_put()))
            to.tick()
        since = len(self._network.snapshots)
        liar.hand_over(base, self._random.randint(0, 3), rotation)
        if (newest := self._newest(since)) is not None:
            for other in self._liars:
                other.cosign(newest)
        self.learn()

    def learn(self) -> None:
        """Whoever takes himself for the witness learns everything, and goes on from there."""
        for machine in self._network.machines.values():
            if machine.is_witness and self._random.random() < 0.7:
                machine.take(machine.left())
                machine.step(Propose(self._network.next_put()))
                machine.tick()

    def hear(self) -> None:
        """Some people see any one line."""
        self._show_news(max(0, len(self._network.snapshots) - 6))

    def take_over(self, proposers: list[Machine], new_witness: bytes | None) -> None:
        """Some ask for recoveries at once, each on what he knows."""
        since = len(self._network.snapshots)
        asked = [machine.step(Recover("", new_witness)) for machine in proposers]
        proposals = [one for one in asked if one is not None]
        self._sign(proposals)
        self._collect(proposals)
        for liar in self._liars:
            liar.use_paper()
        self._show_news(since)

    def hand_over(self, to: list[bytes]) -> None:
        """The witness asks for one rotation; a lying one for as many as are named, on one base."""
        since = len(self._network.snapshots)
        proposals: list[bytes] = []
        liar = next((one for one in self._liars if next(one.appointing(), None) is not None), None)
        witnesses = [machine for machine in self._network.machines.values() if machine.is_witness]
        if liar is not None and (not witnesses or self._random.random() < 0.7):
            base = self._random.choice(list(liar.appointing()))
            if self._forked is not None and self._random.random() < 0.7:
                base = self._network.tip(self._forked)
            epoch = base.standing.next_epoch
            for one in to:
                epoch += self._random.randint(1, 2)
                proposal = liar.rotate(base, epoch, one)
                proposals.append(proposal.id)
                for other in self._liars:
                    other.endorse_this(proposal)
        elif witnesses:
            asked = self._random.choice(witnesses).step(Rotate(to[-1], ""))
            proposals += [asked] if asked is not None else []
        self._sign(proposals)
        self._collect(proposals)
        if liar is not None:
            for _ in range(self._random.randint(1, 4)):
                liar.carry(proposals)
        newest = self._newest(since)
        for machine in self._network.machines.values():
            if newest is not None and machine.signer.key in to and self._random.random() < 0.8:
                self._shown(machine, newest)
                machine.step(Propose(self._network.next_put()))
                machine.tick()
        self._show_news(since)

    def change_policy(self, proposer: Machine, policy: Policy) -> None:
        """Somebody asks for another policy; it may come into force, and even settle."""
        since = len(self._network.snapshots)
        proposal = proposer.step(ChangePolicy(policy))
        if proposal is None:
            return
        self._sign([proposal])
        self._collect([proposal])
        for liar in self._liars:
            liar.use_paper()
        self._show_news(since)
        self.settle()

    def settle(self) -> None:
        """Witnesses hear of some cosignatures, and settle if those are enough."""
        since = len(self._network.snapshots)
        for machine in self._network.machines.values():
            if machine.is_witness and machine.head.standing.joint and self._random.random() < 0.7:
                machine.take(machine.left())
                machine.tick()
        for liar in self._liars:
            liar.settle()
        self._show_news(since)
