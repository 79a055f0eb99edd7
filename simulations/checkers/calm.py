"""Calm: nobody signs, renews or keeps more than what happened calls for (S12, S14, A4).

promises   a machine endorses a few successions of one author a round, and a few policy changes of one
renewals   a witness renews itself at most once a round
branches   a disk keeps no more branches than there may be, and few of those that the floor leaves out
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulations.checkers.artifacts import ENDORSEMENT, GENESIS, action_of, read
from simulations.checkers.judge import known_by

if TYPE_CHECKING:
    from simulations.checkers.evidence import Image
    from simulations.checkers.judge import Judge

AUTHOR_MAX = 8
"""Endorsements of one author's successions in a round: two by the daemon, twice where it started again or its
clock was set back, and a few by people."""
RENEWALS_MAX = 3
BRANCHES_MAX = 256
LEFT_OUT_MAX = 16


def calm(judge: Judge) -> Iterator[str]:
    """What was more than it should be, on any trusted machine."""
    round_ms = _round_ms(judge)
    for image in judge.evidence.trusted_images():
        yield from _promises(judge, image, round_ms)
        yield from _branches(judge, image)
    yield from _renewals(judge, round_ms)


def _round_ms(judge: Judge) -> int:
    artifact = read(judge.evidence.genesis)
    assert artifact.type == GENESIS
    grace_ms: int = artifact.body[1][3]
    return min(max(grace_ms // 20, 250), 24 * 3_600_000)


def _promises(judge: Judge, image: Image, round_ms: int) -> Iterator[str]:
    by_author: dict[tuple[bytes, bool], list[int]] = {}
    for raw in image.journal:
        artifact = read(raw)
        if artifact.type == ENDORSEMENT:
            proposal = judge.proposal(artifact.body[1])
            author = read(proposal).key if proposal is not None else b""
            by_author.setdefault((author, artifact.body[2] == 0), []).append(artifact.body[3])
    for times in by_author.values():
        most = _most_within(times, round_ms * 9 // 10)
        if most > AUTHOR_MAX:
            yield f"{image.name} endorsed {most} times for one author in a round"


def _most_within(times: list[int], window_ms: int) -> int:
    times, most, first = sorted(times), 0, 0
    for last, at in enumerate(times):
        while times[first] < at - window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


def _renewals(judge: Judge, round_ms: int) -> Iterator[str]:
    """On every line that a trusted machine follows."""
    tips = judge.tips(frozenset(image.head for image in judge.evidence.trusted_images() if image.head))
    for tip in tips:
        times: dict[bytes, list[int]] = {}
        for step in judge.line(tip).steps:
            special = step.certified if step.kind == "witness-rotation" else None
            if special is not None and action_of(special)[4] == step.signer:
                times.setdefault(step.signer, []).append(special.body[1])
        for found in times.values():
            most = _most_within(found, round_ms * 9 // 10)
            if most > RENEWALS_MAX:
                yield f"a witness renewed itself {most} times in a round"


def _branches(judge: Judge, image: Image) -> Iterator[str]:
    tips = judge.tips(frozenset(image.snapshots))
    if len(tips) > BRANCHES_MAX:
        yield f"{image.name} keeps {len(tips)} branches"
    claims = [one for one in judge.evidence.claims if one.machine == image.name]
    known, lines = known_by(judge, claims, 10**15), judge.evidence.lines
    if known.height:
        left_out = [tip for tip in tips if not lines.contains(tip, known.id)]
        if len(left_out) > LEFT_OUT_MAX:
            yield f"{image.name} keeps {len(left_out)} branches that leave out the policy of @{known.height}"
