"""Judging a run: what is left on the disks and what ever left a machine, given to the checkers.

This is the only bridge between the simulated machines and `checkers`: it hands over bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgpack

from aslp2p.ledger.state import ADMITTED
from simulations.checkers import liveness
from simulations.checkers.artifacts import Unreadable, read, read_message
from simulations.checkers.evidence import Claim, Evidence, Image, promise
from simulations.checkers.judge import Judge
from simulations.checkers.liveness import Expected
from simulations.checkers.room import room
from simulations.checkers.safety import SAFETY
from simulations.machine import Node
from simulations.play import Play

HELD, SAFETY_BROKEN, LIVENESS_BROKEN, CRASHED = 0, 10, 11, 12
"""What `python -m simulations` exits with; 2 is for wrong usage."""
OUTCOMES = {
    HELD: "held",
    SAFETY_BROKEN: "safety broken",
    LIVENESS_BROKEN: "liveness broken",
    CRASHED: "crashed",
}
PROBLEMS_MAX = 5
HEARD_MS = 40_000
OPEN = ("agreement", "floor", "rollback", "quorum")
"""What more liars than P1 allows can break; what a machine promises for itself, they cannot."""


@dataclass
class Verdict:
    """Each checker's name and what it found wrong: nothing is good."""

    safety: dict[str, list[str]] = field(default_factory=dict)
    liveness: dict[str, list[str]] = field(default_factory=dict)
    crash: str | None = None
    allowed: dict[str, list[str]] = field(default_factory=dict)
    """Safety that was broken where more lied than P1 allows."""

    @property
    def code(self) -> int:
        if self.crash is not None:
            return CRASHED
        if any(self.safety.values()):
            return SAFETY_BROKEN
        return LIVENESS_BROKEN if any(self.liveness.values()) else HELD

    def first(self) -> str:
        """The first problem in one line; empty if all held."""
        if self.crash is not None:
            return f"crash: {self.crash}"
        for checks in (self.safety, self.liveness):
            for name, problems in checks.items():
                if problems:
                    return f"{name}: {problems[0]}"
        return ""

    def broken(self) -> list[str]:
        """The names of the checks that did not hold."""
        found = [name for name, problems in (*self.safety.items(), *self.liveness.items()) if problems]
        return ["crash", *found] if self.crash is not None else found


def image_of(node: Node, on: bool, invited_by: bytes) -> Image:
    """The bytes on a machine's disk."""
    store = node.store
    artifacts = {}
    for raw in store.every_artifact():
        artifacts[_id(raw)] = raw
    return Image(
        node.name,
        node.key,
        store.meta("head") or b"",
        {_id(raw): raw for raw in store.every_snapshot()},
        artifacts,
        frozenset(id_ for id_, _ in store.open_artifacts()),
        tuple(store.every_promise()),
        store.every_content(),
        on,
        frozenset((one[0], one[1]) for one in msgpack.unpackb(store.meta("evidence") or b"\x90")),
        invited_by,
    )


def _id(raw: bytes) -> bytes:
    try:
        return read(raw).id
    except Unreadable:
        return raw[:32]


def _claims(recorded: Iterable[tuple[int, str, bytes, int]]) -> list[Claim]:
    found = []
    for at_ms, machine, data, since_ms in recorded:
        _, _, head, height, epoch, final_height, _ = msgpack.unpackb(data)
        found.append(Claim(at_ms, machine, head, height, final_height, since_ms, epoch))
    return found


def evidence_of(play: Play) -> Evidence:
    """What the checkers judge."""
    world = play.world
    assert world.genesis is not None
    for node in world.nodes.values():
        node.store.rollback()
    keys = {name: node.key for name, node in world.nodes.items()}
    images = {
        name: image_of(node, node.on and name not in play.gone, keys.get(node.inviter, b""))
        for name, node in world.nodes.items()
        if node.store.meta("genesis") is not None
    }
    promises = [
        promise(one.order, one.at_ms, one.machine, one.key, one.message, one.on_disk)
        for one in world.exposure.promises
    ]
    trusted = frozenset(play.trusted()) & images.keys()
    return Evidence(
        world.common_id, world.genesis.raw, images, promises, _claims(world.claims), trusted,
        play.proposed, world.blamed, play.unheld, _stale(play), play.beside,
        [(machine, read_message(message, key)) for machine, key, message in world.exposure.beacons],
        [(at_ms, machine) for at_ms, machine in play.halts if machine not in play.liars],
    )  # fmt: skip


