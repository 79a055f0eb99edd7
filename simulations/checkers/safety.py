"""What may never happen, whatever failed: each check yields what it found wrong, in words.

authorization  every snapshot on every disk has authority that traces to genesis (V1 to V8, P1 to P6)
chain          each disk's head stands on what the disk holds, down to genesis, without a gap
inclusion      no line lists a proposal twice
quorum         what is called final has the cosignatures of every policy in force
agreement      no two finals exclude each other
floor          nobody leaves a final policy change, or stops, because of keys that it left behind (F5)
rollback       no node leaves what it called final, unless a certificate abandons it (F1, S9)
precedence     no node leaves an epoch for a lower one, unless what is final lies there (F2)
promises       one signature a promise: (epoch, height), one succession an epoch (S1), on disk before it left
fencing        nobody signs for an epoch below one that it endorsed or signed for (S4, S5, S10, S13)
isolation      nothing of another Common on any disk
blame          no honest peer is blamed (G5)
durability     what a person was told is proposed is on the disk
noted          two snapshots of one witness at one epoch and height are kept as evidence (F3)
held           a witness lists a put only when it holds the content (G6)
stale          a key whose journal is known to be old signs nothing any more (S11)
counters       a witness's beacons count upwards, across restarts (section 8)
calm           nobody signs, renews or keeps more than what happened calls for (S12, S14, A4)
deposed        no witness emits beside a complete certificate of a higher epoch (S10)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from simulations.checkers.artifacts import (
    COSIGNATURE,
    ENDORSEMENT,
    PROPOSAL,
    SNAPSHOT,
    SUCCESSIONS,
    TAKEOVERS,
    Artifact,
    Unreadable,
    action_of,
    read,
    verifies,
)
from simulations.checkers.calm import calm
from simulations.checkers.evidence import Claim, Image, Promise
from simulations.checkers.judge import FOREVER, Judge, floor, known_by
from simulations.checkers.observed import counters, deposed

Found = Iterator[str]
NOWHERE = bytes(32)
"""The head of who has no genesis."""


def authorization(judge: Judge) -> Found:
    for image in judge.evidence.trusted_images():
        for tip in judge.tips(frozenset(image.snapshots)):
            line = judge.line(tip)
            if line.problem is not None:
                yield f"{image.name} accepted {line.problem}"
    yield from _spoilt_copies(judge)


def _spoilt_copies(judge: Judge) -> Found:
    """A line is judged by one copy of each snapshot, whosoever; this is each machine's own copy of all that
    it told others it has audited (G4)."""
    lines, told = judge.evidence.lines, dict[str, Claim]()
    for claim in judge.evidence.claims:
        told[claim.machine] = claim
    for image in judge.evidence.trusted_images():
        for id_ in lines.line(told[image.name].head)[1:] if image.name in told else ():
            for raw in (image.snapshots.get(id_), *map(image.artifacts.get, lines.artifact[id_].body[5])):
                if raw is not None and not verifies(read(raw)):
                    yield f"{image.name} audited @{lines.height[id_]}, where a signature does not verify"


def chain(judge: Judge) -> Found:
    lines = judge.evidence.lines
    for image in judge.evidence.trusted_images():
        if not image.snapshots:
            continue
        if image.head not in image.snapshots:
            yield f"{image.name} stands on a head that its disk does not hold"
            continue
        line = lines.line(image.head)
        if line[0] != judge.evidence.common_id or any(id_ not in image.snapshots for id_ in line):
            yield f"the history on {image.name}'s disk has a gap"
        if any(lines.height[after] != lines.height[before] + 1 for before, after in pairwise(line)):
            yield f"the heights on {image.name}'s disk are not consecutive"


def inclusion(judge: Judge) -> Found:
    for image in judge.evidence.trusted_images():
        listed: set[bytes] = set()
        for id_ in judge.evidence.lines.line(image.head)[1:]:
            for proposal in judge.evidence.lines.artifact[id_].body[5]:
                if proposal in listed:
                    yield f"{image.name} lists {proposal.hex()[:8]} twice"
                listed.add(proposal)


def _cosigners(judge: Judge, tip: bytes, before: int) -> dict[bytes, int]:
    """Every key to the highest height that it cosigned on the line of `tip`, by what ever left a machine, or
    is in a journal; signed before the others of order `before`."""
    lines, found = judge.evidence.lines, dict[bytes, int]()
    for artifact in judge.cosignatures:
        _, _, height, snapshot, _ = artifact.body
        if (
            height > found.get(artifact.key, 0)
            and lines.contains(tip, snapshot)
            and judge.order(artifact) < before
        ):
            found[artifact.key] = height
    return found


def final_on(judge: Judge, tip: bytes, before: int = FOREVER + 1) -> int:
    """The height up to which the line of `tip` is final."""
    cosigned = _cosigners(judge, tip, before)
    if not cosigned:
        return 0
    for step in reversed(judge.line(tip).steps):
        signers = {key for key, height in cosigned.items() if height >= step.height} - step.revoked
        if all(len(keys & signers) >= threshold for threshold, keys in step.policies):
            return step.height
    return 0


def quorum(judge: Judge) -> Found:
    """Each machine's highest claim on each line is what the cosignatures say, or less."""
    lines = judge.evidence.lines
    highest: dict[tuple[str, bytes], int] = {}
    for claim in judge.evidence.claims:
        if claim.machine in judge.evidence.trusted and claim.final_height:
            final = lines.at_height(claim.head, claim.final_height)
            if final is not None:
                highest[claim.machine, final] = claim.final_height
    tips = judge.tips(frozenset(lines.artifact))
    real: dict[bytes, int] = {}
    for (machine, final), height in highest.items():
        # Cosignatures of what stands on it may be on any of the lines that part above it.
        on = [tip for tip in tips if lines.contains(tip, final)] or [final]
        for tip in on:
            if tip not in real:
                real[tip] = final_on(judge, tip)
        best = max(real[tip] for tip in on)
        if height > best:
            yield f"{machine} calls @{height} {final.hex()[:8]} final, the cosignatures say @{best}"


