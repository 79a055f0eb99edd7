"""Those who live through a disaster: what their machines say, what they answer, told line by line.

The people are patient: a day after their daemon asked they endorse the honest proposal that is nearest to its
quorum; a revocation at once. What a stolen key asks for they refuse: they ask each other before they sign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Endorsement, Named, Policy, Proposal, Recovery, Revocation, Rotation
from aslp2p.core.effects import Effect, Publish
from aslp2p.core.inputs import Command, Endorse
from aslp2p.errors import UserError
from aslp2p.recovery import round_ms
from simulations.checkers.artifacts import ENDORSEMENT, PROPOSAL, read
from simulations.machine import Node
from simulations.scenario import DAY, HOUR
from simulations.story import shown_time
from simulations.world import World

GOES_ON, STUCK, CAPTURED = "goes on", "stuck", "captured"
ATTEMPTS_TOLD = 3


@dataclass
class Told:
    """The walk: (ms since the disaster, or None for what is no event; the words), and how it ends."""

    lines: list[tuple[int | None, str]]
    verdict: str = GOES_ON

    def text(self) -> list[str]:
        """One line each, with the time since the disaster."""
        return [words if at is None else f"{_shown(at)}  {words}" for at, words in self.lines]


def _shown(milliseconds: int) -> str:
    text = shown_time(abs(milliseconds)).rsplit(".", 1)[0]
    return f"{'-' if milliseconds < 0 else '+'}{text}".rjust(14)


class Neighbours:
    """A world of `policy` with one more machine, `guest`; `stolen` are the keys that a thief has."""

    def __init__(self, policy: Policy, *, first: str, auto: bool, seed: int) -> None:
        self.world = world = World(seed)
        names = [one.name for one in policy.witnesses]
        self.guest = next(
            name for name in ("participant", "guest", "visitor", "somebody else") if name not in names
        )
        for name in (*names, self.guest):
            world.add_node(name).options = {"auto": auto}
        # Nobody's secret key is in a policy file: the same names, with keys of their own.
        self.policy = replace_keys(policy, {name: world.nodes[name].key for name in names})
        self.auto = auto
        self.authorities = names
        self.stolen: frozenset[bytes] = frozenset()
        self.thieves: list[str] = []
        self.told = Told([])
        self._began_ms = 0
        self._seen: set[tuple[object, ...]] = set()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._answering: set[str] = set()
        world.found(first, [*names, self.guest], self.policy)
        world.listeners.append(self._hear)

    # --- telling ------------------------------------------------------------------------------------

    def _say(self, words: str, *, event: bool = True) -> None:
        self.told.lines.append((self.world.now_ms - self._began_ms if event else None, words))

    def _head(self, text: str) -> None:
        self.told.lines += [(None, ""), (None, text)]

    def _hear(self, node: Node, effect: Effect) -> None:
        if not isinstance(effect, Publish) or node.name in self.thieves:
            return
        data = effect.data
        match effect.topic:
            case "witness":
                name, height = data["name"], data["height"]
                words = f"{name} {is_(name)} the witness since common@{height} ({data['by']})"
                self._once(("witness", height, name), words)
            case "notice" if data["code"] in ("stepped-down", "stale-key", "superseded", "recovery-proposed"):
                self._once((node.name, data["text"]), f"{whose(node.name)} machine says: {data['text']}")
            case "paper" if data["endorsed_by"] is not None:
                self._once(
                    ("paper", data["proposal"], data["endorsed_by"]), f"endorsed by {data['endorsed_by']}"
                )
            case "paper":
                self._asked(node, bytes.fromhex(data["proposal"]))
            case _:
                pass

    def _once(self, key: tuple[object, ...], words: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        self._say(words)
        return True

    # --- people -------------------------------------------------------------------------------------

    def _asked(self, node: Node, proposal: bytes) -> None:
        raw = node.store.artifact(proposal)
        if raw is None or node.name not in self.authorities:
            return
        signed = decode_as(Proposal, raw)
        action = signed.statement.action
        if isinstance(action, Rotation):
            asks = f"{self._name(signed.key)} ask{s_(self._name(signed.key))}"
            self._once(("stays", proposal), f"{asks} to stay the witness, above that attempt (S12)")
        if not isinstance(action, Recovery | Revocation):
            return
        author, new = self._name(signed.key), self._name(action.new_witness)
        what = f"a new witness: {new}"
        if isinstance(action, Revocation):
            what = f"an end of {whose(self._name(action.revoked))} key"
        if signed.key in self.stolen:
            if self._once(("thief", proposal), f"somebody with {whose(author)} key asks for {what}"):
                self._say("the people ask each other, and nobody else endorses that")
            return
        if ("asks", proposal) not in self._seen:
            self._attempts[author, what] += 1
            if self._attempts[author, what] <= ATTEMPTS_TOLD:
                again = " once more" if self._attempts[author, what] > 1 else ""
                words = f"{author} ask{s_(author)}{again} for {what}; {self.policy.threshold} must endorse it"
                self._once(("asks", proposal), words)
        if not (self.auto and isinstance(action, Recovery)) and node.name not in self._answering:
            self._answering.add(node.name)
            soon = isinstance(action, Revocation)
            self.world.plan(self._haste_ms() if soon else self._patience_ms(), self._answer, node.name)

    def _patience_ms(self) -> int:
        """How long people take to answer, and to notice a theft."""
        return min(DAY, self.policy.grace_period_ms)

    def _haste_ms(self) -> int:
        """How long they take when a key was stolen: they are on the telephone already."""
        return min(HOUR, round_ms(self.policy.grace_period_ms) // 3)

    def _answer(self, name: str) -> None:
        """Endorse the honest proposal that is nearest to its quorum; a revocation before all others."""
        self._answering.discard(name)
        node = self.world.nodes[name]
        if not node.on:
            return
        artifacts = [raw for _, raw in node.store.open_artifacts()]
        counts = Counter(
            decode_as(Endorsement, raw).statement.proposal for raw in artifacts if _is_a(raw, ENDORSEMENT)
        )
        open_ = [decode_as(Proposal, raw) for raw in artifacts if _is_a(raw, PROPOSAL)]
        ranked = [
            (isinstance(action, Revocation), counts[one.id], action.epoch, one.id)
            for one in open_
            if isinstance(action := one.statement.action, Recovery | Revocation)
            and one.key not in self.stolen
        ]
        for *_, proposal in sorted(ranked, reverse=True):
            if self._try(name, Endorse(proposal), "cannot endorse it") is not None:
                return

    def _try(self, name: str, command: Command, failing: str) -> Any:
        try:
            return self.world.command(name, command)
        except UserError as refused:
            self._once((name, refused.message), f"{name} {failing}: {refused.message}")
            return None

    def _name(self, key: bytes) -> str:
        for name, node in self.world.nodes.items():
            if node.key == key:
                return name
        return "nobody"


def _is_a(raw: bytes, type_: str) -> bool:
    return read(raw).type == type_


def whose(name: str) -> str:
    """The possessive of a name; policies like to call somebody `you`."""
    return "your" if name == "you" else f"{name}'s"


def s_(name: str) -> str:
    return "" if name == "you" else "s"


def is_(name: str) -> str:
    return "are" if name == "you" else "is"


def replace_keys(policy: Policy, keys: dict[str, bytes]) -> Policy:
    """The same policy with other keys, by name."""
    return structs.replace(
        policy, witnesses=tuple(Named(one.name, keys[one.name]) for one in policy.witnesses)
    )
