"""Who there is in a run, and what can be done to them: what faults, liars and people act upon.

`play.py` plays a run on it; whatever acts in one knows no more than this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from aslp2p.artifacts.types import Policy
from aslp2p.core.inputs import MarkStale
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.state import ADMITTED, is_admitted
from simulations.disk import Disk
from simulations.events import EventLog
from simulations.machine import Node
from simulations.names import name_of
from simulations.scenario import MINUTE, Scenario
from simulations.story import Story
from simulations.world import World


class Stage:
    """The machines of a run, who lies and who is gone, and what faults and people do to them."""

    def __init__(self, scenario: Scenario, seed: int, *, log: EventLog | None = None) -> None:
        self.scenario = scenario
        self.seed = seed
        self.world = World(seed, weather=scenario.weather, log=log, busy_ms=scenario.busy_ms)
        self.random = Random(f"{seed}/{scenario.name}")
        self.story = Story(self.world)
        self.gone: set[str] = set()
        """Switched off for good, or no member any more."""
        self.liars: dict[str, str] = {}
        """Machines that the checkers do not trust, and why."""
        self.unbound: set[str] = set()
        """Machines that sign with their key beside their node."""
        self.outdated: set[str] = set()
        """Machines whose journal is not that of their key (S11)."""
        self.policy_wanted: Policy | None = None
        """What people are bringing about (`generations.py`)."""
        self.coalition: list[str] = []
        """Machines whose keys lie together (`retired.py`)."""
        self.asked: set[str] = set()
        """Machines whose keys have retired, and that have decided whether they lie."""
        self.dens: set[str] = set()
        """Machines that serve a history of the coalition."""
        self.misled: set[str] = set()
        """Machines that heard the coalition before they could know better (section 11)."""
        self.lingers = False
        """Whether changes wait for their settlement (`lingering.py`)."""
        self.lingered: set[int] = set()
        """The heights of changes that did."""
        self.halts: list[tuple[int, str]] = []
        """(when, machine) of each that said that two finals exclude each other (F1)."""
        self.unheld: list[tuple[str, bytes]] = []
        """(witness, content) of puts that it listed and did not hold (G6)."""
        self.beside: list[tuple[str, bytes, tuple[bytes, ...]]] = []
        """(witness, snapshot, endorsements) of what lay open on its disk when it emitted that (S10)."""
        self.mute: set[str] = set()
        self.tampers: set[str] = set()
        """Machines that spoil the signatures of the history that they serve."""
        self.backups: dict[str, Disk] = {}
        self.proposed: dict[bytes, tuple[str, int]] = {}
        self.probes: dict[bytes, str] = {}
        """What was proposed in the calm, and by which machine."""
        self.witness_lost: list[tuple[int, str]] = []
        """When a machine that was witness fell silent, and did not come back as witness."""
        self.calm = False
        self.done = False
        self.converged_ms: int | None = None
        self.calm_at_ms = 0
        self._undos: list[Callable[[], None]] = []
        self._probed_ms = 0
        self._serial = 0
        self._told: Counter[str] = Counter()
        names = [name_of(place) for place in range(scenario.machines)]
        self.first = names[0]
        self.authorities = names[: scenario.authorities]

    def add_machine(self, name: str, *, like: Node | None = None) -> Node:
        """A machine with an empty disk; `like` gives it that one's key."""
        node = self.world.add_node(name, signer=like.signer if like is not None else None)
        node.options = {"auto": self.scenario.recovery == "auto"}
        return node

    # --- who ----------------------------------------------------------------------------------------

    def trusted(self) -> list[str]:
        """Machines that neither lie nor lost their journal."""
        return [name for name in self.world.nodes if name not in self.liars]

    def head_of(self, name: str) -> Tip | None:
        core = self.world.nodes[name].core
        return None if core is None else core.head

    def is_member(self, name: str, of: str) -> bool:
        head = self.head_of(of)
        return head is not None and is_admitted(head.members, self.world.nodes[name].key)

    def newest_head(self) -> Tip | None:
        """What most of what is known says: of the highest epoch, then height, of the machines that are on."""
        here = [name for name in self.world.nodes if name not in self.dens | self.misled]
        heads = {name: head for name in here if (head := self.head_of(name)) is not None}
        newest = max(
            heads, key=lambda name: (heads[name].standing.next_epoch, heads[name].height, name), default=None
        )
        return None if newest is None else heads[newest]

    def shut_out(self) -> frozenset[bytes]:
        """The keys that the newest head has expelled or revoked, and of whoever one of them had invited and
        who did not get in before."""
        head = self.newest_head()
        members = {} if head is None else head.members
        out = {key for key, member in members.items() if member.status != ADMITTED}
        for node in self.world.nodes.values():
            if node.inviter and node.key not in members and self.world.nodes[node.inviter].key in out:
                out.add(node.key)
        return frozenset(out)

    def witness(self) -> str:
        """The machine that the newest head appoints."""
        head = self.newest_head()
        if head is None:
            return self.story.takeovers[-1][2] if self.story.takeovers else self.first
        for name, node in self.world.nodes.items():
            if node.key == head.standing.next_witness:
                return name
        return self.first

    def current_authorities(self) -> list[str]:
        """The machines that the newest head's policies list."""
        head = self.newest_head()
        keys = head.standing.authorities() if head is not None else frozenset()
        found = [
            name for name, node in self.world.nodes.items() if node.key in keys and name not in self.dens
        ]
        return found or list(self.authorities)

    def spares(self, name: str) -> bool:
        """Whether the honest authorities that are here are a quorum without this machine."""
        head = self.newest_head()
        if head is None:
            return False
        here = [one for one in self.trusted() if one not in self.gone and one != name]
        keys = frozenset(self.world.nodes[one].key for one in here)
        return satisfies_all(head.standing.policies, keys)

    def choose(self, who: str) -> list[str]:
        """The machines that a selector means now; empty if there are none."""
        here = [name for name in self.world.nodes if name not in self.gone]
        match who:
            case "witness":
                return [self.witness()]
            case "first":
                return [self.first]
            case "all":
                return here
            case "authorities":
                return [name for name in self.current_authorities() if name in here]
            case "participants":
                officers = {*self.current_authorities(), self.witness()}
                return [name for name in here if name not in officers]
            case "others":
                witness = self.witness()
                return [name for name in here if name != witness]
            case "successor":
                witness = self.witness()
                return [name for name in self.current_authorities() if name in here and name != witness][:1]
            case "any":
                return self._draw(here)
            case "any-honest":
                out = self.shut_out()
                return self._draw(
                    [
                        name
                        for name in here
                        if name not in self.liars
                        and self.world.nodes[name].on
                        and self.world.nodes[name].key not in out
                    ]
                )
            case "any-honest-authority":
                honest = [name for name in self.current_authorities() if name not in self.gone]
                return self._draw(
                    [name for name in honest if name not in self.liars and self.world.nodes[name].on]
                )
            case "any-authority":
                return self._draw([name for name in self.current_authorities() if name in here])
            case "any-participant":
                return self._draw(self.choose("participants"))
            case "any-other":
                witness = self.witness()
                return self._draw(
                    [name for name in self.current_authorities() if name in here and name != witness]
                )
            case "half":
                return sorted(self.random.sample(here, len(here) // 2))
            case "minority":
                return sorted(self.random.sample(here, max(1, (len(here) - 1) // 3)))
            case _:
                return [who] if who in self.world.nodes else []

    def _draw(self, names: Sequence[str]) -> list[str]:
        return [self.random.choice(list(names))] if names else []

    # --- what faults and people need ----------------------------------------------------------------

    def serial(self) -> int:
        self._serial += 1
        return self._serial

    def note(self, who: str, text: str, *, minor: bool = False) -> None:
        self.world.log.note(self.world.now_ms, who, text)
        if not minor:
            self.story.tell(who, text)

    def acknowledged(self, name: str, proposal: bytes) -> None:
        if name not in self.liars:
            self.proposed[proposal] = (name, self.world.now_ms)

    def distrust(self, name: str, why: str) -> None:
        self.liars.setdefault(name, why)

    def mislead(self, name: str, why: str) -> None:
        """What this machine follows from now on says nothing of the rules."""
        self.misled.add(name)
        self.distrust(name, why)

    def switch_off(self, name: str) -> None:
        node = self.world.nodes[name]
        if node.core is not None or node.read_only:
            self.world.crash(name)

    def switch_on(self, names: Sequence[str]) -> None:
        for name in names:
            node = self.world.nodes[name]
            if node.core is None and name not in self.gone and not node.read_only:
                node.clock.reboot(self.world.now_ms)
                self.world.start(name)

    def set_drift(self, name: str, ppm: int) -> None:
        self.world.nodes[name].clock.drift(self.world.now_ms, ppm)

    def replace_disk(self, name: str, image: Disk | None) -> None:
        """Put another disk in: a backup, or an empty one that knows the Common by its invite."""
        self.distrust(name, "its journal may be old")
        self.outdated.add(name)
        node = self.world.nodes[name]
        node.store = image.copy() if image is not None else Disk()

    def copy_machine(self, name: str) -> None:
        node = self.world.nodes[name]
        self.world.sync(name)
        twin = f"{name}'"
        if twin in self.world.nodes:
            return
        copy = self.add_machine(twin, like=node)
        copy.store = node.store.copy()
        self.distrust(name, "its key is on two machines")
        self.distrust(twin, "its key is on two machines")
        self.outdated.update((name, twin))
        self.switch_on([twin])
        self.world.plan(MINUTE, self._copies_meet, name, twin)

    def _copies_meet(self, one: str, other: str) -> None:
        """Their daemons dial each other and find their own key (S11); until then neither knows."""
        nodes = [self.world.nodes[one], self.world.nodes[other]]
        meet = all(node.on for node in nodes)
        if meet and self.world.network.open(one, other) and self.world.network.open(other, one):
            for node in nodes:
                self.world.inform(node.name, MarkStale("another node links with our own key"))
        else:
            self.world.plan(MINUTE, self._copies_meet, one, other)
