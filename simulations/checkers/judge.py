"""The evidence of one run with its judged lines; and which policy changes have taken power from whom, in the
order of what left machines (F5).

The true floor is a policy change that a quorum of both policies made final, first of all that could have
followed the one before. From then on keys that it left behind decide nothing, whatever they sign together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from simulations.checkers.artifacts import COSIGNATURE, TAKEOVERS, Artifact, action_of, read
from simulations.checkers.evidence import Claim, Evidence, Promise
from simulations.checkers.law import Line, judge_line

FOREVER = 10**15
NOWHERE = bytes(32)


@dataclass(frozen=True)
class Floor:
    """The snapshot that carries a change, and from when on it is the floor."""

    id: bytes
    height: int
    order: int
    at_ms: int


@dataclass(frozen=True)
class _Signed:
    """A cosignature, and when it left its machine; never for one that is in a journal only."""

    artifact: Artifact
    order: int
    at_ms: int


def true_floors(judge: Judge) -> list[Floor]:
    """From genesis upwards; each from when on it holds."""
    signed = [_Signed(one.artifact, one.order, one.at_ms) for one in _cosigned(judge)]
    known = {one.artifact.id for one in signed}
    signed += [
        _Signed(artifact, FOREVER, FOREVER) for artifact in judge.cosignatures if artifact.id not in known
    ]
    changes = [floor for id_ in _changes(judge) if (floor := _final_from(judge, id_, signed)) is not None]
    found = [Floor(judge.evidence.common_id, 0, 0, 0)]
    contains = judge.evidence.lines.contains
    while True:
        above = [one for one in changes if one.id != found[-1].id and contains(one.id, found[-1].id)]
        if not above:
            return found
        found.append(min(above, key=lambda one: (one.order, one.height, one.id)))


def _cosigned(judge: Judge) -> list[Promise]:
    own = [one for one in judge.evidence.promises if one.artifact.type == COSIGNATURE]
    return sorted(own, key=lambda one: one.order)


def _changes(judge: Judge) -> list[bytes]:
    """Every snapshot anywhere that carries a policy change."""
    found = []
    for id_, artifact in judge.evidence.lines.artifact.items():
        if id_ == judge.evidence.common_id or artifact.body[8] is None or not artifact.body[5]:
            continue
        raw = judge.proposal(artifact.body[5][0])
        if raw is not None and action_of(read(raw))[0] == "policy-change":
            found.append(id_)
    return found


def _final_from(judge: Judge, change: bytes, signed: list[_Signed]) -> Floor | None:
    """From when on cosignatures of `change`, or of what contains it, satisfy both policies."""
    lines = judge.evidence.lines
    step = judge.line(change).steps[-1]
    if step.id != change or len(step.policies) < 2:
        return None
    signers: set[bytes] = set()
    for one in signed:
        snapshot = one.artifact.body[3]
        if snapshot not in lines.artifact or not lines.contains(snapshot, change):
            continue
        at = judge.line(snapshot).steps[-1]
        in_force = frozenset[bytes]().union(*(keys for _, keys in at.policies))
        if at.id == snapshot and one.artifact.key in in_force - at.revoked:
            signers.add(one.artifact.key)
            if all(len(keys & signers) >= threshold for threshold, keys in step.policies):
                return Floor(change, step.height, one.order, one.at_ms)
    return None


def floor_at(floors: list[Floor], at_ms: int) -> Floor:
    """The one that held at that time."""
    return [one for one in floors if one.at_ms <= at_ms][-1]


def known_by(judge: Judge, claims: list[Claim], at_ms: int) -> Floor:
    """The highest true floor that a machine had called final by then, by what it told."""
    lines, known = judge.evidence.lines, judge.floors[0]
    for claim in claims:
        if claim.at_ms > at_ms:
            break
        for floor in judge.floors:
            if known.height < floor.height <= claim.final_height and lines.contains(claim.head, floor.id):
                known = floor
    return known


def floor(judge: Judge) -> Iterator[str]:
    """No machine that knew a change to be final stands on a line without it, or stops because of one."""
    told: dict[str, list[Claim]] = {}
    for claim in judge.evidence.claims:
        if claim.machine in judge.evidence.trusted:
            told.setdefault(claim.machine, []).append(claim)
    for machine, claims in told.items():
        known = judge.floors[0]
        for claim in claims:
            if _stands_beside(judge, claim.head, known.id) and not judge.given_up(known.id):
                yield f"{machine} left @{known.height}, a policy that it knew to be final"
                break
            known = max(known, known_by(judge, [claim], claim.at_ms), key=lambda one: one.height)
    for at_ms, machine in judge.evidence.halts:
        if machine in told and known_by(judge, told[machine], at_ms) == floor_at(judge.floors, at_ms):
            yield f"{machine} signs nothing more since {at_ms} ms, though nobody in power contradicts"


def _stands_beside(judge: Judge, head: bytes, floor: bytes) -> bool:
    """A machine that starts again may stand below the floor for a moment, or nowhere; beside it, never."""
    lines = judge.evidence.lines
    if head == NOWHERE or head not in lines.artifact:
        return False
    return not lines.contains(head, floor) and not lines.contains(floor, head)


def given_up(judge: Judge, snapshot: bytes) -> bool:
    """Whether a certificate abandons `snapshot`, or what it stands on, with a quorum of what is in force at
    it (S9)."""
    lines = judge.evidence.lines
    for abandoned, endorsers in judge.abandonments:
        if abandoned in lines.artifact and lines.contains(snapshot, abandoned):
            step = judge.line(snapshot).steps[-1]
            voices = endorsers - step.revoked
            if all(len(keys & voices) >= threshold for threshold, keys in step.policies):
                return True
    return False


def abandonments(judge: Judge) -> list[tuple[bytes, frozenset[bytes]]]:
    """(snapshot, endorsers without the key that is revoked) of every certificate that gives something up."""
    found = []
    for image in judge.evidence.trusted_images():
        for raw in image.snapshots.values():
            artifact = read(raw)
            if artifact.type != "asl.common.snapshot/1" or artifact.body[8] is None or not artifact.body[5]:
                continue
            special = judge.proposal(artifact.body[5][0])
            if special is None or (action := action_of(read(special)))[0] not in TAKEOVERS:
                continue
            endorsers = frozenset(read(one).key for one in artifact.body[8]) - set(action[7:8])
            found += [(one, endorsers) for one in action[6]]
    return sorted(set(found), key=lambda one: (one[0], sorted(one[1])))


class Judge:
    """The evidence of one run with its judged lines, so that each is walked once."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._lines: dict[bytes, Line] = {}
        artifacts = [one.artifact for one in evidence.promises]
        artifacts += [read(raw) for image in evidence.images.values() for raw in image.journal]
        self.cosignatures = [artifact for artifact in artifacts if artifact.type == COSIGNATURE]
        self._order = {one.artifact.id: one.order for one in reversed(evidence.promises)}
        self._given_up: dict[bytes, bool] = {}

    def proposal(self, id_: bytes) -> bytes | None:
        """A proposal from any disk."""
        for image in self.evidence.images.values():
            if (raw := image.artifacts.get(id_)) is not None:
                return raw
        return None

    def line(self, tip: bytes) -> Line:
        """The judged line from genesis to `tip`."""
        if tip not in self._lines:
            lines = self.evidence.lines
            artifacts = [lines.artifact[id_] for id_ in lines.line(tip)[1:]]
            self._lines[tip] = judge_line(self.evidence.genesis, artifacts, self.proposal)
        return self._lines[tip]

    def order(self, cosignature: Artifact) -> int:
        """Its place in the order of signing; what never left its machine comes last."""
        return self._order.get(cosignature.id, FOREVER)

    def tips(self, ids: frozenset[bytes]) -> list[bytes]:
        """Those of `ids` on which nothing of `ids` stands, by height and id."""
        lines = self.evidence.lines
        below = {lines.parent.get(id_) for id_ in ids}
        return sorted(ids - below, key=lambda id_: (lines.height.get(id_, -1), id_))

    @cached_property
    def floors(self) -> list[Floor]:
        """The policy changes that took power from others, upwards."""
        return true_floors(self)

    def floor_at(self, order: int) -> bytes:
        """The floor at that place in the order of signing."""
        return [one.id for one in self.floors if one.order <= order][-1]

    @cached_property
    def abandonments(self) -> list[tuple[bytes, frozenset[bytes]]]:
        """What certificates on any disk give up, and who endorsed that (S9)."""
        return abandonments(self)

    def given_up(self, snapshot: bytes) -> bool:
        """Whether what is in force at `snapshot` has given it up (S9)."""
        if snapshot not in self._given_up:
            self._given_up[snapshot] = given_up(self, snapshot)
        return self._given_up[snapshot]