def agreement(judge: Judge) -> Found:
    lines = judge.evidence.lines
    held = {id_ for image in judge.evidence.trusted_images() for id_ in image.snapshots}
    finals = []
    for tip in judge.tips(frozenset(held)):
        # What keys sign on a line that leaves out a policy which has taken their place counts for nothing.
        left_out = [one.order for one in judge.floors if not lines.contains(tip, one.id)]
        final = lines.at_height(tip, final_on(judge, tip, min(left_out, default=FOREVER + 1)))
        if final is not None and not judge.given_up(final):
            finals.append(final)
    for one, other in pairwise(sorted(set(finals), key=lambda id_: (lines.height[id_], id_))):
        if not lines.contains(other, one):
            first, second = (f"@{lines.height[id_]} {id_.hex()[:8]}" for id_ in (one, other))
            yield f"{first} and {second} are both final"


def _told_in_turn(judge: Judge) -> Iterator[tuple[Claim | None, Claim]]:
    """Every claim of a trusted machine, and the one before it of the same process, if any."""
    last: dict[str, Claim] = {}
    for claim in judge.evidence.claims:
        if claim.machine in judge.evidence.trusted:
            older, last[claim.machine] = last.get(claim.machine), claim
            yield older if older is not None and older.since_ms == claim.since_ms else None, claim


