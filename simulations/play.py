"""One run: a scenario and a seed, played to its end. First a safety phase with faults, then the calm.

The safety phase lasts as the scenario says. Then everything that can heal heals, whoever is not gone for good
is switched on, and in the calm the Common must come to one head and go on: new proposals are made, and have
to be listed. `verdict.py` judges what is left on the disks and what ever left a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aslp2p.artifacts.types import Named, Policy
from aslp2p.core.effects import Effect, Publish
from aslp2p.gossip.messages import Heads, kind_of
from aslp2p.ledger.facts import listed_at
from aslp2p.ledger.gate import Tip
from simulations import generations, people
from simulations.checkers.artifacts import CERTIFIED_ACTIONS, PROPOSAL, SNAPSHOT, action_of, read
from simulations.crowd import found
from simulations.dialer import LINKS, Dialer
from simulations.events import EventLog
from simulations.faults import FAULTS
from simulations.forgers import tampered
from simulations.lingering import heard_head
from simulations.machine import Node
from simulations.names import name_of
from simulations.retired import retired
from simulations.rooms import Room
from simulations.scenario import MINUTE, SECOND, Scenario, Step
from simulations.stage import Stage

SETTLE_MS = 10 * SECOND
LOOK_MS = 2 * SECOND
"""How often it is looked in the calm whether all is well."""
PROBE_TRIES = 10
HALTS_MS = 30 * SECOND
"""How often it is looked whether a machine signs nothing more because finals exclude each other."""
DIAL_ALL_MAX = 64
"""The daemon links with everybody in a Common that is not larger."""
DEED_AGAIN_MS = 5 * MINUTE
"""How long somebody waits who finds a machine off."""
TOLD_MAX = 20
"""So often the story tells of one kind of thing that is done."""
WANTED_MAX = 1000
ENDORSEMENT_RAW = b"\x94\xb8asl.common.endorsement/1"


class Play(Stage):
    """The run of `scenario` with `seed`."""

    def __init__(self, scenario: Scenario, seed: int, *, log: EventLog | None = None) -> None:
        super().__init__(scenario, seed, log=log)
        static = [name_of(place) for place in range(scenario.authorities)] if scenario.static else []
        self.dialer = Dialer(
            self.world,
            links=scenario.links or LINKS,
            all_up_to=0 if scenario.links else DIAL_ALL_MAX,
            static=static,
        )
        self.people = people.People(self)
        self.room = Room(self) if scenario.expect.room else None
        self._found()

    def _found(self) -> None:
        scenario, world = self.scenario, self.world
        names = [name_of(place) for place in range(scenario.machines)]
        for name in names:
            self.add_machine(name)
        authorities = tuple(Named(name, world.nodes[name].key) for name in names[: scenario.authorities])
        policy = Policy(
            witnesses=authorities,
            threshold=scenario.threshold,
            rotation_allowed=scenario.rotation,
            grace_period_ms=scenario.grace_period_ms,
            participants="authorities" if scenario.participants == "authorities" else "invited",
            protocol=1,
        )
        found(world, names, policy)
        world.listeners += [self.story.hear, self.people.hear, self._hear]
        world.on_send = self._on_send

    # --- playing ------------------------------------------------------------------------------------

    def run(self, watch: Callable[[Play], None] | None = None) -> None:
        """Play it to the end; `watch` is called every now and then. Raises what a node raises by mistake."""
        scenario, world = self.scenario, self.world
        self.switch_on(list(world.nodes))
        world.run(SETTLE_MS)
        start = world.now_ms
        for step in scenario.steps:
            self._plan(step)
        if scenario.workload is not None:
            self._plan_work()
        if scenario.expect.room:
            self._look_for_halts()
        slices = 200 if watch is not None else 1
        for part in range(slices):
            world.run(scenario.lasts_ms * (part + 1) // slices + start - world.now_ms)
            if watch is not None:
                watch(self)
        self._calm_down()
        self._live(watch)
        for name, node in world.nodes.items():
            if node.on:
                world.sync(name)
        self.done = True

    def _plan(self, step: Step) -> None:
        if step.at_ms is not None:
            self.world.plan(step.at_ms, self._do, step)
        else:
            assert step.every_ms is not None
            self.world.plan(step.from_ms + self.random.randint(0, step.every_ms[1]), self._again, step)

    def _again(self, step: Step) -> None:
        late = step.until_ms is not None and self.world.now_ms > step.until_ms + SETTLE_MS
        if late or (self.calm and not FAULTS[step.do].habit):
            return
        self._do(step)
        assert step.every_ms is not None
        self.world.plan(self.random.randint(*step.every_ms), self._again, step)

    def _do(self, step: Step) -> None:
        fault = FAULTS[step.do]
        if self.calm and not fault.habit:
            return
        names = self.choose(step.on)
        if not names:
            return
        if fault.deed and not self.world.nodes[names[0]].on:
            self.world.plan(DEED_AGAIN_MS, self._do, step)
            return
        if fault.silences and step.options.get("way") != "in":
            self._silenced(names)
        self._told[step.do] += 1
        self.note(", ".join(names[:6]), fault.words, minor=self._told[step.do] > TOLD_MAX)
        undo = fault.begin(self, names, step.options)
        if undo is None or not fault.lasts:
            return
        self._undos.append(undo)
        if step.for_ms is not None:
            self.world.plan(self.random.randint(*step.for_ms), self._undo, undo, names, step.do)

    def _undo(self, undo: Callable[[], None], names: Sequence[str], what: str) -> None:
        if undo in self._undos:
            self._undos.remove(undo)
            self.note(", ".join(names[:6]), f"is over it ({what})", minor=self._told[what] > TOLD_MAX)
            undo()
            self._heard_again(names)

    def _silenced(self, names: Sequence[str]) -> None:
        witness, last = self.witness(), self._last_takeover_ms()
        if witness in names and not any(name == witness and at >= last for at, name in self.witness_lost):
            self.witness_lost.append((self.world.now_ms, witness))

    def _heard_again(self, names: Sequence[str]) -> None:
        """A witness that is back before anybody took its place was not lost."""
        last = self._last_takeover_ms()
        self.witness_lost = [one for one in self.witness_lost if one[1] not in names or one[0] < last]

    def _last_takeover_ms(self) -> int:
        return max((at for at, *_ in self.story.takeovers), default=0)

    def _plan_work(self) -> None:
        assert self.scenario.workload is not None
        self.world.plan(self.random.randint(*self.scenario.workload.every_ms), self._work)

    def _work(self) -> None:
        if self.calm or self.scenario.workload is None:
            return
        for name in self.choose(self.scenario.workload.by)[:1]:
            people.work(self, name)
        self._plan_work()

    # --- the calm -----------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        self.calm = True
        self.calm_at_ms = self.world.now_ms
        self.note("everybody", "has peace from now on")
        undos, self._undos = self._undos, []
        for undo in reversed(undos):
            undo()
        self.mute.clear()
        self.tampers.clear()
        for node in self.world.nodes.values():
            node.store.repair()
            node.store.fuse = None
            self.world.resume(node.name)
        self.world.network.heal()
        self.switch_on([name for name in self.world.nodes if name not in self.gone])
        self.world.network_changed()

    def _live(self, watch: Callable[[Play], None] | None) -> None:
        """Let things settle, ask for something new, and wait until it is everywhere."""
        world, end = self.world, self.world.now_ms + self.scenario.heals_ms
        patient_until = world.now_ms + self.scenario.heals_ms // 3
        world.run(min(MINUTE, self.scenario.heals_ms // 4))
        tries = 0
        while world.now_ms < end:
            if self.scenario.expect.progress and patient_until <= world.now_ms:
                patient_until = end
                generations.heed(self, (), {})
            self._forget_probes_in_vain()
            if tries < PROBE_TRIES and (not self.probes or self._waits_for_finality()):
                tries += 1
                self._probe()
            world.run(min(LOOK_MS, end - world.now_ms))
            if watch is not None:
                watch(self)
            if self._has_room() and self._is_well():
                self.converged_ms = world.now_ms - self.calm_at_ms
                world.run(min(SETTLE_MS, max(0, end - world.now_ms)))
                if self._is_well():
                    return
                self.converged_ms = None
            if not self.probes:
                world.run(min(MINUTE, max(0, end - world.now_ms)))

    def _has_room(self) -> bool:
        """Whether people have come to all that there has to be room for; once all is well they begin."""
        if self.room is None or self.room.is_done:
            return True
        if (self.room.begun or self._is_well()) and self.room.go_on():
            self._probe()
        return self.room.is_done

    def _look_for_halts(self) -> None:
        for name in self.trusted():
            core = self.world.nodes[name].core
            if core is not None and core.head is not None and core.live()["conflict"]:
                self.halts.append((self.world.now_ms, name))
        self.world.plan(HALTS_MS, self._look_for_halts)

    def _probe(self) -> None:
        name = self.choose("any-honest")
        if name:
            proposal = people.put_one(
                self, name[0], f"{name[0]}/calm/{self.serial()}", self.random.randbytes(20)
            )
            if proposal is not None:
                self.probes[proposal] = name[0]
                self._probed_ms = self.world.now_ms

    def _forget_probes_in_vain(self) -> None:
        """Whoever is expelled as soon as there is a witness again is not heard any more."""
        out = self.shut_out()
        for id_, name in list(self.probes.items()):
            if self.world.nodes[name].key in out:
                del self.probes[id_]

    def _waits_for_finality(self) -> bool:
        """Whether all is listed for a while and not final: after a handover the witness's next snapshot is
        the first that may be cosigned (S4), and somebody has to propose what it lists."""
        if not self.scenario.expect.final or self.world.now_ms < self._probed_ms + MINUTE:
            return False
        node = self.world.nodes[self.witness()]
        head = self.head_of(node.name)
        if head is None or self._is_final(node, head):
            return False
        return all(listed_at(node.store, head.branch, head.height, id_) is not None for id_ in self.probes)

    def _is_well(self) -> bool:
        """Whether every machine that is on stands on one head that lists what was asked for in the calm."""
        here, out = (
            [self.world.nodes[name] for name in self.trusted() if name not in self.gone],
            self.shut_out(),
        )
        nodes = [node for node in here if node.on and node.key not in out]
        heads = [self.head_of(node.name) for node in nodes]
        if None in heads or len({head.id for head in heads if head is not None}) != 1:
            return False
        if not self.scenario.expect.progress:
            return True
        head = heads[0]
        assert head is not None
        node = nodes[0]
        listed = all(listed_at(node.store, head.branch, head.height, id_) is not None for id_ in self.probes)
        if not self.probes or not listed or any(_waits_for_more(node, nodes) for node in nodes):
            return False
        return not self.scenario.expect.final or (not head.standing.joint and self._is_final(node, head))

    def _is_final(self, node: Node, head: Tip) -> bool:
        """Whether what was proposed in the calm is final for this machine."""
        assert node.core is not None
        final = node.core.live()["final_height"]
        return all(listed_at(node.store, head.branch, final, id_) is not None for id_ in self.probes)

    def choose(self, who: str) -> list[str]:
        """As on any stage; and whose keys have retired."""
        match who:
            case "retired":
                return [name for name in retired(self) if name not in self.gone]
            case "any-retired":
                return self._draw(self.choose("retired"))
            case _:
                return super().choose(who)

    def _hear(self, node: Node, effect: Effect) -> None:
        if isinstance(effect, Publish) and effect.topic == "notice" and effect.data["code"] == "stale-key":
            self.distrust(node.name, "its key is stale")
        elif isinstance(effect, Publish) and effect.topic == "head":
            self._look_at_witness(node)
            heard_head(self, node)

    def _look_at_witness(self, node: Node) -> None:
        """What a witness holds of what it has just listed, and what else lies open there."""
        row = node.store.snapshot(node.store.meta("head") or b"")
        snapshot = read(row.raw) if row is not None else None
        if snapshot is None or snapshot.type != SNAPSHOT or snapshot.key != node.key:
            return
        endorsed = tuple(raw for _, raw in node.store.open_artifacts() if raw.startswith(ENDORSEMENT_RAW))
        if endorsed:
            self.beside.append((node.name, snapshot.id, endorsed))
        for id_ in snapshot.body[5]:
            raw = node.store.artifact(id_)
            action: list[Any] = action_of(read(raw)) if raw is not None else [""]
            if action[0] == "put" and node.store.content(action[2]) is None:
                self.unheld.append((node.name, action[2]))

    def _on_send(self, node: Node, data: bytes) -> bytes | None:
        """What a mute machine sends: where it stands, and nothing else; a tampering one, spoilt ranges."""
        if self.mute and node.name in self.mute and kind_of(data) is not Heads:
            return None
        return tampered(self, data) if node.name in self.tampers else data


def _waits_for_more(node: Node, among: Sequence[Node]) -> bool:
    """Whether a proposal of everyday work is open on this machine, or it lacks a content that another has."""
    for wanted, _ in node.store.wanted(WANTED_MAX):
        if any(other.store.content_size(wanted) is not None for other in among):
            return True
    artifacts = [read(raw) for _, raw in node.store.open_artifacts()]
    return any(one.type == PROPOSAL and action_of(one)[0] not in CERTIFIED_ACTIONS for one in artifacts)
