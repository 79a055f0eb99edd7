"""What a policy change would do, in words, and how it can lock people out (P1, P3).

`risks` names each way by a code that a person has to repeat to go on: no typing error loses a Common.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Admit, Policy, PolicyChange, Proposal
from aslp2p.errors import UserError
from aslp2p.ledger.facts import cosignatures_on
from aslp2p.ledger.policy import authority_keys
from aslp2p.ledger.state import REVOKED, revoked_keys
from aslp2p.views.actions import policy_json
from aslp2p.views.pending import open_artifacts
from aslp2p.views.people import explained
from aslp2p.views.policy_difference import change_words
from aslp2p.views.view import View

NO_SPARE = "one-loss-locks-out"
ALL_NEW = "all-new-authorities"
UNSEEN = "unseen-key"
_RECENT = 1000
"""Snapshots that are looked through for who has emitted one."""


def compare(view: View, new: Policy, linked: Set[bytes]) -> dict[str, Any]:
    """How `new` differs from the policy in force and what it risks; `linked` are the keys linked to now.

    Raises `UserError` when nothing differs, or when a change is under way (P3) or this one proposed already.
    """
    standing = view.standing(view.height)
    if standing.joint:
        raise UserError(
            f"the policy change of @{standing.change_height} has not settled yet, and there is one at a time",
            remedy="see what it waits for: asl status",
        )
    old = standing.policies[-1]
    words = change_words(old, new, standing.next_witness)
    if not words:
        raise UserError("that is the policy in force already", remedy="see it with: asl policy show")
    _require_new(view, new, standing.installed[-1].id)
    return {
        "policy": policy_json(new),
        "replaces": standing.installed[-1].id.hex(),
        "words": words,
        "risks": [{"code": code, "text": text} for code, text in _risks(view, old, new, linked)],
        "explanation": explained(view, new)["explanation"],
    }


def _require_new(view: View, new: Policy, replaces: bytes) -> None:
    """Two proposals of one policy would divide the endorsements between them."""
    for id_, proposal in open_artifacts(view).proposals.items():
        if proposal.statement.action == PolicyChange(new, replaces):
            raise UserError(
                f"that policy is proposed already, by {view.who(proposal.key)}",
                remedy=f"see who is missing: asl proposals; to endorse it: asl endorse {id_.hex()[:8]}",
            )


def _risks(view: View, old: Policy, new: Policy, linked: Set[bytes]) -> list[tuple[str, str]]:
    risks = []
    t, n = new.threshold, len(new.witnesses)
    if t == n and (old.threshold, len(old.witnesses)) != (t, n):
        whose = "that one key is lost" if n == 1 else f"any one of the {n} keys is lost"
        risks.append((NO_SPARE, f"with {t} of {n}, once {whose} nobody can ever replace the witness"))
    gone = revoked_keys({key: one for key in authority_keys(new) if (one := view.member(key)) is not None})
    if n - len(gone) < t:
        risks.append((NO_SPARE, "too many of its authorities are revoked for it to do anything"))
    if not authority_keys(old) & authority_keys(new):
        risks.append((ALL_NEW, "none of the present authorities keeps a say"))
    known = authority_keys(old) | _seen(view) | linked | {view.own_key}
    unseen = [one.name for one in new.witnesses if one.key not in known and not came_by_invite(view, one.key)]
    if unseen:
        risks.append(
            (
                UNSEEN,
                f"nothing signed with the key of {', '.join(unseen)} was ever seen here, "
                "and it is not linked now: if it is mistyped, that place is lost",
            )
        )
    return risks


def came_by_invite(view: View, key: bytes) -> bool:
    """Whether `key` proved itself on a link, to be let in by a token that is made out to it."""
    member = view.member(key)
    raw = None if member is None else view.reader.artifact(member.by)
    action = None if raw is None else decode_as(Proposal, raw).statement.action
    return isinstance(action, Admit) and action.token is not None


def _seen(view: View) -> frozenset[bytes]:
    """Keys that have signed something that is here."""
    seen = set(cosignatures_on(view.reader, view.branch, view.height))
    found = open_artifacts(view)
    seen |= {one.key for one in found.proposals.values()}
    seen |= {key for keys in found.endorsers.values() for key in keys}
    low = max(0, view.height - _RECENT + 1)
    seen |= {row.signer for row in view.reader.snapshots(view.branch, low, _RECENT)}
    return frozenset(key for key in seen if (one := view.member(key)) is None or one.status != REVOKED)
