"""What must come to pass once things are calm and a quorum is up; each check yields what did not.

convergence  all machines that are on stand on one head
equality     participants that know the same history stand on one head (F3)
progress     what was proposed in the calm is listed
finality     it is final, too, and policy changes are settled (S12, P4)
answered     every acknowledged proposal of a trusted disk is listed or rejected in the end (F4)
successor    as many takeovers as expected, each one by the bound
calm         no takeover where the witness was there all along
contents     what is listed is held by every machine that is on (G6)
room         a quorum that is up can admit, appoint, change its policy and settle it (`room.py`)
bounded      nothing grows without bound (A4, G5)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulations.checkers.artifacts import CERTIFIED_ACTIONS, TAKEOVERS, action_of, read
from simulations.checkers.evidence import Image
from simulations.checkers.judge import Judge
from simulations.checkers.law import Line
from simulations.checkers.safety import final_on

Found = Iterator[str]
OPEN_MAX = 3 * 8192


@dataclass(frozen=True)
class Expected:
    """What a scenario promises; None: nothing is asked."""

    converged: bool = True
    progress: bool = True
    takeovers: tuple[int, int] | None = None
    """At least and at most so many recoveries and revocations in the agreed history."""
    rotations: tuple[int, int] | None = None
    witness: str | None = None
    """The machine that is witness in the end."""
    final: bool = False
    """Whether what was proposed in the calm is final in the end, and every policy change settled."""


def running(judge: Judge) -> list[Image]:
    """The trusted machines that are on in the end and were not shut out."""
    line = agreed(judge)
    return [image for image in _on(judge) if line is None or _belongs(image, line)]


def _belongs(image: Image, line: Line) -> bool:
    """Whether it is a member, or may be one yet: an invite is worth nothing once its author is shut out."""
    members = line.state.members.of
    by = image.key if image.key in members else image.invited_by
    return members.get(by, ("", "admitted"))[1] == "admitted"


def _on(judge: Judge) -> list[Image]:
    return [image for image in judge.evidence.trusted_images() if image.on]


def agreed(judge: Judge) -> Line | None:
    """The judged line of the highest epoch, then height, on which a trusted machine stands, if any."""
    lines = judge.evidence.lines
    heads = {image.head for image in _on(judge)}
    if not heads:
        return None
    return judge.line(max(heads, key=lambda id_: (lines.epoch.get(id_, -1), lines.height.get(id_, -1), id_)))


def convergence(judge: Judge, _expected: Expected) -> Found:
    lines = judge.evidence.lines
    heads: dict[bytes, list[str]] = {}
    for image in running(judge):
        heads.setdefault(image.head, []).append(image.name)
    if len(heads) > 1:
        stands = (
            f"{', '.join(sorted(names)[:4])} on @{lines.height.get(head)}" for head, names in heads.items()
        )
        yield f"{len(heads)} heads: {'; '.join(sorted(stands)[:4])}"


def equality(judge: Judge, _expected: Expected) -> Found:
    """Participants that know the same history stand on the same head, in whatever order it came (F3)."""
    line = agreed(judge)
    if line is None:
        return
    authorities = frozenset[bytes]().union(*(keys for step in line.steps for _, keys in step.policies))
    heads: dict[frozenset[bytes], dict[bytes, str]] = {}
    for image in running(judge):
        if image.key not in authorities:
            heads.setdefault(frozenset(image.snapshots), {})[image.head] = image.name
    for stands in heads.values():
        if len(stands) > 1:
            yield f"{', '.join(sorted(stands.values()))} know the same and stand on {len(stands)} heads"


def progress(judge: Judge, expected: Expected, probes: frozenset[bytes]) -> Found:
    """`probes` are what was proposed in the calm."""
    line = agreed(judge)
    if line is None or not expected.progress:
        return
    missing = [id_ for id_ in probes if id_ not in line.state.listed]
    if missing:
        yield f"{len(missing)} of {len(probes)} proposals made in the calm are not listed"


def finality(judge: Judge, expected: Expected, probes: frozenset[bytes]) -> Found:
    """Finality does not stop for ever (S4, S12), and a policy change settles (P4)."""
    line = agreed(judge)
    if line is None or not expected.final:
        return
    final = final_on(judge, line.state.id)
    late = [id_ for id_ in probes if line.state.listed.get(id_, 0) > final]
    if late:
        yield f"{len(late)} of {len(probes)} proposals made in the calm are not final: that ends @{final}"
    if len(line.state.policies) > 1:
        yield f"the policy change of @{line.state.change_height} is not settled"


def answered(judge: Judge, expected: Expected) -> Found:
    line = agreed(judge)
    if line is None or not expected.progress:
        return
    rejected: set[bytes] = set()
    for image in judge.evidence.trusted_images():
        for raw in image.artifacts.values():
            artifact = read(raw)
            if artifact.type == "asl.common.rejection/1":
                rejected.add(artifact.body[1])
    for id_, (machine, at_ms) in judge.evidence.proposed.items():
        home = judge.evidence.images.get(machine)
        if home is None or not home.on or machine not in judge.evidence.trusted:
            continue
        if not _belongs(home, line):
            continue  # its right to propose has ended
        stored = home.artifacts.get(id_)
        if stored is None or action_of(read(stored))[0] in CERTIFIED_ACTIONS:
            continue
        if id_ not in line.state.listed and id_ not in rejected:
            yield f"{machine}'s proposal {id_.hex()[:8]} of {at_ms} ms is neither listed nor rejected"


def successor(judge: Judge, expected: Expected) -> Found:
    line = agreed(judge)
    if line is None:
        return
    kinds = [step.kind for step in line.steps]
    takeovers = sum(kind in TAKEOVERS for kind in kinds)
    renewed = [step for step in line.steps if step.kind == "witness-rotation" and step.certified is not None]
    moved = sum(action_of(step.certified)[4] != step.signer for step in renewed if step.certified is not None)
    for count, bounds, name in (
        (takeovers, expected.takeovers, "takeovers"),
        (moved, expected.rotations, "rotations"),
    ):
        if bounds is not None and not bounds[0] <= count <= bounds[1]:
            yield f"{count} {name} where {bounds[0]} to {bounds[1]} were expected"
    if expected.witness is not None:
        image = judge.evidence.images[expected.witness]
        if line.state.next_witness != image.key:
            yield f"{expected.witness} is not the witness in the end"


def contents(judge: Judge, expected: Expected) -> Found:
    line = agreed(judge)
    if line is None or not expected.progress:
        return
    images = running(judge)
    # A liar may list what nobody ever held (G6 binds the honest), and what only a machine held that is gone
    # for good went with it.
    held = frozenset[bytes]().union(*(image.contents for image in images))
    away = frozenset[bytes]().union(*(image.contents for image in judge.evidence.images.values())) - held
    honest = {image.key for image in judge.evidence.trusted_images()}
    wanted = {
        id_
        for id_, witness in line.state.files.values()
        if id_ in held or (witness in honest and id_ not in away)
    }
    for image in images:
        missing = wanted - image.contents
        if image.head == line.state.id and missing:
            yield f"{image.name} lacks {len(missing)} of {len(wanted)} files"


def bounded(judge: Judge, _expected: Expected) -> Found:
    for image in judge.evidence.images.values():
        if len(image.open) > OPEN_MAX:
            yield f"{image.name} keeps {len(image.open)} open artifacts"
