"""Each rule of the protocol, taken out of the code that holds to it.

`without(rule, patch)` replaces real functions of `aslp2p` by ones that forget that one rule and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from aslp2p.artifacts.envelope import Signed, decode_as
from aslp2p.artifacts.types import Endorsement, PolicyChange, Proposal, Rotation, Snapshot, Succession
from aslp2p.core import promises as core_promises
from aslp2p.errors import Rejected
from aslp2p.ledger import (
    abandonment,
    certificate,
    epochs,
    finality,
    gate,
    history,
    journal,
    outlook,
    stances,
)
from aslp2p.ledger.certificate import Parent
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.policy import authority_keys
from aslp2p.ledger.reader import Reader, SnapshotRow
from aslp2p.ledger.stances import Ask, may_stand_on
from aslp2p.ledger.standing import Standing
from aslp2p.limits import EPOCH_MAX

Patch = pytest.MonkeyPatch


def _s1(patch: Patch) -> None:
    """Endorse any number of successions an epoch, in any order."""

    def classify(
        ledger: Ledger, reader: Reader, proposal: bytes, action: Succession | PolicyChange, ceiling: int
    ) -> Ask:
        if isinstance(action, PolicyChange):
            return Ask.ENDORSE_POLICY
        base = reader.snapshot(action.base_id)
        stands = base is not None and may_stand_on(ledger, reader, action, base)
        return Ask.ENDORSE_HIGHER if stands else Ask.ENDORSE_BEHIND

    patch.setattr(core_promises, "classify_endorsement", classify)


def _s1_steps(patch: Patch) -> None:
    """Endorse an epoch however far it is above all that is reached."""
    patch.setattr(epochs, "ceiling", lambda *_: EPOCH_MAX)


def _s3(patch: Patch) -> None:
    """Endorse a succession on any base."""
    patch.setattr(stances, "may_stand_on", lambda *_: True)


def _s4(patch: Patch) -> None:
    """Cosign epochs below an endorsed one."""
    real = stances.classify_cosignature

    def classify(ledger: Ledger, reader: Reader, row: SnapshotRow) -> Ask:
        with Patch.context() as forgetful:
            forgetful.setattr(stances, "endorsed_epoch", lambda _: -1)
            return real(ledger, reader, row)

    patch.setattr(core_promises, "classify_cosignature", classify)


def _s5(patch: Patch) -> None:
    """Cosign what leaves out what was cosigned."""
    real = stances.classify_cosignature

    def classify(ledger: Ledger, reader: Reader, row: SnapshotRow) -> Ask:
        ask = real(ledger, reader, row)
        return Ask.COSIGN if ask is Ask.COSIGN_ASIDE else ask

    patch.setattr(core_promises, "classify_cosignature", classify)


def _s5_rotation(patch: Patch) -> None:
    """Let a rotation pass a snapshot of the reign that it ends."""
    real = stances._between

    def between(before: Standing, after: Standing) -> list[stances._Change]:
        return [msgspec.structs.replace(change, rotation=False) for change in real(before, after)]

    patch.setattr(stances, "_between", between)


def _s13(patch: Patch) -> None:
    """Emit along any branch of an epoch.

    Within P1 no witness is moved inside one epoch: two histories that appoint it for the same one both carry
    one rotation, so their common witness signed both (F3 cuts them), and by S4 neither transition becomes
    final. This rule is for when more lie than that, since one's own promises hold even then.
    """
    real = stances.classify_emission

    def classify(ledger: Ledger, reader: Reader, epoch: int, parent: SnapshotRow) -> Ask:
        ask = real(ledger, reader, epoch, parent)
        return Ask.EMIT if ask is Ask.EMIT_ASIDE else ask

    patch.setattr(core_promises, "classify_emission", classify)


def _v4_reign(patch: Patch) -> None:
    """Let a rotation stand on any ancestor."""
    real = certificate._require_transition

    def require(
        proposal: Signed[Proposal], action: Rotation, parent: Parent, signer: bytes, subject: bytes
    ) -> None:
        if parent.id_at(action.base_height) == action.base_id:
            action = msgspec.structs.replace(action, base_height=parent.height, base_id=parent.id)
        real(proposal, action, parent, signer, subject)

    patch.setattr(certificate, "_require_transition", require)


def _v6_distinct(patch: Patch) -> None:
    """Count endorsements instead of keys."""

    def embedded(record: Any, raws: Any, common_id: bytes, verifier: Any, rule: str) -> Any:
        return verifier.verify_all([decode_as(record, raw) for raw in raws])

    class Counted(frozenset[bytes]):
        """Keys that remember how many endorsements they came from."""

        many: dict[bytes, int]

    def counting(endorsements: Any, *rest: Any) -> Any:
        keys = Counted(real_counting(endorsements, *rest))
        keys.many = {key: sum(one.key == key for one in endorsements) for key in keys}
        return keys

    def quorum(policies: Any, keys: Any, subject: bytes, rule: str) -> None:
        for policy in policies:
            if sum(counts.get(key, 1) for key in authority_keys(policy) & keys) < policy.threshold:
                raise Rejected(rule, "its endorsements are no quorum", subject=subject)

    def require(snapshot: Signed[Snapshot], *rest: Any) -> Any:
        counts.clear()
        for raw in snapshot.statement.certificate or ():
            key = decode_as(Endorsement, raw).key
            counts[key] = counts.get(key, 0) + 1
        return real_require(snapshot, *rest)

    counts: dict[bytes, int] = {}
    real_counting, real_require = certificate._counting, certificate.require_certificate
    patch.setattr(certificate, "_embedded", embedded)
    patch.setattr(certificate, "_counting", counting)
    patch.setattr(certificate, "_require_quorum", quorum)
    patch.setattr(gate, "require_certificate", require)


def _p4_joint(patch: Patch) -> None:
    """Put a new policy in force alone as soon as it is carried."""
    real = gate.next_standing

    def standing(*args: Any) -> Standing:
        after = real(*args)
        if not after.joint:
            return after
        return msgspec.structs.replace(after, installed=after.installed[-1:], change_height=0)

    patch.setattr(gate, "next_standing", standing)


def _p4_settlement(patch: Patch) -> None:
    """Settle a policy change without cosignatures."""
    patch.setattr(gate, "require_settlement", lambda *_: [])


def _f5(patch: Patch) -> None:
    """Let every line count, whatever policy change it leaves out."""
    for module in (history, outlook, finality, abandonment, journal):
        patch.setattr(module, "stands_on", lambda *_: True)
    patch.setattr(Ledger, "on_floor", lambda *_: True)


def _f5_given(patch: Patch) -> None:
    """Take no notice of the floor that an invite gave."""
    patch.setattr(history, "read_given_floor", lambda _: None)


def _f5_moves(patch: Patch) -> None:
    """Leave the floor at the genesis, whatever is final."""
    patch.setattr(outlook, "next_floor", lambda *_: None)


def _s9(patch: Patch) -> None:
    """Let any certificate that abandons something take finality from it."""
    patch.setattr(finality, "takes_finality", lambda *_: True)


YEARS: dict[str, Callable[[Patch], None]] = {
    "F5": _f5,
    "F5 moves": _f5_moves,
    "F5 given": _f5_given,
    "S9": _s9,
}
"""Those that matter where quorums retire (`years.py`)."""


ELSEWHERE: dict[str, tuple[str, ...]] = {
    "F5a": ("own-part-forgotten", "own-part-decides-nothing"),
    "F5b": (
        "old-endorsements-forbid",
        "old-endorsements-stop",
        "old-cosignatures-hold",
        "old-cosignatures-stop",
    ),
    "S2": ("deaf-to-idleness", "fetches-for-ever", "no-room-for-ever"),
    "S12": ("renews-without-end",),
    "S14": ("signs-without-end",),
}
"""What no walk can show, by the planted mistakes that a test of their place notices: walks have no clock
(S2, S12, S14), and nobody honest takes part in two changes, or promises anything below one that it knows."""


RULES: dict[str, Callable[[Patch], None]] = {
    "S1": _s1,
    "S1 steps": _s1_steps,
    "S3": _s3,
    "S4": _s4,
    "S5": _s5,
    "S5 rotation": _s5_rotation,
    "S13": _s13,
    "V4 reign": _v4_reign,
    "V6 distinct": _v6_distinct,
    "P4 joint": _p4_joint,
    "P4 settlement": _p4_settlement,
}


def without(rule: str, patch: Patch) -> None:
    """Take `rule` out, until `patch` is undone."""
    (RULES | YEARS)[rule](patch)