def rollback(judge: Judge) -> Found:
    lines = judge.evidence.lines
    final_of: dict[str, bytes] = {}
    for older, claim in _told_in_turn(judge):
        if (
            older is not None
            and claim.final_height < older.final_height
            and lines.contains(claim.head, older.head)
        ):
            yield f"{claim.machine} calls @{claim.final_height} final after @{older.final_height}"
        before = final_of.get(claim.machine)
        if before is not None and not lines.contains(claim.head, before):
            if judge.given_up(before):
                del final_of[claim.machine]
            # A machine that starts again may tell a head that it has not caught up to; it is still below. One
            # that had heard of the Common a moment before may even stand nowhere.
            elif claim.head != NOWHERE and not lines.contains(before, claim.head):
                left = f"@{lines.height[before]} {before.hex()[:8]}"
                yield f"{claim.machine} left {left}, which it called final"
        final = lines.at_height(claim.head, claim.final_height)
        if final is not None and lines.height[final] >= lines.height.get(
            final_of.get(claim.machine, b""), -1
        ):
            final_of[claim.machine] = final


def precedence(judge: Judge) -> Found:
    lines = judge.evidence.lines
    places = Counter((lines.epoch[id_], lines.height[id_]) for id_ in lines.artifact)
    twice = {epoch for (epoch, _), count in places.items() if count > 1}  # F3 may cut its history off
    for older, claim in _told_in_turn(judge):
        if older is None or claim.epoch >= older.epoch:
            continue
        final = lines.at_height(claim.head, claim.final_height)
        decided = final is None or not lines.contains(older.head, final)
        if not decided and older.epoch not in twice and not judge.abandonments:
            epochs = f"epoch {older.epoch} for epoch {claim.epoch}"
            yield f"{claim.machine} left {epochs}, and nothing final lies there"


def _by_machine(judge: Judge, type_: str) -> Iterator[tuple[str, list[Promise]]]:
    found: dict[str, list[Promise]] = {}
    for one in judge.evidence.trusted_promises():
        if one.artifact.type == type_:
            found.setdefault(one.machine, []).append(one)
    for machine, promises in found.items():
        yield machine, sorted(promises, key=lambda one: one.order)


def promises(judge: Judge) -> Found:
    for one in judge.evidence.trusted_promises():
        if not one.on_disk:
            kind = one.artifact.type.split(".")[2].split("/")[0]
            yield f"a {kind} left {one.machine} that its journal does not hold"
    for machine, signed in _by_machine(judge, SNAPSHOT):
        places: dict[tuple[int, int], bytes] = {}
        for one in signed:
            place = one.artifact.body[3], one.artifact.body[1]
            if places.setdefault(place, one.artifact.id) != one.artifact.id:
                yield f"{machine} signed two snapshots @{place[1]} in epoch {place[0]}"
    for machine, signed in _by_machine(judge, ENDORSEMENT):
        before: list[Promise] = []
        for one in signed:
            _, proposal, epoch, _ = one.artifact.body
            if epoch:
                last = max((other.artifact.body[2] for other in _standing(judge, before, one)), default=0)
                again = any(other.artifact.body[1] == proposal for other in before)
                if epoch <= last and not again:
                    yield f"{machine} endorsed for epoch {epoch} after {last}"
                before.append(one)


def _standing(judge: Judge, before: list[Promise], one: Promise) -> Iterator[Promise]:
    """Those of a machine's earlier promises about succession that still bind it as it makes `one`: whose
    base, or snapshot, contains the floor of that time (F5b), as far as anybody still has it."""
    lines, floor = judge.evidence.lines, judge.floor_at(one.order)
    for other in before:
        if other.artifact.type == ENDORSEMENT:
            raw = judge.proposal(other.artifact.body[1])
            at = action_of(read(raw))[3] if raw is not None else b""
        else:
            at = other.artifact.body[3]
        if at not in lines.artifact or lines.contains(at, floor):
            yield other


