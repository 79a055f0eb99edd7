"""Checks of what a witness did while it was observed: its beacons, and what lay on its disk as it emitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulations.checkers.artifacts import TAKEOVERS, Artifact, action_of, read, verifies

if TYPE_CHECKING:
    from simulations.checkers.judge import Judge


def counters(judge: Judge) -> Iterator[str]:
    """Section 8: the counter only grows, across restarts."""
    last: dict[str, int] = {}
    for machine, beacon in judge.evidence.beacons:
        counter = beacon.body[4]
        if machine in judge.evidence.trusted and counter <= last.get(machine, 0):
            yield f"{machine} counts its beacons {counter} after {last[machine]}"
        last[machine] = counter


def deposed(judge: Judge) -> Iterator[str]:
    """S10: a witness that holds a complete certificate of a higher epoch emits nothing more."""
    for machine, id_, endorsed in judge.evidence.beside:
        emitted = judge.evidence.lines.artifact.get(id_)
        if machine not in judge.evidence.trusted or emitted is None or emitted.body[8] is not None:
            continue
        by_proposal: dict[bytes, set[bytes]] = {}
        for artifact in map(read, endorsed):
            if artifact.body[2] > emitted.body[3] and verifies(artifact):
                by_proposal.setdefault(artifact.body[1], set()).add(artifact.key)
        for proposal, keys in by_proposal.items():
            if _is_complete(judge, emitted, proposal, keys):
                yield f"{machine} emitted @{emitted.body[1]} beside a complete certificate of a higher epoch"


def _is_complete(judge: Judge, emitted: Artifact, proposal: bytes, keys: set[bytes]) -> bool:
    """Whether `keys` make `proposal` a takeover by somebody else at the parent of `emitted`."""
    raw, parent = judge.proposal(proposal), judge.line(emitted.body[2]).steps[-1]
    action = action_of(read(raw)) if raw is not None else [""]
    if parent.id != emitted.body[2] or action[0] not in TAKEOVERS or action[4] == emitted.key:
        return False
    counting = keys - parent.revoked - set(action[7:8])
    return all(len(authorities & counting) >= threshold for threshold, authorities in parent.policies)
