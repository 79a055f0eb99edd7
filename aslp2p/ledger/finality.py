"""Which snapshots are final (section 7), from the cosignatures that are kept as facts of their snapshots'
branch.

An authority's newest cosignature on a line cosigns all that it contains, so one fact a key is enough: a
snapshot is final when, for every policy in force at it, a quorum of that policy's authorities has cosigned it
or something that contains it. (By S5 an authority moves past what it cosigned only to what contains it or
through a succession of a higher epoch, and by S3 and S4 no such succession can gather a quorum around a final
snapshot.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aslp2p.artifacts.envelope import VERIFIER, Verified, read_stored_as
from aslp2p.artifacts.types import Cosignature, Policy
from aslp2p.ledger.abandonment import Abandonment, effective, given_up_on, read_abandonments, takes_finality
from aslp2p.ledger.choice import IdAt, Place, common_height
from aslp2p.ledger.facts import cosignature_key, cosignatures_on, member_at, standing_at, standing_changes
from aslp2p.ledger.floor import GENESIS_FLOOR, Floor, read_floor, stands_on
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import PutFacts, Reader, Write, row_at
from aslp2p.ledger.state import REVOKED


def final_height(reader: Reader, branch: int, height: int) -> int:
    """The highest final height on the line of `branch` up to `height`, whatever is given up; 0, genesis, is
    always final."""
    cosigned = _cosigned(reader, branch, height)
    candidates = set(cosigned.values())
    if cosigned and (change := standing_at(reader, branch, height).change_height):
        # What was in force below an unsettled change asks less than both policies do (P2).
        candidates.add(change - 1)
    for candidate in sorted(candidates, reverse=True):
        if _has_quorum(cosigned, candidate, standing_at(reader, branch, candidate).policies):
            return candidate
    return 0


def _cosigned(reader: Reader, branch: int, height: int) -> dict[bytes, int]:
    return {key: at for key, (at, _) in cosignatures_on(reader, branch, height).items()}


def _has_quorum(cosigned: Mapping[bytes, int], height: int, policies: Sequence[Policy]) -> bool:
    return satisfies_all(policies, frozenset(key for key, at in cosigned.items() if at >= height))


def final_on(reader: Reader, place: Place, given_up: Sequence[Abandonment]) -> int:
    """The highest final height on the line to `place`, by what stands on that line and no certificate of
    `given_up` takes (S9): where one does, nothing from what it gives up on counts."""
    branch, height = place
    final = final_height(reader, branch, height)
    taking = list(given_up_on(reader, branch, final, given_up))
    if not taking:
        return final
    # Between two changes of the standing the same certificates take finality, and what is left reaches up to
    # one of these heights.
    caps = [height, *sorted({at - 1 for at, _ in taking}, reverse=True)]
    cosigned = {cap: _cosigned(reader, branch, cap) for cap in caps}
    candidates = {at for by_key in cosigned.values() for at in by_key.values()} | {*caps[1:]}
    candidates |= {at - 1 for at, _ in standing_changes(reader, branch, 0, final)}
    for candidate in sorted((at for at in candidates if 0 < at <= final), reverse=True):
        policies = standing_at(reader, branch, candidate).policies
        cap = min(
            (at - 1 for at, one in taking if takes_finality(reader, one, branch, candidate, policies)),
            default=height,
        )
        if candidate <= cap and _has_quorum(cosigned[cap], candidate, policies):
            return candidate
    return 0


def known_final(reader: Reader, place: Place, floor: Floor, given_up: Sequence[Abandonment]) -> int:
    """The highest final height on the line to `place`, by what stands on any line that contains it: two
    histories of one witness that part above it make it final together (F1, F3). The floor is final, and
    beside it nothing is (F5)."""
    found = 0
    for row in reader.branches():
        tip = (row.branch, row.tip_height)
        if not stands_on(reader, *tip, floor):
            continue
        final = max(floor.height, final_on(reader, tip, given_up))
        if final > found:
            found = max(found, min(final, common_height(place, tip, id_at_of(reader))))
    return found


def read_final(reader: Reader, place: Place) -> int:
    """The highest final height on the line to `place`, for readers without a ledger."""
    floor = read_floor(reader) or GENESIS_FLOOR
    return known_final(reader, place, floor, effective(reader, floor, read_abandonments(reader)))


def first_change(reader: Reader, branch: int, above: int, height: int) -> Floor | None:
    """The lowest policy change of a line above the height `above`, up to `height`."""
    policy = standing_at(reader, branch, above).installed[-1].id
    if standing_at(reader, branch, height).installed[-1].id == policy:
        return None
    found = min(
        at
        for at, standing in standing_changes(reader, branch, above, height)
        if standing.installed[-1].id != policy
    )
    return Floor(found, row_at(reader, branch, found).id)


def settling(reader: Reader, tip: Place, gone: Collection[bytes]) -> tuple[bytes, ...] | None:
    """The cosignatures that settle the policy change of the line to `tip` (P4), as a snapshot on it embeds
    them, without the keys in `gone`, which are revoked; None where the change is not known to be final under
    both policies. One has to be unsettled there."""
    standing = standing_at(reader, *tip)
    usable = {
        key: raw
        for key, (height, raw) in cosignatures_on(reader, *tip).items()
        if height >= standing.change_height and key in standing.authorities() and key not in gone
    }
    if not satisfies_all(standing.policies, usable.keys()):
        return None
    return tuple(usable[key] for key in sorted(usable))


def id_at_of(reader: Reader) -> IdAt:
    """What looks up the ids of lines in `reader`."""

    def id_at(branch: int, height: int) -> bytes | None:
        row = reader.snapshot_at(branch, height)
        return None if row is None else row.id

    return id_at


def cosigners(
    reader: Reader, branch: int, height: int, tip_height: int
) -> dict[bytes, Verified[Cosignature]]:
    """Who cosigned the snapshot at `height` or something on this line that contains it."""
    found = {}
    for key, (at, raw) in cosignatures_on(reader, branch, tip_height).items():
        if at >= height:
            found[key] = VERIFIER.verify(read_stored_as(Cosignature, raw, audited=True))
    return found


def counting_on(reader: Reader, cosignature: Verified[Cosignature]) -> int | None:
    """The branch of the cosigned snapshot, if the cosignature counts there: its signer is an authority in
    force at it and not revoked (P2, V8), and it names the snapshot's epoch and height. None if not."""
    at = cosignature.statement
    row = reader.snapshot(at.snapshot)
    if row is None or row.height != at.height or row.epoch != at.epoch:
        return None
    if cosignature.key not in standing_at(reader, row.branch, at.height).authorities():
        return None
    # Every authority is a member: anchors and policy changes see to that.
    member = member_at(reader, row.branch, at.height, cosignature.key)
    usable = member is not None and member.status != REVOKED
    return row.branch if usable else None


def keep_cosignature(branch: int, cosignature: Verified[Cosignature]) -> Write:
    """The write that makes a cosignature a fact of its snapshot's branch."""
    key = cosignature_key(cosignature.key)
    return PutFacts(branch, cosignature.statement.height, {key: cosignature.raw})