def fencing(judge: Judge) -> Found:
    yield from _one_branch_an_epoch(judge)
    orders: dict[str, list[Promise]] = {}
    for one in judge.evidence.trusted_promises():
        orders.setdefault(one.machine, []).append(one)
    for machine, signed in orders.items():
        emitted = 0
        endorsed: list[Promise] = []
        cosigned: list[Promise] = []
        for one in sorted(signed, key=lambda one: one.order):
            artifact = one.artifact
            last = [other.artifact.body[3] for other in _standing(judge, cosigned[-1:], one)]
            if artifact.type == ENDORSEMENT:
                if artifact.body[2]:
                    for snapshot in last:
                        yield from _endorses_what_it_cosigned(judge, machine, artifact, snapshot)
                    endorsed.append(one)
            elif artifact.type == COSIGNATURE:
                bound = max((other.artifact.body[2] for other in _standing(judge, endorsed, one)), default=0)
                if artifact.body[1] < bound:
                    yield f"{machine} cosigned in epoch {artifact.body[1]} after it endorsed {bound} (S4)"
                if any(not _may_pass(judge, snapshot, artifact.body[3]) for snapshot in last):
                    yield f"{machine} cosigned @{artifact.body[2]} past what it cosigned before (S5)"
                cosigned.append(one)
            else:
                if artifact.body[3] < emitted:
                    yield f"{machine} emitted in epoch {artifact.body[3]} after {emitted}"
                emitted = max(emitted, artifact.body[3])


def _one_branch_an_epoch(judge: Judge) -> Found:
    lines = judge.evidence.lines
    for machine, signed in _by_machine(judge, SNAPSHOT):
        newest: dict[int, Artifact] = {}
        for one in sorted(signed, key=lambda one: (one.artifact.body[3], one.artifact.body[1])):
            before = newest.get(one.artifact.body[3])
            if before is not None and not lines.contains(one.artifact.id, before.id):
                yield f"{machine} signed along two branches in epoch {one.artifact.body[3]} (S13)"
            newest[one.artifact.body[3]] = one.artifact


def _endorses_what_it_cosigned(judge: Judge, machine: str, endorsement: Artifact, cosigned: bytes) -> Found:
    raw = judge.proposal(endorsement.body[1])
    if raw is None:
        return
    lines, action = judge.evidence.lines, action_of(read(raw))
    kind, base = action[0], action[3]
    if base not in lines.artifact or cosigned not in lines.artifact:
        return
    same_reign = kind == "witness-rotation" and lines.contains(cosigned, base)
    given_up = kind in TAKEOVERS and any(lines.contains(cosigned, one) for one in action[6])
    if not (same_reign or given_up or _may_pass(judge, cosigned, base)):
        yield f"{machine} endorsed {kind} on @{action[2]}, which leaves out what it cosigned (S3)"


def _may_pass(judge: Judge, cosigned: bytes, to: bytes) -> bool:
    """Whether `to` contains `cosigned`, or passes it by a succession of a higher epoch (S5)."""
    lines = judge.evidence.lines
    if to not in lines.artifact or cosigned not in lines.artifact or lines.contains(to, cosigned):
        return True
    floor, reign = (
        lines.height[lines.fork(to, cosigned)],
        (lines.epoch[cosigned], lines.artifact[cosigned].key),
    )
    for step in judge.line(to).steps:
        if step.height > floor and step.certified is not None and step.kind in SUCCESSIONS:
            ends_its_reign = step.kind not in TAKEOVERS and (step.epoch, step.signer) == reign
            if action_of(step.certified)[1] > reign[0] and not ends_its_reign:
                return True
    return False


def isolation(judge: Judge) -> Found:
    common_id = judge.evidence.common_id
    for image in judge.evidence.trusted_images():
        for raw in [*image.artifacts.values(), *image.snapshots.values(), *image.journal]:
            try:
                artifact = read(raw)
            except Unreadable:
                yield f"{image.name} keeps bytes that are no artifact"
                continue
            if (artifact.id if artifact.type == "asl.common.genesis/1" else artifact.body[0]) != common_id:
                yield f"{image.name} keeps a {artifact.type} of another Common"


