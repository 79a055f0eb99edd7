"""One disaster, walked through with real nodes under a given policy, and told in words.

Every authority of the policy has a machine with a `NodeCore`, and so has one participant; keys are made from
names, since a policy file holds nobody's secret. All are linked. After an ordinary beginning the disaster
happens: machines are lost with their keys, fall silent for a while, or have their key copied by a thief. The
thief's machines are copies of the disks, in a place of their own: with a quorum of keys they take over, with
the witness's key they write a second history, with any other one they ask for a takeover. What they signed
then reaches the participant. A day later the first honest authority asks for the end of every stolen key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.types import Policy, Put
from aslp2p.core.inputs import AddContent, Command, Endorse, Propose, Recover, Revoke
from aslp2p.ledger.facts import listed_at
from aslp2p.ledger.policy import satisfies, survival
from aslp2p.ledger.policy_text import policy_words
from aslp2p.ledger.state import ADMITTED
from aslp2p.recovery import round_ms
from aslp2p.views.words import survival_words
from simulations.dialer import Dialer
from simulations.neighbours import CAPTURED, STUCK, Neighbours, Told, is_, whose
from simulations.people import everything
from simulations.quiet import Quiet
from simulations.scenario import DAY, HOUR, MINUTE

ROUNDS = 8
"""Rounds of waiting (S7) after the grace period, before it is said that nobody follows."""


@dataclass(frozen=True)
class Disaster:
    """What happens to whom, all at once; `silent_ms` is how long the silent ones are away."""

    lose: tuple[str, ...] = ()
    silence: tuple[str, ...] = ()
    compromise: tuple[str, ...] = ()
    silent_ms: int | None = None
    """None: half as long again as the grace period."""


class Walk(Neighbours):
    """Plays one disaster; `run` tells it."""

    def __init__(
        self,
        policy: Policy,
        disaster: Disaster,
        *,
        witness: str | None = None,
        auto: bool = False,
        seed: int = 0,
        watch: Callable[[float], None] = lambda part: None,
    ) -> None:
        self.first = witness or policy.witnesses[0].name
        super().__init__(policy, first=self.first, auto=auto, seed=seed)
        self.disaster = disaster
        self.stolen = frozenset(self.world.nodes[name].key for name in disaster.compromise)
        self.off: set[str] = set()
        self._watch = watch
        self._files = 0
        Quiet(self.world)

    # --- files --------------------------------------------------------------------------------------

    def _put(self, name: str) -> tuple[str, bytes | None]:
        self._files += 1
        path, data = f"notes/{self._files}", f"note {self._files} of {name}".encode()
        id_ = content_id(data)
        self.world.command(name, AddContent(((id_, data),)))
        proposal = self._try(
            name, Propose(Put(path, id_, len(data), "text/plain", False, 0, None)), "cannot propose"
        )
        return path, proposal

    def _listed(self, name: str, proposal: bytes) -> bool:
        node = self.world.nodes[name]
        core = node.core
        if core is None or core.head is None:
            return False
        return listed_at(node.store, core.head.branch, core.head.height, proposal) is not None

    def _works(self) -> bool:
        """The participant proposes a file: whether it is in the Common within ten minutes."""
        path, proposal = self._put(self.guest)
        listed = proposal is not None and self.world.run_until(
            lambda: self._listed(self.guest, proposal), 10 * MINUTE
        )
        if listed:
            self._say(f"{self.guest} puts {path}: it is in the Common as common@{self._height()}")
        else:
            self._say(f"{self.guest} puts {path}: it is kept and waits; everything before stays readable")
        return listed

    def _height(self) -> int:
        return self.world.heads()[self.guest][0]

    def _witness(self) -> str:
        core = self.world.nodes[self.guest].core
        assert core is not None and core.head is not None
        return self._name(core.head.standing.next_witness)

    # --- the walk -----------------------------------------------------------------------------------

    def run(self) -> Told:
        """Play it to its end, and tell it."""
        world = self.world
        Dialer(world)
        for name in (*self.authorities, self.guest):
            world.start(name)
        self._say(f"Policy: {policy_words(self.policy, self._name)}. The witness: {self.first}.", event=False)
        for sentence in survival_words(survival(self.policy)):
            self._say(sentence, event=False)
        self._began_ms = world.now_ms + HOUR
        self._head("Before")
        world.run(MINUTE)
        self._works()
        world.run(self._began_ms - world.now_ms)
        self._strike()
        self._head("What follows")
        self._works()
        if self.disaster.compromise:
            self._steal()
        self._wait()
        self._end()
        return self.told

    def _strike(self) -> None:
        self._head("The disaster")
        for name in self.disaster.lose:
            self._say(f"{whose(name)} machine is lost, and its key with it{self._role(name)}")
        for name in self.disaster.silence:
            self._say(f"{whose(name)} machine falls silent{self._role(name)}")
        for name in self.disaster.compromise:
            self._say(f"a thief copies {whose(name)} disk and key{self._role(name)}")
            twin = self.world.add_node(f"{name}'s thief", signer=self.world.nodes[name].signer)
            self.world.nodes[name].store.rollback()
            twin.store = self.world.nodes[name].store.copy()
            self.thieves.append(twin.name)
        if self.thieves:
            self.world.network.move(self.thieves, "thieves")
        for name in (*self.disaster.lose, *self.disaster.silence):
            self.off.add(name)
            self.world.crash(name)
        if self.disaster.silence:
            self.world.plan(self._silent_ms(), self._return)

    def _role(self, name: str) -> str:
        return " (it was the witness)" if name == self.first else ""

    def _silent_ms(self) -> int:
        return self.disaster.silent_ms or self.policy.grace_period_ms * 3 // 2

    def _return(self) -> None:
        for name in self.disaster.silence:
            self._say(f"{whose(name)} machine is back")
            self.off.discard(name)
            self.world.nodes[name].clock.reboot(self.world.now_ms)
            self.world.start(name)

    # --- thieves ------------------------------------------------------------------------------------

    def _steal(self) -> None:
        world = self.world
        for name in self.thieves:
            world.start(name)
        world.run(MINUTE)
        lead = world.nodes[self.thieves[0]]
        witness = next(
            (name for name in self.thieves if world.nodes[name].key == world.nodes[self.first].key), None
        )
        if satisfies(self.policy, self.stolen):
            others = [name for name in self.thieves if name != witness]
            lead = world.nodes[others[0] if others else self.thieves[0]]
            self._say("the thief holds a quorum of keys, and signs a takeover with them")
            proposal = self._thief(lead.name, Recover("mine now"))
            world.run(MINUTE)
            for name in self.thieves:
                if name != lead.name and proposal is not None:
                    self._thief(name, Endorse(proposal))
            world.run(10 * MINUTE)
        elif witness is not None:
            lead = world.nodes[witness]
            self._say("the thief writes a second history with the witness's key")
            data = b"a lie"
            self._thief(witness, AddContent(((content_id(data), data),)))
            self._thief(
                witness, Propose(Put("notes/lie", content_id(data), len(data), "text/plain", False, 0, None))
            )
            world.run(MINUTE)
        else:
            self._thief(lead.name, Recover("mine now"))
            world.run(MINUTE)
        self._say(f"what the thief signed reaches {self.guest}")
        self._thief(self.guest, everything(lead))
        for name in self.thieves:
            world.crash(name)
        world.run(10 * MINUTE)
        if not self._is_captured():
            world.plan(self._patience_ms(), self._revoke)

    def _thief(self, name: str, command: Command) -> Any:
        return self._try(name, command, "is refused")

    def _is_captured(self) -> bool:
        core = self.world.nodes[self.guest].core
        assert core is not None and core.head is not None
        standing = core.head.standing
        return standing.changed_by != "genesis" and standing.next_witness in self.stolen

    def _revoke(self) -> None:
        """The first honest authority that is there asks for the end of each stolen key."""
        honest = [name for name in self._honest() if self.world.nodes[name].on]
        for victim in self.disaster.compromise:
            if not honest:
                self._say("no honest authority is there to ask for a revocation")
                return
            new = None if self._witness() == victim else self.world.nodes[self._witness()].key
            self._try(
                honest[0],
                Revoke(self.world.nodes[victim].key, f"{whose(victim)} key was stolen", new_witness=new),
                f"cannot have {whose(victim)} key revoked",
            )

    def _honest(self) -> list[str]:
        return [name for name in self.authorities if name not in (*self.disaster.compromise, *self.off)]

    # --- the end ------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Let the grace period pass, and a little more; stop when somebody else is the witness."""
        grace = self.policy.grace_period_ms
        until = self.world.now_ms + grace + ROUNDS * round_ms(grace) + 3 * self._patience_ms()
        if self.disaster.silence:
            until = max(until, self._began_ms + self._silent_ms() + DAY)
        begin, waits = self.world.now_ms, self._is_broken()
        while self.world.now_ms < until and (self._unsettled() if waits else self.disaster.silence):
            self._watch((self.world.now_ms - begin) / (until - begin))
            self.world.run(min(HOUR, until - self.world.now_ms))

    def _is_broken(self) -> bool:
        return bool(self._witness() in self.off or self.disaster.compromise)

    def _good_stolen(self) -> set[bytes]:
        """The stolen keys that are members still, as the participant sees it."""
        core = self.world.nodes[self.guest].core
        assert core is not None and core.head is not None
        members = core.head.members
        return {
            key for key in self.stolen if (one := members.get(key)) is not None and one.status == ADMITTED
        }

    def _unsettled(self) -> bool:
        """Whether more may happen: the witness is away, a stolen key is good, somebody will return."""
        if self._is_captured():
            return False
        silent = any(name in self.off for name in self.disaster.silence)
        return bool(self._witness() in self.off or self._good_stolen() or silent)

    def _end(self) -> None:
        self._head("In the end")
        for name in self.disaster.compromise:
            if self.world.nodes[name].key not in self._good_stolen():
                self._say(f"{whose(name)} key is revoked: what the thief signs with it counts for nothing")
        works = self._works()
        left = [name for name in self.authorities if name not in self.disaster.lose]
        usable = frozenset(self.world.nodes[name].key for name in left) - self.stolen
        witness = self._witness()
        if satisfies(self.policy, self.stolen):
            self.told.verdict = CAPTURED
            words = (
                "The thief is the witness, by a certificate that everybody can check: the Common is captured."
            )
            if not self._is_captured():
                words = (
                    "The thief's quorum has made a second final history. Every machine that sees both stops "
                    "signing and says so (F1): what was final before stands, and the Common is captured."
                )
            self._say(words)
            self._say(
                "The others found a new Common that names this one: asl init --succeeds ID.", event=False
            )
        elif works:
            self._say(f"The Common goes on at common@{self._height()}, witness {witness}.")
            self._spare(usable)
        else:
            self.told.verdict = STUCK
            why = f"no quorum of {self.policy.threshold} is left to replace it"
            if satisfies(self.policy, usable - {self.world.nodes[witness].key}):
                why = "those who could replace it have not done so yet"
            gone = f"{witness} {is_(witness)} {'gone' if witness in self.off else 'not to be trusted'}"
            self._say(f"The Common is stuck at common@{self._height()}: {gone}, and {why}.")
            self._say("It stays readable. A new Common can name it as its predecessor.", event=False)

    def _spare(self, usable: frozenset[bytes]) -> None:
        spare = len(usable) - self.policy.threshold
        names = ", ".join(self._name(one.key) for one in self.policy.witnesses if one.key in usable)
        if spare < 0:
            self._say(
                f"But only {names or 'nobody'} can still sign, and {self.policy.threshold} must: once the "
                "witness is gone nobody can replace it, and the policy can never be changed.",
                event=False,
            )
        elif len(usable) < len(self.policy.witnesses):
            more = "one more loss leaves no quorum" if spare == 0 else f"it survives {spare} more"
            self._say(f"{names} can still sign: {more}. Replace who is gone by a policy change.", event=False)
