"""What one key may still promise: S1, S3, S4, S5, S10, S11 and S13 as one table.

A key that signs for a Common is in one of four stances. Every question of signing is first classified, by
looking at the signing journal and the history, into one `Ask`; then the table says either the stance that
follows or the rule that refuses. An ask that is refused raises, and nothing has changed: the journal, on disk
before any signature is seen, is the only state there is.

    FREE      nothing endorsed above the epoch that the head appoints
    PROMISED  a succession of a higher epoch is endorsed: finality of lower epochs waits (S4)
    STALE     the journal may be old: this key endorses, cosigns and emits nothing any more (S11)
    HALTED    two finals exclude each other: nothing is signed (F1)
    WAITING   the floor is not here: nothing is signed until it is (F5)
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from aslp2p.artifacts.types import Rotation, Succession
from aslp2p.errors import Rejected
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.choice import common_height
from aslp2p.ledger.facts import standing_at, standing_changes
from aslp2p.ledger.finality import id_at_of
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.journal import EMIT, ENDORSE, META_STALE
from aslp2p.ledger.reader import JournalRow, Reader, SnapshotRow
from aslp2p.ledger.standing import Standing


class Stance(Enum):
    FREE = "free"
    PROMISED = "promised"
    STALE = "stale"
    HALTED = "halted"
    WAITING = "waiting"


class Ask(Enum):
    """What a key is asked to sign, as the journal and the history classify it."""

    ENDORSE_HIGHER = "endorse a succession of an epoch above every endorsed one, on a base that may be"
    ENDORSE_SAME = "endorse the same proposal again"
    ENDORSE_OTHER = "endorse another succession in an epoch that is endorsed, or a lower one"
    ENDORSE_FAR = "endorse a succession further above all that is reached than one may go"
    ENDORSE_BEHIND = "endorse a base that leaves out the last cosigned snapshot"
    ENDORSE_OFF = "endorse a base that leaves out the floor"
    ENDORSE_POLICY = "endorse a policy change, or an erasure"
    COSIGN = "cosign what contains or passes the last cosigned snapshot, of no epoch below the endorsed"
    COSIGN_BELOW = "cosign an epoch below an endorsed succession"
    COSIGN_ASIDE = "cosign what leaves out the last cosigned snapshot"
    COSIGN_OFF = "cosign what leaves out the floor"
    EMIT = "emit the first snapshot of this key at this epoch and height, on its branch"
    EMIT_OTHER = "emit a second snapshot at one epoch and height"
    EMIT_ASIDE = "emit on a branch that this key did not sign in this epoch"
    EMIT_OFF = "emit on what leaves out the floor"


_GOOD = {
    Ask.ENDORSE_HIGHER: Stance.PROMISED,
    Ask.ENDORSE_SAME: None,
    Ask.ENDORSE_POLICY: None,
    Ask.COSIGN: None,
    Ask.EMIT: None,
}
_BAD = {
    Ask.ENDORSE_OTHER: "S1",
    Ask.ENDORSE_FAR: "S1",
    Ask.ENDORSE_BEHIND: "S3",
    Ask.ENDORSE_OFF: "F5",
    Ask.COSIGN_BELOW: "S4",
    Ask.COSIGN_ASIDE: "S5",
    Ask.COSIGN_OFF: "F5",
    Ask.EMIT_OTHER: "S1",
    Ask.EMIT_ASIDE: "S13",
    Ask.EMIT_OFF: "F5",
}

TABLE: dict[tuple[Stance, Ask], Stance | str] = {}
"""(stance, ask) to the stance that follows, or to the rule that refuses."""
for _stance in (Stance.FREE, Stance.PROMISED):
    for _ask, _next in _GOOD.items():
        TABLE[_stance, _ask] = _next or _stance
    for _ask, _rule in _BAD.items():
        TABLE[_stance, _ask] = _rule
for _ask in Ask:
    TABLE[Stance.STALE, _ask] = "S11"
    TABLE[Stance.HALTED, _ask] = "F1"
    TABLE[Stance.WAITING, _ask] = "F5"
# The same statement again is no new promise: a crash may have kept it from being sent.
TABLE[Stance.HALTED, Ask.ENDORSE_SAME] = Stance.HALTED
TABLE[Stance.WAITING, Ask.ENDORSE_SAME] = Stance.WAITING

WHY = {
    "S1": "this key has signed something else for that epoch already",
    "S3": "its base leaves out what this key cosigned last; it has to be proposed again on a newer base",
    "S4": "this key has endorsed a succession of a higher epoch",
    "S5": "it leaves out what this key cosigned last",
    "S11": "the signing journal of this key may be old, so it signs no promises any more",
    "S13": "this key signs along another branch in this epoch",
    "F5": "it leaves out the policy change that every line has to contain, or that one is not here yet",
    "F1": "two final histories exclude each other, so nothing is signed any more",
}

WHY_FAR = "its epoch is too far above what this machine knows of: whoever chose it may mean to use epochs up"
"""Why S1 refuses `ENDORSE_FAR`."""


def decide(stance: Stance, ask: Ask) -> Stance:
    """The stance after `ask`; raises `Rejected` citing the rule that refuses it."""
    answer = TABLE[stance, ask]
    if isinstance(answer, str):
        raise Rejected(answer, WHY_FAR if (ask, answer) == (Ask.ENDORSE_FAR, "S1") else WHY[answer])
    return answer


def stance_of(ledger: Ledger, reader: Reader) -> Stance:
    """Where this node's key stands, from its store alone."""
    if reader.meta(META_STALE) is not None:
        return Stance.STALE
    if ledger.waits_for_floor is not None:
        return Stance.WAITING
    if ledger.conflict() is not None:
        return Stance.HALTED
    return Stance.PROMISED if endorsed_epoch(ledger) > ledger.head.standing.next_epoch else Stance.FREE