def blame(judge: Judge) -> Found:
    trusted = judge.evidence.trusted
    for who, whom, why in judge.evidence.blamed:
        if who in trusted and whom in trusted:
            yield f"{who} blamed {whom}: {why}"


def durability(judge: Judge) -> Found:
    """An acknowledged proposal is on its machine's disk, listed or open or answered."""
    for id_, (machine, _) in judge.evidence.proposed.items():
        image = judge.evidence.images.get(machine)
        if image is None or machine not in judge.evidence.trusted:
            continue
        raw = image.artifacts.get(id_)
        if raw is None or read(raw).type != PROPOSAL:
            yield f"{machine} acknowledged the proposal {id_.hex()[:8]} and its disk does not hold it"


def noted(judge: Judge) -> Found:
    lines, floor = judge.evidence.lines, judge.floors[-1].id
    for image in judge.evidence.trusted_images():
        signed: dict[tuple[int, bytes, int], bytes] = {}
        for id_ in sorted(image.snapshots):
            artifact = judge.evidence.lines.artifact.get(id_)
            if artifact is None or artifact.type != SNAPSHOT:
                continue
            if not lines.contains(id_, floor) and not lines.contains(floor, id_):
                continue  # what leaves out the floor is no evidence (F5)
            _, height, _, epoch, *_ = artifact.body
            rival = signed.setdefault((epoch, artifact.key, height), id_)
            if rival != id_ and (epoch, artifact.key) not in image.noted:
                yield f"{image.name} holds two snapshots @{height} of one witness, and no evidence of it"
        yield from _accused_from_below(judge, image)


def _accused_from_below(judge: Judge, image: Image) -> Found:
    """What leaves out a floor that this machine knows is no evidence (F5)."""
    claims = [one for one in judge.evidence.claims if one.machine == image.name]
    lines, floor = judge.evidence.lines, known_by(judge, claims, FOREVER).id
    for epoch, key in sorted(image.noted):
        places: Counter[int] = Counter()
        for id_, artifact in lines.artifact.items():
            on = artifact.type == SNAPSHOT and (lines.contains(id_, floor) or lines.contains(floor, id_))
            if on and (artifact.body[3], artifact.key) == (epoch, key):
                places[artifact.body[1]] += 1
        if max(places.values(), default=0) < 2:
            yield f"{image.name} accuses a witness in epoch {epoch} by what leaves out the floor"


def held(judge: Judge) -> Found:
    for machine, content in judge.evidence.unheld:
        if machine in judge.evidence.trusted:
            yield f"{machine} listed a put whose content {content.hex()[:8]} it does not hold"


def stale(judge: Judge) -> Found:
    """What others can show to the owner of an old journal silences its key."""
    evidence, lines = judge.evidence, judge.evidence.lines
    for machine, from_ms in evidence.stale.items():
        image = evidence.images.get(machine)
        if image is None or not image.on:
            continue
        journal = {read(raw).id for raw in image.journal}
        others = [other for other in evidence.trusted_images() if other.on]
        lacking = [
            one.artifact.id
            for one in evidence.promises
            if one.artifact.key == image.key and one.at_ms < from_ms and one.artifact.id not in journal
        ]
        shown = (
            id_ in other.open or (id_ in other.snapshots and lines.contains(other.head, id_))
            for id_ in lacking
            for other in others
        )
        if any(shown):
            for one in evidence.promises:
                if one.machine == machine and one.at_ms > from_ms:
                    yield f"{machine} signed a {one.artifact.type} with an old journal at {one.at_ms} ms"


SAFETY: dict[str, Callable[[Judge], Found]] = {
    check.__name__: check
    for check in (
        authorization,
        chain,
        inclusion,
        quorum,
        agreement,
        floor,
        rollback,
        precedence,
        promises,
        fencing,
        isolation,
        blame,
        durability,
        noted,
        held,
        stale,
        counters,
        deposed,
        calm,
    )
}