def _stale(play: Play) -> dict[str, int]:
    """Machines with an old journal; by some time into the calm they have heard what it lacks."""
    if not play.calm:
        return {}
    return dict.fromkeys(sorted(play.outdated - play.unbound), play.calm_at_ms + HEARD_MS)


def judge_safety(play: Play) -> dict[str, list[str]]:
    """What each safety check found."""
    judge = Judge(evidence_of(play))
    return {name: list(_some(check(judge))) for name, check in SAFETY.items()}


def judge(play: Play) -> Verdict:
    """The verdict over a run that has ended (or crashed: then only its safety counts)."""
    judged = Judge(evidence_of(play))
    verdict = Verdict({name: list(_some(check(judged))) for name, check in SAFETY.items()})
    expect = play.scenario.expect
    if not play.done:
        return verdict
    expected = Expected(
        converged=expect.converged, progress=expect.progress, takeovers=expect.takeovers,
        rotations=expect.rotations, witness=_named(play, expect.witness), final=expect.final,
    )  # fmt: skip
    found: dict[str, Any] = {
        "convergence": liveness.convergence(judged, expected) if expect.converged else (),
        "equality": liveness.equality(judged, expected),
        "progress": liveness.progress(judged, expected, frozenset(play.probes)),
        "finality": liveness.finality(judged, expected, frozenset(play.probes)),
        "answered": liveness.answered(judged, expected),
        "successor": liveness.successor(judged, expected),
        "contents": liveness.contents(judged, expected),
        "bounded": liveness.bounded(judged, expected),
        "room": _room(play, judged),
        "probes": _probes(play),
        "interregnum": _interregnum(play),
        "members": _members(play),
    }
    if expect.safety == "open":
        for name in OPEN:
            verdict.allowed[name], verdict.safety[name] = verdict.safety[name], []
        found = {"noticed": _noticed(play, verdict.allowed)}
    verdict.liveness = {name: list(_some(problems)) for name, problems in found.items()}
    return verdict


def _named(play: Play, who: str | None) -> str | None:
    return None if who is None else (play.choose(who) or [who])[0]


def _some(problems: Iterable[str]) -> Iterable[str]:
    for count, problem in enumerate(problems):
        if count == PROBLEMS_MAX:
            return
        yield problem


def _probes(play: Play) -> Iterable[str]:
    if play.scenario.expect.progress and not play.probes:
        yield "nobody could propose anything in the calm"


def _room(play: Play, judged: Judge) -> Iterable[str]:
    line = liveness.agreed(judged)
    return room(judged, line.state.id if line else None, play.room.wanted if play.room else None)


def _noticed(play: Play, allowed: dict[str, list[str]]) -> Iterable[str]:
    """Whoever knows of two finals that exclude each other says so and signs nothing more (F1)."""
    honest = [play.world.nodes[name] for name in play.trusted()]
    if allowed["agreement"] and not any(node.core.live()["conflict"] for node in honest if node.core):
        yield "two finals exclude each other, and no honest machine says so"


def _members(play: Play) -> Iterable[str]:
    expected, head = play.scenario.expect.members, play.head_of(play.witness())
    if expected is not None and head is not None:
        count = sum(member.status == ADMITTED for member in head.members.values())
        if not expected[0] <= count <= expected[1]:
            yield f"{count} members where {expected[0]} to {expected[1]} were expected"


def _interregnum(play: Play) -> Iterable[str]:
    within = play.scenario.expect.within_ms
    longest = without_witness_ms(play)
    if within is not None and longest is not None and longest > within:
        yield f"{longest} ms without a witness, where {within} were allowed"


def without_witness_ms(play: Play) -> int | None:
    """The longest time from a witness's end for good to the next one's first word; None if there was none."""
    ends = sorted(at for at, _ in play.witness_lost)
    begins = sorted(at for at, by, _ in play.story.takeovers if by != "genesis")
    gaps = [next((begin for begin in begins if begin >= end), None) for end in ends]
    found = [begin - end for begin, end in zip(gaps, ends, strict=True) if begin is not None]
    return max(found, default=None)