def endorsed_epoch(ledger: Ledger) -> int:
    """The highest epoch for which this key has endorsed a succession on the floor (F5b); -1 if none."""
    last = ledger.journal.last_endorsed(ledger.floor)
    return -1 if last is None else last.epoch


def last_cosigned(ledger: Ledger) -> JournalRow | None:
    """The last snapshot on the floor that this key cosigned (F5b)."""
    return ledger.journal.last_cosigned(ledger.floor)


# --- classifying ----------------------------------------------------------------------------------


def classify_endorsement(
    ledger: Ledger, reader: Reader, proposal: bytes, action: Certified, ceiling: int
) -> Ask:
    """Which ask endorsing `action` is, where no epoch above `ceiling` may be endorsed. For a succession its
    base must be stored."""
    if not isinstance(action, Succession):
        return Ask.ENDORSE_POLICY
    if reader.journal_holds(ENDORSE, proposal):
        return Ask.ENDORSE_SAME
    if action.epoch <= endorsed_epoch(ledger):
        return Ask.ENDORSE_OTHER
    if action.epoch > ceiling:
        return Ask.ENDORSE_FAR
    base = reader.snapshot(action.base_id)
    if base is not None and not ledger.on_floor(base.id):
        return Ask.ENDORSE_OFF
    if base is None or not may_stand_on(ledger, reader, action, base):
        return Ask.ENDORSE_BEHIND
    return Ask.ENDORSE_HIGHER


def classify_cosignature(ledger: Ledger, reader: Reader, row: SnapshotRow) -> Ask:
    """Which ask cosigning the stored snapshot `row` is."""
    if not ledger.on_floor(row.id):
        return Ask.COSIGN_OFF
    if row.epoch < endorsed_epoch(ledger):
        return Ask.COSIGN_BELOW
    last = last_cosigned(ledger)
    if last is None:
        return Ask.COSIGN
    before = reader.snapshot(last.subject)
    if before is None:
        return Ask.COSIGN_ASIDE
    if ledger.contains(row.branch, row.height, before.id) or passes(reader, before, row):
        return Ask.COSIGN
    return Ask.COSIGN_ASIDE


def classify_emission(ledger: Ledger, reader: Reader, epoch: int, parent: SnapshotRow) -> Ask:
    """Which ask emitting on `parent` in `epoch` is."""
    if not ledger.on_floor(parent.id):
        return Ask.EMIT_OFF
    if reader.journal_at(EMIT, epoch, parent.height + 1) is not None:
        return Ask.EMIT_OTHER
    last = reader.journal(EMIT)
    if last and last[0].epoch == epoch and not ledger.contains(parent.branch, parent.height, last[0].subject):
        return Ask.EMIT_ASIDE
    return Ask.EMIT


def may_stand_on(ledger: Ledger, reader: Reader, action: Succession, base: SnapshotRow) -> bool:
    """S3: whether `base` keeps what this key cosigned last, or may leave it behind."""
    last = last_cosigned(ledger)
    if last is None:
        return True
    cosigned = reader.snapshot(last.subject)
    if cosigned is None:
        return False
    if ledger.contains(base.branch, base.height, cosigned.id) or passes(reader, cosigned, base):
        return True
    if isinstance(action, Rotation):
        reign = standing_at(reader, cosigned.branch, cosigned.height).reign_height
        below = ledger.contains(cosigned.branch, cosigned.height, base.id)
        return below and reign <= base.height <= cosigned.height
    return cosigned.id in action.abandons


class _Change(Struct, frozen=True):
    """A succession on a line: the appointment that it ends and the epoch that it begins."""

    ended: tuple[int, bytes]
    epoch: int
    rotation: bool


def passes(reader: Reader, old: SnapshotRow, new: SnapshotRow) -> bool:
    """S5: whether the line of `new` leaves `old` behind through a succession of a higher epoch than `old`'s.

    A rotation does not pass a snapshot of the reign that it ends.
    """
    fork = common_height((old.branch, old.height), (new.branch, new.height), id_at_of(reader))
    return any(
        change.epoch > old.epoch and not (change.rotation and change.ended == (old.epoch, old.signer))
        for change in _successions(reader, new.branch, fork, new.height)
    )


def _successions(reader: Reader, branch: int, above: int, height: int) -> list[_Change]:
    """The successions on a line at heights above `above`, from its standings."""
    found: list[_Change] = []
    standings = standing_changes(reader, branch, -1, height)
    at, newer = next(standings)
    while at > above:  # the lowest is that of genesis, at height 0
        at, older = next(standings)
        found += _between(older, newer)
        newer = older
    return found


def _between(before: Standing, after: Standing) -> list[_Change]:
    appointed = (before.next_epoch, before.next_witness)
    if (after.epoch, after.witness) != appointed:
        return [_Change(appointed, after.epoch, False)]
    if after.next_epoch != after.epoch and after.next_epoch != before.next_epoch:
        return [_Change((after.epoch, after.witness), after.next_epoch, True)]
    return []
