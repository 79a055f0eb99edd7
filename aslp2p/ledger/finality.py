"""Which snapshots are final (section 7), from the cosignatures that are kept as facts of their snapshots'
branch.

An authority's newest cosignature on a line cosigns all that it contains, so one fact a key is enough: a
snapshot is final when, for every policy in force at it, a quorum of that policy's authorities has cosigned it
or something that contains it. (By S5 an authority moves past what it cosigned only to what contains it or
through a succession of a higher epoch, and by S3 and S4 no such succession can gather a quorum around a final
snapshot.)
"""

from __future__ import annotations

from collections.abc import Collection

from aslp2p.artifacts.envelope import Verified, decode_as, trust_stored
from aslp2p.artifacts.types import Cosignature
from aslp2p.ledger.choice import IdAt, Place, common_height
from aslp2p.ledger.policy import satisfies_all
from aslp2p.ledger.reader import PutFacts, Reader, Write
from aslp2p.ledger.standing import STANDING_KEY, Standing
from aslp2p.ledger.state import REVOKED, Member, unpack

COSIGNATURE_KEY = b"c"


def standing_at(reader: Reader, branch: int, height: int) -> Standing:
    """The standing at a snapshot that is stored."""
    data = reader.fact(branch, STANDING_KEY, height)
    if data is None:
        raise LookupError(f"no standing at {branch}:{height}")
    return Standing.decode(data)


def cosignatures_on(reader: Reader, branch: int, height: int) -> dict[bytes, tuple[int, bytes]]:
    """Each key's newest cosignature on the line up to `height`: key to (height cosigned, raw artifact)."""
    rows = reader.facts(branch, COSIGNATURE_KEY, height)
    return {key[1:]: (at, raw) for key, raw, at in rows}


def final_height(reader: Reader, branch: int, height: int) -> int:
    """The highest final height on the line of `branch` up to `height`; 0, genesis, is always final."""
    cosigned = {key: at for key, (at, _) in cosignatures_on(reader, branch, height).items()}
    candidates = set(cosigned.values())
    if cosigned and (change := standing_at(reader, branch, height).change_height):
        # What was in force below an unsettled change asks less than both policies do (P2).
        candidates.add(change - 1)
    for candidate in sorted(candidates, reverse=True):
        signers = frozenset(key for key, at in cosigned.items() if at >= candidate)
        if satisfies_all(standing_at(reader, branch, candidate).policies, signers):
            return candidate
    return 0


def final_on(reader: Reader, place: Place, abandoned: Collection[bytes]) -> int:
    """The highest final height on the line to `place`, by what stands on that line: below the lowest of its
    snapshots that were given up (S9)."""
    branch, height = place
    final = final_height(reader, branch, height)
    rows = [row for id_ in abandoned if (row := reader.snapshot(id_)) is not None and row.height <= final]
    given_up = [row.height for row in rows if reader.snapshot_at(branch, row.height) == row]
    return final_height(reader, branch, min(given_up) - 1) if given_up else final


def known_final(reader: Reader, place: Place, abandoned: Collection[bytes]) -> int:
    """The highest final height on the line to `place`, by what stands on any line that contains it: two
    histories of one witness that part above it make it final together (F1, F3)."""
    found = 0
    for row in reader.branches():
        tip = (row.branch, row.tip_height)
        final = final_on(reader, tip, abandoned)
        if final > found:
            found = max(found, min(final, common_height(place, tip, id_at_of(reader))))
    return found


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
            found[key] = trust_stored(decode_as(Cosignature, raw))
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
    member = reader.fact(row.branch, b"m" + cosignature.key, at.height)
    usable = member is not None and unpack(Member, member).status != REVOKED
    return row.branch if usable else None


def keep_cosignature(branch: int, cosignature: Verified[Cosignature]) -> Write:
    """The write that makes a cosignature a fact of its snapshot's branch."""
    key = COSIGNATURE_KEY + cosignature.key
    return PutFacts(branch, cosignature.statement.height, {key: cosignature.raw})
